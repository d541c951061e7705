"""Each dialect against its golden folder: record lines and the usage events that they become."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from mediation.records import payload, raw_rows, small_reference
from pyspark.sql import functions as F

from tollgate.mediation.dialects import DIALECTS
from tollgate.mediation.dialects.dialect import RECEIVED
from tollgate.mediation.usage import mediate

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
FOUND = GOLDEN.parents[1] / "build" / "golden"
# The native record names its source itself; the others are told by their key.
KEYS = {"native_json": None, "voip_json": b"softswitch|v", "history_json": b"archive|"}


@pytest.mark.covers("GEN-12", "GEN-13", "GEN-14", "MED-09", "MED-17", "MED-25")
@pytest.mark.parametrize("dialect", KEYS)
def test_records_become_the_usage_events_of_the_golden_folder(spark, dialect):
    records = GOLDEN.joinpath(dialect, "records.jsonl").read_bytes().splitlines()
    expected = [json.loads(line) for line in GOLDEN.joinpath(dialect, "usage_event.jsonl").read_text().splitlines()]
    raw = raw_rows(spark, *records, key=KEYS[dialect])
    events = mediate(raw, small_reference(spark)).orderBy("kafka_offset")
    shown = F.to_json(
        F.struct(*expected[0]), {"ignoreNullFields": "false", "timestampFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSX"}
    )
    found = [json.loads(row.event) for row in events.select(shown.alias("event")).collect()]
    if found != expected:
        FOUND.mkdir(parents=True, exist_ok=True)
        lines = [json.dumps(line, ensure_ascii=False) + "\n" for line in found]
        FOUND.joinpath(f"{dialect}.jsonl").write_text("".join(lines), encoding="utf-8")
    differences = [
        (line["event_id"], name, line[name], other[name])
        for line, other in zip(expected, found, strict=True)
        for name in line
        if line[name] != other[name]
    ]
    assert not differences, f"(event, column, expected, found); what was found is in {FOUND}"


def test_each_dialect_has_a_golden_folder_and_maps_known_columns():
    assert {dialect.name for dialect in DIALECTS} == set(KEYS)
    for dialect in DIALECTS:
        assert set(dialect.columns) <= set(RECEIVED)
        assert len(set(dialect.fields)) == len(dialect.fields)


def test_a_native_record_without_its_source_does_not_take_it_from_its_key(spark):
    raw = raw_rows(spark, payload(source=None, msisdn="4165550100"), key=b"msc|e1")
    event = mediate(raw, small_reference(spark)).collect()[0]
    # Nor the country of that source, by which its number would be read.
    assert (event.source, event.msisdn, event.reasons) == (None, None, ["SOURCE_MISSING"])


@pytest.mark.covers("QUA-09")
def test_the_sample_record_is_an_international_call_of_five_minutes(spark):
    sample = payload(event_id="test_001", msisdn="+14155551234", destination="+442071234567", duration_seconds="300")
    event = mediate(raw_rows(spark, sample), small_reference(spark)).collect()[0]
    assert (event.event_id, event.disposition, event.reasons, event.repairs) == ("test_001", "accepted", [], [])
    assert (event.msisdn_country, event.destination_country, event.call_type) == ("US", "GB", "international")
    assert (event.duration_s, event.carrier_id, event.service) == (300, "carrier_001", "voice")
