"""The result of rating a file: a row as it came, and behind it what it costs and why.

Source: docs/rate_file.md, which says what each column means.
"""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from tollgate.money import to_decimal
from tollgate.rating.outcome import SUSPENDED_IF
from tollgate.rating.pieces import FLAT

INVALID, AMBIGUOUS = "invalid", "ambiguous"
REASONS = (*SUSPENDED_IF, AMBIGUOUS)
_PIECES = """transform(arrays_zip(piece_units, piece_band, piece_price_micros, piece_factor_num), p -> named_struct(
    'units', p.piece_units, 'band', p.piece_band, 'price_micros', p.piece_price_micros,
    'factor_num', p.piece_factor_num))"""
# Column of the result -> SQL over a rated row. A name that a column of usage has too is said with `rated_` before it.
OUTCOME = {
    "wholesale_status": "wholesale_status",
    "started_at_utc": "started_at",
    "rated_plan_id": "plan_id",
    "rated_zone_id": "zone_id",
    "rated_roaming_zone": "roaming_zone",
    "prefix": "prefix",
    "rated_destination_country": "destination_country",
    "rated_call_type": "call_type",
    "rate_id": "rate_id",
    "price_source": "price_source",
    "rated_currency": "currency",
    **{
        name: name
        for name in (
            *("charged_units", "unit", "block_units", "initial_units", "increment_units", "unit_price_micros"),
            *("connect_fee_micros", "minimum_micros", "maximum_micros"),
        )
    },
    "pieces": f"CASE WHEN piece_units IS NOT NULL THEN to_json({_PIECES}) END",
    "factor_den": "factor_den",
    "discount_ids": "CASE WHEN charge IS NOT NULL THEN concat_ws(' ', discount_ids) END",
    **{
        name: name
        for name in (
            *("discount_num", "discount_den", "numerator", "denominator", "digits", "rounding", "list_price"),
            *("charge", "tax_category", "cost_id", "cost_numerator", "cost_denominator", "cost", "margin"),
        )
    },
}
PLACE = ("split", "place")
STATUS = ("status", "reason")
RESULT = (*STATUS, *OUTCOME, "explanation")


def as_result(rated: DataFrame, columns: Sequence[str]) -> DataFrame:
    """The columns of the file, then RESULT; and last PLACE, by which the file's order comes back.

    rated: rows of rated_usage with `carried`: STRUCT of `cells` (a field a column of the file, in order), `position`
    (STRUCT of PLACE), `invalid` (what is wrong with the row, NULL nothing) and `is_ambiguous`.
    """
    is_invalid = "carried.invalid IS NOT NULL"
    cells = [F.col(f"carried.cells.c{n}").alias(name) for n, name in enumerate(columns)]
    outcome = {**OUTCOME, "explanation": f"CASE WHEN charge IS NOT NULL THEN {_explanation()} END"}
    return rated.select(
        *cells,
        F.expr(f"CASE WHEN {is_invalid} THEN '{INVALID}' ELSE retail_status END").alias("status"),
        F.expr(f"""CASE WHEN {is_invalid} THEN carried.invalid
                        WHEN carried.is_ambiguous AND suspense_reason = 'no_subscriber' THEN '{AMBIGUOUS}'
                        ELSE suspense_reason END""").alias("reason"),
        *(F.expr(f"CASE WHEN NOT {is_invalid} THEN {text} END").alias(name) for name, text in outcome.items()),
        *(F.col(f"carried.position.{name}").alias(name) for name in PLACE),
    )


def totals() -> dict[str, Column]:
    """What a run counts and sums over its result, in one pass, by name."""
    suspended = {
        f"suspended_{reason}": F.expr(f"count_if(status = 'suspended' AND reason = '{reason}')") for reason in REASONS
    }
    statuses = {name: F.expr(f"count_if(status = '{name}')") for name in ("rated", "zero_rated", INVALID)}
    sums = {name: F.expr(f"CAST(coalesce(sum({name}), 0) AS DECIMAL(38,6))") for name in ("charge", "cost", "margin")}
    unknown = F.expr("count_if(status = 'rated' AND wholesale_status = 'no_carrier_rate')")
    return {"rows": F.count("*"), **statuses, **suspended, **sums, "cost_unknown": unknown}


def _explanation() -> str:
    """SQL text: the arithmetic of a rated row in a few words, to be followed with a calculator."""
    factor = "CASE WHEN p.factor_num = factor_den THEN '' ELSE concat(' x ', p.factor_num, '/', factor_den) END"
    band = f"CASE WHEN p.band = '{FLAT}' THEN '' ELSE concat(' ', p.band) END"
    piece = f"concat(p.units, {band}, {factor}, ' x ', {_amount('p.price_micros')})"
    # A mark-up is taken on the carrier's connect fee, too.
    of_markup = "CASE WHEN price_source = 'markup' THEN concat(' x ', piece_factor_num[0], '/', factor_den) ELSE '' END"
    parts = [
        f"concat('(', concat_ws(' + ', transform({_PIECES}, p -> {piece})), ') / ', block_units, ' ', unit, 's')",
        f"""CASE WHEN connect_fee_micros > 0 THEN
              concat('+ ', {_amount("connect_fee_micros")}, ' connect fee', {of_markup}) END""",
        f"CASE WHEN minimum_micros IS NOT NULL THEN concat('at least ', {_amount('minimum_micros')}) END",
        f"CASE WHEN maximum_micros IS NOT NULL THEN concat('at most ', {_amount('maximum_micros')}) END",
        """CASE WHEN size(discount_ids) > 0 THEN
             concat(concat_ws(' and ', discount_ids), ' x ', discount_num, '/', discount_den) END""",
        f"concat('= ', {_plain('charge')}, ' ', currency)",
        "concat(replace(rounding, '_', ' '), ' to ', digits, ' digits')",
    ]
    return f"""CASE WHEN retail_status = 'zero_rated' THEN
                    CASE WHEN charged_units = 0 THEN 'nothing took place: 0' ELSE concat(rate_id, ' is free: 0') END
               ELSE concat_ws(', ', {", ".join(parts)}) END"""


def _amount(micros: str) -> str:
    return _plain(to_decimal(micros))


def _plain(amount: str) -> str:
    """SQL text: a DECIMAL with two decimals, or as many as it needs."""
    return f"regexp_replace(CAST({amount} AS STRING), '([.][0-9][0-9][0-9]*?)0+$', '$1')"
