"""Bars on a terminal, and only for what takes longer than two seconds."""

from __future__ import annotations

import io
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from rich.console import Console

from tollgate.platform.bars import Bars
from tollgate.platform.progress import JOB, follow, job, step, watched_by


class Terminal:
    """A terminal of 100 columns and a clock that a test turns."""

    def __init__(self) -> None:
        self.now = 0.0
        self.out = io.StringIO()
        self.bars = Bars(Console(file=self.out, force_terminal=True, width=100), clock=lambda: self.now)

    def after(self, seconds: float) -> str:
        """What the terminal shows anew once so much more time has passed."""
        before = len(self.out.getvalue())
        self.now += seconds
        self.bars.look()
        return self.out.getvalue()[before:]


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    made = Terminal()
    with watched_by(made.bars):
        yield made


@pytest.mark.covers("OPS-20")
def test_a_step_under_two_seconds_shows_nothing(terminal: Terminal) -> None:
    with job("rate_usage"), step("rate"):
        assert terminal.after(1.9) == ""
    terminal.after(10)
    assert terminal.out.getvalue() == ""


@pytest.mark.covers("OPS-20")
def test_a_longer_one_shows_how_far_it_is_and_leaves_nothing_behind(terminal: Terminal) -> None:
    with job("generate"), step("send records", total=200_000, unit="records") as sending:
        sending.reach(40_000)
        sending.note(batch_no=7, lag=12_000)
        shown = terminal.after(8)
        assert "generate" in shown and "0:00:08" in shown
        assert "send records" in shown and "40,000/200,000 records · 5,000/s · batch 7 · lag 12,000" in shown
        with step("append raw_cdr"):
            assert "append raw_cdr" not in terminal.after(1)
        assert "append raw_cdr" not in terminal.after(5)
    # The rows are wiped and the cursor is back.
    assert terminal.out.getvalue().endswith("\r\x1b[2K\x1b[1A\x1b[2K\x1b[?25h\r")


@pytest.mark.covers("OPS-20")
def test_the_job_shows_the_tasks_of_its_running_stages(terminal: Terminal) -> None:
    stages = {3: SimpleNamespace(numTasks=8, numCompletedTasks=3), 4: SimpleNamespace(numTasks=2, numCompletedTasks=0)}
    asked = []

    def get_stage(number: int) -> SimpleNamespace | None:
        asked.append(number)
        return stages.get(number)

    tracker = SimpleNamespace(getActiveStageIds=lambda: [3, 4, 5], getStageInfo=get_stage)
    context = SimpleNamespace(statusTracker=lambda: tracker)
    follow(SimpleNamespace(sparkContext=context))  # type: ignore[arg-type]
    with step("mediate_usage", kind=JOB):
        terminal.after(1)
        assert not asked, "nobody sees it, so Spark is not asked"
        terminal.after(2)
        assert "3/10 tasks" in terminal.after(1.5)
        assert asked == [3, 4, 5]
        terminal.after(0.3)
        assert asked == [3, 4, 5], "once a second is enough"
        tracker.getActiveStageIds = lambda: 1 / 0  # the session has ended
        assert "mediate_usage" in terminal.after(2)


@pytest.mark.covers("OPS-20")
def test_no_color_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    for colour, is_coloured in (("", True), ("1", False)):
        monkeypatch.setenv("NO_COLOR", colour)
        terminal = Terminal()
        with watched_by(terminal.bars), step("rate"):
            shown = terminal.after(3)
        assert "rate" in shown and ("\x1b[38;5;" in shown or "\x1b[35m" in shown) is is_coloured
