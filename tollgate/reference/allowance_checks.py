"""Lines of allowance.csv that cannot be meant. Source: docs/pricebook.md, "allowance.csv"."""

from __future__ import annotations

from collections.abc import Iterator

from tollgate.reference.allowance_slots import can_meet, priority_of, scope_of
from tollgate.reference.cells import ALL
from tollgate.reference.contradictions import UNIT_OF
from tollgate.reference.pricebook_files import Finding, SourceBook, SourceRow
from tollgate.reference.rate_keys import HOME

SAME = (
    "plan_id",
    "name",
    "unit",
    "quantity",
    "proration",
    "valid_from",
    "valid_to",
    "priority",
    "scope",
    "rollover_cycles",
    "rollover_cap",
)


def allowance_findings(book: SourceBook) -> Iterator[Finding]:
    """A finding for every line that contradicts itself or another line of its allowance."""
    lines: dict[str, list[SourceRow]] = {}
    for row in book.rows["allowance"]:
        yield from (row.finding(message) for message in _contradictions(row))
        earlier = lines.setdefault(row["allowance_id"], [])
        if earlier and _shared(row) != _shared(earlier[0]):
            same = ", ".join(SAME)
            yield row.finding(f"rows of {row['allowance_id']} agree in {same}; see line {earlier[0].line}")
        for other in earlier:
            key = ("service", "zone_id", "band")
            # Equal ones are duplicates, which is said elsewhere.
            if can_meet(row, other) and any(row[column] != other[column] for column in key):
                yield row.finding(f"{row['allowance_id']} covers the same usage in line {other.line} already")
        earlier.append(row)


def _contradictions(row: SourceRow) -> Iterator[str]:
    service, unit = row["service"], row["unit"]
    if service != ALL and unit != UNIT_OF[service]:
        yield f"unit of {service} is {UNIT_OF[service]}, found {unit}"
    is_data = service == "data" or (service == ALL and unit == UNIT_OF["data"])
    if row["zone_id"] != ALL and is_data != (row["zone_id"] == HOME):
        yield "data is free in zone home, other services in a destination zone"

    if row["rollover_cap"] is not None and row["rollover_cycles"] is None:
        yield "rollover_cap is of an allowance that rolls over: rollover_cycles says how often"


def _shared(row: SourceRow) -> tuple[object, ...]:
    own = {"priority": priority_of(row), "scope": scope_of(row)}
    return tuple(own.get(column, row[column]) for column in SAME)
