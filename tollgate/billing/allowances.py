"""What allowances free of a month's usage: units first, and then money on what is left to pay.

A posted run's slices are frozen: they are read back and never computed anew, so late usage takes only what they left.
Source: docs/billing.md, "Allowances".
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from tollgate import money
from tollgate.billing.buckets import SLICES, Grants, Kind, slices_of, with_slices

MONEY_SLICES = "ARRAY<STRUCT<allowance_id: STRING, granted_on: DATE, amount: DECIMAL(18,6)>>"
UNITS = Kind(is_money=False, wanted="charged_units", taken="free_units", slices="slices")
MONEY = Kind(is_money=True, wanted="net_micros", taken="credited_micros", slices="credits")


def with_free_units(
    carried: DataFrame, grants: Grants, posted_usage: DataFrame, slots: int, frozen: DataFrame | None = None
) -> DataFrame:
    """Add `slices`, what each allowance freed of the event in the order of their use, `free_units` BIGINT, their sum, 0
    to charged_units, and `allowance_id`, that of the first slice or NULL: an event may be half free.

    carried: see carried_usage; posted_usage: billed_usage of posted runs; slots: PriceBook.allowance_slots; frozen:
    rows with `slices` of this run that are known before, negative ones of reversals.
    """
    posted = slices_of(posted_usage, units_of_slices())
    if frozen is not None:
        posted = posted.unionByName(slices_of(frozen, F.col("slices")))
    freed = with_slices(carried, UNITS, grants, posted, slots)
    return freed.withColumn("allowance_id", F.get("slices", F.lit(0))["allowance_id"])


def units_of_slices() -> Column:
    """SLICES of a row of billed_usage; NULL where nothing is free. Rows that are older than the column had one
    allowance at most, that of their own cycle."""
    older = "array(named_struct('allowance_id', allowance_id, 'granted_on', origin_cycle, 'units', free_units))"
    return F.expr(f"CASE WHEN free_units <> 0 THEN coalesce(slices, {older}) END").cast(SLICES)


def with_credits(
    usage: DataFrame, grants: Grants, posted_usage: DataFrame, slots: int, given_back: DataFrame | None = None
) -> DataFrame:
    """Add `money_slices`, what each money allowance paid of the event, and take it off `net_charge`.

    usage: with_net_charge, tiers included; posted_usage: billed_usage of posted runs; slots: PriceBook.money_slots, 0
    where the book has no money allowance; given_back: rows with the negative `money_slices` of this run's reversals.
    A net charge that is not known stays so. What is paid is whole millionths of a rounded charge: nothing is rounded.
    """
    if not slots:
        return usage.withColumn("money_slices", F.array().cast(MONEY_SLICES))
    as_amount = money.to_decimal("s.units")
    given = usage.withColumn("net_micros", F.coalesce(F.expr(money.to_micros("net_charge")), F.lit(0)))
    if grants.late_cycles:
        given = grants.keep(given)
    of_posted = "named_struct('allowance_id', s.allowance_id, 'granted_on', s.granted_on, 'units', {})"
    posted = F.expr(f"transform(money_slices, s -> {of_posted.format(money.to_micros('s.amount'))})")
    used = slices_of(posted_usage, posted)
    if given_back is not None:
        used = used.unionByName(slices_of(given_back, posted))
    paid = with_slices(given, MONEY, grants, used, slots)
    amounts = f"named_struct('allowance_id', s.allowance_id, 'granted_on', s.granted_on, 'amount', {as_amount})"
    left = f"CAST(net_charge - {money.to_decimal('credited_micros')} AS {money.AMOUNT})"
    return paid.withColumns(
        {"money_slices": F.expr(f"transform(credits, s -> {amounts})").cast(MONEY_SLICES), "net_charge": F.expr(left)}
    ).drop("net_micros", "credited_micros", "credits")
