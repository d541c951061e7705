"""How many partitions a shuffle has where many rows are known to come."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

PARTITIONS = "spark.sql.shuffle.partitions"
# Rows as wide as those of usage. A task of a bill run sorts and joins its partition several times over; of five million
# such rows it found no room in a heap of 3 GB.
ROWS_A_PARTITION = 250_000


def spread(spark: SparkSession, rows: int) -> None:
    """For the rest of the session: as many partitions as `rows` need, or as the settings say if they say more."""
    wanted = -(-rows // ROWS_A_PARTITION)
    if wanted > int(spark.conf.get(PARTITIONS) or 1):
        spark.conf.set(PARTITIONS, str(wanted))


def spread_by(marks: DataFrame, rows: str) -> None:
    """`spread` for the sum that a table of marks tells. rows: a number of each mark, as SQL."""
    told = marks.selectExpr(f"coalesce(sum({rows}), 0)").first()
    assert told is not None
    spread(marks.sparkSession, int(told[0]))
