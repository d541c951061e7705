"""Each source, service and day by itself: sums over all of them could hide an event too many and one too few."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from tollgate.assurance.current_rating import IS_CURRENT
from tollgate.assurance.measured import measured

_DAY = ["source", "service", "day"]


def usage_days(usage_event: DataFrame, versions: DataFrame, rated_to: int) -> DataFrame:
    """By source: days (UTC) of a service on which it has accepted or rated events, and on how many of these as many
    were rated or held as were accepted and handed over.

    usage_event: published rows. versions: of `row_versions`. rated_to: the last batch that a rating run has taken.
    """
    taken = usage_event.where((F.col("disposition") == "accepted") & (F.col("batch_no") <= rated_to))
    sides = _counted(taken, 1).unionByName(_counted(versions.where(IS_CURRENT), -1))
    days = sides.groupBy(*_DAY).agg(F.sum("events").alias("events"))
    return measured(
        days,
        F.col("source"),
        usage_days=F.count(F.lit(1)),
        usage_days_that_balance=F.count_if(F.col("events") == 0),
    )


def _counted(events: DataFrame, sign: int) -> DataFrame:
    named = events.select("source", "service", F.to_date("started_at").alias("day"))
    return named.groupBy(*_DAY).agg((F.count(F.lit(1)) * sign).alias("events"))
