"""What the carrier costs, and the mark-up on it where the book has no retail price."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from tollgate.money import rounded_amount
from tollgate.rating.as_of import book_rows, with_row_in_force
from tollgate.rating.units import started_increments, used_units
from tollgate.reference.frames import PriceBook

COST = [
    "cost_id",
    "unit",
    "unit_price_micros",
    "block_units",
    "increment_units",
    "digits",
    "rounding",
    "markup_num",
    "markup_den",
    "markup_digits",
]
# Nobody is paid for these: they stay in our network, or their price is settled by law or by contract.
_NOT_APPLICABLE = """is_id_conflict OR is_zero_by_outcome OR coalesce(call_type = 'on_net', false)
                     OR coalesce(zone_kind IN ('toll_free', 'emergency', 'special'), false)"""


def with_cost(events: DataFrame, book: PriceBook) -> DataFrame:
    """Add `wholesale_status`, `cost_row` (struct COST), `cost_units`, `cost_numerator`, `cost_denominator`, `cost`.

    The row of the called country comes before the carrier's default. What roams has no carrier rate: its price
    comes with the partner's settlement. A missing cost never holds back a charge.
    """
    keys = book.table("price_carrier_key").withColumn("cost_row", F.struct(*COST))
    events = events.selectExpr(
        "*",
        "CASE WHEN service = 'data' THEN 'any' ELSE call_type END AS cost_call_type",
        "CASE WHEN service = 'data' THEN '*' ELSE destination_country END AS cost_country",
        "'*' AS any_country",
    )
    same = {"carrier_id": "carrier_id", "service": "service", "call_type": "cost_call_type"}
    for country, row in (("cost_country", "country_row"), ("any_country", "default_row")):
        events = with_row_in_force(events, book_rows(keys), same={**same, "country": country}, take={"cost_row": row})
    events = events.selectExpr(
        "* EXCEPT (cost_call_type, cost_country, any_country, country_row, default_row)",
        f"""CASE WHEN NOT ({_NOT_APPLICABLE}) AND NOT is_roaming THEN coalesce(country_row, default_row) END
            AS cost_row""",
    )
    used = started_increments(used_units("cost_row.unit"), "cost_row.increment_units")
    events = events.selectExpr("*", f"{used} AS cost_units")
    exact = f"try_multiply(CAST(cost_units AS {book.amount_type}), cost_row.unit_price_micros)"
    events = events.selectExpr(
        "*", f"{exact} AS exact_cost", f"CAST(cost_row.block_units AS {book.amount_type}) AS cost_block"
    )
    rounded = rounded_amount("exact_cost", "cost_block", "cost_row.digits", "cost_row.rounding")
    events = events.selectExpr("*", f"{rounded} AS cost")
    return events.selectExpr(
        "* EXCEPT (exact_cost, cost_block)",
        "CASE WHEN cost IS NOT NULL THEN CAST(exact_cost AS DECIMAL(38,0)) END AS cost_numerator",
        "CASE WHEN cost IS NOT NULL THEN CAST(cost_block AS DECIMAL(38,0)) END AS cost_denominator",
        f"""CASE WHEN {_NOT_APPLICABLE} THEN 'not_applicable'
                 WHEN cost IS NULL THEN 'no_carrier_rate' ELSE 'costed' END AS wholesale_status""",
    )


def with_markup(events: DataFrame) -> DataFrame:
    """Add `is_marked_up` and put the marked-up cost in the place of the missing rate row, where the cost row allows it.

    The price is the unrounded cost x markup_num / markup_den: the carrier's units and block, and the mark-up as the
    factor of one piece, so that one formula prices and recomputes both. No connect fee, bounds, bands or discounts.
    """
    events = events.selectExpr(
        "*",
        """rate_id IS NULL AND zone_id IS NOT NULL AND roaming_zone IS NOT NULL AND wholesale_status = 'costed'
           AND cost_row.markup_num IS NOT NULL AS is_marked_up""",
    )
    instead = {
        "unit": "cost_row.unit",
        "unit_price_micros": "cost_row.unit_price_micros",
        "block_units": "cost_row.block_units",
        "increment_units": "cost_row.increment_units",
        "connect_fee_micros": "0L",
        "is_discountable": "false",
        "is_zero_rated": "false",
        "digits": "cost_row.markup_digits",
        "rounding": "cost_row.rounding",
    }
    return events.withColumns(
        {name: F.expr(f"CASE WHEN is_marked_up THEN {text} ELSE {name} END") for name, text in instead.items()}
    )
