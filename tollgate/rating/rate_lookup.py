"""Which price: the plan as the book knows it, and the rate row of the event's key at its start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pyspark.sql import DataFrame

from tollgate.rating.as_of import book_rows, with_row_in_force
from tollgate.reference.book_features import INITIAL, SEGMENTS, SPLITS
from tollgate.reference.frames import PriceBook

NEEDED: tuple[str, ...] = ("line", "service", "zone_id", "roaming_zone", "rating_group", "started_at")
NEEDED += ("direction", "technology", "slice_id")
_QUOTED = "', '"
_TERMS = [
    *["rate_id", "unit", "unit_price_micros", "block_units", "increment_units", "connect_fee_micros", "minimum_micros"],
    *["maximum_micros", "band_set", "is_discountable", "is_zero_rated", "digits", "rounding", "tax_category"],
]
# What a rate row has beside them, where the book makes use of it.
_TERMS_OF_FEATURE = {
    INITIAL: ["initial_units"],
    SEGMENTS: ["segment_units", "segment_price_micros"],
    SPLITS: ["split_at", "segment_units", "segment_price_micros"],
}
# Column of price_rate_key to its cell of rate.csv and what the event says there; data has no direction but out.
_OF_EVENT = {
    "direction": ("direction", "CASE WHEN service = 'data' THEN 'out' ELSE coalesce(direction, 'out') END"),
    "technology": ("technology", "technology"),
    "slice_id": ("slice", "slice_id"),
}


def rate_terms(book: PriceBook) -> list[str]:
    """The columns of price_rate_key that pricing reads of a rate row."""
    more = [name for feature, names in _TERMS_OF_FEATURE.items() if feature in book.features for name in names]
    return [*_TERMS, *dict.fromkeys(more)]


def with_rate(events: DataFrame, book: PriceBook) -> DataFrame:
    """Add `known_plan` (the plan, if the book has it) and `rate_row` (STRUCT of rate_terms); NULL without.

    Fallback is resolved in the book, so the key is an equality of five columns, and of direction, technology and slice
    where the book's rates name any; only data has rating groups.
    """
    events = with_row_in_force(
        events,
        book_rows(book.table("price_plan")),
        same={"plan_id": "line.plan_id"},
        take="plan_id",
        into="known_plan",
        is_timed=False,
    )
    named = {
        column: _as_named(text, book.values_of(cell))
        for column, (cell, text) in _OF_EVENT.items()
        if book.values_of(cell)
    }
    events = events.selectExpr(
        "*",
        "CASE WHEN service = 'data' THEN rating_group ELSE 'none' END AS rate_group",
        *(f"{text} AS rate_{column}" for column, text in named.items()),
    )
    events = with_row_in_force(
        events,
        book_rows(book.table("price_rate_key")),
        same={
            "plan_id": "known_plan",
            "service": "service",
            "zone_id": "zone_id",
            "roaming_zone": "roaming_zone",
            "rating_group": "rate_group",
            **{column: f"rate_{column}" for column in named},
        },
        take=rate_terms(book),
        into="rate_row",
    )
    return events.drop("rate_group", *(f"rate_{column}" for column in named))


def _as_named(value: str, named: Mapping[str, Sequence[str]]) -> str:
    """What the key says of the event's value: itself where a rate of its service names it, else *."""
    whens = (
        f"WHEN service = '{service}' AND {value} IN ('{_QUOTED.join(values)}') THEN {value}"
        for service, values in named.items()
    )
    return f"CASE {' '.join(whens)} ELSE '*' END"
