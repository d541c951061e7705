"""What `tollgate explain` says of a corrected event: what each revision takes back or changes, and by which pins."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

_NEGATED = ("charged_units", "numerator", "list_price", "charge", "cost_numerator", "cost", "margin")
# What a correction can change, in the order in which it is told.
_TOLD = (
    "retail_status", "account_id", "subscription_id", "plan_id", "zone_id", "roaming_zone", "rate_id", "price_source",
    "unit_price_micros", "block_units", "increment_units", "connect_fee_micros", "charged_units", "discount_ids",
    "charge", "cost_id", "cost", "tax_category", "pricebook_version", "snapshot_id",
)  # fmt: skip


def in_order(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Row versions of events by source, month and revision, each of a corrected event with `was`, the row that it takes
    back or replaces."""
    found = [dict(row) for row in rows]
    found.sort(key=lambda row: (row["source"], row["event_month"], row["revision"]))
    by_revision = {(row["source"], row["event_month"], row["revision"]): row for row in found}
    return [{**row, "was": by_revision.get((row["source"], row["event_month"], row["corrects"]))} for row in found]


def revision_steps(row: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Lines of a reversal or a correction; none for an original. row: with `was`, of `in_order`."""
    kind, was = row.get("kind", "original"), row.get("was")
    if kind == "original":
        return
    verb = "takes back" if kind == "reversal" else "in the place of"
    yield "revision", f"{row['revision']}, {kind}: {verb} revision {row['corrects']}"
    if kind == "correction" and was is not None:
        for name in _TOLD:
            if was[name] != row[name]:
                yield "changed", f"{name} {_plain(was[name])} -> {_plain(row[name])}"


def as_it_stood(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """The row that a reversal takes back, from the reversal alone; any other row as it is."""
    if row.get("kind") != "reversal":
        return row
    negated = {name: None if row.get(name) is None else -row[name] for name in _NEGATED}
    pieces = row["piece_units"]
    return {**row, **negated, "piece_units": None if pieces is None else [-units for units in pieces]}


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    return "none" if value is None else str(value)
