"""Seeded draws of usage for a drawn price book: at its edges, by its steps, to numbers around its prefixes."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import NamedTuple
from zoneinfo import ZoneInfo

from properties.draw import number_of
from properties.draw_book import GROUPS, ROAMING, SLICES
from properties.draw_sheets import CARRIERS

from tollgate.oracle.rows import Usage

SECOND, DAY_S, LARGEST_BYTES = 1_000_000, 86_400, 1 << 40
TENURES = (date(2027, 2, 28), date(2027, 3, 1), date(2026, 2, 28), date(2024, 2, 29), date(2028, 2, 29))
# Called numbers as mediation lets them through, of seven digits or more, on, below and beside the drawn prefixes.
NUMBERS = (
    *(("+14165550100", "CA"), ("+14165500000", "CA"), ("+14161234567", "CA"), ("+14162000009", "CA")),
    *(("+16472000009", "CA"), ("+12125550100", "US"), ("+18005550100", "001"), ("+18765550100", "JM")),
    *(("+442071234567", "GB"), ("+4490012345678", "GB"), ("+4490012990000", "GB"), ("+4490012", "GB")),
    *(("+33612345678", "FR"), ("+881612345678", "001"), ("+881512345678", "001"), ("+9991234567", None)),
    *(("911", None), ("311", None), ("999", None)),
)
WALLS = (0, 5_400, 7_199, 7_200, 28_799, 28_800, 43_200, 71_999, 72_000, 86_340, 86_399)
DAYS = (
    *("2028-01-01", "2028-02-28", "2028-02-29", "2028-03-01", "2028-03-11", "2028-03-12", "2028-07-01", "2028-07-02"),
    *("2028-10-31", "2028-11-04", "2028-11-05", "2028-11-06", "2028-12-24", "2028-12-25", "2028-12-30", "2028-12-31"),
    *("2027-12-31", "2029-01-01"),
)


class Boundaries(NamedTuple):
    """Where a book changes: instants (epoch seconds), and lengths, counts or volumes (units) by kind of unit."""

    zone: ZoneInfo
    instants: tuple[int, ...]
    units: dict[str, tuple[int, ...]]


def boundaries(folder: Path) -> Boundaries:
    """The validity edges of a book, and the steps, blocks and segments of its rates and costs."""
    sheets = {
        name: list(csv.DictReader((folder / f"{name}.csv").open(encoding="utf-8")))
        for name in ("operator", "rate", "segment", "carrier_rate", "destination", "discount", "time_band")
    }
    zone = ZoneInfo(next(row["value"] for row in sheets["operator"] if row["key"] == "time_zone"))
    edges = {
        row[cell] for rows in sheets.values() for row in rows for cell in ("valid_from", "valid_to") if row.get(cell)
    }
    units: dict[str, set[int]] = {"second": {60, DAY_S}, "message": set(), "byte": {1_048_576, LARGEST_BYTES}}
    unit_of = {row["rate_id"]: row["unit"] for row in sheets["rate"]}
    for row in (*sheets["rate"], *sheets["carrier_rate"]):
        units[row["unit"]] |= {int(row[cell]) for cell in ("initial", "increment", "block") if row[cell]}
    for row in sheets["segment"]:
        units[unit_of[row["rate_id"]]].add(int(row["from_units"]))
    units["second"] |= {int(row[cell]) for row in sheets["time_band"] for cell in ("initial", "increment") if row[cell]}
    ordered = {unit: tuple(sorted(found)) for unit, found in units.items()}
    return Boundaries(zone, tuple(sorted(_instant(edge, zone) for edge in edges)), ordered)


def draw_events(random: Random, count: int, lines: int, of: Boundaries) -> Iterator[Usage]:
    """Events of those lines, a few of nobody's number, each at some boundary of the book."""
    for number in range(count):
        service = random.choices(("voice", "sms", "mms", "data"), (6, 1, 1, 3))[0]
        destination, country = (None, None) if service == "data" else random.choice(NUMBERS)
        roaming = random.random() < 0.15
        outcomes: dict[str, tuple[str | None, ...]] = {
            "voice": (*("answered",) * 12, "dropped", "busy", None),
            "data": (None,),
        }
        duration = near(random, of.units["second"], DAY_S) if service == "voice" else 0
        yield Usage(
            source=random.choice(("msc", "smsc")),
            event_id=f"e{number:07}",
            service=service,
            started_at=draw_start(random, of, duration),
            msisdn=number_of(random.randrange(lines)) if random.random() < 0.99 else "+14165550999",
            destination=destination,
            destination_country=country,
            duration_s=duration,
            volume_bytes=near(random, of.units["byte"], LARGEST_BYTES) if service == "data" else 0,
            rating_group=random.choice(GROUPS) if service == "data" else None,
            roaming=roaming,
            roaming_country=random.choice((*ROAMING, "ZZ", None)) if roaming else None,
            carrier_id=random.choice((*CARRIERS, "carrier_009", None)),
            call_outcome=random.choice(outcomes.get(service, (*("delivered",) * 6, "failed", None))),
            direction=random.choice(("out", "in", "in", None)),
            technology=random.choice(("3G", "4G", "5G", "5G", "FIXED", None)),
            slice_id=random.choice((*SLICES, "silver", None, None)),
        )


def near(random: Random, units: tuple[int, ...], largest: int) -> int:
    """A length or volume on, just below or just above a boundary or a multiple of one; or 0, 1, the largest."""
    if random.random() < 0.15:
        return random.choice((0, 1, largest - 1, largest, random.randrange(largest)))
    of = random.choice(units) * random.choice((1, 1, 1, 2, 3, 10)) + random.choice((-1, 0, 0, 1)) * random.choice(
        (1, 1, 30)
    )
    return min(max(of, 0), largest)


def draw_start(random: Random, of: Boundaries, duration: int) -> int:
    """Epoch microseconds: around an edge, or so that the event ends around one; or a wall time where bands change."""
    if random.random() < 0.6:
        edge = random.choice(of.instants)
        before = random.choice((0, 1, 30, 59, 60, 61, duration, duration // 2, duration // 2, random.randrange(DAY_S)))
        at = (edge - before) * SECOND
    else:
        day, wall = date.fromisoformat(random.choice(DAYS)), random.choice((*WALLS, random.randrange(DAY_S)))
        moment = datetime(day.year, day.month, day.day, tzinfo=of.zone, fold=random.randrange(2)) + timedelta(
            seconds=wall
        )
        at = int(moment.timestamp()) * SECOND
    return at + random.choice((0, 0, 0, -1, 1, 500_000, 999_999))


def _instant(edge: str, zone: ZoneInfo) -> int:
    moment = datetime.fromisoformat(edge.replace("Z", "+00:00"))
    return int((moment if moment.tzinfo else moment.replace(tzinfo=zone)).timestamp())
