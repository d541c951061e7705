"""Time bands of wall-clock days as instants, so that pricing never asks a calendar."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Sequence
from datetime import date, datetime, timedelta, timezone
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from tollgate.reference.cells import local_midnight

DAY_S = 86_400


class Band(NamedTuple):
    """A row of time_band.csv: wall-clock seconds [from_s, to_s) of the days it is for, dates [from_date, to_date).

    price, connect_fee (micros), initial and increment (units) are the rate's own where they are None.
    """

    band_id: str
    priority: int
    weekdays: frozenset[int]
    holidays_only: bool
    from_s: int
    to_s: int
    factor: Fraction
    from_date: date | None = None
    to_date: date | None = None
    price: int | None = None
    connect_fee: int | None = None
    initial: int | None = None
    increment: int | None = None

    def holds_on(self, on: date) -> bool:
        """Whether the date lies between the row's dates; weekday and holiday are not asked."""
        return (self.from_date is None or self.from_date <= on) and (self.to_date is None or on < self.to_date)


class Piece(NamedTuple):
    """A stretch [start, end) in one band: seconds of the wall clock, or epoch seconds."""

    start: int
    end: int
    band: Band


class BandDay(NamedTuple):
    """The bands of the events that start on a local day; adjacent pieces differ, their lengths sum to the span."""

    local_date: date
    pieces: tuple[Piece, ...]


def wall_clock_pieces(
    bands: Sequence[Band], weekday: int, is_holiday: bool
) -> tuple[list[Piece], list[tuple[int, int]]]:
    """Bands of one wall-clock day, highest priority first, merged; and the stretches that no band covers.

    bands: those that hold on its date.
    """
    holding = sorted(
        (b for b in bands if weekday in b.weekdays and (is_holiday or not b.holidays_only)),
        key=lambda b: -b.priority,
    )
    edges = sorted({0, DAY_S, *(edge for b in holding for edge in (b.from_s, b.to_s))})
    pieces: list[Piece] = []
    uncovered: list[tuple[int, int]] = []
    for start, end in itertools.pairwise(edges):
        band = next((b for b in holding if b.from_s <= start and end <= b.to_s), None)
        if band is None:
            uncovered.append((start, end))
        else:
            pieces.append(Piece(start, end, band))
    return merged(pieces), uncovered


def band_days(
    bands: Sequence[Band], holidays: Collection[date], zone: ZoneInfo, first: date, until: date
) -> Iterator[BandDay]:
    """For each local date in [first, until): from its midnight to 24 hours after the next one, cut at band changes.

    Any event that starts on the date and lasts at most 86,400 s lies inside. Edges are epoch seconds: 48 hours, one
    less or more where the clock changes on the date. bands: one set that covers each moment of each day.
    """

    @lru_cache(maxsize=8)
    def day(on: date) -> list[Piece]:
        wall, _ = wall_clock_pieces([b for b in bands if b.holds_on(on)], on.isoweekday(), on in holidays)
        return list(_as_instants(wall, on, zone))

    on = first
    while on < until:
        end = _epoch(local_midnight(on + timedelta(days=1), zone)) + DAY_S
        pieces = [p for n in range(3) for p in day(on + timedelta(days=n)) if p.start < end]
        pieces[-1] = pieces[-1]._replace(end=min(pieces[-1].end, end))
        yield BandDay(on, tuple(merged(pieces)))
        on += timedelta(days=1)


def merged(pieces: Sequence[Piece]) -> list[Piece]:
    """Join neighbours in the same band; pieces in time order without holes."""
    joined: list[Piece] = []
    for piece in pieces:
        if joined and joined[-1].band.band_id == piece.band.band_id and joined[-1].end == piece.start:
            joined[-1] = joined[-1]._replace(end=piece.end)
        else:
            joined.append(piece)
    return joined


def _as_instants(wall: Sequence[Piece], on: date, zone: ZoneInfo) -> Iterator[Piece]:
    """Each stretch with one UTC offset reads the wall clock anew: skipped hours vanish, repeated ones return."""
    midnight = _epoch(datetime.combine(on, datetime.min.time(), tzinfo=timezone.utc))
    for start, end, offset in _offset_stretches(
        _epoch(local_midnight(on, zone)), _epoch(local_midnight(on + timedelta(days=1), zone)), zone
    ):
        for piece in wall:
            begins = max(start, piece.start + midnight - offset)
            ends = min(end, piece.end + midnight - offset)
            if begins < ends:
                yield Piece(begins, ends, piece.band)


def _offset_stretches(start: int, end: int, zone: ZoneInfo) -> Iterator[tuple[int, int, int]]:
    """[start, end) cut where the UTC offset changes: (start, end, offset in seconds)."""
    since, offset = start, _offset(start, zone)
    for moment in [*range(start + 3600, end, 3600), end - 1]:
        if _offset(moment, zone) == offset:
            continue
        before, after = max(since, moment - 3600), moment
        while after - before > 1:
            middle = (before + after) // 2
            before, after = (middle, after) if _offset(middle, zone) == offset else (before, middle)
        yield since, after, offset
        since, offset = after, _offset(after, zone)
    yield since, end, offset


def _offset(epoch: int, zone: ZoneInfo) -> int:
    moved = datetime.fromtimestamp(epoch, zone).utcoffset()
    assert moved is not None
    return int(moved.total_seconds())


def _epoch(moment: datetime) -> int:
    return int(moment.timestamp())
