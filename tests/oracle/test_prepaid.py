"""Golden vectors G-09 to G-15 through the oracle's biller, and what a statement says; a pencil is enough to follow."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from oracle.people import account, call, facts, local_us
from oracle.small_book import SHEETS, sheet, write_book

from tollgate.oracle.billing import bill_cycle
from tollgate.oracle.billing_check import Biller, RunPins
from tollgate.oracle.book import PriceBook
from tollgate.oracle.cycles import CycleCalendar
from tollgate.oracle.lake import RatingRun
from tollgate.oracle.lines import Bill, RatedEvent
from tollgate.oracle.prepaid import Purse
from tollgate.oracle.pricing import price_event
from tollgate.oracle.rows import Contract, Usage

HEADER = "plan_id,opening_credit,below,amount,moment,valid_from,valid_to\n"
CENT = 10_000
MAY, LATER = date(2025, 5, 1), date(2025, 6, 1)
ENDS = date(2025, 5, 20)


def book_with(folder: Path, moment: str) -> PriceBook:
    """The small book with a prepaid plan at 0.025 a minute: 100.00 to begin with, 25.00 below 10.00."""
    plans = sheet("plan", {}, {"plan_id": "month_to_month", "term_months": ""}, {"plan_id": "prepaid"})
    price = {"rate_id": "pre_voice", "plan_id": "prepaid", "price": "0.025"}
    book = write_book(folder, plan=plans, rate=SHEETS["rate"] + sheet("rate", price).partition("\n")[2],
                      tax=sheet("tax", {}))  # fmt: skip
    (book / "top_up.csv").write_text(f"{HEADER}prepaid,100.00,10.00,25.00,{moment},2024-01-01,\n", encoding="utf-8")
    return PriceBook(book)


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> dict[str, PriceBook]:
    return {moment: book_with(tmp_path_factory.mktemp(moment), moment) for moment in ("month_start", "event")}


def event(book: PriceBook, usage: Usage, rating_no: int = 1) -> RatedEvent:
    priced = price_event(usage, book, facts("prepaid"))
    return RatedEvent(usage.source, usage.event_id, usage.started_at, "voice", rating_no, priced)


def month(
    book: PriceBook, credit: int | None, calls: tuple[int, ...], cancelled: date | None = None, exempt: bool = True
) -> Bill:
    """May 2025 of one contract; credit in millionths that April left, None for a new contract; a call a day."""
    calendar = CycleCalendar("America/Toronto", 1)
    events = [event(book, call(length, local_us(2025, 5, day, 12))) for day, length in enumerate(calls, start=1)]
    purses = {} if credit is None else {"K1": Purse(credit, 0, False)}
    contract = Contract("K1", "S1", "A1", "prepaid", date(2025, 1, 1), None, cancelled)
    of = account(is_exempt=exempt)
    bill = bill_cycle(of, calendar.starting_in(MAY), calendar, events, [contract], book, purses=purses)
    assert bill is not None
    return bill


@pytest.mark.covers("CON-13", "CON-14", "CON-15", "CON-16", "CON-17", "QUA-02")
@pytest.mark.parametrize(
    ("vector", "moment", "credit", "calls", "cancelled", "left", "due"),
    [
        ("G-09", "month_start", None, (375,), None, 99_825_000, 0),
        ("G-10", "month_start", 99_825_000, (469, 211), None, 99_525_000, 0),
        ("G-10 next", "month_start", 99_525_000, (975,), None, 99_100_000, 0),
        ("G-11", "month_start", 99_100_000, (), None, 99_100_000, 0),
        ("G-12", "month_start", 0, (), None, 25_000_000, 25_000_000),
        ("G-12 next", "month_start", 25_000_000, (), None, 25_000_000, 0),
        ("G-13", "month_start", 10_000_000, (), None, 10_000_000, 0),
        ("G-14", "month_start", 99_100_000, (), ENDS, 0, 0),
        ("G-15", "month_start", 99_100_000, (72_000,) * 5, ENDS, 0, 50_900_000),
        ("G-15 roll", "month_start", 99_100_000, (72_000,) * 5, None, -25_900_000, 25_000_000),
        ("G-15 next", "month_start", -25_900_000, (), ENDS, 0, 25_900_000),
        ("10.00 is enough", "event", 10_025_000, (60,), None, 10_000_000, 0),
        ("below 10.00", "event", 10_000_000, (60,), None, 34_975_000, 25_000_000),
        # 30.00 on 10.00: -20.00, so two of 25.00; the next 30.00 leave 0.00, so one more
        ("again and again", "event", 10_000_000, (72_000, 72_000), None, 25_000_000, 75_000_000),
        ("no charge, no look", "event", 5_000_000, (0,), None, 5_000_000, 0),
        ("no top-up for a contract that ends with the cycle", "month_start", 0, (), LATER, 0, 0),
    ],
)  # fmt: skip
def test_the_credit_that_a_month_leaves_and_what_it_asks_for(
    books, vector, moment, credit, calls, cancelled, left, due
):
    bill = month(books[moment], credit, calls, cancelled)
    (balance,) = bill.prepaid
    assert (balance.closing, bill.total) == (left, due), vector
    moved = balance.opening + balance.topped_up + balance.settled - balance.debits - balance.forfeited
    assert moved == balance.closing


@pytest.mark.covers("CON-15", "QUA-02")
def test_a_statement_lists_usage_with_its_tax_and_asks_for_none_of_it(books):
    # 452 minutes are 11.30, of which 1.30 is tax at 13 %
    bill = month(books["month_start"], None, (27_120,), exempt=False)
    assert [(line.kind, line.amount // CENT, line.tax_share // CENT) for line in bill.lines] == [
        ("prepaid_balance", 0, 0), ("prepaid_tax", -130, 130), ("prepaid_used", -1130, 0), ("usage", 1130, 0),
    ]  # fmt: skip
    assert (bill.net, bill.tax, bill.total) == (-1_300_000, 1_300_000, 0)


@pytest.mark.covers("CON-17", "QUA-02")
def test_late_usage_of_an_ended_contract_is_paid_from_what_its_end_took(books):
    book = books["month_start"]
    usage = [call(60, local_us(2025, 5, 2, 12)), call(4000 * 60, local_us(2025, 5, 3, 12))]
    late = event(book, call(60, local_us(2025, 5, 4, 12)), 2)
    events = [event(book, usage[0]), late, event(book, usage[1], 3)]
    contract = Contract("K1", "S1", "A1", "prepaid", date(2025, 1, 1), None, ENDS)
    snapshot = facts("prepaid", of=account(is_exempt=True), contracts=[contract])
    snapshot.accounts["A1"] = snapshot.accounts["A1"]._replace(first_cycle_start=MAY)
    runs = [RatingRun(number, number, number, 1, 1) for number in (1, 2, 3)]
    biller = Biller({"A1": events}, lambda _: snapshot, lambda _: book, runs)

    def moved(name: str, start: date, rating_no: int) -> list[tuple[int, int, int]]:
        bills = biller.bill(RunPins(name, start, rating_no, 1))
        return [(one.forfeited // 1000, one.settled // 1000, one.closing // 1000) for of in bills for one in of.prepaid]

    assert moved("may", MAY, 1) == [(99_975, 0, 0)]
    assert moved("june", LATER, 2) == [(-25, 0, 0)]
    # 4,000 minutes are 100.00, and 99.95 of the forfeited credit are left
    assert moved("july", date(2025, 7, 1), 3) == [(-99_950, 50, 0)]
    assert moved("august", date(2025, 8, 1), 3) == []
