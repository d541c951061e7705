"""The order of rating, on one screen: a usage event goes in, a row of rated_usage comes out."""

from __future__ import annotations

from pyspark.sql import DataFrame

from tollgate.money import margin
from tollgate.rating.destination import with_zones
from tollgate.rating.discounts import discount_rules, with_discounts
from tollgate.rating.outcome import ZERO_BY_OUTCOME, with_outcome
from tollgate.rating.ownership import with_owner
from tollgate.rating.pieces import with_pieces
from tollgate.rating.price import with_list_charge
from tollgate.rating.rate_lookup import with_rate
from tollgate.rating.time_bands import with_band_day
from tollgate.rating.units import with_charged_units
from tollgate.rating.wholesale import with_cost, with_markup
from tollgate.reference.frames import PriceBook, Reference

IS_ID_CONFLICT = "is_id_conflict"
# What a usage row may bring along, as a file of usage does: an owner and places that are not looked up, and a column
# that stands at the end of the row as it came.
BROUGHT = ("line", "account", "fact", "given", "carried")
# What the row takes over from the event. It travels through the joins as one column, so that none of them copies these
# one by one; what a rule reads stands beside it until that rule is done.
_TAKEN_OVER = [
    *["batch_no", "source", "event_id", "event_hash", "started_at", "service", "rating_group", "technology"],
    *[
        "direction",
        "slice_id",
        "call_outcome",
        "duration_s",
        "volume_bytes",
        "msisdn",
        "destination",
        "destination_country",
        "roaming_country",
    ],
    *["carrier_id", "event_month"],
]


def rate_events(usage: DataFrame, book: PriceBook, reference: Reference, rating_no: int) -> DataFrame:
    """One row of rated_usage for each row of `usage`: charge, cost and why, or suspended with a reason.

    usage: accepted rows of usage_event; `is_id_conflict` BOOLEAN as `with_id_conflicts` adds it (absent: none is);
    and any of BROUGHT: `line`, `account`, `fact` as `with_owner` adds them, `given` as in `with_zones`, `carried`.
    Each row depends on that event, the book and the snapshot alone: one plan without state, windows or Python, in
    which rating any part again gives the same rows. Raises UnknownDiscountFact for a book that it cannot apply.
    """
    rules = discount_rules(book)
    return (
        _facts_of_the_event(usage, book)
        .transform(with_owner, reference)
        .transform(with_zones, book)
        .transform(with_rate, book)
        .transform(with_cost, book)
        .transform(with_markup, book)
        .transform(with_band_day, book)
        .transform(with_charged_units, book)
        .transform(with_pieces, book)
        .transform(with_discounts, rules, book.discount_den)
        .transform(with_list_charge, book)
        .transform(with_outcome)
        .selectExpr(*_row(book, reference, rating_no), *(name for name in usage.columns if name == "carried"))
    )


def _facts_of_the_event(usage: DataFrame, book: PriceBook) -> DataFrame:
    """What rating reads of a usage event, and what follows from it alone."""
    is_id_conflict = IS_ID_CONFLICT if IS_ID_CONFLICT in usage.columns else f"false AS {IS_ID_CONFLICT}"
    return usage.selectExpr(
        f"struct({', '.join(_TAKEN_OVER)}) AS event",
        *[
            "direction",
            "slice_id",
            "technology",
            "started_at",
            "service",
            "rating_group",
            "duration_s",
            "volume_bytes",
            "msisdn",
        ],
        *["carrier_id", "call_type", "destination", "destination_class", "destination_country", "roaming_country"],
        *(name for name in BROUGHT if name in usage.columns),
        is_id_conflict,
        "coalesce(roaming, false) AS is_roaming",
        f"{ZERO_BY_OUTCOME} AS is_zero_by_outcome",
        f"to_date(from_utc_timestamp(started_at, '{book.time_zone}')) AS local_date",
        f"'{book.currency}' AS currency",
    )


def _row(book: PriceBook, reference: Reference, rating_no: int) -> list[str]:
    """The columns of schemas/rated_usage.ddl, in its order."""
    identity = _of_event("batch_no", "source", "event_id", "event_hash")
    outcome = ["retail_status", "suspense_reason", "wholesale_status"]
    usage = _of_event("started_at", "service", "rating_group", "technology", "direction", "slice_id")
    usage += _of_event("call_outcome", "duration_s", "volume_bytes")
    parties = _of_event("msisdn", "destination", "destination_country", "roaming_country", "carrier_id")
    owner = ["line.account_id", "account.customer_id", "line.subscription_id", "line.contract_id", "line.plan_id"]
    place = ["zone_id", "roaming_zone", "prefix", "rate.rate_id", "price_source", "currency", "charged_units", "unit"]
    terms = ["rate.block_units", "initial_units", "increment_units", "rate.unit_price_micros", "connect_fee_micros"]
    terms += ["rate.minimum_micros", "rate.maximum_micros"]
    pieces = ["piece_units", "piece_band", "piece_price_micros", "piece_factor_num", "factor_den"]
    exact = ["discount_ids", "discount_num", "discount_den", "numerator", "denominator", "rate.digits", "rate.rounding"]
    cost = ["cost_row.cost_id", "cost_numerator", "cost_denominator", "cost", f"{margin('charge', 'cost')} AS margin"]
    return [
        f"{rating_no}L AS rating_no",
        *identity,
        *["1 AS revision", "'original' AS kind", "CAST(NULL AS INT) AS corrects"],
        *[*outcome, *usage, *parties, "call_type", *owner, *place, *terms, *pieces, *exact],
        *["list_price", "charge", "tax_category", *cost],
        *[f"{book.version}L AS pricebook_version", f"{reference.snapshot_id}L AS snapshot_id"],
        *_of_event("event_month"),
    ]


def _of_event(*names: str) -> list[str]:
    return [f"event.{name} AS {name}" for name in names]
