"""The native dialect against its golden folder: record lines and the usage events that they become."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from mediation.records import payload, raw_rows, small_reference
from pyspark.sql import functions as F

from tollgate.mediation.usage import mediate

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "native_json"


@pytest.mark.covers("GEN-14", "MED-06", "MED-09", "MED-17", "MED-25", "MED-26")
def test_records_become_the_usage_events_of_the_golden_folder(spark):
    records = GOLDEN.joinpath("records.jsonl").read_bytes().splitlines()
    expected = [json.loads(line) for line in GOLDEN.joinpath("usage_event.jsonl").read_text().splitlines()]
    events = mediate(raw_rows(spark, *records), small_reference(spark)).orderBy("kafka_offset")
    shown = F.to_json(
        F.struct(*expected[0]), {"ignoreNullFields": "false", "timestampFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSX"}
    )
    assert [json.loads(row.event) for row in events.select(shown.alias("event")).collect()] == expected


@pytest.mark.covers("QUA-09")
def test_the_sample_record_is_an_international_call_of_five_minutes(spark):
    sample = payload(event_id="test_001", msisdn="+14155551234", destination="+442071234567", duration_seconds="300")
    event = mediate(raw_rows(spark, sample), small_reference(spark)).collect()[0]
    assert (event.event_id, event.disposition, event.reasons, event.repairs) == ("test_001", "accepted", [], [])
    assert (event.msisdn_country, event.destination_country, event.call_type) == ("US", "GB", "international")
    assert (event.duration_s, event.carrier_id, event.service) == (300, "carrier_001", "voice")
