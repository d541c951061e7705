"""Volume tiers, worked by hand: all units at the price of the last, by line and by account, and late usage after."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from billing.small_month import account, agreement, allowance, at, bill_may, posted_before, tiers, usage
from billing.small_month import frame as rows_of
from frames import assert_rows, small_frame
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from tollgate.billing.ledger import postings
from tollgate.platform.lake import kept

BOOK = {"allowance": [allowance("term_voice", "term", "voice", 60)], "tax": []}
# 0.10 a minute, beyond 600 s 0.05 for all; messages of an account 0.05, beyond 2 of them 0.02
TIERS = [
    {**row, "mode": "volume"}
    for row in (*tiers("minutes", "line", (0, "0.10"), (600, "0.05")),
                *tiers("messages", "account", (0, "0.05"), (2, "0.02")))
]  # fmt: skip


def call(account_id: str, name: str, day: int, units: int, **fields: Any) -> dict[str, Any]:
    usual = {"rate_id": "minutes", "tax_category": "none"}
    return usage(account_id, name, at(f"2025-05-{day:02}T16:00"), units, **{**usual, **fields})


def sms(name: str, line: str) -> dict[str, Any]:
    return call("B", name, 2, 1, service="sms", rate_id="messages", subscription_id=line)


def told(lines: DataFrame) -> DataFrame:
    """Lines other than usage."""
    ref = F.element_at(F.split("line_key", r"\|"), -1).alias("ref")
    found = lines.where("kind NOT IN ('usage', 'prior_period')")
    return found.select("account_id", "kind", "subscription_id", "service", ref, "amount")


def money(amount: str) -> Decimal:
    return Decimal(amount).quantize(Decimal("0.001"))


@pytest.mark.covers("RAT-40", "RAT-44", "BIL-21")
def test_all_units_cost_what_the_last_one_does(spark: SparkSession) -> None:
    prices = rows_of(spark, "price_tier", TIERS)
    rated = [
        # 60 s are free: 540 s and 300 s, 1.40 at 0.10, 0.70 at 0.05
        call("A", "first", 2, 600), call("A", "second", 3, 300),
        sms("one", "S1"), sms("two", "S1"), sms("three", "S2"),
        call("C", "discounted", 2, 1200, discount_num=18, discount_den=20, plan_id="month_to_month"),  # 1.80 and 0.90
        call("D", "just not", 2, 600, plan_id="month_to_month"),
        call("D", "other rate", 3, 600, plan_id="month_to_month", rate_id="r"),
    ]  # fmt: skip
    accounts = [account(name) for name in "ABCD"]
    may = bill_may(spark, accounts, [agreement("A")], rated, BOOK, tiers=prices)
    assert may.parked.isEmpty()
    assert_rows(
        told(may.invoice_line),
        ("A", "volume_tier", "SA", "voice", "minutes", money("-0.70")),
        ("B", "volume_tier", "S1", "sms", "messages", money("-0.06")),
        ("B", "volume_tier", "S2", "sms", "messages", money("-0.03")),
        ("C", "volume_tier", "SC", "voice", "minutes", money("-0.90")),
    )
    no_deposit = small_frame(spark, [], "account_id STRING, amount DECIMAL(18,3)")
    assert_rows(
        postings(may.invoice_line, no_deposit).where("account_id = 'A'").select("ledger_account", "amount"),
        ("receivable", money("0.70")), ("revenue_voice", money("-0.70")),
    )  # fmt: skip
    posted = posted_before(
        spark, kept(may.billed_usage), [("may", "2025-05", at("2025-06-01T04:00"))],
        lines=kept(may.invoice_line.withColumn("cycle", F.lit("2025-05"))),
    )  # fmt: skip
    late = [
        call("A", "late", 1, 120),
        sms("late sms", "S1"),
        call("D", "one more", 9, 60, plan_id="month_to_month"),
        {**call("C", "june", 9, 60, plan_id="month_to_month"), "started_at": at("2025-06-02T16:00")},
    ]
    june = bill_may(spark, accounts, [agreement("A")], [*rated, *late], BOOK, posted, tiers=prices, cycle="2025-06")
    assert june.parked.isEmpty()
    assert_rows(
        told(june.invoice_line),
        ("A", "prior_volume_tier", "SA", "voice", "minutes", money("-0.10")),  # its own 0.20 are 0.10
        ("B", "prior_volume_tier", "S1", "sms", "messages", money("-0.03")),
        ("D", "prior_volume_tier", "SD", "voice", "minutes", money("-0.55")),  # 660 s: 1.10 are 0.55
    )
