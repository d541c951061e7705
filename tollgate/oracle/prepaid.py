"""Prepaid contracts: a purse of credit that calls empty, top-ups fill, and the end of the contract takes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import NamedTuple

from tollgate.oracle.amounts import round_to_minor
from tollgate.oracle.book import PriceBook
from tollgate.oracle.cycles import Cycle
from tollgate.oracle.lines import USAGE, BilledEvent, Line, PrepaidBalance
from tollgate.oracle.rows import Contract, Tax, TopUp

KINDS = ("prepaid_balance", "prepaid_used", "prepaid_tax", "top_up", "prepaid_forfeit", "prepaid_settlement")


class Purse(NamedTuple):
    """What a posted run left of a contract's credit, in millionths, and what ends took of it and asked for so far."""

    credit: int
    forfeited: int
    is_closed: bool
    settled: int = 0


@dataclass
class _Month:
    """The purse while a month goes by."""

    credit: int
    top_ups: int = 0
    debits: int = 0

    def spend(self, charge: int, terms: TopUp | None) -> None:
        """A charge; with terms that look after each one, top-ups follow until the credit is no longer low."""
        self.credit -= charge
        self.debits += charge
        while charge and terms is not None and terms.moment == "event" and self._is_low(terms):
            self.buy(terms)

    def give_back(self, charge: int) -> None:
        """A charge that a posted run took is taken back; what it had bought stays bought."""
        self.credit += charge
        self.debits -= charge

    def roll(self, terms: TopUp) -> None:
        """The month ends."""
        if terms.moment == "month_start" and self._is_low(terms):
            self.buy(terms)

    def buy(self, terms: TopUp) -> None:
        self.top_ups += 1
        self.credit += terms.amount

    def _is_low(self, terms: TopUp) -> bool:
        return terms.amount > 0 and self.credit < terms.below


def is_prepaid(line: Line) -> bool:
    """Whether a prepaid contract stands behind a line: usage names it then."""
    return line.kind in KINDS or (line.kind in USAGE and line.ref != "")


def is_prepaid_contract(contract: Contract, book: PriceBook) -> bool:
    """Whether the book has a row of top-ups for the contract's plan, at whatever time."""
    return any(row.plan_id == contract.plan_id for row in book.top_ups)


def balances(
    contracts: list[Contract],
    billed: list[BilledEvent],
    cycle: Cycle,
    book: PriceBook,
    minor_digits: int,
    purses: dict[str, Purse],
    closed_on: date | None = None,
) -> list[PrepaidBalance]:
    """What the month does to each prepaid contract of an account; billed: events in the order of their starts.

    closed_on: the account's; its last bill has the end of contracts that end as the cycle does.
    """
    found = []
    for contract in contracts:
        own = [one for one in billed if _payer(one) == contract.contract_id]
        purse = purses.get(contract.contract_id)
        ended = contract.cancelled_on
        if not is_prepaid_contract(contract, book) or contract.starts_on >= cycle.end:
            continue
        is_closed = ended is not None and (ended < cycle.end or ended == cycle.end == closed_on)
        if not own and not _goes_through(contract, cycle, purse, is_closed):
            continue
        terms = _terms(contract, book, cycle)
        opening = purse.credit if purse else terms.opening_credit if terms else 0
        month = _Month(opening)
        may_buy = terms if not (purse and purse.is_closed and is_closed) else None
        for one in own:
            if one.event.kind == "reversal":
                month.give_back(-one.net_charge)
        for one in own:
            if one.event.kind != "reversal":
                month.spend(one.net_charge, may_buy)
        if terms and (ended is None or ended > cycle.end):
            month.roll(terms)
        found.append(_closed(contract, cycle, month, opening, purse, terms, is_closed, minor_digits))
    return found


def prepaid_lines(lines: list[Line], of: list[PrepaidBalance], minor_digits: int, rules: list[Tax]) -> list[Line]:
    """Lines of the statement beside the usage: balances, payments out of the credit, top-ups, ends, and included tax.

    lines: usage with its amounts; rules: tax rules of the account at the cycle's end, none of an exempt one.
    """
    found = []
    for one in of:
        found.append(Line("prepaid_balance", "none", one.contract_id, one.subscription_id))
        amounts = {"top_up": one.topped_up if one.top_ups else None, "prepaid_settlement": one.settled or None}
        amounts["prepaid_forfeit"] = 0 if one.forfeited else None
        for kind, amount in amounts.items():
            if amount is not None:
                line = _line(kind, "none", amount, one.contract_id, one.subscription_id)
                line.units = one.top_ups if kind == "top_up" else 0
                found.append(line)
        usage = [line for line in lines if is_prepaid(line) and line.ref == one.contract_id]
        if usage:
            paid = -sum(line.amount for line in usage)
            found.append(_line("prepaid_used", "none", paid, one.contract_id, one.subscription_id))
    for rule in rules:
        gross = sum(line.amount for line in lines if is_prepaid(line) and line.tax_category == rule.tax_category)
        inside = round_to_minor(gross * rule.rate / (1 + rule.rate), minor_digits)
        if inside:
            found.append(_line("prepaid_tax", rule.tax_category, -inside))
    return found


def _line(kind: str, category: str, amount: int, ref: str = "", subscription: str | None = None) -> Line:
    return Line(kind, category, ref, subscription, exact_total=amount, amount=amount)


def _payer(one: BilledEvent) -> str | None:
    holding = one.event.priced.holding
    return holding.contract_id if holding else None


def _goes_through(contract: Contract, cycle: Cycle, purse: Purse | None, is_closed: bool) -> bool:
    """Whether a month without usage concerns the contract: it is in force or ends, and has not been settled before."""
    if purse is not None:
        return not (purse.is_closed and is_closed)
    return contract.cancelled_on is None or contract.cancelled_on >= cycle.start


def _terms(contract: Contract, book: PriceBook, cycle: Cycle) -> TopUp | None:
    at = cycle.end_us // 1_000_000 - 1
    rows = [row for row in book.top_ups if row.plan_id == contract.plan_id and row.valid_from <= at < row.valid_to]
    return rows[0] if rows else None


def _closed(
    contract: Contract,
    cycle: Cycle,
    month: _Month,
    opening: int,
    purse: Purse | None,
    terms: TopUp | None,
    is_closed: bool,
    minor_digits: int,
) -> PrepaidBalance:
    """The end of the month; of a contract that has ended the credit is lost, or what it owes is asked for.

    What comes after the end, usage or what is taken back of it, is reckoned as if the end had known it: the bill has
    the difference from what the end took or asked for so far.
    """
    forfeited = settled = 0
    if is_closed:
        taken, asked = (purse.forfeited, purse.settled) if purse else (0, 0)
        without_end = month.credit + taken - asked
        forfeited = max(without_end, 0) - taken
        settled = round_to_minor(Fraction(max(-without_end, 0)), minor_digits) - asked
    return PrepaidBalance(
        contract.account_id, contract.contract_id, contract.subscription_id, contract.plan_id, cycle.start,
        purse is None, opening, month.top_ups, month.top_ups * (terms.amount if terms else 0), month.debits,
        forfeited, settled, month.credit - forfeited + settled, is_closed,
    )  # fmt: skip
