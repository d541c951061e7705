"""Several allowances over one event, one event at a time, worked by hand."""

from __future__ import annotations

from collections import Counter
from datetime import date

import pytest
from oracle.people import account, call, facts, local_us
from oracle.small_book import sheet, write_book

from tollgate.oracle.allowances import Allowances, granted
from tollgate.oracle.book import PriceBook
from tollgate.oracle.cycles import CycleCalendar
from tollgate.oracle.lines import RatedEvent, Slice
from tollgate.oracle.pricing import price_event
from tollgate.oracle.rows import Contract

CALENDAR = CycleCalendar("America/Toronto", 1)
MONTH = CALENDAR.starting_in(date(2026, 10, 1))
SHEETS = {
    # a peak band from 8 to 20, else night
    "time_band": sheet(
        "time_band", {"band_id": "night"}, {"band_id": "peak", "priority": 1, "from": "08:00", "to": "20:00"}
    ),
    "rate": sheet(
        "rate", {"rate_id": "here", "band_set": "b"}, {"rate_id": "there", "zone_id": "europe", "band_set": "b"}
    ),
}


@pytest.fixture
def book(tmp_path):
    def of(*rows: dict[str, object]) -> PriceBook:
        return PriceBook(write_book(tmp_path / "book", **SHEETS, allowance=sheet("allowance", *rows)))

    return of


def taken(book: PriceBook, calls: list[tuple[str, int, int, str]], used: Counter | None = None) -> list[list[tuple]]:
    """What each call (line, hour of 6 October, seconds, number) takes: (allowance, units)."""
    free = Allowances(account(), CALENDAR, book, [], used or Counter())
    found = []
    for line, hour, seconds, to in calls:
        usage = call(seconds, local_us(2026, 10, 6, hour), to)
        priced = price_event(usage, book, facts())
        priced = priced._replace(holding=priced.holding._replace(subscription_id=line))
        event = RatedEvent(usage.source, usage.event_id, usage.started_at, usage.service, 1, priced)
        found.append([(one.allowance_id, one.units) for one in free.free(event, MONTH)])
    return found


HERE, THERE = "+16045550100", "+442071234567"


@pytest.mark.covers("QUA-02", "RAT-07")
def test_the_lower_priority_first_then_the_id(book):
    rows = book(
        {"allowance_id": "z", "quantity": 60, "priority": 1},
        {"allowance_id": "b", "quantity": 60, "priority": 2},
        {"allowance_id": "a", "quantity": 120, "priority": 2, "service": "*", "zone_id": "*"},
    )
    assert taken(rows, [("S1", 9, 60, THERE), ("S1", 10, 180, HERE), ("S1", 11, 60, HERE)]) == [
        [("a", 60)],
        [("z", 60), ("a", 60), ("b", 60)],
        [],
    ]
    used = Counter({("S1", MONTH.start, name, MONTH.start): units for name, units in (("a", 100), ("z", 70))})
    assert taken(rows, [("S1", 10, 180, HERE)], used) == [[("a", 20), ("b", 60)]]


@pytest.mark.covers("QUA-02", "CON-20")
def test_what_an_account_shares_goes_to_the_line_that_calls_first(book):
    rows = book({"quantity": 120, "scope": "account"})
    assert taken(rows, [("S1", 9, 60, HERE), ("S2", 10, 180, HERE), ("S1", 11, 60, HERE)]) == [
        [("term_voice", 60)], [("term_voice", 60)], [],
    ]  # fmt: skip


@pytest.mark.covers("QUA-02", "RAT-07")
def test_the_band_is_that_of_the_start(book):
    rows = book({"quantity": 600, "band": "night"})
    assert taken(rows, [("S1", 7, 7200, HERE), ("S1", 19, 7200, HERE), ("S1", 20, 60, HERE)]) == [
        [("term_voice", 600)], [], [],
    ]  # fmt: skip
    assert Slice("a", MONTH.start, 1)._asdict() == {"allowance_id": "a", "granted_on": MONTH.start, "units": 1}


@pytest.mark.covers("QUA-02", "CON-20")
def test_days_of_two_lines_of_an_account_count_once(book):
    shared = book({"quantity": 310, "scope": "account", "proration": "days"}).allowances[0]
    contracts = [
        Contract("K1", "S1", "A1", "term", date(2025, 1, 1), None, date(2026, 10, 10)),
        Contract("K2", "S2", "A1", "term", date(2026, 10, 6), None, date(2026, 10, 16)),
        Contract("K3", "S3", "A1", "other", date(2026, 10, 1), None, None),
    ]
    assert granted(shared, "A1", contracts, MONTH) == 150  # 1 to 15 October
    assert granted(shared._replace(scope="line"), "S2", contracts, MONTH) == 100


