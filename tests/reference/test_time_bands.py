"""Bands of wall-clock days as instants, over the days on which the clock changes."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from fractions import Fraction
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tollgate.reference.band_checks import bands_of
from tollgate.reference.cells import local_midnight
from tollgate.reference.pricebook_checks import check_price_book
from tollgate.reference.time_bands import Band, band_days

DEMO = Path(__file__).resolve().parents[2] / "conf" / "pricebook"
TORONTO = ZoneInfo("America/Toronto")
EVERY_DAY = frozenset(range(1, 8))
NIGHT = [
    Band("night", 1, EVERY_DAY, False, 0, 3 * 3600, Fraction(1, 2)),
    Band("day", 0, EVERY_DAY, False, 0, 86_400, Fraction(1)),
]
ZONES = ("America/Toronto", "Europe/London", "Africa/Casablanca", "America/Santiago", "Australia/Lord_Howe", "UTC")


def demo_bands() -> tuple[list[Band], set[date]]:
    book, _ = check_price_book(DEMO)
    assert book is not None
    return bands_of(book.rows["time_band"])["voice_bands"], {row["date"] for row in book.rows["holiday"]}


def one_day(bands: list[Band], holidays: set[date], zone: ZoneInfo, on: date) -> list[tuple[str, float]]:
    (found,) = band_days(bands, holidays, zone, on, on + timedelta(days=1))
    return [(piece.band.band_id, (piece.end - piece.start) / 3600) for piece in found.pieces]


@pytest.mark.covers("RAT-03")
def test_the_demo_days_of_a_year():
    bands, holidays = demo_bands()
    cases = {
        date(2026, 10, 5): [("off_peak", 8), ("peak", 12), ("off_peak", 12), ("peak", 12), ("off_peak", 4)],
        date(2026, 10, 9): [("off_peak", 8), ("peak", 12), ("off_peak", 4), ("weekend", 24)],
        date(2026, 10, 10): [("weekend", 48)],
        # Thanksgiving, a Monday.
        date(2026, 10, 12): [("holiday", 24), ("off_peak", 8), ("peak", 12), ("off_peak", 4)],
        # The hour that comes twice makes a Sunday of 25 hours.
        date(2026, 11, 1): [("weekend", 25), ("off_peak", 8), ("peak", 12), ("off_peak", 4)],
    }
    assert {on: one_day(bands, holidays, TORONTO, on) for on in cases} == cases


@pytest.mark.covers("RAT-03")
def test_skipped_hours_vanish_and_repeated_ones_return():
    # 8 March 2026: 02:00 to 03:00 does not exist. 1 November 2026: 01:00 to 02:00 comes twice.
    assert one_day(NIGHT, set(), TORONTO, date(2026, 3, 8)) == [("night", 2), ("day", 21), ("night", 3), ("day", 21)]
    assert one_day(NIGHT, set(), TORONTO, date(2026, 11, 1)) == [("night", 4), ("day", 21), ("night", 3), ("day", 21)]
    # The day before the change keeps its full 24 hours after the next midnight.
    assert one_day(NIGHT, set(), TORONTO, date(2026, 3, 7)) == [
        ("night", 3), ("day", 21), ("night", 2), ("day", 21), ("night", 1)
    ]  # fmt: skip


@pytest.mark.covers("RAT-03")
@settings(max_examples=60, deadline=None)
@given(st.sampled_from(ZONES), st.dates(date(2024, 1, 1), date(2031, 12, 30)), st.integers(0, 86_399))
def test_each_second_lies_in_the_band_of_its_wall_clock(name, on, second):
    zone = ZoneInfo(name)
    (found,) = band_days(NIGHT, set(), zone, on, on + timedelta(days=1))
    midnights = [int(local_midnight(on + timedelta(days=n), zone).timestamp()) for n in range(2)]
    assert (found.pieces[0].start, found.pieces[-1].end) == (midnights[0], midnights[1] + 86_400)
    assert all(a.end == b.start and a.band != b.band for a, b in zip(found.pieces, found.pieces[1:], strict=False))
    moment = midnights[0] + second
    wall = datetime.fromtimestamp(moment, timezone.utc).astimezone(zone)
    (band,) = [piece.band.band_id for piece in found.pieces if piece.start <= moment < piece.end]
    assert band == ("night" if wall.hour < 3 else "day")


def test_a_day_without_a_midnight_begins_where_the_clock_lands():
    # Chile: on 6 September 2026 the clock goes from 24:00 to 01:00.
    start = local_midnight(date(2026, 9, 6), ZoneInfo("America/Santiago"))
    assert start.astimezone(ZoneInfo("America/Santiago")).isoformat() == "2026-09-06T01:00:00-03:00"
