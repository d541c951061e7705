"""Which price: the plan as the book knows it, and the rate row of the event's key at its start."""

from __future__ import annotations

from pyspark.sql import DataFrame

from tollgate.rating.as_of import book_rows, with_row_in_force
from tollgate.reference.frames import PriceBook

RATE = [
    "rate_id",
    "unit",
    "unit_price_micros",
    "block_units",
    "increment_units",
    "connect_fee_micros",
    "minimum_micros",
    "maximum_micros",
    "band_set",
    "is_discountable",
    "is_zero_rated",
    "digits",
    "rounding",
    "tax_category",
]


def with_rate(events: DataFrame, book: PriceBook) -> DataFrame:
    """Add `known_plan` (the plan, if the book has it) and `rate` (STRUCT of RATE, the rate row); NULL without one.

    Fallback is resolved in the book, so the key is an equality of five columns; only data has rating groups.
    """
    events = with_row_in_force(
        events,
        book_rows(book.table("price_plan")),
        same={"plan_id": "line.plan_id"},
        take="plan_id",
        into="known_plan",
        is_timed=False,
    )
    events = events.selectExpr("*", "CASE WHEN service = 'data' THEN rating_group ELSE 'none' END AS rate_group")
    events = with_row_in_force(
        events,
        book_rows(book.table("price_rate_key")),
        same={
            "plan_id": "known_plan",
            "service": "service",
            "zone_id": "zone_id",
            "roaming_zone": "roaming_zone",
            "rating_group": "rate_group",
        },
        take=RATE,
        into="rate",
    )
    return events.drop("rate_group")
