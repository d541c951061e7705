"""Days on which the owner of an allowance had its plan, for allowances that follow the days of a cycle."""

from __future__ import annotations

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from tollgate.billing.cycle_dates import cycle_after, cycle_end_of, cycle_of_day, cycles_between, local_midnight

BUCKET = ["allowance_id", "owner_id", "granted_on"]
OWNER = "CASE WHEN scope = 'account' THEN account_id ELSE subscription_id END"


def granted_days(contracts: DataFrame, accounts: DataFrame, allowances: DataFrame) -> DataFrame:
    """Local days with a contract of the plan: of a line, or of any of an account's lines, each day counted once.

    contracts: ref_contract; accounts: accounts to bill; allowances: rows of price_allowance with `scope`. One row an
    allowance, owner and cycle up to the one billed that has such a day. Columns allowance_id, owner_id, granted_on (the
    cycle's start), active_days, cycle_days, and is_granted: the account was billed for that cycle, and the allowance
    was in the book just before its end.
    """
    account = accounts.select("account_id", "calendar", "cycle_start", "first_cycle_start", "time_zone")
    plans = allowances.select("allowance_id", "plan_id", "scope", "valid_from", "valid_to").distinct()
    calendar = F.col("calendar")
    last = cycle_of_day(F.least(F.coalesce("cancelled_on", "cycle_start"), "cycle_start"), calendar)
    spans = (
        contracts.join(F.broadcast(plans), "plan_id", how="inner")
        .join(account, "account_id", how="inner")
        .withColumn("owner_id", F.expr(OWNER))
        .withColumn("first", cycle_of_day(F.col("starts_on"), calendar))
        .withColumn("later", cycles_between(F.col("first"), last, calendar))
        .where("later >= 0")
        .withColumn("place", F.explode(F.sequence(F.lit(0), F.col("later"))))
        .withColumn("granted_on", cycle_after(F.col("first"), F.col("place"), calendar))
        .withColumn("ends_on", cycle_end_of(F.col("granted_on"), calendar))
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
