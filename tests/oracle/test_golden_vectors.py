"""Golden vectors of the contracts and of the wholesale leg, on their own small price book."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from oracle.people import account, call, facts, local_us
from oracle.small_book import sheet, write_book

from tollgate.oracle.billing import bill_cycle
from tollgate.oracle.book import PriceBook
from tollgate.oracle.cycles import CycleCalendar
from tollgate.oracle.lines import Bill, RatedEvent
from tollgate.oracle.pricing import price_event
from tollgate.oracle.rows import Contract


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> PriceBook:
    return PriceBook(write_book(tmp_path_factory.mktemp("golden")))


def month_of(
    book: PriceBook,
    plan_id: str,
    seconds: tuple[int, ...] = (),
    starts_on: date = date(2025, 1, 1),
    cancelled_on: date | None = None,
) -> Bill:
    """The bill of May 2025 with calls of these lengths, one a day."""
    term_ends_on = date(2025, 5, 20) if plan_id == "term" else None
    contract = Contract("K1", "S1", "A1", plan_id, starts_on, term_ends_on, cancelled_on)
    calendar = CycleCalendar("America/Toronto", 1)
    snapshot = facts(plan_id)
    events = []
    for day, length in enumerate(seconds, start=1):
        usage = call(length, local_us(2025, 5, day, 12))
        priced = price_event(usage, book, snapshot)
        events.append(RatedEvent(usage.source, usage.event_id, usage.started_at, "voice", 1, priced))
    of = account()._replace(first_cycle_start=date(2025, 5, 1))
    bill = bill_cycle(of, calendar.starting_in(date(2025, 5, 1)), calendar, events, [contract], book)
    assert bill is not None
    return bill


@pytest.mark.covers("QUA-02")
@pytest.mark.parametrize(
    ("vector", "plan_id", "seconds", "dates", "total"),
    [
        ("G-01", "term", (), {"starts_on": date(2025, 5, 1)}, 320_000_000),
        ("G-02", "term", (), {}, 20_000_000),
        ("G-03", "term", (915, 1975, 6028), {}, 25_000_000),
        ("G-04", "term", (317,), {}, 20_000_000),
        ("G-05", "term", (5400, 660), {}, 20_100_000),
        ("G-06 before the end", "term", (), {"cancelled_on": date(2025, 5, 19)}, 20_000_000),
        ("G-06 on the end", "term", (), {"cancelled_on": date(2025, 5, 20)}, -280_000_000),
        ("G-06 after the end", "term", (), {"cancelled_on": date(2025, 5, 31)}, -280_000_000),
        ("G-07", "month_to_month", (248, 335, 884), {}, 51_300_000),
        ("G-08", "month_to_month", (), {}, 50_000_000),
        ("G-08 cancel", "month_to_month", (), {"cancelled_on": date(2025, 5, 31)}, 50_000_000),
    ],
)
def test_the_month_of_a_contract(book, vector, plan_id, seconds, dates, total):
    assert month_of(book, plan_id, seconds, **dates).total == total, vector


@pytest.mark.covers("QUA-02")
def test_free_minutes_run_out_inside_a_call(book):
    billed = month_of(book, "term", (5400, 660)).billed
    assert [(one.free_units, one.net_charge) for one in billed] == [(5400, 0), (600, 100_000)]


@pytest.mark.covers("QUA-02")
def test_a_forfeited_deposit_has_its_own_line_of_0(book):
    lines = month_of(book, "term", (), cancelled_on=date(2025, 5, 19)).lines
    assert [(line.kind, line.amount) for line in lines] == [("deposit_forfeit", 0), ("recurring", 20_000_000)]


@pytest.mark.covers("QUA-02")
def test_a_started_minute_is_charged_whole(book):
    minutes = {0: 0, 1: 1, 59: 1, 60: 1, 61: 2, 119: 2, 120: 2}
    found = {seconds: price_event(call(seconds), book, facts()).charge for seconds in minutes}
    assert found == {seconds: count * 100_000 for seconds, count in minutes.items()}


@pytest.mark.covers("QUA-02")
@pytest.mark.parametrize(
    ("vector", "price", "step", "cost", "charge", "margin"),
    [("G-23", "0.003", 1, 990_000, 1_490_000, 500_000), ("G-24", "0.04", 60, 240_000, 360_000, 120_000)],
)
def test_the_wholesale_leg_and_its_mark_up(tmp_path: Path, vector, price, step, cost, charge, margin):
    row = {"call_type": "international", "country": "GB", "price": price, "block": step, "increment": step}
    costs = sheet("carrier_rate", {**row, "digits": 2, "markup": "1.5", "markup_digits": 2})
    book = PriceBook(write_book(tmp_path, carrier_rate=costs))
    priced = price_event(call(330, to="+442071234567"), book, facts())
    found = (priced.price_source, priced.wholesale.cost, priced.charge, priced.margin)
    assert found == ("markup", cost, charge, margin), vector
