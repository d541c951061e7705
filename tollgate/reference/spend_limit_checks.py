"""Lines of spend_limit.csv that cannot be meant. Source: docs/pricebook.md, "spend_limit.csv"."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from tollgate.reference.cells import ALL
from tollgate.reference.pricebook_files import Finding, SourceBook, SourceRow


def spend_limit_findings(book: SourceBook) -> Iterator[Finding]:
    """A finding for every line that contradicts itself, and for two limits of a kind that count the same usage."""
    rows = book.rows["spend_limit"]
    for row in rows:
        if (row["kind"] == "minimum") != (row["tax_category"] is not None):
            yield row.finding(
                "tax_category is that of what a minimum charges; a cap has that of the usage, and is empty"
            )
        if row["kind"] == "minimum" and not row["amount"]:
            yield row.finding("a minimum is above 0")
    for one, other in combinations(rows, 2):
        if one["kind"] == other["kind"] and one["limit_id"] != other["limit_id"] and _can_meet(one, other):
            yield other.finding(f"{other['limit_id']} and line {one.line} are a {one['kind']} of the same usage")


def _can_meet(one: SourceRow, other: SourceRow) -> bool:
    def agree(column: str) -> bool:
        return one[column] == other[column] or ALL in (one[column], other[column])

    is_at_once = max(one["valid_from"], other["valid_from"]) < min(one["valid_to"], other["valid_to"])
    return agree("plan_id") and agree("service") and is_at_once
