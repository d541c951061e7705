"""How much: usage in the rate row's unit, rounded up once to whole increments."""

from __future__ import annotations

from pyspark.sql import DataFrame

UNIT_OF_SERVICE = "CASE service WHEN 'voice' THEN 'second' WHEN 'data' THEN 'byte' ELSE 'message' END"


def used_units(unit: str) -> str:
    """SQL text, BIGINT: the event's usage in `unit` (a column: second, message or byte), as mediated."""
    return f"CASE {unit} WHEN 'second' THEN duration_s WHEN 'message' THEN 1L WHEN 'byte' THEN volume_bytes END"


def started_increments(used: str, increment: str) -> str:
    """SQL text, BIGINT: `used` rounded up to whole increments: 61 of 60 is 120, 60 is 60, 0 is 0; NULL on overflow."""
    return f"try_multiply(try_add({used}, {increment} - 1) div {increment}, {increment})"


def with_charged_units(events: DataFrame) -> DataFrame:
    """Add `is_zero`, `unit` and `charged_units` BIGINT: usage in the rate row's unit, rounded up to its increments.

    0 for what is zero by outcome, with or without a rate row; NULL without a price.
    """
    charged = started_increments(used_units("rate.unit"), "rate.increment_units")
    return events.selectExpr(
        "*",
        "is_zero_by_outcome OR coalesce(rate.is_zero_rated, false) AS is_zero",
        f"CASE WHEN is_zero_by_outcome THEN 0L ELSE {charged} END AS charged_units",
        f"CASE WHEN is_zero_by_outcome THEN coalesce(rate.unit, {UNIT_OF_SERVICE}) ELSE rate.unit END AS unit",
    )
