"""Steps over a few columns: the others come through as they were, and a condition on the batch reaches the scan."""

from __future__ import annotations

from mediation.records import VOICE, payload, raw_rows, small_reference
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from tollgate.mediation.aside import with_step
from tollgate.mediation.usage import COLUMNS, mediate


def doubled(records: DataFrame, more: DataFrame) -> DataFrame:
    joined = records.join(F.broadcast(more), "n", how="left")
    return joined.withColumn("twice", F.col("n") * 2).drop("gone")


def test_what_a_step_does_not_read_comes_through_and_what_it_drops_is_gone(spark):
    records = spark.sql(
        "SELECT 7L AS batch_no, 'x' AS `a name`, struct(1 AS i) AS inner, 'g' AS gone, id AS n FROM range(3)"
    )
    more = spark.sql("SELECT 1L AS n, 'one' AS word")
    done = records.transform(with_step, doubled, ("n", "gone"), more).orderBy("n")
    assert set(done.columns) == {"batch_no", "a name", "inner", "n", "word", "twice"}
    rows = [tuple(row) for row in done.select("batch_no", "a name", "inner.i", "n", "word", "twice").collect()]
    assert rows == [(7, "x", 1, 0, None, 0), (7, "x", 1, 1, "one", 2), (7, "x", 1, 2, None, 4)]


def test_a_batch_is_chosen_where_its_bytes_are_read(spark, tmp_path):
    where = str(tmp_path / "raw")
    for batch_no in (1, 2):
        raw_rows(spark, payload(VOICE), batch_no=batch_no).write.mode("append").parquet(where)
    every_batch = mediate(spark.read.parquet(where), small_reference(spark))
    chosen = every_batch.where("batch_no = 2")
    assert chosen.columns == list(COLUMNS) and [row["batch_no"] for row in chosen.collect()] == [2]
    plan = chosen._jdf.queryExecution().optimizedPlan().toString()
    conditions = [line for line in plan.splitlines() if "Filter" in line and "batch_no" in line]
    assert len(conditions) == 1 and plan.index(conditions[0]) > plan.rindex("Join")
