"""Every drawn event is priced by the Spark plan as the oracle prices it, to the last digit."""

from __future__ import annotations

import json
from random import Random

import pytest
from properties.draw import draw_population, draw_usage
from properties.frames_of_draws import DEMO_BOOK, book_frames, reference_frames, usage_frame
from properties.second_rating import SecondRating, compare_rating

from tollgate.oracle.book import PriceBook
from tollgate.oracle.pricing import price_event
from tollgate.oracle.rating_check import expected_fields, found_fields
from tollgate.oracle.report import Comparison
from tollgate.rating.rate import rate_events

SEED = 20261012
BOOKS_SEED = 20261014
ENOUGH_FOR_EVERY_FEATURE = 500_000  # ten books
MET = {
    *("rated", "zero_rated", "no_subscriber", "suspended_line", "no_plan", "no_zone", "no_band", "no_rate"),
    *("currency_mismatch", "costed", "no_carrier_rate", "not_applicable", "catch_all", "bands", "segments", "split"),
    *("segments and bands", "first step", "bounds", "24 hours", "literal direction", "literal technology"),
    *("literal slice", "prefix", "country", "call_type", "carrier_id", "cost_fee", "markup", "markup_of_fee"),
    *("0 discounts", "1 discounts", "2 discounts", "3 discounts"),
}
EVENTS = 5_000
LINES = 66


@pytest.mark.covers("RAT-02", "RAT-03", "RAT-04", "RAT-05", "RAT-06", "RAT-09", "RAT-26", "RAT-27", "RAT-28", "RAT-29")
@pytest.mark.covers("RAT-30", "RAT-32", "RAT-46")
def test_the_plan_prices_as_the_oracle_does(spark):
    facts = draw_population(LINES)
    usage = draw_usage(Random(SEED), EVENTS, LINES)
    # A rating group that the book does not list: no row fits it, `*` neither.
    usage = [event._replace(rating_group=event.rating_group and "games") if n % 20 == 0 else event
             for n, event in enumerate(usage)]  # fmt: skip
    book = PriceBook(DEMO_BOOK)
    rated = rate_events(usage_frame(spark, usage), book_frames(spark), reference_frames(spark, facts), 1)

    found = {row["event_id"]: found_fields(row.asDict()) for row in rated.collect()}
    comparison = Comparison()
    statuses = set()
    for event in usage:
        priced = price_event(event, book, facts)
        statuses.add(priced.suspense_reason or priced.retail_status)
        comparison.compare(event.event_id, expected_fields(event, priced), found.pop(event.event_id, None))

    assert comparison.different == 0, json.dumps(comparison.as_json(), indent=1)
    assert not found
    assert statuses == {
        *("rated", "zero_rated", "no_subscriber", "suspended_line", "no_plan"),
        *("no_zone", "no_band", "no_rate", "currency_mismatch"),
    }


def checked(result: SecondRating, wanted: set[str]) -> None:
    """Nothing differs, nothing is left over, and every part of the tariff model of `wanted` was met."""
    assert result.comparison.different == 0, json.dumps(result.as_json(), indent=1)
    assert result.missing == 0
    assert set(result.met) >= wanted, wanted - set(result.met)


@pytest.mark.no_cover
@pytest.mark.covers("RAT-02", "RAT-03", "RAT-05", "RAT-06", "RAT-26", "RAT-29", "RAT-41", "RAT-44", "RAT-46", "RAT-47")
def test_drawn_books_with_every_feature_price_as_the_oracle_does(compiled, tmp_path):
    checked(compare_rating(compiled, tmp_path, BOOKS_SEED, events=50_000, books=2), MET)


@pytest.mark.long
@pytest.mark.covers("RAT-02", "RAT-44", "RAT-46")
def test_a_million_drawn_events_price_as_the_oracle_does(compiled, tmp_path, pytestconfig):
    events = pytestconfig.getoption("--events")
    result = compare_rating(compiled, tmp_path, BOOKS_SEED + 1, events, books=max(1, events // 50_000))
    out = pytestconfig.rootpath / "build" / "second_rating.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps({"seed": BOOKS_SEED + 1, **result.as_json()}, indent=1) + "\n", encoding="utf-8")
    checked(result, MET if events >= ENOUGH_FOR_EVERY_FEATURE else set())
