"""Corrected usage that prepaid credit paid, and that of volume tiers, on the next bill, by hand.

May is posted; June is billed after the corrections of the second rating run. A minute of prepaid costs 0.025.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from billing.small_month import HST, account, agreement, at, bill_may, frame, posted_before, tiers, top_up, usage
from billing.test_corrected_usage import corrected
from frames import assert_rows
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from tollgate.billing.bill import Bill
from tollgate.platform.lake import contract

MINUTE = 60
TOP_UPS = [top_up("prepaid", moment="month_start"), top_up("by_event", credit="12")]
# Of the newer book `gone` is no prepaid plan.
BOOKS: list[dict[str, Any]] = [{"tax": [HST], "top_up": [*TOP_UPS, top_up("gone")]}, {"tax": [HST], "top_up": TOP_UPS}]
ENDED = date(2025, 5, 25)
# Account, plan, minutes of a call of 20 May, its price and the one that it is corrected to, in micros; then what June
# makes of the credit: debits, top-ups, forfeited, settled, and what is left.
CASES: list[tuple[str, str, int, int, int, tuple[str, int, str, str, str]]] = [
    # 100.00 - 11.30 = 88.70; 11.30 come back and 5.65 are taken.
    ("CHEAPER", "prepaid", 452, 25_000, 12_500, ("-5.65", 0, "0", "0", "94.35")),
    # 12.00 - 6.00 is below 10.00, so 25.00 were bought in May, and stay bought: 31.00 + 6.00 - 3.00.
    ("BOUGHT", "by_event", 240, 25_000, 12_500, ("-3", 0, "0", "0", "34")),
    # 10.50 are left. 1.50 come back before anything is charged: 12.00, a late call 10.50, the correction 10.20: enough.
    ("ENOUGH", "by_event", 60, 25_000, 5_000, ("0.3", 0, "0", "0", "10.20")),
    # 10.50; dearer: 12.00 - 2.10 = 9.90, and 25.00 are bought.
    ("DEARER", "by_event", 60, 25_000, 35_000, ("0.6", 1, "0", "0", "34.90")),
    # Ended in May: 125.00 on 100.00, 25.00 were asked for. 112.50 would have asked for 12.50.
    ("LESS", "prepaid", 5_000, 25_000, 22_500, ("-12.5", 0, "0", "-12.5", "0")),
    # 75.00 would have asked for nothing, and the end would have taken 25.00.
    ("NOTHING", "prepaid", 5_000, 25_000, 15_000, ("-50", 0, "25", "-25", "0")),
    # 90.00 were taken; after a call of 20.00 it is 80.00. One of 110.00 leaves nothing to take, and 10.00 to ask for.
    ("TAKEN", "prepaid", 400, 25_000, 50_000, ("10", 0, "-10", "0", "0")),
    ("BEYOND", "prepaid", 400, 25_000, 275_000, ("100", 0, "-90", "10", "0")),
]
AT_AN_END = ("LESS", "NOTHING", "TAKEN", "BEYOND")
VOLUME = [{**row, "mode": "volume"} for row in tiers("bulk", "line", (0, "0.05"), (700, "0.02"))]


def call(name: str, plan: str, minutes: int, price: int, event_id: str = "c", **fields: Any) -> dict[str, Any]:
    """A call of 20 May, or `at`; an exact minute is a step of the rate."""
    when = fields.pop("at", at("2025-05-20T16:00"))
    return usage(name, event_id, when, minutes * MINUTE, plan_id=plan, unit_price_micros=price, **fields)


def bulk(event_id: str, minutes: int, day: int) -> dict[str, Any]:
    """A call of the volume rate, 0.05 a minute."""
    return call("BULK", "bare", minutes, 50_000, event_id, at=at(f"2025-05-{day:02}T16:00"), rate_id="bulk")


LATE = call("ENOUGH", "by_event", 60, 25_000, "late", at=at("2025-05-02T16:00"), rating_no=2)
OTHER = {"account_id": "OTHER", "subscription_id": "SOTHER", "contract_id": "KOTHER", "plan_id": "bare"}
GONE, MOVED, BULK = call("GONE", "gone", 60, 25_000), call("MOVED", "prepaid", 60, 25_000), bulk("b2", 5, 3)
RATED = [
    *(call(name, plan, minutes, price) for name, plan, minutes, price, *_ in CASES),
    GONE,
    MOVED,
    bulk("b1", 10, 2),
    BULK,
]
CORRECTED = [
    *(row for name, plan, minutes, was, now, _ in CASES
      for row in corrected(call(name, plan, minutes, was), call(name, plan, minutes, now))),
    LATE, *corrected(GONE, call("GONE", "gone", 60, 20_000)), *corrected(MOVED, {**MOVED, **OTHER}),
    *corrected(BULK, bulk("b2", 1, 3)),
]  # fmt: skip
NAMES = [*(name for name, *_ in CASES), "GONE", "MOVED", "OTHER", "BULK"]
PLANS = {name: plan for name, plan, *_ in CASES} | {"GONE": "gone", "MOVED": "prepaid"}
ACCOUNTS = [account(name, tax_exempt=name != "CHEAPER") for name in NAMES]
CONTRACTS = [
    agreement(name, PLANS.get(name, "bare"), cancelled_on=ENDED if name in AT_AN_END else None) for name in NAMES
]


@pytest.fixture(scope="module")
def june(spark: SparkSession) -> Bill:
    """June, after May was posted and then corrected."""
    options: dict[str, Any] = {"tiers": frame(spark, "price_tier", VOLUME)}
    may = bill_may(spark, ACCOUNTS, CONTRACTS, [*RATED, *CORRECTED], BOOKS[0], rating_no=1, run_id="may", **options)
    tables = {
        name: spark.createDataFrame(getattr(may, name).collect(), contract(name))
        for name in ("billed_usage", "prepaid_balance")
    }
    posted = posted_before(
        spark, tables["billed_usage"], [("may", "2025-05", at("2025-06-01T04:00"))],
        lines=may.invoice_line.withColumn("cycle", F.lit("2025-05")), prepaid=tables["prepaid_balance"],
    )  # fmt: skip
    return bill_may(
        spark, ACCOUNTS, CONTRACTS, [*RATED, *CORRECTED], BOOKS[1], posted, cycle="2025-06", rating_no=2,
        run_id="june", as_of=at("2025-07-01T04:00"), **options,
    )  # fmt: skip


def amount(text: str) -> Decimal:
    return Decimal(text).quantize(Decimal("0.001"))


def lines_of(bill: Bill, name: str) -> Any:
    return bill.invoice_line.where(F.col("account_id") == name).select("kind", "amount", "tax_share")


@pytest.mark.covers("BIL-11", "BIL-12", "CON-13", "CON-14", "CON-17")
def test_credit_gets_back_what_it_paid_and_pays_what_is_right(june: Bill) -> None:
    found = june.prepaid_balance.where(F.col("account_id").isin([name for name, *_ in CASES]))
    to_micro = Decimal("0.000001")
    assert_rows(
        found.select("account_id", "debits", "top_ups", "forfeited", "settled", "closing"),
        *[(name, *(text if isinstance(text, int) else Decimal(text).quantize(to_micro) for text in left))
          for name, *_, left in CASES],
    )  # fmt: skip


@pytest.mark.covers("BIL-11", "CON-15")
def test_a_statement_takes_usage_back_with_its_tax_and_asks_for_none_of_it(june: Bill) -> None:
    # -5.65 includes 13 % of -5.00.
    assert_rows(
        lines_of(june, "CHEAPER"),
        ("prepaid_balance", amount("0"), amount("0")), ("prepaid_tax", amount("0.65"), amount("-0.65")),
        ("prepaid_used", amount("5.65"), amount("0")), ("usage_correction", amount("5.65"), amount("0")),
        ("usage_reversal", amount("-11.30"), amount("0")),
    )  # fmt: skip
    assert_rows(
        lines_of(june, "NOTHING").drop("tax_share"),
        ("prepaid_balance", amount("0")), ("prepaid_forfeit", amount("0")), ("prepaid_settlement", amount("-25")),
        ("prepaid_used", amount("50")), ("usage_correction", amount("75")), ("usage_reversal", amount("-125")),
    )  # fmt: skip
    totals = june.invoice.where("account_id IN ('CHEAPER', 'DEARER', 'LESS', 'NOTHING', 'BEYOND')")
    assert_rows(
        totals.select("account_id", "total"),
        ("CHEAPER", amount("0")), ("DEARER", amount("25")), ("LESS", amount("-12.50")), ("NOTHING", amount("-25")),
        ("BEYOND", amount("10")),
    )  # fmt: skip


@pytest.mark.covers("BIL-11", "BIL-12")
def test_who_paid_gets_it_back_and_nobody_else(june: Bill) -> None:
    # The credit of MOVED has its 1.50 again, and the line of OTHER, which is invoiced, is charged them.
    assert_rows(
        june.prepaid_balance.where("account_id = 'MOVED'").select("debits", "closing"),
        (Decimal("-1.500000"), Decimal("100.000000")),
    )
    assert_rows(lines_of(june, "OTHER").drop("tax_share"), ("prior_period", amount("1.50")))
    assert_rows(june.parked, ("GONE", "net charge unknown"))


@pytest.mark.covers("BIL-11", "RAT-44")
def test_a_volume_tier_is_reckoned_again_with_what_was_corrected(june: Bill) -> None:
    # 600 s and 300 s were 0.75, at 0.02 less 0.45. 600 s and 60 s do not reach the tier: nothing is taken off any more.
    assert_rows(
        lines_of(june, "BULK").drop("tax_share"),
        ("usage_reversal", amount("-0.25")), ("usage_correction", amount("0.05")),
        ("prior_volume_tier", amount("0.45")),
    )  # fmt: skip
