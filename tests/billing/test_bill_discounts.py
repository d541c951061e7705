"""Discounts on the bill, reckoned by hand: their base, order, thresholds and last day, and what late usage changes."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from functools import reduce
from typing import Any

import pytest
from billing.small_month import (
    HST,
    account,
    agreement,
    allowance,
    at,
    bill_may,
    discount,
    fee,
    posted_before,
    usage,
)
from frames import assert_rows
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from tollgate.billing.ledger import postings

MAY_ENDS = at("2025-06-01T04:00")  # Toronto
FEES = {
    "fee": [fee("term_fee", "recurring", "term", 20), fee("invoice_fee", "invoice", "*", 1)],
    "allowance": [allowance("term_voice", "term", "voice", 60)],
    "tax": [HST],
}


def money(text: str) -> Decimal:
    return Decimal(text).quantize(Decimal("0.001"))


def sms(account_id: str, net: str, day: int = 2, **fields: Any) -> dict[str, Any]:
    """A message that costs `net`."""
    price = int(Decimal(net) * 1_000_000)
    name = f"{account_id} {net} {day} {fields.get('zone_id')} {fields.get('tax_category')}"
    return usage(account_id, name, at(f"2025-05-{day:02}T16:00"), 1, "sms", unit_price_micros=price, **fields)


def less(lines: DataFrame) -> DataFrame:
    """Who gets which discount, of which tax category, and its amount."""
    found = lines.where("kind LIKE '%discount'")
    return found.select("account_id", F.element_at(F.split("line_key", r"\|"), -1), "tax_category", "amount")


@pytest.mark.covers("BIL-03", "RAT-40")
def test_discounts_act_one_after_the_other_on_the_lines_of_the_cycle(spark: SparkSession) -> None:
    book = {**FEES, "bill_discount": [
        discount("of term", 1, 50, plan_id="term", stacks=False),
        discount("spring", 2, 10),
        discount("volume", 3, 5, "50.00"),
        discount("whole", 4, 20, "100.00", stacks=False),
        discount("fees", 5, 10, applies_to="recurring", plan_id="term"),
        discount("both", 6, 50, "999", applies_to="all", plan_id="term"),
    ]}  # fmt: skip
    rated = [
        # 10 % of 60.00, then 5 % of the 54.00 left
        sms("stacked", "60"),
        # one minor unit below the threshold, though the lines say 50.00: 2 x 24.9951 are 49.9902
        sms("below", "24.9951", zone_id="national"), sms("below", "24.9951", zone_id="europe"),
        sms("reached", "50.00"),
        # 0.125 is 0.13; what is untaxed has a line of its own
        sms("half", "1.25"), sms("half", "0.05", tax_category="none"),
        # the first ends the chain for the lines of its plan; fees are another line. One free minute of two.
        sms("term", "1000"), usage("term", "v", at("2025-05-02T16:00"), 120),
        # of two lines one is on the plan; the volume counts both
        sms("two", "30", subscription_id="other", contract_id="other"), sms("two", "30"),
        sms("nothing", "0"),
    ]  # fmt: skip
    plain = {"plan_id": "month_to_month"}
    contracts = [
        agreement("term"), agreement("two"),
        agreement("two", subscription_id="other", contract_id="other", **plain),
        agreement("stacked", starts_on=date(2024, 1, 1), cancelled_on=date(2025, 5, 1)),
    ]  # fmt: skip
    names = ("stacked", "below", "reached", "half", "term", "two", "nothing")
    bill = bill_may(spark, [account(name) for name in names], contracts, rated, book)
    lines = bill.invoice_line.persist()
    assert_rows(
        less(lines),
        ("stacked", "spring", "standard", money("-6")), ("stacked", "volume", "standard", money("-2.70")),
        ("below", "spring", "standard", money("-5.00")),
        ("reached", "spring", "standard", money("-5")), ("reached", "volume", "standard", money("-2.25")),
        ("half", "spring", "standard", money("-0.13")), ("half", "spring", "none", money("-0.01")),
        ("term", "of term", "standard", money("-500.05")), ("term", "fees", "standard", money("-2")),
        ("term", "both", "standard", money("-9")),
        ("two", "of term", "standard", money("-15")), ("two", "spring", "standard", money("-3")),
        ("two", "volume", "standard", money("-1.35")), ("two", "fees", "standard", money("-2")),
    )  # fmt: skip
    stacked = lines.where("account_id = 'stacked'")
    assert_rows(
        stacked.select("line_key", "description", "exact_total", "amount", "tax_share"),
        ("discount|||||2025-05-01|standard|spring", "spring", Decimal(-6).scaleb(0), money("-6"), money("-0.78")),
        ("discount|||||2025-05-01|standard|volume", "volume", Decimal("-2.7"), money("-2.70"), money("-0.35")),
        ("invoice_fee||||||standard|invoice_fee", "invoice_fee", Decimal(1), money("1"), money("0.13")),
        ("usage|Sstacked|sms|national|home|2025-05-01|standard|", "SMS, National", Decimal(60), money("60"),
         money("7.80")),
    )  # fmt: skip
    entries = postings(stacked, spark.createDataFrame([], "account_id STRING, amount DECIMAL(18,3)"))
    assert_rows(
        entries.select("ledger_account", "amount"),
        ("receivable", money("59.10")), ("revenue_discount", money("8.70")), ("revenue_fee", money("-1")),
        ("revenue_sms", money("-60")), ("tax_payable", money("-6.80")),
    )  # fmt: skip
    lines.unpersist()


@pytest.mark.covers("BIL-03", "RAT-40")
def test_a_promotion_holds_if_it_does_just_before_the_end_of_the_cycle(spark: SparkSession) -> None:
    promotions = [
        discount("last day", 1, 10, valid_from=at("2025-05-31T04:00"), valid_to=MAY_ENDS),
        discount("ended", 2, 10, valid_to=at("2025-06-01T03:59:59")),
        discount("too late", 3, 10, valid_from=MAY_ENDS),
    ]
    accounts = [account("A"), account("B", anchor_day=2, first_cycle_start=date(2025, 5, 2))]
    rated = [sms(row["account_id"], "10.25", 3) for row in accounts]
    bill = bill_may(spark, accounts, [], rated, {"bill_discount": promotions, "tax": [HST]})
    assert_rows(
        bill.invoice_line.where("kind = 'discount'").select("account_id", "description", "amount", "exact_total"),
        ("A", "last day", money("-1.03"), Decimal("-1.025")),
        ("B", "too late", money("-1.03"), Decimal("-1.025")),
    )


@pytest.mark.long
@pytest.mark.covers("BIL-03", "RAT-40")
@pytest.mark.parametrize(("currency", "amount"), [("JPY", "-1"), ("KWD", "-1.025")])
def test_a_discount_has_the_digits_of_its_currency(spark: SparkSession, currency: str, amount: str) -> None:
    rated = [{**sms("A", "10.25", 3), "currency": currency}]
    book = {"bill_discount": [discount("a tenth", 1, 10)], "tax": [HST]}
    bill = bill_may(spark, [account("A", currency=currency)], [], rated, book, currency=currency)
    assert_rows(
        bill.invoice_line.where("kind = 'discount'").select("amount", "exact_total"), (money(amount), Decimal(amount))
    )


@pytest.mark.covers("BIL-03", "RAT-40")
def test_as_many_parts_as_publishing_accepts_are_reckoned_to_the_cent(spark: SparkSession) -> None:
    # Five times 10.1 %: each leaves 899/1000, so the parts are 10^15. Of 1,000.00, 899.00, 808.201, 726.572699 and
    # 653.188856401.
    rules = [discount(f"d{place}", place, 10, keep_num=899, keep_den=1000) for place in range(1, 6)]
    bill = bill_may(spark, [account("A")], [], [sms("A", "1000")], {"bill_discount": rules, "tax": [HST]})
    assert bill.parked.isEmpty()
    assert_rows(
        bill.invoice_line.where("kind = 'discount'").select("description", "amount", "exact_total"),
        ("d1", money("-101"), Decimal("-101")), ("d2", money("-90.80"), Decimal("-90.799")),
        ("d3", money("-81.63"), Decimal("-81.628301")), ("d4", money("-73.38"), Decimal("-73.383843")),
        ("d5", money("-65.97"), Decimal("-65.972074")),
    )  # fmt: skip


@pytest.mark.long
@pytest.mark.covers("BIL-03", "BIL-21")
def test_late_usage_changes_a_posted_discount_by_one_line_and_is_not_discounted_twice(spark: SparkSession) -> None:
    book = {**FEES, "bill_discount": [
        discount("volume", 1, 20, "100.00", stacks=False),
        discount("spring", 2, 10, valid_to=MAY_ENDS),
        discount("summer", 3, 10, applies_to="all", valid_from=MAY_ENDS),
    ]}  # fmt: skip
    may = [sms("grows", "50"), sms("reaches", "60"), sms("stays", "70")]
    first = bill_may(spark, [account(name) for name in ("grows", "reaches", "stays")], [], may, book, run_id="may")
    assert_rows(
        less(first.invoice_line),
        ("grows", "spring", "standard", money("-5")), ("reaches", "spring", "standard", money("-6")),
        ("stays", "spring", "standard", money("-7")),
    )  # fmt: skip

    def after(*bills: Any, **late: str) -> Any:
        cycles = ("2025-05", "2025-06")[: len(bills)]
        usage_rows = [bill.billed_usage for bill in bills]
        lines = [bill.invoice_line.withColumn("cycle", F.lit(of)) for bill, of in zip(bills, cycles, strict=True)]
        runs = [("may", "2025-05", at("2025-06-01T04:00")), ("june", "2025-06", at("2025-07-01T04:00"))][: len(bills)]
        posted = posted_before(spark, reduce(DataFrame.union, usage_rows), runs, lines=reduce(DataFrame.union, lines))
        rated = [*may, *(sms(name, net, 20) for name, net in late.items())]
        rated += [usage("stays", "june", at("2025-06-02T16:00"), 1, "sms", unit_price_micros=10_000_000)]
        accounts = [account(name) for name in ("grows", "reaches", "stays")]
        cycle = {"cycle": "2025-06"} if len(bills) == 1 else {"cycle": "2025-07", "as_of": at("2025-08-15T00:00")}
        return bill_may(spark, accounts, [], rated, book, posted, **cycle)

    june = after(first, grows="0.95", reaches="40")
    assert_rows(
        june.invoice_line.where("kind LIKE '%discount'").select("account_id", "line_key", "amount"),
        # 10 % of 50.95 is 5.095, so 5.10, of which 5.00 was given
        ("grows", "prior_discount|||||2025-05-01|standard|spring", money("-0.10")),
        # 100.00 is reached: 20 % ends the chain, and the 6.00 given before comes back
        ("reaches", "prior_discount|||||2025-05-01|standard|volume", money("-20")),
        ("reaches", "prior_discount|||||2025-05-01|standard|spring", money("6")),
        ("stays", "discount|||||2025-06-01|standard|summer", money("-1")),
    )
    named = june.invoice_line.where("kind = 'prior_discount' AND account_id = 'grows'").select("description")
    assert_rows(named, ("spring, late usage of the cycle from 2025-05-01",))
    july = after(first, june, grows="0.95", reaches="40", stays="30")
    assert_rows(
        less(july.invoice_line),
        ("stays", "volume", "standard", money("-20")), ("stays", "spring", "standard", money("7")),
    )  # fmt: skip
