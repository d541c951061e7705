"""What suspended events may be worth, by hand: whose rate is taken, of which time, and what it gives."""

from __future__ import annotations

from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

import pytest
from frames import session_beside
from rating import sheet
from rating.sheet import rate

from tollgate.assurance.views import VIEWS
from tollgate.platform.reports import read_report

D = Decimal
NOON = datetime(2026, 10, 5, 12, tzinfo=timezone.utc)
BEFORE = datetime(2026, 10, 1, tzinfo=timezone.utc)
LATER = datetime(2027, 1, 1, tzinfo=timezone.utc)
MONTH = {"plan_id": "month_to_month"}
RATES = [
    rate("old", "voice", "national", 100_000, valid_to=BEFORE),
    rate("next", "voice", "national", 200_000, valid_from=LATER),
    rate("month", "voice", "national", 300_000, **MONTH),
    rate("sms", "sms", "national", 50_000),
    rate("sms_month", "sms", "national", 70_000, **MONTH),
    rate("fee", "voice", "fee", 100_000, connect_fee_micros=50_000, minimum_micros=400_000, maximum_micros=1_000_000),
    rate("free", "voice", "emergency", 0, is_zero_rated=True),
    rate("web", "data", "home", 10_000),
    rate("of_an_older_book", "mms", "national", 990_000, pricebook_version=6),
]
# Name and what is known of the event, then rate, distance in seconds and estimate.
EVENTS: list[tuple[str, dict[str, Any], tuple[Any, ...]]] = [
    # Its own plan before one that is valid; of its two rows that of 4.5 days ago. 61 s are 120: 120 x 0.10 / 60.
    ("own plan", {"duration_s": 61, "suspense_reason": "no_rate"}, ("old", 388_801, D("0.2"))),
    ("just before", {"started_at": datetime(2026, 12, 31, 23, 59, 59, tzinfo=timezone.utc)}, ("next", 1, D("0.2"))),
    # Nobody's: the row that is valid. 120 x 0.30 / 60
    ("nobody", {"plan_id": None, "duration_s": 61, "suspense_reason": "no_subscriber"}, ("month", 0, D("0.6"))),
    # Two plans are valid: the dearest.
    ("nobody's message", {"plan_id": None, "service": "sms", "suspense_reason": "no_subscriber"},
     ("sms_month", 0, D("0.07"))),
    ("unknown plan", {"plan_id": "gone", "service": "sms", "suspense_reason": "no_plan"}, ("sms_month", 0, D("0.07"))),
    ("no zone", {"zone_id": None, "suspense_reason": "no_zone"}, (None, None, None)),
    ("abroad", {"roaming_zone": "moon", "suspense_reason": "no_rate"}, (None, None, None)),
    ("no such service", {"service": "mms", "suspense_reason": "no_rate"}, (None, None, None)),
    # 60 x 0.10 / 60 + 0.05 = 0.15, at least 0.40; 3600 s make 6.05, at most 1.
    ("least", {"zone_id": "fee"}, ("fee", 0, D("0.4"))),
    ("most", {"zone_id": "fee", "duration_s": 3600}, ("fee", 0, D("1"))),
    ("unanswered", {"zone_id": "fee", "call_outcome": "busy"}, ("fee", 0, D("0"))),
    ("emergency", {"zone_id": "emergency"}, ("free", 0, D("0"))),
    # 12,345,678 x 0.01 / 1,000,000
    ("data", {"service": "data", "zone_id": "home", "rating_group": "web", "volume_bytes": 12_345_678},
     ("web", 0, D("0.1235"))),
]  # fmt: skip


def suspended(event_id: str, known: dict[str, Any]) -> dict[str, Any]:
    usual = {
        "source": "s", "event_id": event_id, "revision": 1, "kind": "original", "rating_no": 1,
        "retail_status": "suspended",
        "suspense_reason": "suspended_line", "started_at": NOON, "event_month": "2026-10", "service": "voice",
        "duration_s": 60, "volume_bytes": 0, "plan_id": "term", "zone_id": "national", "roaming_zone": "home",
        "call_outcome": "answered",
    }  # fmt: skip
    return {**usual, **known}


@pytest.fixture(scope="module")
def session(spark):
    other = session_beside(spark)
    rated = [suspended(name, known) for name, known, _ in EVENTS]
    rated.append({**suspended("rated later", {}), "rating_no": 1})
    rated.append({**rated[-1], "rating_no": 2, "retail_status": "rated", "suspense_reason": None, "charge": D(1)})
    versions = [{"pricebook_version": number, "currency": "CAD"} for number in (6, 7)]
    for table, rows in (("rated_usage", rated), ("price_rate_key", RATES), ("price_version", versions)):
        sheet.rows(other, table, *rows).createOrReplaceTempView(table)
    for name in ("current_rating", "suspended_event", "suspended_value"):
        other.sql(VIEWS[name]).createOrReplaceTempView(name)
    return other


@pytest.mark.covers("RAT-09")
def test_each_suspended_event_is_valued_by_its_nearest_rate(session):
    found = session.table("suspended_value").select("event_id", "nearest_rate_id", "distance_s", "estimated_charge")
    assert sorted(tuple(row) for row in found.collect()) == sorted((name, *expected) for name, _, expected in EVENTS)


@pytest.mark.covers("RAT-09")
def test_the_report_sums_by_reason_and_counts_what_has_no_rate(session):
    assert [tuple(row) for row in session.sql(read_report("suspended_value").sql).collect()] == [
        # just before 0.20, least, most, unanswered and emergency
        ("suspended_line", "voice", "CAD", 5, 0, 1, D("1.6")),
        ("no_subscriber", "voice", "CAD", 1, 0, 0, D("0.6")),
        ("no_rate", "voice", "CAD", 2, 1, 1, D("0.2")),
        ("suspended_line", "data", "CAD", 1, 0, 0, D("0.1235")),
        ("no_plan", "sms", "CAD", 1, 0, 0, D("0.07")),
        ("no_subscriber", "sms", "CAD", 1, 0, 0, D("0.07")),
        ("no_rate", "mms", None, 1, 1, 0, D("0")),
        ("no_zone", "voice", None, 1, 1, 0, D("0")),
    ]
