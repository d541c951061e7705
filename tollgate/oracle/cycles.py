"""Bill cycles of an account: local dates computed from an anchor, and their instants."""

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
    """The cycles of accounts that share a time zone and the rule of their dates: an anchor day of calendar months, or
    so many days counted from a date."""

    def __init__(self, time_zone: str, anchor_day: int, days: int | None = None, since: date | None = None) -> None:
        """days, since: of cycles of days, where anchor_day says nothing."""
        self._clock = LocalClock(time_zone)
        self._anchor, self._days, self._since = anchor_day, days, since
        self._by_day: dict[int, Cycle] = {}

    @property
    def unit(self) -> str:
        """What a fee for one of its cycles is a fee for."""
        return "month" if self._days is None else "cycle"

    def starting_in(self, month: date, number: int = 1) -> Cycle:
        """The cycle of that number among those that start in the month of a date; LookupError where there is none."""
        found = self.find(month, number)
        if found is None:
            raise LookupError(f"no cycle number {number} starts in {month:%Y-%m}")
        return found

    def find(self, month: date, number: int) -> Cycle | None:
        """The cycle of that number among those that start in the month of a date."""
        days = (month.replace(day=1) + timedelta(days=day) for day in range(31))
        starts = [day for day in days if day.month == month.month and self._is_start(day)]
        return self._from(starts[number - 1]) if number <= len(starts) else None

    def containing(self, at_us: int) -> Cycle:
        """The cycle in which an instant (epoch microseconds) lies."""
        day = self._clock.local_day(at_us // 1_000_000)
        cycle = self._by_day.get(day)
        if cycle is None:
            cycle = self._by_day[day] = self.of_day(date(1970, 1, 1) + timedelta(days=day))
        return cycle

    def of_day(self, on: date) -> Cycle:
        """The cycle in which a local date lies."""
        if self._days is not None and self._since is not None:
            cycles = (on - self._since).days // self._days
            return self._from(self._since + timedelta(days=cycles * self._days))
        start = self._anchored(on.year, on.month)
        return self._from(start if on >= start else self._anchored(on.year, on.month - 1))

    def moved(self, cycle: Cycle, by: int) -> Cycle:
        """The cycle so many after another one; below 0, before it."""
        if self._days is not None:
            return self._from(cycle.start + timedelta(days=by * self._days))
        return self._from(self._anchored(cycle.start.year, cycle.start.month + by))

    def _from(self, start: date) -> Cycle:
        if self._days is not None:
            end = start + timedelta(days=self._days)
        else:
            end = self._anchored(start.year, start.month + 1)
        return Cycle(start, end, self._clock.midnight_of(start) * 1_000_000, self._clock.midnight_of(end) * 1_000_000)

    def _is_start(self, day: date) -> bool:
        if self._days is not None and self._since is not None:
            return day >= self._since and (day - self._since).days % self._days == 0
        return day == self._anchored(day.year, day.month)

    def _anchored(self, year: int, month: int) -> date:
        year, month = year + (month - 1) // 12, (month - 1) % 12 + 1
        last = date(year + month // 12, month % 12 + 1, 1) - timedelta(days=1)
        return date(year, month, min(self._anchor, last.day))


CalendarKey = tuple[str, int, int | None, date | None]
"""Time zone, anchor day, days of a cycle, and what they are counted from."""


def cycle_calendar(account: Account, known: dict[CalendarKey, CycleCalendar]) -> CycleCalendar:
    """The calendar of an account, made once per zone and rule in `known`."""
    since = None if account.cycle_days is None else account.first_cycle_start
    key = (account.time_zone, account.anchor_day, account.cycle_days, since)
    if key not in known:
        known[key] = CycleCalendar(*key)
    return known[key]


def days_in_force(contract: Contract, cycle: Cycle) -> int:
    """Local days of the cycle on which the contract is in force; the day of cancellation is the first without it."""
    end = min(contract.cancelled_on or cycle.end, cycle.end)
    return max(0, (end - max(contract.starts_on, cycle.start)).days)
