"""Which events of a cycle to price a second time: one of each situation, and a sample by hash."""

from __future__ import annotations

from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from tollgate.billing.cycle_dates import calendar_of_account, cycle_start_of

# What decides the price of an event; two events that agree in all of it differ in their quantities only.
SITUATION = [
    *[
        "service",
        "plan_id",
        "zone_id",
        "roaming_zone",
        "rating_group",
        "technology",
        "direction",
        "slice_id",
        "call_type",
        "currency",
    ],
    *["retail_status", "suspense_reason", "wholesale_status", "price_source", "rate_id", "cost_id", "discount_ids"],
    *["piece_band", "piece_price_micros", "piece_factor_num", "pricebook_version"],
]
IDENTITY = ["source", "event_id", "event_month", "revision", "rating_no", "batch_no"]


def of_cycle(current: DataFrame, accounts: DataFrame, month: date, longest_days: int = 31) -> DataFrame:
    """The rows of `current` that start in a bill cycle of `month`; without an account, in that month of UTC.

    current: of `current_rating`; accounts: ref_account of one snapshot; month: its first day; longest_days: of their
    cycles.
    """
    until = F.lit(month)
    # A cycle that starts on the month's last day, and a month for what is told in another zone.
    months = 2 + longest_days // 31
    span = [F.date_format(F.add_months(until, far), "yyyy-MM") for far in (-1, months)]
    near = current.where(F.col("event_month").between(*span))
    zones = accounts.select("account_id", "time_zone", calendar_of_account())
    started = F.coalesce(
        cycle_start_of(F.col("started_at"), F.col("time_zone"), F.col("calendar")), F.to_date("started_at")
    )
    placed = near.join(zones, "account_id", how="left").withColumn("cycle_month", F.trunc(started, "MM"))
    return placed.where(F.col("cycle_month") == until).select(*current.columns)


def representatives(events: DataFrame) -> DataFrame:
    """IDENTITY of one event of each situation, and `events`, how many it has; which one is decided by a hash."""
    chosen = F.min_by(F.struct(*IDENTITY), _place()).alias("chosen")
    return events.groupBy(*SITUATION).agg(chosen, F.count("*").alias("events")).select("chosen.*", "events")


def sample(events: DataFrame, size: int) -> DataFrame:
    """IDENTITY of `size` events, or all that there are: those with the smallest hash, the same ones each time."""
    return events.select(*IDENTITY, _place().alias("place")).orderBy("place", *IDENTITY).limit(size).drop("place")


def _place() -> Column:
    # Another seed than event_hash has, which decides where rows stand.
    return F.xxhash64(F.lit("second rating"), "source", "event_id", "event_month")
