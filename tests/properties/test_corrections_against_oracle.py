"""Drawn events corrected by Spark as the oracle corrects them: the same events, and both rows to the last digit."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from random import Random

import pytest
from properties.draw import draw_population, draw_usage
from properties.draw_corrections import draw_changed_book, draw_changed_facts
from properties.frames_of_draws import DEMO_BOOK, book_frames, reference_frames, usage_frame

from tollgate.assurance.current_rating import current_rating
from tollgate.oracle.book import PriceBook
from tollgate.oracle.corrections import taken_back
from tollgate.oracle.lake import Accepted, RatingRun
from tollgate.oracle.rating_check import VERSION, expected_fields, found_fields, rate_all
from tollgate.oracle.report import Comparison
from tollgate.platform.lake import kept
from tollgate.rating.correction import changed, correction_rows
from tollgate.rating.rate import rate_events

SEED, LINES = 20261128, 33
EVERYTHING = {"from": 0, "to": 1 << 60, "accounts": None, "service": None, "plan": None}
RUNS = [
    RatingRun(1, 1, 1, 1, 1),
    *(RatingRun(no, 2, 1, snapshot, book, json.dumps(EVERYTHING)) for no, snapshot, book in ((2, 2, 2), (3, 2, 1))),
]


@pytest.mark.covers("RAT-08", "RAT-46")
@pytest.mark.parametrize(
    ("seed", "number"), [(SEED, 1_200), *(pytest.param(SEED + n, 5_000, marks=pytest.mark.long) for n in (1, 2, 3))]
)
def test_corrections_are_those_of_the_oracle(spark, tmp_path, seed, number):
    random = Random(seed)
    population = draw_population(LINES)
    snapshots = {1: population, 2: draw_changed_facts(random, population)}
    folders = {1: DEMO_BOOK, 2: draw_changed_book(random, DEMO_BOOK, tmp_path / "changed")}
    usage = draw_usage(random, number, LINES)
    events = usage_frame(spark, usage)
    references = {no: replace(reference_frames(spark, facts), snapshot_id=no) for no, facts in snapshots.items()}
    books = {no: replace(book_frames(spark, folder), version=no) for no, folder in folders.items()}
    rated = kept(rate_events(events, books[1], references[1], 1))
    for run in RUNS[1:]:
        standing = current_rating(rated).where("retail_status <> 'suspended'")
        again = rate_events(events, books[run.pricebook_version], references[run.snapshot_id], run.rating_no)
        pairs = changed(standing, again).where("now.retail_status <> 'suspended'")
        rated = kept(rated.unionByName(correction_rows(pairs, run.rating_no)))

    found = {(row["event_id"], row["revision"]): row.asDict() for row in rated.collect()}
    accepted = [Accepted(1, 0, at, one) for at, one in enumerate(usage)]
    priced = {no: PriceBook(folder) for no, folder in folders.items()}
    comparison, kinds = Comparison(), Counter()
    for outcome in rate_all(accepted, RUNS, snapshots.__getitem__, priced.__getitem__):
        event, pins = outcome.accepted.usage, outcome.pins
        expected = expected_fields(event, outcome.priced)
        if outcome.kind == "reversal":
            expected = taken_back(expected)
        expected |= {"pricebook_version": pins.pricebook_version, "snapshot_id": pins.snapshot_id}
        expected |= {"rating_no": outcome.run.rating_no, **{name: getattr(outcome, name) for name in VERSION}}
        row = found.pop((event.event_id, outcome.revision), None)
        comparison.compare(f"{event.event_id} {outcome.revision}", expected, row and found_fields(row))
        kinds[outcome.kind, outcome.run.rating_no] += 1
    assert comparison.different == 0, json.dumps(comparison.as_json(), indent=1)
    assert not found
    # Prices that went back to those of the first book are corrected a second time, owners that moved stay.
    corrected = {no: kinds["correction", no] for no in (2, 3)}
    assert number > corrected[2] > corrected[3] > number // 20
