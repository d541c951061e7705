"""Drift of a feed: shares by source and field, held against the ranges before."""

from __future__ import annotations

import pytest
from assurance.test_check_quality import put
from frames import assert_rows

from jobs import check_quality
from jobs.feed_drift import TABLE, drift_alarms
from jobs.quality_slices import Slice, suite_of

COLUMNS = ("to_batch_no", "source", "kind", "field", "records", "of_records", "usual_ppm", "share_ppm", "is_alarm")


@pytest.mark.covers("MED-10", "MED-12")
def test_what_is_far_above_a_sources_usual_share_is_a_warning_of_the_gate(spark, lake, settings):
    settings = settings.model_copy(update={"lake": settings.lake.model_copy(update={"root": lake.root})})
    args = check_quality.parser().parse_args(["--table", "usage_event"])

    def warnings():
        return check_quality.run(spark, settings, args)["checked"][0]["warnings"]

    # A source that always lacked cells, and one without any oddity.
    usual = {"source": "IF(kafka_offset < 50, 'calm', 'odd')"}
    cells = "IF(kafka_offset >= 50 AND kafka_offset % 2 = 0, array('CELL_MISSING'), array())"
    put(spark, lake, 0, 100, **usual, flags=cells)
    assert warnings() == []
    drifted = {
        "unknown_fields": "IF(kafka_offset < 10, array('vendor', 'x'), NULL)",
        "retyped_fields": "IF(kafka_offset = 60, array('cause'), NULL)",
        "flags": f"IF(kafka_offset = 7, array('CLOCK_AHEAD'), {cells})",
    }
    put(spark, lake, 1, 100, **usual, **drifted)
    assert warnings() == [
        "drift of source calm: unknown field vendor in 10 of 50 records, 20.0 %, 0.0 % before",
        "drift of source calm: unknown field x in 10 of 50 records, 20.0 %, 0.0 % before",
        "drift of source calm: CLOCK_AHEAD in 1 of 50 records, 2.0 %, 0.0 % before",
        "drift of source odd: field cause of another type in 1 of 50 records, 2.0 %, 0.0 % before",
    ]
    every = lake.read(TABLE).where("to_batch_no = 1").select(*COLUMNS)
    assert_rows(
        every,
        (1, "calm", "records", "", 50, 50, 1_000_000, 1_000_000, False),
        (1, "odd", "records", "", 50, 50, 1_000_000, 1_000_000, False),
        (1, "calm", "unknown", "vendor", 10, 50, 0, 200_000, True),
        (1, "calm", "unknown", "x", 10, 50, 0, 200_000, True),
        (1, "calm", "clock", "CLOCK_AHEAD", 1, 50, 0, 20_000, True),
        (1, "odd", "retyped", "cause", 1, 50, 0, 20_000, True),
        (1, "odd", "missing", "CELL_MISSING", 25, 50, 500_000, 500_000, False),
    )
    # The next range is held against both; few records, new sources and unregistered ones ring no bell. The gate asks:
    suite = suite_of("usage_event")

    def alarms(from_no, to_no):
        return drift_alarms(lake, Slice(suite, from_no, to_no, 0))

    put(spark, lake, 2, 100, source="IF(kafka_offset < 50, 'calm', 'new')", unknown_fields="array('vendor')")
    assert alarms(2, 2) == ["drift of source calm: unknown field vendor in 50 of 50 records, 100.0 %, 10.0 % before"]
    put(spark, lake, 3, 49, source="'calm'", unknown_fields="array('y')")
    put(spark, lake, 4, 3)
    assert alarms(3, 4) == []
    foreign = {"disposition": "'quarantined'", "reasons": "array('SOURCE_UNKNOWN')", "event_month": "'none'"}
    put(spark, lake, 5, 60, **foreign, source="'s' || kafka_offset", unknown_fields="array('n' || kafka_offset)")
    assert alarms(5, 5) == []
    kept = lake.read(TABLE).where("to_batch_no = 5").groupBy("source", "kind").count()
    assert_rows(kept, ("unregistered", "records", 1), ("unregistered", "unknown", 50))
