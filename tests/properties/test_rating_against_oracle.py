"""Every drawn event is priced by the Spark plan as the oracle prices it, to the last digit."""

from __future__ import annotations

import json
from random import Random

import pytest
from properties.draw import draw_population, draw_usage
from properties.frames_of_draws import DEMO_BOOK, book_frames, reference_frames, usage_frame

from tollgate.oracle.book import PriceBook
from tollgate.oracle.pricing import price_event
from tollgate.oracle.rating_check import expected_fields, found_fields
from tollgate.oracle.report import Comparison
from tollgate.rating.rate import rate_events

SEED = 20261012
EVENTS = 5_000
LINES = 66


@pytest.mark.covers("RAT-02", "RAT-03", "RAT-04", "RAT-05", "RAT-06", "RAT-09", "RAT-26", "RAT-27", "RAT-28", "RAT-29")
@pytest.mark.covers("RAT-30", "RAT-32", "RAT-46")
def test_the_plan_prices_as_the_oracle_does(spark):
    facts = draw_population(LINES)
    usage = draw_usage(Random(SEED), EVENTS, LINES)
    book = PriceBook(DEMO_BOOK)
    rated = rate_events(usage_frame(spark, usage), book_frames(spark), reference_frames(spark, facts), 1)

    found = {row["event_id"]: found_fields(row.asDict()) for row in rated.collect()}
    comparison = Comparison()
    statuses = set()
    for event in usage:
        priced = price_event(event, book, facts)
        statuses.add(priced.suspense_reason or priced.retail_status)
        comparison.compare(event.event_id, expected_fields(priced), found.pop(event.event_id, None))

    assert comparison.different == 0, json.dumps(comparison.as_json(), indent=1)
    assert not found
    assert statuses == {
        *("rated", "zero_rated", "no_subscriber", "suspended_line", "no_plan"),
        *("no_zone", "no_band", "no_rate", "currency_mismatch"),
    }
