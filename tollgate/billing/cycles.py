"""Bill cycles by their key: which accounts a run bills, which accounts have been settled.

The key of a cycle is the month in which it starts, 2026-05; the second cycle of an account that starts in one month, as
cycles of days can, has the key 2026-05.2, and so on. A run bills the cycles of one key, so at most one of an account.
Source: docs/billing.md, "Cycles".
"""

from __future__ import annotations

import re
from datetime import date, datetime

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from tollgate.billing.cycle_dates import (
    calendar_of_account,
    cycle_after,
    cycle_end_of,
    cycle_of_day,
    cycle_start_of,
    key_of,
    local_midnight,
    start_of_key,
)

# Cycles have at most 366 days: the one before starts at most so many months earlier.
MONTHS_BACK = 13


class CycleError(ValueError):
    """A bill cycle that is not written as YYYY-MM, or YYYY-MM.2 up to YYYY-MM.5."""


def month_of(cycle: str) -> date:
    """First day of the month that a cycle's key names; CycleError for a text that is none."""
    if not re.fullmatch(r"[0-9]{4}-(0[1-9]|1[0-2])(\.[2-5])?", cycle):
        raise CycleError(
            f"a bill cycle is a month such as 2026-10, or 2026-10.2 for second cycles that start in it, found {cycle!r}"
        )
    return date(int(cycle[:4]), int(cycle[5:7]), 1)


def number_of(cycle: str) -> int:
    """Which of an account's cycles that start in the key's month: 1 unless it says another."""
    return int(cycle[8:] or 1)


def may_precede(earlier: str, cycle: str) -> bool:
    """Whether a run of the key `earlier` can have settled the cycle `cycle` of an account, or the one before it."""
    then, now = month_of(earlier), month_of(cycle)
    return earlier <= cycle and (now.year - then.year) * 12 + now.month - then.month <= MONTHS_BACK


def cycle_accounts(accounts: DataFrame, cycle: str) -> DataFrame:
    """Accounts that have the cycle `cycle`, with `calendar`, `cycle_start`, `cycle_end` (DATE, exclusive), `ends_at`
    (instant) and `is_closed`.

    accounts: ref_account. An account whose first cycle starts later does not have it. One that is closed by its start
    has had its last bill, that of the cycle which contains the last day before `closed_on`; late usage may still come.
    """
    month, number = F.lit(month_of(cycle)), F.lit(number_of(cycle))
    return (
        accounts.withColumn("calendar", calendar_of_account())
        .withColumn("cycle_start", start_of_key(month, number, F.col("calendar")))
        .withColumn("cycle_end", cycle_end_of(F.col("cycle_start"), F.col("calendar")))
        .withColumn("ends_at", local_midnight(F.col("cycle_end"), F.col("time_zone")))
        .withColumn("is_closed", F.expr("coalesce(closed_on <= cycle_start, false)"))
        .where("cycle_start >= first_cycle_start")
    )


def start_of_bill() -> Column:
    """DATE: start of the cycle billed by a line, out of its bill's `cycle` and its account's `calendar`."""
    month = F.to_date(F.concat(F.substring("cycle", 1, 7), F.lit("-01")))
    number = F.coalesce(F.expr("try_cast(substr(cycle, 9) AS INT)"), F.lit(1))
    return start_of_key(month, number, F.col("calendar"))


def settled_cycles(
    cycles: DataFrame, posted_runs: DataFrame, parked: DataFrame, named: DataFrame | None = None
) -> DataFrame:
    """(account_id, cycle) of the cycles that a posted run has dealt with: due by its as_of, not parked in it, and
    named by it where it was asked for named accounts only.

    cycles: account_id, `cycle` (its key) and `ends_at`; posted_runs: (run_id, cycle, as_of) of posted runs; parked:
    (run_id, account_id) of theirs; named: the same of the runs that have named accounts, None where no run has.
    """
    runs = F.broadcast(posted_runs.select("run_id", "cycle", "as_of"))
    dealt_with = cycles.join(runs, "cycle", how="inner").where("ends_at <= as_of")
    if named is not None:
        of_names = named.select("run_id").distinct().withColumn("has_names", F.lit(True))
        is_named = named.withColumn("is_named", F.lit(True))
        dealt_with = (
            dealt_with.join(F.broadcast(of_names), "run_id", how="left")
            .join(F.broadcast(is_named), ["run_id", "account_id"], how="left")
            .where("has_names IS NULL OR is_named")
        )
    return (
        dealt_with.select("run_id", "account_id", "cycle").join(parked, ["run_id", "account_id"], how="left_anti")
        .select("account_id", "cycle").distinct()
    )  # fmt: skip


