"""Where revenue could leak: by service, what was used, what was priced, what was invoiced and what waits."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from tollgate.assurance.current_rating import current_rating

IDENTITY = ["source", "event_id", "revision", "rating_no"]


def leakage_by_service(rated_usage: DataFrame, billed: DataFrame) -> DataFrame:
    """One row a service: events by where they stand, list charges billed and not billed, units without a price or a
    cost.

    billed: billed_usage of posted runs only. Suspended events carry no price, so they are counted with their usage
    instead.
    """
    current = current_rating(rated_usage)
    is_billed = billed.select(*IDENTITY, F.lit(True).alias("is_billed"))
    placed = current.join(is_billed, IDENTITY, how="left")
    is_priced = F.col("retail_status") != "suspended"
    unbilled = is_priced & F.col("is_billed").isNull()
    return placed.groupBy("service").agg(
        F.count_if(is_priced & F.col("is_billed")).alias("billed_events"),
        F.count_if(unbilled).alias("unbilled_events"),
        F.count_if(~is_priced).alias("suspended_events"),
        F.coalesce(F.sum(F.when(F.col("is_billed"), F.col("charge"))), F.lit(0))
        .cast("DECIMAL(38,6)")
        .alias("billed_charge"),
        F.coalesce(F.sum(F.when(unbilled, F.col("charge"))), F.lit(0)).cast("DECIMAL(38,6)").alias("unbilled_charge"),
        F.coalesce(F.sum(F.when(~is_priced, F.col("duration_s"))), F.lit(0)).alias("suspended_duration_s"),
        F.coalesce(F.sum(F.when(~is_priced, F.col("volume_bytes"))), F.lit(0)).alias("suspended_volume_bytes"),
        F.count_if(is_priced & (F.col("wholesale_status") == "no_carrier_rate")).alias("cost_unknown_events"),
    )
