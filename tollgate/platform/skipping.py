"""Whether a read looks at each file's statistics first: a query of its own, that pays once a table has many files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SKIPPING = "spark.databricks.delta.stats.skipping"
# Opening a file that holds nothing of what is asked takes some milliseconds, asking the statistics a quarter of a
# second.
FEW_FILES = 64

# Tables whose number of files was asked by this process. Only an append makes it grow, and asks again.
_asked: set[str] = set()


def skip_if_many(spark: SparkSession, snapshot: Any) -> None:
    """Turn the statistics on, for the rest of the session, when the table of `snapshot` has more than FEW_FILES.

    They are off only in sessions on one machine, see `tollgate/platform/spark.py`.
    """
    if spark.conf.get(SKIPPING, "true") == "true":
        return
    checksum = snapshot.checksumOpt()
    if not checksum.isDefined() or checksum.get().numFiles() > FEW_FILES:
        spark.conf.set(SKIPPING, "true")


def skip_if_not_asked(spark: SparkSession, path: str, snapshot: Callable[[], Any]) -> None:
    """`skip_if_many` for the table at `path`, unless this process has asked for it before."""
    if path not in _asked:
        _asked.add(path)
        skip_if_many(spark, snapshot())


@contextmanager
def skipping(spark: SparkSession) -> Iterator[None]:
    """Plans that are made inside look at the statistics, however few files there are.

    What is left unread is then known before the rest is shared out. A scan that finds it out file by file has counted
    all of them as work, and gives the few that matter to one core.
    """
    before = spark.conf.get(SKIPPING, "true")
    spark.conf.set(SKIPPING, "true")
    try:
        yield
    finally:
        spark.conf.set(SKIPPING, before or "true")
