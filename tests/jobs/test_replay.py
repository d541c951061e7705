"""Quarantined records published again on a real broker: held ones when their time has come, others by their reason."""

from __future__ import annotations

import json
from datetime import datetime, timezone

import pytest
from faults.route import Route
from kafka import KafkaProducer

from jobs import reconcile, replay
from tollgate.platform import kafka
from tollgate.platform.errors import UsageError

ARRIVAL = datetime(2026, 10, 5, 12, tzinfo=timezone.utc)
CALL = {
    "source": "msc_toronto", "msisdn": "+14165550100", "service_type": "voice", "duration_seconds": "60",
    "destination": "+14165550111", "roaming": False, "call_outcome": "answered",
}  # fmt: skip
RECORDS = {
    "usual": {"timestamp": "2026-10-05T11:50:00Z"},
    "months-late": {"timestamp": "2025-09-05T12:00:00Z"},
    "soon": {"timestamp": "2026-10-08T10:00:00Z"},
    "later": {"timestamp": "2026-10-20T10:00:00Z"},
    "soon-and-broken": {"timestamp": "2026-10-08T10:00:00Z", "msisdn": "x"},
    "foreign": {"timestamp": "2026-10-05T11:50:00Z", "source": "new_switch"},
}


@pytest.fixture(scope="module")
def route(start_route) -> Route:
    route = start_route("replayed", [])
    producer = KafkaProducer(bootstrap_servers=kafka.bootstrap(route.settings), acks="all")
    for event_id, fields in RECORDS.items():
        value = json.dumps({"event_id": event_id, **CALL, **fields}).encode()
        key = f"{fields.get('source', CALL['source'])}|{event_id}".encode()
        at_ms = int(ARRIVAL.timestamp() * 1000)
        producer.send(route.settings.kafka.topic, value=value, key=key, partition=0, timestamp_ms=at_ms)
    producer.flush()
    producer.close()
    route.mediate()
    return route


def replayed(route: Route, *argv: str):
    return replay.run(route.spark, route.settings, replay.parser().parse_args(list(argv)))


def outcomes(route: Route, event_id: str):
    rows = route.lake.read("usage_event").where(f"event_id = '{event_id}'").orderBy("batch_no", "kafka_offset")
    return [(row.disposition, row.reasons) for row in rows.collect()]


@pytest.mark.covers("MED-12", "MED-13", "MED-16")
def test_held_records_are_released_when_their_time_has_come_once_also_after_a_kill(route):
    assert [outcomes(route, event_id)[0][1] for event_id in RECORDS] == [
        [], [], ["IN_FUTURE"], ["IN_FUTURE"], ["MSISDN_MALFORMED", "IN_FUTURE"], ["SOURCE_UNKNOWN"],
    ]  # fmt: skip
    nothing = {"replay_no": None, "records": 0, "by_reason": {}}
    assert replayed(route, "--held", "--as-of", "2026-10-08T09:59:59Z") == nothing
    # The first dies when the record is published and not marked so; what it published comes twice.
    route.killed("replay.after_publish", "replay", "--held", "--as-of", "2026-10-08T10:00:00Z")
    found = replayed(route, "--held", "--as-of", "2026-10-08T10:00:00Z")
    assert found == {"replay_no": 1, "records": 1, "by_reason": {"IN_FUTURE": 1}}
    assert replayed(route, "--held", "--as-of", "2026-10-08T10:00:00Z") == nothing
    route.mediate()
    assert outcomes(route, "soon") == [("quarantined", ["IN_FUTURE"]), ("accepted", []), ("duplicate", [])]
    assert outcomes(route, "later") == [("quarantined", ["IN_FUTURE"])]
    again = route.lake.read("raw_cdr").where("headers IS NOT NULL AND batch_no > 0").orderBy("kafka_offset").collect()
    told = [{header.key: bytes(header.value).decode() for header in row.headers} for row in again]
    first_at = f"{route.settings.kafka.topic}/0/2"
    assert told == [{"tollgate-first-at": first_at, "tollgate-replay-no": "1"}] * 2
    assert {row.arrived_at.astimezone(timezone.utc) for row in again} == {
        datetime(2026, 10, 8, 10, tzinfo=timezone.utc)
    }
    broken = [one for one in reconcile.check(route.spark, route.settings)["equations"] if not one["holds"]]
    assert not broken


@pytest.mark.long
@pytest.mark.covers("MED-13")
def test_records_are_replayed_by_reason_and_each_once(route):
    as_of = ("--as-of", "2026-10-09")
    for wrong in (as_of, (*as_of, "--held", "--reason", "SOURCE_UNKNOWN")):
        with pytest.raises(UsageError, match="held records or those with a reason"):
            replayed(route, *wrong)
    chosen = (*as_of, "--reason", "SOURCE_UNKNOWN", "--reason", "MSISDN_MALFORMED")
    counted = {"IN_FUTURE": 1, "MSISDN_MALFORMED": 1, "SOURCE_UNKNOWN": 1}
    assert replayed(route, *chosen, "--dry-run") == {"replay_no": None, "records": 2, "by_reason": counted}
    assert replayed(route, *chosen, "--source", "new_switch")["records"] == 1
    assert replayed(route, *chosen)["by_reason"] == {"IN_FUTURE": 1, "MSISDN_MALFORMED": 1}
    assert replayed(route, *chosen)["records"] == 0
    route.mediate()
    assert outcomes(route, "foreign") == [("quarantined", ["SOURCE_UNKNOWN"])] * 2
    # Its time has come meanwhile, its number is as before.
    assert outcomes(route, "soon-and-broken")[1] == ("quarantined", ["MSISDN_MALFORMED"])


@pytest.mark.covers("MED-16", "GEN-06")
def test_usage_thirteen_months_late_is_accepted_flagged_and_kept(route):
    row = route.lake.read("usage_event").where("event_id = 'months-late'").collect()[0]
    assert (row.disposition, row.event_month, row.lateness_s) == ("accepted", "2025-09", 395 * 86_400 - 60)
    assert "LATE" in row.flags
