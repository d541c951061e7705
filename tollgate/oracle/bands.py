"""Time bands: which band holds at an instant, and where inside a call the band changes."""

from __future__ import annotations

from bisect import bisect_right
from datetime import date
from fractions import Fraction
from typing import NamedTuple

from tollgate.oracle.clock import LocalClock
from tollgate.oracle.rows import TimeBand

DAY_ONE = date(1970, 1, 1)


class Piece(NamedTuple):
    """Charged units in one band."""

    units: int
    band_id: str
    factor: Fraction


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

    def pieces(self, band_set: str, start_s: int, units: int, lasts_s: int) -> list[Piece]:
        """Pieces in time order of `units` charged units.

        Seconds are cut where the band changes inside [start_s, start_s + lasts_s); other units (lasts_s 0) stay whole,
        in the band of the start. Neighbours in one band make one piece. Raises NoBand outside the calendar or where no
        row covers an instant.
        """
        start_day = self._clock.local_day(start_s)
        if not self._first <= start_day < self._end:
            raise NoBand(f"the calendar of {band_set} does not cover the local day of {start_s}")
        day = start_day
        starts, bands = self._day(band_set, day)
        slot = bisect_right(starts, start_s) - 1
        band = bands[slot]
        if lasts_s == 0:
            return [Piece(units, band.band_id, band.factor)]
        pieces: list[Piece] = []
        at, end = start_s, start_s + lasts_s
        while at < end:
            band = bands[slot]
            if slot + 1 < len(starts):
                cut = starts[slot + 1]
                slot += 1
            else:
                day += 1
                cut = self._clock.midnight(day)
                if cut < end:
                    starts, bands = self._day(band_set, day)
                slot = 0
            until = min(cut, end)
            if pieces and pieces[-1].band_id == band.band_id and pieces[-1].factor == band.factor:
                pieces[-1] = Piece(pieces[-1].units + until - at, band.band_id, band.factor)
            else:
                pieces.append(Piece(until - at, band.band_id, band.factor))
            at = until
        return pieces

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
        weekday = (day + 3) % 7 + 1  # 1970-01-01 was a Thursday
        is_holiday = day in self._holidays
        for row in rows:
            covers_day = weekday in row.weekdays and (row.day_type == "any" or is_holiday)
            if covers_day and row.from_s <= second < row.to_s:
                return row
        raise NoBand(f"no band of {rows[0].band_set} covers second {second} of weekday {weekday}")
