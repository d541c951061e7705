"""Tables with a short log: their files are told by the commits, without a query, and are the right ones."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from frames import assert_rows
from py4j.protocol import Py4JJavaError
from pyspark.sql import DataFrame, SparkSession

from tollgate.platform import short_logs
from tollgate.platform.commits import delta_log
from tollgate.platform.lake import Lake
from tollgate.platform.short_logs import FILES_BY_COMMITS, read_by_commits
from tollgate.platform.skipping import SKIPPING, skipping
from tollgate.platform.trouble import in_words

TABLE = "control_snapshot"


@pytest.fixture
def by_commits(spark: SparkSession) -> Iterator[None]:
    """The session reads so, as local ones do at first: a table of many files, in a test before, has it ask statistics
    from then on."""
    begun = {FILES_BY_COMMITS: "true", SKIPPING: "false"}
    before = {name: spark.conf.get(name) for name in begun}
    for name, value in begun.items():
        spark.conf.set(name, value)
    yield
    for name, value in before.items():
        spark.conf.set(name, str(value))


def append(lake: Lake, number: int) -> None:
    lake.append(lake.frame([(number, f"digest {number}", number)], TABLE).coalesce(1), TABLE, "test", number)


def numbers(frame: DataFrame) -> list[int]:
    return sorted(row.snapshot_id for row in frame.select("snapshot_id").collect())


def read_now(spark: SparkSession, lake: Lake) -> DataFrame | None:
    return read_by_commits(spark, delta_log(spark, lake.path(TABLE)))


@pytest.mark.usefixtures("by_commits")
def test_a_table_is_read_by_one_job_and_the_plan_is_as_delta_makes_it(spark: SparkSession, lake: Lake) -> None:
    for number in (1, 2, 3):
        append(lake, number)
    spark.sparkContext.setJobGroup("short log", "")
    frame = lake.read(TABLE)
    assert numbers(frame) == [1, 2, 3]
    assert len(spark.sparkContext.statusTracker().getJobIdsForGroup("short log")) == 1, "none but the rows' own"
    plain = spark.read.format("delta").load(lake.path(TABLE))
    assert frame.schema == plain.schema
    assert_rows(frame, *plain.collect())


@pytest.mark.usefixtures("by_commits")
def test_partitions_that_are_not_asked_for_are_not_read(spark: SparkSession, lake: Lake) -> None:
    for version in (1, 2):
        rows = lake.frame([(version, "CAD", version)], "price_currency").coalesce(1)
        lake.append(rows, "price_currency", "test", version)
    asked = lake.read("price_currency").where("pricebook_version = 2")
    assert [tuple(row) for row in asked.collect()] == [(2, "CAD", 2)]
    scan = asked._jdf.queryExecution().executedPlan().collectLeaves().head()
    assert scan.metrics().apply("numFiles").value() == 1


@pytest.mark.usefixtures("by_commits")
def test_a_frame_has_the_files_of_its_time_and_one_that_follows_those_of_each_query(
    spark: SparkSession, lake: Lake
) -> None:
    append(lake, 1)
    stands, follows = lake.read(TABLE), lake.read(TABLE, follow=True)
    lake.register_views(query=f"SELECT * FROM {TABLE}")
    append(lake, 2)
    assert (numbers(stands), numbers(follows), numbers(lake.read(TABLE))) == ([1], [1, 2], [1, 2])
    assert numbers(spark.table(TABLE)) == [1, 2], "a view is asked as long as its session lives"


@pytest.mark.usefixtures("by_commits")
def test_what_was_removed_or_made_anew_is_not_read(spark: SparkSession, lake: Lake) -> None:
    for number in (1, 2):
        append(lake, number)
    assert numbers(lake.read(TABLE)) == [1, 2]
    spark.sql(f"DELETE FROM delta.`{lake.path(TABLE)}` WHERE snapshot_id = 1")
    assert numbers(lake.read(TABLE)) == [2]
    # Another table at the same path and at the same version.
    shutil.rmtree(lake.path(TABLE))
    spark._jvm.org.apache.spark.sql.delta.DeltaLog.clearCache()
    for number in (7, 8, 9):
        append(lake, number)
    assert numbers(lake.read(TABLE)) == [7, 8, 9]


@pytest.mark.usefixtures("by_commits")
def test_a_log_that_is_long_or_begins_with_a_checkpoint_is_delta_s_own_affair(
    spark: SparkSession, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (1, 2):
        append(lake, number)
    assert read_now(spark, lake) is not None
    monkeypatch.setattr(short_logs, "FEW_COMMITS", 1)
    assert read_now(spark, lake) is None
    assert numbers(lake.read(TABLE)) == [1, 2]
    monkeypatch.undo()
    log = delta_log(spark, lake.path(TABLE))
    log.checkpoint(lake.snapshot(TABLE), getattr(log, "checkpoint$default$2")())
    spark._jvm.org.apache.spark.sql.delta.DeltaLog.clearCache()
    assert read_now(spark, lake) is None
    append(lake, 3)
    assert numbers(lake.read(TABLE)) == [1, 2, 3]


@pytest.mark.usefixtures("by_commits")
def test_a_commit_that_cannot_be_read_is_left_to_delta_which_names_it(spark: SparkSession, lake: Lake) -> None:
    for number in (1, 2):
        append(lake, number)
    commit = max(Path(lake.path(TABLE), "_delta_log").glob("*.json"))
    commit.write_bytes(commit.read_bytes()[:-40])
    commit.with_name(f".{commit.name}.crc").unlink()
    spark._jvm.org.apache.spark.sql.delta.DeltaLog.clearCache()
    assert read_now(spark, lake) is None
    with pytest.raises(Py4JJavaError) as failed:
        lake.read(TABLE).collect()
    assert in_words(failed.value) is not None and commit.name in str(in_words(failed.value))


@pytest.mark.usefixtures("by_commits")
def test_a_stream_that_goes_on_or_a_session_that_asks_statistics_does_without(spark: SparkSession, lake: Lake) -> None:
    append(lake, 1)
    assert read_now(spark, lake) is not None
    with skipping(spark):
        assert read_now(spark, lake) is None
    spark.conf.set(FILES_BY_COMMITS, "false")
    assert read_now(spark, lake) is None
