"""The contract as an object and the oracle's biller bill drawn contracts alike, month by month, to the last digit.

Each month they must agree on charged and free seconds, on the exact cost of every call together, on the monthly fee, on
the deposit, on the credit of a prepaid contract, its top-ups, and what is owed or given back at the end. By design they
differ, so this is left out or brought together here:

- tax and the fee of an invoice: the biller adds them, the object knows neither. Lines are compared before tax, without
  `invoice_fee`.
- rounding: the object keeps exact fractions; the biller rounds each net charge to the digits of its rate and each line
  to the cent. So exact costs are compared always, and the amount of the usage line where no single charge was rounded.
  Prepaid prices are drawn so that none is: the biller debits the rounded ones.
- the roll of a month: a top-up that is looked for once a month is bought by the biller as the month ends, on its bill,
  by the object as the next one begins.
- the end: the biller settles in the cycle that contains the first day without the contract. If that is a cycle's first
  day, it is a bill later than the contract's last month, unless the account closes with it.
- a statement of a prepaid contract has paid for its usage, so the sum of its lines is not the object's total.
- proration, late usage, tiers, discounts, bands: the object has none; so the drawn books have none.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from pathlib import Path
from random import Random

import pytest
from properties.draw_contracts import MONTHS, Call, Drawn, anchored, book_of_contracts, draw_contract

from tollgate.oracle.billing_check import Biller, RunPins
from tollgate.oracle.book import PriceBook
from tollgate.oracle.contracts import Contract, MonthToMonthContract, PrepaidContract, TermContract, Terms
from tollgate.oracle.facts import Facts
from tollgate.oracle.lake import RatingRun
from tollgate.oracle.lines import Bill, RatedEvent
from tollgate.oracle.pricing import price_event
from tollgate.oracle.rows import OPEN_END_S, Account, Holding, Usage
from tollgate.oracle.rows import Contract as ContractRow

SEED, CONTRACTS = 1, 240
CENT = 10_000


@dataclass
class Month:
    """What a month says; amounts in exact millionths. owed: asked for at the end; credit: after the month, of a prepaid
    contract; usage_line: the amount of the line of usage, None where the object cannot know it."""

    free_s: int = 0
    billed_s: int = 0
    usage: Fraction = Fraction(0)
    fee: Fraction = Fraction(0)
    deposit: Fraction = Fraction(0)
    top_ups: int = 0
    owed: Fraction = Fraction(0)
    credit: Fraction | None = None
    usage_line: int | None = None


def cents(amount: Fraction) -> int:
    """Millionths rounded half up, away from zero, to the cent, by the decimal module."""
    exact = Decimal(amount.numerator) / Decimal(amount.denominator) / CENT
    return int(exact.quantize(Decimal(1), rounding=ROUND_HALF_UP)) * CENT


def contract_of(drawn: Drawn) -> Contract:
    if drawn.kind == "prepaid":
        return PrepaidContract(drawn.terms, drawn.start)
    if drawn.term_end is not None:
        return TermContract(drawn.terms, drawn.start, drawn.term_end)
    return MonthToMonthContract(drawn.terms, drawn.start)


def played(drawn: Drawn) -> dict[date, Month]:
    """The months of the object, by the start of the cycle on whose bill each must be found."""
    contract, months = contract_of(drawn), {}
    for start, end, calls in zip(drawn.starts, drawn.starts[1:], drawn.calls, strict=False):
        statement = contract.new_month(start)
        if months:
            rolled(contract, months[max(months)])
        at_start = statement.top_ups
        for call in calls:
            contract.bill_call(call.seconds)
        months[start] = month = Month(
            statement.free_s, statement.billed_s, statement.usage, Fraction(statement.fee),
            Fraction(statement.deposit), statement.top_ups - at_start, credit=credit_of(contract),
        )  # fmt: skip
        if drawn.cancelled is not None and drawn.cancelled <= end:
            is_next_bill = drawn.cancelled == end and not drawn.closes_account
            ended(contract, drawn.cancelled, months.setdefault(end, Month()) if is_next_bill else month)
            return months
    contract.new_month(drawn.starts[-1])
    rolled(contract, months[max(months)])
    return months


def rolled(contract: Contract, before: Month) -> None:
    """A month has just begun: what it bought is on the bill of the month before."""
    before.top_ups += contract.statement.top_ups
    before.credit = credit_of(contract)


def ended(contract: Contract, on: date, month: Month) -> None:
    """The end of a contract, on the bill of this month."""
    deposit = contract.statement.deposit
    owed = contract.cancel_contract(on)
    month.deposit += contract.statement.deposit - deposit
    if isinstance(contract, PrepaidContract):
        # What does not make a cent stays.
        month.owed = Fraction(cents(owed))
        month.credit = month.owed - owed


def credit_of(contract: Contract) -> Fraction | None:
    return -contract.balance if isinstance(contract, PrepaidContract) else None


def billed(bill: Bill) -> Month:
    """The same of a bill."""
    usage = [line for line in bill.lines if line.kind in ("usage", "prior_period")]
    month = Month(
        free_s=sum(line.free_units for line in usage),
        billed_s=sum(line.units - line.free_units for line in usage),
        usage=sum((Fraction(one.net_numerator, one.net_denominator) for one in bill.billed), Fraction(0)),
        fee=Fraction(sum(line.exact_total for line in bill.lines if line.kind == "recurring")),
        deposit=Fraction(sum(line.exact_total for line in bill.lines if line.kind.startswith("deposit"))),
    )
    for balance in bill.prepaid:
        month.top_ups, month.owed = balance.top_ups, Fraction(balance.settled)
        month.credit = Fraction(balance.closing)
    if all(one.net_charge == Fraction(one.net_numerator, one.net_denominator) for one in bill.billed):
        month.usage_line = sum(line.amount for line in usage)
    return month


def bills_of(drawn: list[Drawn], folder: Path, random: Random) -> dict[tuple[str, date], Bill]:
    """Every bill of every cycle by plan and cycle start; a contract, its account and its plan have one name.

    Events are priced one by one and given to the biller in any order.
    """
    book = PriceBook(book_of_contracts(folder, drawn))
    facts = facts_of(drawn)
    events = {}
    for one in drawn:
        calls = [call for of_cycle in one.calls for call in of_cycle]
        events[one.name] = [rated(one, call, number, book, facts) for number, call in enumerate(calls)]
        random.shuffle(events[one.name])
    biller = Biller(events, lambda _: facts, lambda _: book, [RatingRun(1, 1, 1, 1, 1)])
    months = [anchored(1, number) for number in range(MONTHS + 1)]
    return {
        (bill.account_id, bill.cycle_start): bill
        for month in months
        for bill in biller.bill(RunPins(f"{month}", month, 1, 1))
    }


def facts_of(drawn: list[Drawn]) -> Facts:
    accounts, holdings, contracts = [], [], []
    for one in drawn:
        closed_on = one.cancelled if one.closes_account else None
        tax = ("CA-ON", False)
        account = (one.name, one.name, "CAD", "America/Toronto", one.anchor_day, one.starts[0], closed_on)
        accounts.append(Account(*account, *tax))
        span = (0, OPEN_END_S * 1_000_000)
        holdings.append(Holding(number_of(one), one.name, one.name, one.name, one.name, "active", *span))
        terms = (one.start, one.term_end, one.cancelled)
        contracts.append(ContractRow(one.name, one.name, one.name, one.name, *terms))
    return Facts(accounts, holdings, [], contracts)


def rated(one: Drawn, call: Call, number: int, book: PriceBook, facts: Facts) -> RatedEvent:
    usage = Usage("msc", f"{one.name}-{number}", "voice", call.at, number_of(one), "+16045550100", "CA",
                  duration_s=call.seconds, call_outcome="answered")  # fmt: skip
    priced = price_event(usage, book, facts)
    assert priced.suspense_reason is None
    return RatedEvent(usage.source, usage.event_id, usage.started_at, usage.service, 1, priced)


def number_of(one: Drawn) -> str:
    return f"+1416200{one.name:>04}"


def drawn_to(one: Drawn) -> date:
    """The local date from which on nothing was drawn; a contract that has ended has no bills after that either."""
    return one.starts[-1] if one.cancelled is None else date.max


def differences(drawn: list[Drawn], bills: dict[tuple[str, date], Bill]) -> list[str]:
    """What the object and the bills of its account say differently."""
    found = []
    for one in drawn:
        months = played(one)
        last = drawn_to(one)
        starts = sorted({*months, *(start for name, start in bills if name == one.name and start < last)})
        for start in starts:
            bill = bills.get((one.name, start))
            of_bill = billed(bill) if bill else Month()
            of_object = months.get(start, Month(credit=of_bill.credit))
            if of_bill.usage_line is not None:
                of_object.usage_line = cents(of_object.usage)
            if of_object != of_bill and not (bill is None and of_object == Month()):
                found.append(f"{one} from {start}:\n  object {of_object}\n  bill   {of_bill}")
    return found


@pytest.fixture(scope="module")
def drawn_and_billed(tmp_path_factory) -> tuple[list[Drawn], dict[tuple[str, date], Bill]]:
    random = Random(SEED)
    drawn = [draw_contract(random, number) for number in range(CONTRACTS)]
    return drawn, bills_of(drawn, tmp_path_factory.mktemp("contracts") / "book", random)


@pytest.mark.covers("CON-01", "CON-02", "CON-07", "CON-12", "CON-16", "CON-17", "CON-18", "CON-19", "QUA-02")
def test_the_object_and_the_biller_bill_a_contract_alike(drawn_and_billed):
    drawn, bills = drawn_and_billed
    assert differences(drawn, bills) == []


def test_the_draws_bring_about_what_the_two_could_see_differently(drawn_and_billed):
    drawn, bills = drawn_and_billed
    lines = [line for bill in bills.values() for line in bill.lines]
    kinds = {"usage", "recurring", "deposit", "deposit_credit", "deposit_forfeit", "top_up", "prepaid_settlement",
             "prepaid_forfeit", "prepaid_used"}  # fmt: skip
    assert kinds <= {line.kind for line in lines}
    events = [one for bill in bills.values() for one in bill.billed]
    units = [(one.free_units, one.event.priced.charged_units) for one in events]
    assert any(0 < free < charged for free, charged in units), "a call that is half free"
    whole = [one.net_charge == Fraction(one.net_numerator, one.net_denominator) for one in events]
    assert {True, False} <= set(whole)
    assert {one.cancelled == one.term_end for one in drawn if one.term_end} == {True, False}
    low = [
        one
        for one in drawn
        if one.terms.topped_up_at == "event" and 0 < one.terms.top_up_below > one.terms.opening_credit
    ]
    assert any(one.calls[0] and not any(call.seconds for call in one.calls[0]) for one in low), "a look after no charge"
    assert any(one.closes_account for one in drawn) and any(one.cancelled in one.starts for one in drawn)
    assert max(balance.top_ups for bill in bills.values() for balance in bill.prepaid) > 1


@pytest.mark.parametrize("error", ["seconds instead of steps", "the end is early", "enough is too little"])
def test_a_planted_error_of_the_object_is_seen(drawn_and_billed, monkeypatch, error):
    if error == "seconds instead of steps":
        monkeypatch.setattr(Terms, "charged_s", lambda _, seconds: seconds)
    elif error == "the end is early":
        monkeypatch.setattr(TermContract, "_close", lambda *_: None)
    else:
        monkeypatch.setattr(PrepaidContract, "_is_low", is_low_at_the_threshold)
    assert differences(*drawn_and_billed)


def is_low_at_the_threshold(contract: PrepaidContract) -> bool:
    return contract.terms.top_up > 0 and -contract.balance <= contract.terms.top_up_below
