"""A table that is older than its contract: new columns are read as NULL, and added to it before the next append."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tollgate.platform.errors import TollgateError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.types import StructField, StructType


def as_contract(stored: DataFrame, wanted: StructType, table: str) -> DataFrame:
    """The rows of a table in the columns of its contract, in that order; NULL where the table is older than a column.

    TollgateError when no new column explains the difference, see `new_columns`.
    """
    from pyspark.sql import functions as F

    # One call to the JVM: a table is never narrowed, so equal numbers are equal columns.
    if stored._jdf.schema().length() == len(wanted):
        return stored
    new = {field.name for field in new_columns(stored.schema, wanted, table)}
    return stored.select(
        *[F.lit(None).cast(field.dataType).alias(field.name) if field.name in new else field.name for field in wanted]
    )


def widen(spark: SparkSession, snapshot: Any, path: str, wanted: StructType, table: str) -> None:
    """Add to the table at `path` the columns that its contract has gained: one commit, none when nothing is new.

    snapshot: Delta's account of the table as it stands. TollgateError when no new column explains the
    difference, see `new_columns`.
    """
    if snapshot.schema().length() == len(wanted):
        return
    stored = spark.read.format("delta").load(path)
    added = ", ".join(_told(field, wanted) for field in new_columns(stored.schema, wanted, table))
    spark.sql(f"ALTER TABLE delta.`{path}` ADD COLUMNS ({added})")


def new_columns(stored: StructType, wanted: StructType, table: str) -> list[StructField]:
    """The contract's columns that the table lacks; TollgateError for any difference that is more than that."""
    known = {field.name: field.dataType for field in stored}
    gained = [field for field in wanted if field.name not in known]
    foreign = sorted(known.keys() - set(wanted.names))
    retyped = [field.name for field in wanted if known.get(field.name, field.dataType) != field.dataType]
    required = [field.name for field in gained if not field.nullable]
    another = "give the new column another name and let it be NULL"
    for names, what, way_out in (
        (
            foreign, "has columns that the contract does not know: it was written by a newer program",
            "go back to the release that wrote it, or put the column into the contract",
        ),
        (retyped, "has columns of another type than the contract", another),
        (required, "lacks columns that the contract makes NOT NULL, and its rows have no value for them", another),
    ):  # fmt: skip
        if names:
            raise TollgateError(
                f"table {table} {what}",
                where=f"schemas/{table}.ddl",
                expected="the table's own columns, and new ones that may be NULL",
                found=", ".join(names),
                way_out=way_out,
            )
    return gained


def _told(field: StructField, wanted: StructType) -> str:
    comment = field.metadata.get("comment", "").replace("\\", "\\\\").replace("'", "\\'")
    number = wanted.names.index(field.name)
    # Where the contract has it, so that the table then reads as one that was made today.
    place = f"AFTER `{wanted.names[number - 1]}`" if number else "FIRST"
    return f"`{field.name}` {field.dataType.simpleString()} COMMENT '{comment}' {place}"
