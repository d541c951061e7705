"""Steps over a few columns: the others come through as they were, and a condition on the batch reaches the scan."""

from __future__ import annotations

import re
from pathlib import Path

from mediation.records import VOICE, payload, raw_rows, small_reference
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from tollgate.mediation.usage import COLUMNS, mediate
from tollgate.steps import Step, with_steps


def doubled(records: DataFrame, more: DataFrame) -> DataFrame:
    return records.join(F.broadcast(more), "n", how="left").withColumn("twice", F.col("n") * 2)


def said(records: DataFrame) -> DataFrame:
    return records.withColumn("said", F.concat_ws(" ", "a name", "word", "told")).drop("told")


def test_columns_come_through_all_steps_and_what_ends_is_gone(spark: SparkSession) -> None:
    records = spark.sql(
        "SELECT 7L AS batch_no, 'x' AS `a name`, struct(1 AS i) AS inner, 't' AS told, 'g' AS gone, id AS n"
        " FROM range(3)"
    )
    more = spark.sql("SELECT 1L AS n, 'one' AS word")
    done = with_steps(
        records,
        Step(doubled, ("n", "gone"), ends=("gone",), given=(more,)),
        Step(said, ("a name", "word", "told"), ends=("told",)),
        Step(lambda found: found.withColumn("batch", F.col("batch_no") + F.col("n")), ("batch_no", "n")),
    )
    assert set(done.columns) == {"batch_no", "a name", "inner", "n", "word", "twice", "said", "batch"}
    read = done.orderBy("n").select("batch_no", "a name", "inner.i", "n", "word", "twice", "said", "batch")
    assert [tuple(row) for row in read.collect()] == [
        (7, "x", 1, 0, None, 0, "x t", 7),
        (7, "x", 1, 1, "one", 2, "x one t", 8),
        (7, "x", 1, 2, None, 4, "x t", 9),
    ]


def test_no_pack_is_taken_apart_before_the_end(spark: SparkSession) -> None:
    """Of a struct with a field that nobody reads, Spark carries the others along one by one."""
    rows = mediate(raw_rows(spark, payload(VOICE)), small_reference(spark))
    assert not set(re.findall(r"_extract_\w+#", rows._jdf.queryExecution().optimizedPlan().toString()))


def test_a_batch_is_chosen_where_its_bytes_are_read(spark: SparkSession, tmp_path: Path) -> None:
    where = str(tmp_path / "raw")
    for batch_no in (1, 2):
        raw_rows(spark, payload(VOICE), batch_no=batch_no).write.mode("append").parquet(where)
    every_batch = mediate(spark.read.parquet(where), small_reference(spark))
    chosen = every_batch.where("batch_no = 2")
    assert chosen.columns == list(COLUMNS) and [row["batch_no"] for row in chosen.collect()] == [2]
    plan = chosen._jdf.queryExecution().optimizedPlan().toString()
    conditions = [line for line in plan.splitlines() if "Filter" in line and "batch_no" in line]
    assert len(conditions) == 1 and plan.index(conditions[0]) > plan.rindex("Join")
