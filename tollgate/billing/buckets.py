"""Grants of allowances as buckets: which cover an event, what posted runs left in them, what an event takes.

A grant of an allowance to a line, or to an account's lines together, for a cycle is a bucket, which may roll over into
the cycles after it. An event takes from the buckets that cover it in the order of priority, expiry and id, events in
the order of their start. Source: docs/billing.md, "Allowances"; docs/decisions/0032.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import reduce
from typing import NamedTuple

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from tollgate import money
from tollgate.billing.cycle_dates import cycle_after, key_of, local_midnight
from tollgate.billing.granted_days import BUCKET, OWNER, granted_days

EVENT_ORDER = ["started_at", "source", "event_id", "revision"]
SLICES = "ARRAY<STRUCT<allowance_id: STRING, granted_on: DATE, units: BIGINT>>"
CURRENCY = "currency"
# Of 10^18 units a BIGINT does not hold the product with the days; the quotient is at most the quantity again.
PRORATED = f"(CAST(quantity AS {money.EXACT}) * active_days) div cycle_days"
# What the cycle of a grant left of it rolls over up to the cap; what rolled use is taken off after.
GRANTED = f"""
CASE WHEN age > 0 AND NOT coalesce(is_granted, false) THEN 0
     WHEN proration = 'days' THEN coalesce({PRORATED}, 0) ELSE quantity END
"""
LEFT = f"""
CASE WHEN age = 0 THEN ({GRANTED}) - coalesce(used_units, 0)
     ELSE least(coalesce(rollover_cap, quantity), ({GRANTED}) - coalesce(used_units - rolled_units, 0))
          - coalesce(rolled_units, 0) END
"""


class Kind(NamedTuple):
    """What allowances of a kind give. wanted, taken, slices: columns of the usage; the first two are BIGINT.

    wanted: what an event could take at most; taken: what it took so far; slices: SLICES, of which allowances.
    """

    is_money: bool
    wanted: str
    taken: str
    slices: str


@dataclass(frozen=True)
class Grants:
    """The allowances of a run. allowances: price_allowance with defaults for older rows; days: granted_days;
    late_cycles: as of `late_cycles`, where grants roll over; keep: what frames that are read twice pass through."""

    allowances: DataFrame
    days: DataFrame
    late_cycles: list[str]
    keep: Callable[[DataFrame], DataFrame]


def grants_of(
    allowances: DataFrame,
    contracts: DataFrame,
    accounts: DataFrame,
    late: list[str] | None = None,
    keep: Callable[[DataFrame], DataFrame] = lambda frame: frame,
) -> Grants:
    """allowances: price_allowance; contracts: ref_contract; accounts: accounts to bill; late, keep: see Grants."""
    told = allowances.withColumns(
        {name: F.coalesce(name, F.lit(older)) for name, older in (("scope", "line"), ("slot", 1), ("age", 0))}
    )
    days = granted_days(contracts, accounts, told.where("proration = 'days' OR age > 0"))
    return Grants(told, days, late or [], keep)


def late_cycles(carried: DataFrame) -> list[str]:
    """Keys of the cycles that late usage belongs to, in their order."""
    late = carried.where("origin_cycle < cycle_start").select(_key().alias("key")).distinct()
    return sorted(row.key for row in late.collect())


def with_slices(usage: DataFrame, kind: Kind, grants: Grants, posted: DataFrame, slots: int) -> DataFrame:
    """Add the columns `kind.taken` and `kind.slices`.

    usage: carried_usage with `kind.wanted`; posted: slices of posted runs, see `slices_of`; slots: the most grants of
    the kind that an event may meet, a pass over the usage each. Where grants roll over, what usage of one cycle takes
    the next ones lack: so cycles are reckoned one after the other, and usage of late cycles passes through `keep`.
    """
    allowances = grants.allowances.where((F.col("unit") == CURRENCY) == F.lit(kind.is_money))
    done: list[DataFrame] = []
    for part in _in_turn(usage, grants.late_cycles):
        if done:
            done[-1] = grants.keep(done[-1])
            posted = posted.unionByName(slices_of(done[-1], F.col(kind.slices)))
        buckets = grants.days.join(used_units(posted, allowances), BUCKET, how="full")
        of_part = part.withColumns({kind.taken: F.lit(0).cast("bigint"), kind.slices: F.array().cast(SLICES)})
        for slot in range(1, slots + 1):
            of_part = _with_slices_of(of_part, kind, allowances.where(F.col("slot") == slot), buckets)
        done.append(of_part)
    return reduce(lambda earlier, later: earlier.unionByName(later), done)


def slices_of(billed: DataFrame, slices: Column) -> DataFrame:
    """One row a slice: account_id, subscription_id, origin_cycle, allowance_id, granted_on, units."""
    owners = ["account_id", "subscription_id", "origin_cycle"]
    return billed.select(*owners, F.explode(slices).alias("slice")).select(*owners, "slice.*")


def used_units(slices: DataFrame, allowances: DataFrame) -> DataFrame:
    """`used_units` of each bucket, of accounts and lines as the book now has them, and of these `rolled_units`: used in
    a later cycle than the bucket's own."""
    scopes = allowances.select("allowance_id", "scope").distinct()
    return (
        slices.join(F.broadcast(scopes), "allowance_id", how="inner")
        .withColumn("owner_id", F.expr(OWNER))
        .groupBy(*BUCKET)
        .agg(
            F.sum("units").alias("used_units"),
            F.sum(F.expr("CASE WHEN granted_on < origin_cycle THEN units ELSE 0 END")).alias("rolled_units"),
        )
    )


