"""The invoice of each feature, checked with a pencil: the oracle and Spark issue what the folder says."""

from __future__ import annotations

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
from tollgate.oracle.facts import Facts
from tollgate.oracle.lake import RatingRun
from tollgate.oracle.lines import Bill, RatedEvent
from tollgate.oracle.pricing import price_event
from tollgate.platform.lake import kept
from tollgate.rating.rate import rate_events

CASES = cases()
OCTOBER, NOVEMBER = SHEETS
GOING_ON = [case for case in CASES if NOVEMBER in case.months]
AS_OF = {OCTOBER: datetime(2026, 11, 2, tzinfo=timezone.utc), NOVEMBER: datetime(2026, 12, 2, tzinfo=timezone.utc)}
LINE = ("kind", "subscription_id", "service", "events", "units", "free_units", "amount", "tax_share")


@pytest.fixture(scope="module")
def facts() -> Facts:
    return facts_of(CASES)


@pytest.fixture(scope="module")
def bills(facts) -> dict[str, dict[str, Bill]]:
    """The oracle's bills by month and account: October is posted, then November is billed."""
    book, events = PriceBook(BOOK), defaultdict(list)
    for case in CASES:
        for rating_no, night in enumerate((case.usage, case.later), start=1):
            for usage in night:
                priced = price_event(usage, book, facts)
                assert priced.suspense_reason is None
                key = (usage.source, usage.event_id, usage.started_at, usage.service)
                events[case.name].append(RatedEvent(*key, rating_no, priced))
    biller = Biller(events, lambda _: facts, lambda _: book, [RatingRun(one, one, one, 1, 1) for one in (1, 2)])
    pins = [RunPins(month, date.fromisoformat(f"{month}-01"), place, 1) for place, month in enumerate(SHEETS, start=1)]
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
def test_spark_bills_all_of_them_at_once(spark, facts):
    book, reference = book_frames(spark, BOOK), reference_frames(spark, facts)
    rated = kept(rate_events(usage_frame(spark, [event for case in CASES for event in case.usage]), book, reference, 1))
    bill = bill_month(OCTOBER, rated, 1, reference, book, posted_before(spark))
    assert sheets(bill) == {case.name: case.issued(OCTOBER) for case in CASES}


@pytest.mark.long
@pytest.mark.covers("QUA-02", "BIL-01", "BIL-02", "BIL-21", "RAT-07", "RAT-44")
def test_spark_posts_october_and_bills_november(spark):
    book, reference = book_frames(spark, BOOK), reference_frames(spark, facts_of(GOING_ON))
    known = [event for case in GOING_ON for event in case.usage], [event for case in GOING_ON for event in case.later]
    first, second = (rate_events(usage_frame(spark, known[of]), book, reference, of + 1) for of in (0, 1))
    rated = kept(first.unionByName(second))
    october = bill_month(OCTOBER, rated, 1, reference, book, posted_before(spark))
    assert sheets(october) == {case.name: case.issued(OCTOBER) for case in GOING_ON}
    posted = posted_before(
        spark, kept(october.billed_usage), [(OCTOBER, OCTOBER, AS_OF[OCTOBER])],
        lines=kept(october.invoice_line.withColumn("cycle", F.lit(OCTOBER))), prepaid=october.prepaid_balance,
    )  # fmt: skip
    november = bill_month(NOVEMBER, rated, 2, reference, book, posted)
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
    for case in CASES:
        reckoned = (FOLDER / case.name / "by_hand.md").read_text(encoding="utf-8")
        assert not case.later or case in GOING_ON, f"{case.name}: later usage, and no november.csv"
        for month in case.months:
            sheet = case.issued(month)
            result = "no invoice" if sheet == NO_INVOICE else sheet.splitlines()[-1].split(",")[6]
            assert f"**{result}**" in reckoned, (case.name, month)
