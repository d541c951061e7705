"""Free units: what was granted in a cycle, what posted runs used of it, and which events take the rest.

A grant of an allowance to a line, or to an account's lines together, for a cycle is a bucket, which may roll over into
the cycles after it. An event takes from the buckets that cover it in the order of priority, expiry and id, events in
the order of their start. A posted run's slices are frozen: they are read back and never computed anew, so late usage
takes only what they left.
Source: docs/billing.md, "Allowances"; docs/decisions/0029.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from functools import reduce

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from tollgate.billing.cycles import anchored
from tollgate.billing.granted_days import granted_days

BUCKET = ["allowance_id", "owner_id", "granted_on"]
EVENT_ORDER = ["started_at", "source", "event_id", "revision"]
SLICES = "ARRAY<STRUCT<allowance_id: STRING, granted_on: DATE, units: BIGINT>>"
OWNER = "CASE WHEN scope = 'account' THEN account_id ELSE subscription_id END"
# What the cycle of a grant left of it rolls over up to the cap; what rolled use is taken off after.
GRANTED = """
CASE WHEN age > 0 AND NOT coalesce(is_granted, false) THEN 0
     WHEN proration = 'days' THEN coalesce((quantity * active_days) div cycle_days, 0) ELSE quantity END
"""
LEFT = f"""
CASE WHEN age = 0 THEN ({GRANTED}) - coalesce(used_units, 0)
     ELSE least(coalesce(rollover_cap, quantity), ({GRANTED}) - coalesce(used_units - rolled_units, 0))
          - coalesce(rolled_units, 0) END
"""


def with_free_units(
    carried: DataFrame,
    contracts: DataFrame,
    accounts: DataFrame,
    allowances: DataFrame,
    posted_usage: DataFrame,
    slots: int = 1,
    *,
    late_cycles: list[date] | None = None,
    keep: Callable[[DataFrame], DataFrame] = lambda frame: frame,
) -> DataFrame:
    """Add `slices`, what each allowance freed of the event in the order of their use, `free_units` BIGINT, their sum, 0
    to charged_units, and `allowance_id`, that of the first slice or NULL: an event may be half free.

    carried: see carried_usage; contracts: ref_contract; accounts: accounts to bill; allowances: price_allowance;
    posted_usage: billed_usage of posted runs; slots: the most grants that an event may meet
    (PriceBook.allowance_slots), a pass over the usage each. Events of a bucket take it in the order (started_at,
    source, event_id, revision).
    late_cycles: where grants roll over, see `late_cycles`; what usage of one cycle takes, that of the next ones lacks,
    so cycles are reckoned one after the other. Usage of late cycles passes through `keep`.
    """
    told = allowances.withColumns(
        {name: F.coalesce(name, F.lit(older)) for name, older in (("scope", "line"), ("slot", 1), ("age", 0))}
    )
    days = granted_days(contracts, accounts, told.where("proration = 'days' OR age > 0"))
    slices = slices_of(posted_usage)
    done: list[DataFrame] = []
    for usage in _in_turn(carried, late_cycles or []):
        if done:
            done[-1] = keep(done[-1])
            slices = slices.unionByName(slices_of(done[-1]))
        buckets = days.join(used_units(slices, told), BUCKET, how="full")
        done.append(_with_slices(usage, told, buckets, slots))
    return reduce(lambda earlier, later: earlier.unionByName(later), done)


def late_cycles(carried: DataFrame) -> list[date]:
    """First days of the months in which cycles start that late usage belongs to, in their order."""
    month = F.trunc("origin_cycle", "MM").alias("month")
    late = carried.where("origin_cycle < cycle_start").select(month).distinct()
    return sorted(row.month for row in late.collect())


def _in_turn(carried: DataFrame, late: list[date]) -> Iterator[DataFrame]:
    """The usage of each late month's cycles, in their order, and last that of the cycles billed."""
    month = F.trunc("origin_cycle", "MM")
    yield from (carried.where(month == F.lit(one)) for one in late)
    yield carried.where(~month.isin(late)) if late else carried


