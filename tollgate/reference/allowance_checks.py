"""Lines of allowance.csv that cannot be meant. Source: docs/pricebook.md, "allowance.csv"."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from tollgate.reference.allowance_slots import CURRENCY, can_meet, priority_of, scope_of
from tollgate.reference.cells import ALL, MICROS
from tollgate.reference.contradictions import UNIT_OF
from tollgate.reference.pricebook_files import Finding, SourceBook, SourceRow
from tollgate.reference.rate_keys import HOME

LARGEST, LARGEST_AMOUNT = 10**18, 10**15
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
    if unit != CURRENCY and service != ALL and unit != UNIT_OF[service]:
        yield f"unit of {service} is {UNIT_OF[service]}, found {unit}"
    is_data = service == "data" or (service == ALL and unit == UNIT_OF["data"])
    # Money on every service may be for one zone, home too.
    is_told = row["zone_id"] != ALL and (service, unit) != (ALL, CURRENCY)
    if is_told and is_data != (row["zone_id"] == HOME):
        yield "data is free in zone home, other services in a destination zone"

    for column in ("quantity", "rollover_cap"):
        yield from _of_amount(column, row[column], unit)
    if row["rollover_cap"] is not None and row["rollover_cycles"] is None:
        yield "rollover_cap is of an allowance that rolls over: rollover_cycles says how often"


def _of_amount(column: str, found: Fraction | None, unit: str) -> Iterator[str]:
    if found is None:
        return
    if unit != CURRENCY and (found.denominator != 1 or found > LARGEST):
        yield f"{column} of a {unit} allowance is a whole number up to {LARGEST}"
    if unit == CURRENCY and ((found * MICROS).denominator != 1 or found * MICROS > LARGEST_AMOUNT):
        yield f"{column} of a currency allowance is an amount with at most 6 decimals, up to 1,000,000,000"


def _shared(row: SourceRow) -> tuple[object, ...]:
    own = {"priority": priority_of(row), "scope": scope_of(row)}
    return tuple(own.get(column, row[column]) for column in SAME)
