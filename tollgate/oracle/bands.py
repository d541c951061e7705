"""Time bands: which band holds at an instant, and where inside a call the band changes."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from datetime import date
from itertools import islice, pairwise, product

from tollgate.oracle.clock import LocalClock
from tollgate.oracle.rows import TimeBand

DAY_ONE = date(1970, 1, 1)


class NoBand(Exception):
    """No time band covers an instant of the event."""


class BandCalendar:
    """The bands of a price book over its calendar; local days from `first` up to, not including, `end`."""

    def __init__(self, clock: LocalClock, rows: list[TimeBand], holidays: set[date], first: date, end: date) -> None:
        self._clock = clock
        self._sets: dict[str, list[TimeBand]] = {}
        for row in sorted(rows, key=lambda band: -band.priority):
            self._sets.setdefault(row.band_set, []).append(row)
        self._holidays = {(day - DAY_ONE).days for day in holidays}
        self._first, self._end = (first - DAY_ONE).days, (end - DAY_ONE).days
        self._days: dict[tuple[str, int], tuple[list[int], list[TimeBand]]] = {}

    def band_at(self, band_set: str, start_s: int) -> TimeBand:
        """The band in which an event starts. Raises NoBand outside the calendar or where no row covers the start."""
        day = self._clock.local_day(start_s)
        if not self._first <= day < self._end:
            raise NoBand(f"the calendar of {band_set} does not cover the local day of {start_s}")
        starts, bands = self._day(band_set, day)
        return bands[bisect_right(starts, start_s) - 1]

    def changes(self, band_set: str, start_s: int, lasts_s: int) -> Iterator[tuple[int, TimeBand]]:
        """Second of the call at which each band begins to hold, and the band; the first at 0, the others below lasts_s.

        A midnight or a clock change inside one band may give the band twice. Raises NoBand as band_at does.
        """
        yield 0, self.band_at(band_set, start_s)
        day = self._clock.local_day(start_s)
        while self._clock.midnight(day) < start_s + lasts_s:
            for at, band in zip(*self._day(band_set, day), strict=True):
                if start_s < at < start_s + lasts_s:
                    yield at - start_s, band
            day += 1

    def uncovered(self) -> Iterator[str]:
        """Findings: the first moment of the calendar at which no row of a set holds."""
        for band_set, rows in self._sets.items():
            bounds = {day for row in rows for day in (row.from_day, row.to_day) if day is not None}
            edges = sorted({self._first, self._end, *(day for day in bounds if self._first < day < self._end)})
            moments = sorted({0, *(edge for row in rows for edge in (row.from_s, row.to_s) if edge < 86_400)})
            days = (day for pair in pairwise(edges) for day in _one_of_each_kind(*pair, self._holidays))
            holes = ((day, second) for day, second in product(days, moments) if not self._row_at(rows, day, second))
            for day, second in islice(holes, 1):
                on, clock = date.fromordinal(DAY_ONE.toordinal() + day), f"{second // 3600:02}:{second // 60 % 60:02}"
                yield f"time_band.csv: band_set {band_set}: no band at {clock} of {on}"

    def _day(self, band_set: str, day: int) -> tuple[list[int], list[TimeBand]]:
        found = self._days.get((band_set, day))
        if found is None:
            found = self._cut_day(band_set, day)
            self._days[band_set, day] = found
        return found

    def _cut_day(self, band_set: str, day: int) -> tuple[list[int], list[TimeBand]]:
        """Slots of one local day: their first instants, and the band of each.

        Cuts are the instants at which the wall clock shows an edge (twice in the hour that autumn repeats), and the
        clock changes themselves.
        """
        rows = self._sets.get(band_set)
        if rows is None:
            raise NoBand(f"no band set {band_set}")
        midnight, next_midnight = self._clock.midnight(day), self._clock.midnight(day + 1)
        cuts = {midnight, *self._clock.changes_of(day)}
        for row in rows:
            for edge in (row.from_s, row.to_s):
                cuts.update(self._clock.instants_of(day, edge))
        starts = sorted(cut for cut in cuts if midnight <= cut < next_midnight)
        return starts, [self._band_at(rows, day, cut) for cut in starts]

    def _band_at(self, rows: list[TimeBand], day: int, instant: int) -> TimeBand:
        second = (instant + self._clock.offset_s(instant)) % 86_400
        row = self._row_at(rows, day, second)
        if row is None:
            raise NoBand(f"no band of {rows[0].band_set} covers second {second} of day {day}")
        return row

    def _row_at(self, rows: list[TimeBand], day: int, second: int) -> TimeBand | None:
        """The row of the highest priority whose conditions all hold at a wall-clock second of a local day."""
        is_holiday = day in self._holidays
        for row in rows:
            is_in_dates = (row.from_day is None or row.from_day <= day) and (row.to_day is None or day < row.to_day)
            covers_day = _weekday(day) in row.weekdays and (row.day_type == "any" or is_holiday)
            if is_in_dates and covers_day and row.from_s <= second < row.to_s:
                return row
        return None


def _weekday(day: int) -> int:
    return (day + 3) % 7 + 1  # 1970-01-01 was a Thursday


def _one_of_each_kind(first: int, end: int, holidays: set[int]) -> list[int]:
    """A day of each weekday in [first, end): an ordinary one where there is one, else a holiday."""
    found: dict[int, int] = {}
    for day in range(first, end):
        kept = found.setdefault(_weekday(day), day)
        if kept in holidays and day not in holidays:
            found[_weekday(day)] = day
        if len(found) == 7 and not holidays.intersection(found.values()):
            break
    return sorted(found.values())
