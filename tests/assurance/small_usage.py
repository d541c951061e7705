"""A lake with four batches as mediation leaves them: late events, repeats, what is set aside, text of every kind."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from tollgate.platform.lake import Lake

OCTOBER = datetime(2026, 10, 5, 12, 0, 0, 250_000, tzinfo=timezone.utc)
LAST_OF_OCTOBER = datetime(2026, 10, 31, 23, 59, 59, 999_999, tzinfo=timezone.utc)
SEPTEMBER = datetime(2026, 9, 30, 23, 0, tzinfo=timezone.utc)
NOVEMBER = datetime(2026, 11, 1, tzinfo=timezone.utc)
ARRIVED = datetime(2026, 11, 2, tzinfo=timezone.utc)

LONG_ID = "long-" + "".join(f"{n * 7919 % 99_991:05d}" for n in range(800))
LONG_CARRIER = "".join(chr(0x4E00 + n * 7919 % 20_000) for n in range(3_000))
ODD_TEXT = 'a "quoted", broken\n and \\ text\u001f\u00e9\U0001f4de'


def call(event_id: str, started_at: datetime = OCTOBER, **other: Any) -> dict[str, Any]:
    """An accepted call of a minute."""
    return {
        "event_id": event_id, "started_at": started_at, "disposition": "accepted", "service": "voice",
        "duration_s": 60, "volume_bytes": 0, "msisdn": "+14165550100", "msisdn_received": "4165550100",
        "destination": "+442071234567", "destination_country": "GB", "carrier_id": "carrier_001", "roaming": False,
        **other,
    }  # fmt: skip


BATCHES: dict[int, list[dict[str, Any]]] = {
    0: [
        call("a", ended_at=OCTOBER + timedelta(seconds=60), flags=["LONG_CALL", "LATE"], source_offset_s=-14_400),
        call("b", LAST_OF_OCTOBER, service="data", duration_s=None, volume_bytes=5_000_000, destination=None),
        call("a", disposition="duplicate", first_batch_no=0, first_partition=0, first_offset=0),
        {"disposition": "quarantined", "reasons": ["START_MISSING"], "event_id": "q", "event_month": "none"},
    ],
    1: [
        call("late", SEPTEMBER, flags=["LATE"], lateness_s=2_764_800),
        call("odd", cause=ODD_TEXT, subscriber_id=""),
    ],
    2: [
        call(LONG_ID, NOVEMBER, cause="nul\u0000inside"),
        call(LONG_ID + "x", NOVEMBER, carrier_id=LONG_CARRIER),
    ],
    3: [call("unpublished")],
}  # fmt: skip
PUBLISHED_TO = 2


def write_usage(lake: Lake) -> None:
    """raw_cdr, usage_event and the marks of all batches; that of the last one does not balance."""
    raw, usage, marks = [], [], []
    for batch_no, events in BATCHES.items():
        start = len(raw)
        raw += [
            {"batch_no": batch_no, "topic": "cdr.raw", "kafka_partition": 0, "kafka_offset": start + at,
             "arrived_at": ARRIVED} for at in range(len(events))
        ]  # fmt: skip
        usage += [{**_defaults(event), **place} for event, place in zip(events, raw[start:], strict=True)]
        kinds = [event["disposition"] for event in events]
        accepted = [event for event in events if event["disposition"] == "accepted"]
        marks.append({
            "batch_no": batch_no, "generation": 0, "topic": "cdr.raw", "offsets": f'{{"0": [{start}, {len(raw)}]}}',
            "snapshot_id": 1, "rule_version": 1, "received": len(events), "raw_rows": len(events), "late": 0,
            "raw_bytes": 0, **{kind: kinds.count(kind) for kind in ("accepted", "quarantined", "duplicate")},
            "accepted_duration_s": sum(event["duration_s"] or 0 for event in accepted),
            "accepted_volume_bytes": sum(event["volume_bytes"] for event in accepted),
            "balanced": batch_no <= PUBLISHED_TO, "recorded_at": ARRIVED,
        })  # fmt: skip
    for table, rows in (("raw_cdr", raw), ("usage_event", usage), ("control_mediation", marks)):
        names = lake.contract(table).names
        lake.append(lake.frame([[row.get(name) for name in names] for row in rows], table), table, "test", 1)


def _defaults(event: dict[str, Any]) -> dict[str, Any]:
    month = f"{event['started_at']:%Y-%m}" if "started_at" in event else "none"
    lists = {name: [] for name in ("reasons", "flags", "repairs", "defaulted_fields")}
    same = {"source": "switch", "content_digest": "d", "rule_version": 1, "snapshot_id": 1, "event_month": month}
    return {**lists, **same, **event}
