"""The lake: contracts, appends that happen once, one writer a table, views."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, cast

import pytest
from frames import assert_rows
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from tollgate.platform import skipping
from tollgate.platform.errors import TollgateError
from tollgate.platform.lake import Lake, contract, contract_names, few_rows, kept, let_go, partition_columns
from tollgate.platform.locks import writer_lock
from tollgate.platform.skipping import SKIPPING


def test_a_kept_frame_is_computed_once_and_what_reads_it_has_nothing_of_its_plan(spark: SparkSession) -> None:
    spark.sparkContext.setJobGroup("kept", "")
    drawn = kept(spark.range(0, 10, numPartitions=1).selectExpr("uuid() AS id"))
    assert len(spark.sparkContext.statusTracker().getJobIdsForGroup("kept")) == 1, "computed when it was called"
    assert sorted(drawn.collect()) == sorted(drawn.collect())
    plan = drawn.groupBy("id").count()._jdf.queryExecution().executedPlan().toString()
    assert "ExistingRDD" in plan and "Range" not in plan and "uuid" not in plan
    held = cast("Any", spark.sparkContext)._jsc.getPersistentRDDs()
    let_go(drawn)
    assert len(held) - len(cast("Any", spark.sparkContext)._jsc.getPersistentRDDs()) == 1, "its memory is free again"


def raw_cdr(spark: SparkSession, batch_no: int) -> DataFrame:
    return spark.sql(f"""
        SELECT {batch_no}L AS batch_no, 'cdr.raw' AS topic, 0 AS kafka_partition, {batch_no}L AS kafka_offset,
               TIMESTAMP '2026-10-01 00:00:00' AS arrived_at, X'61' AS record_key, X'62' AS payload,
               CAST(NULL AS ARRAY<STRUCT<key: STRING, value: BINARY>>) AS headers""")


def test_an_append_is_one_commit_and_one_job_also_when_it_makes_the_table(spark: SparkSession, lake: Lake) -> None:
    """Delta's own idempotent write asks the whole state of the table each time: a second job, longer with each file."""
    jobs = []
    for version in range(1, 5):
        spark.sparkContext.setJobGroup(f"append {version}", "")
        lake.append(raw_cdr(spark, version), "raw_cdr", "job/1", version, {"batch_no": version})
        jobs.append(len(spark.sparkContext.statusTracker().getJobIdsForGroup(f"append {version}")))
    assert jobs == [1, 1, 1, 1]
    history = spark.sql(f"DESCRIBE HISTORY delta.`{lake.path('raw_cdr')}`").orderBy("version")
    assert_rows(
        history.select("version", "operation", "userMetadata", F.col("operationMetrics")["numOutputRows"]),
        *[(no - 1, "WRITE", f'{{"batch_no": {no}}}', "1") for no in range(1, 5)],
    )


def test_who_committed_is_known_with_and_without_a_checksum_file(spark: SparkSession, lake: Lake) -> None:
    for version, job in enumerate(("job/1", "job/2", "job/1")):
        lake.append(raw_cdr(spark, version), "raw_cdr", job, version)
    versions = {"job/1": 2, "job/2": 1}
    assert lake.last_versions("raw_cdr") == versions
    for checksum in (Path(lake.path("raw_cdr")) / "_delta_log").glob("*.crc"):
        checksum.unlink()
    spark._jvm.org.apache.spark.sql.delta.DeltaLog.clearCache()
    assert not lake.snapshot("raw_cdr").checksumOpt().isDefined()
    assert lake.last_versions("raw_cdr") == versions
    lake.append(raw_cdr(spark, 2), "raw_cdr", "job/1", 2)
    assert lake.read("raw_cdr").count() == 3


