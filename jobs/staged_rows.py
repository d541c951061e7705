"""Rows in a staging table as the plan made them: how many, and a sum over all their columns, taken in both stores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DateType, StructField

# Staging says them by itself: they choose the rows.
CHOSEN_BY = ("run_id", "fencing")
# A date as PostgreSQL shows it follows a setting of the session.
DATE_TEXT = "to_char({}, 'YYYY-MM-DD')"


def made(frames: Mapping[str, DataFrame]) -> dict[str, tuple[int, int]]:
    """(rows, contents) of each frame, under its name; one action for all. frames: of texts, numbers and dates only."""
    told = []
    for name, frame in frames.items():
        text = _text(_fields(frame), "CAST({} AS STRING)", "CAST({} AS STRING)")
        number = F.expr(f"CAST(conv(substr(md5({text}), 1, 15), 16, 10) AS DECIMAL(20,0))")
        told.append(frame.select(F.lit(name).alias("name"), number.alias("number")))
    sums = reduce(DataFrame.unionByName, told).groupBy("name")
    rows = sums.agg(F.count("*").alias("rows"), F.sum("number").alias("contents")).collect()
    found = {row["name"]: (int(row["rows"]), int(row["contents"])) for row in rows}
    return {name: found.get(name, (0, 0)) for name in frames}


def in_staging(table: str, frame: DataFrame, condition: str) -> str:
    """SQL of PostgreSQL that gives the same two numbers of the rows of `table` that meet the condition."""
    text = _text(_fields(frame), "{}::text", DATE_TEXT)
    contents = f"coalesce(sum(('x' || substr(md5({text}), 1, 15))::bit(60)::bigint), 0)"
    return f"SELECT count(*), {contents} FROM {table} WHERE {condition}"


def _fields(frame: DataFrame) -> list[StructField]:
    return [field for field in frame.schema.fields if field.name not in CHOSEN_BY]


def _text(fields: Sequence[StructField], other: str, date: str) -> str:
    # Each value with its name, since what is NULL says nothing.
    shown = [(date if isinstance(one.dataType, DateType) else other).format(one.name) for one in fields]
    named = [f"'{one.name}=' || {value}" for one, value in zip(fields, shown, strict=True)]
    return f"concat_ws(chr(31), {', '.join(named)})"
