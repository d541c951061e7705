"""Bill cycles: anchors, months of different lengths, local midnights, and which accounts a run takes."""

from __future__ import annotations

from datetime import date, datetime
from functools import reduce

import pytest
from billing.small_month import account, at, frame
from frames import assert_rows, table
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from tollgate.billing.cycle_dates import (
    calendar_of_account,
    cycle_end_of,
    cycle_start_of,
    key_of,
    local_midnight,
    overlap_days,
)
from tollgate.billing.cycles import CycleError, accounts_to_bill, may_precede, month_of, number_of

# zone, anchor, instant in UTC, start, end
CYCLES = [
    ("America/Toronto", 1, "2026-10-01T04:00:00", "2026-10-01", "2026-11-01"),
    ("America/Toronto", 1, "2026-10-01T03:59:59", "2026-09-01", "2026-10-01"),
    ("America/Toronto", 1, "2026-11-01T04:00:00", "2026-11-01", "2026-12-01"),  # the day on which the clocks change
    ("America/Toronto", 1, "2026-12-01T04:59:59", "2026-11-01", "2026-12-01"),
    ("UTC", 31, "2027-01-30T12:00:00", "2026-12-31", "2027-01-31"),
    ("UTC", 31, "2027-01-31T00:00:00", "2027-01-31", "2027-02-28"),
    ("UTC", 31, "2027-02-28T00:00:00", "2027-02-28", "2027-03-31"),
    ("UTC", 31, "2027-03-30T23:59:59", "2027-02-28", "2027-03-31"),
    ("UTC", 31, "2028-02-28T23:59:59", "2028-01-31", "2028-02-29"),  # leap year
    ("UTC", 31, "2028-02-29T00:00:00", "2028-02-29", "2028-03-31"),
    ("UTC", 29, "2028-02-29T00:00:00", "2028-02-29", "2028-03-29"),
    ("UTC", 29, "2027-02-28T00:00:00", "2027-02-28", "2027-03-29"),
    ("UTC", 15, "2027-01-14T23:59:59", "2026-12-15", "2027-01-15"),
    ("Asia/Kathmandu", 1, "2026-09-30T18:15:00", "2026-10-01", "2026-11-01"),
]


@pytest.mark.covers("CON-21", "BIL-21")
def test_the_cycle_of_an_instant_comes_from_the_anchor_in_the_accounts_zone(spark: SparkSession) -> None:
    rows = [(zone, anchor, datetime.fromisoformat(instant)) for zone, anchor, instant, *_ in CYCLES]
    instants = table(spark, "zone STRING, anchor INT, at TIMESTAMP", *[(z, a, at(t.isoformat())) for z, a, t in rows])
    of_account = {"anchor_day": F.col("anchor"), "cycle_days": F.lit(None).cast("int"),
                  "first_cycle_start": F.lit(date(2026, 1, 1))}  # fmt: skip
    calendar = F.col("calendar")
    found = (
        instants.withColumns(of_account)
        .withColumn("calendar", calendar_of_account())
        .withColumn("start", cycle_start_of(F.col("at"), F.col("zone"), calendar))
        .withColumn("end", cycle_end_of(F.col("start"), calendar))
    )
    assert_rows(
        found.select("zone", "anchor", F.date_format("at", "yyyy-MM-dd'T'HH:mm:ss"), F.col("start"), F.col("end")),
        *[(z, a, t, date.fromisoformat(start), date.fromisoformat(end)) for z, a, t, start, end in CYCLES],
    )


# Days, zone, instant in UTC, start, end, key; counted from 31 January 2026.
DAY_CYCLES = [
    (30, "America/Toronto", "2026-01-31T05:00:00", "2026-01-31", "2026-03-02", "2026-01"),
    (30, "America/Toronto", "2026-03-02T04:59:59", "2026-01-31", "2026-03-02", "2026-01"),
    (30, "America/Toronto", "2026-03-02T05:00:00", "2026-03-02", "2026-04-01", "2026-03"),
    (30, "America/Toronto", "2026-04-01T03:59:59", "2026-03-02", "2026-04-01", "2026-03"),  # an hour was left out
    (30, "America/Toronto", "2026-04-01T04:00:00", "2026-04-01", "2026-05-01", "2026-04"),
    (30, "America/Toronto", "2026-05-30T12:00:00", "2026-05-01", "2026-05-31", "2026-05"),
    (30, "America/Toronto", "2026-05-31T04:00:00", "2026-05-31", "2026-06-30", "2026-05.2"),
    (30, "America/Toronto", "2026-11-26T12:00:00", "2026-10-28", "2026-11-27", "2026-10"),  # an hour came twice
    (30, "America/Toronto", "2026-01-31T04:59:59", "2026-01-01", "2026-01-31", "2026-01"),  # before the first one
    (30, "Asia/Kathmandu", "2026-01-30T18:15:00", "2026-01-31", "2026-03-02", "2026-01"),
    (45, "UTC", "2026-03-16T23:59:59", "2026-01-31", "2026-03-17", "2026-01"),  # none starts in February
    (45, "UTC", "2026-03-17T00:00:00", "2026-03-17", "2026-05-01", "2026-03"),
    (7, "UTC", "2026-02-28T12:00:00", "2026-02-28", "2026-03-07", "2026-02.4"),
    (7, "UTC", "2026-05-30T12:00:00", "2026-05-30", "2026-06-06", "2026-05.5"),
    (366, "UTC", "2028-02-02T00:00:00", "2028-02-02", "2029-02-02", "2028-02"),
    (31, "UTC", "2028-02-29T12:00:00", "2028-02-14", "2028-03-16", "2028-02"),  # leap day
]


