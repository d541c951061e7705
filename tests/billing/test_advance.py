"""Monthly fees by hand: in advance and in arrears, and changes of plan, line and owner in mid-cycle."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from billing.small_month import account, agreement, allowance, at, bill_may, fee, posted_before, usage
from frames import assert_rows
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

MAY_17, JUNE_11, JUNE_16, JUNE_21 = (date(2025, *day) for day in ((5, 17), (6, 11), (6, 16), (6, 21)))
AS_OF = {"as_of": at("2025-07-20T00:00")}
REF = "split_part(line_key, '|', 8)"


def money(text: str) -> Decimal:
    return Decimal(text).quantize(Decimal("0.001"))


@pytest.mark.covers("CON-23", "BIL-04")
def test_a_fee_in_advance_is_asked_for_once_and_given_back_by_the_day(spark: SparkSession) -> None:
    book: dict[str, list[dict[str, Any]]] = {
        "fee": [
            fee("rent", "recurring", "term", 30, "days", in_advance=True, tax_category="none"),
            fee("rent", "recurring", "month_to_month", 60, "days", in_advance=True, tax_category="none", name="big"),
            fee("club", "recurring", "month_to_month", 9, in_advance=True, tax_category="none"),
        ],
        "allowance": [], "tax": [],
    }  # fmt: skip
    book["fee"][1]["fee_id"] = "big"
    accounts = [account(name) for name in ("stays", "new", "gone", "other plan")]
    may_contracts = [
        agreement("stays"), agreement("new", starts_on=MAY_17), agreement("gone"), agreement("other plan"),
    ]  # fmt: skip
    may = bill_may(spark, accounts, may_contracts, [], book, **AS_OF)
    lines = may.invoice_line.persist()
    june_1 = date(2025, 6, 1)
    whole = [(name, day, money("30")) for name in ("stays", "gone", "other plan") for day in (date(2025, 5, 1), june_1)]
    assert_rows(
        lines.select("account_id", "origin_cycle", "amount"),
        *whole,
        # 15 of 31 days: 30 x 15 / 31 = 14.516...
        ("new", date(2025, 5, 1), money("14.52")),
        ("new", june_1, money("30")),
    )
    # June has 30 days. `gone` left after 15 of them; `other plan` went over to the dearer plan on that day.
    june_contracts = [
        *may_contracts[:2], agreement("gone", cancelled_on=JUNE_16), agreement("other plan", cancelled_on=JUNE_16),
        agreement("other plan", "month_to_month", JUNE_16, contract_id="K2"),
    ]  # fmt: skip
    before = posted_before(
        spark, runs=[("m", "2025-05", AS_OF["as_of"])], lines=lines.withColumn("cycle", F.lit("2025-05"))
    )
    june = bill_may(spark, accounts, june_contracts, [], book, posted=before, cycle="2025-06", **AS_OF)
    july_1 = date(2025, 7, 1)
    assert_rows(
        june.invoice_line.select("account_id", F.expr(REF), "origin_cycle", "amount", "description"),
        ("stays", "Kstays/rent", july_1, money("30"), "rent, in advance, cycle from 2025-07-01"),
        ("new", "Knew/rent", july_1, money("30"), "rent, in advance, cycle from 2025-07-01"),
        ("gone", "Kgone/rent", june_1, money("-15"), "rent, cycle from 2025-06-01, 15 of 30 days, given back"),
        ("other plan", "Kother plan/rent", june_1, money("-15"),
         "rent, cycle from 2025-06-01, 15 of 30 days, given back"),
        ("other plan", "K2/big", june_1, money("30"), "big, cycle from 2025-06-01, 15 of 30 days"),
        ("other plan", "K2/big", july_1, money("60"), "big, in advance, cycle from 2025-07-01"),
        ("other plan", "K2/club", june_1, money("9"), "club, cycle from 2025-06-01"),
        ("other plan", "K2/club", july_1, money("9"), "club, in advance, cycle from 2025-07-01"),
    )  # fmt: skip
    assert_rows(june.parked)
    lines.unpersist()


@pytest.mark.covers("CON-22", "CON-23", "BIL-04")
def test_changes_of_plan_line_and_owner_in_mid_cycle(spark: SparkSession) -> None:
    book: dict[str, list[dict[str, Any]]] = {
        "fee": [
            fee("term_fee", "recurring", "term", 20, "days"), fee("mtm_fee", "recurring", "month_to_month", 50, "days"),
            fee("insurance", "recurring", "month_to_month", 3, "days"),
        ],
        "allowance": [allowance("term_voice", "term", "voice", 6000, "days")], "tax": [],
    }  # fmt: skip
    accounts = [
        account(name, first_cycle_start=date(2025, 6, 1), tax_exempt=True) for name in ("plan", "gives", "takes")
    ]
    contracts = [
        agreement("plan", cancelled_on=JUNE_16), agreement("plan", "month_to_month", JUNE_16, contract_id="K2"),
        agreement("plan", starts_on=JUNE_21, contract_id="K3", subscription_id="Ssecond"),
        # the number goes over on 11 June: ten days with the one, twenty with the other
        agreement("gives", cancelled_on=JUNE_11), agreement("takes", starts_on=JUNE_11),
    ]  # fmt: skip
    rated = [
        # 3,600 s on term, of which 6,000 x 15 / 30 are free: 600 s at 0.10 a minute; then 3,600 s at 0.05
        usage("plan", "a", at("2025-06-10T12:00"), 3600),
        usage("plan", "b", at("2025-06-20T12:00"), 3600, plan_id="month_to_month", contract_id="K2"),
        # 2,000 s and 4,000 s are free
        usage("gives", "c", at("2025-06-10T12:00"), 2100, piece_units=[2100]),
        usage("takes", "d", at("2025-06-11T12:00"), 4200),
    ]  # fmt: skip
    june = bill_may(spark, accounts, contracts, rated, book, cycle="2025-06", **AS_OF)
    assert_rows(
        june.invoice_line.select("account_id", "kind", "subscription_id", F.expr(REF), "free_units", "amount"),
        ("plan", "recurring", "Splan", "Kplan", 0, money("10")),
        # two fees of one tax category: the key names the fee
        ("plan", "recurring", "Splan", "K2/mtm_fee", 0, money("25")),
        ("plan", "recurring", "Splan", "K2/insurance", 0, money("1.50")),
        ("plan", "recurring", "Ssecond", "K3", 0, money("6.67")),
        ("plan", "usage", "Splan", "", 3000, money("4")),
        ("gives", "recurring", "Sgives", "Kgives", 0, money("6.67")),
        ("gives", "usage", "Sgives", "", 2000, money("0.17")),
        ("takes", "recurring", "Stakes", "Ktakes", 0, money("13.33")),
        ("takes", "usage", "Stakes", "", 4000, money("0.33")),
    )
    assert_rows(june.parked)
