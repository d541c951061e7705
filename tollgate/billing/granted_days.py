"""Days on which the owner of an allowance had its plan, for allowances that follow the days of a cycle."""

from __future__ import annotations

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from tollgate.billing.cycles import anchored, cycle_end_of, local_midnight

BUCKET = ["allowance_id", "owner_id", "granted_on"]
OWNER = "CASE WHEN scope = 'account' THEN account_id ELSE subscription_id END"


def granted_days(contracts: DataFrame, accounts: DataFrame, allowances: DataFrame) -> DataFrame:
    """Local days with a contract of the plan: of a line, or of any of an account's lines, each day counted once.

    contracts: ref_contract; accounts: accounts to bill; allowances: rows of price_allowance with `scope`. One row an
    allowance, owner and cycle up to the one billed that has such a day. Columns allowance_id, owner_id, granted_on (the
    cycle's start), active_days, cycle_days, and is_granted: the account was billed for that cycle, and the allowance
    was in the book just before its end.
    """
    account = accounts.select("account_id", "anchor_day", "cycle_start", "first_cycle_start", "time_zone")
    plans = allowances.select("allowance_id", "plan_id", "scope", "valid_from", "valid_to").distinct()
    first = F.add_months(
        F.trunc("starts_on", "MM"), -1
    )  # an anchor after the start's day: its cycle began in the month before
    last = F.trunc(F.least(F.coalesce("cancelled_on", "cycle_start"), "cycle_start"), "MM")
    spans = (
        contracts.join(F.broadcast(plans), "plan_id", how="inner")
        .join(account, "account_id", how="inner")
        .where(first <= last)
        .withColumn("owner_id", F.expr(OWNER))
        .withColumn("month", F.explode(F.sequence(first, last, F.expr("INTERVAL 1 MONTH"))))
        .withColumn("granted_on", anchored(F.col("month"), F.col("anchor_day")))
        .withColumn("ends_on", cycle_end_of(F.col("granted_on"), F.col("anchor_day")))
        .withColumn("cycle_days", F.date_diff("ends_on", "granted_on"))
        .withColumn("from_day", F.greatest("starts_on", "granted_on"))
        .withColumn("to_day", F.least(F.coalesce("cancelled_on", "ends_on"), "ends_on"))
        .where("from_day < to_day")
        .withColumn("last_moment", local_midnight(F.col("ends_on"), F.col("time_zone")) - F.expr("INTERVAL 1 SECOND"))
        .withColumn(
            "is_granted",
            F.expr("granted_on >= first_cycle_start AND valid_from <= last_moment AND last_moment < valid_to"),
        )
    )
    earlier = Window.partitionBy(*BUCKET).orderBy("from_day", "to_day", "contract_id")
    covered_to = F.max("to_day").over(earlier.rowsBetween(Window.unboundedPreceding, -1))
    new_days = F.greatest(F.lit(0), F.date_diff("to_day", F.greatest("from_day", covered_to)))
    return (
        spans.withColumn("new_days", new_days)
        .groupBy(*BUCKET)
        .agg(
            F.sum("new_days").alias("active_days"),
            F.max("cycle_days").alias("cycle_days"),
            F.bool_or("is_granted").alias("is_granted"),
        )
    )
