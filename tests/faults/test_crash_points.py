"""A batch is stopped between any two of its writes and started again: the same tables, each mark once."""

from __future__ import annotations

import os
import signal

import pytest

from faults.route import STREAM_TABLES, Route, with_batch
from jobs import mediate_usage, micro_batch

POINTS = ("mediate.after_raw", "mediate.after_usage", "mediate.after_mark")


@pytest.mark.long
@pytest.mark.covers("MED-14", "MED-24", "MED-29")
@pytest.mark.parametrize("point", POINTS)
def test_a_batch_that_stops_between_two_writes_is_finished_by_the_next_start(
    copy_of, whole, tmp_path, monkeypatch, point
):
    route: Route = copy_of(tmp_path / "lake")
    before = route.commits()

    def stops(name: str) -> None:
        if name == point:
            raise InterruptedError(name)

    with monkeypatch.context() as at:
        at.setattr(micro_batch, "crash_point", stops)
        with pytest.raises(InterruptedError, match=point):
            route.mediate()
    written = [table for table, version in route.commits().items() if version > before[table]]
    assert written == list(STREAM_TABLES)[: POINTS.index(point) + 1]
    route.mediate()
    assert route.records() == whole
    marks = [row["batch_no"] for row in route.lake.read("control_mediation").collect()]
    assert sorted(marks) == list(range(len(marks)))


@pytest.mark.covers("MED-14", "MED-29", "OPS-01")
@pytest.mark.parametrize("point", [POINTS[0], *(pytest.param(point, marks=pytest.mark.long) for point in POINTS[1:])])
def test_a_stream_killed_at_any_of_its_writes_leaves_the_same_tables(copy_of, whole, tmp_path, point):
    route: Route = copy_of(tmp_path / "lake")
    route.killed(point, "mediate_usage", "--once")
    route.mediate()
    assert route.records() == whole


@pytest.mark.covers("MED-14", "MED-29")
def test_an_interrupted_stream_ends_behind_its_batch_and_the_next_start_goes_on_there(
    copy_of, whole, tmp_path, monkeypatch
):
    """The signal comes between two writes of the first of some batches, to a stream that would go on for ever."""
    route: Route = copy_of(tmp_path / "lake")
    signals = []

    def interrupts(name: str) -> None:
        if name == POINTS[0]:
            signals.append(name)
            os.kill(os.getpid(), signal.SIGINT)

    handler = signal.getsignal(signal.SIGINT)
    with monkeypatch.context() as at:
        at.setattr(micro_batch, "crash_point", interrupts)
        taken = mediate_usage.run(route.spark, with_batch(route.settings, 20), mediate_usage.parser().parse_args([]))
    assert len(signals) == taken["batches"] == 1 and 0 < taken["received"] < 60
    assert signal.getsignal(signal.SIGINT) is handler
    assert route.mediate()["received"] == 60 - taken["received"]
    assert route.records() == whole
