"""The local dates of bill cycles, by an account's calendar: an anchor day of the months, or every so many days.

A cycle is [local start date 00:00, next) in the account's zone. Every date is computed from the anchor and never from
the cycle before: so an anchor on the 31st comes back after February, and cycles of days never drift. Integer arithmetic
on dates, set-wise. Source: docs/billing.md, "Cycles".
"""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F


def calendar_of_account() -> Column:
    """STRUCT `calendar` out of the columns of ref_account: anchor_day of cycles of months; days and anchor of cycles of
    days, `days` is NULL where they are months."""
    return F.struct("anchor_day", F.col("cycle_days").alias("days"), F.col("first_cycle_start").alias("anchor")).alias(
        "calendar"
    )


def unit_of_fee() -> Column:
    """STRING: what a fee for a whole cycle is a fee for, out of the account's `calendar`."""
    return F.when(F.col("calendar.days").isNull(), F.lit("month")).otherwise(F.lit("cycle"))


def cycle_start_of(instant: Column, time_zone: Column, calendar: Column) -> Column:
    """DATE: local start of the cycle in which an instant lies."""
    return cycle_of_day(F.to_date(F.from_utc_timestamp(instant, time_zone)), calendar)


def cycle_of_day(day: Column, calendar: Column) -> Column:
    """DATE: start of the cycle that contains a local date, also before the account's first one."""
    month = F.trunc(day, "MM")
    this_month = _anchored(month, calendar)
    of_months = F.when(day >= this_month, this_month).otherwise(_anchored(F.add_months(month, -1), calendar))
    of_days = F.date_sub(day, F.pmod(F.date_diff(day, calendar["anchor"]), calendar["days"]))
    return F.when(calendar["days"].isNull(), of_months).otherwise(of_days)


def cycle_after(cycle_start: Column, cycles: Column, calendar: Column) -> Column:
    """DATE: start of the cycle so many after the one that starts on `cycle_start`; below 0, before it."""
    of_months = _anchored(F.add_months(F.trunc(cycle_start, "MM"), cycles), calendar)
    of_days = F.date_add(cycle_start, cycles * calendar["days"])
    return F.when(calendar["days"].isNull(), of_months).otherwise(of_days)


def cycle_end_of(cycle_start: Column, calendar: Column) -> Column:
    """DATE: local end, exclusive, of the cycle that starts on `cycle_start`."""
    return cycle_after(cycle_start, F.lit(1), calendar)


def cycles_between(first: Column, last: Column, calendar: Column) -> Column:
    """INT: how many cycles after the one that starts on `first` the one that starts on `last` comes; below 0, before
    it."""
    of_months = (F.year(last) - F.year(first)) * 12 + F.month(last) - F.month(first)
    of_days = F.call_function("div", F.date_diff(last, first), calendar["days"]).cast("int")
    return F.when(calendar["days"].isNull(), of_months).otherwise(of_days)


def start_of_key(month: Column, number: Column, calendar: Column) -> Column:
    """DATE: start of the account's cycle of that number among those that start in the month which begins on `month`;
    NULL where the account has none."""
    since = F.greatest(month, calendar["anchor"])
    first = F.date_add(since, F.pmod(F.date_diff(calendar["anchor"], since), calendar["days"]))
    of_days = F.date_add(first, (number - 1) * calendar["days"])
    of_days = F.when(F.trunc(of_days, "MM") == month, of_days)
    of_months = F.when(number == 1, _anchored(month, calendar))
    return F.when(calendar["days"].isNull(), of_months).otherwise(of_days)


def key_of(cycle_start: Column, calendar: Column) -> Column:
    """STRING: the key of the cycle that starts on `cycle_start`: its month, YYYY-MM, and where other ones of the
    account start earlier in that month, its number, as in 2026-05.2. Keys of an account sort as its cycles do; cycles
    before its first one, which are never billed, have that of their month.
    """
    since = F.greatest(F.trunc(cycle_start, "MM"), calendar["anchor"])
    before = F.coalesce(F.call_function("div", F.date_diff(cycle_start, since), calendar["days"]), F.lit(0))
    number = F.when(before > 0, F.concat(F.lit("."), before + 1)).otherwise(F.lit(""))
    return F.concat(F.date_format(cycle_start, "yyyy-MM"), number)


def local_midnight(day: Column, time_zone: Column) -> Column:
    """TIMESTAMP: the instant at which a local date begins. The session's zone is UTC."""
    return F.to_utc_timestamp(day.cast("timestamp"), time_zone)


def overlap_days(starts_on: Column, ends_on: Column, cycle_start: Column, cycle_end: Column) -> Column:
    """INT: local days of [starts_on, ends_on) in [cycle_start, cycle_end); a NULL `ends_on` is open."""
    until = F.least(F.coalesce(ends_on, cycle_end), cycle_end)
    return F.greatest(F.lit(0), F.date_diff(until, F.greatest(starts_on, cycle_start)))


def _anchored(month: Column, calendar: Column) -> Column:
    """DATE: the anchor day in the month that begins on `month`; an anchor beyond the month's end is its last day."""
    return F.date_add(month, F.least(calendar["anchor_day"], F.dayofmonth(F.last_day(month))) - 1)
