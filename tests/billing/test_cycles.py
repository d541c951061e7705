"""Bill cycles: anchors, months of different lengths, local midnights, and which accounts a run takes."""

from __future__ import annotations

from datetime import date, datetime

import pytest
from billing.small_month import account, at, frame
from frames import assert_rows, table
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from tollgate.billing.cycles import (
    CycleError,
    accounts_to_bill,
    cycle_end_of,
    cycle_start_of,
    month_before,
    month_of,
    overlap_days,
)

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
    start = cycle_start_of(F.col("at"), F.col("zone"), F.col("anchor"))
    found = instants.withColumn("start", start).withColumn("end", cycle_end_of(F.col("start"), F.col("anchor")))
    assert_rows(
        found.select("zone", "anchor", F.date_format("at", "yyyy-MM-dd'T'HH:mm:ss"), F.col("start"), F.col("end")),
        *[(z, a, t, date.fromisoformat(start), date.fromisoformat(end)) for z, a, t, start, end in CYCLES],
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


def test_a_cycle_is_a_month() -> None:
    assert (month_of("2026-10"), month_before("2026-01")) == (date(2026, 10, 1), "2025-12")
    for text in ("2026-13", "2026-1", "October", ""):
        with pytest.raises(CycleError, match="a month such as"):
            month_of(text)
