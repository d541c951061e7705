"""Drift of a feed: fields that appear, go missing or change their type, and clocks that run ahead, by source.

A share is held against the same source's share in the ranges before, so a feed that always was odd does not ring.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

RECORDS, UNKNOWN, MISSING, RETYPED, CLOCK = "records", "unknown", "missing", "retyped", "clock"
NO_FIELD = ""
UNREGISTERED = "unregistered"

# An alarm: over this share, over so many times the usual one, in a range with enough records to tell.
FLOOR_PPM = 10_000
TIMES_USUAL = 3
LEAST_RECORDS = 50
# How far back usual reaches, and how many names a source may bring that nobody knows.
RANGES_BACK = 30
MOST_FIELDS = 50

_KEY = ("source", "kind", "field")


def drift(usage_event: DataFrame, feed_drift: DataFrame, from_no: int, to_no: int, missing: list[str]) -> DataFrame:
    """Rows of feed_drift for the batches from_no to to_no: at most 4 x MOST_FIELDS + 1 a source.

    usage_event: the rows of these batches. feed_drift: the rows of all ranges before. missing: codes of the rules that
    tell of a missing field.
    """
    # Records are alike by the thousand, so they are counted before their fields are taken apart.
    alike = usage_event.groupBy("source", "reasons", "flags", "unknown_fields", "retyped_fields")
    is_foreign = F.col("source").isNull() | F.array_contains("reasons", "SOURCE_UNKNOWN")
    source = F.when(is_foreign, UNREGISTERED).otherwise(F.col("source"))
    codes = F.concat("reasons", "flags")
    odd = F.array(
        _of_kind(RECORDS, F.array(F.lit(NO_FIELD))),
        _of_kind(UNKNOWN, F.col("unknown_fields")),
        _of_kind(RETYPED, F.col("retyped_fields")),
        _of_kind(MISSING, F.array_intersect(codes, F.array(*[F.lit(code) for code in missing]))),
        _of_kind(CLOCK, F.array_intersect(codes, F.array(F.lit("CLOCK_AHEAD")))),
    )
    kinds = alike.agg(F.count("*").alias("alike")).select(source.alias("source"), "alike", F.inline(odd))
    counted = kinds.select("source", "kind", "alike", F.explode("fields").alias("field")).groupBy(*_KEY)
    of_range = counted.agg(F.sum("alike").alias("records"))
    most_first = Window.partitionBy("source", "kind").orderBy(F.desc("records"), "field")
    few = of_range.withColumn("rank", F.row_number().over(most_first)).where(F.col("rank") <= MOST_FIELDS)
    totals = of_range.where(F.col("kind") == RECORDS).select("source", F.col("records").alias("of_records"))
    usual, known = _usual(feed_drift, from_no)
    # Totals, usual shares and known sources are aggregates, unique by what they are joined on.
    compared = (
        few.join(totals, "source", how="inner").join(usual, [*_KEY], how="left").join(known, "source", how="left")
    )
    # A field that a known source never had has the usual share 0.
    shares = {
        "usual_ppm": F.expr("coalesce(before, 0) * 1000000 div all_before"),
        "share_ppm": F.expr("records * 1000000 div of_records"),
    }
    return compared.withColumns(shares).select(
        F.lit(from_no).cast("BIGINT").alias("from_batch_no"),
        F.lit(to_no).cast("BIGINT").alias("to_batch_no"),
        *_KEY,
        "records",
        "of_records",
        "usual_ppm",
        "share_ppm",
        _is_alarm().alias("is_alarm"),
    )


def told(source: str, kind: str, field: str, records: int, of_records: int, usual_ppm: int, share_ppm: int) -> str:
    """An alarm as one line."""
    what = {UNKNOWN: f"unknown field {field}", RETYPED: f"field {field} of another type"}.get(kind, field)
    return (
        f"drift of source {source}: {what} in {records} of {of_records} records, "
        f"{share_ppm / 10_000:.1f} %, {usual_ppm / 10_000:.1f} % before"
    )


def _of_kind(kind: str, fields: Column) -> Column:
    return F.struct(F.lit(kind).alias("kind"), fields.alias("fields"))


def _usual(feed_drift: DataFrame, from_no: int) -> tuple[DataFrame, DataFrame]:
    """What was odd before, and how many records a source had, both over the last ranges."""
    before = feed_drift.where(F.col("to_batch_no") < from_no)
    recent = Window.orderBy(F.desc("to_batch_no"))
    # A few rows a range, so a window over all of them in one partition stays small.
    last = before.withColumn("age", F.dense_rank().over(recent)).where(F.col("age") <= RANGES_BACK)
    usual = last.groupBy(*_KEY).agg(F.sum("records").alias("before"))
    totals = last.where(F.col("kind") == RECORDS).groupBy("source").agg(F.sum("records").alias("all_before"))
    return usual, totals


def _is_alarm() -> Column:
    is_high = (F.col("share_ppm") > FLOOR_PPM) & (F.col("share_ppm") > TIMES_USUAL * F.col("usual_ppm"))
    is_told = (F.col("kind") != RECORDS) & (F.col("source") != UNREGISTERED) & (F.col("of_records") >= LEAST_RECORDS)
    return F.coalesce(is_told & is_high, F.lit(False))
