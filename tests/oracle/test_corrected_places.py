"""Corrections of tiered and of prepaid usage through the oracle's biller; a pencil is enough to follow."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import pytest
from oracle.people import account, call, facts, local_us
from oracle.small_book import SHEETS, sheet, write_book

from tollgate.oracle.billing import bill_cycle
from tollgate.oracle.book import PriceBook
from tollgate.oracle.cycles import CycleCalendar
from tollgate.oracle.lines import Bill, BilledEvent, RatedEvent
from tollgate.oracle.prepaid import Purse
from tollgate.oracle.pricing import price_event
from tollgate.oracle.rows import Contract, Usage
from tollgate.oracle.tiers import Counts

OCTOBER, NOVEMBER, DECEMBER = date(2026, 10, 1), date(2026, 11, 1), date(2026, 12, 1)
CALENDAR = CycleCalendar("America/Toronto", 1)
# 0.05 a minute of a line, from 90 s on 0.02, from 240 s on 0.10
TIERS = [{"rate_id": "mtm_voice", "counts": "line", "from_units": at, "price": price}
         for at, price in ((90, "0.02"), (240, "0.10"))]  # fmt: skip


def rated(book: PriceBook, usage: Usage, plan_id: str, **version: object) -> RatedEvent:
    priced = price_event(usage, book, facts(plan_id))
    return RatedEvent(usage.source, usage.event_id, usage.started_at, "voice", 1, priced, **version)  # type: ignore[arg-type]


def corrected(was: RatedEvent, now: RatedEvent) -> list[RatedEvent]:
    """The reversal of a version, and its correction."""
    pins = {"corrects": was.revision, "rating_no": 2}
    return [
        was._replace(kind="reversal", revision=was.revision + 1, **pins),
        now._replace(event_id=was.event_id, kind="correction", revision=was.revision + 2, **pins),
    ]


def bill_of(
    book: PriceBook, month: date, events: list[RatedEvent], plan_id: str, earlier: Sequence[BilledEvent] = (),
    purse: Purse | None = None, ended: date | None = None,
) -> Bill:  # fmt: skip
    contract = Contract("K1", "S1", "A1", plan_id, date(2026, 1, 1), None, ended)
    found = bill_cycle(
        account(is_exempt=True), CALENDAR.starting_in(month), CALENDAR, events, [contract], book, earlier=earlier,
        purses={} if purse is None else {"K1": purse},
    )  # fmt: skip
    assert found is not None
    return found


def told(bill: Bill) -> list[tuple[object, ...]]:
    return [(one.event.event_id, one.event.kind, one.net_charge, *one.tier_places) for one in bill.billed]


def at(day: int, length: int, name: str) -> Usage:
    return call(length, local_us(2026, 10, day, 12))._replace(event_id=name)


@pytest.mark.covers("BIL-11", "RAT-44", "QUA-02")
def test_the_first_places_that_a_reversal_left_free_are_taken_first(tmp_path):
    book = PriceBook(write_book(tmp_path / "old", tier=sheet("tier", *TIERS)))
    dearer = [{**row, "price": "0.08"} for row in TIERS[:1]] + TIERS[1:]
    newer = PriceBook(write_book(tmp_path / "new", tier=sheet("tier", *dearer)))

    def one(day: int, length: int, name: str, of: PriceBook = book) -> RatedEvent:
        return rated(of, at(day, length, name), "month_to_month")

    posted = [one(3, 60, "a"), one(4, 60, "b"), one(5, 180, "c")]
    october = bill_of(book, OCTOBER, posted, "month_to_month")
    # 60 s at 0.05; 30 s at 0.05 and 30 at 0.02; 120 s at 0.02 and 60 at 0.10
    assert told(october) == [
        ("a", "original", 50_000, (0, 60)), ("b", "original", 35_000, (60, 120)),
        ("c", "original", 140_000, (120, 300)),
    ]  # fmt: skip
    changes = [*corrected(posted[0], one(3, 120, "a")), *corrected(posted[1], one(4, 60, "b", newer)), one(6, 60, "d")]
    november = bill_of(book, NOVEMBER, changes, "month_to_month", october.billed)
    assert told(november) == [
        ("a", "reversal", -50_000, (0, 60)),
        # 60 s more: behind all others, at 0.10
        ("a", "correction", 150_000, (0, 60), (300, 360)),
        ("b", "reversal", -35_000, (60, 120)),
        # The same units: 30 s at 0.05 and 30 at 0.08
        ("b", "correction", 65_000, (60, 120)),
        ("d", "original", 100_000, (360, 420)),
    ]
    # What was taken back and not charged again, as of an event that another account owns, is there for late usage.
    away = bill_of(
        book, NOVEMBER, [corrected(posted[0], posted[0])[0], one(2, 120, "e")], "month_to_month", october.billed
    )
    assert told(away) == [("e", "original", 150_000, (0, 60), (300, 360)), ("a", "reversal", -50_000, (0, 60))]
    # On the bill after the places that `e` took stay taken, though `a` held some of them before.
    later = bill_of(book, DECEMBER, [one(1, 60, "f")], "month_to_month", [*october.billed, *away.billed])
    assert told(later) == [("f", "original", 100_000, (360, 420))]


def test_places_are_held_freed_and_taken():
    counts, counter = Counts(()), ("S1", "r", OCTOBER)
    assert counts.take(counter, 10) == ((0, 10),) and counts.take(counter, 0) == ()
    counts.hold(counter, [(20, 30)])
    counts.free(counter, [(2, 4), (6, 10)])
    assert counts.take(counter, 15) == ((2, 4), (6, 19))
    assert counts.take(counter, 5) == ((19, 20), (30, 34))
    assert counts.take(("S2", "r", OCTOBER), 5) == ((0, 5),)


@pytest.fixture(scope="module")
def prepaid(tmp_path_factory: pytest.TempPathFactory) -> dict[str, PriceBook]:
    """0.05 a minute; 100.00 to begin with, 25.00 below 10.00, after each charge or when the month ends."""
    plans = sheet("plan", {}, {"plan_id": "month_to_month", "term_months": ""}, {"plan_id": "prepaid"})
    rate = SHEETS["rate"] + sheet("rate", {"rate_id": "p", "plan_id": "prepaid", "price": "0.05"}).partition("\n")[2]
    head = "plan_id,opening_credit,below,amount,moment,valid_from,valid_to\n"
    books = {}
    for moment in ("event", "month_start"):
        folder = write_book(tmp_path_factory.mktemp(moment), plan=plans, rate=rate)
        row = f"prepaid,100.00,10.00,25.00,{moment},2024-01-01,\n"
        (folder / "top_up.csv").write_text(head + row, encoding="utf-8")
        books[moment] = PriceBook(folder)
    return books


@pytest.mark.covers("CON-14", "CON-17", "QUA-02")
@pytest.mark.parametrize(
    ("minutes", "now", "late", "ended", "moved"),
    [
        # 95.00 are left; half of 5.00 comes back.
        (100, 50, (), None, (-2_500_000, 0, 0, 0, 97_500_000)),
        # 10.00 are left: enough. 90.00 come back first, so neither the late call nor the correction meets less.
        (1_800, 1_790, (10,), None, (0, 0, 0, 0, 10_000_000)),
        (1_800, 1_791, (10,), None, (50_000, 1, 0, 0, 34_950_000)),
        # Asked for at the end: 20.00; 15.00 less, and then nothing and 5.00 of credit that the end takes.
        (2_400, 2_100, (), OCTOBER.replace(day=20), (-15_000_000, 0, 0, -15_000_000, 0)),
        (2_400, 1_900, (), OCTOBER.replace(day=20), (-25_000_000, 0, 5_000_000, -20_000_000, 0)),
        # Taken by the end: 10.00; a call of 105.00 leaves none of it, and 5.00 to ask for.
        (1_800, 2_100, (), OCTOBER.replace(day=20), (15_000_000, 0, -10_000_000, 5_000_000, 0)),
    ],
)  # fmt: skip
def test_credit_gets_back_what_it_paid_before_it_pays_what_is_right(prepaid, minutes, now, late, ended, moved):
    prepaid = prepaid["event" if ended is None else "month_start"]
    was = rated(prepaid, at(3, minutes * 60, "a"), "prepaid")
    october = bill_of(prepaid, OCTOBER, [was], "prepaid", purse=Purse(100_000_000, 0, False), ended=ended)
    (left,) = october.prepaid
    if ended is None:
        assert left.top_ups == 0
    events = corrected(was, rated(prepaid, at(3, now * 60, "a"), "prepaid"))
    events += [rated(prepaid, at(2, length * 60, "late"), "prepaid") for length in late]
    purse = Purse(left.closing, left.forfeited, left.is_closed, left.settled)
    (found,) = bill_of(prepaid, NOVEMBER, events, "prepaid", october.billed, purse, ended).prepaid
    assert (found.debits, found.top_ups, found.forfeited, found.settled, found.closing) == moved
