"""Prepaid contracts in a run: golden vectors G-09 to G-15, top-ups after each charge, late usage, tax, ledger."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from billing.small_month import (
    HST,
    account,
    agreement,
    at,
    bill_may,
    discount,
    fee,
    frame,
    posted_before,
    top_up,
    usage,
)
from frames import assert_rows, small_frame
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from tollgate.billing.bill import Bill
from tollgate.billing.ledger import postings
from tollgate.billing.prepaid import GONE, UNSOUND, prepaid_movements, unsound_accounts

BOOK: dict[str, list[dict[str, Any]]] = {
    "fee": [fee("mtm_fee", "recurring", "month_to_month", 50), fee("invoice_fee", "invoice", "*", 1)],
    "tax": [HST],
    "bill_discount": [discount("promotion", 1, 10)],
    "top_up": [top_up("prepaid", moment="month_start"), top_up("by_event")],
}
CANCELLED = date(2025, 5, 20)
ZERO = Decimal(0)
MINUTE = 60


def carried(contract: str, closing: str, forfeited: str = "0", is_closed: bool = False) -> dict[str, Any]:
    """A row of prepaid_balance as April left it; movements that nothing reads again are 0."""
    moved = dict.fromkeys(("opening", "topped_up", "debits", "settled"), ZERO)
    left = {"closing": Decimal(closing), "forfeited": Decimal(forfeited), "is_closed": is_closed}
    return {
        "run_id": "april", "account_id": contract, "contract_id": f"K{contract}", "subscription_id": f"S{contract}",
        "plan_id": "prepaid", "cycle_start": date(2025, 4, 1), "is_first": True, "top_ups": 0, **moved, **left,
    }  # fmt: skip


# Name, plan, credit left by April (None: the contract is new), lengths of calls in seconds, whether May ends it;
# then what May makes of it: top-ups, forfeited, settled, credit left, amount due.
VECTORS: list[tuple[str, str, str | None, tuple[int, ...], bool, int, str, str, str, str]] = [
    ("G-09", "prepaid", None, (375,), False, 0, "0", "0", "99.825", "0"),
    ("G-10", "prepaid", "99.825", (469, 211), False, 0, "0", "0", "99.525", "0"),
    ("G-10 next", "prepaid", "99.525", (975,), False, 0, "0", "0", "99.1", "0"),
    ("G-11", "prepaid", "99.1", (), False, 0, "0", "0", "99.1", "0"),
    ("G-12", "prepaid", "0", (), False, 1, "0", "0", "25", "25"),
    ("G-12 next", "prepaid", "25", (), False, 0, "0", "0", "25", "0"),
    ("G-13", "prepaid", "10", (), False, 0, "0", "0", "10", "0"),
    ("G-14", "prepaid", "99.1", (), True, 0, "99.1", "0", "0", "0"),
    # Five calls of 1,200 minutes at 0.025: 150.00 on 99.10 of credit; the roll buys one top-up, not three.
    ("G-15", "prepaid", "99.1", (72_000,) * 5, True, 0, "0", "50.9", "0", "50.9"),
    ("G-15 roll", "prepaid", "99.1", (72_000,) * 5, False, 1, "0", "0", "-25.9", "25"),
    ("G-15 next", "prepaid", "-25.9", (), True, 0, "0", "25.9", "0", "25.9"),
    # After each charge: 10.00 itself is enough, one charge may need several, and each charge is looked at.
    ("enough", "by_event", "10.025", (60,), False, 0, "0", "0", "10", "0"),
    ("below", "by_event", "10", (60,), False, 1, "0", "0", "34.975", "25"),
    ("six at once", "by_event", "10", (6000 * MINUTE,), False, 6, "0", "0", "10", "150"),
    ("one each", "by_event", "20", (401 * MINUTE, 1200 * MINUTE), False, 2, "0", "0", "29.975", "50"),
    ("no charge", "by_event", "5", (0,), False, 0, "0", "0", "5", "0"),
    ("ends with the cycle", "prepaid", "0", (), False, 0, "0", "0", "0", "0"),
]


@pytest.fixture(scope="module")
def may(spark: SparkSession) -> Bill:
    """May 2025 of the vectors, of a contract that ended in April, and of an account with an invoiced line too."""
    accounts = [account(name, tax_exempt=True) for name, *_ in VECTORS]
    contracts = [agreement(name, plan, cancelled_on=CANCELLED if ends else None)
                 for name, plan, _, _, ends, *_ in VECTORS]  # fmt: skip
    contracts[-1]["cancelled_on"] = date(2025, 6, 1)
    rated = [
        usage(name, f"c{number}", at(f"2025-05-{number:02d}T16:00"), -(-length // MINUTE) * MINUTE, plan_id=plan)
        for name, plan, _, calls, *_ in VECTORS
        for number, length in enumerate(calls, start=1)
    ]
    before = [carried(name, credit) for name, _, credit, *_ in VECTORS if credit is not None]

    accounts += [account("late", tax_exempt=True), account("mixed"), account("no rule", tax_jurisdiction="XX")]
    contracts += [agreement("late", "prepaid", cancelled_on=date(2025, 4, 20)), agreement("mixed", "month_to_month"),
                  agreement("mixed", "prepaid", contract_id="Kpre", subscription_id="Spre"),
                  agreement("no rule", "prepaid")]  # fmt: skip
    before.append(carried("late", "0", forfeited="0.05", is_closed=True))
    rated += [
        usage("late", "c1", at("2025-04-10T16:00"), 3 * MINUTE, plan_id="prepaid"),
        usage("mixed", "c1", at("2025-05-02T16:00"), 60 * MINUTE, plan_id="month_to_month"),
        usage("mixed", "c2", at("2025-05-02T17:00"), 452 * MINUTE, plan_id="prepaid", contract_id="Kpre",
              subscription_id="Spre"),
        usage("no rule", "c1", at("2025-05-02T17:00"), MINUTE, plan_id="prepaid"),
    ]  # fmt: skip
    posted = posted_before(spark, prepaid=frame(spark, "prepaid_balance", before))
    return bill_may(spark, accounts, contracts, rated, BOOK, posted)


@pytest.mark.covers("CON-13", "CON-14", "CON-15", "CON-16", "CON-17")
def test_golden_vectors_and_top_ups(may: Bill) -> None:
    due = may.invoice.select("account_id", "total")
    found = may.prepaid_balance.join(due, "account_id", "left").where(~F.col("account_id").isin("late", "mixed"))
    shown = found.select("account_id", "is_first", "top_ups", "forfeited", "settled", "closing", "total")
    assert_rows(
        shown,
        *[
            (name, credit is None, count, *(Decimal(text).quantize(Decimal("0.000001")) for text in amounts[:3]),
             Decimal(amounts[3]).quantize(Decimal("0.001")))
            for name, _, credit, _, _, count, *amounts in VECTORS
        ],
    )  # fmt: skip


def test_an_exempt_account_has_no_tax_inside_its_usage(may: Bill) -> None:
    # 7 minutes are 0.175: a line of 0.18, which the credit pays whole.
    lines = may.invoice_line.where("account_id = 'G-09'").select("kind", "amount", "tax_id", "tax_share")
    amounts = {"usage": "0.18", "prepaid_used": "-0.18", "prepaid_balance": "0"}
    to_mill = Decimal("0.001")
    assert_rows(
        lines, *[(kind, Decimal(text).quantize(to_mill), None, Decimal(0).quantize(to_mill))
                 for kind, text in amounts.items()]
    )  # fmt: skip


@pytest.mark.covers("CON-13", "CON-15")
def test_late_usage_of_an_ended_contract_takes_what_its_end_took_and_asks_for_the_rest(may: Bill) -> None:
    # 3 minutes, 0.075: 0.05 from the forfeited credit, 0.025 rounded to 0.03; the half cent stays as credit.
    late = may.prepaid_balance.where("account_id = 'late'").select("opening", "debits", "forfeited", "settled",
        "closing", "is_first", "is_closed")  # fmt: skip
    amounts = [Decimal(text).quantize(Decimal("0.000001")) for text in ("0", "0.075", "-0.05", "0.03", "0.005")]
    assert_rows(late, (*amounts, False, True))
    lines = may.invoice_line.where("account_id = 'late'").select("kind", "amount")
    assert_rows(
        lines,
        *[(kind, Decimal(amount).quantize(Decimal("0.001"))) for kind, amount in (
            ("prepaid_balance", "0"), ("prepaid_forfeit", "0"), ("prepaid_settlement", "0.03"),
            ("prepaid_used", "-0.08"), ("prior_period", "0.08"))],
    )  # fmt: skip


@pytest.mark.covers("CON-13", "CON-15", "BIL-04")
def test_prepaid_usage_includes_its_tax_and_knows_no_discount_and_no_fee(spark: SparkSession, may: Bill) -> None:
    lines = may.invoice_line.where("account_id = 'mixed'")
    # 11.30 includes 13 % of 10.00. Tax on 50.00 + 3.00 - 0.30 + 1.00 = 53.70 is 6.981.
    expected = [
        ("discount", None, "-0.30", "hst_on", "-0.04"), ("invoice_fee", None, "1", "hst_on", "0.13"),
        ("prepaid_balance", "Spre", "0", None, "0"), ("prepaid_tax", None, "-1.30", "hst_on", "1.30"),
        ("prepaid_used", "Spre", "-11.30", None, "0"), ("recurring", "Smixed", "50", "hst_on", "6.50"),
        ("usage", "Smixed", "3", "hst_on", "0.39"), ("usage", "Spre", "11.30", "hst_on", "0"),
    ]  # fmt: skip
    to_mill = Decimal("0.001")
    assert_rows(
        lines.select("kind", "subscription_id", "amount", "tax_id", "tax_share"),
        *[(kind, line, Decimal(amount).quantize(to_mill), rule, Decimal(tax).quantize(to_mill))
          for kind, line, amount, rule, tax in expected],
    )  # fmt: skip
    invoice = may.invoice.where("account_id = 'mixed'").select("net", "tax", "total")
    assert_rows(invoice, tuple(Decimal(text).quantize(to_mill) for text in ("52.40", "8.28", "60.68")))
    said = lines.where("kind = 'prepaid_balance'").select("description")
    assert_rows(said, ("Prepaid credit: opened with 100.00 before, 88.70 after this statement",))

    moved = prepaid_movements(may.prepaid_balance.where("account_id = 'mixed'")).withColumn("minor_digits", F.lit(2))
    nothing = small_frame(spark, [], "account_id STRING, amount DECIMAL(18,3)")
    entries = postings(lines, nothing, moved).select("ledger_account", "amount")
    assert_rows(
        entries,
        *[(name, Decimal(amount).quantize(to_mill)) for name, amount in {
            "receivable": "60.68", "revenue_voice": "-14.30", "revenue_discount": "0.30", "revenue_recurring": "-50",
            "revenue_fee": "-1", "prepaid_liability": "-88.70", "prepaid_credit_given": "100",
            "revenue_tax_included": "1.30", "tax_payable": "-8.28"}.items()],
    )  # fmt: skip


def test_prepaid_usage_without_a_tax_rule_parks_its_account(may: Bill) -> None:
    assert_rows(may.parked, ("no rule", "no tax rule for a taxable line"))


@pytest.mark.parametrize(("planted", "amount"), [("closing", "0.000001"), ("debits", "0.000001"), ("opening", "1")])
def test_a_balance_that_is_off_parks_its_account(spark: SparkSession, planted: str, amount: str) -> None:
    row = {**carried("A", "9.97"), "opening": Decimal(10), "debits": Decimal("0.03")}
    of_run = frame(spark, "prepaid_balance", [row, {**row, "account_id": "B", planted: row[planted] + Decimal(amount)}])
    before = frame(spark, "prepaid_balance", [carried("A", "10"), {**carried("A", "10"), "account_id": "B"}])
    charges = [(account_id, "KA", Decimal("0.03")) for account_id in "AB"]
    charged = small_frame(spark, charges, "account_id STRING, prepaid_contract_id STRING, net_charge DECIMAL(18,6)")
    due = small_frame(spark, [("A",), ("B",)], "account_id STRING")
    assert_rows(unsound_accounts(of_run, charged, before, due), ("B", UNSOUND))


@pytest.mark.covers("CON-07", "BIL-21")
def test_a_contract_that_is_prepaid_no_more_but_has_a_balance_parks_its_account(spark: SparkSession) -> None:
    """Its credit would be on no statement any more. `ended` was settled by its end; `later` is not billed now."""
    names = ("changed", "ended", "later", "prepaid")
    posted = [carried(name, "5", is_closed=name == "ended") for name in names]
    bill = bill_may(
        spark, [account(name) for name in ("changed", "ended", "prepaid")],
        [agreement("changed", "month_to_month"), agreement("ended", "month_to_month"), agreement("prepaid", "prepaid")],
        [], BOOK, posted=posted_before(spark, prepaid=frame(spark, "prepaid_balance", posted)),
    )  # fmt: skip
    assert_rows(bill.parked, ("changed", GONE))
    without = unsound_accounts(
        frame(spark, "prepaid_balance", []), bill.billed_usage.withColumn("prepaid_contract_id", F.lit(None)),
        frame(spark, "prepaid_balance", posted), bill.accounts,
    )  # fmt: skip
    assert_rows(without, ("changed", GONE), ("prepaid", GONE))
