"""Each rule hit and not hit at its boundary, poison, and the plan that judges them."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path

import pytest
from mediation.payload_cases import PAYLOADS
from mediation.records import DATA, VOICE, payload, raw_rows, small_reference

from tollgate.mediation.rules import FLAG, ID_CONFLICT, QUARANTINE, REPAIRS, RULES, documented
from tollgate.mediation.usage import mediate
from tollgate.platform.lake import contract

TIB_MB = "1099511.627776"
NINES = "9" * 30
# What the record looks like, its quarantine reasons, its flags, its repairs.
CASES = (
    (payload(), [], [], []),
    (payload(DATA), [], [], []),
    *PAYLOADS,
    # missing and unknown
    (payload(event_id=None), ["EVENT_ID_MISSING"], [], []),
    (payload(event_id=" "), ["EVENT_ID_MISSING"], [], []),
    (payload(source=None), ["SOURCE_MISSING"], [], []),
    (payload(source="msc9"), ["SOURCE_UNKNOWN"], [], []),
    # Short codes and national numbers are read by the country of the source, and here there is none.
    (payload(source=None, destination="411"), ["SOURCE_MISSING"], [], []),
    (payload(source="msc9", msisdn="4165550100"), ["SOURCE_UNKNOWN"], [], []),
    (payload(source=None, destination="+12"), ["SOURCE_MISSING", "DESTINATION_MALFORMED"], [], []),
    (payload(service_type=None), ["SERVICE_MISSING"], [], []),
    (payload(service_type="fax"), ["SERVICE_UNKNOWN"], [], []),
    (payload(service_type=["voice"]), ["FIELD_RETYPED", "SERVICE_UNKNOWN"], [], []),
    (payload(service_type="vo\u0456ce"), ["SERVICE_UNKNOWN"], [], []),
    (payload(service_type="voice\u200b"), ["SERVICE_UNKNOWN"], [], []),
    (payload(timestamp=None), ["START_MISSING"], [], []),
    (payload(timestamp="2026-02-30T00:00:00Z"), ["START_MALFORMED"], [], []),
    (payload(timestamp="05.10.2026"), ["START_MALFORMED"], [], []),
    (payload(timestamp=1791223402), ["FIELD_RETYPED", "START_MALFORMED"], [], []),
    (payload(timestamp="\uff12026-10-05T14:03:22-04:00"), ["START_MALFORMED"], [], []),
    (payload(timestamp="2026-10-05T24:00:00-04:00"), ["START_MALFORMED"], [], []),
    (payload(timestamp="2016-12-31T23:59:60Z"), ["START_MALFORMED"], [], []),
    (payload(timestamp="2016-12-31T23:59:59.999999Z"), [], ["LATE"], []),
    # hours that the clocks of the source repeat and skip
    (payload(timestamp="2025-11-02T00:59:59"), [], ["LATE"], []),
    (payload(timestamp="2025-11-02T01:00:00"), [], ["TIME_AMBIGUOUS", "LATE"], []),
    (payload(timestamp="2025-11-02T01:59:59"), [], ["TIME_AMBIGUOUS", "LATE"], []),
    (payload(timestamp="2025-11-02T02:00:00"), [], ["LATE"], []),
    (payload(timestamp="2025-11-02T01:30:00-05:00"), [], ["LATE"], []),
    (payload(timestamp="2026-03-08T01:59:59"), [], ["LATE"], []),
    (payload(timestamp="2026-03-08T02:00:00"), [], ["TIME_NONEXISTENT", "LATE"], []),
    (payload(timestamp="2026-03-08T02:59:59"), [], ["TIME_NONEXISTENT", "LATE"], []),
    (payload(timestamp="2026-03-08T03:00:00"), [], ["LATE"], []),
    (payload(timestamp="2025-11-02T00:58:00", end_time="2025-11-02T01:03:17"), [], ["TIME_AMBIGUOUS", "LATE"], []),
    (payload(timestamp="2025-11-02T01:58:00", end_time="2025-11-02T01:03:17"), [], ["TIME_AMBIGUOUS", "LATE"], []),
    (payload(timestamp="2026-10-05T14:03:22+25:00"), ["START_MALFORMED"], [], []),
    (payload(timestamp="2026-10-05T14:03:22"), [], [], []),
    (payload(end_time="soon"), ["END_MALFORMED"], [], []),
    (payload(msisdn=None), ["MSISDN_MISSING"], [], []),
    (payload(msisdn="+1416ABC0100"), ["MSISDN_MALFORMED"], [], []),
    (payload(msisdn="911"), ["MSISDN_MALFORMED"], [], []),
    (payload(destination=None), ["DESTINATION_MISSING"], [], []),
    (payload(destination="+12"), ["DESTINATION_MALFORMED"], [], []),
    (payload(destination="911"), [], [], []),
    (payload(DATA, destination="internet"), [], [], []),
    # quantities
    (payload(duration_seconds=None), ["DURATION_MISSING"], [], []),
    (payload(DATA, duration_seconds=None), [], [], []),
    (payload(duration_seconds="31.5"), ["DURATION_MALFORMED"], [], []),
    (payload(duration_seconds=317), [], [], []),
    (payload(duration_seconds="-1"), ["DURATION_NEGATIVE"], [], []),
    (payload(duration_seconds="0"), [], [], []),
    (payload(duration_seconds="-0"), ["DURATION_MALFORMED"], [], []),
    (payload(duration_seconds="00317"), [], [], []),
    (payload(duration_seconds="\uff13\uff11\uff17"), ["DURATION_MALFORMED"], [], []),
    (payload(duration_seconds="\u0663\u0661\u0667"), ["DURATION_MALFORMED"], [], []),
    (payload(duration_seconds="NaN"), ["DURATION_MALFORMED"], [], []),
    (payload(duration_seconds="1e2"), ["DURATION_MALFORMED"], [], []),
    (payload(duration_seconds="-" + NINES), ["DURATION_NEGATIVE"], [], []),
    (payload(duration_seconds="14400"), [], ["CLOCK_AHEAD"], []),
    (payload(duration_seconds="14401"), [], ["LONG_CALL", "CLOCK_AHEAD"], []),
    (payload(duration_seconds="86400"), [], ["LONG_CALL", "CLOCK_AHEAD"], []),
    (payload(duration_seconds="86401"), ["DURATION_TOO_LONG"], ["LONG_CALL", "CLOCK_AHEAD"], []),
    (payload(duration_seconds=NINES), ["DURATION_TOO_LONG"], [], []),
    (payload(DATA, data_volume_mb=None), ["VOLUME_MISSING"], [], []),
    (payload(DATA, data_volume_mb="1,5"), ["VOLUME_MALFORMED"], [], []),
    (payload(DATA, data_volume_mb="1.1234567"), ["VOLUME_MALFORMED"], [], []),
    (payload(DATA, data_volume_mb=1.5), ["VOLUME_MALFORMED"], [], []),
    (payload(DATA, data_volume_mb=2), [], [], []),
    (payload(DATA, data_volume_mb="-0.0"), ["VOLUME_MALFORMED"], [], []),
    (payload(DATA, data_volume_mb="Infinity"), ["VOLUME_MALFORMED"], [], []),
    (payload(DATA, data_volume_mb="\u0661\u0662.\u0665"), ["VOLUME_MALFORMED"], [], []),
    (payload(DATA, data_volume_mb="-0.000001"), ["VOLUME_NEGATIVE"], [], []),
    (payload(DATA, data_volume_mb="-" + NINES), ["VOLUME_NEGATIVE"], [], []),
    (payload(DATA, data_volume_mb=TIB_MB), [], [], []),
    (payload(DATA, data_volume_mb="1099511.627777"), ["VOLUME_TOO_LARGE"], [], []),
    (payload(DATA, data_volume_mb=NINES), ["VOLUME_TOO_LARGE"], [], []),
    (payload(roaming="yes"), ["FIELD_RETYPED", "ROAMING_MALFORMED"], [], []),
    (payload(roaming=None), [], [], []),
    # times against each other; the arrival is 18:10:00 UTC on 5 October
    (payload(end_time="2026-10-05T14:03:21-04:00"), ["END_BEFORE_START"], ["DURATION_MISMATCH"], []),
    (payload(end_time="2026-10-05T14:08:44-04:00"), [], [], []),
    (payload(end_time="2026-10-05T14:08:45-04:00"), [], ["DURATION_MISMATCH"], []),
    (payload(timestamp="2026-10-06T18:10:00Z"), [], ["CLOCK_AHEAD"], []),
    (payload(timestamp="2026-10-06T18:10:01Z"), ["IN_FUTURE"], ["CLOCK_AHEAD"], []),
    (payload(timestamp="2026-10-05T18:15:00Z", duration_seconds="0"), [], [], []),
    (payload(timestamp="2026-10-05T18:15:01Z", duration_seconds="0"), [], ["CLOCK_AHEAD"], []),
    (payload(timestamp="2025-09-05T14:03:22-04:00"), [], ["LATE"], []),
    (payload(timestamp="2000-01-01T00:00:00Z"), [], ["LATE"], []),
    (payload(timestamp="1999-12-31T23:59:59Z"), ["START_TOO_OLD"], ["LATE"], []),
    (payload(timestamp="9999-12-31T23:59:59-04:00"), ["START_MALFORMED"], [], []),
    (payload(timestamp="2026-10-04T18:10:00Z", duration_seconds="0"), [], [], []),
    (payload(timestamp="2026-10-04T18:09:59Z", duration_seconds="0"), [], ["LATE"], []),
    # flags and repairs
    (payload(cell_id=None), [], ["CELL_MISSING"], []),
    (payload(cell_id="c9"), [], ["CELL_UNKNOWN"], []),
    (payload(cell_id="c9", roaming=True, roaming_country="FR"), [], [], []),
    (payload(technology=None), [], ["TECHNOLOGY_MISSING"], []),
    (payload(technology="6G"), [], ["TECHNOLOGY_UNKNOWN"], []),
    (payload(technology="LTE"), [], [], ["TECHNOLOGY_ALIAS"]),
    (payload(DATA, technology="FTTH"), [], [], ["TECHNOLOGY_ALIAS"]),
    # out and in by any of their names; data has no other side, so nothing is refused for it
    (payload(direction="out"), [], [], []),
    (payload(direction=" Out"), [], [], ["DIRECTION_ALIAS"]),
    (payload(direction="MT"), [], [], ["DIRECTION_ALIAS"]),
    (payload(direction="incoming"), [], [], ["DIRECTION_ALIAS"]),
    (payload(direction=""), [], [], []),
    (payload(direction="sideways"), ["DIRECTION_UNKNOWN"], [], []),
    (payload(direction="\u0456n"), ["DIRECTION_UNKNOWN"], [], []),
    (payload(direction=1), ["FIELD_RETYPED", "DIRECTION_UNKNOWN"], [], []),
    (payload(direction="o" * 257), ["FIELD_TOO_LONG", "DIRECTION_UNKNOWN"], [], []),
    (payload(service_type=None, direction="sideways"), ["SERVICE_MISSING", "DIRECTION_UNKNOWN"], [], []),
    (payload(DATA, direction="mo"), [], [], ["DIRECTION_ALIAS"]),
    (payload(DATA, direction="in"), [], ["DIRECTION_OF_DATA"], []),
    (payload(DATA, direction="down"), [], ["DIRECTION_OF_DATA"], []),
    (payload(DATA, slice_id="1-00abcd"), [], [], []),
    (payload(DATA, slice_id=" "), [], [], []),
    (payload(DATA, slice_id={"sst": 1}), ["FIELD_RETYPED"], [], []),
    (payload(DATA, slice_id=1), ["FIELD_RETYPED"], [], []),
    (payload(DATA, slice_id="s" * 257), ["FIELD_TOO_LONG"], [], []),
    (payload(carrier_id=None), [], ["CARRIER_MISSING"], []),
    (payload(carrier_id="carrier_009"), [], ["CARRIER_UNKNOWN"], []),
    (payload(carrier_id=None, roaming=True, roaming_country="FR"), [], [], []),
    (payload(call_outcome=None), [], ["OUTCOME_MISSING"], []),
    (payload(call_outcome="maybe"), [], ["OUTCOME_UNKNOWN"], []),
    (payload(roaming=True), [], ["ROAMING_COUNTRY_MISSING"], []),
    (payload(destination="+14165550100"), [], ["CALLER_EQUALS_CALLED"], []),
    (payload(destination="+2101234567"), [], ["COUNTRY_UNKNOWN"], []),
    (payload(DATA, rating_group=None), [], ["RATING_GROUP_DEFAULTED"], []),
    (payload(msisdn="4165550100"), [], [], ["MSISDN_NORMALISED"]),
    (payload(destination="00442071234567"), [], [], ["DESTINATION_NORMALISED"]),
    # as long as its country's numbers, in no assigned range; a digit fewer is impossible
    (payload(msisdn="+14161550100"), [], ["MSISDN_UNASSIGNED"], []),
    (payload(msisdn="+1416155010"), ["MSISDN_MALFORMED"], [], []),
    (payload(destination="+14161550100"), [], ["DESTINATION_UNASSIGNED"], []),
    (payload(destination="+1416155010"), ["DESTINATION_MALFORMED"], [], []),
    (payload(msisdn="416-555-0100 ext. 7"), [], [], ["MSISDN_NORMALISED", "MSISDN_EXTENSION_CUT"]),
    (payload(destination="+442071234567;ext=7"), [], [], ["DESTINATION_NORMALISED", "DESTINATION_EXTENSION_CUT"]),
    (payload(destination="+442071234567;ext="), ["DESTINATION_MALFORMED"], [], []),
    # all reasons, in the order of the table
    (payload(source="msc9", timestamp="x", msisdn="x", duration_seconds="-1", destination=None),
     ["SOURCE_UNKNOWN", "START_MALFORMED", "MSISDN_MALFORMED", "DESTINATION_MISSING", "DURATION_NEGATIVE"], [], []),
)  # fmt: skip


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
    assert declared - shown == {ID_CONFLICT, "CALL_TYPE_MISMATCH", "COUNTRY_MISMATCH"}, "each has a test of its own"
    assert shown <= declared
    assert {rule.severity for rule in RULES} == {QUARANTINE, FLAG}


@pytest.mark.covers("MED-27")
def test_what_a_record_says_of_its_numbers_is_flagged_where_they_disagree_and_the_derived_counts(spark):
    numbers = {"+14165550111": "local", "+15145550111": "national", "+12125550111": "international", "911": None}
    calls = [
        {"call_id": number, "caller_number": "+14165550100", "called_number": number, "duration_seconds": "60",
         "start_time": "2026-10-05T14:03:22-04:00", "call_type": "national", "country_code": "ca"}
        for number in numbers
    ]  # fmt: skip
    raw = raw_rows(spark, *(json.dumps(call).encode() for call in calls), key=b"softswitch|1")
    rows = mediate(raw, small_reference(spark)).orderBy("kafka_offset").collect()
    assert [row.call_type for row in rows] == list(numbers.values())
    given = {"CALL_TYPE_MISMATCH", "COUNTRY_MISMATCH"}
    assert [given & set(row.flags) for row in rows] == [{"CALL_TYPE_MISMATCH"}, set(), given, set()]
    assert {(row.call_type_given, row.country_given) for row in rows} == {("national", "ca")}


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
