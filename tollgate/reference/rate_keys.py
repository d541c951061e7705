"""Which row holds for a concrete key at each time: fallback from literal cells to *, resolved once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import pairwise, product
from typing import NamedTuple

from tollgate.reference.cells import ALL
from tollgate.reference.pricebook_files import SourceBook, SourceRow

RATE_CELLS = ("service", "plan_id", "zone_id", "roaming_zone", "rating_group")
COST_CELLS = ("service", "carrier_id", "country", "call_type")
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

    cells: columns in order of precedence; keys: one value a cell. Rows with equal cells must not overlap in time.
    Returns disjoint intervals, neighbours with the same row merged, keys in the order given; and the gaps.
    """
    by_cells: dict[Key, list[SourceRow]] = defaultdict(list)
    for row in rows:
        by_cells[tuple(row[cell] for cell in cells)].append(row)
    intervals: list[KeyInterval] = []
    gaps: list[Gap] = []
    for key in keys:
        # product() lists the literal-first combinations in just the order of precedence.
        fitting = [row for shape in product(*((value, ALL) for value in key)) for row in by_cells.get(shape, ())]
        own = list(_over_time(key, fitting))
        intervals += own
        gaps += [Gap(key, a.row, b.row) for a, b in pairwise(own) if a.valid_to < b.valid_from]
    return intervals, gaps


def rate_keys(book: SourceBook) -> list[Key]:
    """Every concrete (service, plan, zone, roaming zone, rating group) that an event can have."""
    plans = _values(book.rows["plan"], "plan_id")
    zones = [row["zone_id"] for row in book.rows["zone"] if row["kind"] != HOME]
    roaming = [HOME, *(zone for zone in _values(book.rows["roaming_zone"], "roaming_zone") if zone != HOME)]
    dialled = product(("voice", "sms", "mms"), plans, zones, roaming, (NO_GROUP,))
    data = product(("data",), plans, (HOME,), roaming, book.operator.rating_groups)
    return [*dialled, *data]


def cost_keys(book: SourceBook) -> list[Key]:
    """Every concrete (service, carrier, country, call type); country * stands for those that the file does not name."""
    rows = book.rows["carrier_rate"]
    carriers = [carrier for carrier in _values(rows, "carrier_id") if carrier != ALL]
    countries = [*(country for country in _values(rows, "country") if country != ALL), ALL]
    dialled = product(("voice", "sms", "mms"), carriers, countries, CALL_TYPES)
    data = product(("data",), carriers, (ALL,), ("any",))
    # A country's own keys are worth having only where a row names it for that service and carrier.
    named = {(row["service"], row["carrier_id"], row["country"], row["call_type"]) for row in rows}
    return [key for key in (*dialled, *data) if key[2] == ALL or any(s in named for s in _naming(key))]


def _naming(key: Key) -> Iterator[Key]:
    service, carrier, country, call_type = key
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
