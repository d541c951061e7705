"""When the stream may start."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tollgate.mediation.continuity import Standing, lost_before, with_batch, with_broker, with_checkpoint

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
        # The topic has grown by a partition, of which no batch has read yet.
        (FOLLOWING, 0, {0: 95, 1: 80, 2: 7}, {**END, 2: 0}, None, None),
        (TWO, 2, {0: 95, 1: 80, 2: 7}, {**END, 2: 0}, 1, None),
        (FOLLOWING, 0, {0: 95, 1: 80, 2: 7}, {**END, 2: 3}, None, "another raw_cdr"),
        (TWO, 1, {**END, 2: 7}, MIDDLE, 1, "another raw_cdr"),
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
        ({**START, 2: 0}, {**END, 2: 5}, None),
        ({**START, 2: 1}, {**END, 2: 5}, "never read"),
    ],
)
def test_broker_and_raw_cdr_agree_when_nothing_unread_was_deleted(begin, end, said):
    found = with_broker(TWO, begin, end)
    assert found is None if said is None else said in found.what
    assert with_broker(EMPTY, begin, end) is None
    assert lost_before(TWO, begin) == {}
    assert lost_before(EMPTY, begin) == {part: offset for part, offset in begin.items() if offset}


@pytest.mark.covers("MED-01")
def test_another_id_is_another_topic_unless_one_of_the_two_is_not_known():
    known = replace(TWO, topic_id="a")
    far = {0: 900, 1: 800}
    assert "made anew" in with_broker(known, START, far, "b").what
    assert [with_broker(*one) for one in ((known, START, far, "a"), (known, START, far), (TWO, START, far, "b"))] == [
        None, None, None
    ]  # fmt: skip


@pytest.mark.covers("MED-01", "MED-29")
@pytest.mark.parametrize(
    ("start", "found"),
    [
        (END, None),
        ({**END, 2: 0}, None),
        ({0: 91, 1: 80}, "it begins at 0:91, 1:80"),
        ({0: 89, 1: 80}, "it begins at 0:89, 1:80"),
        ({0: 90}, "it begins at 0:90"),
        ({**END, 2: 1}, "it begins at 0:90, 1:80, 2:1"),
    ],
)
def test_a_batch_begins_where_the_last_one_ended(start, found):
    said = with_batch(END, start)
    assert said is None if found is None else said.found == found and said.expected.startswith("0:90, 1:80")
    # Before the first batch of a topic there is nothing that it could follow.
    assert with_batch({}, start) is None