@pytest.mark.covers("CON-19", "CON-21", "BIL-08")
def test_cycles_of_days_are_counted_from_the_first_one_in_the_accounts_zone(spark: SparkSession) -> None:
    ddl = "cycle_days INT, zone STRING, at TIMESTAMP, anchor_day INT, first_cycle_start DATE"
    since = date(2026, 1, 31)
    rows = [(days, zone, at(instant), 1, since) for days, zone, instant, *_ in DAY_CYCLES]
    calendar = F.col("calendar")
    found = (
        table(spark, ddl, *rows)
        .withColumn("calendar", calendar_of_account())
        .withColumn("start", cycle_start_of(F.col("at"), F.col("zone"), calendar))
        .withColumn("end", cycle_end_of(F.col("start"), calendar))
        .withColumn("begins_at", local_midnight(F.col("start"), F.col("zone")))
    )
    text = F.date_format("at", "yyyy-MM-dd'T'HH:mm:ss")
    assert_rows(
        found.select(
            "cycle_days", "zone", text, "start", "end", key_of(F.col("start"), calendar), F.expr("begins_at <= at")
        ),
        *[(*one[:3], date.fromisoformat(one[3]), date.fromisoformat(one[4]), one[5], True) for one in DAY_CYCLES],
    )


@pytest.mark.covers("CON-19", "BIL-19")
def test_an_account_of_days_has_one_cycle_a_key_and_bills_them_in_order(spark: SparkSession) -> None:
    def of_days(name: str, days: int, since: date = date(2025, 5, 1)) -> dict[str, object]:
        return account(name, cycle_days=days, first_cycle_start=since)

    # Starts of 45 days: 1 May, 15 June, 30 July; of 14: 1, 15, 29 May, 12, 26 June; of 30: 1, 31 May, 30 June.
    accounts = frame(spark, "ref_account", [
        of_days("45", 45), of_days("45 new", 45, date(2025, 6, 15)), of_days("14", 14), of_days("14 parked", 14),
        of_days("30", 30), account("month"),
    ])  # fmt: skip
    runs = table(
        spark, "run_id STRING, cycle STRING, as_of TIMESTAMP",
        ("1", "2025-05", at("2025-06-16T12:00")), ("2", "2025-05.2", at("2025-06-16T12:00")),
        ("3", "2025-05.3", at("2025-06-16T12:00")),
    )  # fmt: skip
    parked = table(spark, "run_id STRING, account_id STRING", ("3", "14 parked"))
    told = ["account_id", "cycle_start", "cycle_end", "is_due", "is_waiting"]

    def asked(cycle: str) -> DataFrame:
        return accounts_to_bill(accounts, cycle, at("2025-07-01T12:00"), runs, parked).select(
            F.lit(cycle).alias("cycle"), *told
        )

    keys = ("2025-05", "2025-05.2", "2025-05.3", "2025-06", "2025-06.2", "2025-07")
    every = reduce(DataFrame.unionAll, [asked(cycle) for cycle in keys])
    june_1, june_12, june_15, june_26, july_1 = (
        date(2025, *day) for day in ((6, 1), (6, 12), (6, 15), (6, 26), (7, 1))
    )
    may_31, june_30, july_10, july_30 = (date(2025, *day) for day in ((5, 31), (6, 30), (7, 10), (7, 30)))
    assert_rows(
        every,
        # Not due on 16 June, when the run of the second ones was made; due on 1 July.
        ("2025-05.2", "30", may_31, june_30, True, False),
        ("2025-05.3", "14 parked", date(2025, 5, 29), june_12, True, False),
        ("2025-06", "45", june_15, july_30, False, False),
        ("2025-06", "45 new", june_15, july_30, False, False),
        ("2025-06", "14", june_12, june_26, True, False),
        ("2025-06", "14 parked", june_12, june_26, True, True),
        ("2025-06", "30", june_30, july_30, False, True),
        ("2025-06", "month", june_1, july_1, True, False),
        ("2025-06.2", "14", june_26, july_10, False, True),
        ("2025-06.2", "14 parked", june_26, july_10, False, True),
        ("2025-07", "45", july_30, date(2025, 9, 13), False, True),
        ("2025-07", "45 new", july_30, date(2025, 9, 13), False, True),
        ("2025-07", "14", july_10, date(2025, 7, 24), False, True),
        ("2025-07", "14 parked", july_10, date(2025, 7, 24), False, True),
        ("2025-07", "30", july_30, date(2025, 8, 29), False, True),
        ("2025-07", "month", july_1, date(2025, 8, 1), False, True),
    )


