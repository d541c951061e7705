"""Bill cycles of an account: local dates computed from the anchor day, and their instants."""

from __future__ import annotations

from datetime import date, timedelta
from typing import NamedTuple

from tollgate.oracle.clock import LocalClock
from tollgate.oracle.rows import Account, Contract


class Cycle(NamedTuple):
    """[start, end) in local dates; [start_us, end_us) in epoch microseconds."""

    start: date
    end: date
    start_us: int
    end_us: int

    @property
    def days(self) -> int:
        """Local days of the cycle."""
        return (self.end - self.start).days


class CycleCalendar:
    """The cycles of accounts that share a time zone and an anchor day."""

    def __init__(self, time_zone: str, anchor_day: int) -> None:
        self._clock = LocalClock(time_zone)
        self._anchor = anchor_day
        self._by_day: dict[int, Cycle] = {}

    def starting_in(self, month: date) -> Cycle:
        """The cycle that starts in the month of a date."""
        start, end = self._anchored(month.year, month.month), self._anchored(month.year, month.month + 1)
        return Cycle(start, end, self._clock.midnight_of(start) * 1_000_000, self._clock.midnight_of(end) * 1_000_000)

    def containing(self, at_us: int) -> Cycle:
        """The cycle in which an instant (epoch microseconds) lies."""
        day = self._clock.local_day(at_us // 1_000_000)
        cycle = self._by_day.get(day)
        if cycle is None:
            cycle = self._by_day[day] = self.of_day(date(1970, 1, 1) + timedelta(days=day))
        return cycle

    def of_day(self, on: date) -> Cycle:
        """The cycle in which a local date lies."""
        cycle = self.starting_in(on)
        return cycle if on >= cycle.start else self.starting_in(on.replace(day=1) - timedelta(days=1))

    def _anchored(self, year: int, month: int) -> date:
        year, month = year + (month - 1) // 12, (month - 1) % 12 + 1
        last = date(year + month // 12, month % 12 + 1, 1) - timedelta(days=1)
        return date(year, month, min(self._anchor, last.day))


def cycle_calendar(account: Account, known: dict[tuple[str, int], CycleCalendar]) -> CycleCalendar:
    """The calendar of an account, made once per zone and anchor day in `known`."""
    key = (account.time_zone, account.anchor_day)
    if key not in known:
        known[key] = CycleCalendar(*key)
    return known[key]


def days_in_force(contract: Contract, cycle: Cycle) -> int:
    """Local days of the cycle on which the contract is in force; the day of cancellation is the first without it."""
    end = min(contract.cancelled_on or cycle.end, cycle.end)
    return max(0, (end - max(contract.starts_on, cycle.start)).days)
