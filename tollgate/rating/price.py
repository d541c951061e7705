"""The charge: exact parts summed as a fraction, held between minimum and maximum, discounted, rounded once.

The list charge of a rated event and the net charge that an allowance leaves of it are the same arithmetic over the
same pieces. Source: docs/money.md, "One event".
"""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from tollgate.money import EXACT, rounded_amount
from tollgate.reference.frames import PriceBook


def with_list_charge(events: DataFrame, book: PriceBook) -> DataFrame:
    """Add `numerator`, `denominator` DECIMAL(38,0) (exact micros), `charge` and `list_price` DECIMAL(18,6).

    list_price is before discounts, for display. Zero-rated events are 0 / 1. NULL where an amount does not fit.
    Needs the pieces `units_0`, `factor_0`, … of `with_pieces`, the columns of the rate row and of `with_discounts`.
    """
    slots = range(book.band_slots)
    units, factors = [f"units_{k}" for k in slots], [f"factor_{k}" for k in slots]
    priced = _with_exact_charge(events, units, factors, "connect_fee_micros", book.amount_type)
    before_discounts = rounded_amount("held", "scale", "digits", "rounding")
    return priced.selectExpr(
        *events.columns,
        f"CASE WHEN is_zero THEN 0 ELSE CAST(discounted AS {EXACT}) END AS numerator",
        f"CASE WHEN is_zero THEN 1 ELSE CAST(discounted_scale AS {EXACT}) END AS denominator",
        f"CASE WHEN is_zero THEN 0 ELSE {before_discounts} END AS list_price",
        f"CASE WHEN is_zero THEN 0 ELSE {rounded_amount('discounted', 'discounted_scale', 'digits', 'rounding')} END"
        " AS charge",
    )


def with_net_charge(rated: DataFrame, slots: int, amount_type: str = EXACT) -> DataFrame:
    """Add `net_numerator`, `net_denominator` DECIMAL(38,0) (exact micros) and `net_charge` DECIMAL(18,6).

    rated: columns of rated_usage that are rated or zero-rated, and `free_units` BIGINT, 0 to charged_units: the first
    units of the event, which an allowance frees. The rest keeps its pieces and their bands; the connect fee is free
    with the first unit; minimum and maximum hold again while units remain. Nothing remains: 0.
    slots: at least the largest number of pieces in a row (PriceBook.band_slots); a longer row gives NULL.
    """
    left, before = [], "0L"
    for slot in range(slots):
        units = f"coalesce(get(piece_units, {slot}), 0L)"
        left.append(f"greatest(0L, least({units}, {before} + {units} - free_units))")
        before = f"{before} + {units}"
    pieces = {f"left_{k}": F.expr(text) for k, text in enumerate(left)}
    pieces |= {f"factor_{k}": F.expr(f"coalesce(get(piece_factor_num, {k}), 0L)") for k in range(slots)}
    opened = rated.withColumns(pieces).selectExpr(
        "*", "CASE WHEN free_units > 0 THEN 0L ELSE connect_fee_micros END AS connect_fee_left"
    )
    factors = [f"factor_{k}" for k in range(slots)]
    priced = _with_exact_charge(opened, list(pieces)[:slots], factors, "connect_fee_left", amount_type)
    is_nothing = "retail_status = 'zero_rated' OR (free_units > 0 AND free_units >= charged_units)"
    is_known = f"size(piece_units) <= {slots}"
    return priced.selectExpr(
        *rated.columns,
        f"CASE WHEN {is_nothing} THEN 0 WHEN {is_known} THEN CAST(discounted AS {EXACT}) END AS net_numerator",
        f"CASE WHEN {is_nothing} THEN 1 WHEN {is_known} THEN CAST(discounted_scale AS {EXACT}) END AS net_denominator",
        f"""CASE WHEN {is_nothing} THEN 0 WHEN {is_known}
            THEN {rounded_amount("discounted", "discounted_scale", "digits", "rounding")} END AS net_charge""",
    )


def _with_exact_charge(
    events: DataFrame, units: Sequence[str], factors: Sequence[str], connect_fee: str, amount_type: str
) -> DataFrame:
    """Add `held` / `scale` is the exact charge before discounts, `discounted` / `discounted_scale` after.

    NULL as soon as one part does not fit amount_type; the comparisons are written so that NULL never passes for "in
    bounds", as it would in least() and greatest().
    """
    steps = {
        "weighted_units": _sum(
            [f"try_multiply(CAST({u} AS {amount_type}), {f})" for u, f in zip(units, factors, strict=True)]
        ),
        "scale": f"try_multiply(CAST(block_units AS {amount_type}), factor_den)",
        "summed": f"try_add(try_multiply(weighted_units, unit_price_micros), try_multiply(scale, {connect_fee}))",
        "at_least": """CASE WHEN minimum_micros IS NULL OR summed >= try_multiply(scale, minimum_micros) THEN summed
                            WHEN summed < try_multiply(scale, minimum_micros) THEN scale * minimum_micros END""",
        "held": """CASE WHEN maximum_micros IS NULL OR at_least <= try_multiply(scale, maximum_micros) THEN at_least
                        WHEN at_least > try_multiply(scale, maximum_micros) THEN scale * maximum_micros END""",
        "discounted": "try_multiply(held, discount_num)",
        "discounted_scale": "try_multiply(scale, discount_den)",
    }
    for name, text in steps.items():
        events = events.withColumn(name, F.expr(text))
    return events


def _sum(terms: Sequence[str]) -> str:
    total = terms[0]
    for term in terms[1:]:
        total = f"try_add({total}, {term})"
    return total
