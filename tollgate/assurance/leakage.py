"""Where revenue could leak: by service, what was used, what was priced, what was invoiced and what waits."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from tollgate.assurance.current_rating import row_versions, signed

IDENTITY = ["source", "event_id", "revision", "rating_no"]


def leakage_by_service(rated_usage: DataFrame, billed: DataFrame) -> DataFrame:
    """One row a service: events by where they stand, list charges billed and not billed, units without a price or a
    cost.

    billed: billed_usage of posted runs only. A reversal counts -1 event and takes its charge back, where it stands: of
    a billed event that was corrected since, the difference is not billed yet. Suspended events carry no price, so they
    are counted with their usage instead.
    """
    versions = row_versions(rated_usage)
    is_billed = billed.select(*IDENTITY, F.lit(True).alias("is_billed"))
    placed = versions.join(is_billed, IDENTITY, how="left").withColumn("n", F.expr(signed()))
    is_priced = F.col("retail_status") != "suspended"
    unbilled = is_priced & F.col("is_billed").isNull()

    def events(wanted: Column) -> Column:
        return F.coalesce(F.sum(F.when(wanted, F.col("n"))), F.lit(0)).cast("bigint")

    return placed.groupBy("service").agg(
        events(is_priced & F.col("is_billed")).alias("billed_events"),
        events(unbilled).alias("unbilled_events"),
        events(~is_priced).alias("suspended_events"),
        F.coalesce(F.sum(F.when(F.col("is_billed"), F.col("charge"))), F.lit(0))
        .cast("DECIMAL(38,6)")
        .alias("billed_charge"),
        F.coalesce(F.sum(F.when(unbilled, F.col("charge"))), F.lit(0)).cast("DECIMAL(38,6)").alias("unbilled_charge"),
        F.coalesce(F.sum(F.when(~is_priced, F.col("duration_s"))), F.lit(0)).alias("suspended_duration_s"),
        F.coalesce(F.sum(F.when(~is_priced, F.col("volume_bytes"))), F.lit(0)).alias("suspended_volume_bytes"),
        events(is_priced & (F.col("wholesale_status") == "no_carrier_rate")).alias("cost_unknown_events"),
    )
