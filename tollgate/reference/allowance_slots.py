"""In which order an event takes from the allowances that cover it, laid out as slots.

Allowances that can meet in one event stand in different slots, in the order of their use; those that cannot may share
one. So a month is one pass over its usage for each slot, however many allowances the book has. Source:
docs/decisions/0029.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tollgate.reference.cells import ALL
from tollgate.reference.pricebook_files import SourceRow

# What empty cells mean.
FIRST, LINE = 1, "line"


def priority_of(row: SourceRow) -> int:
    """Priority of a line of allowance.csv; an empty one is the first."""
    return int(row["priority"] or FIRST)


def scope_of(row: SourceRow) -> str:
    """Whose the units of a line of allowance.csv are: line or account."""
    return row["scope"] or LINE


def can_meet(one: SourceRow, other: SourceRow) -> bool:
    """Whether an event exists that both lines of allowance.csv cover."""

    def agree(column: str, every: str | None) -> bool:
        return one[column] == other[column] or every in (one[column], other[column])

    return (
        (one["plan_id"], one["unit"]) == (other["plan_id"], other["unit"])
        and agree("service", ALL)
        and agree("zone_id", ALL)
        and agree("band", None)
        and max(one["valid_from"], other["valid_from"]) < min(one["valid_to"], other["valid_to"])
    )


def slots(rows: Sequence[SourceRow]) -> dict[str, int]:
    """Slot of each allowance: one more than the last of those used before it that it can meet."""
    lines: dict[str, list[SourceRow]] = {}
    for row in sorted(rows, key=lambda row: (priority_of(row), row["allowance_id"])):
        lines.setdefault(row["allowance_id"], []).append(row)
    found: dict[str, int] = {}
    for name, own in lines.items():
        before = [slot for other, slot in found.items() if any(can_meet(a, b) for a in own for b in lines[other])]
        found[name] = max(before, default=0) + 1
    return found


def allowance_rows(rows: Sequence[SourceRow]) -> list[tuple[Any, ...]]:
    """Rows of price_allowance without the version; the last column is the slot."""
    columns = ("allowance_id", "plan_id", "name", "service", "zone_id", "unit", "quantity", "proration")
    slot_of = slots(rows)
    return [
        (
            *(row[column] for column in (*columns, "valid_from", "valid_to", "band")),
            *(priority_of(row), scope_of(row), slot_of[row["allowance_id"]]),
        )
        for row in rows
    ]
