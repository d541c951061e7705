"""Small tables by hand and exact comparison."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql.types import StructType
from pyspark.testing import assertDataFrameEqual

from tollgate.platform.lake import few_rows

# What a session is to be for plans to be compiled in it, as spark-submit starts one.
COMPILED = {
    "spark.sql.codegen.wholeStage": "true", "spark.sql.codegen.factoryMode": "FALLBACK",
    "spark.sql.subexpressionElimination.enabled": "true",
}  # fmt: skip


def small_frame(spark: SparkSession, rows: Iterable[Sequence[Any]], columns: StructType | str) -> DataFrame:
    """A DataFrame of these rows; they are part of its plan, so no Python worker starts for them.

    columns: a contract or DDL text; an instant without an offset is UTC.
    """
    return few_rows(spark, rows, StructType.fromDDL(columns) if isinstance(columns, str) else columns)


def table(spark: SparkSession, ddl: str, *rows: tuple[Any, ...]) -> DataFrame:
    """A DataFrame of these rows with these columns."""
    return small_frame(spark, rows, ddl)


def session_beside(spark: SparkSession) -> SparkSession:
    """A session for views of its own, with the settings that the tests gave `spark`; a new one has Spark's own."""
    other = spark.newSession()
    for name in ("spark.sql.codegen.wholeStage", "spark.sql.shuffle.partitions"):
        other.conf.set(name, spark.conf.get(name) or "")
    return other


def assert_rows(df: DataFrame, *rows: tuple[Any, ...]) -> None:
    """Check that `df` has exactly these rows, in any order, to the last digit."""
    named = Row(*df.columns)
    assertDataFrameEqual(df, [named(*row) for row in rows], rtol=0, atol=0)
