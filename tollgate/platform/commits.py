"""One commit to a Delta table that happens once, at a cost that does not grow with the table.

Delta's own idempotent write asks the table's whole state, a query over all of its files, for the last version that a
writer committed. The checksum file beside each commit names it too; so the same transaction is made here, step by step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.types import StructType


def delta_log(spark: SparkSession, path: str) -> Any:
    """Delta's log of the table at `path`, which need not exist."""
    jvm: Any = spark._jvm
    return jvm.org.apache.spark.sql.delta.DeltaLog.forTable(spark._jsparkSession, path)


def committed_versions(spark: SparkSession, snapshot: Any) -> dict[str, int]:
    """The highest version that each writer (app_id) has committed to the table of `snapshot`."""
    convert = _jvm(spark).scala.jdk.javaapi.CollectionConverters
    checksum = snapshot.checksumOpt()
    # No checksum on an old or foreign commit, none of its list when a table has over a hundred writers.
    told = checksum.get().setTransactions() if checksum.isDefined() else checksum
    if told.isDefined():
        return {str(one.appId()): int(one.version()) for one in convert.asJava(told.get())}
    return versions_in_log(spark, snapshot)


def versions_in_log(spark: SparkSession, snapshot: Any) -> dict[str, int]:
    """As `committed_versions`, but from the commits themselves, whatever the checksum file says of them: a query."""
    convert = _jvm(spark).scala.jdk.javaapi.CollectionConverters
    return {str(app_id): int(version) for app_id, version in convert.asJava(snapshot.transactions()).items()}


def append_once(
    frame: DataFrame,
    path: str,
    schema: StructType,
    partitioned_by: list[str],
    app_id: str,
    version: int,
    metadata: str | None,
) -> None:
    """Append `frame` to the table at `path` in one commit that also makes the table, when there is none.

    A `version` not above the last one of `app_id` writes nothing. `frame` has the columns of `schema`;
    metadata: kept with the commit as it is. Raises Delta's ConcurrentTransactionException, and keeps nothing of the
    rows, when another process commits as `app_id` at the same moment.
    """
    spark = frame.sparkSession
    delta, none = _jvm(spark).org.apache.spark.sql.delta, no_value(spark)
    transaction = delta_log(spark, path).startTransaction(none, none)
    if transaction.readVersion() < 0:
        transaction.updateMetadataForNewTable(_new_table(spark, transaction.metadata(), schema, partitioned_by))
    elif version <= committed_versions(spark, transaction.snapshot()).get(app_id, -1):
        return
    # What was just looked up: a commit by the same writer in between is a conflict.
    transaction.readTxn().addOne(app_id)
    files = transaction.writeFiles(frame._jdf)
    some = _jvm(spark).scala.Option.apply
    transaction.updateSetTransaction(app_id, version, some(transaction.clock().getTimeMillis()))
    mode = _jvm(spark).org.apache.spark.sql.SaveMode.Append
    write = getattr(delta, "DeltaOperations$Write")
    transaction.commit(files, write(mode, none, none, some(metadata), none, none, none, none, none))


def _new_table(spark: SparkSession, empty: Any, schema: StructType, partitioned_by: list[str]) -> Any:
    names = _jvm(spark).java.util.ArrayList(partitioned_by)
    return _jvm(spark).org.apache.spark.sql.delta.actions.Metadata(
        empty.id(),
        None,
        None,
        empty.format(),
        schema.json(),
        _jvm(spark).scala.jdk.javaapi.CollectionConverters.asScala(names).toSeq(),
        empty.configuration(),
        empty.createdTime(),
    )


def _jvm(spark: SparkSession) -> Any:
    return spark._jvm


def no_value(spark: SparkSession) -> Any:
    """Scala's None."""
    return getattr(getattr(_jvm(spark).scala, "None$"), "MODULE$")
