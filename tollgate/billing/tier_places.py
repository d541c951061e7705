"""Places in the count of graduated tiers, where some of them were freed: usage takes the first ones that are free.

Billed events hold places [from_unit, to_unit) among the units that a rate counts in a cycle, and a reversal frees those
of the event that it takes back. Source: docs/billing.md, "Tiers".
"""

from __future__ import annotations

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from tollgate.billing.carried import EVENT_KEY

COUNTER = ["rate_id", "counts", "counter_id", "origin_cycle"]
PLACES = "ARRAY<STRUCT<from_unit: BIGINT, to_unit: BIGINT>>"
# Where places begin and end, and what that does to the number of events that hold a unit.
BOUNDS = """
explode(flatten(transform(tier_places, place -> array(
  named_struct('unit', place.from_unit, 'change', sign), named_struct('unit', place.to_unit, 'change', -sign)))))
"""
UNTIL_NOW = (Window.unboundedPreceding, Window.currentRow)


def in_free_places(told: DataFrame, counted: DataFrame) -> DataFrame:
    """Add `tier_places`: `kept_places` where a row has some, else the first places that are free, in the order of the
    events; empty where an event has no units left to count.

    told: usage with COUNTER, `tiers`, `left_units` and `kept_places`; it is read twice. counted: COUNTER, `kind`,
    `left_units` and `tier_places` of all that has places already, reversals with those that they free.
    """
    wanted = told.where("tiers IS NOT NULL AND left_units > 0 AND kept_places IS NULL")
    places = _laid_out(wanted, _gaps(counted))
    found = F.coalesce("kept_places", "found_places", F.array().cast(PLACES))
    return told.join(places, EVENT_KEY, how="left").withColumn("tier_places", found)


def _gaps(counted: DataFrame) -> DataFrame:
    """COUNTER, and of each run of free units how many free ones are before it, `at`, and how many taken ones, `shift`:
    the free unit number n of a gap has the place n + shift."""
    # Rows from before the column are older than any correction of such usage: they hold the first places.
    older = (
        counted.where("tier_places IS NULL").groupBy(*COUNTER).agg(F.sum("left_units").alias("older_units"))
        .selectExpr(*COUNTER, "'original' AS kind",
                    f"CAST(array(named_struct('from_unit', 0L, 'to_unit', older_units)) AS {PLACES}) AS tier_places")
    )  # fmt: skip
    holders = counted.drop("left_units").where("tier_places IS NOT NULL").unionByName(older)
    bounds = (
        holders.withColumn("sign", F.expr("CASE WHEN kind = 'reversal' THEN -1L ELSE 1L END"))
        .select(*COUNTER, F.expr(BOUNDS).alias("bound"))
        .groupBy(*COUNTER, F.col("bound.unit").alias("unit"))
        .agg(F.sum("bound.change").alias("change"))
        .where("change <> 0")
    )
    so_far = Window.partitionBy(*COUNTER).orderBy("unit").rowsBetween(*UNTIL_NOW)
    # Where nobody holds a unit, all places before it have both of their bounds there: their sum is their length.
    known = {"holders": F.sum("change").over(so_far), "shift": -F.sum(F.col("change") * F.col("unit")).over(so_far)}
    return (
        bounds.withColumns(known)
        .where("holders = 0")
        .select(*COUNTER, (F.col("unit") - F.col("shift")).alias("at"), "shift")
    )


def _laid_out(wanted: DataFrame, gaps: DataFrame) -> DataFrame:
    """EVENT_KEY and `found_places`: the events laid end to end over the free units, cut where gaps end."""
    in_order = Window.partitionBy(*COUNTER).orderBy("started_at", "source", "event_id", "revision")
    laid = wanted.withColumn("ends_at_unit", F.sum("left_units").over(in_order.rowsBetween(*UNTIL_NOW)))
    event = F.struct(*EVENT_KEY, F.col("ends_at_unit").alias("end"))
    starts = laid.select(*COUNTER, (F.col("ends_at_unit") - F.col("left_units")).alias("at"), event.alias("event"))
    points = starts.unionByName(gaps, allowMissingColumns=True)
    # Of a gap and an event that begin together the gap is first; no two gaps do, and no two events.
    order = Window.partitionBy(*COUNTER).orderBy("at", F.col("event").isNotNull())
    until_now = order.rowsBetween(*UNTIL_NOW)
    pieces = (
        points.withColumns(
            {"of": F.last("event", ignorenulls=True).over(until_now),
             "by": F.coalesce(F.last("shift", ignorenulls=True).over(until_now), F.lit(0)),
             "next": F.lead("at").over(order)}
        )
        .withColumn("till", F.least("of.end", F.coalesce("next", "of.end")))
        .where("at < till")
    )  # fmt: skip
    place = F.struct((F.col("at") + F.col("by")).alias("from_unit"), (F.col("till") + F.col("by")).alias("to_unit"))
    places = F.sort_array(F.collect_list(place)).cast(PLACES)
    return pieces.groupBy(*[F.col(f"of.{name}") for name in EVENT_KEY]).agg(places.alias("found_places"))
