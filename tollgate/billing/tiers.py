"""Graduated tiers: the price of a unit follows from how many units of the rate came before it in the cycle.

The night charges every event at the first tier. Here the events of a rate that has tiers are priced again, in their
order, on the units that allowances left. What posted runs counted stays counted, so late usage goes on where they
ended; what reversals freed is taken first. Source: docs/billing.md, "Tiers".
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from tollgate.billing.carried import EVENT_KEY
from tollgate.billing.tier_places import COUNTER, PLACES, in_free_places
from tollgate.money import EXACT, rounded_amount

RATE = ["pricebook_version", "rate_id"]
IS_GRADUATED = "coalesce(mode, 'graduated') = 'graduated'"
IS_PRICED = "retail_status = 'rated' AND price_source = 'rate'"
# Units of the event in a tier, and what all of them cost, in micros of the block.
IN_TIER = """
aggregate(tier_places, 0L, (units, place) -> units + greatest(0L,
  least(coalesce(tier.to_units, place.to_unit), place.to_unit) - greatest(tier.from_units, place.from_unit)))
"""
OF_TIERS = f"""
aggregate(tiers, CAST(0 AS {EXACT}), (cost, tier) -> CAST(try_add(cost, try_multiply(
  CAST({IN_TIER} AS {EXACT}), tier.unit_price_micros)) AS {EXACT}))
"""


def with_tier_charge(
    usage: DataFrame, tiers: DataFrame, rated: DataFrame, posted_usage: DataFrame, settled: DataFrame | None = None
) -> DataFrame:
    """Set `net_numerator`, `net_denominator` and `net_charge` of events whose rate has tiers, and their `tier_places`;
    the others stay, without places.

    usage: with_net_charge; tiers: price_tier of all versions, each event takes those of the version that rated it;
    rated: rated_usage, posted_usage: billed_usage of posted runs, for the units that they counted. Events count in the
    order (started_at, source, event_id, revision). NULL where it cannot be known, which parks the account.
    settled: rows of this run whose `tier_places` are known before, as `usage` may be in `kept_places`; None where
    nothing is corrected. With it usage is read twice.
    """
    of_rate = F.broadcast(of_rates(tiers.where(IS_GRADUATED)))
    told = usage.join(of_rate, RATE, how="left").withColumns({"counter_id": counter(), "left_units": left_units()})
    counted = _counted(rated, posted_usage, of_rate)
    if settled is None:
        placed = _after(told, counted)
    else:
        placed = in_free_places(told, counted.unionByName(_of_counters(settled, of_rate)))
    numerator = f"CAST(try_multiply({OF_TIERS}, discount_num) AS {EXACT})"
    denominator = f"CAST(try_multiply(CAST(block_units AS {EXACT}), discount_den) AS {EXACT})"
    priced = placed.withColumns({"tier_numerator": F.expr(numerator), "tier_denominator": F.expr(denominator)})
    net = rounded_amount("tier_numerator", "tier_denominator", "digits", "rounding")
    is_tiered = f"tiers IS NOT NULL AND {IS_PRICED}"
    return priced.select(
        *[name for name in usage.columns if not name.startswith("net_")],
        *[F.expr(f"CASE WHEN {is_tiered} THEN {of_tier} ELSE {name} END").alias(name)
          for name, of_tier in (("net_numerator", "tier_numerator"), ("net_denominator", "tier_denominator"),
                                ("net_charge", net))],
        F.expr(f"CASE WHEN {is_tiered} THEN tier_places END").cast(PLACES).alias("tier_places"),
    )  # fmt: skip


def of_rates(tiers: DataFrame) -> DataFrame:
    """One row a version and rate: what its tiers count, and `tiers`, ARRAY of (from_units, to_units, price)."""
    tier = F.struct("from_units", "to_units", "unit_price_micros")
    return tiers.groupBy(*RATE).agg(F.max("counts").alias("counts"), F.collect_list(tier).alias("tiers"))


def _counted(rated: DataFrame, posted_usage: DataFrame, of_rate: DataFrame) -> DataFrame:
    """COUNTER, `kind`, `left_units` and `tier_places` of what posted runs billed at rates with tiers."""
    posted = posted_usage.select(*EVENT_KEY, "origin_cycle", "free_units", "tier_places")
    return _of_counters(rated.join(posted, EVENT_KEY, how="inner"), of_rate)


def _of_counters(billed: DataFrame, of_rate: DataFrame) -> DataFrame:
    return (
        billed.where(IS_PRICED)
        .join(of_rate.select(*RATE, "counts"), RATE, how="inner")
        .withColumns({"counter_id": counter(), "left_units": left_units()})
        .select(*COUNTER, "kind", "left_units", "tier_places")
    )


def _after(told: DataFrame, counted: DataFrame) -> DataFrame:
    """Add `tier_places`: one behind the other, where posted runs ended. So it is where none of them took any back."""
    so_far = Window.partitionBy(*COUNTER).orderBy("started_at", "source", "event_id", "revision")
    before = F.sum("left_units").over(so_far.rowsBetween(Window.unboundedPreceding, Window.currentRow))
    ends = counted.groupBy(*COUNTER).agg(F.sum("left_units").alias("counted_units"))
    place = "array(named_struct('from_unit', till_unit - left_units, 'to_unit', till_unit))"
    return (
        told.join(ends, COUNTER, how="left")
        .withColumn("till_unit", before + F.coalesce("counted_units", F.lit(0)))
        .withColumn("tier_places", F.expr(f"CASE WHEN left_units > 0 THEN {place} ELSE array() END").cast(PLACES))
    )


def counter() -> Column:
    """STRING: whose units of a rate are counted, the account or the line."""
    return F.when(F.col("counts") == "account", F.col("account_id")).otherwise(F.col("subscription_id"))


def left_units() -> Column:
    """BIGINT: units that allowances left of an event; 0 where no rate row prices it."""
    return F.when(F.expr(IS_PRICED), F.col("charged_units") - F.col("free_units")).otherwise(0).cast("bigint")