def with_allowance(usage: DataFrame, allowances: DataFrame) -> DataFrame:
    """Add `covering_id`, `quantity`, `proration`, `rollover_cap` and `age` of the allowance that covers the row, NULL
    where none does, and its bucket's `owner_id` and `granted_on`.

    allowances: rows of one slot. Only rows priced by a rate row at home are covered; the time band is that in which an
    event starts. Rows of price_allowance count that hold at the event's start; of a grant that rolled over those that
    held just before the end of its own cycle. Publishing gives allowances that can meet in one event different slots;
    two of one slot would double the event, which parks the account.
    """
    granted_to = cycle_after(F.col("origin_cycle"), 1 - F.col("age"), F.col("calendar"))
    just_before = local_midnight(granted_to, F.col("account_time_zone")) - F.expr("INTERVAL 1 SECOND")
    on_offer_at = F.when(F.col("age") > 0, just_before).otherwise(F.col("started_at"))
    cover = allowances.select(
        *[F.col(name).alias(f"allowed_{name}") for name in ("plan_id", "service", "zone_id", "unit", "band")],
        "valid_from", "valid_to", F.col("allowance_id").alias("covering_id"), "quantity", "proration", "scope",
        "rollover_cap", "age",
    )  # fmt: skip
    covers = (
        (F.col("plan_id") == F.col("allowed_plan_id"))
        & F.col("allowed_unit").isin(CURRENCY, F.col("unit"))
        & F.col("allowed_service").isin("*", F.col("service"))
        & F.col("allowed_zone_id").isin("*", F.col("zone_id"))
        & (F.col("allowed_band").isNull() | (F.get("piece_band", F.lit(0)) == F.col("allowed_band")))
        & (F.col("roaming_zone") == "home")
        & (F.col("retail_status") == "rated")
        & (F.col("price_source") == "rate")
        & (F.col("valid_from") <= on_offer_at)
        & (on_offer_at < F.col("valid_to"))
    )
    then = cycle_after(F.col("origin_cycle"), -F.col("age"), F.col("calendar"))
    granted_on = F.when(F.col("age") > 0, then).otherwise(F.col("origin_cycle"))
    return (
        usage.join(F.broadcast(cover), covers, how="left")
        .withColumns({"owner_id": F.expr(OWNER), "granted_on": granted_on})
        .drop(*[name for name in cover.columns if name.startswith("allowed_")], "valid_from", "valid_to", "scope")
    )


def _in_turn(usage: DataFrame, late: list[str]) -> Iterator[DataFrame]:
    """The usage of the late cycles of each key, in their order, and last that of the cycles billed."""
    yield from (usage.where(_key() == one) for one in late)
    yield usage.where(~_key().isin(late)) if late else usage


def _key() -> Column:
    return key_of(F.col("origin_cycle"), F.col("calendar"))


def _with_slices_of(usage: DataFrame, kind: Kind, allowances: DataFrame, buckets: DataFrame) -> DataFrame:
    """Let the events take from the allowances of one slot what those of the slots before left them to want."""
    taken = "named_struct('allowance_id', covering_id, 'granted_on', granted_on, 'units', taken_units)"
    sliced = F.expr(f"CASE WHEN taken_units > 0 THEN concat({kind.slices}, array({taken})) ELSE {kind.slices} END")
    of_bucket = buckets.withColumnRenamed("allowance_id", "covering_id")
    return (
        usage.transform(with_allowance, allowances)
        # One row a bucket; rows without an allowance find none, and their owner spreads them.
        .join(of_bucket, ["covering_id", *BUCKET[1:]], how="left")
        .withColumn("left_units", F.greatest(F.lit(0), F.expr(LEFT)))
        .withColumn("taken_units", _taken_units(kind))
        .withColumns({kind.slices: sliced, kind.taken: F.col(kind.taken) + F.col("taken_units")})
        .select(*usage.columns)
    )


def _taken_units(kind: Kind) -> Column:
    """BIGINT: what an event takes of what posted runs and the events before it in the bucket left."""
    order = Window.partitionBy("covering_id", *BUCKET[1:]).orderBy(*EVENT_ORDER)
    # Beyond what is left a wish counts for nothing, and so the sum stays small.
    wanted = F.least(F.col(kind.wanted) - F.col(kind.taken), F.col("left_units"))
    so_far = F.sum(wanted).over(order.rowsBetween(Window.unboundedPreceding, Window.currentRow))
    taken = F.least(wanted, F.greatest(F.lit(0), F.col("left_units") - (so_far - wanted)))
    return F.when(F.col("covering_id").isNull(), F.lit(0)).otherwise(taken).cast("bigint")
