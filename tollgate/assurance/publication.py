"""How far a table may be read: the last batch, and the last batch rated, before the first mark that is missing or out
of balance."""

from __future__ import annotations

from datetime import datetime

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

NOTHING = -1


def published_to(control_mediation: DataFrame) -> DataFrame:
    """One row, `to_no` BIGINT: the last batch up to which every mark is there and balances; -1 when there is none.

    A number may be skipped between two checkpoint generations only; there the offsets join up,
    which each start of the stream and `reconcile` look at. Source: docs/architecture.md, "Publish mark".
    """
    order = Window.orderBy("batch_no")
    marks = control_mediation.select("batch_no", "generation", "balanced")
    follows = (F.col("batch_no") == F.lag("batch_no").over(order) + 1) | (
        F.col("generation") != F.lag("generation").over(order)
    )
    return _before_the_first_gap(marks, "batch_no", "batch_no", F.coalesce(follows, F.lit(True)))


def arrived_to(control_mediation: DataFrame, before: datetime) -> DataFrame:
    """One row, `to_no` BIGINT: the last published batch all of whose records arrived before an instant; -1 when there
    is none.

    Whatever arrived in the batches up to it counts with it: one record stamped far ahead holds back its own batch only,
    until a later one is over.
    """
    in_time = control_mediation.where(F.col("recorded_at") < F.lit(before)).select("batch_no")
    published = in_time.join(published_to(control_mediation), F.col("batch_no") <= F.col("to_no"), how="left_semi")
    return published.agg(F.coalesce(F.max("batch_no"), F.lit(NOTHING)).cast("bigint").alias("to_no"))


def rated_to(control_rating: DataFrame) -> DataFrame:
    """One row, `to_no` BIGINT: the last batch that balanced rating runs have taken; -1 when there is none."""
    return _runs_before_the_first_gap(control_rating, "to_batch_no")


def rating_runs_to(control_rating: DataFrame) -> DataFrame:
    """One row, `to_no` BIGINT: the last rating run up to which every mark is there and balances; -1 when there is
    none."""
    return _runs_before_the_first_gap(control_rating, "rating_no")


def _runs_before_the_first_gap(control_rating: DataFrame, reached: str) -> DataFrame:
    order = Window.orderBy("rating_no")
    runs = control_rating.select("rating_no", "to_batch_no", "balanced")
    follows = F.col("rating_no") == F.lag("rating_no").over(order) + 1
    return _before_the_first_gap(runs, "rating_no", reached, F.coalesce(follows, F.lit(True)))


def _before_the_first_gap(marks: DataFrame, number: str, reached: str, follows: Column) -> DataFrame:
    # One row a batch or night, so a window over all of them in one partition stays small.
    sound = marks.withColumn("is_sound", F.col("balanced") & follows)
    until_here = Window.orderBy(number).rowsBetween(Window.unboundedPreceding, Window.currentRow)
    unbroken = sound.withColumn("is_unbroken", F.min(F.col("is_sound")).over(until_here)).where("is_unbroken")
    return unbroken.agg(F.coalesce(F.max(reached), F.lit(NOTHING)).cast("bigint").alias("to_no"))
