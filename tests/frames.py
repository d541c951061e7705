"""Small tables by hand and exact comparison."""

from __future__ import annotations

from typing import Any

from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.testing import assertDataFrameEqual


def table(spark: SparkSession, ddl: str, *rows: tuple[Any, ...]) -> DataFrame:
    """A DataFrame of these rows with these columns."""
    return spark.createDataFrame(list(rows), ddl)


def assert_rows(df: DataFrame, *rows: tuple[Any, ...]) -> None:
    """Check that `df` has exactly these rows, in any order, to the last digit."""
    named = Row(*df.columns)
    assertDataFrameEqual(df, [named(*row) for row in rows], rtol=0, atol=0)
