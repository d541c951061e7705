"""Graduated tiers: the price of a unit follows from how many units of the rate came before it in the cycle.

The night charges every event at the first tier. Here the events of a rate that has tiers are priced again, in their
order, on the units that allowances left. What posted runs counted stays counted, so late usage goes on where they
ended. Source: docs/billing.md, "Tiers".
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from tollgate.billing.carried import EVENT_KEY
from tollgate.money import EXACT, rounded_amount

RATE = ["pricebook_version", "rate_id"]
COUNTER = ["rate_id", "counts", "counter_id", "origin_cycle"]
IS_GRADUATED = "coalesce(mode, 'graduated') = 'graduated'"
IS_PRICED = "retail_status = 'rated' AND price_source = 'rate'"
# What the units [from_unit, till_unit) of the cycle cost, in micros of the block.
OF_TIERS = f"""
aggregate(tiers, CAST(0 AS {EXACT}), (cost, tier) -> CAST(try_add(cost, try_multiply(
  CAST(greatest(0L, least(coalesce(tier.to_units, till_unit), till_unit) - greatest(tier.from_units, from_unit))
    AS {EXACT}),
  tier.unit_price_micros)) AS {EXACT}))
"""


def with_tier_charge(usage: DataFrame, tiers: DataFrame, rated: DataFrame, posted_usage: DataFrame) -> DataFrame:
    """Set `net_numerator`, `net_denominator` and `net_charge` of events whose rate has tiers; the others stay.

    usage: with_net_charge; tiers: price_tier of all versions, each event takes those of the version that rated it;
    rated: rated_usage, posted_usage: billed_usage of posted runs, for the units that they counted. Events count in the
    order (started_at, source, event_id, revision). NULL where it cannot be known, which parks the account.
    """
    of_rate = F.broadcast(of_rates(tiers.where(IS_GRADUATED)))
    counted = _counted(rated, posted_usage, of_rate)
    so_far = Window.partitionBy(*COUNTER).orderBy("started_at", "source", "event_id", "revision")
    before = F.sum("left_units").over(so_far.rowsBetween(Window.unboundedPreceding, Window.currentRow))
    numerator = f"CAST(try_multiply({OF_TIERS}, discount_num) AS {EXACT})"
    denominator = f"CAST(try_multiply(CAST(block_units AS {EXACT}), discount_den) AS {EXACT})"
    priced = (
        usage.join(of_rate, RATE, how="left")
        .withColumns({"counter_id": counter(), "left_units": left_units()})
        .join(counted, COUNTER, how="left")
        .withColumn("till_unit", before + F.coalesce("counted_units", F.lit(0)))
        .withColumn("from_unit", F.expr("till_unit - left_units"))
        .withColumns({"tier_numerator": F.expr(numerator), "tier_denominator": F.expr(denominator)})
    )
    net = rounded_amount("tier_numerator", "tier_denominator", "digits", "rounding")
    is_tiered = f"tiers IS NOT NULL AND {IS_PRICED}"
    return priced.select(
        *[name for name in usage.columns if not name.startswith("net_")],
        *[F.expr(f"CASE WHEN {is_tiered} THEN {of_tier} ELSE {name} END").alias(name)
          for name, of_tier in (("net_numerator", "tier_numerator"), ("net_denominator", "tier_denominator"),
                                ("net_charge", net))],
    )  # fmt: skip


def of_rates(tiers: DataFrame) -> DataFrame:
    """One row a version and rate: what its tiers count, and `tiers`, ARRAY of (from_units, to_units, price)."""
    tier = F.struct("from_units", "to_units", "unit_price_micros")
    return tiers.groupBy(*RATE).agg(F.max("counts").alias("counts"), F.collect_list(tier).alias("tiers"))


def _counted(rated: DataFrame, posted_usage: DataFrame, of_rate: DataFrame) -> DataFrame:
    """`counted_units` of each counter: what events on posted runs left over from allowances."""
    posted = posted_usage.select(*EVENT_KEY, "origin_cycle", "free_units")
    return (
        rated.where(IS_PRICED)
        .join(of_rate.select(*RATE, "counts"), RATE, how="inner")
        .join(posted, EVENT_KEY, how="inner")
        .withColumn("counter_id", counter())
        .groupBy(*COUNTER)
        .agg(F.sum(left_units()).alias("counted_units"))
    )


def counter() -> Column:
    """STRING: whose units of a rate are counted, the account or the line."""
    return F.when(F.col("counts") == "account", F.col("account_id")).otherwise(F.col("subscription_id"))


def left_units() -> Column:
    """BIGINT: units that allowances left of an event; 0 where no rate row prices it."""
    return F.when(F.expr(IS_PRICED), F.col("charged_units") - F.col("free_units")).otherwise(0).cast("bigint")
