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