def due_cycles(
    accounts: DataFrame, as_of: datetime, posted_runs: DataFrame, parked: DataFrame, named: DataFrame | None = None
) -> DataFrame:
    """Keys of cycles that ended by `as_of` and that no posted run has settled: `cycle`, `accounts` (how many of those
    that are not closed before it have such a one) and `ready`: of how many it is the first one, so that it can be
    billed now. A row a key; cycles that began more than MONTHS_BACK months before that of `as_of` are not looked for.

    accounts: ref_account; posted_runs, parked, named: see `settled_cycles`.
    """
    most = f"CASE WHEN calendar.days IS NULL THEN {MONTHS_BACK} ELSE {MONTHS_BACK * 31} div calendar.days + 1 END"
    now = cycle_start_of(F.lit(as_of), F.col("time_zone"), F.col("calendar"))
    earliest = F.add_months(F.trunc(F.lit(as_of.date()), "MM"), -MONTHS_BACK)
    ended = (
        accounts.withColumn("calendar", calendar_of_account())
        .withColumn("now_on", now)
        .withColumn("ago", F.explode(F.sequence(F.lit(1), F.expr(f"CAST({most} AS INT)"))))
        .withColumn("cycle_start", cycle_after(F.col("now_on"), -F.col("ago"), F.col("calendar")))
        .where(F.col("cycle_start") >= F.greatest("first_cycle_start", earliest))
        .where("coalesce(cycle_start < closed_on, true)")
        .withColumn("cycle", key_of(F.col("cycle_start"), F.col("calendar")))
        .withColumn("cycle_end", cycle_end_of(F.col("cycle_start"), F.col("calendar")))
        .withColumn("ends_at", local_midnight(F.col("cycle_end"), F.col("time_zone")))
        .select("account_id", "cycle", "cycle_start", "ends_at")
    )
    settled = settled_cycles(ended.select("account_id", "cycle", "ends_at"), posted_runs, parked, named)
    of_account = Window.partitionBy("account_id")
    return (
        ended.join(settled, ["account_id", "cycle"], how="left_anti")
        .withColumn("is_first", F.col("cycle_start") == F.min("cycle_start").over(of_account))
        .groupBy("cycle")
        .agg(F.count("*").alias("accounts"), F.count_if("is_first").alias("ready"))
    )


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

    as_of: cycles that ended by this instant are due; of a closed account, which can have late usage only, those that
    began by it, so that it needs no account of its own dates to have a run. A closed account waits for its last bill
    alone. named: as of `settled_cycles`. only: (account_id) of the accounts asked for, unique; None for all. is_open:
    a preview, which bills a cycle before its end.
    """
    if only is not None:
        accounts = accounts.join(F.broadcast(only), "account_id", how="left_semi")
    of_cycle = cycle_accounts(accounts, cycle).withColumn("due_at", _due_at(F.col("cycle_start")))
    now = of_cycle.select("account_id", F.lit(cycle).alias("cycle"), F.col("due_at").alias("ends_at"))
    settled = settled_cycles(now, posted_runs, parked, named)
    earlier = settled_cycles(of_cycle.select(*_cycle_before(cycle)), posted_runs, parked, named).drop("cycle")
    is_due = F.lit(True) if is_open else F.col("due_at") <= F.lit(as_of)
    has_earlier = F.col("first_cycle_start") < F.col("cycle_start")
    return (
        of_cycle.join(settled, "account_id", how="left_anti")
        .join(earlier.withColumn("earlier_is_settled", F.lit(True)), "account_id", how="left")
        .withColumn("is_due", is_due)
        .withColumn("is_waiting", has_earlier & F.col("earlier_is_settled").isNull())
        .drop("earlier_is_settled", "due_at")
    )


def _due_at(cycle_start: Column) -> Column:
    """TIMESTAMP from which on the account's cycle is due: its end, or its start where the account is closed by then."""
    due_on = F.when(F.col("closed_on") <= cycle_start, cycle_start)
    return local_midnight(due_on.otherwise(cycle_end_of(cycle_start, F.col("calendar"))), F.col("time_zone"))


def _cycle_before(cycle: str) -> list[Column]:
    """account_id, key and `ends_at` of the cycle that has to be settled before the account's cycle of the key `cycle`:
    the one before, of a closed account that of its last bill.

    A last bill of more than MONTHS_BACK months ago is left to the cycles since then: nobody looks for its run any more.
    """
    before = cycle_after(F.col("cycle_start"), F.lit(-1), F.col("calendar"))
    last = cycle_of_day(F.date_sub("closed_on", 1), F.col("calendar"))
    is_near = F.trunc(last, "MM") >= F.add_months(F.lit(month_of(cycle)), -MONTHS_BACK)
    start = F.when(F.col("is_closed") & is_near, last).otherwise(before)
    return [F.col("account_id"), key_of(start, F.col("calendar")).alias("cycle"), _due_at(start).alias("ends_at")]
