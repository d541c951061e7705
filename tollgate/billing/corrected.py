"""Corrected usage on a bill: a reversal gives back what was billed, a correction of the price keeps what was free.

The version of an event that a posted run of the account billed last, and that none took back, is what a reversal takes
back: its net charge and its slices, with the other sign. A correction that charges the same units to the same line and
plan keeps its free units; any other one is a new charge. What is given back of an allowance can be taken again at once.
Source: docs/billing.md, "Corrected usage".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from tollgate.billing.allowances import MONEY_SLICES, units_of_slices
from tollgate.billing.buckets import SLICES
from tollgate.billing.carried import EVENT_KEY
from tollgate.billing.tiers import RATE

OF_EVENT = ["account_id", "source", "event_id"]
IS_CORRECTED = "is_corrected"
_BILLED = ["revision", "line_key", "subscription_id", "free_units", "net_numerator", "net_denominator", "net_charge"]
_RATED = ["kind", "plan_id", "charged_units", "unit", "retail_status", "price_source"]
# Free units are of the first units of an event on a line and plan: with the same units there they are the same.
KEEPS = """
kind = 'correction' AND retail_status = 'rated' AND posted.retail_status = 'rated'
AND subscription_id = posted.subscription_id AND plan_id = posted.plan_id AND price_source = posted.price_source
AND charged_units = posted.charged_units AND unit = posted.unit
"""
# Tiers count units by their place in the cycle, and credit was topped up as it went: neither is taken back by a row.
BEYOND = "posted IS NOT NULL AND (NOT endswith(posted.line_key, '|') OR is_tiered)"


class Corrected(NamedTuple):
    """Carried usage in three parts. reversals: with what they give back, net charge included; kept: corrections with
    the free units that they keep; others: everything else, which takes from allowances. All have `is_corrected`."""

    reversals: DataFrame
    kept: DataFrame
    others: DataFrame

    def unit_slices(self) -> DataFrame:
        """Rows with slices that stand before any usage of the run takes its own; in the columns of billed_usage."""
        columns = ["account_id", "subscription_id", "origin_cycle", "slices"]
        return self.reversals.select(*columns).unionByName(self.kept.select(*columns))

    def money_slices(self) -> DataFrame:
        """The same of money, which reversals give back; a correction takes money anew."""
        return self.reversals.select("account_id", "subscription_id", "origin_cycle", "money_slices")


def parted(
    carried: DataFrame,
    rated: DataFrame,
    posted_usage: DataFrame,
    tiers: DataFrame | None,
    keep: Callable[[DataFrame], DataFrame] = lambda frame: frame,
) -> Corrected:
    """The parts of carried usage of which some is corrected.

    carried: of `carried_usage`; rated: rated_usage; posted_usage: billed_usage of posted runs; tiers: price_tier of all
    versions, None where no rate has any; keep: what is read several times passes through it. The net charge of what
    cannot be taken back, see BEYOND, is NULL, which parks the account.
    """
    known = carried.join(_posted_versions(carried, rated, posted_usage), OF_EVENT, how="left")
    # A version that was taken back stands no more, and what came after it is a charge of its own.
    known = known.withColumn(
        "posted", F.expr("CASE WHEN kind <> 'original' AND posted.kind <> 'reversal' THEN posted END")
    )
    known = keep(known.withColumn(IS_CORRECTED, F.col("posted").isNotNull()).transform(_with_tiered, tiers))
    is_reversal, keeps = F.col("kind") == "reversal", F.coalesce(F.expr(KEEPS), F.lit(False))
    names = [*carried.columns, IS_CORRECTED, "is_beyond"]
    slices = {"slices": F.col("posted.slices"), "free_units": F.col("posted.free_units")}
    kept = known.where(~is_reversal & keeps).withColumns(slices).withColumn("allowance_id", _first_id())
    return Corrected(
        known.where(is_reversal).transform(_given_back).select(*names, *_GIVEN_BACK),
        kept.select(*names, *slices, "allowance_id"),
        known.where(~is_reversal & ~keeps).select(*names),
    )


def without_beyond(usage: DataFrame) -> DataFrame:
    """Net charges NULL where a correction cannot be billed; `is_beyond` is dropped."""
    columns = ["net_numerator", "net_denominator", "net_charge"]
    known = {name: F.when(~F.col("is_beyond"), F.col(name)) for name in columns}
    return usage.withColumns(known).drop("is_beyond")


_GIVEN_BACK = ["slices", "free_units", "allowance_id", "net_numerator", "net_denominator", "net_charge", "money_slices"]


def _posted_versions(carried: DataFrame, rated: DataFrame, posted_usage: DataFrame) -> DataFrame:
    """OF_EVENT and `posted`, the last version of each event that is corrected among what posted runs of the account
    billed, reversals included."""
    events = carried.where("kind <> 'original'").select(*OF_EVENT).distinct()
    rows = rated.where("retail_status <> 'suspended'").select(*EVENT_KEY, *_RATED)
    billed = posted_usage.join(events, OF_EVENT, how="left_semi").select(
        *OF_EVENT, *_BILLED, F.coalesce(units_of_slices(), F.array().cast(SLICES)).alias("slices"), "money_slices"
    )
    versions = billed.join(rows, EVENT_KEY, how="inner")
    told = F.struct(*_BILLED, "slices", "money_slices", *_RATED)
    return versions.groupBy(*OF_EVENT).agg(F.max_by(told, "revision").alias("posted"))


def _with_tiered(known: DataFrame, tiers: DataFrame | None) -> DataFrame:
    """Add `is_beyond` BOOLEAN."""
    if tiers is None:
        return known.withColumn("is_tiered", F.lit(False)).withColumn("is_beyond", F.expr(BEYOND)).drop("is_tiered")
    of_rates = tiers.select(*RATE).distinct().withColumn("has_tiers", F.lit(True))
    return (
        known.join(F.broadcast(of_rates), RATE, how="left")
        .withColumn("is_tiered", F.coalesce("has_tiers", F.lit(False)))
        .withColumn("is_beyond", F.expr(BEYOND))
        .drop("is_tiered", "has_tiers")
    )


def _given_back(reversals: DataFrame) -> DataFrame:
    """What was billed, with the other sign."""
    named = "named_struct('allowance_id', s.allowance_id, 'granted_on', s.granted_on, '{0}', {1})"
    units = F.expr(f"transform(posted.slices, s -> {named.format('units', '-s.units')})").cast(SLICES)
    amount = "CAST(-s.amount AS DECIMAL(18,6))"
    paid = f"coalesce(posted.money_slices, CAST(array() AS {MONEY_SLICES}))"
    money = F.expr(f"transform({paid}, s -> {named.format('amount', amount)})")
    negated = {name: -F.col(f"posted.{name}") for name in ("free_units", "net_numerator", "net_charge")}
    net = {"net_numerator": "decimal(38,0)", "net_charge": "decimal(18,6)", "free_units": "bigint"}
    return (
        reversals.withColumns({name: column.cast(net[name]) for name, column in negated.items()})
        .withColumns({"slices": units, "money_slices": money.cast(MONEY_SLICES)})
        .withColumn("net_denominator", F.col("posted.net_denominator"))
        .withColumn("allowance_id", _first_id())
    )


def _first_id() -> Column:
    return F.get("slices", F.lit(0))["allowance_id"]
