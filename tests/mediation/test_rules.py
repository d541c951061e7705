"""Each rule hit and not hit at its boundary, poison, and the plan that judges them."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path

import pytest
from frames import small_frame
from mediation.records import VOICE, payload, raw_rows, small_reference
from mediation.rule_cases import CASES
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructType

from tollgate.mediation.balance import UNREADABLE_ARRIVAL
from tollgate.mediation.rules import FLAG, ID_CONFLICT, QUARANTINE, REPAIRS, RULES, documented
from tollgate.mediation.usage import REFERENCE_TABLES, mediate
from tollgate.platform.lake import contract
from tollgate.reference.frames import reference
from tollgate.reference.time_zones import zone_names, zones_known_to


@pytest.fixture(scope="module")
def judged(spark):
    rows = mediate(raw_rows(spark, *(case[0] for case in CASES)), small_reference(spark)).collect()
    return {row.kafka_offset: row for row in rows}


@pytest.mark.covers("MED-02", "MED-10", "MED-12", "MED-13", "MED-15", "MED-16", "MED-18", "MED-19", "MED-20", "MED-28")
def test_each_rule_is_hit_and_not_hit_at_its_boundary(judged):
    assert len(judged) == len(CASES)
    for offset, (value, reasons, flags, repairs) in enumerate(CASES):
        row = judged[offset]
        disposition = "quarantined" if reasons else "accepted"
        found = (row.disposition, row.reasons, row.flags, row.repairs)
        assert found == (disposition, reasons, flags, repairs), (offset, (value or b"")[:200])
        assert (row.event_month == "none") == bool(reasons)


def test_every_code_of_the_tables_has_a_case():
    shown = {code for _, *codes in CASES for kind in codes for code in kind}
    declared = {rule.code for rule in RULES} | {code for code, *_ in REPAIRS}
    apart = {ID_CONFLICT, UNREADABLE_ARRIVAL, "CALL_TYPE_MISMATCH", "COUNTRY_MISMATCH"}
    assert declared - shown == apart, "each has a test of its own"
    assert shown <= declared
    assert {rule.severity for rule in RULES} == {QUARANTINE, FLAG}


@pytest.mark.covers("MED-27")
def test_what_a_record_says_of_its_numbers_is_flagged_where_they_disagree_and_the_derived_counts(spark):
    numbers = {"+14165550111": "local", "+15145550111": "national", "+12125550111": "international", "911": None}
    calls = [
        {"call_id": number, "caller_number": "+14165550100", "called_number": number, "duration_seconds": "60",
         "start_time": "2026-10-05T14:03:22-04:00", "call_type": "National", "country_code": "ca"}
        for number in numbers
    ]  # fmt: skip
    raw = raw_rows(spark, *(json.dumps(call).encode() for call in calls), key=b"softswitch|1")
    rows = mediate(raw, small_reference(spark)).orderBy("kafka_offset").collect()
    assert [row.call_type for row in rows] == list(numbers.values())
    given = {"CALL_TYPE_MISMATCH", "COUNTRY_MISMATCH"}
    assert [given & set(row.flags) for row in rows] == [{"CALL_TYPE_MISMATCH"}, set(), given, set()]
    assert {(row.call_type_given, row.country_given) for row in rows} == {("National", "ca")}


@pytest.mark.covers("MED-16")
def test_times_are_utc_with_the_offset_kept_also_without_one(judged):
    by_case = {value: judged[offset] for offset, (value, *_) in enumerate(CASES)}
    for value in (payload(), payload(timestamp="2026-10-05T14:03:22")):
        row = by_case[value]
        start = datetime(2026, 10, 5, 18, 3, 22, tzinfo=timezone.utc)
        assert (row.started_at.astimezone(timezone.utc), row.source_offset_s) == (start, -14_400)
    assert by_case[payload()].lateness_s == 6 * 60 + 38 - 317


@pytest.mark.covers("MED-16")
def test_a_time_in_a_repeated_hour_is_its_first_reading_and_in_a_skipped_one_read_by_the_offset_before(judged):
    by_case = {value: judged[offset] for offset, (value, *_) in enumerate(CASES)}

    def read(value):
        row = by_case[value]
        instants = [None if at is None else at.astimezone(timezone.utc) for at in (row.started_at, row.ended_at)]
        return [None if at is None else at.strftime("%H:%M:%S") for at in instants], row.source_offset_s

    eastern, daylight = -18_000, -14_400
    assert read(payload(timestamp="2025-11-02T01:59:59")) == (["05:59:59", None], daylight)
    assert read(payload(timestamp="2025-11-02T02:00:00")) == (["07:00:00", None], eastern)
    assert read(payload(timestamp="2026-03-08T02:59:59")) == (["07:59:59", None], eastern)
    assert read(payload(timestamp="2026-03-08T03:00:00")) == (["07:00:00", None], daylight)
    # 317 seconds each: the second call goes over the change, so its end has its second reading.
    within = payload(timestamp="2025-11-02T00:58:00", end_time="2025-11-02T01:03:17")
    over = payload(timestamp="2025-11-02T01:58:00", end_time="2025-11-02T01:03:17")
    assert read(within) == (["04:58:00", "05:03:17"], daylight)
    assert read(over) == (["05:58:00", "06:03:17"], daylight)


@pytest.mark.covers("MED-15", "MED-16")
def test_an_arrival_that_no_calendar_holds_quarantines_the_record_and_nothing_else(spark):
    latest = datetime(9999, 12, 30, tzinfo=timezone.utc)
    late, usual = raw_rows(spark, payload(), arrived_at=latest), raw_rows(spark, payload(), batch_no=1)
    rows = mediate(late.unionByName(usual), small_reference(spark)).orderBy("batch_no").collect()
    assert [row.reasons for row in rows] == [[UNREADABLE_ARRIVAL], []]


@pytest.mark.covers("MED-16")
def test_the_zone_of_a_source_that_is_none_fails_no_batch(spark):
    known = small_reference(spark)
    sources = known.table("ref_source").withColumn("time_zone", F.lit("Europe/Lodnon"))
    tables = {name: known.table(name) for name in REFERENCE_TABLES} | {"ref_source": sources}
    raw = raw_rows(spark, payload(timestamp="2026-10-05T14:03:22"), payload())
    rows = mediate(raw, reference(tables, 1)).orderBy("kafka_offset").collect()
    assert [row.reasons for row in rows] == [["START_MALFORMED"], []]


@pytest.mark.covers("MED-16")
def test_spark_knows_every_time_zone_that_is_taken(spark):
    known = zones_known_to(spark)
    zones = small_frame(spark, [(name,) for name in known], StructType().add("zone", StringType()))
    read = zones.select(F.to_utc_timestamp(F.expr("TIMESTAMP '2026-07-01 12:00:00'"), F.col("zone")).alias("instant"))
    assert read.where("instant IS NOT NULL").count() == len(known) > 400
    # The database of the lock may be newer than that of this Java, by a zone or two.
    assert len(zone_names().difference(known)) < 10


@pytest.mark.covers("MED-12")
def test_names_of_unknown_and_retyped_fields_are_kept_a_few_of_them_and_cut(spark):
    many = {f"v{number}": number for number in range(9)}
    records = (
        payload(), payload(vendor=1, call_id="x"), payload(**{"n" * 99: 1}), payload(**many),
        payload(cause=16, msisdn=5, duration_seconds=317, roaming="true"),
    )  # fmt: skip
    rows = mediate(raw_rows(spark, *records), small_reference(spark)).orderBy("kafka_offset").collect()
    assert [row.unknown_fields for row in rows] == [
        None, ["vendor", "call_id"], ["n" * 64], ["v0", "v1", "v2", "v3", "v4"], None,
    ]  # fmt: skip
    assert [row.retyped_fields for row in rows] == [None, None, None, None, ["msisdn", "cause", "roaming"]]
    assert rows[1].disposition == "accepted"
    by_type = mediate(
        raw_rows(spark, b'{"call_id":"c","roaming":"x","carrier_id":3}', key=b"softswitch|c"), small_reference(spark)
    ).collect()[0]
    assert (by_type.unknown_fields, by_type.retyped_fields) == (["roaming"], ["carrier_id"])


@pytest.mark.covers("MED-02", "MED-09")
def test_the_plan_parses_once_and_has_no_python_node_and_no_lambda(spark):
    candidates = mediate(raw_rows(spark, payload(VOICE)), small_reference(spark))
    plans = candidates._jdf.queryExecution()
    for plan in (plans.optimizedPlan().toString(), plans.executedPlan().toString()):
        assert plan.lower().count("from_json(") + plan.lower().count("jsontostructs(") == 1
        assert not [node for node in ("Python", "MapInPandas", "MapInArrow", "ArrowEval", "lambda") if node in plan]
    names = [(field.name, field.dataType.simpleString()) for field in candidates.schema]
    assert names == [(field.name, field.dataType.simpleString()) for field in contract("usage_event")]


def test_the_documented_table_is_the_rule_table():
    page = Path(__file__).resolve().parents[2] / "docs" / "mediation.md"
    assert documented() in page.read_text(encoding="utf-8"), "put the text of rules.documented() into docs/mediation.md"
