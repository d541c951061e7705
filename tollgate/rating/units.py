"""How much: usage in the rate row's unit, rounded up once to the steps in which it is charged."""

from __future__ import annotations

from pyspark.sql import DataFrame

from tollgate.reference.book_features import BAND_TERMS, INITIAL
from tollgate.reference.frames import PriceBook

UNIT_OF_SERVICE = "CASE service WHEN 'voice' THEN 'second' WHEN 'data' THEN 'byte' ELSE 'message' END"


def used_units(unit: str) -> str:
    """SQL text, BIGINT: the event's usage in `unit` (a column: second, message or byte), as mediated."""
    return f"CASE {unit} WHEN 'second' THEN duration_s WHEN 'message' THEN 1L WHEN 'byte' THEN volume_bytes END"


def started_steps(used: str, initial: str | None, increment: str) -> str:
    """SQL text, BIGINT: `used` rounded up to a first step of `initial` and whole increments after it.

    60/1: 0 is 0, 59 is 60, 61 is 61. initial None: it is the increment (60: 61 is 120). NULL on overflow.
    """
    if initial is None:
        return _started_increments(used, increment)
    beyond = _started_increments(f"({used} - {initial})", increment)
    return (
        f"CASE WHEN {used} > {initial} THEN try_add({initial}, {beyond}) WHEN {used} > 0 THEN {initial} ELSE {used} END"
    )


def with_charged_units(events: DataFrame, book: PriceBook) -> DataFrame:
    """Add `unit`, `charged_units` BIGINT and the steps `initial_units`, `increment_units` and `connect_fee_micros`.

    The steps and the connect fee are those of the band at the start where it has its own, else of the rate row.
    charged_units: usage in the rate row's unit, rounded up once; 0 for what is zero by outcome, with or without a rate
    row; NULL without a price. Needs `start_slot` and `band_day` of `with_band_day`.
    """
    events = events.selectExpr(
        "*",
        f"CASE WHEN is_zero_by_outcome THEN coalesce(rate.unit, {UNIT_OF_SERVICE}) ELSE rate.unit END AS unit",
        f"{used_units('rate.unit')} AS used",
        *(f"{text} AS {name}" for name, text in _terms(book).items()),
    )
    initial = "initial_units" if INITIAL in book.features else None
    charged = started_steps("used", initial, "increment_units")
    return events.selectExpr(
        "* EXCEPT (used)", f"CASE WHEN is_zero_by_outcome THEN 0L ELSE {charged} END AS charged_units"
    )


def _terms(book: PriceBook) -> dict[str, str]:
    of_rate = {
        "initial_units": "rate.initial_units" if INITIAL in book.features else "rate.increment_units",
        "increment_units": "rate.increment_units",
        "connect_fee_micros": "rate.connect_fee_micros",
    }
    if BAND_TERMS not in book.features:
        return of_rate
    return {name: f"coalesce(get(band_day.{name}, start_slot), {text})" for name, text in of_rate.items()}


def _started_increments(used: str, increment: str) -> str:
    return f"try_multiply(try_add({used}, {increment} - 1) div {increment}, {increment})"
