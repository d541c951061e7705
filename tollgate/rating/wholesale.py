"""What the carrier costs, and the mark-up on it where the book has no retail price."""

from __future__ import annotations

from pyspark.sql import DataFrame

from tollgate.money import rounded_amount
from tollgate.rating.as_of import book_rows, with_row_in_force
from tollgate.rating.destination import with_carrier_prefix
from tollgate.rating.rate_lookup import rate_terms
from tollgate.rating.units import started_steps, used_units
from tollgate.reference.book_features import CARRIER_FEES, CARRIER_PREFIXES, INITIAL
from tollgate.reference.frames import PriceBook

NEEDED: tuple[str, ...] = (
    "is_id_conflict",
    "is_zero_by_outcome",
    "is_roaming",
    "call_type",
    "zone_kind",
    "service",
    "direction",
    "started_at",
)
NEEDED += ("carrier_id", "destination", "destination_class", "destination_country", "duration_s", "volume_bytes")
_COST = [
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
# Nobody is paid for these: they stay in our network, their price is settled by law or by contract, or the other side
# pays us for them, which is no cost. Where a line roams the visited network is paid for what is received, too.
_NOT_APPLICABLE = """is_id_conflict OR is_zero_by_outcome OR coalesce(call_type = 'on_net', false)
                     OR coalesce(direction = 'in' AND service <> 'data' AND NOT is_roaming, false)
                     OR coalesce(zone_kind IN ('toll_free', 'emergency', 'special'), false)"""
# What a cost row has beside them, where the book makes use of it.
_COST_OF_FEATURE = {INITIAL: "initial_units", CARRIER_FEES: "connect_fee_micros"}
# A mark-up has no bounds, bands, segments or discounts.
_MARKED_UP = {
    "minimum_micros": "CAST(NULL AS BIGINT)",
    "maximum_micros": "CAST(NULL AS BIGINT)",
    "unit": "cost_row.unit",
    "unit_price_micros": "cost_row.unit_price_micros",
    "block_units": "cost_row.block_units",
    "initial_units": "cost_row.initial_units",
    "increment_units": "cost_row.increment_units",
    "split_at": "CAST(NULL AS TIMESTAMP)",
    "segment_units": "CAST(NULL AS ARRAY<BIGINT>)",
    "segment_price_micros": "CAST(NULL AS ARRAY<BIGINT>)",
    "is_discountable": "false",
    "is_zero_rated": "false",
    "digits": "cost_row.markup_digits",
    "rounding": "cost_row.rounding",
}


def with_cost(events: DataFrame, book: PriceBook) -> DataFrame:
    """Add `cost_row` (STRUCT, the carrier's row), `cost_id`, `wholesale_status`, `cost_numerator`,
    `cost_denominator` and `cost`.

    The longest prefix of the called number that the carrier has prices for comes first, then the row of the called
    country before the carrier's default. What roams has no carrier rate: its price
    comes with the partner's settlement. A missing cost never holds back a charge.
    """
    events = events.selectExpr(
        "*",
        f"{_NOT_APPLICABLE} AS is_free_of_carriers",
        "CASE WHEN service = 'data' THEN 'any' ELSE call_type END AS cost_call_type",
        "CASE WHEN service = 'data' THEN '*' ELSE destination_country END AS cost_country",
        "'*' AS any_country",
    )
    same = {"carrier_id": "carrier_id", "service": "service", "call_type": "cost_call_type"}
    if CARRIER_PREFIXES in book.features:
        events, same = with_carrier_prefix(events, book), {**same, "prefix": "cost_prefix"}
    take = [*_COST, *(column for feature, column in _COST_OF_FEATURE.items() if feature in book.features)]
    for country, row in (("cost_country", "country_row"), ("any_country", "default_row")):
        keys = book_rows(book.table("price_carrier_key"))
        events = with_row_in_force(events, keys, same={**same, "country": country}, take=take, into=row)
    events = events.drop("cost_prefix").selectExpr(
        "* EXCEPT (cost_call_type, cost_country, any_country, country_row, default_row)",
        """CASE WHEN NOT is_free_of_carriers AND NOT is_roaming THEN coalesce(country_row, default_row) END
           AS cost_row""",
    )
    initial = "cost_row.initial_units" if INITIAL in book.features else None
    used = started_steps(used_units("cost_row.unit"), initial, "cost_row.increment_units")
    exact = f"try_multiply(CAST({used} AS {book.amount_type}), cost_row.unit_price_micros)"
    if CARRIER_FEES in book.features:
        scale = f"CAST(cost_row.block_units AS {book.amount_type})"
        exact = f"try_add({exact}, try_multiply({scale}, cost_row.connect_fee_micros))"
    rounded = rounded_amount(
        "exact_cost", "cost_row.block_units", "cost_row.digits", "cost_row.rounding", book.amount_type
    )
    events = events.selectExpr("*", f"{exact} AS exact_cost").selectExpr("*", f"{rounded} AS cost")
    return events.selectExpr(
        "* EXCEPT (exact_cost, is_free_of_carriers)",
        "cost_row.cost_id AS cost_id",
        "CASE WHEN cost IS NOT NULL THEN CAST(exact_cost AS DECIMAL(38,0)) END AS cost_numerator",
        "CASE WHEN cost IS NOT NULL THEN CAST(cost_row.block_units AS DECIMAL(38,0)) END AS cost_denominator",
        """CASE WHEN is_free_of_carriers THEN 'not_applicable'
                WHEN cost IS NULL THEN 'no_carrier_rate' ELSE 'costed' END AS wholesale_status""",
    )


def with_markup(events: DataFrame, book: PriceBook) -> DataFrame:
    """Add `rate`, which is `rate_row` or, where that is missing and the cost row allows it, the marked-up cost; and
    `is_marked_up`.

    The price is the unrounded cost x markup_num / markup_den: the carrier's units, block and connect fee, and the
    mark-up as the factor of one piece, so that one formula prices and recomputes both.
    """
    fee = "cost_row.connect_fee_micros" if CARRIER_FEES in book.features else "0L"
    texts = {**_MARKED_UP, "connect_fee_micros": fee}
    fields = ", ".join(f"'{name}', {texts.get(name, 'CAST(NULL AS STRING)')}" for name in rate_terms(book))
    return events.selectExpr(
        "*",
        """rate_row IS NULL AND zone_id IS NOT NULL AND roaming_zone IS NOT NULL
           AND cost IS NOT NULL AND cost_row.markup_num IS NOT NULL AS is_marked_up""",
    ).selectExpr("*", f"CASE WHEN is_marked_up THEN named_struct({fields}) ELSE rate_row END AS rate")
