"""When a batch balances, in all and by source, and what is said when it does not."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import pytest
from frames import small_frame
from mediation.records import DATA, payload, raw_rows, small_reference

from tollgate.mediation.balance import _exact_sum, handed_over, mark, read_back
from tollgate.mediation.identity import HISTORY, packed, resolve_duplicates
from tollgate.mediation.usage import mediate
from tollgate.platform.lake import contract

NINES = "9" * 18
# Offsets 0 to 9 of one partition: two sources, one that nobody knows and records that name none.
BATCH = (
    payload(event_id="a", source="msc"),
    payload(event_id="a", source="msc"),  # a copy
    payload(event_id="a", source="msc", cause="17"),  # a conflict
    payload(DATA, event_id="d", source="msc"),
    payload(event_id="old", source="msc", timestamp="2026-10-03T14:03:22-04:00"),
    payload(event_id="b", source="msc", duration_seconds=NINES),
    payload(event_id="c", source="msc", duration_seconds=NINES),
    payload(event_id="e", source="nobody-1"),
    payload(event_id="e", source="nobody-2"),
    b"no JSON",
)
MSC = {
    "source": "msc", "records": 7, "accepted": 3, "quarantined": 3, "duplicate": 1, "late": 1,
    # 81 s and 337.75 s after their ends, two days more for the one that is late.
    "lateness_s": 81 + 337 + 172_881, "max_lateness_s": 172_881, "accepted_duration_s": 317 + 60 + 317,
    "accepted_volume_bytes": 12_345_678,
}  # fmt: skip
UNREGISTERED = {
    **dict.fromkeys(MSC, 0), "source": "unregistered", "records": 3, "quarantined": 3, "max_lateness_s": None
}  # fmt: skip


def row(disposition, records, places, **changes):
    figures = {"raw_bytes": 0, "late": 0, "duration_s": 0, "volume_bytes": 0, "records": records}
    return {
        "kafka_partition": 0, "source": "msc", "disposition": disposition, "reasons": [], "places": Decimal(places),
        "arrived_at": datetime(2026, 10, 5), "lateness_s": 0, "max_lateness_s": None, **figures, **changes,
    }  # fmt: skip


PLANNED = row("planned", 4, -46, source=None, arrived_at=None)
RAW = row("raw", 4, -46, raw_bytes=400, source=None)
ACCEPTED = row("accepted", 3, -33, late=1, duration_s=60, lateness_s=Decimal(90_000), max_lateness_s=90_000)
QUARANTINED = row("quarantined", 1, -13, reasons=["START_MISSING", "MSISDN_MISSING"], source="unregistered")
OFFSETS, HANDED = {"0": (10, 14)}, {"msc": (3, 60, 0), "unregistered": (1, 0, 0)}


@pytest.mark.covers("MED-14")
def test_the_mark_of_a_batch_has_its_figures_in_all_and_by_source():
    nothing = {"accepted": 0, "quarantined": 0, "duplicate": 0, "late": 0, "lateness_s": 0, "max_lateness_s": None,
               "accepted_duration_s": 0, "accepted_volume_bytes": 0}  # fmt: skip
    assert mark([PLANNED, RAW, ACCEPTED, QUARANTINED], {**OFFSETS, "1": (7, 7)}, HANDED) == {
        "offsets": '{"0": [10, 14], "1": [7, 7]}', "received": 4, "raw_rows": 4, "accepted": 3, "quarantined": 1,
        "duplicate": 0, "by_reason": {"MSISDN_MISSING": 1, "START_MISSING": 1}, "late": 1, "raw_bytes": 400,
        "accepted_duration_s": 60, "accepted_volume_bytes": 0, "recorded_at": datetime(2026, 10, 5),
        "by_source": [
            {**nothing, "source": "msc", "records": 3, "accepted": 3, "late": 1, "lateness_s": 90_000,
             "max_lateness_s": 90_000, "accepted_duration_s": 60},
            {**nothing, "source": "unregistered", "records": 1, "quarantined": 1},
        ],
        "broken": [], "balanced": True,
    }  # fmt: skip


@pytest.mark.covers("MED-14")
@pytest.mark.parametrize(
    ("rows", "offsets", "handed", "said"),
    [
        ([RAW, ACCEPTED], OFFSETS, HANDED, "unregistered: 1 records handed over, 0 in usage_event"),
        ([RAW, ACCEPTED], OFFSETS, {"msc": (3, 60, 0)}, "4 records received, 3 with a disposition"),
        ([RAW, ACCEPTED, QUARANTINED], {"0": (10, 15)}, HANDED, "5 records received, 4 in raw_cdr"),
        ([{**RAW, "places": 46}, ACCEPTED, QUARANTINED], OFFSETS, HANDED, "the offsets in raw_cdr are not the planned"),
        ([RAW, ACCEPTED, {**QUARANTINED, "places": 13}], OFFSETS, HANDED, "the offsets in usage_event are not"),
        ([{**RAW, "kafka_partition": 1}, ACCEPTED, QUARANTINED], OFFSETS, HANDED, "each once: partition 0, 1"),
        ([RAW, {**ACCEPTED, "duration_s": 59}, QUARANTINED], OFFSETS, HANDED, "msc: 60 duration_s handed over, 59 in"),
        ([RAW, {**ACCEPTED, "volume_bytes": 1}, QUARANTINED], OFFSETS, HANDED, "msc: 0 volume_bytes handed over, 1 in"),
        # The records of one source under the name of another: every sum over the batch holds.
        ([RAW, {**ACCEPTED, "source": "b"}, QUARANTINED], OFFSETS, HANDED, "b: 0 records handed over, 3 in"),
        ([RAW, ACCEPTED, {**QUARANTINED, "disposition": "lost"}], OFFSETS, HANDED, "3 with a disposition in"),
    ],
)  # fmt: skip
def test_an_equation_that_fails_is_named(rows, offsets, handed, said):
    found = mark([PLANNED, *rows], offsets, handed)
    assert not found["balanced"]
    assert said in "; ".join(found["broken"])


def ranges(spark, *spans):
    return spark.createDataFrame(list(spans), "partition INT, start BIGINT, `end` BIGINT")


@pytest.mark.covers("MED-14")
@pytest.mark.parametrize(
    ("stands", "wrong"),
    [
        ({0: (0, 1, 2, 3), 1: (5, 6)}, ""),
        # As many, with the same first, last and sum: one is there three times, or two twice.
        ({0: (0, 1, 2, 3), 1: (5, 5)}, "partition 1"),
        ({0: (0, 0, 3, 3), 1: (5, 6)}, "partition 0"),
        ({0: (1, 1, 1, 3), 1: (5, 6)}, "partition 0"),
        ({0: (0, 1, 2, 3), 2: (5, 6)}, "partition 1, 2"),
    ],
)
def test_every_planned_offset_is_in_a_table_once(spark, stands, wrong):
    one = raw_rows(spark, payload())
    places = [(part, offset) for part, offsets in stands.items() for offset in offsets]
    other = spark.createDataFrame(places, "kafka_partition INT, kafka_offset BIGINT")
    rows = other.crossJoin(one.drop("kafka_partition", "kafka_offset"))
    usage = mediate(rows, small_reference(spark))
    figures = read_back(rows, usage, ranges(spark, (0, 0, 4), (1, 5, 7), (3, 9, 9))).collect()
    found = "; ".join(mark(figures, {"0": (0, 4), "1": (5, 7), "3": (9, 9)}, {"msc": (6, 6 * 317, 0)})["broken"])
    told = "the offsets in {} are not the planned ones, each once: " + wrong
    assert found == ("; ".join(map(told.format, ("raw_cdr", "usage_event"))) if wrong else "")


@pytest.mark.parametrize(
    "values", [(-1,), (-(2**63), -(2**63)), (2**63 - 1, 2**63 - 1, -7), (-(2**32), 2**32 - 1, None)]
)
def test_a_sum_beyond_a_bigint_is_exact_also_below_zero(spark, values):
    numbers = spark.createDataFrame([(value,) for value in values], "n BIGINT")
    assert numbers.agg(_exact_sum("n")).collect()[0][0] == sum(value or 0 for value in values)


@pytest.mark.covers("MED-14")
def test_a_batch_is_recorded_at_its_latest_arrival_that_can_be_read():
    beyond = datetime(9999, 12, 30)
    unreadable = {**QUARANTINED, "reasons": ["ARRIVAL_MALFORMED"], "arrived_at": beyond}
    rows = [PLANNED, {**RAW, "arrived_at": beyond}, ACCEPTED, unreadable]
    assert mark(rows, OFFSETS, HANDED)["recorded_at"] == datetime(2026, 10, 5)
    assert mark([PLANNED, RAW, unreadable], OFFSETS, HANDED)["recorded_at"] == beyond


@pytest.mark.covers("MED-14", "MED-10")
def test_what_mediation_hands_over_is_what_is_read_back_of_each_source(spark):
    raw = raw_rows(spark, *BATCH)
    candidates = mediate(raw, small_reference(spark)).persist()
    usage = resolve_duplicates(packed(candidates), small_frame(spark, [], contract("usage_event")).select(*HISTORY))
    sources = handed_over(candidates).collect()
    handed = {one["source"]: (one["records"], int(one["duration_s"]), int(one["volume_bytes"])) for one in sources}
    found = mark(read_back(raw, usage, ranges(spark, (0, 0, len(BATCH)))).collect(), {"0": (0, len(BATCH))}, handed)
    assert found["broken"] == [] and found["balanced"]
    assert found["by_source"] == [MSC, UNREGISTERED]
    # The seconds of quarantined records are beyond a BIGINT, and are held against each other all the same.
    assert handed["msc"] == (7, 4 * 317 + 60 + 2 * int(NINES), 12_345_678)
    assert {month for one in sources for month in one["months"]} == {"2026-10", "none"}
    candidates.unpersist()
