"""Late usage after an account's last bill, by hand: invoiced as supplementary, or listed while it is too little."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from billing.small_month import HST, account, agreement, at, bill_may, fee, frame, posted_before, usage
from frames import assert_rows, small_frame
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from tollgate.billing.cycles import accounts_to_bill
from tollgate.platform.lake import kept

JUNE_1 = date(2025, 6, 1)
BOOK: dict[str, list[dict[str, Any]]] = {
    "fee": [
        fee("mtm_fee", "recurring", "month_to_month", 50, "days"), fee("kept", "deposit", "month_to_month", 70),
        fee("invoice_fee", "invoice", "*", 1), fee("minimum", "late_minimum", "*", 2, tax_category="none"),
    ],
    "allowance": [], "tax": [HST],
}  # fmt: skip
AS_OF = at("2025-08-15T00:00")


def money(text: str) -> Decimal:
    return Decimal(text).quantize(Decimal("0.001"))


def call(account_id: str, event_id: str, minutes: int, rating_no: int = 2) -> dict[str, Any]:
    """A call of May at 0.05 a minute, late unless said otherwise."""
    started = at("2025-05-20T12:00")
    return usage(account_id, event_id, started, minutes * 60, plan_id="month_to_month", rating_no=rating_no)


@pytest.mark.covers("BIL-21")
def test_late_usage_of_a_closed_account_is_invoiced_from_the_minimum_on(spark: SparkSession) -> None:
    names = ("enough", "too little", "none", "open", "grows", "not yet")
    accounts = [account(name, closed_on=None if name == "open" else JUNE_1) for name in names]
    contracts = [
        agreement(name, "month_to_month", cancelled_on=None if name == "open" else JUNE_1) for name in names
    ]  # fmt: skip
    first = [call(name, "may", 100, rating_no=1) for name in names]
    # 40 minutes are 2.00, the minimum; 39 are 1.95
    late = [
        call("enough", "e", 40), call("too little", "t", 39), call("open", "o", 1), call("grows", "g1", 30),
        call("grows", "g2", 30, rating_no=3), call("not yet", "n", 100),
    ]  # fmt: skip
    rated = [*first, *late]
    options = {"as_of": AS_OF, "keep": kept}
    may = bill_may(spark, accounts, contracts, rated, BOOK, **{**options, "rating_no": 1})
    assert_rows(may.invoice.select("invoice_kind").distinct(), ("regular",))
    lines = may.invoice_line.where("account_id <> 'not yet'").withColumn("cycle", F.lit("2025-05"))
    lines, posted_usage = kept(lines), kept(may.billed_usage.where("account_id <> 'not yet'"))
    # The run of May parked one account, whose last bill is still to come.
    runs, parked = [("may", "2025-05", AS_OF)], [("may", "not yet")]
    before = posted_before(spark, posted_usage, runs, parked, lines)
    june = bill_may(
        spark, accounts, contracts, rated, BOOK, before, **{**options, "rating_no": 2, "cycle": "2025-06"}
    )  # fmt: skip
    assert_rows(
        june.invoice.select("account_id", "invoice_kind", "sequence", F.col("cycle_start").cast("string"), "net"),
        ("enough", "supplementary", 1, "2025-06-01", money("3")),
        ("open", "regular", 1, "2025-06-01", money("51.05")),
    )
    assert_rows(
        june.invoice_line.where("account_id = 'enough'").select("kind", "amount", "tax_share"),
        ("invoice_fee", money("1"), money("0.13")),
        ("prior_period", money("2"), money("0.26")),
    )
    assert_rows(
        june.parked,
        ("too little", "account_closed"), ("grows", "account_closed"), ("not yet", "earlier cycle not posted"),
    )  # fmt: skip
    # In July what has come since then makes it enough; June has dealt with those that it only listed.
    runs += [("june", "2025-06", AS_OF)]
    billed = kept(posted_usage.unionByName(june.billed_usage))
    before = posted_before(spark, billed, runs, [*parked, ("june", "not yet")], lines)
    july = bill_may(
        spark, accounts, contracts, rated, BOOK, before, **{**options, "rating_no": 3, "cycle": "2025-07"}
    )  # fmt: skip
    assert_rows(
        july.invoice.where("account_id <> 'open'").select("account_id", "invoice_kind", "net"),
        ("grows", "supplementary", money("4")),
    )
    assert_rows(
        july.parked, ("too little", "account_closed"), ("not yet", "earlier cycle not posted")
    )  # fmt: skip


@pytest.mark.covers("BIL-19", "BIL-21")
def test_a_closed_account_waits_for_its_last_bill_alone_and_is_due_from_the_start_of_a_cycle(
    spark: SparkSession,
) -> None:
    # Cycles from the 15th; closed on 20 June, so the last bill is that of 15 June to 15 July, key 2025-06.
    may_15, june_20 = date(2025, 5, 15), date(2025, 6, 20)
    accounts = frame(spark, "ref_account", [
        account("settled", anchor_day=15, first_cycle_start=may_15, closed_on=june_20),
        account("parked", anchor_day=15, first_cycle_start=may_15, closed_on=june_20),
        account("open", anchor_day=15, first_cycle_start=may_15),
        # The last bill is that of 25 June to 25 July, which no run here has reached.
        account("later", anchor_day=25, first_cycle_start=date(2025, 5, 25), closed_on=date(2025, 6, 26)),
        # The last bill is eighteen months old: its run is not looked at any more, the cycle before is settled.
        account("long ago", anchor_day=15, first_cycle_start=date(2023, 5, 15), closed_on=date(2024, 1, 20)),
    ])  # fmt: skip
    june = [("june 1", "2025-06", at("2025-07-01T04:00")), ("june 2", "2025-06", at("2025-07-16T04:00"))]
    july = [*june, ("july 1", "2025-07", at("2025-08-01T04:00"))]

    def asked(cycle: str, as_of: str, runs: list[tuple[Any, ...]], *parked: tuple[str, str]) -> list[tuple[Any, ...]]:
        left = accounts_to_bill(
            accounts, cycle, at(as_of), small_frame(spark, runs, "run_id STRING, cycle STRING, as_of TIMESTAMP"),
            small_frame(spark, parked, "run_id STRING, account_id STRING"),
        )  # fmt: skip
        return sorted(tuple(row) for row in left.select("account_id", "is_due", "is_waiting").collect())

    # The cycle of 15 July has begun, that of 25 July has not; of those the open one's has to end.
    assert asked("2025-07", "2025-07-20T04:00", june, ("june 2", "parked")) == [
        ("later", False, True), ("long ago", True, False), ("open", False, False), ("parked", True, True),
        ("settled", True, False),
    ]  # fmt: skip
    # July's run has parked late usage of `settled`, say for want of a tax rule: it comes with August all the same.
    assert asked("2025-08", "2025-09-01T04:00", july, ("june 2", "parked"), ("july 1", "settled")) == [
        ("later", True, True), ("long ago", True, False), ("open", False, True), ("parked", True, True),
        ("settled", True, False),
    ]  # fmt: skip
    # That run of 1 August has settled July of those that were closed by then, of the open one it has not.
    assert asked("2025-07", "2025-09-01T04:00", july, ("july 1", "settled")) == [
        ("open", True, False), ("settled", True, False),
    ]  # fmt: skip
