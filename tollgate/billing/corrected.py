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
from tollgate.billing.prepaid import with_prepaid_contract
from tollgate.billing.tier_places import PLACES
from tollgate.billing.tiers import IS_GRADUATED, RATE

OF_EVENT = ["account_id", "source", "event_id"]
IS_CORRECTED = "is_corrected"
_OF_PLACES = ["kind", *RATE, "retail_status", "price_source", "charged_units", "free_units", "tier_places"]
_BILLED = ["revision", "line_key", "subscription_id", "free_units", "net_numerator", "net_denominator", "net_charge"]
_RATED = ["kind", "plan_id", "charged_units", "unit", "retail_status", "price_source", *RATE]
# Free units are of the first units of an event on a line and plan: with the same units there they are the same.
KEEPS = """
kind = 'correction' AND retail_status = 'rated' AND posted.retail_status = 'rated'
AND subscription_id = posted.subscription_id AND plan_id = posted.plan_id AND price_source = posted.price_source
AND charged_units = posted.charged_units AND unit = posted.unit
"""
# The same units of the same counter have the same places among those that graduated tiers count.
KEPT_PLACES = "CASE WHEN counts = posted_counts AND rate_id = posted.rate_id THEN posted.tier_places END"
# Who paid, the account or a prepaid contract, gets it back. Rows from before the column do not tell their places.
BEYOND = """
posted IS NOT NULL AND kind = 'reversal' AND (
  coalesce(prepaid_contract_id, '') <> element_at(split(posted.line_key, '[|]'), -1)
  OR (counts IS NOT NULL AND retail_status = 'rated' AND price_source = 'rate' AND posted.tier_places IS NULL))
"""


class Corrected(NamedTuple):
    """Carried usage in three parts. reversals: with what they give back, net charge and places included; kept:
    corrections with the free units that they keep; others: everything else, which takes from allowances. All have
    `is_corrected`, and what is charged has `kept_places`, NULL where it takes places of its own."""

    reversals: DataFrame
    kept: DataFrame
    others: DataFrame

    def unit_slices(self) -> DataFrame:
        """Rows with slices that stand before any usage of the run takes its own; in the columns of billed_usage."""
        columns = ["account_id", "subscription_id", "origin_cycle", "slices"]
        return self.reversals.select(*columns).unionByName(self.kept.select(*columns))

    def places(self) -> DataFrame:
        """Rows whose `tier_places` stand before any usage of the run takes its own: freed and kept ones."""
        kept = self.kept.where("kept_places IS NOT NULL").withColumnRenamed("kept_places", "tier_places")
        columns = ["account_id", "subscription_id", "origin_cycle", *_OF_PLACES]
        return self.reversals.select(*columns).unionByName(kept.select(*columns)).where("tier_places IS NOT NULL")

    def money_slices(self) -> DataFrame:
        """The same of money, which reversals give back; a correction takes money anew."""
        return self.reversals.select("account_id", "subscription_id", "origin_cycle", "money_slices")


def parted(
    carried: DataFrame,
    rated: DataFrame,
    posted_usage: DataFrame,
    tiers: DataFrame | None,
    prepaid: DataFrame | None = None,
    keep: Callable[[DataFrame], DataFrame] = lambda frame: frame,
) -> Corrected:
    """The parts of carried usage of which some is corrected.

    carried: of `carried_usage`; rated: rated_usage; posted_usage: billed_usage of posted runs; tiers: price_tier of all
    versions, None where no rate has any; prepaid: prepaid_contracts, None where the book has no such plan; keep: what
    is read several times passes through it. The net charge of what cannot be taken back, see BEYOND, is NULL, which
    parks the account.
    """
    known = carried.join(_posted_versions(carried, rated, posted_usage), OF_EVENT, how="left")
    # A version that was taken back stands no more, and what came after it is a charge of its own.
    known = known.withColumn(
        "posted", F.expr("CASE WHEN kind <> 'original' AND posted.kind <> 'reversal' THEN posted END")
    )
    known = known.withColumn(IS_CORRECTED, F.col("posted").isNotNull()).transform(with_prepaid_contract, prepaid)
    known = keep(known.transform(_with_counts, tiers).withColumn("is_beyond", F.expr(BEYOND)))
    is_reversal, keeps = F.col("kind") == "reversal", F.coalesce(F.expr(KEEPS), F.lit(False))
    names = [*carried.columns, IS_CORRECTED, "is_beyond"]
    kept = {"slices": F.col("posted.slices"), "free_units": F.col("posted.free_units")}
    kept["kept_places"] = F.expr(KEPT_PLACES).cast(PLACES)
    keeping = known.where(~is_reversal & keeps).withColumns(kept).withColumn("allowance_id", _first_id())
    return Corrected(
        known.where(is_reversal).transform(_given_back).select(*names, *_GIVEN_BACK),
        keeping.select(*names, *kept, "allowance_id"),
        known.where(~is_reversal & ~keeps).select(*names, F.lit(None).cast(PLACES).alias("kept_places")),
    )


def without_beyond(usage: DataFrame) -> DataFrame:
    """Net charges NULL where a correction cannot be billed; `is_beyond` is dropped."""
    columns = ["net_numerator", "net_denominator", "net_charge"]
    known = {name: F.when(~F.col("is_beyond"), F.col(name)) for name in columns}
    return usage.withColumns(known).drop("is_beyond")


_GIVEN_BACK = [
    "slices", "free_units", "allowance_id", "net_numerator", "net_denominator", "net_charge", "money_slices",
    "tier_places",
]  # fmt: skip


def _posted_versions(carried: DataFrame, rated: DataFrame, posted_usage: DataFrame) -> DataFrame:
    """OF_EVENT and `posted`, the last version of each event that is corrected among what posted runs of the account
    billed, reversals included."""
    events = carried.where("kind <> 'original'").select(*OF_EVENT).distinct()
    rows = rated.where("retail_status <> 'suspended'").select(*EVENT_KEY, *_RATED)
    billed = posted_usage.join(events, OF_EVENT, how="left_semi").select(
        *OF_EVENT, *_BILLED, F.coalesce(units_of_slices(), F.array().cast(SLICES)).alias("slices"), "money_slices",
        "tier_places",
    )  # fmt: skip
    versions = billed.join(rows, EVENT_KEY, how="inner")
    told = F.struct(*_BILLED, "slices", "money_slices", "tier_places", *_RATED)
    return versions.groupBy(*OF_EVENT).agg(F.max_by(told, "revision").alias("posted"))


def _with_counts(known: DataFrame, tiers: DataFrame | None) -> DataFrame:
    """Add `counts` and `posted_counts`: what the graduated tiers of a row's rate count, and of the rate that it was
    billed at; NULL where it has none."""
    if tiers is None:
        return known.withColumns({name: F.lit(None).cast("string") for name in ("counts", "posted_counts")})
    of_rates = tiers.where(IS_GRADUATED).groupBy(*RATE).agg(F.max("counts").alias("counts"))
    of_posted = of_rates.select(*[F.col(name).alias(f"posted_{name}") for name in of_rates.columns])
    is_posted = [F.col(f"posted.{name}") == F.col(f"posted_{name}") for name in RATE]
    return (
        known.join(F.broadcast(of_rates), RATE, how="left")
        .join(F.broadcast(of_posted), is_posted, how="left")
        .drop(*[f"posted_{name}" for name in RATE])
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
        .withColumns({name: F.col(f"posted.{name}") for name in ("net_denominator", "tier_places")})
        .withColumn("allowance_id", _first_id())
    )


def _first_id() -> Column:
    return F.get("slices", F.lit(0))["allowance_id"]
