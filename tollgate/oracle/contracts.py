"""The contract of a telephone line as an object: what the trade teaches, and what the month is checked by.

One loop drives every contract: `new_month`, `bill_call` for each call in the order of their starts, and at last
`cancel_contract`. It never asks which kind a contract is of. Amounts are whole millionths of the currency; a positive
balance is owed by the customer, a negative one is credit. Source: docs/billing.md, golden vectors G-01 to G-15.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import date
from fractions import Fraction


@dataclass(frozen=True)
class Terms:
    """What a plan's rows of the price book say of one line.

    price buys a block of block_s seconds; calls are charged by whole increments of increment_s. free_s: free seconds of
    each month. top_up is bought when the credit is below top_up_below.
    """

    price: int
    block_s: int = 60
    increment_s: int = 60
    monthly_fee: int = 0
    deposit: int = 0
    free_s: int = 0
    opening_credit: int = 0
    top_up_below: int = 0
    top_up: int = 0
    topped_up_at: str = "event"

    def charged_s(self, seconds: int) -> int:
        """A call's length in whole increments."""
        return -(-seconds // self.increment_s) * self.increment_s

    def charge(self, seconds: int) -> Fraction:
        """The price of charged seconds, in millionths, exactly."""
        return Fraction(seconds * self.price, self.block_s)


@dataclass
class Statement:
    """One month of a line: what it used, free and billed, and what it costs. Amounts in millionths."""

    month: date
    free_s: int = 0
    billed_s: int = 0
    usage: Fraction = Fraction(0)
    fee: int = 0
    deposit: int = 0
    top_ups: int = 0

    @property
    def total(self) -> Fraction:
        """What the month costs; a deposit given back makes it negative."""
        return self.usage + self.fee + self.deposit


class NoMonth(Exception):
    """A call or a cancellation before the first month of a contract."""


class Contract(ABC):
    """A contract in force from `start`. Subclasses decide what a month costs, what a call costs, and how it ends."""

    def __init__(self, terms: Terms, start: date) -> None:
        self.terms = terms
        self.start = start
        self.statements: list[Statement] = []

    def new_month(self, month: date) -> Statement:
        """Begin the month that starts on `month`; months follow each other without a gap, also those without a call."""
        self.statements.append(Statement(month))
        self._open(self.statement)
        return self.statement

    @property
    def statement(self) -> Statement:
        """The month that runs; NoMonth before the first one."""
        if not self.statements:
            raise NoMonth(f"the contract of {self.start} has no month yet")
        return self.statements[-1]

    def bill_call(self, seconds: int) -> Fraction:
        """Charge a call of this length; gives what it costs, in millionths."""
        charged = self.terms.charged_s(seconds)
        free = min(charged, self._free_left())
        cost = self.terms.charge(charged - free)
        self.statement.free_s += free
        self.statement.billed_s += charged - free
        self.statement.usage += cost
        self._spent(cost)
        return cost

    def cancel_contract(self, on: date) -> Fraction:
        """End it on the first day without it; gives what the customer owes at the end, in millionths."""
        self._close(on)
        return self._owed()

    @abstractmethod
    def _open(self, statement: Statement) -> None:
        """What a month begins with."""

    def _free_left(self) -> int:
        return self.terms.free_s - self.statement.free_s

    def _spent(self, cost: Fraction) -> None:  # noqa: B027 - most contracts keep no balance
        """A call was charged."""

    def _close(self, on: date) -> None:  # noqa: B027 - most contracts end without consequence
        """What the end brings."""

    def _owed(self) -> Fraction:
        return self.statement.total


class TermContract(Contract):
    """Committed until `end`: a deposit with the first month, which is lost by leaving before that day."""

    def __init__(self, terms: Terms, start: date, end: date) -> None:
        super().__init__(terms, start)
        self.end = end

    def _open(self, statement: Statement) -> None:
        statement.fee = self.terms.monthly_fee
        if len(self.statements) == 1:
            statement.deposit = self.terms.deposit

    def _close(self, on: date) -> None:
        if on >= self.end:
            self.statement.deposit -= self.terms.deposit


class MonthToMonthContract(Contract):
    """No end, no deposit: each month stands by itself, and leaving costs nothing."""

    def _open(self, statement: Statement) -> None:
        statement.fee = self.terms.monthly_fee


class PrepaidContract(Contract):
    """Lives on credit, a negative `balance` in millionths, which months carry on and the end forfeits."""

    def __init__(self, terms: Terms, start: date) -> None:
        super().__init__(terms, start)
        self.balance = Fraction(-terms.opening_credit)

    def _open(self, statement: Statement) -> None:
        # A new contract starts on its opening credit; the roll looks at what the month before left.
        if len(self.statements) > 1 and self.terms.topped_up_at == "month_start" and self._is_low():
            self._buy(statement)

    def _spent(self, cost: Fraction) -> None:
        self.balance += cost
        while cost and self.terms.topped_up_at == "event" and self._is_low():
            self._buy(self.statement)

    def _is_low(self) -> bool:
        return self.terms.top_up > 0 and -self.balance < self.terms.top_up_below

    def _buy(self, statement: Statement) -> None:
        statement.top_ups += 1
        self.balance -= self.terms.top_up

    def _owed(self) -> Fraction:
        return max(self.balance, Fraction(0))
