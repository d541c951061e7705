"""Invoices unlike others, by hand: each limit is met once exactly, which is none, and once passed."""

from __future__ import annotations

from datetime import date
from decimal import Decimal as D

import pytest
from frames import assert_rows, table
from pyspark.sql import SparkSession

from tollgate.billing.outliers import Limits, outliers

LIMITS = Limits(history_bills=3, history_percent=300, maximum_percent=150, rank_percent=75, run_percent=200)
# Account, currency, total, and the totals of its bills before, oldest first.
BILLS = [
    ("median met", "CAD", "12.00", ["100.00", "4.00", "5.00", "3.00"]),  # the last three: 4.00 in the middle
    ("median passed", "CAD", "12.01", ["100.00", "4.00", "5.00", "3.00"]),
    ("lower middle", "CAD", "6.01", ["2.00", "9.00"]),  # 300 % of 2.00
    ("maximum met", "CAD", "15.00", ["10.00"]),
    ("maximum passed", "CAD", "15.01", ["10.00"]),
    ("below nothing", "CAD", "-1.00", ["-5.00"]),  # no share of a negative bill is a limit
    ("nothing", "CAD", "0.00", ["1.00"]),
    ("high and new", "CAD", "50.00", []),
    ("other currency", "JPY", "500.000", []),
    ("known in another", "KWD", "0.750", ["0.001 JPY"]),  # a first bill in its currency
]


@pytest.mark.covers("BIL-22")
def test_an_invoice_is_compared_with_the_accounts_own_bills_and_with_the_run(spark: SparkSession) -> None:
    money = "total DECIMAL(18,3)"
    invoice = table(
        spark, f"run_id STRING, account_id STRING, currency STRING, {money}",
        *[("run", account_id, currency, D(total)) for account_id, currency, total, _ in BILLS],
    )  # fmt: skip
    history = [
        (account_id, before.partition(" ")[2] or currency, date(2025, 1 + month, 1), "r", D(before.partition(" ")[0]))
        for account_id, currency, _, bills in BILLS
        for month, before in enumerate(bills)
    ]
    # Who is not in this run has no say in it.
    history.append(("somebody else", "CAD", date(2025, 1, 1), "r", D("0.01")))
    posted = table(spark, f"account_id STRING, currency STRING, cycle_start DATE, run_id STRING, {money}", *history)
    # CAD: -1.00, 0.00, 6.01, 12.00, 12.01, 15.00, 15.01, 50.00: three quarters of eight is the sixth, 15.00.
    assert_rows(
        outliers(invoice, posted, LIMITS),
        ("run", "median passed", "over_history", "CAD", D("12.010"), D("4.000"), 300),
        ("run", "lower middle", "over_history", "CAD", D("6.010"), D("2.000"), 300),
        ("run", "maximum passed", "new_maximum", "CAD", D("15.010"), D("10.000"), 150),
        ("run", "below nothing", "negative", "CAD", D("-1.000"), D("0.000"), 100),
        ("run", "nothing", "zero", "CAD", D("0.000"), D("0.000"), 100),
        ("run", "high and new", "first_bill", "CAD", D("50.000"), D("15.000"), 100),
        ("run", "high and new", "over_run", "CAD", D("50.000"), D("15.000"), 200),
    )
