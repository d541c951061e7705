"""One-off charges and credits by hand: when they are due, how instalments split, that each is billed once."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from billing.small_month import HST, account, agreement, at, bill_may, charge, fee, posted_before
from frames import assert_rows
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from tollgate.billing.ledger import postings

BOOK = {
    "fee": [fee("invoice_fee", "invoice", "*", 1), fee("deposit", "deposit", "kept", 70)],
    "tax": [HST],
    "allowance": [],
}
MAY_17, JUNE_1, JUNE_17 = date(2025, 5, 17), date(2025, 6, 1), date(2025, 6, 17)


def money(text: str) -> Decimal:
    return Decimal(text).quantize(Decimal("0.001"))


ACCOUNTS = [
    account("one"), account("parts"), account("early"), account("later"),
    account("anchored", anchor_day=17, first_cycle_start=MAY_17), account("closes", closed_on=date(2025, 6, 1)),
]  # fmt: skip
CHARGES = [
    # 26.00 taxable with the fee of 1.00 less 5.00: 13 % of 21.00 is 2.73; 25/21, 1/21 and -5/21 of it
    charge("visit", "one", "25.00", MAY_17), charge("sorry", "one", "-5.00", MAY_17, subscription_id="Sone"),
    charge("stamp", "one", "3.33", MAY_17, tax_category="none"),
    # 10,000 cents in 3: 3,334 + 3,333 + 3,333
    charge("phone", "parts", "100.00", date(2025, 5, 31), tax_category="none", instalments=3),
    # due in March and April, before the account's first bill: both on it
    charge("old", "early", "-0.03", date(2025, 3, 31), tax_category="none", instalments=2),
    charge("june", "later", "9.00", date(2025, 6, 1), tax_category="none"),
    # the account has no bill after May's
    charge("rest", "closes", "3.01", date(2025, 5, 1), tax_category="none", instalments=2),
    # the cycle of the 17th of May holds 17 May to 16 June
    charge("a", "anchored", "1.00", date(2025, 5, 16), tax_category="none"),
    charge("b", "anchored", "2.00", date(2025, 6, 16), tax_category="none"),
    charge("c", "anchored", "4.00", JUNE_17, tax_category="none"),
]  # fmt: skip


@pytest.mark.covers("BIL-08", "BIL-04", "BIL-02")
def test_each_instalment_is_billed_once_in_its_cycle_or_on_the_next_bill(spark: SparkSession) -> None:
    # the account closes as the cycle ends, and its contract with it: its deposit is on this last bill
    contracts = [agreement("closes", "kept", cancelled_on=JUNE_1)]
    may = bill_may(spark, ACCOUNTS, contracts, [], BOOK, more={"adjustment": CHARGES})
    lines = may.invoice_line.persist()
    shown = lines.where("kind <> 'invoice_fee'").select(
        "account_id", "kind", F.split_part("line_key", F.lit("|"), F.lit(8)), "amount", "tax_share"
    )
    nothing = money("0")
    assert_rows(
        shown,
        ("one", "one_off", "visit", money("25"), money("3.25")),
        ("one", "one_off", "stamp", money("3.33"), nothing),
        ("one", "one_off_credit", "sorry", money("-5"), money("-0.65")),
        ("parts", "one_off", "phone/1", money("33.34"), nothing),
        ("early", "one_off_credit", "old/1", money("-0.02"), nothing),
        ("early", "one_off_credit", "old/2", money("-0.01"), nothing),
        ("closes", "deposit_credit", "Kcloses", money("-70"), nothing),
        ("closes", "one_off", "rest/1", money("1.51"), nothing),
        ("closes", "one_off", "rest/2", money("1.50"), nothing),
        ("anchored", "one_off", "a", money("1"), nothing),
        ("anchored", "one_off", "b", money("2"), nothing),
    )
    said = lines.where("account_id IN ('one', 'parts') AND kind = 'one_off'").select("description")
    assert_rows(said, ("visit",), ("stamp",), ("phone, instalment 1 of 3",))
    none = spark.createDataFrame([], "account_id STRING, amount DECIMAL(18,3)")
    entries = postings(lines, none).where("account_id = 'one'").select("ledger_account", "amount")
    assert_rows(
        entries, ("receivable", money("27.06")), ("revenue_fee", money("-1")), ("revenue_one_off", money("-23.33")),
        ("tax_payable", money("-2.73")),
    )  # fmt: skip

    # In June `parts` owes its second instalment, `later` its charge, and a charge of May that was entered late comes.
    late = charge("forgotten", "one", "7.00", MAY_17, tax_category="none")
    too_late = charge("after", "closes", "7.00", MAY_17, tax_category="none")
    before = posted_before(
        spark, runs=[("m", "2025-05", at("2025-07-15T00:00"))], lines=lines.withColumn("cycle", F.lit("2025-05"))
    )
    june = bill_may(
        spark, ACCOUNTS, contracts, [], BOOK, posted=before, more={"adjustment": [*CHARGES, late, too_late]},
        cycle="2025-06", as_of=at("2025-07-20T00:00"),
    )  # fmt: skip
    assert_rows(
        june.invoice_line.where("kind <> 'invoice_fee'").select("account_id", "description", "amount"),
        ("parts", "phone, instalment 2 of 3", money("33.33")),
        ("later", "june", money("9")),
        ("one", "forgotten", money("7")),
        ("anchored", "c", money("4")),
    )
    assert_rows(june.parked)
    lines.unpersist()


@pytest.mark.covers("BIL-08", "BIL-04", "CON-11")
def test_a_bill_in_yen_has_no_digits_after_the_point_and_an_account_in_dollars_is_parked(spark: SparkSession) -> None:
    phone = charge("phone", "yen", "1000", MAY_17, tax_category="none", instalments=3)
    # 50 a month from 16 May on are 50 x 16 / 31 = 25.8; with the fee of 1, 13 % of 27 is 3.51
    bill = bill_may(
        spark, [account("yen", currency="JPY"), account("dollar")],
        [agreement("yen", "month_to_month", starts_on=date(2025, 5, 16)), agreement("dollar")], [],
        {**BOOK, "fee": [BOOK["fee"][0], fee("monthly", "recurring", "month_to_month", 50, "days")]},
        more={"adjustment": [phone]}, currency="JPY",
    )  # fmt: skip
    assert_rows(
        bill.invoice_line.select("account_id", "kind", "amount", "tax_share"),
        ("yen", "recurring", money("26"), money("4")),
        ("yen", "one_off", money("334"), money("0")),
        ("yen", "invoice_fee", money("1"), money("0")),
    )
    assert_rows(bill.parked, ("dollar", "account in another currency than the price book"))
