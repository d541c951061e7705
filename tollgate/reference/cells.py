"""Cells of a price book file: text to exact values, or a ValueError that says what was expected."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from tollgate.reference.time_zones import zone_names

MICROS = 1_000_000
OPEN_END = datetime(9999, 12, 31, tzinfo=timezone.utc)
ALL = "*"

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_DECIMAL = re.compile(r"[0-9]+(\.[0-9]+)?")
MOST_DIGITS = 18
_WHOLE = re.compile(r"[0-9]{1,18}")
_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}[+-]\d{2}:\d{2}")
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])|24:00")

Cell = Callable[[str, ZoneInfo], Any]


def ident(text: str, _zone: ZoneInfo) -> str:
    """An id."""
    if not _ID.fullmatch(text):
        raise ValueError("expected an id of letters, digits, _ and - (1 to 64)")
    return text


def ident_or_all(text: str, zone: ZoneInfo) -> str:
    """An id or *."""
    return text if text == ALL else ident(text, zone)


def words(text: str, _zone: ZoneInfo) -> str:
    """Text for people."""
    if not text or text != text.strip():
        raise ValueError("expected text without spaces around it")
    if not text.isprintable():
        raise ValueError("expected text without control characters")
    return text


def time_zone(text: str, _zone: ZoneInfo) -> ZoneInfo:
    """A zone by its name in the IANA database, whichever files this machine has besides."""
    if text not in zone_names():
        raise ValueError("expected an IANA time zone such as America/Toronto")
    return ZoneInfo(text)


def one_of(*allowed: str) -> Cell:
    """One of the words given."""

    def read(text: str, _zone: ZoneInfo) -> str:
        if text not in allowed:
            raise ValueError(f"expected one of {', '.join(allowed)}")
        return text

    return read


def matching(pattern: str, expected: str) -> Cell:
    """Text of a form."""

    def read(text: str, _zone: ZoneInfo) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"expected {expected}")
        return text

    return read


def optional(cell: Cell) -> Cell:
    """None where the cell is empty."""
    return lambda text, zone: None if text == "" else cell(text, zone)


def whole(least: int, most: int = 10**18) -> Cell:
    """A whole number between two bounds, both included."""

    def read(text: str, _zone: ZoneInfo) -> int:
        if not _WHOLE.fullmatch(text) or not least <= int(text) <= most:
            raise ValueError(f"expected a whole number from {least} to {most}")
        return int(text)

    return read


def truth(text: str, _zone: ZoneInfo) -> bool:
    """true or false."""
    if text not in ("true", "false"):
        raise ValueError("expected true or false")
    return text == "true"


def ratio(text: str, _zone: ZoneInfo) -> Fraction:
    """A plain decimal as an exact fraction."""
    if not _DECIMAL.fullmatch(text):
        raise ValueError("expected a plain decimal such as 1.2, without sign or exponent")
    if max(map(len, text.split("."))) > MOST_DIGITS:
        raise ValueError(f"expected at most {MOST_DIGITS} digits before and {MOST_DIGITS} after the point")
    return Fraction(Decimal(text))


def positive_ratio(text: str, zone: ZoneInfo) -> Fraction:
    """A plain decimal above 0."""
    value = ratio(text, zone)
    if value == 0:
        raise ValueError("expected a decimal above 0")
    return value


def amount(text: str, zone: ZoneInfo) -> int:
    """A decimal amount as micros; more than 6 decimals are refused, never rounded."""
    micros = ratio(text, zone) * MICROS
    if micros.denominator != 1:
        raise ValueError("expected an amount with at most 6 decimals")
    if micros > 10**15:
        raise ValueError("expected an amount of at most 1,000,000,000")
    return micros.numerator


def percent(text: str, zone: ZoneInfo) -> Fraction:
    """A percentage from 0 to 100 as a share of 1."""
    share = ratio(text, zone) / 100
    if share > 1:
        raise ValueError("expected a percentage from 0 to 100")
    return share


def tax_percent(text: str, zone: ZoneInfo) -> int:
    """A percentage as millionths."""
    ppm = percent(text, zone) * MICROS
    if ppm.denominator != 1:
        raise ValueError("expected a percentage with at most 4 decimals")
    return ppm.numerator


def weekdays(text: str, _zone: ZoneInfo) -> frozenset[int]:
    """ISO weekdays, 1 Monday to 7 Sunday."""
    if not re.fullmatch("1?2?3?4?5?6?7?", text) or not text:
        raise ValueError("expected ISO weekdays in ascending order, such as 12345")
    return frozenset(int(digit) for digit in text)


def clock_seconds(text: str, _zone: ZoneInfo) -> int:
    """HH:MM as seconds after 00:00 on the wall clock."""
    if not _CLOCK.fullmatch(text):
        raise ValueError("expected HH:MM from 00:00 to 24:00")
    return int(text[:2]) * 3600 + int(text[3:]) * 60


def day(text: str, _zone: ZoneInfo) -> date:
    """A calendar date."""
    try:
        if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
            raise ValueError
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError("expected a date such as 2026-11-01") from None


def instant(text: str, zone: ZoneInfo) -> datetime:
    """A local date (its midnight) or an instant with offset, as UTC."""
    on = day(text, zone) if len(text) == 10 else None
    try:
        if on is not None:
            return local_midnight(on, zone)
        if not _INSTANT.fullmatch(text):
            raise ValueError
        return datetime.fromisoformat(text).astimezone(timezone.utc)
    except OverflowError:
        raise ValueError("expected a time within the years 1 to 9999 of UTC") from None
    except ValueError:
        raise ValueError("expected a date such as 2026-11-01 or an instant such as 2026-11-01T00:00:00-04:00") from None


def end_instant(text: str, zone: ZoneInfo) -> datetime:
    """Like `instant`; empty is open."""
    return OPEN_END if text == "" else instant(text, zone)


def local_midnight(on: date, zone: ZoneInfo) -> datetime:
    """The instant at which the local day begins, UTC; where the clock skips midnight, the first one after it."""
    start = datetime.combine(on, time.min, tzinfo=zone).astimezone(timezone.utc)
    # A clock that jumps over midnight from before it lands later than the jump: step back to the jump itself.
    while (start - timedelta(seconds=1)).astimezone(zone).date() >= on:
        start -= timedelta(minutes=1)
    return start
