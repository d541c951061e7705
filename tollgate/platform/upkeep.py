"""The files of a Delta table: how many, joined into larger ones, rows rewritten, and those removed that none needs.

Whoever calls holds `Lake.alone` of the table.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tollgate.platform.lake import Lake, check_columns, contract
from tollgate.platform.locks import one_of_two
from tollgate.platform.widening import widen

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

# Delta forgets what a removed file was after this long; a reader that is slower may lose the files that it reads.
SAFE_HOURS = 168
# A file from half of it on is left as it is, so that a growing table is not rewritten each night.
LARGEST_FILE_BYTES = 256 << 20
# Spark would start ten thousand tasks to list a folder.
LISTING_TASKS = 8
MILLION = 1_000_000


@dataclass(frozen=True)
class Size:
    """What a table consists of now."""

    files: int
    bytes: int
    rows: int
    partitions: int

    @property
    def files_per_million(self) -> int:
        """Files for a million rows, rounded up; 0 without rows."""
        return -(-self.files * MILLION // self.rows) if self.rows else 0


def size_of(lake: Lake, table: str) -> Size:
    """Files, bytes, rows and partitions of a table, from its log."""
    from pyspark.sql import DataFrame
    from pyspark.sql import functions as F

    files = DataFrame(lake.snapshot(table).allFiles().toDF(), lake.spark)
    found = files.agg(
        F.count("*").alias("files"),
        F.coalesce(F.sum("size"), F.lit(0)).alias("bytes"),
        F.count_distinct(F.to_json("partitionValues")).alias("partitions"),
    ).first()
    assert found is not None
    return Size(found["files"], found["bytes"], lake.read(table).count(), found["partitions"])


def compact(lake: Lake, table: str) -> None:
    """Join the small files of each partition; no row changes, and without two of them nothing is committed."""
    from delta.tables import DeltaTable

    sizes = {
        "spark.databricks.delta.optimize.maxFileSize": str(LARGEST_FILE_BYTES),
        "spark.databricks.delta.optimize.minFileSize": str(LARGEST_FILE_BYTES // 2),
    }
    with _configured(lake.spark, sizes), one_of_two(lake.path(table)):
        DeltaTable.forPath(lake.spark, lake.path(table)).optimize().executeCompaction()


def rewrite(
    lake: Lake,
    table: str,
    where: str,
    change: Callable[[DataFrame], DataFrame],
    app_id: str,
    version: int,
    metadata: Mapping[str, Any],
) -> None:
    """Replace the rows `where` by what `change` makes of them, in one commit that happens once, see `Lake.append`."""
    changed = change(lake.read(table).where(where))
    check_columns(changed, table)
    widen(lake.spark, lake.snapshot(table), lake.path(table), contract(table), table)
    writer = changed.write.format("delta").mode("overwrite").option("replaceWhere", where)
    writer = writer.option("txnAppId", app_id).option("txnVersion", str(version))
    with one_of_two(lake.path(table)):
        writer.option("userMetadata", json.dumps(metadata, sort_keys=True)).save(lake.path(table))


def vacuum(lake: Lake, table: str, hours: int) -> int:
    """Delete the files that no version of the last `hours` needs, and return how many; slower readers lose theirs."""
    from delta.tables import DeltaTable

    settings = {
        "spark.databricks.delta.retentionDurationCheck.enabled": str(hours >= SAFE_HOURS).lower(),
        # Else every number of hours but 0 is taken for seven days.
        "spark.databricks.delta.vacuum.retentionWindowIgnore.enabled": "false",
        "spark.databricks.delta.vacuum.logging.enabled": "true",
        "spark.sql.sources.parallelPartitionDiscovery.parallelism": str(LISTING_TASKS),
    }
    delta = DeltaTable.forPath(lake.spark, lake.path(table))
    with _configured(lake.spark, settings), _console_to_stderr(lake.spark):
        delta.vacuum(hours)
    ends = delta.history(10).where("operation = 'VACUUM END'").orderBy("version", ascending=False)
    last = ends.select("operationMetrics.numDeletedFiles").first()
    return int(last["numDeletedFiles"]) if last else 0


@contextmanager
def _configured(spark: SparkSession, values: Mapping[str, str]) -> Iterator[None]:
    before = {name: spark.conf.get(name, None) for name in values}
    for name, value in values.items():
        spark.conf.set(name, value)
    try:
        yield
    finally:
        for name, old in before.items():
            if old is None:
                spark.conf.unset(name)
            else:
                spark.conf.set(name, old)


@contextmanager
def _console_to_stderr(spark: SparkSession) -> Iterator[None]:
    # Delta prints what a vacuum did; a job's stdout ends with its summary and holds nothing else.
    jvm: Any = spark._jvm
    console = getattr(getattr(jvm.scala, "Console$"), "MODULE$")
    stdout = console.out()
    console.setOutDirect(console.err())
    try:
        yield
    finally:
        console.setOutDirect(stdout)
