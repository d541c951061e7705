"""Golden vectors G-01 to G-08: Term and Month-to-month on a flat price book without invoice fee, tax and proration."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from billing.small_month import account, agreement, at, bill_may, posted_before, usage
from frames import assert_rows
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

EARLY, LATE = date(2025, 5, 20), date(2025, 12, 31)


def minutes(seconds: int) -> int:
    return -(-seconds // 60) * 60


@pytest.mark.covers(
    "CON-03",
    "CON-04",
    "CON-05",
    "CON-06",
    "CON-07",
    "CON-08",
    "CON-09",
    "CON-10",
    "CON-11",
    "CON-18",
    "CON-19",
    "CON-21",
    "BIL-01",
)
def test_golden_vectors_of_term_and_month_to_month(spark: SparkSession) -> None:
    vectors = [
        ("G-01", agreement("G-01", starts_on=date(2025, 5, 1)), (), "320.000", 0, 0),
        ("G-02", agreement("G-02"), (), "20.000", 0, 0),
        ("G-03", agreement("G-03"), (915, 1975, 6028), "25.000", 9000, 6000),
        ("G-04", agreement("G-04"), (317,), "20.000", 360, 360),
        ("G-05", agreement("G-05"), (5400, 660), "20.100", 6060, 6000),
        ("G-06a", agreement("G-06a", term_ends_on=LATE, cancelled_on=EARLY), (), "20.000", 0, 0),
        ("G-06b", agreement("G-06b", term_ends_on=EARLY, cancelled_on=EARLY), (), "-280.000", 0, 0),
        ("G-07", agreement("G-07", "month_to_month"), (248, 335, 884), "51.300", 1560, 0),
        ("G-08a", agreement("G-08a", "month_to_month"), (), "50.000", 0, 0),
        ("G-08b", agreement("G-08b", "month_to_month", cancelled_on=EARLY), (), "50.000", 0, 0),
    ]
    rated = [
        usage(name, f"{day}", at(f"2025-05-{day:02d}T16:00"), minutes(length), plan_id=contract["plan_id"])
        for name, contract, calls, *_ in vectors
        for day, length in enumerate(calls, start=1)
    ]
    accounts = [account(name, tax_exempt=True) for name, *_ in vectors]

    bill = bill_may(spark, accounts, [contract for _, contract, *_ in vectors], rated)

    # Ten free minutes left, and a call of eleven.
    assert_rows(
        bill.billed_usage.where("account_id = 'G-05'").select(
            "event_id", "allowance_id", "free_units", "list_charge", "net_charge"
        ),
        ("1", "term_voice", 5400, Decimal("9.000000"), Decimal("0.000000")),
        ("2", "term_voice", 600, Decimal("1.100000"), Decimal("0.100000")),
    )
    used = (
        bill.invoice_line.where("kind = 'usage'")
        .groupBy("account_id")
        .agg(F.sum("units").alias("units"), F.sum("free_units").alias("free"))
    )
    found = bill.invoice.join(used, "account_id", "left").select(
        "account_id", "total", F.coalesce("units", F.lit(0)), F.coalesce("free", F.lit(0))
    )
    assert_rows(found, *[(name, Decimal(total), units, free) for name, _, _, total, units, free in vectors])


@pytest.mark.covers("CON-12")
def test_a_month_to_month_bill_knows_nothing_of_the_months_before(spark: SparkSession) -> None:
    june_1, plan = date(2025, 6, 1), "month_to_month"
    accounts = [account("old", tax_exempt=True), account("new", tax_exempt=True, first_cycle_start=june_1)]
    contracts = [agreement("old", plan), agreement("new", plan, starts_on=june_1)]
    may = [usage("old", "may", at("2025-05-09T16:00"), 86_400, plan_id=plan)]
    june = [
        usage(name, f"{day}", at(f"2025-06-{day:02d}T16:00"), minutes(length), plan_id=plan)
        for name in ("old", "new")
        for day, length in enumerate((248, 335, 884), start=1)
    ]
    first = bill_may(spark, accounts, contracts, may)
    assert_rows(first.invoice.select("account_id", "total"), ("old", Decimal("122.000")))
    posted = posted_before(
        spark, first.billed_usage, [("may", "2025-05", at("2025-06-01T04:00"))],
        lines=first.invoice_line.withColumn("cycle", F.lit("2025-05")),
    )  # fmt: skip
    then = bill_may(spark, accounts, contracts, [*may, *june], None, posted, cycle="2025-06")
    # G-07: 26 minutes
    assert_rows(
        then.invoice_line.select("account_id", "kind", "events", "units", "amount"),
        *[row for name in ("old", "new") for row in ((name, "recurring", 0, 1, Decimal("50.000")),
                                                     (name, "usage", 3, 1560, Decimal("1.300")))],
    )  # fmt: skip
