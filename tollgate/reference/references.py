"""Ids that one file of a price book uses and another must declare."""

from __future__ import annotations

from collections.abc import Iterator

from tollgate.reference.cells import ALL
from tollgate.reference.pricebook_files import Finding, SourceBook

# (file, column) -> (file that declares, column); * and empty cells refer to nothing.
DECLARED_BY = {
    ("destination", "zone_id"): ("zone", "zone_id"),
    ("rate", "plan_id"): ("plan", "plan_id"),
    ("rate", "zone_id"): ("zone", "zone_id"),
    ("rate", "roaming_zone"): ("roaming_zone", "roaming_zone"),
    ("rate", "band_set"): ("time_band", "band_set"),
    ("rate", "tax_category"): ("tax", "tax_category"),
    ("tier", "rate_id"): ("rate", "rate_id"),
    ("segment", "rate_id"): ("rate", "rate_id"),
    ("discount", "plan_id"): ("plan", "plan_id"),
    ("discount", "zone_id"): ("zone", "zone_id"),
    ("fee", "plan_id"): ("plan", "plan_id"),
    ("fee", "tax_category"): ("tax", "tax_category"),
    ("spend_limit", "plan_id"): ("plan", "plan_id"),
    ("spend_limit", "tax_category"): ("tax", "tax_category"),
    ("allowance", "plan_id"): ("plan", "plan_id"),
    ("allowance", "zone_id"): ("zone", "zone_id"),
    ("allowance", "band"): ("time_band", "band_id"),
    ("top_up", "plan_id"): ("plan", "plan_id"),
}
# Known without a row: being at home, being untaxed.
BUILT_IN = {"roaming_zone": {"home"}, "tax_category": {"none"}}


def unknown(book: SourceBook) -> Iterator[Finding]:
    """A finding for every id that no row declares, with the file that should."""
    for (file, column), (owner, owner_column) in DECLARED_BY.items():
        declared = book.declared(owner, owner_column) | BUILT_IN.get(column, set())
        for row in book.rows[file]:
            if row[column] not in {*declared, ALL, None}:
                yield row.finding(f"{column} {row[column]} is unknown; expected one that {owner}.csv declares")
    operator = book.operator
    for row in book.rows["rate"]:
        if row["service"] == "data" and row["rating_group"] not in {*operator.rating_groups, ALL}:
            groups = " ".join(operator.rating_groups) or "none"
            yield row.finding(f"rating_group {row['rating_group']} is unknown; operator.csv has {groups}")
    if operator.currency not in book.declared("currency", "currency"):
        yield Finding("operator.csv", 0, f"currency {operator.currency} is unknown; expected a row of currency.csv")
    calendar = operator.holiday_calendar
    if calendar and calendar not in book.declared("holiday", "calendar"):
        yield Finding("operator.csv", 0, f"holiday_calendar {calendar} has no row in holiday.csv")
