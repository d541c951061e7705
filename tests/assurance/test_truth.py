from __future__ import annotations

import pytest
from frames import assert_rows, table

from tollgate.assurance.truth import by_class_and_claim, compared, misses

USAGE = """topic STRING, kafka_partition INT, kafka_offset BIGINT, disposition STRING, reasons ARRAY<STRING>,
flags ARRAY<STRING>, repairs ARRAY<STRING>, first_partition INT, first_offset BIGINT"""
TRUTH = """topic STRING, kafka_partition INT, kafka_offset BIGINT, event_id STRING, dirt_class STRING, dirt_kind STRING,
expected_disposition STRING, expected_code STRING, copy_of_partition INT, copy_of_offset BIGINT"""


@pytest.mark.covers("QUA-11", "MED-10")
def test_each_class_is_compared_record_by_record_and_the_misses_are_named(spark):
    usage = table(
        spark,
        USAGE,
        ("t", 0, 0, "accepted", [], ["LONG_CALL"], [], None, None),  # clean: a flag that no class explains is no claim
        ("t", 0, 1, "quarantined", ["DURATION_NEGATIVE", "END_BEFORE_START"], [], [], None, None),
        ("t", 0, 2, "accepted", [], [], ["MSISDN_NORMALISED"], None, None),
        ("t", 0, 3, "duplicate", [], [], [], 0, 0),
        ("t", 0, 4, "duplicate", [], [], [], 0, 1),  # points to the wrong copy
        ("t", 0, 5, "accepted", [], [], [], None, None),  # minutes late leaves no trace
        ("t", 0, 6, "quarantined", ["DURATION_NEGATIVE"], [], [], None, None),  # a clean record lost
        ("t", 0, 7, "accepted", [], [], [], None, None),  # nobody injected it
    )
    truth = table(
        spark,
        TRUTH,
        ("t", 0, 0, "a", "clean", "", "accepted", "", None, None),
        ("t", 0, 1, "b", "negative_duration", "voice", "quarantined", "DURATION_NEGATIVE", None, None),
        ("t", 0, 2, "c", "malformed_number", "spaces", "accepted", "MSISDN_NORMALISED", None, None),
        ("t", 0, 3, "a", "exact_copy", "", "duplicate", "", 0, 0),
        ("t", 0, 4, "a", "exact_copy", "", "duplicate", "", 0, 0),
        ("t", 0, 5, "d", "late", "minutes", "accepted", "", None, None),
        ("t", 0, 6, "e", "clean", "", "accepted", "", None, None),
        ("t", 0, 8, "f", "unknown_type", "", "quarantined", "SERVICE_UNKNOWN", None, None),  # never arrived
    )
    comparison = compared(usage, truth)
    assert_rows(
        by_class_and_claim(comparison).drop("expected_disposition", "expected_code"),
        ("clean", "", "clean", "clean", 1, 1),
        ("clean", "", "clean", "negative_duration", 1, 0),
        ("negative_duration", "voice", "negative_duration", "negative_duration", 1, 1),
        ("malformed_number", "spaces", "malformed_number", "malformed_number", 1, 1),
        ("exact_copy", "", "exact_copy", "exact_copy", 2, 1),
        ("late", "minutes", "clean", "clean", 1, 1),
        ("unknown_type", "", "unknown_type", "none", 1, 0),
        (None, None, "none", "clean", 1, 0),
    )
    assert_rows(misses(comparison).select("kafka_offset"), (4,), (6,), (7,), (8,))