def test_statistics_are_asked_from_the_table_of_many_files_on(
    spark: SparkSession, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both ways find the same rows; what differs is the work."""
    monkeypatch.setattr(skipping, "FEW_FILES", 3)
    before = spark.conf.get(SKIPPING)
    try:
        spark.conf.set(SKIPPING, "false")
        for version in range(1, 7):
            lake.append(raw_cdr(spark, version), "raw_cdr", "job/1", version)
            of_one = lake.read("raw_cdr").where("batch_no = 1")
            assert_rows(of_one.select("batch_no"), (1,))
            # The append looks at what stands before it, a process's first read at what it reads.
            assert spark.conf.get(SKIPPING) == ("true" if version > 4 else "false"), version
            assert len(of_one.inputFiles()) == (1 if version > 4 else version)
        spark.conf.set(SKIPPING, "false")
        monkeypatch.setattr(skipping, "_asked", set())
        lake.read("raw_cdr")
        assert spark.conf.get(SKIPPING) == "true"
    finally:
        spark.conf.set(SKIPPING, before)


def test_a_plan_that_is_made_to_skip_leaves_the_other_files_out(spark: SparkSession, lake: Lake) -> None:
    for version in (1, 2, 3):
        lake.append(raw_cdr(spark, version), "raw_cdr", "job/1", version)
    before = spark.conf.get(SKIPPING)
    try:
        spark.conf.set(SKIPPING, "false")
        with skipping.skipping(spark):
            of_one = lake.read("raw_cdr").where("batch_no = 2")
            assert len(of_one.inputFiles()) == 1
            assert_rows(of_one.select("batch_no"), (2,))
        assert spark.conf.get(SKIPPING) == "false"
        assert len(lake.read("raw_cdr").where("batch_no = 2").inputFiles()) == 3
    finally:
        spark.conf.set(SKIPPING, before)


@pytest.mark.covers("QUA-10")
def test_every_contract_is_a_schema_that_spark_reads(spark: SparkSession) -> None:
    for name in contract_names():
        names = contract(name).fieldNames()
        assert names and set(partition_columns(name)) <= set(names)
        assert all("comment" in field.metadata for field in contract(name).fields)


def test_a_version_is_appended_once_and_remembered_with_its_metadata(spark: SparkSession, lake: Lake) -> None:
    assert lake.last_version("raw_cdr", "job/1") is None
    assert lake.commit_metadata("raw_cdr", newest=2) == []
    assert_rows(lake.read("raw_cdr"))
    for version, again in ((1, 1), (1, 2), (2, 3)):
        lake.append(raw_cdr(spark, again), "raw_cdr", "job/1", version, {"pin": again})
    assert_rows(lake.read("raw_cdr").select("batch_no"), (1,), (3,))
    assert (lake.last_version("raw_cdr", "job/1"), lake.last_version("raw_cdr", "job/2")) == (2, None)
    assert lake.commit_metadata("raw_cdr", newest=1) == [{"pin": 3}]
    assert lake.commit_metadata("raw_cdr", newest=9) == [{"pin": 1}, {"pin": 3}]
    stored = [(field.name, field.dataType, field.nullable) for field in lake.read("raw_cdr").schema.fields]
    assert stored == [(field.name, field.dataType, field.nullable) for field in contract("raw_cdr").fields]


def test_an_instant_keeps_its_offset_whatever_arrow_is_told(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYARROW_IGNORE_TIMEZONE", "1")  # as `import pyspark.pandas` leaves it
    noon = datetime(2026, 10, 5, 12, tzinfo=timezone(timedelta(hours=-4)))
    found = few_rows(spark, [(noon,)], StructType.fromDDL("at TIMESTAMP")).selectExpr("CAST(at AS STRING) AS at")
    assert_rows(found, ("2026-10-05 16:00:00",))


def test_other_columns_than_the_contract_are_refused_before_anything_is_written(
    spark: SparkSession, lake: Lake
) -> None:
    wrong = raw_cdr(spark, 1)
    for df, said in (
        (wrong.drop("headers"), "headers array"),
        (wrong.withColumn("kafka_offset", wrong.kafka_offset.cast("int")), "kafka_offset int"),
        (wrong.select(*reversed(wrong.columns)), "the contract's order"),
    ):
        with pytest.raises(TollgateError, match="differ from its contract") as raised:
            lake.append(df, "raw_cdr", "job/1", 1)
        assert said in str(raised.value)
    assert not lake.exists("raw_cdr")
    with pytest.raises(TollgateError, match="no contract for table raw_cdrs"):
        lake.append(wrong, "raw_cdrs", "job/1", 1)


def test_a_second_writer_is_told_which_lock_is_held(spark: SparkSession, tmp_path: Path) -> None:
    lock = tmp_path / "_locks" / "raw_cdr.lock"
    with (
        writer_lock(spark, lock),
        pytest.raises(TollgateError, match="another process has been writing") as raised,
        writer_lock(spark, lock, wait_s=0),
    ):
        pass
    assert str(lock) in str(raised.value)
    with writer_lock(spark, lock, wait_s=0):
        assert lock.exists()


def test_where_no_lock_reaches_two_writers_of_one_version_leave_its_rows_once(
    spark: SparkSession, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on an object store: Delta's log decides which of two commits counts, and the other one is an error or
    nothing."""
    monkeypatch.setattr(Lake, "_is_on_local_disk", lambda self: False)
    lake.append(raw_cdr(spark, 0), "raw_cdr", "job/1", 0)
    start = threading.Barrier(2)

    def write(version: int) -> str:
        start.wait()
        try:
            lake.append(raw_cdr(spark, version), "raw_cdr", "job/1", version)
        except TollgateError as error:
            assert error.what.startswith("another process wrote this table")
            return error.found
        return "written or there before"

    with ThreadPoolExecutor(2) as pool:
        told = [set(pool.map(write, (version, version))) for version in (1, 2, 3)]
    assert all("written or there before" in both for both in told), told
    assert_rows(lake.read("raw_cdr").select("batch_no"), (0,), (1,), (2,), (3,))


def test_views_are_named_as_tables_and_only_those_that_a_query_needs(spark: SparkSession, lake: Lake) -> None:
    lake.append(raw_cdr(spark, 1), "raw_cdr", "job/1", 1)
    derived = {
        "first_view": "SELECT batch_no FROM raw_cdr",
        "second_view": "SELECT batch_no + 1 AS next FROM first_view",
        "other_view": "SELECT no_such_column FROM raw_cdr",
    }
    lake.register_views(derived, "SELECT next FROM second_view")
    assert_rows(spark.sql("SELECT next FROM second_view"), (2,))
    assert not spark.catalog.tableExists("ref_carrier")
    lake.register_views()
    assert_rows(spark.sql("SELECT count(*) FROM ref_carrier"), (0,))
