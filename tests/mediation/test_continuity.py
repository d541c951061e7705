"""When the stream may start, and when a batch balances."""

from __future__ import annotations

from datetime import datetime

import pytest

from tollgate.mediation.balance import mark
from tollgate.mediation.continuity import Standing, with_broker, with_checkpoint

START, MIDDLE, END = {0: 0, 1: 0}, {0: 50, 1: 40}, {0: 90, 1: 80}
EMPTY = Standing(generation=1, base=0, last_batch_no=-1, end={})
TWO = Standing(generation=1, base=0, last_batch_no=1, end=END)
FOLLOWING = Standing(generation=2, base=2, last_batch_no=1, end=END)


@pytest.mark.covers("MED-01", "MED-29")
@pytest.mark.parametrize(
    ("standing", "planned", "planned_end", "before", "committed", "said"),
    [
        (EMPTY, None, {}, {}, None, None),
        (EMPTY, 0, MIDDLE, START, None, None),
        (TWO, 1, END, MIDDLE, 1, None),
        (TWO, 1, END, MIDDLE, 0, None),
        (TWO, 2, {0: 99, 1: 99}, END, 1, None),
        (FOLLOWING, None, {}, {}, None, None),
        (FOLLOWING, None, {}, END, None, None),
        (FOLLOWING, 0, {0: 95, 1: 80}, END, None, None),
        (TWO, None, {}, START, None, "forgotten its batches"),
        (TWO, 0, MIDDLE, START, 0, "behind raw_cdr"),
        (TWO, 2, {0: 99, 1: 99}, END, 2, "ahead of raw_cdr"),
        (TWO, 3, {0: 99, 1: 99}, END, 2, "ahead of raw_cdr"),
        (EMPTY, 0, MIDDLE, START, 0, "ahead of raw_cdr"),
        (TWO, 1, {0: 91, 1: 79}, MIDDLE, 1, "another raw_cdr"),
        (TWO, 2, {0: 99, 1: 99}, MIDDLE, 1, "another raw_cdr"),
        (FOLLOWING, None, {}, MIDDLE, None, "another raw_cdr"),
    ],
)
def test_checkpoint_and_raw_cdr_agree_up_to_the_one_batch_that_is_replayed(
    standing, planned, planned_end, before, committed, said
):
    found = with_checkpoint(standing, planned, planned_end, before, committed)
    assert found is None if said is None else said in found.what and "--new-generation" in found.way_out


@pytest.mark.covers("MED-01")
@pytest.mark.parametrize(
    ("begin", "end", "said"),
    [
        (START, END, None),
        (END, {0: 200, 1: 80}, None),
        ({0: 91, 1: 0}, {0: 200, 1: 80}, "never read"),
        (START, {0: 89, 1: 80}, "made anew"),
        ({0: 0}, {0: 90}, "made anew"),
    ],
)
def test_broker_and_raw_cdr_agree_when_nothing_unread_was_deleted(begin, end, said):
    found = with_broker(TWO, begin, end)
    assert found is None if said is None else said in found.what
    assert with_broker(EMPTY, begin, end) is None


def read_back_row(disposition, first, last, offset_sum, **changes):
    figures = {"raw_bytes": 0, "late": 0, "duration_s": 0, "volume_bytes": 0, "records": last - first + 1}
    return {
        "kafka_partition": 0, "disposition": disposition, "reasons": [], "first_offset": first, "last_offset": last,
        "offset_sum": offset_sum, "arrived_at": datetime(2026, 10, 5), **figures, **changes,
    }  # fmt: skip


@pytest.mark.covers("MED-14")
def test_a_batch_balances_when_every_planned_offset_is_once_in_both_tables():
    raw = read_back_row("raw", 10, 13, 46, raw_bytes=400)
    accepted = read_back_row("accepted", 10, 12, 33, late=1, duration_s=60)
    quarantined = read_back_row("quarantined", 13, 13, 13, reasons=["START_MISSING", "MSISDN_MISSING"])
    good = mark([raw, accepted, quarantined], {"0": (10, 14), "1": (7, 7)})
    assert good == {
        "offsets": '{"0": [10, 14], "1": [7, 7]}', "received": 4, "raw_rows": 4, "accepted": 3, "quarantined": 1,
        "duplicate": 0, "by_reason": {"MSISDN_MISSING": 1, "START_MISSING": 1}, "late": 1, "raw_bytes": 400,
        "accepted_duration_s": 60, "accepted_volume_bytes": 0, "balanced": True, "recorded_at": datetime(2026, 10, 5),
    }  # fmt: skip
    for rows, offsets in (
        ([raw, accepted], {"0": (10, 14)}),  # a usage event is missing
        ([raw, accepted, quarantined], {"0": (10, 15)}),  # a record is missing
        ([raw, accepted, quarantined], {"0": (9, 13)}),  # others than planned
        ([raw, accepted, {**quarantined, "offset_sum": 12}], {"0": (10, 14)}),  # one twice, one missing
        ([raw, accepted, quarantined], {"1": (10, 14)}),  # another partition
    ):
        assert not mark(rows, offsets)["balanced"]
