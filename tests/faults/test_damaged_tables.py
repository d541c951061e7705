"""Files of the Delta tables are cut off, emptied, changed or missing, and disks fill up: told in words, nothing is
published that is not whole."""

from __future__ import annotations

import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from faults.route import Route
from tollgate.platform.errors import TollgateError
from tollgate.platform.job import guarded


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


def a_commit_is_empty(route: Route) -> None:
    file = max(log_of(route, "usage_event").glob("*.json"))
    file.write_bytes(b"")
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
    for file in data_of(route, "usage_event"):
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(bytes(content))


@pytest.mark.covers("MED-14", "MED-29")
@pytest.mark.parametrize(
    "damage",
    [
        a_commit_is_cut_off,
        a_commit_is_empty,
        a_commit_is_missing,
        a_file_is_zeroed,
        a_file_is_missing,
        a_bit_is_flipped,
    ],
)
def test_a_damaged_table_stops_the_stream_in_words(copy_of, tmp_path, capsys, damage: Callable[[Route], None]):
    route = copy_of(tmp_path / "lake")
    marks = route.lake.read("control_mediation").count()
    damage(route)
    forget(route.spark)
    capsys.readouterr()
    assert guarded(lambda: route.mediate()) == 1
    told = capsys.readouterr().err
    print(told)
    assert "damaged" in told and "usage_event" in told and "way out" in told and "Traceback" not in told
    assert route.lake.read("control_mediation").count() == marks
