"""A price book's source rows as the rows of the catalog in PostgreSQL: amounts exact, validity as a range."""

from __future__ import annotations

from datetime import timezone
from decimal import Decimal
from fractions import Fraction
from typing import Any

from tollgate.reference.allowance_slots import FIRST, LINE
from tollgate.reference.cells import MICROS, OPEN_END
from tollgate.reference.pricebook_files import SourceBook, SourceRow
from tollgate.reference.rate_keys import EVENT_CELLS

# Table in schema catalog -> its columns in the source file; the file has the table's name.
_TERMS = ("unit", "block", "initial", "increment", "connect_fee")
CATALOG_COLUMNS: dict[str, tuple[str, ...]] = {
    "plan": ("plan_id", "name", "contract_type", "charge_type", "term_months"),
    "zone": ("zone_id", "name", "kind"),
    "destination": ("prefix", "match", "zone_id", "valid"),
    "rate": (
        "rate_id", "plan_id", "service", "zone_id", "roaming_zone", "rating_group", *EVENT_CELLS, "price", *_TERMS,
        "minimum", "maximum", "band_set", "split_at_validity", "discountable", "zero_rated", "digits", "rounding",
        "tax_category", "valid",
    ),
    "tier": ("rate_id", "counts", "from_units", "price", "mode"),
    "segment": ("rate_id", "from_units", "price"),
    "carrier_rate": (
        "cost_id", "carrier_id", "service", "call_type", "country", "prefix", "price", *_TERMS, "digits", "rounding",
        "markup", "markup_digits", "valid",
    ),
    "discount": (
        "discount_id", "name", "stage", "apply_order", "stacks", "fact", "threshold", "plan_id", "service",
        "zone_id", "applies_to", "percent", "valid",
    ),
    "fee": ("fee_id", "kind", "plan_id", "name", "amount", "proration", "tax_category", "in_advance", "valid"),
    "allowance": (
        "allowance_id", "plan_id", "name", "service", "zone_id", "band", "unit", "quantity", "proration", "priority",
        "scope", "rollover_cycles", "rollover_cap", "valid",
    ),
    "spend_limit": ("limit_id", "kind", "plan_id", "name", "scope", "service", "amount", "tax_category", "valid"),
    "tax": ("tax_id", "jurisdiction", "tax_category", "name", "rate_ppm", "valid"),
}  # fmt: skip
# What an empty cell of these columns means.
IF_EMPTY = {"connect_fee": Decimal(0), "priority": FIRST, "scope": LINE, "mode": "graduated"}
_AMOUNTS = {"price", "connect_fee", "minimum", "maximum", "amount", "threshold"}


def catalog_rows(book: SourceBook, table: str) -> list[tuple[Any, ...]]:
    """Rows of catalog.<table> in the order of CATALOG_COLUMNS, without the version; `valid` is a tstzrange text."""
    return [tuple(_value(row, column) for column in CATALOG_COLUMNS[table]) for row in book.rows[table]]


def _value(row: SourceRow, column: str) -> Any:
    if column == "valid":
        return _range(row)
    if column == "rate_ppm":
        return row["percent"]
    value = row[column]
    if value is None:
        return IF_EMPTY.get(column)
    if column in _AMOUNTS:
        return Decimal(value) / MICROS
    if column == "percent":
        return _decimal(value * 100)
    return _decimal(value) if isinstance(value, Fraction) else value


def _decimal(share: Fraction) -> Decimal:
    # Exact: every fraction of a price book was read from a plain decimal.
    return Decimal(share.numerator) / Decimal(share.denominator)


def _range(row: SourceRow) -> str:
    start = row["valid_from"].astimezone(timezone.utc).isoformat()
    end = "" if row["valid_to"] == OPEN_END else row["valid_to"].astimezone(timezone.utc).isoformat()
    return f"[{start},{end})"
