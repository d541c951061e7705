"""Free units: what was granted in a cycle, what posted runs used of it, and which events take the rest.

A grant of an allowance to a line, or to an account's lines together, is a bucket. An event takes from the buckets that
cover it in the order of priority and id, events in the order of their start. A posted run's slices are frozen: they are
read back and never computed anew, so late usage takes only what they left.
Source: docs/billing.md, "Allowances"; docs/decisions/0029.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from tollgate.billing.granted_days import granted_days

BUCKET = ["allowance_id", "owner_id", "granted_on"]
EVENT_ORDER = ["started_at", "source", "event_id", "revision"]
SLICES = "ARRAY<STRUCT<allowance_id: STRING, granted_on: DATE, units: BIGINT>>"
OWNER = "CASE WHEN scope = 'account' THEN account_id ELSE subscription_id END"


def with_free_units(
    carried: DataFrame,
    contracts: DataFrame,
    accounts: DataFrame,
    allowances: DataFrame,
    posted_usage: DataFrame,
    slots: int = 1,
) -> DataFrame:
    """Add `slices`, what each allowance freed of the event in the order of their use, `free_units` BIGINT, their sum, 0
    to charged_units, and `allowance_id`, that of the first slice or NULL: an event may be half free.

    carried: see carried_usage; contracts: ref_contract; accounts: accounts to bill; allowances: price_allowance;
    posted_usage: billed_usage of posted runs; slots: the most allowances that an event may meet
    (PriceBook.allowance_slots), a pass over the usage each. Events of a bucket take it in the order (started_at,
    source, event_id, revision).
    """
    told = allowances.withColumns({"scope": F.coalesce("scope", F.lit("line")), "slot": F.coalesce("slot", F.lit(1))})
    days = granted_days(contracts, accounts, told.where("proration = 'days'"))
    buckets = days.join(used_units(posted_usage, told), BUCKET, how="full")
    usage = carried.withColumns({"free_units": F.lit(0).cast("bigint"), "slices": F.array().cast(SLICES)})
    for slot in range(1, slots + 1):
        usage = usage.transform(_with_slices_of, told.where(F.col("slot") == slot), buckets)
    return usage.withColumn("allowance_id", F.get("slices", F.lit(0))["allowance_id"])


def used_units(posted_usage: DataFrame, allowances: DataFrame) -> DataFrame:
    """`used_units` of each bucket: the slices of posted runs, of accounts and lines as the book now has them."""
    # Rows that are older than their slices had one allowance at most, that of their own cycle.
    older = "array(named_struct('allowance_id', allowance_id, 'granted_on', origin_cycle, 'units', free_units))"
    slices = F.expr(f"CASE WHEN free_units > 0 THEN coalesce(slices, {older}) END")
    scopes = allowances.select("allowance_id", "scope").distinct()
    return (
        posted_usage.select("account_id", "subscription_id", F.explode(slices).alias("slice"))
        .select("account_id", "subscription_id", "slice.*")
        .join(F.broadcast(scopes), "allowance_id", how="inner")
        .withColumn("owner_id", F.expr(OWNER))
        .groupBy(*BUCKET)
        .agg(F.sum("units").alias("used_units"))
    )


def with_allowance(usage: DataFrame, allowances: DataFrame) -> DataFrame:
    """Add `allowance_id`, `quantity`, `proration` of the allowance that covers the row, NULL where none does, and its
    bucket's `owner_id` and `granted_on`.

    allowances: rows of one slot. Only rows priced by a rate row at home are covered; the time band is that in which an
    event starts. Rows of price_allowance that hold at the event's start count. Two allowances of one slot for the same
    usage are refused when the book is published; here they would stop the run.
    """
    cover = allowances.select(
        *[F.col(name).alias(f"allowed_{name}") for name in ("plan_id", "service", "zone_id", "unit", "band")],
        "valid_from", "valid_to", "allowance_id", "quantity", "proration", "scope",
    )  # fmt: skip
    covers = (
        (F.col("plan_id") == F.col("allowed_plan_id"))
        & (F.col("unit") == F.col("allowed_unit"))
        & F.col("allowed_service").isin("*", F.col("service"))
        & F.col("allowed_zone_id").isin("*", F.col("zone_id"))
        & (F.col("allowed_band").isNull() | (F.get("piece_band", F.lit(0)) == F.col("allowed_band")))
        & (F.col("roaming_zone") == "home")
        & (F.col("retail_status") == "rated")
        & (F.col("price_source") == "rate")
        & (F.col("valid_from") <= F.col("started_at"))
        & (F.col("started_at") < F.col("valid_to"))
    )
    return (
        usage.join(F.broadcast(cover), covers, how="left")
        .withColumns({"owner_id": F.expr(OWNER), "granted_on": F.col("origin_cycle")})
        .drop(*[name for name in cover.columns if name.startswith("allowed_")], "valid_from", "valid_to", "scope")
    )


def _with_slices_of(usage: DataFrame, allowances: DataFrame, buckets: DataFrame) -> DataFrame:
    """Let the events take from the allowances of one slot what those of the slots before left them to want."""
    taken = "named_struct('allowance_id', allowance_id, 'granted_on', granted_on, 'units', taken_units)"
    sliced = F.expr(f"CASE WHEN taken_units > 0 THEN concat(slices, array({taken})) ELSE slices END")
    return (
        usage.transform(with_allowance, allowances)
        # One row a bucket; rows without an allowance find none, and their owner spreads them.
        .join(buckets, BUCKET, how="left")
        .withColumn("taken_units", taken_units())
        .withColumns({"slices": sliced, "free_units": F.expr("free_units + taken_units")})
        .select(*usage.columns)
    )


def granted_units() -> Column:
    """BIGINT: units of the cycle, prorated ones floored; 0 where the owner did not have the plan on any day."""
    return F.expr(
        "CASE WHEN proration = 'days' THEN coalesce((quantity * active_days) div cycle_days, 0) ELSE quantity END"
    )


def taken_units() -> Column:
    """BIGINT: what an event takes of what posted runs and the events before it in the bucket left."""
    order = Window.partitionBy(*BUCKET).orderBy(*EVENT_ORDER)
    wanted = F.col("charged_units") - F.col("free_units")
    so_far = F.sum(wanted).over(order.rowsBetween(Window.unboundedPreceding, Window.currentRow))
    left = F.greatest(F.lit(0), granted_units() - F.coalesce("used_units", F.lit(0)))
    taken = F.least(wanted, F.greatest(F.lit(0), left - (so_far - wanted)))
    return F.when(F.col("allowance_id").isNull(), F.lit(0)).otherwise(taken).cast("bigint")
