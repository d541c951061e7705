"""The form of a measure: (measure, part, value) rows out of sums by part."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

VALUE = "DECIMAL(38,6)"


def measured(frame: DataFrame, part: Column, **sums: Column) -> DataFrame:
    """(measure STRING, part STRING, value DECIMAL(38,6)): each sum by `part`; a sum of nothing is 0."""
    values = [F.coalesce(amount, F.lit(0)).cast(VALUE).alias(name) for name, amount in sums.items()]
    totals = frame.groupBy(F.coalesce(part, F.lit("none")).alias("part")).agg(*values)
    return totals.unpivot("part", list(sums), "measure", "value").select("measure", "part", "value")


def content() -> Column:
    """A number of an event as mediated: its identity, its start and how much was used."""
    said = ["source", "event_id", "event_month", "service", "started_at", "duration_s", "volume_bytes"]
    return F.xxhash64(*said).cast("decimal(38,0)")


def owner(charge: str) -> Column:
    """A number of an event, its account, its time and its charge: sums of it differ when any of them does."""
    named = ["source", "event_id", "revision", "rating_no", "account_id", "started_at"]
    return F.xxhash64(*named, F.col(charge).cast("decimal(18,6)")).cast("decimal(38,0)")
