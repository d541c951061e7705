"""What must hold of top_up.csv: whole coins, a plan that is prepaid, and terms without a gap."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

from tollgate.reference.cells import MICROS
from tollgate.reference.pricebook_files import Finding, SourceBook, SourceRow


def top_up_findings(book: SourceBook) -> Iterator[Finding]:
    """Findings: an opening credit or a top-up in less than the smallest coin of the operator's currency, which no
    statement could ask for; a plan that plan.csv charges afterwards; time between two rows of a plan."""
    digits = {row["currency"]: int(row["minor_digits"]) for row in book.rows["currency"]}
    step = MICROS // 10 ** digits.get(book.operator.currency, 6)
    charged = {row["plan_id"]: row["charge_type"] for row in book.rows["plan"]}
    of_plan: dict[str, list[SourceRow]] = defaultdict(list)
    for row in book.rows["top_up"]:
        of_plan[row["plan_id"]].append(row)
        for column in ("opening_credit", "amount"):
            if row[column] % step:
                yield row.finding(f"{column}: expected whole minor units of {book.operator.currency}")
        if charged.get(row["plan_id"]) == "postpaid":
            yield row.finding(f"plan_id {row['plan_id']} is postpaid in plan.csv; expected charge_type prepaid")
    for rows in of_plan.values():
        for earlier, row in pairwise(sorted(rows, key=lambda one: (one["valid_from"], one.line))):
            if earlier["valid_to"] < row["valid_from"]:
                yield row.finding(f"gap after line {earlier.line} for {row['plan_id']}: no row in between")
