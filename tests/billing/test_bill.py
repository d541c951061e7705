"""A run as a function: fees, deposits, tax, late usage, and accounts that are parked while the others are billed."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from billing.small_month import HST, account, agreement, allowance, at, bill_may, fee, frame, posted_before, usage
from frames import assert_rows, small_frame
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from tollgate.billing.deposits import forfeited_deposits
from tollgate.billing.invoice import run_totals
from tollgate.billing.ledger import postings

BOOK: dict[str, list[dict[str, Any]]] = {
    "fee": [
        fee("term_fee", "recurring", "term", 20, "days"), fee("mtm_fee", "recurring", "month_to_month", 50, "days"),
        fee("term_deposit", "deposit", "term", 300), fee("invoice_fee", "invoice", "*", 1),
    ],
    "allowance": [allowance("term_voice", "term", "voice", 6000, "days"), allowance("term_sms", "term", "sms", 50)],
    "tax": [HST],
}  # fmt: skip
MID = date(2025, 5, 17)
NONE = Decimal(0)


def money(text: str) -> Decimal:
    return Decimal(text).quantize(Decimal("0.001"))


def sms(account_id: str, number: int, rate: int = 50_000, **fields: Any) -> dict[str, Any]:
    return usage(account_id, f"s{number}", at("2025-05-02T16:00"), 1, "sms", unit_price_micros=rate, **fields)


def may_of_many(spark: SparkSession) -> Any:
    accounts = [
        account("joins"), account("leaves early"), account("leaves late"), account("exempt", tax_exempt=True),
        account("yen", currency="JPY"), account("remainder"), account("idle"), account("unanswered"),
        account("no rule", tax_jurisdiction="XX"), account("strange"), account("unpriced"),
    ]  # fmt: skip
    contracts = [
        agreement("joins", starts_on=MID), agreement("leaves early", cancelled_on=MID, term_ends_on=date(2025, 6, 1)),
        agreement("leaves late", cancelled_on=MID, term_ends_on=MID), agreement("exempt"),
        agreement("yen", "month_to_month", starts_on=MID), agreement("no rule"), agreement("strange"),
        agreement("unpriced"),
    ]  # fmt: skip
    rated = [
        # 100 minutes x 15 of 31 days, floored: 2903 of 3000 seconds are free
        usage("joins", "v", at("2025-05-20T16:00"), 3000),
        # each line is 0.10: tax on 1.30 with the invoice fee is 0.169, so 0.17
        *[sms("remainder", n, 100_000, zone_id=zone, plan_id="month_to_month") for n, zone in enumerate("abc")],
        usage("unanswered", "u", at("2025-05-02T16:00"), 0, retail_status="zero_rated", numerator=NONE, charge=NONE,
              plan_id="month_to_month", piece_units=None, tax_category=None),
        usage("strange", "x", at("2025-05-02T16:00"), 60, currency="USD"),
        usage("unpriced", "x", at("2025-05-02T16:00"), 6060, piece_units=[1515] * 4, piece_factor_num=[10] * 4),
    ]  # fmt: skip
    return bill_may(spark, accounts, contracts, rated, BOOK)


@pytest.mark.covers("CON-07", "CON-11", "CON-21", "CON-23", "BIL-02", "BIL-04", "BIL-13")
def test_lines_of_a_month(spark: SparkSession) -> None:
    bill = may_of_many(spark)
    lines = bill.invoice_line.persist()
    assert_rows(
        lines.select("account_id", "line_no", "kind", "free_units", "amount", "tax_share"),
        ("joins", 1, "deposit", 0, money("300"), money("0")),
        ("joins", 2, "invoice_fee", 0, money("1"), money("0.13")),
        ("joins", 3, "recurring", 0, money("9.68"), money("1.26")),
        ("joins", 4, "usage", 2903, money("0.16"), money("0.02")),
        ("leaves early", 1, "deposit_forfeit", 0, money("0"), money("0")),
        ("leaves early", 2, "invoice_fee", 0, money("1"), money("0.13")),
        ("leaves early", 3, "recurring", 0, money("10.32"), money("1.34")),
        ("leaves late", 1, "deposit_credit", 0, money("-300"), money("0")),
        ("leaves late", 2, "invoice_fee", 0, money("1"), money("0.13")),
        ("leaves late", 3, "recurring", 0, money("10.32"), money("1.34")),
        ("exempt", 1, "invoice_fee", 0, money("1"), money("0")),
        ("exempt", 2, "recurring", 0, money("20"), money("0")),
        ("remainder", 1, "invoice_fee", 0, money("1"), money("0.13")),
        ("remainder", 2, "usage", 0, money("0.10"), money("0.02")),
        ("remainder", 3, "usage", 0, money("0.10"), money("0.01")),
        ("remainder", 4, "usage", 0, money("0.10"), money("0.01")),
        ("unanswered", 1, "invoice_fee", 0, money("1"), money("0.13")),
        ("unanswered", 2, "usage", 0, money("0"), money("0")),
    )
    assert_rows(
        bill.parked,
        ("no rule", "no tax rule for a taxable line"),
        ("strange", "usage in another currency than the account"),
        ("yen", "account in another currency than the price book"),
        ("unpriced", "net charge unknown"),
    )
    entries = postings(
        lines, small_frame(spark, [("leaves early", money("300"))], "account_id STRING, amount DECIMAL(18,3)")
    )
    early = entries.where("account_id = 'leaves early'").select("ledger_account", "amount")
    assert_rows(
        early,
        ("deposit_liability", money("300")), ("revenue_deposit_forfeited", money("-300")),
        ("receivable", money("12.79")),
        ("revenue_fee", money("-1")), ("revenue_recurring", money("-10.32")), ("tax_payable", money("-1.47")),
    )  # fmt: skip
    lines.unpersist()


@pytest.mark.covers("BIL-21")
def test_late_usage_takes_what_posted_runs_left_of_its_own_cycle(spark: SparkSession) -> None:
    billed = {
        "run_id": "may", "source": "switch", "event_id": "old", "revision": 1, "rating_no": 1, "account_id": "A",
        "started_at": at("2025-05-09T16:00"), "subscription_id": "SA", "origin_cycle": date(2025, 5, 1),
        "line_key": "k", "allowance_id": "term_voice", "free_units": 5940,
        "net_numerator": NONE, "net_denominator": Decimal(1),
        "list_charge": NONE, "net_charge": NONE,
    }  # fmt: skip
    rated = [
        usage("A", "old", at("2025-05-09T16:00"), 5940),
        # earlier than the posted one, yet it gets only what that one left
        usage("A", "late", at("2025-05-02T16:00"), 120, rating_no=2),
        usage("A", "new", at("2025-06-02T16:00"), 600, rating_no=2),
        usage("A", "after the pin", at("2025-06-03T16:00"), 600, rating_no=3),
        usage("A", "next cycle", at("2025-07-01T04:00"), 600, rating_no=2),
        usage("A", "held", at("2025-06-03T16:00"), 600, rating_no=2, retail_status="suspended"),
    ]  # fmt: skip
    posted = posted_before(spark, frame(spark, "billed_usage", [billed]), [("may", "2025-05", at("2025-06-01T04:00"))])
    june = {"cycle": "2025-06", "rating_no": 2, "as_of": at("2025-07-01T04:00")}
    bill = bill_may(spark, [account("A")], [agreement("A")], rated, BOOK, posted, **june)
    assert_rows(
        bill.billed_usage.select("event_id", "origin_cycle", "line_key", "free_units", "net_charge"),
        ("late", date(2025, 5, 1), "prior_period|SA|voice|national|home|2025-05-01|standard|", 60, Decimal("0.100000")),
        ("new", date(2025, 6, 1), "usage|SA|voice|national|home|2025-06-01|standard|", 600, Decimal("0.000000")),
    )


def test_an_open_cycle_is_previewed_and_an_earlier_one_must_be_posted_first(spark: SparkSession) -> None:
    accounts = [account("A"), account("B", first_cycle_start=date(2025, 6, 1))]
    june = {"cycle": "2025-06", "as_of": at("2025-06-10T00:00")}
    contracts = [agreement("A"), agreement("B")]
    preview = bill_may(spark, accounts, contracts, [], BOOK, is_open=True, **june)
    assert_rows(preview.invoice.select("account_id", "total"), ("B", money("23.73")))
    assert_rows(preview.parked, ("A", "earlier cycle not posted"))
    closed = bill_may(spark, accounts, contracts, [], BOOK, **june)
    assert_rows(
        closed.not_due.select("account_id", F.col("cycle_end").cast("string")), ("A", "2025-07-01"), ("B", "2025-07-01")
    )
    assert_rows(run_totals(closed.invoice).select("invoices", "total"), (0, money("0")))


def test_forfeited_deposits_reach_the_ledger(spark: SparkSession) -> None:
    accounts = spark.sql(
        "SELECT 'A' AS account_id, DATE'2025-05-01' AS cycle_start, DATE'2025-06-01' AS cycle_end, "
        "TIMESTAMP'2025-06-01 04:00:00' AS ends_at, 2 AS minor_digits, "
        "CAST(NULL AS DATE) AS closed_on, DATE'2025-05-01' AS first_cycle_start, 'America/Toronto' AS time_zone, "
        "named_struct('anchor_day', 1, 'days', CAST(NULL AS INT), 'anchor', DATE'2025-05-01') AS calendar"
    )
    contracts = [agreement("A", cancelled_on=MID, term_ends_on=date(2025, 12, 1))]
    found = forfeited_deposits(
        frame(spark, "ref_contract", contracts), accounts, frame(spark, "price_fee", BOOK["fee"]),
        frame(spark, "invoice_line", []),
    )  # fmt: skip
    assert_rows(found, ("A", money("300")))
