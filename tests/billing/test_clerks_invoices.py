"""The invoice of each feature, checked with a pencil: the oracle and Spark issue what the folder says."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import date, datetime, timezone
from decimal import Decimal

import pytest
from billing.small_month import posted_before
from clerk import BOOK, FOLDER, NO_INVOICE, SHEETS, as_sheet, cases, facts_of
from properties.frames_of_draws import book_frames, reference_frames, usage_frame
from pyspark.sql import functions as F

from tollgate.billing import bill as spark_bill
from tollgate.oracle.billing_check import Biller, RunPins
from tollgate.oracle.book import PriceBook
from tollgate.oracle.lake import Accepted, RatingRun
from tollgate.oracle.lines import Bill
from tollgate.oracle.rating_check import rate_all, rated_events
from tollgate.platform.lake import kept
from tollgate.rating.correction import changed, correction_rows
from tollgate.rating.rate import rate_events

CASES, CORRECTED = cases(), cases(is_corrected=True)
OCTOBER, NOVEMBER = SHEETS
GOING_ON = [case for case in CASES if NOVEMBER in case.months]
AS_OF = {OCTOBER: datetime(2026, 11, 3, tzinfo=timezone.utc), NOVEMBER: datetime(2026, 12, 2, tzinfo=timezone.utc)}
EVERYTHING = json.dumps({"from": 0, "to": 1 << 60, "accounts": None, "service": None, "plan": None})
# A night for October; what was wrong is corrected by the second snapshot; a night for what came later.
RUNS = [RatingRun(1, 1, 1, 1, 1), RatingRun(2, 2, 1, 2, 1, EVERYTHING), RatingRun(3, 2, 2, 2, 1)]
LINE = ("kind", "subscription_id", "service", "events", "units", "free_units", "amount", "tax_share")


@pytest.fixture(scope="module")
def bills() -> dict[str, dict[str, Bill]]:
    """The oracle's bills by month and account: October is posted, then corrected, then November is billed."""
    book, snapshots = PriceBook(BOOK), {1: facts_of(CASES), 2: facts_of(CORRECTED)}
    accepted = [
        Accepted(batch, 0, 0, usage)
        for case in CASES
        for batch, night in enumerate((case.usage, case.later), start=1)
        for usage in night
    ]
    outcomes = rate_all(accepted, RUNS, snapshots.__getitem__, lambda _: book)
    assert all(one.priced.suspense_reason is None for one in outcomes)
    biller = Biller(rated_events(outcomes), snapshots.__getitem__, lambda _: book, RUNS)
    pins = RunPins(OCTOBER, date(2026, 10, 1), 1, 1), RunPins(NOVEMBER, date(2026, 11, 1), 3, 2)
    return {of.run_id: {bill.account_id: bill for bill in biller.bill(of)} for of in pins}


@pytest.mark.covers("QUA-02", "BIL-01", "BIL-02", "BIL-21", "RAT-07", "RAT-44")
@pytest.mark.parametrize(
    ("case", "month"), [pytest.param(case, month, id=f"{case.name}-{month}") for case in CASES for month in case.months]
)
def test_the_oracle_bills_what_was_reckoned_by_hand(case, month, bills):
    bill = bills[month].get(case.name)
    if bill is None:
        assert case.issued(month) == NO_INVOICE
        return
    lines = [
        (line.kind, line.subscription_id, line.service, line.events, line.units, line.free_units,
         Decimal(line.amount) / 1_000_000, Decimal(line.tax_share) / 1_000_000)
        for line in bill.lines
    ]  # fmt: skip
    assert as_sheet(lines, Decimal(bill.net) / 1_000_000, Decimal(bill.tax) / 1_000_000) == case.issued(month)
    is_after_the_end = case.account.closed_on is not None and month == NOVEMBER
    assert bill.kind == ("supplementary" if is_after_the_end else "regular")


