"""Days of a source and service balance each by itself."""

from __future__ import annotations

from datetime import datetime

import pytest
from frames import assert_rows, table

from tollgate.assurance.usage_days import usage_days

FRIDAY, SATURDAY = datetime(2026, 10, 2, 23, 59, 59), datetime(2026, 10, 3)
EVENT = "source STRING, service STRING, started_at TIMESTAMP, disposition STRING, batch_no BIGINT"
ACCEPTED = [
    ("msc", "voice", FRIDAY, "accepted", 1),
    ("msc", "voice", SATURDAY, "accepted", 1),
    ("msc", "sms", SATURDAY, "accepted", 2),
    ("pbx", "voice", FRIDAY, "accepted", 2),
    # Neither of these is handed over.
    ("msc", "voice", FRIDAY, "quarantined", 1),
    ("pbx", "voice", SATURDAY, "accepted", 3),
]
RATED = "source STRING, service STRING, started_at TIMESTAMP, is_current BOOLEAN"


@pytest.mark.covers("BIL-13", "BIL-23")
@pytest.mark.parametrize(
    ("rated", "of_msc", "of_pbx"),
    [
        ([FRIDAY, SATURDAY], (3, 3), (1, 1)),
        # As many in all, two of them on one day.
        ([FRIDAY, FRIDAY], (3, 1), (1, 1)),
        ([FRIDAY], (3, 2), (1, 1)),
    ],
)
def test_a_day_with_more_or_fewer_events_than_were_accepted_does_not_balance(spark, rated, of_msc, of_pbx):
    calls = [("msc", "voice", start, True) for start in rated]
    versions = table(
        spark, RATED, *calls, ("msc", "sms", SATURDAY, True), ("pbx", "voice", FRIDAY, True),
        # Taken back and charged anew: one event still.
        ("pbx", "voice", FRIDAY, False), ("pbx", "voice", FRIDAY, False),
    )  # fmt: skip
    found = usage_days(table(spark, EVENT, *ACCEPTED), versions, rated_to=2)
    assert_rows(
        found.selectExpr("measure", "part", "CAST(value AS INT)"),
        *[
            (measure, source, count)
            for source, counts in (("msc", of_msc), ("pbx", of_pbx))
            for measure, count in zip(("usage_days", "usage_days_that_balance"), counts, strict=True)
        ],
    )
