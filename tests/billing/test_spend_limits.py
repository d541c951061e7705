"""Spending caps and minimums, worked by hand: of a line and an account, with discounts, and late usage after them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from billing.small_month import (
    account,
    agreement,
    at,
    bill_may,
    discount,
    fee,
    posted_before,
    spend_limit,
    top_up,
    usage,
)
from frames import assert_rows, small_frame
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from tollgate.billing.ledger import postings
from tollgate.platform.lake import kept

BOOK: dict[str, list[dict[str, Any]]] = {
    "tax": [],
    "bill_discount": [discount("ten", 1, 10)],
    "spend_limit": [
        spend_limit("calls", "cap", "term", "line", "5.00", service="voice"),
        spend_limit("least", "minimum", "term", "account", "3.00", tax_category="none"),
        spend_limit("mtm", "cap", "month_to_month", "account", "4.00"),
        spend_limit("past", "cap", "*", "line", "0.01", service="mms", valid_to=at("2025-05-31T00:00")),
    ],
}
CONTRACTS = [
    agreement("A"), agreement("A", subscription_id="second", contract_id="K2"), agreement("B"), agreement("C"),
    agreement("M", "month_to_month"), agreement("M", "month_to_month", subscription_id="second", contract_id="K2"),
    agreement("gone", cancelled_on=date(2025, 5, 1)),
]  # fmt: skip
MAY = [
    # 8.00 and 2.00 of calls, 5.00 too much: in proportion 4.00 and 1.00
    usage("A", "much", at("2025-05-02T16:00"), 4800, tax_category="exempt"),
    usage("A", "more", at("2025-05-03T16:00"), 1200, tax_category="none"),
    # another line and another service: below their own cap, under none
    usage("A", "other line", at("2025-05-02T16:00"), 2940, tax_category="none", subscription_id="second"),
    usage("A", "message", at("2025-05-02T16:00"), 1, "sms", tax_category="none"),
    usage("C", "little", at("2025-05-02T16:00"), 600, tax_category="none"),
    usage("C", "mms", at("2025-05-02T16:00"), 1, "mms", unit_price_micros=50_000, tax_category="none"),
    # 3.00 and 2.00 of two lines together are 1.00 too much
    usage("M", "one", at("2025-05-02T16:00"), 3600, plan_id="month_to_month", tax_category="none"),
    usage("M", "two", at("2025-05-03T16:00"), 2400, plan_id="month_to_month", tax_category="none",
          subscription_id="second"),
]  # fmt: skip
LATE = [
    usage("A", "late", at("2025-05-09T16:00"), 600, tax_category="exempt", rating_no=2),
    usage("C", "late", at("2025-05-09T16:00"), 1500, tax_category="none", rating_no=2),
    usage("M", "late", at("2025-05-09T16:00"), 600, plan_id="month_to_month", tax_category="none", rating_no=2),
]
ACCOUNTS = [account(name) for name in ("A", "B", "C", "M", "gone")]


def changed(lines: DataFrame) -> DataFrame:
    """Lines other than usage: account, kind, line, tax category, what made it, amount."""
    ref = F.element_at(F.split("line_key", r"\|"), -1).alias("ref")
    found = lines.where("kind NOT IN ('usage', 'prior_period')")
    return found.select("account_id", "kind", "subscription_id", "tax_category", ref, "amount")


def money(amount: str) -> Decimal:
    return Decimal(amount).quantize(Decimal("0.001"))


@pytest.mark.covers("RAT-44", "BIL-21", "BIL-03")
def test_usage_costs_no_more_than_a_cap_and_no_less_than_a_minimum(spark: SparkSession) -> None:
    may = bill_may(spark, ACCOUNTS, CONTRACTS, MAY, BOOK)
    assert may.parked.isEmpty()
    assert_rows(
        changed(may.invoice_line),
        ("A", "spend_cap", "SA", "exempt", "calls", money("-4")),
        ("A", "spend_cap", "SA", "none", "calls", money("-1")),
        # 10 % of 8.00 - 4.00; of 2.00 - 1.00 + 4.90 + 0.05
        ("A", "discount", None, "exempt", "ten", money("-0.40")),
        ("A", "discount", None, "none", "ten", money("-0.60")),
        ("B", "minimum_spend", None, "none", "least", money("3")),
        ("C", "minimum_spend", None, "none", "least", money("1.95")),  # 1.00 and 0.05
        ("C", "discount", None, "none", "ten", money("-0.11")),
        ("M", "spend_cap", None, "none", "mtm", money("-1")), ("M", "discount", None, "none", "ten", money("-0.40")),
    )  # fmt: skip
    no_deposit = small_frame(spark, [], "account_id STRING, amount DECIMAL(18,3)")
    entries = postings(may.invoice_line, no_deposit).where("account_id IN ('B', 'M')")
    assert_rows(
        entries.select("account_id", "ledger_account", "amount"),
        ("B", "receivable", money("3")), ("B", "revenue_minimum", money("-3")),
        ("M", "receivable", money("3.6")), ("M", "revenue_discount", money("1.4")), ("M", "revenue_voice", money("-5")),
    )  # fmt: skip

    before = posted_before(
        spark, kept(may.billed_usage), [("may", "2025-05", at("2025-06-01T04:00"))],
        lines=kept(may.invoice_line.withColumn("cycle", F.lit("2025-05"))),
    )  # fmt: skip
    june = bill_may(spark, ACCOUNTS, CONTRACTS, [*MAY, *LATE], BOOK, before, cycle="2025-06")
    assert june.parked.isEmpty()
    assert_rows(
        changed(june.invoice_line),
        # 9.00 and 2.00, 6.00 too much: 4.909 and 1.091, so 4.91 and 1.09
        ("A", "prior_spend_cap", "SA", "exempt", "calls", money("-0.91")),
        ("A", "prior_spend_cap", "SA", "none", "calls", money("-0.09")),
        # 10 % of 9.00 - 4.91: 0.41; of 2.00 - 1.09 + 4.95: 0.59 (0.586)
        ("A", "prior_discount", None, "exempt", "ten", money("-0.01")),
        ("A", "prior_discount", None, "none", "ten", money("0.01")),
        ("A", "minimum_spend", None, "none", "least", money("3")),
        ("B", "minimum_spend", None, "none", "least", money("3")),
        # 3.55 is above the minimum, so that what May charged for it comes back; discount 0.355, 0.11 of it given
        ("C", "prior_minimum_spend", None, "none", "least", money("-1.95")),
        ("C", "prior_discount", None, "none", "ten", money("-0.25")),
        ("C", "minimum_spend", None, "none", "least", money("3")),
        ("M", "prior_spend_cap", None, "none", "mtm", money("-0.5")),
    )  # fmt: skip
    assert june.invoice_line.where("kind = 'prior_minimum_spend'").first().origin_cycle == date(2025, 5, 1)


@pytest.mark.covers("RAT-44", "CON-14", "BIL-04")
def test_a_minimum_is_of_contracts_that_are_invoiced_and_of_cycles_that_have_a_bill(spark: SparkSession) -> None:
    book: dict[str, list[dict[str, Any]]] = {
        "tax": [], "fee": [fee("paper", "invoice", "*", 1, tax_category="none")], "top_up": [top_up("prepaid")],
        "spend_limit": [
            spend_limit("line", "minimum", "*", "line", "10.00", tax_category="none"),
            spend_limit("all", "minimum", "*", "account", "12.00", tax_category="none"),
        ],
    }  # fmt: skip
    contracts = [
        agreement("purse", "prepaid"), agreement("new"),
        agreement("both"), agreement("both", "prepaid", subscription_id="second", contract_id="K2"),
        # this line is invoiced until 9 June
        agreement("changed", cancelled_on=date(2025, 6, 10)),
        agreement("changed", "prepaid", starts_on=date(2025, 6, 10), contract_id="K3"),
    ]  # fmt: skip
    names = ("purse", "new", "both", "changed")
    rated = [
        # 0.10 of a May that the account had no bill for; 0.025 that credit pays
        usage("new", "late", at("2025-05-31T16:00"), 60, tax_category="none"),
        usage("purse", "call", at("2025-06-02T16:00"), 60, plan_id="prepaid", tax_category="none"),
    ]
    accounts = [account(name, first_cycle_start=date(2025, 6, 1)) for name in names]
    june = bill_may(spark, accounts, contracts, rated, book, cycle="2025-06")
    assert june.parked.isEmpty()
    expected = [
        line
        for name in names[1:]
        for line in (
            (name, "invoice_fee", None, "none", "paper", money("1")),
            (name, "minimum_spend", f"S{name}", "none", "line", money("10")),
            (name, "minimum_spend", None, "none", "all", money("12")),
        )
    ]
    assert_rows(changed(june.invoice_line.where("kind NOT LIKE 'prepaid%'")), *expected)
    statement = june.invoice_line.where("account_id = 'purse'").select("kind", "amount")
    assert_rows(
        statement,
        ("usage", money("0.03")), ("prepaid_used", money("-0.03")), ("prepaid_balance", money("0")),
    )  # fmt: skip
