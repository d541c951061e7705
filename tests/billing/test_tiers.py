"""Graduated tiers, worked by hand: events in their order, half in a tier, after allowances, by line and by account."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from billing.small_month import account, agreement, allowance, at, bill_may, frame, posted_before, tiers, usage
from frames import assert_rows
from pyspark.sql import SparkSession

BOOK = {"allowance": [allowance("term_voice", "term", "voice", 60)], "tax": []}
# 0.10 a minute for 90 s, then 0.05, from 300 s on nothing; messages of an account: two at 0.05, then 0.015
TIERS = [
    *tiers("minutes", "line", (0, "0.10"), (90, "0.05"), (300, "0")),
    *tiers("messages", "account", (0, "0.05"), (2, "0.015")),
    *[{**row, "pricebook_version": 2} for row in tiers("minutes", "line", (0, "1"))],
]


def call(name: str, day: int, units: int, account_id: str = "A", **fields: Any) -> dict[str, Any]:
    usual = {"rate_id": "minutes", "piece_factor_num": [1], "factor_den": 1, "tax_category": "none"}
    return usage(account_id, name, at(f"2025-05-{day:02}T16:00"), units, **{**usual, **fields})


def sms(name: str, day: int, line: str) -> dict[str, Any]:
    return call(name, day, 1, "B", service="sms", rate_id="messages", subscription_id=line)


def net(amount: str) -> Decimal:
    return Decimal(amount).quantize(Decimal("0.000001"))


@pytest.mark.covers("RAT-40", "RAT-44", "BIL-21")
def test_the_place_of_a_unit_in_the_cycle_makes_its_price(spark: SparkSession) -> None:
    prices = frame(spark, "price_tier", TIERS)
    may = [
        # 60 s are free; the next 60 s, 30 s of 60 s and so on
        call("first", 2, 120), call("second", 3, 60), call("third", 4, 240),
        call("beyond", 5, 60), call("other rate", 6, 60, rate_id="r", piece_factor_num=[10], factor_den=10),
        call("unanswered", 3, 0, retail_status="zero_rated", piece_units=None, numerator=Decimal(0), charge=Decimal(0)),
        call("older price book", 7, 60, pricebook_version=2),
        sms("one", 2, "S1"), sms("two", 3, "S2"), sms("three", 4, "S1"),
        call("discounted", 2, 120, "C", discount_num=18, discount_den=20, plan_id="month_to_month"),
        call("rounded", 2, 91, "D", digits=2, plan_id="month_to_month"),
    ]  # fmt: skip
    accounts = [account(name) for name in "ABCD"]
    bill = bill_may(spark, accounts, [agreement("A")], may, BOOK, tiers=prices)
    found = bill.billed_usage
    assert_rows(
        found.select("event_id", "free_units", "net_charge"),
        ("first", 60, net("0.1")),  # 0 to 60 s
        ("second", 0, net("0.075")),  # 30 s at 0.10, 30 s at 0.05
        ("unanswered", 0, net("0")),
        ("third", 0, net("0.15")),  # 120 to 360 s: 180 s at 0.05, the rest at nothing
        ("beyond", 0, net("0")), ("other rate", 0, net("0.1")),
        ("older price book", 0, net("1")),
        ("one", 0, net("0.05")), ("two", 0, net("0.05")), ("three", 0, net("0.015")),
        ("discounted", 0, net("0.1575")),  # (0.15 + 0.025) x 0.9
        ("rounded", 0, net("0.15")),  # 0.15 + 1/60 of 0.05: 0.150833
    )  # fmt: skip
    late = [call("earlier", 1, 60), {**call("june", 2, 120), "started_at": at("2025-06-02T16:00")}]
    posted = posted_before(spark, found, [("may", "2025-05", at("2025-06-01T04:00"))])
    june = bill_may(spark, accounts, [agreement("A")], [*may, *late], BOOK, posted, tiers=prices, cycle="2025-06")
    assert_rows(
        june.billed_usage.select("event_id", "origin_cycle", "free_units", "net_charge"),
        # begun before all others, yet it goes on where they ended
        ("earlier", date(2025, 5, 1), 0, net("0")),
        ("june", date(2025, 6, 1), 60, net("0.1")),
    )
