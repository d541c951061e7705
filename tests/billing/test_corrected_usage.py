"""Corrected usage on the next bill, by hand: what was billed is given back, and the correction charged in its place.

Calls cost 0.10 a minute on plan term, with 6,000 free seconds, and 0.05 on the others. May is posted; June is billed
after the corrections of the second rating run.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import psycopg2.errors
import pytest
from billing.small_month import (
    TERM_BOOK,
    account,
    agreement,
    allowance,
    at,
    bill_may,
    fee,
    frame,
    posted_before,
    tiers,
    usage,
)
from frames import assert_rows
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from tollgate.billing.bill import Bill
from tollgate.billing.ledger import postings
from tollgate.platform.lake import contract
from tollgate.platform.postgres import connect, migrate
from tollgate.platform.settings import Settings

MAY = at("2025-05-20T16:00")
BOOK: dict[str, list[dict[str, Any]]] = {
    "fee": [fee("late", "late_minimum", "*", 2)],
    "allowance": [*TERM_BOOK["allowance"], allowance("money", "month_to_month", "voice", 100_000, unit="currency")],
}
NEGATED = ("charged_units", "numerator", "list_price", "charge")


def bare(account_id: str, event_id: str, units: int, price: int = 50_000, **fields: Any) -> dict[str, Any]:
    """A call on a plan without allowances."""
    return usage(account_id, event_id, fields.pop("at", MAY), units, plan_id="bare", unit_price_micros=price, **fields)


def taken_back(row: dict[str, Any]) -> dict[str, Any]:
    revision = {"revision": row["revision"] + 1, "kind": "reversal", "corrects": row["revision"], "rating_no": 2}
    pieces = [-units for units in row["piece_units"]]
    return {**row, **revision, **{name: -row[name] for name in NEGATED}, "piece_units": pieces}


def corrected(row: dict[str, Any], now: dict[str, Any]) -> list[dict[str, Any]]:
    """The reversal of a row and, in its place, `now`."""
    revision = {"revision": row["revision"] + 2, "kind": "correction", "corrects": row["revision"], "rating_no": 2}
    return [taken_back(row), {**now, **revision}]


def v(account_id: str, event_id: str, units: int, **fields: Any) -> dict[str, Any]:
    """A call on plan term."""
    return usage(account_id, event_id, fields.pop("at", MAY), units, **fields)


MONTHLY = {"plan_id": "month_to_month"}
PRICE, OWNER, UNITS = v("PRICE", "v2", 180), v("OLD", "o1", 600, at=at("2025-05-10T16:00")), v("UNITS", "u2", 180)
EARLY = at("2025-05-02T16:00")
MONEY, TWICE = usage("MONEY", "m1", MAY, 180, **MONTHLY), bare("TWICE", "t1", 180)
JUNE, ENDED = bare("JUNE", "j1", 180, at=at("2025-06-05T16:00")), bare("ENDED", "e1", 180)
STEPS = bare("STEPS", "s1", 180, rate_id="tiered")
RATED = [
    v("PRICE", "v1", 5_940, at=EARLY), PRICE,
    OWNER, v("OLD", "o2", 6_000, at=at("2025-05-12T16:00")), v("NEW", "n1", 5_700, at=EARLY),
    v("UNITS", "u1", 5_940, at=EARLY), UNITS, MONEY, TWICE, JUNE, ENDED, STEPS,
]  # fmt: skip
TWICE_ONCE = corrected(TWICE, bare("TWICE", "t1", 180, 70_000))
CORRECTIONS = [
    *corrected(PRICE, v("PRICE", "v2", 180, unit_price_micros=150_000)),
    *corrected(OWNER, {**OWNER, "account_id": "NEW", "subscription_id": "SNEW", "contract_id": "KNEW"}),
    *corrected(UNITS, v("UNITS", "u2", 130, increment_units=1)),
    *corrected(MONEY, usage("MONEY", "m1", MAY, 180, **MONTHLY, unit_price_micros=70_000)),
    *TWICE_ONCE, *corrected(TWICE_ONCE[1], bare("TWICE", "t1", 180, 60_000)),
    *corrected(JUNE, bare("JUNE", "j1", 180, 70_000, at=JUNE["started_at"])),
    *corrected(ENDED, bare("ENDED", "e1", 180, 20_000)),
    *corrected(STEPS, bare("STEPS", "s1", 180, 70_000, rate_id="tiered", pricebook_version=2)),
    v("OLD", "o3", 300, at=at("2025-05-15T16:00"), rating_no=2),
]  # fmt: skip
PLANS = {"PRICE": "term", "OLD": "term", "NEW": "term", "UNITS": "term", "MONEY": "month_to_month"}
NAMES = (*PLANS, "TWICE", "JUNE", "ENDED", "STEPS")
CLOSED = {"ENDED": date(2025, 6, 1)}
ACCOUNTS = [account(name, tax_exempt=True, closed_on=CLOSED.get(name)) for name in NAMES]
CONTRACTS = [agreement(name, PLANS.get(name, "bare")) for name in NAMES if name != "ENDED"]


@pytest.fixture(scope="module")
def bills(spark: SparkSession) -> tuple[Bill, Bill]:
    """May as posted before anything was corrected, and June."""
    of_rate = tiers("tiered", "line", (0, "0.05"), (60, "0.04"))
    of_rate += [{**row, "pricebook_version": 2} for row in tiers("tiered", "line", (0, "0.07"), (60, "0.04"))]
    options: dict[str, Any] = {"tiers": frame(spark, "price_tier", of_rate)}
    may = bill_may(spark, ACCOUNTS, CONTRACTS, [*RATED, *CORRECTIONS], BOOK, rating_no=1, run_id="may", **options)
    posted = posted_before(
        spark, spark.createDataFrame(may.billed_usage.collect(), contract("billed_usage")),
        [("may", "2025-05", at("2025-06-01T04:00"))],
        lines=may.invoice_line.withColumn("cycle", F.lit("2025-05")),
    )  # fmt: skip
    june = bill_may(
        spark, ACCOUNTS, CONTRACTS, [*RATED, *CORRECTIONS], BOOK, posted, cycle="2025-06", rating_no=2, run_id="june",
        as_of=at("2025-07-01T04:00"), **options,
    )  # fmt: skip
    return may, june


def money(text: str) -> Decimal:
    return Decimal(text).quantize(Decimal("0.001"))


@pytest.mark.covers("BIL-11", "BIL-12", "BIL-21", "CON-10")
def test_the_next_bill_gives_back_what_was_billed_and_charges_what_is_right(bills):
    may, june = bills
    of_may = may.invoice_line.where("account_id IN ('PRICE', 'UNITS', 'OLD', 'NEW', 'MONEY')")
    assert_rows(
        of_may.groupBy("account_id").agg(F.sum("free_units"), F.sum("amount")),
        # 120 s of the last call are paid; of OLD 600 s; MONEY pays 0.15 less 0.10 of its allowance.
        ("PRICE", 6_000, money("0.20")), ("UNITS", 6_000, money("0.20")), ("OLD", 6_000, money("1.00")),
        ("NEW", 5_700, money("0")), ("MONEY", 0, money("0.05")),
    )  # fmt: skip
    assert_rows(
        june.invoice_line.select("account_id", "kind", "events", "units", "free_units", "amount"),
        # The first 60 s stay free: 120 s at 0.10 are 0.20, at 0.15 they are 0.30.
        ("PRICE", "usage_reversal", 1, 180, 60, money("-0.20")),
        ("PRICE", "usage_correction", 1, 180, 60, money("0.30")),
        # The call of 600 s was free and is NEW's. OLD has its 600 s again, of which a late call takes 300.
        ("OLD", "usage_reversal", 1, 600, 600, money("0")),
        ("OLD", "prior_period", 1, 300, 300, money("0")),
        # NEW had 300 s left of May; the other 300 s are 0.50.
        ("NEW", "prior_period", 1, 600, 300, money("0.50")),
        # By the second: 130 s, of which the 60 s that the reversal gave back are free; 70 s are 0.1167.
        ("UNITS", "usage_reversal", 1, 180, 60, money("-0.20")),
        ("UNITS", "usage_correction", 1, 130, 60, money("0.12")),
        # 0.10 of money comes back and is taken again: 0.21 - 0.10.
        ("MONEY", "usage_reversal", 1, 180, 0, money("-0.05")),
        ("MONEY", "usage_correction", 1, 180, 0, money("0.11")),
        # Corrected twice before it was billed again: what stood in between, 0.21, is on no bill.
        ("TWICE", "usage_reversal", 1, 180, 0, money("-0.15")),
        ("TWICE", "usage_correction", 1, 180, 0, money("0.18")),
        # Corrected before it was billed at all: an event as any other.
        ("JUNE", "usage", 1, 180, 0, money("0.21")),
        # What a closed account is given back is invoiced, below the smallest sum that is asked for too.
        ("ENDED", "usage_reversal", 1, 180, 0, money("-0.15")),
        ("ENDED", "usage_correction", 1, 180, 0, money("0.06")),
        # One minute at the first tier and two at the second: 0.05 + 0.08, and 0.07 + 0.08.
        ("STEPS", "usage_reversal", 1, 180, 0, money("-0.13")),
        ("STEPS", "usage_correction", 1, 180, 0, money("0.15")),
    )
    assert june.parked.isEmpty()
    assert_rows(
        june.invoice.where("account_id = 'ENDED'").select("invoice_kind", "total"), ("supplementary", money("-0.09"))
    )


@pytest.mark.covers("BIL-11")
def test_every_version_is_billed_once_and_its_sums_are_those_of_the_lines(bills):
    _, june = bills
    found = june.billed_usage.select("account_id", "event_id", "revision", "kind", "free_units", "net_charge")
    assert_rows(
        found.where("account_id IN ('PRICE', 'TWICE', 'JUNE')"),
        ("PRICE", "v2", 2, "reversal", -60, Decimal("-0.200000")),
        ("PRICE", "v2", 3, "correction", 60, Decimal("0.300000")),
        ("TWICE", "t1", 2, "reversal", 0, Decimal("-0.150000")),
        ("TWICE", "t1", 5, "correction", 0, Decimal("0.180000")),
        ("JUNE", "j1", 3, "correction", 0, Decimal("0.210000")),
    )
    money_of = june.billed_usage.where("account_id = 'MONEY'").selectExpr("kind", "money_slices[0].amount")
    assert_rows(money_of, ("reversal", Decimal("-0.100000")), ("correction", Decimal("0.100000")))
    said = june.invoice_line.where("account_id = 'PRICE'").select("description")
    assert_rows(
        said,
        ("Voice, National, taken back of the cycle from 2025-05-01",),
        ("Voice, National, corrected usage of the cycle from 2025-05-01",),
    )
    entries = postings(june.invoice_line, june.invoice_line.select("account_id", "amount").limit(0))
    assert_rows(
        entries.where("account_id = 'PRICE'").select("ledger_account", "amount"),
        ("receivable", money("0.10")), ("revenue_voice", money("-0.10")),
    )  # fmt: skip


LINE = """INSERT INTO line_of_checks (invoice_no, line_no, line_key, kind, service, origin_cycle, description, events,
units, free_units, exact_total, amount, tax_category, tax_share)
VALUES (1, {no}, 'k{no}', '{kind}', {service}, '2025-05-01', 'd', 1, 180, 60, -0.2, -0.2, 'standard', 0)"""


@pytest.mark.covers("BIL-18")
def test_the_database_takes_lines_of_corrections_and_of_volume_tiers(services: Settings) -> None:
    migrate(services)
    kinds = ("usage_reversal", "usage_correction", "prior_period", "volume_tier", "prior_volume_tier")
    session = connect(services)
    with session.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE line_of_checks (LIKE billing.invoice_line INCLUDING CONSTRAINTS)")
        for no, kind in enumerate(kinds, start=1):
            cursor.execute(LINE.format(no=no, kind=kind, service="'voice'"))
        for kind, service in (("usage_reversal", "NULL"), ("discount", "'voice'"), ("reversal", "'voice'")):
            cursor.execute("SAVEPOINT before")
            with pytest.raises(psycopg2.errors.CheckViolation):
                cursor.execute(LINE.format(no=9, kind=kind, service=service))
            cursor.execute("ROLLBACK TO before")
    session.rollback()
    session.close()