def _with_slices(usage: DataFrame, allowances: DataFrame, buckets: DataFrame, slots: int) -> DataFrame:
    usage = usage.withColumns({"free_units": F.lit(0).cast("bigint"), "slices": F.array().cast(SLICES)})
    for slot in range(1, slots + 1):
        usage = usage.transform(_with_slices_of, allowances.where(F.col("slot") == slot), buckets)
    return usage.withColumn("allowance_id", F.get("slices", F.lit(0))["allowance_id"])


def slices_of(billed: DataFrame) -> DataFrame:
    """One row a slice: account_id, subscription_id, origin_cycle, allowance_id, granted_on, units."""
    # Rows that are older than their slices had one allowance at most, that of their own cycle.
    older = "array(named_struct('allowance_id', allowance_id, 'granted_on', origin_cycle, 'units', free_units))"
    slices = F.expr(f"CASE WHEN free_units > 0 THEN coalesce(slices, {older}) END")
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
    """Add `allowance_id`, `quantity`, `proration`, `rollover_cap` and `age` of the allowance that covers the row, NULL
    where none does, and its bucket's `owner_id` and `granted_on`.

    allowances: rows of one slot. Only rows priced by a rate row at home are covered; the time band is that in which an
    event starts. Rows of price_allowance that hold at the event's start count. Two allowances of one slot for the same
    usage are refused when the book is published; here they would stop the run.
    """
    cover = allowances.select(
        *[F.col(name).alias(f"allowed_{name}") for name in ("plan_id", "service", "zone_id", "unit", "band")],
        "valid_from", "valid_to", "allowance_id", "quantity", "proration", "scope", "rollover_cap", "age",
    )  # fmt: skip
    covers = (
        (F.col("plan_id") == F.col("allowed_plan_id"))
        & (F.col("unit") == F.col("allowed_unit"))
        & F.col("allowed_service").isin("*", F.col("service"))
        & F.col("allowed_zone_id").isin("*", F.col("zone_id"))
        & (F.col("allowed_band").isNull() | (F.get("piece_band", F.lit(0)) == F.col("allowed_band")))
        & (F.col("roaming_zone") == "home")
        & (F.col("retail_status") == "rated")
        & (F.col("price_source") == "rate")
        & (F.col("valid_from") <= F.col("started_at"))
        & (F.col("started_at") < F.col("valid_to"))
    )
    then = F.add_months(F.trunc("origin_cycle", "MM"), -F.col("age"))
    granted_on = F.when(F.col("age") > 0, anchored(then, F.col("anchor_day"))).otherwise(F.col("origin_cycle"))
    return (
        usage.join(F.broadcast(cover), covers, how="left")
        .withColumns({"owner_id": F.expr(OWNER), "granted_on": granted_on})
        .drop(*[name for name in cover.columns if name.startswith("allowed_")], "valid_from", "valid_to", "scope")
    )


def _with_slices_of(usage: DataFrame, allowances: DataFrame, buckets: DataFrame) -> DataFrame:
    """Let the events take from the allowances of one slot what those of the slots before left them to want."""
    taken = "named_struct('allowance_id', allowance_id, 'granted_on', granted_on, 'units', taken_units)"
    sliced = F.expr(f"CASE WHEN taken_units > 0 THEN concat(slices, array({taken})) ELSE slices END")
    return (
        usage.transform(with_allowance, allowances)
        # One row a bucket; rows without an allowance find none, and their owner spreads them.
        .join(buckets, BUCKET, how="left")
        .withColumn("taken_units", taken_units())
        .withColumns({"slices": sliced, "free_units": F.expr("free_units + taken_units")})
        .select(*usage.columns)
    )


def taken_units() -> Column:
    """BIGINT: what an event takes of what posted runs and the events before it in the bucket left."""
    order = Window.partitionBy(*BUCKET).orderBy(*EVENT_ORDER)
    wanted = F.col("charged_units") - F.col("free_units")
    so_far = F.sum(wanted).over(order.rowsBetween(Window.unboundedPreceding, Window.currentRow))
    left = F.greatest(F.lit(0), F.expr(LEFT))
    taken = F.least(wanted, F.greatest(F.lit(0), left - (so_far - wanted)))
    return F.when(F.col("allowance_id").isNull(), F.lit(0)).otherwise(taken).cast("bigint")
