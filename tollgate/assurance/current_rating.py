"""The rating that stands: rated_usage keeps every outcome of an event, this keeps the last word."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

# An event id that comes back in another month is two rows of usage_event, one of them suspended as id_conflict: the
# month tells them apart.
EVENT_KEY = ["source", "event_id", "event_month", "revision"]
IS_CURRENT = "is_current"
IS_SETTLED = "retail_status <> 'suspended'"
# A broadcast table passes through the driver. A million of these keys take 130 MB there and on each executor.
BROADCAST_UP_TO = 1_000_000


def current_rating(rated_usage: DataFrame, suspended: int = 0, corrected: int = 0) -> DataFrame:
    """One row an event, columns of rated_usage: its last correction, else the rated row, else the last suspended one.

    An event rated twice by mistake stays two rows, so that the equations see it. suspended, corrected: bounds of its
    suspended rows and of its reversals, as the marks of the rating runs tell; they decide how the joins are done.
    """
    return row_versions(rated_usage, suspended, corrected).where(IS_CURRENT).drop(IS_CURRENT)


def row_versions(rated_usage: DataFrame, suspended: int = 0, corrected: int = 0) -> DataFrame:
    """What `current_rating` gives, and the rated rows that no longer stand, with `is_current` BOOLEAN: a reversal and
    the row that it takes back are not. Every charge ever made is in it, so its sums are those of the current rows."""
    settled = rated_usage.where(IS_SETTLED).transform(_with_standing, corrected)
    held = still_held(rated_usage, suspended).select(*rated_usage.columns, F.lit(True).alias(IS_CURRENT))
    return settled.unionByName(held)


def still_held(rated_usage: DataFrame, suspended: int = 0) -> DataFrame:
    """The rows of `current_rating` that are suspended: the last of each event that nothing has settled."""
    held_back = rated_usage.where("retail_status = 'suspended'")
    last_reason = held_back.groupBy(*EVENT_KEY).agg(F.max("rating_no").alias("rating_no"))
    # The suspended few are broadcast against the many, and only what was settled after a suspension comes back.
    settled_later = (
        rated_usage.where(IS_SETTLED)
        .select(*EVENT_KEY)
        .join(broadcast_if_few(last_reason.select(*EVENT_KEY), suspended), EVENT_KEY, how="left_semi")
    )
    return held_back.join(last_reason, [*EVENT_KEY, "rating_no"], how="left_semi").join(
        broadcast_if_few(settled_later, suspended), EVENT_KEY, how="left_anti"
    )


def signed() -> str:
    """SQL: 1 for a row of rated_usage or billed_usage, -1 for a reversal; their sum counts events."""
    return "CASE WHEN kind = 'reversal' THEN -1 ELSE 1 END"


def broadcast_if_few(rows: DataFrame, count: int) -> DataFrame:
    """`rows`, with the hint to broadcast them when there are at most BROADCAST_UP_TO; Spark shuffles more."""
    return F.broadcast(rows) if count <= BROADCAST_UP_TO else rows


def _with_standing(settled: DataFrame, corrected: int) -> DataFrame:
    """Add `is_current`. A revision is taken back once, which the mark of each correction proves; the grouping keeps the
    right side unique where that does not hold."""
    reversed_ = settled.where("kind = 'reversal'").select(*EVENT_KEY[:3], F.col("corrects").alias("revision"))
    taken_back = reversed_.distinct().withColumn("is_taken_back", F.lit(True))
    joined = settled.join(broadcast_if_few(taken_back, corrected), EVENT_KEY, how="left")
    is_current = F.expr("kind <> 'reversal' AND is_taken_back IS NULL")
    return joined.select(*settled.columns, is_current.alias(IS_CURRENT))
