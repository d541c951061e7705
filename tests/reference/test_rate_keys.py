"""Fallback resolved at publishing gives the row that reading the rows one by one would give."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from itertools import pairwise, product
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tollgate.reference.pricebook_checks import check_price_book
from tollgate.reference.pricebook_files import SourceRow
from tollgate.reference.rate_keys import COST_CELLS, RATE_CELLS, cost_keys, rate_keys, resolve

DEMO = Path(__file__).resolve().parents[2] / "conf" / "pricebook"
CELLS = ("service", "plan", "zone")
START = datetime(2026, 1, 1, tzinfo=timezone.utc)
DAYS = 6
ANY = ("*", "*", "*")
KEYS = list(product("v", "ab", "xy"))


def day(number: int) -> datetime:
    return START + timedelta(days=number)


@st.composite
def tariffs(draw: st.DrawFn) -> list[SourceRow]:
    """Rows whose equal cells do not overlap in time."""
    rows: list[SourceRow] = []
    for shape in product("v", "a*", "x*"):
        edges = sorted(draw(st.sets(st.integers(0, DAYS), max_size=4)))
        for since, until in zip(edges[::2], edges[1::2], strict=False):
            values = dict(zip(CELLS, shape, strict=True), valid_from=day(since), valid_to=day(until))
            rows.append(SourceRow("rate.csv", len(rows) + 2, values))
    return rows


def by_reading(rows: list[SourceRow], key: tuple[str, ...], at: datetime) -> SourceRow | None:
    """The fitting row with a literal plan, else with a literal zone, else any."""
    fitting = [
        row for row in rows
        if row["valid_from"] <= at < row["valid_to"]
        and all(row[c] in (value, "*") for c, value in zip(CELLS, key, strict=True))
    ]  # fmt: skip
    return min(fitting, key=lambda row: (row["plan"] == "*", row["zone"] == "*"), default=None)


@pytest.mark.covers("RAT-02", "RAT-42")
@settings(max_examples=200, deadline=None)
@given(tariffs())
def test_each_key_has_at_each_time_the_most_literal_row(rows):
    intervals, gaps = resolve(rows, CELLS, KEYS)
    for key, number in product(KEYS, range(DAYS)):
        holding = [i.row for i in intervals if i.key == key and i.valid_from <= day(number) < i.valid_to]
        expected = by_reading(rows, key, day(number))
        assert holding == ([] if expected is None else [expected])
    for key in KEYS:
        own = [i for i in intervals if i.key == key]
        holes = sum(a.valid_to < b.valid_from for a, b in pairwise(own))
        assert holes == sum(gap.key == key for gap in gaps)


@pytest.mark.covers("RAT-02", "RAT-27", "RAT-28", "RAT-29", "RAT-30", "RAT-46")
def test_the_demo_operator_prices_by_the_row_that_the_reference_says():
    book, _ = check_price_book(DEMO)
    assert book is not None
    at = datetime(2026, 10, 31, tzinfo=timezone.utc)
    rates = {
        i.key: i.row
        for i in resolve(book.rows["rate"], RATE_CELLS, rate_keys(book))[0]
        if i.valid_from <= at < i.valid_to
    }
    expected = {
        ("voice", "term", "national", "home", "none", *ANY): "voice_national_term",
        ("voice", "prepaid", "europe", "home", "none", *ANY): "voice_europe_prepaid",
        ("voice", "term", "premium", "us", "none", *ANY): "roaming_voice_us",
        ("voice", "term", "emergency", "europe", "none", *ANY): "voice_emergency",
        ("voice", "prepaid", "emergency", "europe", "none", *ANY): "voice_emergency_prepaid",
        ("sms", "month_to_month", "rest", "europe", "none", *ANY): "roaming_sms_europe_2024",
        ("mms", "term", "satellite", "home", "none", *ANY): "mms",
        ("mms", "prepaid", "rest", "home", "none", *ANY): "mms_prepaid",
        ("data", "term", "home", "home", "web", *ANY): "data_term",
        ("data", "term", "home", "home", "video", *ANY): "data_video_term",
        ("data", "month_to_month", "home", "rest", "video", *ANY): "roaming_data_rest",
    }
    assert {key: rates[key]["rate_id"] for key in expected} == expected
    assert ("voice", "term", "satellite", "home", "none", *ANY) not in rates
    assert ("sms", "term", "satellite", "home", "none", *ANY) not in rates
    costs = {i.key: i.row for i in resolve(book.rows["carrier_rate"], COST_CELLS, cost_keys(book))[0]}
    expected_costs = {
        ("voice", "carrier_001", "*", "GB", "international"): "c1_voice_gb",
        ("voice", "carrier_001", "*", "GB", "national"): "c1_voice_national",
        ("voice", "carrier_002", "*", "*", "international"): "c2_voice_international",
        ("sms", "carrier_003", "*", "*", "local"): "sms",
        ("data", "carrier_003", "*", "*", "any"): "data",
    }
    # A country has keys of its own only for the call types that some row names it for.
    known = {key: costs[key]["cost_id"] for key in expected_costs if key in costs}
    assert known == {k: v for k, v in expected_costs.items() if k != ("voice", "carrier_001", "*", "GB", "national")}
