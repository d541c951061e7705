"""The rating that stands: rated_usage keeps every outcome of an event, this keeps the last word."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

# An event id that comes back in another month is two rows of usage_event, one of them suspended as id_conflict: the
# month tells them apart.
EVENT_KEY = ["source", "event_id", "event_month", "revision"]
# A broadcast table passes through the driver. A million of these keys take 130 MB there and on each executor.
BROADCAST_UP_TO = 1_000_000


def current_rating(rated_usage: DataFrame, suspended: int = 0) -> DataFrame:
    """One row an event revision, columns of rated_usage: the rated row, else the last suspended one.

    Rated and zero-rated rows pass as they are, so that an event rated twice stays two rows and the equations see it.
    suspended: a bound of its suspended rows, as the marks of the nights tell; it decides how the joins are done.
    """
    settled = rated_usage.where("retail_status <> 'suspended'")
    held_back = rated_usage.where("retail_status = 'suspended'")
    last_reason = held_back.groupBy(*EVENT_KEY).agg(F.max("rating_no").alias("rating_no"))
    # The suspended few are broadcast against the many, and only what was settled after a suspension comes back.
    settled_later = settled.select(*EVENT_KEY).join(
        broadcast_if_few(last_reason.select(*EVENT_KEY), suspended), EVENT_KEY, how="left_semi"
    )
    still_held = (
        held_back.join(last_reason, [*EVENT_KEY, "rating_no"], how="left_semi")
        .join(broadcast_if_few(settled_later, suspended), EVENT_KEY, how="left_anti")
        .select(*rated_usage.columns)
    )
    return settled.unionByName(still_held)


def broadcast_if_few(rows: DataFrame, count: int) -> DataFrame:
    """`rows`, with the hint to broadcast them when there are at most BROADCAST_UP_TO; Spark shuffles more."""
    return F.broadcast(rows) if count <= BROADCAST_UP_TO else rows