@pytest.mark.covers("CON-23")
def test_days_in_force_leave_out_the_end(spark: SparkSession) -> None:
    cases = [
        ("whole", "2025-01-01", None, 31),
        ("from the 17th", "2025-05-17", None, 15),
        ("until the 17th", "2025-01-01", "2025-05-17", 16),
        ("first day only", "2025-01-01", "2025-05-02", 1),
        ("ended on the first", "2025-01-01", "2025-05-01", 0),
        ("starts with the next cycle", "2025-06-01", None, 0),
    ]
    rows = [(name, date.fromisoformat(start), end and date.fromisoformat(end)) for name, start, end, _ in cases]
    contracts = table(spark, "name STRING, starts_on DATE, cancelled_on DATE", *rows)
    days = overlap_days(F.col("starts_on"), F.col("cancelled_on"), F.lit(date(2025, 5, 1)), F.lit(date(2025, 6, 1)))
    assert_rows(contracts.select("name", days), *[(name, days) for name, _, _, days in cases])


def test_accounts_bill_in_order_and_once(spark: SparkSession) -> None:
    accounts = frame(spark, "ref_account", [
        account("first cycle", first_cycle_start=date(2025, 6, 1)),
        account("later", first_cycle_start=date(2025, 7, 1)),
        account("settled in May"),
        account("parked in May"),
        account("not due", anchor_day=15),
        account("billed in June"),
    ])  # fmt: skip
    runs = table(
        spark, "run_id STRING, cycle STRING, as_of TIMESTAMP",
        ("may", "2025-05", at("2025-06-15T12:00")), ("june", "2025-06", at("2025-07-01T12:00")),
    )  # fmt: skip
    parked = [("may", "parked in May"), ("june", "parked in May"), ("june", "settled in May"), ("june", "first cycle")]
    found = accounts_to_bill(
        accounts, "2025-06", at("2025-07-01T12:00"), runs, table(spark, "run_id STRING, account_id STRING", *parked)
    )
    assert_rows(
        found.select("account_id", "is_due", "is_waiting"),
        ("first cycle", True, False),
        ("settled in May", True, False),
        ("parked in May", True, True),
        ("not due", False, False),
    )


def test_a_run_of_named_accounts_settles_those_alone(spark: SparkSession) -> None:
    names = ("billed by name", "in no run", "billed with all", "parked")
    accounts = frame(spark, "ref_account", [account(name) for name in names])
    pair = "run_id STRING, account_id STRING"
    runs = table(
        spark, "run_id STRING, cycle STRING, as_of TIMESTAMP",
        ("of one", "2025-05", at("2025-06-15T12:00")), ("of two", "2025-05", at("2025-06-15T12:00")),
    )  # fmt: skip
    parked = table(spark, pair, ("of two", "parked"))
    named = table(spark, pair, ("of one", "billed by name"), ("of two", "billed with all"), ("of two", "parked"))
    left = accounts_to_bill(accounts, "2025-05", at("2025-07-01T12:00"), runs, parked, named=named)
    of_june = accounts_to_bill(
        accounts, "2025-06", at("2025-07-01T12:00"), runs, parked, named=named,
        only=table(spark, "account_id STRING", ("billed by name",), ("in no run",), ("nobody",)),
    )  # fmt: skip
    told = [F.col(name) for name in ("cycle_start", "account_id", "is_waiting")]
    assert_rows(
        left.select(*told).unionAll(of_june.select(*told)),
        (date(2025, 5, 1), "in no run", False),
        (date(2025, 5, 1), "parked", False),
        (date(2025, 6, 1), "billed by name", False),
        (date(2025, 6, 1), "in no run", True),
    )


def test_a_cycle_is_a_month_and_a_number_in_it() -> None:
    assert (month_of("2026-10"), number_of("2026-10")) == (date(2026, 10, 1), 1)
    assert (month_of("2026-10.5"), number_of("2026-10.5")) == (date(2026, 10, 1), 5)
    for text in ("2026-13", "2026-1", "October", "", "2026-10.1", "2026-10.6", "2026-10/2"):
        with pytest.raises(CycleError, match="a month such as"):
            month_of(text)


def test_the_cycle_before_starts_at_most_366_days_earlier() -> None:
    # 2028-02-01 less 366 days is 2027-01-31
    assert [may_precede(one, "2028-02") for one in ("2026-12.5", "2027-01", "2027-12", "2028-02", "2028-02.2")] == [
        False, True, True, True, False,
    ]  # fmt: skip
