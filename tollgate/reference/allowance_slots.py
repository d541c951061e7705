"""In which order an event takes from the allowances that cover it, laid out as slots.

Allowances that can meet in one event stand in different slots, in the order of their use; those that cannot may share
one. So a month is one pass over its usage for each slot, however many allowances the book has. Source:
docs/decisions/0032.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tollgate.reference.cells import ALL, MICROS
from tollgate.reference.pricebook_files import SourceRow

# What empty cells mean.
FIRST, LINE = 1, "line"
# The unit of allowances of money.
CURRENCY = "currency"


def priority_of(row: SourceRow) -> int:
    """Priority of a line of allowance.csv; an empty one is the first."""
    return int(row["priority"] or FIRST)


def scope_of(row: SourceRow) -> str:
    """Whose the units of a line of allowance.csv are: line or account."""
    return row["scope"] or LINE


def cycles_of(row: SourceRow) -> int:
    """For how many cycles after its own a grant of a line of allowance.csv can be used."""
    return int(row["rollover_cycles"] or 0)


def counted(row: SourceRow, column: str) -> int | None:
    """quantity or rollover_cap of a line of allowance.csv as a whole number: of units, or of millionths of money."""
    found = row[column]
    return None if found is None else int(found * (MICROS if row["unit"] == CURRENCY else 1))


def most_slots(rows: Sequence[SourceRow], *, is_money: bool) -> int:
    """The last slot of allowances of units or of money; 0 where there are none."""
    kind = [row for row in rows if (row["unit"] == CURRENCY) == is_money]
    return max(slots(kind).values(), default=0)


def can_meet(one: SourceRow, other: SourceRow, ages: tuple[int, int] = (0, 0)) -> bool:
    """Whether an event exists that both lines of allowance.csv cover.

    ages: of their grants in cycles. A line must be valid at the event, or just before the end of the grant's own cycle,
    which is earlier the older the grant is.
    """
    if ages[0] == ages[1]:
        is_at_once = max(one["valid_from"], other["valid_from"]) < min(one["valid_to"], other["valid_to"])
    else:
        older, newer = (one, other) if ages[0] > ages[1] else (other, one)
        is_at_once = older["valid_from"] < newer["valid_to"]

    def agree(column: str, every: str | None) -> bool:
        return one[column] == other[column] or every in (one[column], other[column])

    return (
        (one["plan_id"], one["unit"]) == (other["plan_id"], other["unit"])
        and agree("service", ALL)
        and agree("zone_id", ALL)
        and agree("band", None)
        and is_at_once
    )


def slots(rows: Sequence[SourceRow]) -> dict[tuple[str, int], int]:
    """Slot of each allowance and age of its grant in cycles: one more than the last of those used before it that it can
    meet.

    By priority, then the grant that expires first, then the id.
    """
    lines: dict[str, list[SourceRow]] = {}
    for row in rows:
        lines.setdefault(row["allowance_id"], []).append(row)
    grants = [
        (priority_of(own[0]), cycles_of(own[0]) - age, name, age)
        for name, own in lines.items()
        for age in range(cycles_of(own[0]) + 1)
    ]
    found: dict[tuple[str, int], int] = {}
    for _, _, name, age in sorted(grants):
        before = [
            slot
            for (other, of_age), slot in found.items()
            if any(can_meet(a, b, (age, of_age)) for a in lines[name] for b in lines[other])
        ]
        found[name, age] = max(before, default=0) + 1
    return found


def allowance_rows(rows: Sequence[SourceRow]) -> list[tuple[Any, ...]]:
    """Rows of price_allowance without the version, one for each line and age; the last column is the slot."""
    columns = ("allowance_id", "plan_id", "name", "service", "zone_id", "unit")
    slot_of = slots(rows)
    return [
        (
            *(row[column] for column in columns),
            counted(row, "quantity"),
            row["proration"],
            *(row[column] for column in ("valid_from", "valid_to", "band")),
            *(priority_of(row), scope_of(row), counted(row, "rollover_cap"), age, slot_of[row["allowance_id"], age]),
        )
        for row in rows
        for age in range(cycles_of(row) + 1)
    ]
