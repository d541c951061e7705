"""Where an account is taxed and what is exempt: by the last local day of the cycle; each case by hand."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from billing.small_month import HST, account, bill_may, charge
from frames import assert_rows
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

VAT = {**HST, "tax_id": "vat_gb", "jurisdiction": "GB", "rate_ppm": 200_000}
REDUCED = {**HST, "tax_id": "reduced_on", "tax_category": "reduced", "rate_ppm": 50_000}
FIRST, LAST, NEXT, OPEN = date(2025, 5, 1), date(2025, 5, 31), date(2025, 6, 1), date(9999, 12, 31)
NAMES = ("stays", "moved", "moves later", "moved back", "exempt", "expired", "both", "flagged", "no rule there")


def money(text: str) -> Decimal:
    return Decimal(text).quantize(Decimal("0.001"))


def move(account_id: str, jurisdiction: str, starts_on: date, ends_on: date = OPEN) -> dict[str, Any]:
    row = {"snapshot_id": 1, "account_id": account_id, "tax_jurisdiction": jurisdiction}
    return {**row, "starts_on": starts_on, "ends_on": ends_on}


def exemption(account_id: str, category: str, reason: str, ends_on: date, starts_on: date = FIRST) -> dict[str, Any]:
    row = {"snapshot_id": 1, "account_id": account_id, "tax_category": category, "reason": reason}
    return {**row, "starts_on": starts_on, "ends_on": ends_on}


@pytest.mark.covers("BIL-02")
def test_the_last_day_of_the_cycle_says_where_an_account_is_taxed_and_what_is_exempt(spark: SparkSession) -> None:
    accounts = [account(name, tax_exempt=name == "flagged") for name in NAMES]
    charges = [
        charge(f"{number}-{category}", name, amount, FIRST, tax_category=category)
        for number, name in enumerate(NAMES)
        for category, amount in (("standard", "100.00"), ("reduced", "10.00"), ("none", "1.00"))
        if (name[:5], category) not in (("moved", "reduced"), ("moves", "reduced"))
    ]
    more = {
        "adjustment": charges,
        "account_jurisdiction": [
            move("moved", "GB", LAST), move("moves later", "GB", NEXT), move("moved back", "GB", FIRST, LAST),
            move("no rule there", "MA", FIRST),
        ],
        "tax_exemption": [
            exemption("exempt", "standard", "certificate 7", NEXT), exemption("expired", "*", "diplomat", LAST),
            exemption("both", "*", "diplomat", OPEN), exemption("both", "reduced", "certificate 8", OPEN),
        ],
    }  # fmt: skip
    bill = bill_may(spark, accounts, [], [], {"fee": [], "allowance": [], "tax": [HST, VAT, REDUCED]}, more=more)
    lines = bill.invoice_line.select("account_id", "tax_category", "tax_id", "tax_share", "exempt_reason")
    nothing = money("0")
    taxed, reduced = ("hst_on", money("13"), None), ("reduced_on", money("0.50"), None)
    expected = {
        "stays": (taxed, reduced),
        "moved": (("vat_gb", money("20"), None),),
        "moves later": (taxed,),
        "moved back": (taxed,),
        "exempt": ((None, nothing, "certificate 7"), reduced),
        "expired": (taxed, reduced),
        "both": ((None, nothing, "diplomat"), (None, nothing, "certificate 8")),
        "flagged": ((None, nothing, None), (None, nothing, None)),
    }
    categories = ("standard", "reduced")
    assert_rows(
        lines,
        *[(name, category, *said) for name, of in expected.items() for category, said in zip(categories, of)],  # noqa: B905
        *[(name, "none", None, nothing, None) for name in expected],
    )
    assert_rows(bill.parked, ("no rule there", "no tax rule for a taxable line"))
    assert bill.invoice.agg(F.sum("tax")).collect() == [(money("73.5"),)]
