"""Which row holds for a concrete key at each time: fallback from literal cells to *, resolved once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import pairwise, product
from typing import NamedTuple

from tollgate.reference.cells import ALL
from tollgate.reference.pricebook_files import SourceBook, SourceRow

# What the event itself says; an event whose value no row of its service names is looked up with *.
EVENT_CELLS = ("direction", "technology", "slice")
RATE_CELLS = ("service", "plan_id", "zone_id", "roaming_zone", "rating_group", *EVENT_CELLS)
PREFIX = "prefix"
COST_CELLS = ("service", "carrier_id", PREFIX, "country", "call_type")
DIALLED = ("voice", "sms", "mms")
NO_GROUP = "none"
HOME = "home"
CALL_TYPES = ("local", "national", "international")

Key = tuple[str, ...]


class KeyInterval(NamedTuple):
    """A key and the row that holds for it in [valid_from, valid_to)."""

    key: Key
    valid_from: datetime
    valid_to: datetime
    row: SourceRow


class Gap(NamedTuple):
    """A time without a row between two rows that fit the same key."""

    key: Key
    ends: SourceRow
    resumes: SourceRow


def resolve(
    rows: Sequence[SourceRow], cells: Sequence[str], keys: Iterable[Key]
) -> tuple[list[KeyInterval], list[Gap]]:
    """The row of each key over time: of the rows that fit, the one with the first literal cell where another has *.

    cells: columns in order of precedence; keys: one value a cell. Rows with equal cells must not overlap in time. In
    the cell `prefix` a row fits if it is a prefix of the key's, the longest before the others and * last.
    Returns disjoint intervals, neighbours with the same row merged, keys in the order given; and the gaps.
    """
    by_cells: dict[Key, list[SourceRow]] = defaultdict(list)
    for row in rows:
        by_cells[tuple(row[cell] for cell in cells)].append(row)
    named = [{row[cell] for row in rows} for cell in cells]
    intervals: list[KeyInterval] = []
    gaps: list[Gap] = []
    for key in keys:
        fits = [
            [value for value in _fallbacks(cell, value) if value in known]
            for cell, value, known in zip(cells, key, named, strict=True)
        ]
        # product() lists the literal-first combinations in just the order of precedence.
        fitting = [row for shape in product(*fits) for row in by_cells.get(shape, ())]
        own = list(_over_time(key, fitting))
        intervals += own
        gaps += [Gap(key, a.row, b.row) for a, b in pairwise(own) if a.valid_to < b.valid_from]
    return intervals, gaps


def rate_keys(book: SourceBook) -> list[Key]:
    """Every concrete key that an event can have, in the order of RATE_CELLS; see `event_values` for the last three."""
    plans = _values(book.rows["plan"], "plan_id")
    zones = [row["zone_id"] for row in book.rows["zone"] if row["kind"] != HOME]
    roaming = [HOME, *(zone for zone in _values(book.rows["roaming_zone"], "roaming_zone") if zone != HOME)]
    values = event_values(book)
    found: list[Key] = []
    for service in (*DIALLED, "data"):
        own = [[*values[service, cell], ALL] for cell in EVENT_CELLS]
        places, groups = (zones, (NO_GROUP,)) if service in DIALLED else ([HOME], book.operator.rating_groups)
        found += product((service,), plans, places, roaming, groups, *own)
    return found


def event_values(book: SourceBook) -> dict[tuple[str, str], list[str]]:
    """The literal values that rows of each service name in each of EVENT_CELLS, by (service, cell)."""
    return {
        (service, cell): sorted({row[cell] for row in book.rows["rate"] if row["service"] == service} - {ALL})
        for service in (*DIALLED, "data")
        for cell in EVENT_CELLS
    }


def cost_keys(book: SourceBook) -> list[Key]:
    """Every concrete (service, carrier, prefix, country, call type).

    Country * stands for those that the file does not name. The prefixes of a carrier and service are those of
    `carrier_prefixes`, and * for the other numbers.
    """
    rows = book.rows["carrier_rate"]
    carriers = [carrier for carrier in _values(rows, "carrier_id") if carrier != ALL]
    countries = [*(country for country in _values(rows, "country") if country != ALL), ALL]
    prefixes = carrier_prefixes(book)
    # A country's own keys are worth having only where a row names it for that service and carrier.
    named = {(row["service"], row["carrier_id"], row["country"], row["call_type"]) for row in rows}
    dialled = [
        (service, carrier, prefix, country, call_type)
        for service, carrier in product(DIALLED, carriers)
        for country, call_type in product(countries, CALL_TYPES)
        if country == ALL or any(n in named for n in _naming(service, carrier, country, call_type))
        for prefix in [*prefixes.get((carrier, service), ()), ALL]
    ]
    return [*dialled, *product(("data",), carriers, (ALL,), (ALL,), ("any",))]


def carrier_prefixes(book: SourceBook) -> dict[tuple[str, str], list[str]]:
    """The prefixes that rows name for each (carrier, service), those of the rows for every carrier included."""
    rows = [row for row in book.rows["carrier_rate"] if row[PREFIX] != ALL]
    carriers = [carrier for carrier in _values(book.rows["carrier_rate"], "carrier_id") if carrier != ALL]
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for row in rows:
        for carrier in carriers if row["carrier_id"] == ALL else [row["carrier_id"]]:
            found[carrier, row["service"]].add(row[PREFIX])
    return {key: sorted(prefixes) for key, prefixes in found.items()}


def followers(book: SourceBook) -> Iterator[tuple[KeyInterval, KeyInterval]]:
    """For each key where a row with split_at_validity ends: its interval, and the one that begins just then."""
    if not any(row["split_at_validity"] for row in book.rows["rate"]):
        return
    for own, after in pairwise(resolve(book.rows["rate"], RATE_CELLS, rate_keys(book))[0]):
        is_its_end = own.row["split_at_validity"] and own.valid_to == own.row["valid_to"]
        if is_its_end and own.key == after.key and own.valid_to == after.valid_from:
            yield own, after


def _fallbacks(cell: str, value: str) -> Iterator[str]:
    if value != ALL:
        yield from (value[:length] for length in range(len(value), 0, -1)) if cell == PREFIX else (value,)
    yield ALL


def _naming(service: str, carrier: str, country: str, call_type: str) -> Iterator[Key]:
    yield from product((service,), (carrier, ALL), (country,), (call_type, ALL))


def _over_time(key: Key, fitting: list[SourceRow]) -> Iterator[KeyInterval]:
    edges = sorted({row[edge] for row in fitting for edge in ("valid_from", "valid_to")})
    last: KeyInterval | None = None
    for start, end in pairwise(edges):
        row = next((row for row in fitting if row["valid_from"] <= start and end <= row["valid_to"]), None)
        if row is None:
            continue
        if last is not None and last.row is row and last.valid_to == start:
            last = last._replace(valid_to=end)
            continue
        if last is not None:
            yield last
        last = KeyInterval(key, start, end, row)
    if last is not None:
        yield last


def _values(rows: Sequence[SourceRow], column: str) -> list[str]:
    return sorted({row[column] for row in rows})
