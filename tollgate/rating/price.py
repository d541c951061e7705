"""The charge: exact parts summed as a fraction, held between minimum and maximum, discounted, rounded once.

The list charge of a rated event and the net charge that an allowance leaves of it are the same arithmetic over the
same pieces. Source: docs/money.md, "One event".
"""

from __future__ import annotations

from pyspark.sql import DataFrame

from tollgate.money import EXACT, rounded_amount
from tollgate.rating.pieces import weighted
from tollgate.reference.book_features import CARRIER_FEES
from tollgate.reference.frames import PriceBook

NEEDED = ("is_zero", "is_marked_up", "rate", "cost_row", "connect_fee_micros", "usage_micros", "factor_den")


def with_list_charge(events: DataFrame, book: PriceBook) -> DataFrame:
    """Add `numerator`, `denominator` DECIMAL(38,0) (exact micros), `charge` and `list_price` DECIMAL(18,6).

    list_price is before discounts, for display. Zero-rated events are 0 / 1. NULL where an amount does not fit.
    Needs `rate`, `connect_fee_micros`, `usage_micros` and `factor_den` of `with_pieces`, and the columns of
    `with_discounts`.
    """
    fee_scale = "scale"
    if CARRIER_FEES in book.features:
        marked_up = f"try_multiply(CAST(rate.block_units AS {book.amount_type}), cost_row.markup_num)"
        fee_scale = f"CASE WHEN is_marked_up THEN {marked_up} ELSE scale END"
    priced = _with_exact_charge(events, "rate.", "connect_fee_micros", fee_scale, book.amount_type)
    rounded = {
        name: rounded_amount(exact, scale, "rate.digits", "rate.rounding", book.amount_type)
        for name, exact, scale in (("list_price", "held", "scale"), ("charge", "discounted", "discounted_scale"))
    }
    return priced.selectExpr(
        *events.columns,
        f"CASE WHEN is_zero THEN 0 ELSE CAST(discounted AS {EXACT}) END AS numerator",
        f"CASE WHEN is_zero THEN 1 ELSE CAST(discounted_scale AS {EXACT}) END AS denominator",
        *(f"CASE WHEN is_zero THEN 0 ELSE {amount} END AS {name}" for name, amount in rounded.items()),
    )


def with_net_charge(rated: DataFrame, slots: int, amount_type: str = EXACT, only: str = "true") -> DataFrame:
    """Add `net_numerator`, `net_denominator` DECIMAL(38,0) (exact micros) and `net_charge` DECIMAL(18,6).

    rated: columns of rated_usage that are rated or zero-rated, and `free_units` BIGINT, 0 to charged_units: the first
    units of the event, which an allowance frees. The rest keeps its pieces, their bands and prices; the connect fee is
    free with the first unit; minimum and maximum hold again while units remain. Nothing remains: 0.
    slots: at least the largest number of pieces in a row (PriceBook.piece_slots); a longer row gives NULL. only: a SQL
    condition; what remains of other rows is NULL, and costs nothing to find.
    """
    left, before = [], "0L"
    for slot in range(slots):
        units = f"coalesce(get(piece_units, {slot}), 0L)"
        left.append(f"greatest(0L, least({units}, {before} + {units} - free_units))")
        before = f"{before} + {units}"
    factors = []
    for slot in range(slots):
        # Rows that are older than the prices of pieces have one price.
        price = f"coalesce(get(piece_price_micros, {slot}), unit_price_micros)"
        factor = f"coalesce(get(piece_factor_num, {slot}), 0L)"
        factors.append(f"try_multiply(CAST({price} AS {amount_type}), {factor})")
    usage = weighted(left, factors, amount_type)
    weighed = rated.selectExpr("*", f"CASE WHEN {only} THEN {usage} END AS usage_micros")
    fee = "CASE WHEN free_units > 0 THEN 0L ELSE connect_fee_micros END"
    # Of a mark-up the factor is on the connect fee too.
    marked_up = f"try_multiply(CAST(block_units AS {amount_type}), get(piece_factor_num, 0))"
    fee_scale = f"CASE WHEN price_source = 'markup' THEN {marked_up} ELSE scale END"
    priced = _with_exact_charge(weighed, "", fee, fee_scale, amount_type, only)
    is_nothing = "retail_status = 'zero_rated' OR (free_units > 0 AND free_units >= charged_units)"
    is_known = f"size(piece_units) <= {slots}"
    net = rounded_amount("discounted", "discounted_scale", "digits", "rounding", amount_type)
    return priced.selectExpr(
        *rated.columns,
        f"CASE WHEN {is_nothing} THEN 0 WHEN {is_known} THEN CAST(discounted AS {EXACT}) END AS net_numerator",
        f"CASE WHEN {is_nothing} THEN 1 WHEN {is_known} THEN CAST(discounted_scale AS {EXACT}) END AS net_denominator",
        f"CASE WHEN {is_nothing} THEN 0 WHEN {is_known} THEN {net} END AS net_charge",
    )


def _with_exact_charge(
    events: DataFrame, row: str, connect_fee: str, fee_scale: str, amount_type: str, only: str | None = None
) -> DataFrame:
    """Add `held` / `scale`, the exact charge before discounts, and `discounted` / `discounted_scale`, after.

    row: where the columns of the rate row stand ("rate." or ""); fee_scale: what the connect fee counts; only: the rows
    whose charge is wanted, None for all. NULL for the others, and as soon as one part does not fit amount_type; the
    comparisons are written so that NULL never passes for "in bounds", as it would in least() and greatest().
    """
    least, most = (f"try_multiply(scale, {row}{bound}_micros)" for bound in ("minimum", "maximum"))
    scale = f"try_multiply(CAST({row}block_units AS {amount_type}), factor_den)"
    steps = {
        "scale": scale if only is None else f"CASE WHEN {only} THEN {scale} END",
        "summed": f"try_add(usage_micros, try_multiply({fee_scale}, {connect_fee}))",
        "at_least": f"""CASE WHEN {row}minimum_micros IS NULL OR summed >= {least} THEN summed
                             WHEN summed < {least} THEN {least} END""",
        "held": f"""CASE WHEN {row}maximum_micros IS NULL OR at_least <= {most} THEN at_least
                         WHEN at_least > {most} THEN {most} END""",
        "discounted": "try_multiply(held, discount_num)",
        "discounted_scale": "try_multiply(scale, discount_den)",
    }
    # Each names those before it.
    return events.selectExpr("*", *(f"{text} AS {name}" for name, text in steps.items()))
