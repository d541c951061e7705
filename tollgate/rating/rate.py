"""The order of rating, on one screen: a usage event goes in, a row of rated_usage comes out."""

from __future__ import annotations

from pyspark.sql import DataFrame

from tollgate.money import margin
from tollgate.rating import destination, discounts, ownership, pieces, price, rate_lookup, wholesale
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
from tollgate.steps import Step, with_steps

IS_ID_CONFLICT = "is_id_conflict"
# What a usage row may bring along, as a file of usage does: an owner and places that are not looked up, and a column
# that stands at the end of the row as it came.
BROUGHT = ("line", "account", "fact", "given", "carried")
_UNITS: tuple[str, ...] = (
    "rate_row",
    "zone_id",
    "roaming_zone",
    "cost",
    "cost_row",
    "is_zero_by_outcome",
    "local_date",
    "started_at",
)
_UNITS += ("service", "duration_s", "volume_bytes")
# What the row takes over from the event, and what rules read of it beside that.
_TAKEN_OVER = [
    *["batch_no", "source", "event_id", "event_hash", "started_at", "service", "rating_group", "technology"],
    *["direction", "slice_id", "call_outcome", "duration_s", "volume_bytes", "msisdn", "destination"],
    *["destination_country", "roaming_country", "carrier_id", "event_month"],
]


def rate_events(usage: DataFrame, book: PriceBook, reference: Reference, rating_no: int) -> DataFrame:
    """One row of rated_usage for each row of `usage`: charge, cost and why, or suspended with a reason.

    usage: accepted rows of usage_event; `is_id_conflict` BOOLEAN as `with_id_conflicts` adds it (absent: none is);
    and any of BROUGHT: `line`, `account`, `fact` as `with_owner` adds them, `given` as in `with_zones`, `carried`.
    Each row depends on that event, the book and the snapshot alone: one plan without state, windows or Python, in
    which rating any part again gives the same rows. Raises UnknownDiscountFact for a book that it cannot apply.
    """
    rules = discount_rules(book)
    given = tuple(name for name in usage.columns if name == "given")
    owned = [] if "line" in usage.columns else [Step(with_owner, ownership.NEEDED, given=(reference,))]
    steps = (
        *owned,
        Step(with_zones, (*destination.NEEDED, *given), ends=("mediated_call_type", *given), given=(book,)),
        Step(with_rate, rate_lookup.NEEDED, given=(book,)),
        Step(with_cost, wholesale.NEEDED, ends=("is_roaming", "zone_kind", "destination_class"), given=(book,)),
        Step(_with_units, _UNITS, ends=("rate_row",), given=(book,)),
        Step(with_pieces, pieces.NEEDED, ends=pieces.ENDS, given=(book,)),
        Step(with_discounts, discounts.NEEDED, ends=("local_date", "fact"), given=(rules, book.discount_den)),
        Step(with_list_charge, price.NEEDED, ends=("usage_micros", "cost_row"), given=(book,)),
    )
    return (
        with_steps(_facts_of_the_event(usage, book), *steps)
        .transform(with_outcome, book.currency)
        .selectExpr(*_row(book, reference, rating_no), *(name for name in usage.columns if name == "carried"))
    )


def _with_units(events: DataFrame, book: PriceBook) -> DataFrame:
    """The price that holds, and how much is charged by it."""
    return events.transform(with_markup, book).transform(with_band_day, book).transform(with_charged_units, book)


def _facts_of_the_event(usage: DataFrame, book: PriceBook) -> DataFrame:
    """What rating reads of a usage event, and what follows from it alone."""
    is_id_conflict = IS_ID_CONFLICT if IS_ID_CONFLICT in usage.columns else f"false AS {IS_ID_CONFLICT}"
    return usage.selectExpr(
        *_TAKEN_OVER,
        "destination_class",
        "call_type AS mediated_call_type",
        *(name for name in BROUGHT if name in usage.columns),
        is_id_conflict,
        "coalesce(roaming, false) AS is_roaming",
        f"{ZERO_BY_OUTCOME} AS is_zero_by_outcome",
        f"to_date(from_utc_timestamp(started_at, '{book.time_zone}')) AS local_date",
    )


def _row(book: PriceBook, reference: Reference, rating_no: int) -> list[str]:
    """The columns of schemas/rated_usage.ddl, in its order."""
    identity = ["batch_no", "source", "event_id", "event_hash"]
    outcome = ["retail_status", "suspense_reason", "wholesale_status"]
    usage = ["started_at", "service", "rating_group", "technology", "direction", "slice_id"]
    usage += ["call_outcome", "duration_s", "volume_bytes"]
    parties = ["msisdn", "destination", "destination_country", "roaming_country", "carrier_id"]
    owner = ["line.account_id", "account.customer_id", "line.subscription_id", "line.contract_id", "line.plan_id"]
    place = ["zone_id", "roaming_zone", "prefix", "rate.rate_id", "price_source", "currency", "charged_units", "unit"]
    terms = ["rate.block_units", "initial_units", "increment_units", "rate.unit_price_micros", "connect_fee_micros"]
    terms += ["rate.minimum_micros", "rate.maximum_micros"]
    cut = ["piece_units", "piece_band", "piece_price_micros", "piece_factor_num", "factor_den"]
    exact = ["discount_ids", "discount_num", "discount_den", "numerator", "denominator", "rate.digits", "rate.rounding"]
    cost = ["cost_id", "cost_numerator", "cost_denominator", "cost", f"{margin('charge', 'cost')} AS margin"]
    return [
        f"{rating_no}L AS rating_no",
        *identity,
        *["1 AS revision", "'original' AS kind", "CAST(NULL AS INT) AS corrects"],
        *[*outcome, *usage, *parties, "call_type", *owner, *place, *terms, *cut, *exact],
        *["list_price", "charge", "tax_category", *cost],
        *[f"{book.version}L AS pricebook_version", f"{reference.snapshot_id}L AS snapshot_id"],
        "event_month",
    ]
