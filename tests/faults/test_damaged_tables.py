"""Files of the Delta tables are cut off, emptied, changed or missing: told in words, and nothing is published."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from faults.route import Route
from tollgate.platform.job import guarded
from tollgate.platform.upkeep import SAFE_HOURS, compact, vacuum


def log_of(route: Route, table: str) -> Path:
    return Path(route.lake.path(table)) / "_delta_log"


def data_of(route: Route, table: str) -> list[Path]:
    return sorted(file for file in Path(route.lake.path(table)).rglob("part-*.parquet"))


def forget(spark: SparkSession) -> None:
    """What this process has read of logs is gone, as in one that has just started."""
    spark._jvm.org.apache.spark.sql.delta.DeltaLog.clearCache()


def without_checksum(file: Path) -> None:
    file.with_name(f".{file.name}.crc").unlink(missing_ok=True)


def a_commit_is_cut_off(route: Route) -> None:
    file = max(log_of(route, "usage_event").glob("*.json"))
    file.write_bytes(file.read_bytes()[:-200])
    without_checksum(file)


def a_commit_is_missing(route: Route) -> None:
    min(log_of(route, "usage_event").glob("*.json")).unlink()


def a_file_is_zeroed(route: Route) -> None:
    for file in data_of(route, "usage_event"):
        file.write_bytes(bytes(file.stat().st_size))
        without_checksum(file)


def a_file_is_missing(route: Route) -> None:
    for file in data_of(route, "usage_event"):
        file.unlink()


def a_bit_is_flipped(route: Route) -> None:
    flipped = 0
    for file in data_of(route, "usage_event"):
        content = bytearray(file.read_bytes())
        # The first event id of a file stands in a page of rows; half of so small a file is its footer.
        at = content.find(b"202610-")
        if at >= 0:
            content[at + 1] ^= 1
            file.write_bytes(bytes(content))
            flipped += 1
        # As on a disk that keeps no checksums beside its files.
        without_checksum(file)
    assert flipped


def told_of(action: Callable[[], object], capsys) -> str:
    """What a person reads of it, who sees it fail."""
    capsys.readouterr()
    assert guarded(lambda: action() and None) == 1
    told = capsys.readouterr().err
    assert "Traceback" not in told and len(told) < 900, told
    return told


@pytest.mark.covers("MED-29")
@pytest.mark.parametrize(
    "damage",
    [
        a_commit_is_cut_off,
        a_commit_is_missing,
        a_file_is_zeroed,
        a_file_is_missing,
        a_bit_is_flipped,
    ],
)
def test_who_reads_a_damaged_table_is_told_which_file(copy_of, tmp_path, capsys, damage: Callable[[Route], None]):
    route = copy_of(tmp_path / "lake")
    damage(route)
    forget(route.spark)
    told = told_of(lambda: route.lake.read("usage_event").collect(), capsys)
    assert "a table is damaged: a file of its log or of its rows is missing or cannot be read" in told
    assert "/lake/usage_event/" in told.splitlines()[0] and "from one backup" in told


@pytest.mark.long
@pytest.mark.covers("MED-14", "MED-29")
def test_a_damaged_table_stops_the_stream_and_nothing_is_published(copy_of, tmp_path, capsys):
    route = copy_of(tmp_path / "lake")
    marks = route.lake.read("control_mediation").count()
    a_file_is_zeroed(route)
    forget(route.spark)
    assert "a table is damaged" in told_of(route.mediate, capsys)
    assert route.lake.read("control_mediation").count() == marks


@pytest.mark.covers("MED-14", "MED-29")
@pytest.mark.parametrize("table", ["raw_cdr", "usage_event"])
def test_a_commit_that_a_power_cut_left_empty_stops_the_stream(copy_of, tmp_path, capsys, table):
    """To Delta it is a commit of nothing."""
    route = copy_of(tmp_path / "lake")
    file = max(log_of(route, table).glob("*.json"))
    file.write_bytes(b"")
    without_checksum(file)
    forget(route.spark)
    assert route.lake.read(table).count() < 200
    told = told_of(route.mediate, capsys)
    assert f"{table} is damaged: it has lost commits of batches that are published" in told
    assert "expected: mediate_usage/1 up to batch" in told and "from one backup" in told


@pytest.mark.covers("MED-29")
def test_a_damaged_checkpoint_of_a_log_is_named_and_can_be_done_without(copy_of, tmp_path, capsys):
    route = copy_of(tmp_path / "lake")
    rows = route.lake.read("usage_event").count()
    route.lake.snapshot("usage_event").deltaLog().checkpoint()
    log = log_of(route, "usage_event")
    [checkpoint] = log.glob("*.checkpoint*.parquet")
    checkpoint.write_bytes(bytes(checkpoint.stat().st_size))
    without_checksum(checkpoint)
    forget(route.spark)
    told = told_of(lambda: route.lake.read("usage_event").collect(), capsys)
    assert checkpoint.name in told and "move this file and `_last_checkpoint` away" in told
    checkpoint.unlink()
    (log / "_last_checkpoint").unlink()
    forget(route.spark)
    assert route.lake.read("usage_event").count() == rows


@pytest.mark.long
@pytest.mark.covers("PRF-13")
def test_a_reader_whose_files_a_vacuum_has_taken_fails_and_never_reads_less(copy_of, tmp_path, capsys):
    route = copy_of(tmp_path / "lake")
    before = int(route.lake.snapshot("usage_event").version())
    # A question that began before: it goes by the version that it has found.
    slow = route.spark.read.format("delta").option("versionAsOf", before).load(route.lake.path("usage_event"))
    compact(route.lake, "usage_event")
    assert vacuum(route.lake, "usage_event", SAFE_HOURS) == 0
    rows = len(slow.collect())
    assert rows == 200, "the old files stay for the readers of the old version"
    assert vacuum(route.lake, "usage_event", 0) > 0
    assert "a table is damaged" in told_of(lambda: slow.select("batch_no").collect(), capsys)
    assert route.lake.read("usage_event").count() == rows
