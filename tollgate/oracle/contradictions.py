"""What a price book says twice, or says against itself, as far as an oracle must know to give one price."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Any

from tollgate.oracle.rows import Rate


def overlaps(sheet: str, rows_of: Mapping[tuple[str, ...], list[Any]]) -> Iterator[str]:
    """Findings: rows of one key of which two are valid at the same time."""
    for key, rows in rows_of.items():
        ordered = sorted(rows, key=lambda row: (row.valid_from, row.valid_to))
        for before, after in pairwise(ordered):
            if after.valid_from < before.valid_to:
                yield f"{sheet}.csv: two rows of {' '.join(key)} are valid at the same time: {before[0]}, {after[0]}"
        yield from (f"{sheet}.csv: {row[0]}: valid_from is not before valid_to" for row in rows if _is_empty(row))


def contradictions(rates: Iterable[Rate], with_segments: Iterable[str]) -> Iterator[str]:
    """Findings: segments of a rate that may have none, steps of charging that never end, a split of what is no call."""
    named = set()
    for row in rates:
        named.add(row.rate_id)
        places = [place for place, _ in row.segments]
        if min(row.block, row.initial, row.increment) < 1:
            yield f"rate.csv: {row.rate_id}: block, initial and increment must be 1 or more"
        if places and (places[0] < 1 or len(set(places)) < len(places)):
            yield f"segment.csv: {row.rate_id}: from_units must be 1 or more, and another one in each row"
        if places and (row.tiers or row.zero_rated or row.split_at_validity):
            yield f"segment.csv: {row.rate_id}: a rate with segments has no tiers, no split_at_validity and a price"
        if row.split_at_validity and row.unit != "second":
            yield f"rate.csv: {row.rate_id}: split_at_validity is for seconds, found {row.unit}"
    for rate_id in sorted(set(with_segments) - named):
        yield f"segment.csv: {rate_id} is no rate of rate.csv"


def _is_empty(row: Any) -> bool:
    return bool(row.valid_from >= row.valid_to)
