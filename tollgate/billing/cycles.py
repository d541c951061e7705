"""Bill cycles: which local dates they span, which accounts a run bills, which accounts have been settled.

A cycle is [local start date 00:00, next) in the account's zone, computed from the anchor day and never from the cycle
before, so that an anchor on the 31st comes back after February. Its key is the month in which it starts. Source:
docs/billing.md, "Cycles".
"""

from __future__ import annotations

import re
from datetime import date, datetime

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F


class CycleError(ValueError):
    """A bill cycle that is not written as YYYY-MM."""


def month_of(cycle: str) -> date:
    """First day of the month that `cycle` (YYYY-MM) names; CycleError for another text."""
    if not re.fullmatch(r"[0-9]{4}-(0[1-9]|1[0-2])", cycle):
        raise CycleError(f"a bill cycle is a month such as 2026-10, found {cycle!r}")
    return date(int(cycle[:4]), int(cycle[5:]), 1)


def month_before(cycle: str) -> str:
    """The cycle key before `cycle`."""
    month = month_of(cycle)
    year, number = (month.year, month.month - 1) if month.month > 1 else (month.year - 1, 12)
    return f"{year:04d}-{number:02d}"


def anchored(month: Column, anchor_day: Column) -> Column:
    """DATE: the anchor day in the month that begins on `month`; an anchor beyond the month's end is its last day."""
    return F.date_add(month, F.least(anchor_day, F.dayofmonth(F.last_day(month))) - 1)


def cycle_start_of(instant: Column, time_zone: Column, anchor_day: Column) -> Column:
    """DATE: local start of the cycle in which an instant lies."""
    local = F.to_date(F.from_utc_timestamp(instant, time_zone))
    month = F.trunc(local, "MM")
    this_month = anchored(month, anchor_day)
    return F.when(local >= this_month, this_month).otherwise(anchored(F.add_months(month, -1), anchor_day))


def cycle_end_of(cycle_start: Column, anchor_day: Column) -> Column:
    """DATE: local end, exclusive, of the cycle that starts on `cycle_start`."""
    return anchored(F.add_months(F.trunc(cycle_start, "MM"), 1), anchor_day)


def local_midnight(day: Column, time_zone: Column) -> Column:
    """TIMESTAMP: the instant at which a local date begins. The session's zone is UTC."""
    return F.to_utc_timestamp(day.cast("timestamp"), time_zone)


def overlap_days(starts_on: Column, ends_on: Column, cycle_start: Column, cycle_end: Column) -> Column:
    """INT: local days of [starts_on, ends_on) in [cycle_start, cycle_end); a NULL `ends_on` is open."""
    until = F.least(F.coalesce(ends_on, cycle_end), cycle_end)
    return F.greatest(F.lit(0), F.date_diff(until, F.greatest(starts_on, cycle_start)))


def cycle_accounts(accounts: DataFrame, cycle: str) -> DataFrame:
    """Accounts that have the cycle `cycle`, with `cycle_start`, `cycle_end` (DATE, exclusive), `ends_at` (instant) and
    `is_closed`.

    accounts: ref_account. An account whose first cycle starts later does not have it. One that is closed by its start
    has had its last bill, that of the cycle which contains the last day before `closed_on`; late usage may still come.
    """
    month = F.lit(month_of(cycle))
    return (
        accounts.withColumn("cycle_start", anchored(month, F.col("anchor_day")))
        .withColumn("cycle_end", cycle_end_of(F.col("cycle_start"), F.col("anchor_day")))
        .withColumn("ends_at", local_midnight(F.col("cycle_end"), F.col("time_zone")))
        .withColumn("is_closed", F.expr("coalesce(closed_on <= cycle_start, false)"))
        .where("cycle_start >= first_cycle_start")
    )


def settled_accounts(
    accounts: DataFrame, cycle: str, posted_runs: DataFrame, parked: DataFrame, named: DataFrame | None = None
) -> DataFrame:
    """`account_id` of the accounts whose cycle `cycle` a posted run has dealt with: due by its as_of, not parked
    in it, and named by it where it was asked for named accounts only.

    posted_runs: (run_id, cycle, as_of) of posted runs; parked: (run_id, account_id) of theirs; named: the same of the
    runs that have named accounts, None where no run has.
    """
    runs = posted_runs.where(F.col("cycle") == cycle).select("run_id", "as_of")
    dealt_with = cycle_accounts(accounts, cycle).join(
        F.broadcast(runs), F.col("ends_at") <= F.col("as_of"), how="inner"
    )
    if named is not None:
        of_names = named.select("run_id").distinct().withColumn("has_names", F.lit(True))
        is_named = named.withColumn("is_named", F.lit(True))
        dealt_with = (
            dealt_with.join(F.broadcast(of_names), "run_id", how="left")
            .join(F.broadcast(is_named), ["run_id", "account_id"], how="left")
            .where("has_names IS NULL OR is_named")
        )
    return (
        dealt_with.select("run_id", "account_id").join(parked, ["run_id", "account_id"], how="left_anti")
        .select("account_id").distinct()
    )  # fmt: skip


def accounts_to_bill(
    accounts: DataFrame,
    cycle: str,
    as_of: datetime,
    posted_runs: DataFrame,
    parked: DataFrame,
    *,
    named: DataFrame | None = None,
    only: DataFrame | None = None,
    is_open: bool = False,
) -> DataFrame:
    """Accounts of the cycle that no posted run has settled, with `is_due`, `is_waiting` (an earlier cycle is not
    posted) and `is_closed` (they have had their last bill).

    as_of: cycles that ended by this instant are due. named: as of `settled_accounts`. only: (account_id) of the
    accounts asked for, unique; None for all. is_open: a preview, which bills a cycle before its end.
    """
    if only is not None:
        accounts = accounts.join(F.broadcast(only), "account_id", how="left_semi")
    earlier = settled_accounts(accounts, month_before(cycle), posted_runs, parked, named).withColumn(
        "earlier_is_settled", F.lit(True)
    )
    settled = settled_accounts(accounts, cycle, posted_runs, parked, named)
    is_due = F.lit(True) if is_open else F.col("ends_at") <= F.lit(as_of)
    has_earlier = F.col("first_cycle_start") < F.col("cycle_start")
    return (
        cycle_accounts(accounts, cycle)
        .join(settled, "account_id", how="left_anti")
        .join(earlier, "account_id", how="left")
        .withColumn("is_due", is_due)
        .withColumn("is_waiting", has_earlier & F.col("earlier_is_settled").isNull())
        .drop("earlier_is_settled")
    )
