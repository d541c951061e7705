"""Free units: what a line was granted in a cycle, what posted runs used of it, and which events take the rest.

A posted run's slices are frozen: they are read back and never computed anew, so late usage takes only what they left.
Source: docs/billing.md, "Allowances".
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from tollgate.billing.cycles import anchored, cycle_end_of, overlap_days

BUCKET = ["subscription_id", "origin_cycle", "allowance_id"]


def with_free_units(
    carried: DataFrame, contracts: DataFrame, accounts: DataFrame, allowances: DataFrame, posted_usage: DataFrame
) -> DataFrame:
    """Add `allowance_id` (NULL where nothing is freed) and `free_units` BIGINT, 0 to charged_units: an event may be
    half free.

    carried: see carried_usage; contracts: ref_contract; accounts: accounts to bill; allowances: price_allowance;
    posted_usage: billed_usage of posted runs. Events of a bucket take it in the order (started_at, source, event_id,
    revision).
    """
    days = contract_days(contracts, accounts)
    used = posted_usage.where("free_units > 0").groupBy(*BUCKET).agg(F.sum("free_units").alias("used_units"))
    return (
        carried.transform(with_allowance, allowances)
        .join(days, ["subscription_id", "plan_id", "origin_cycle"], how="left")
        .join(used, BUCKET, how="left")
        .withColumn("left_units", left_units())
        .withColumn("free_units", taken_units())
        .withColumn("allowance_id", F.when(F.col("free_units") > 0, F.col("allowance_id")))
        .drop("active_days", "cycle_days", "used_units", "left_units", "quantity", "proration")
    )


def with_allowance(carried: DataFrame, allowances: DataFrame) -> DataFrame:
    """Add `allowance_id`, `quantity`, `proration` of the allowance that covers the row; NULL where none does.

    Only rows priced by a rate row at home are covered. Rows of price_allowance that hold at the event's start count.
    Two allowances for one (plan, service, zone) at a time are refused when the book is published; here they would
    stop the run.
    """
    cover = allowances.select(
        F.col("plan_id").alias("allowed_plan"), F.col("service").alias("allowed_service"),
        F.col("zone_id").alias("allowed_zone"),
        F.col("unit").alias("allowed_unit"), "valid_from", "valid_to", "allowance_id", "quantity", "proration",
    )  # fmt: skip
    covers = (
        (F.col("plan_id") == F.col("allowed_plan"))
        & (F.col("service") == F.col("allowed_service"))
        & (F.col("zone_id") == F.col("allowed_zone"))
        & (F.col("unit") == F.col("allowed_unit"))
        & (F.col("roaming_zone") == "home")
        & (F.col("retail_status") == "rated")
        & (F.col("price_source") == "rate")
        & (F.col("valid_from") <= F.col("started_at"))
        & (F.col("started_at") < F.col("valid_to"))
    )
    return carried.join(F.broadcast(cover), covers, how="left").drop(
        "allowed_plan", "allowed_service", "allowed_zone", "allowed_unit", "valid_from", "valid_to"
    )


def contract_days(contracts: DataFrame, accounts: DataFrame) -> DataFrame:
    """Days in force of a line's contracts of one plan, a row each cycle up to the one billed, at least one day.

    Columns subscription_id, plan_id, origin_cycle, active_days, cycle_days; unique by the first three.
    """
    account = accounts.select("account_id", "anchor_day", "cycle_start")
    first = F.add_months(
        F.trunc("starts_on", "MM"), -1
    )  # an anchor after the start's day: its cycle began in the month before
    last = F.trunc(F.least(F.coalesce("cancelled_on", "cycle_start"), "cycle_start"), "MM")
    cycles = (
        contracts.join(account, "account_id", how="inner")
        .where(first <= last)
        .withColumn("month", F.explode(F.sequence(first, last, F.expr("INTERVAL 1 MONTH"))))
        .withColumn("origin_cycle", anchored(F.col("month"), F.col("anchor_day")))
        .withColumn("origin_end", cycle_end_of(F.col("origin_cycle"), F.col("anchor_day")))
        .withColumn(
            "days", overlap_days(*[F.col(n) for n in ("starts_on", "cancelled_on", "origin_cycle", "origin_end")])
        )
    )
    return (
        cycles.where("days > 0").groupBy("subscription_id", "plan_id", "origin_cycle")
        .agg(F.sum("days").alias("active_days"), F.max(F.date_diff("origin_end", "origin_cycle")).alias("cycle_days"))
    )  # fmt: skip


def left_units() -> Column:
    """BIGINT: granted units (prorated ones floored) minus those that posted runs used."""
    granted = F.expr(
        "CASE WHEN proration = 'days' THEN coalesce((quantity * active_days) div cycle_days, 0) ELSE quantity END"
    )
    return F.greatest(F.lit(0), granted - F.coalesce("used_units", F.lit(0)))


def taken_units() -> Column:
    """BIGINT: what an event takes of what the events before it in the bucket left."""
    order = Window.partitionBy(*BUCKET).orderBy("started_at", "source", "event_id", "revision")
    so_far = F.sum("charged_units").over(order.rowsBetween(Window.unboundedPreceding, Window.currentRow))
    before = so_far - F.col("charged_units")
    taken = F.least(F.col("charged_units"), F.greatest(F.lit(0), F.col("left_units") - before))
    return F.when(F.col("allowance_id").isNull(), F.lit(0)).otherwise(taken).cast("bigint")
