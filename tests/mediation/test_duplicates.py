"""Copies of one event: within a batch, across batches, equal and changed."""

from __future__ import annotations

import hashlib
import re

import pytest
from frames import small_frame
from mediation.records import VOICE, payload, raw_rows, small_reference

from tollgate.mediation.dialects.native_json import NATIVE_JSON
from tollgate.mediation.identity import HISTORY, known_keys, packed, resolve_duplicates
from tollgate.mediation.usage import COLUMNS, mediate
from tollgate.platform.lake import contract


def settled(spark, usage, batch_no, *payloads):
    """The batch's rows after all earlier ones in `usage`, as the job settles them."""
    candidates = mediate(raw_rows(spark, *payloads, batch_no=batch_no), small_reference(spark)).persist()
    known = known_keys(usage, candidates, ["2026-09", "2026-10"], batch_no)
    assert known.columns == HISTORY
    return resolve_duplicates(packed(candidates), known)


def outcome(frame):
    return [
        (row.disposition, row.reasons, row.first_batch_no, row.first_offset, row.event_month)
        for row in frame.orderBy("kafka_offset").collect()
    ]


@pytest.mark.covers("MED-11")
def test_the_first_accepted_copy_owns_the_event_within_a_batch_and_across_batches(spark):
    none = small_frame(spark, [], contract("usage_event"))
    accepted = ("accepted", [], None, None, "2026-10")
    first = settled(
        spark, none, 3,
        payload(event_id="a", duration_seconds="-1"),  # quarantined: owns nothing
        payload(event_id="a"),
        payload(event_id="a"),
        payload(event_id="a", duration_seconds="318"),
        payload(event_id="b"),
        payload(event_id=None),
        payload(event_id=None),
        payload(event_id="a", timestamp="2026-09-05T14:03:22-04:00"),  # another month: the night's id check finds it
        bytes(reversed(payload())),
    ).persist()  # fmt: skip
    assert outcome(first) == [
        ("quarantined", ["DURATION_NEGATIVE"], None, None, "none"),
        accepted,
        ("duplicate", [], 3, 1, "2026-10"),
        ("quarantined", ["ID_CONFLICT"], 3, 1, "none"),
        accepted,
        ("quarantined", ["EVENT_ID_MISSING"], None, None, "none"),
        ("quarantined", ["EVENT_ID_MISSING"], None, None, "none"),
        ("accepted", [], None, None, "2026-09"),
        ("quarantined", ["PAYLOAD_UNPARSEABLE"], None, None, "none"),
    ]
    second = settled(
        spark, first, 4,
        payload(event_id="b"),
        payload(event_id="b", cause="17"),
        payload(event_id="b", duration_seconds="x"),
        payload(event_id="c"),
    )  # fmt: skip
    assert outcome(second) == [
        ("duplicate", [], 3, 4, "2026-10"),
        ("quarantined", ["ID_CONFLICT"], 3, 4, "none"),
        ("quarantined", ["DURATION_MALFORMED"], None, None, "none"),
        accepted,
    ]
    # Rows of the batch itself and of later ones are no history: settled again, it comes out the same.
    assert outcome(settled(spark, first, 3, payload(event_id="b"))) == [accepted]
    first.unpersist()


@pytest.mark.covers("MED-11", "MED-20")
def test_of_the_history_only_the_keys_of_the_months_that_a_batch_touches_are_read(spark, lake):
    """However long the history is: three months stand in the table, the batch has events of one."""
    reference, months = small_reference(spark), ("2026-08", "2026-09", "2026-10")
    for batch_no, month in enumerate(months):
        raw = raw_rows(
            spark, payload(timestamp=f"{month}-05T14:03:22-04:00"), payload(event_id=None), batch_no=batch_no
        )
        lake.append(mediate(raw, reference).select(*COLUMNS), "usage_event", "test", batch_no)
    candidates = mediate(raw_rows(spark, payload(timestamp="2026-09-05T14:03:22-04:00"), batch_no=3), reference)
    known = known_keys(lake.read("usage_event"), candidates, ["2026-09"], 3)
    assert [row["batch_no"] for row in known.collect()] == [1]
    plan = known._jdf.queryExecution().executedPlan().toString()
    scans = re.findall(r"FileScan parquet \[(.*?)\] Batched: .*?PartitionFilters: \[(.*?)\], PushedFilters", plan)
    [(columns, of_partitions)] = [scan for scan in scans if "content_digest" in scan[0]]
    assert re.search(r"event_month#\d+ (=|IN) .*2026-09", of_partitions), of_partitions
    assert {column.partition("#")[0] for column in columns.split(",")} == {*HISTORY, "disposition"}


@pytest.mark.covers("MED-11")
def test_the_digest_follows_the_fields_and_not_their_order_or_spacing(spark):
    none = small_frame(spark, [], contract("usage_event"))
    spaced = payload().replace(b'":"', b'" : "')
    rows = settled(spark, none, 0, payload(), spaced, payload(call_outcome="answered1", cause="6")).collect()
    digests = {row.kafka_offset: row.content_digest for row in rows}
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.covers("MED-11")
def test_a_field_that_was_added_later_is_content_only_where_it_is_given(spark):
    none = small_frame(spark, [], contract("usage_event"))
    same = (payload(), payload(direction="", slice_id=" "), payload()[:-1] + b',"slice_id":null}')
    others = (
        payload(direction="in"), payload(direction="out"), payload(slice_id="in"),
        payload(direction="in", slice_id="in"), payload(slice_id="in,direction=2:in"),
    )  # fmt: skip
    rows = settled(spark, none, 0, *same, *others).orderBy("kafka_offset").collect()
    digests = [row.content_digest for row in rows]
    # As a release without the two fields made it: field after field, its length first.
    record = {**VOICE, "roaming": "false"}
    order = NATIVE_JSON.fields[: NATIVE_JSON.fields.index("direction")]
    text = ",".join(f"{len(record[name])}:{record[name]}" if name in record else "-" for name in order)
    assert set(digests[:3]) == {hashlib.sha256(text.encode()).hexdigest()}
    assert len(set(digests)) == 1 + len(others)
    assert [row.disposition for row in rows] == ["accepted"] + ["duplicate"] * 2 + ["quarantined"] * len(others)
    assert {tuple(row.reasons) for row in rows[3:]} == {("ID_CONFLICT",)}


@pytest.mark.covers("MED-02", "MED-11")
def test_copies_are_settled_among_kept_rows_and_no_payload_is_parsed_again(spark):
    kept = packed(mediate(raw_rows(spark, payload()), small_reference(spark))).persist()
    plan = resolve_duplicates(kept, small_frame(spark, [], contract("usage_event")).select(*HISTORY))
    optimized = plan._jdf.queryExecution().optimizedPlan()
    leaves = optimized.collectLeaves()
    assert {leaves.apply(at).nodeName() for at in range(leaves.size())} == {"InMemoryRelation"}
    assert not [node for node in ("Python", "Window", "lambda") if node in optimized.toString()]
    kept.unpersist()