@pytest.mark.covers("QUA-02", "BIL-01", "BIL-02", "RAT-07", "RAT-44")
def test_spark_bills_all_of_them_at_once(spark):
    book, reference = book_frames(spark, BOOK), reference_frames(spark, facts_of(CASES))
    rated = kept(rate_events(usage_frame(spark, [event for case in CASES for event in case.usage]), book, reference, 1))
    bill = bill_month(OCTOBER, rated, 1, reference, book, posted_before(spark))
    assert sheets(bill) == {case.name: case.issued(OCTOBER) for case in CASES}


@pytest.mark.long
@pytest.mark.covers("QUA-02", "BIL-01", "BIL-02", "BIL-21", "RAT-07", "RAT-44")
def test_spark_posts_october_and_bills_november(spark):
    book, corrected = book_frames(spark, BOOK), [case for case in CORRECTED if NOVEMBER in case.months]
    before, after = (reference_frames(spark, facts_of(known)) for known in (GOING_ON, corrected))
    night = usage_frame(spark, [event for case in GOING_ON for event in case.usage])
    later = usage_frame(spark, [event for case in GOING_ON for event in case.later])
    first = kept(rate_events(night, book, before, 1))
    pairs = changed(first, rate_events(night, book, after, 2), book.table("price_tier"), keep=kept)
    rated = kept(first.unionByName(correction_rows(pairs, 2)).unionByName(rate_events(later, book, after, 3)))
    october = bill_month(OCTOBER, rated, 1, before, book, posted_before(spark))
    assert sheets(october) == {case.name: case.issued(OCTOBER) for case in GOING_ON}
    posted = posted_before(
        spark, kept(october.billed_usage), [(OCTOBER, OCTOBER, AS_OF[OCTOBER])],
        lines=kept(october.invoice_line.withColumn("cycle", F.lit(OCTOBER))), prepaid=october.prepaid_balance,
    )  # fmt: skip
    november = bill_month(NOVEMBER, rated, 3, after, book, posted)
    assert sheets(november) == {case.name: case.issued(NOVEMBER) for case in GOING_ON}
    kinds = {row["account_id"]: row["invoice_kind"] for row in november.invoice.collect()}
    closed = {case.name for case in GOING_ON if case.account.closed_on is not None}
    assert all((kind == "supplementary") == (name in closed) for name, kind in kinds.items())


def bill_month(month, rated, rating_no, reference, book, posted) -> spark_bill.Bill:
    return spark_bill.bill_cycle(
        month, AS_OF[month], rated, rating_no, reference, book, posted, tiers=book.table("price_tier"), run_id=month,
        keep=kept,
    )  # fmt: skip


def sheets(bill: spark_bill.Bill) -> dict[str, str]:
    """The invoices of a run as texts, by account; who has none is closed and has too little."""
    parked = {row["account_id"]: row["reason"] for row in bill.parked.collect()}
    assert set(parked.values()) <= {"account_closed"}
    lines = defaultdict(list)
    for row in bill.invoice_line.orderBy("account_id", "line_no").select("account_id", *LINE).collect():
        lines[row["account_id"]].append(row[1:])
    totals = {row["account_id"]: (row["net"], row["tax"]) for row in bill.invoice.collect()}
    return {name: as_sheet(lines[name], *total) for name, total in totals.items()} | dict.fromkeys(parked, NO_INVOICE)


def test_each_folder_shows_how_it_was_reckoned():
    for case, corrected in zip(CASES, CORRECTED, strict=True):
        reckoned = (FOLDER / case.name / "by_hand.md").read_text(encoding="utf-8")
        goes_on = case.later or corrected != case
        assert not goes_on or case in GOING_ON, f"{case.name}: later usage or a correction, and no november.csv"
        for month in case.months:
            sheet = case.issued(month)
            result = "no invoice" if sheet == NO_INVOICE else sheet.splitlines()[-1].split(",")[6]
            assert f"**{result}**" in reckoned, (case.name, month)
