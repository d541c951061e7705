"""The invoice of each feature, checked with a pencil: the oracle and Spark issue what the folder says."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timezone
from decimal import Decimal

import pytest
from billing.small_month import posted_before
from clerk import BOOK, FOLDER, OCTOBER, as_sheet, cases, facts_of
from properties.frames_of_draws import book_frames, reference_frames, usage_frame

from tollgate.billing.bill import bill_cycle
from tollgate.oracle import billing
from tollgate.oracle.book import PriceBook
from tollgate.oracle.cycles import cycle_calendar
from tollgate.oracle.facts import Facts
from tollgate.oracle.lines import RatedEvent
from tollgate.oracle.pricing import price_event
from tollgate.platform.lake import kept
from tollgate.rating.rate import rate_events

CASES = cases()
AS_OF = datetime(2026, 11, 2, tzinfo=timezone.utc)
LINE = ("kind", "subscription_id", "service", "events", "units", "free_units", "amount", "tax_share")


@pytest.fixture(scope="module")
def book() -> PriceBook:
    return PriceBook(BOOK)


@pytest.fixture(scope="module")
def facts() -> Facts:
    return facts_of(CASES)


def issued(name: str) -> str:
    return (FOLDER / name / "invoice.csv").read_text(encoding="utf-8")


@pytest.mark.covers("QUA-02", "BIL-01", "BIL-02", "RAT-07", "RAT-44")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_oracle_bills_what_was_reckoned_by_hand(case, book, facts):
    calendar = cycle_calendar(case.account, {})
    events = []
    for usage in case.usage:
        priced = price_event(usage, book, facts)
        assert priced.suspense_reason is None
        events.append(RatedEvent(usage.source, usage.event_id, usage.started_at, usage.service, 1, priced))
    bill = billing.bill_cycle(
        case.account, calendar.starting_in(OCTOBER), calendar, events, case.contracts, book,
        adjustments=case.adjustments,
    )  # fmt: skip
    assert bill is not None
    lines = [
        (line.kind, line.subscription_id, line.service, line.events, line.units, line.free_units,
         Decimal(line.amount) / 1_000_000, Decimal(line.tax_share) / 1_000_000)
        for line in bill.lines
    ]  # fmt: skip
    assert as_sheet(lines, Decimal(bill.net) / 1_000_000, Decimal(bill.tax) / 1_000_000) == issued(case.name)


@pytest.mark.covers("QUA-02", "BIL-01", "BIL-02", "RAT-07", "RAT-44")
def test_spark_bills_all_of_them_at_once(spark, facts):
    book, reference = book_frames(spark, BOOK), reference_frames(spark, facts)
    usage = usage_frame(spark, [event for case in CASES for event in case.usage])
    rated = kept(rate_events(usage, book, reference, 1))
    bill = bill_cycle(
        "2026-10", AS_OF, rated, 1, reference, book, posted_before(spark), tiers=book.table("price_tier"), keep=kept
    )
    assert bill.parked.isEmpty()
    lines = defaultdict(list)
    for row in bill.invoice_line.orderBy("account_id", "line_no").select("account_id", *LINE).collect():
        lines[row["account_id"]].append(row[1:])
    totals = {row["account_id"]: (row["net"], row["tax"]) for row in bill.invoice.collect()}
    assert {name: as_sheet(lines[name], *total) for name, total in totals.items()} == {
        case.name: issued(case.name) for case in CASES
    }


def test_each_folder_shows_how_it_was_reckoned():
    for case in CASES:
        reckoned = (FOLDER / case.name / "by_hand.md").read_text(encoding="utf-8")
        total = issued(case.name).splitlines()[-1].split(",")[6]
        assert f"**{total}**" in reckoned, case.name
