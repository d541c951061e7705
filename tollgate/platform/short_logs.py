"""Reading a table whose log is short: its files are told by the commits themselves.

Delta asks by two queries which files a table has, one for its state and one for each scan, a third for their size. Over
a log of a few commits both cost more than the commits take to read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tollgate.platform.commits import no_value
from tollgate.platform.skipping import SKIPPING

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

# In the session's settings: whether tables are read so. A frame then holds the files that stood when it was made.
FILES_BY_COMMITS = "spark.tollgate.filesByCommits"
# Delta writes its first checkpoint after ten, and with one the commits before it need not be there any more.
FEW_COMMITS = 20

# The files of a table as of a version of it, by its path: one Scala sequence, in the JVM.
_told: dict[str, tuple[str, int, Any]] = {}


def read_by_commits(spark: SparkSession, log: Any) -> DataFrame | None:
    """The rows of the table of `log` as it stands now; None where its commits are many or not all there, or one cannot
    be read: Delta's own query then says which.

    None too where the session does not have it so, or leaves files unread by their statistics.
    """
    from py4j.protocol import Py4JJavaError
    from pyspark.sql import DataFrame

    if spark.conf.get(FILES_BY_COMMITS, "false") != "true" or spark.conf.get(SKIPPING, "true") == "true":
        return None
    none = no_value(spark)
    snapshot = log.update(False, none, none)
    version = int(snapshot.version())
    if version >= FEW_COMMITS or not snapshot.checkpointProvider().isEmpty():
        return None
    # Two tables that stood at one path have two ids.
    path, table = str(log.dataPath().toString()), str(snapshot.metadata().id())
    told = _told.get(path)
    if told is None or told[:2] != (table, version):
        try:
            told = table, version, _files(spark, log, version)
        except Py4JJavaError:
            return None
        _told[path] = told
    return DataFrame(log.createDataFrame(snapshot, told[2], False, none), spark)


def _files(spark: SparkSession, log: Any, version: int) -> Any:
    """What the commits up to `version` have added and not removed, by Delta's own replay of a log."""
    jvm: Any = spark._jvm
    none = no_value(spark)
    replay = jvm.org.apache.spark.sql.delta.actions.InMemoryLogReplay(none, none)
    commits = log.getChanges(0, version, none, True)
    while commits.hasNext():
        commit = commits.next()
        replay.append(commit._1(), commit._2().iterator())
    return replay.allFiles()