@pytest.mark.covers("QUA-02", "RAT-51")
def test_what_is_left_rolls_over_up_to_the_cap_until_it_expires(book):
    rows = book({"quantity": 100, "rollover_cycles": 1, "rollover_cap": 30})
    term = Contract("K1", "S1", "A1", "term", date(2026, 8, 20), None, None)
    cycles = {month: CALENDAR.starting_in(date(2026, month, 1)) for month in range(7, 12)}

    def minute(month: int, used: Counter, units: int, since: int = 8) -> list[tuple]:
        """What units of a month take: (month of the grant, units)."""
        of = account()._replace(first_cycle_start=cycles[since].start)
        usage = call(60, local_us(2026, month, 20, 12), HERE)
        priced = price_event(usage, rows, facts())._replace(charged_units=units)
        event = RatedEvent(usage.source, usage.event_id, usage.started_at, usage.service, 1, priced)
        found = Allowances(of, CALENDAR, rows, [term], used).free(event, cycles[month])
        return [(one.granted_on.month, one.units) for one in found]

    def used(*uses: tuple[int, int, int]) -> Counter:
        """(month of the grant, month of use, units)"""
        return Counter({("S1", cycles[g].start, "term_voice", cycles[m].start): units for g, m, units in uses})

    assert minute(8, used(), 120) == [(8, 100)]  # there was no contract in July
    assert minute(9, used((8, 8, 60)), 50) == [(8, 30), (9, 20)]  # 40 left, 30 roll
    assert minute(8, used((8, 8, 60), (8, 9, 30), (9, 9, 20)), 15) == [(8, 10)]  # late: what nobody used
    assert minute(9, used((8, 8, 75)), 50) == [(8, 25), (9, 25)]
    assert minute(10, used((8, 8, 60), (9, 9, 20)), 50) == [(9, 30), (10, 20)]  # August's are gone
    assert minute(10, used((9, 10, 30)), 50) == [(10, 50)]
    assert minute(9, used(), 50, since=9) == [(9, 50)]  # August was billed elsewhere


@pytest.mark.covers("QUA-02", "RAT-51")
def test_what_is_left_rolls_over_though_the_row_has_ended_and_another_follows(book):
    months = {month: CALENDAR.starting_in(date(2026, month, 1)) for month in (8, 9, 10)}
    term = Contract("K1", "S1", "A1", "term", date(2026, 8, 1), None, None)
    rolls = {"allowance_id": "voice_a", "rollover_cycles": 1}
    follows = {"allowance_id": "voice_b", "quantity": 9000, "valid_from": "2026-09-01"}

    def taken_in(month: int, seconds: int, ends: str, used: Counter) -> list[tuple]:
        rows = book({**rolls, "valid_to": ends}, follows)
        usage = call(seconds, local_us(2026, month, 20, 12), HERE)
        priced = price_event(usage, rows, facts())
        event = RatedEvent(usage.source, usage.event_id, usage.started_at, usage.service, 1, priced)
        found = Allowances(account(), CALENDAR, rows, [term], used).free(event, months[month])
        return [(one.allowance_id, one.granted_on.month, one.units) for one in found]

    august = Counter({("S1", months[8].start, "voice_a", months[8].start): 3000})
    ends = "2026-09-01"
    assert taken_in(9, 4020, ends, august) == [("voice_a", 8, 3000), ("voice_b", 9, 1020)]
    assert taken_in(8, 4020, ends, august) == [("voice_a", 8, 3000)]
    assert taken_in(10, 4020, ends, august) == [("voice_b", 10, 4020)]
    # It did not hold just before August's end, so August hands nothing on.
    assert taken_in(9, 4020, "2026-08-31", august) == [("voice_b", 9, 4020)]


@pytest.mark.covers("QUA-02", "RAT-51")
def test_money_pays_what_is_left_to_pay_until_it_is_used_up(book):
    rows = book(
        {"allowance_id": "credit", "quantity": "1.50", "unit": "currency", "service": "*", "zone_id": "*"},
        {"allowance_id": "europe", "quantity": "0.05", "unit": "currency", "zone_id": "europe", "priority": 1},
        {"quantity": 60},
    )
    found = Allowances(account(), CALENDAR, rows, [], Counter())
    taken = []
    for hour, seconds, to, net in ((9, 60, HERE, 0), (10, 600, THERE, 1_000_000), (11, 360, HERE, 600_000)):
        usage = call(seconds, local_us(2026, 10, 6, hour), to)
        event = RatedEvent(
            usage.source, usage.event_id, usage.started_at, "voice", 1, price_event(usage, rows, facts())
        )
        units = sum(one.units for one in found.free(event, MONTH))
        taken.append((units, [(one.allowance_id, one.units) for one in found.pay(event, MONTH, net)]))
    assert taken == [
        (60, []), (0, [("credit", 1_000_000)]), (0, [("credit", 500_000)]),
    ]  # fmt: skip
