"""Bars on a terminal for what takes longer than two seconds: the job with Spark's tasks, and each of its open steps."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from tollgate.platform.progress import JOB, Step

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SHOWN_AFTER_S = 2.0
_EVERY_S = 0.25
_SPARK_EVERY_S = 1.0
Tasks = Callable[[], tuple[int, int]]


class Bars:
    """One row for each step that has been open for two seconds; all rows go when their steps end.

    A thread looks four times a second, and asks Spark once a second, only while a row is shown.
    """

    in_lines = False

    def __init__(self, console: Console | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console or Console(stderr=True)
        self._clock = clock
        self._lock = threading.Lock()
        self._since: dict[Step, float] = {}
        self._rows: dict[Step, TaskID] = {}
        self._bar: Progress | None = None
        self._thread: threading.Thread | None = None
        self._tasks: Tasks | None = None
        self._seen = (0, 0)
        self._asked_at = 0.0

    def begins(self, step: Step) -> None:
        """Nothing is shown yet."""
        with self._lock:
            self._since[step] = self._clock()
            if self._thread is None:
                self._thread = threading.Thread(target=self._look_on, name="tollgate-bars", daemon=True)
                self._thread.start()

    def ends(self, step: Step) -> None:
        """Its row goes, and with the last one the bar."""
        with self._lock:
            self._since.pop(step, None)
            row = self._rows.pop(step, None)
            if self._bar is not None and row is not None:
                self._bar.remove_task(row)
                if not self._rows:
                    self._bar.stop()
                    self._bar = None

    def hears(self, event: str, level: str, facts: Mapping[str, Any]) -> None:
        """A bar has no room for it."""

    def follows(self, spark: SparkSession) -> None:
        """Its tasks are shown beside the job."""
        self._tasks = _tasks_of(spark)

    def look(self) -> None:
        """Bring the rows up to what is open now."""
        now = self._clock()
        if self._rows and self._tasks is not None and now - self._asked_at >= _SPARK_EVERY_S:
            self._asked_at = now
            try:
                self._seen = self._tasks()
            except Exception:  # The session has ended.
                self._tasks = None
        with self._lock:
            shown = [step for step, since in self._since.items() if now - since >= SHOWN_AFTER_S]
            if shown and self._bar is None:
                self._bar = self._new_bar()
                self._bar.start()
            for step in shown:
                self._show(step, now - self._since[step])
            if self._bar is not None:
                self._bar.refresh()

    def _show(self, step: Step, seconds: float) -> None:
        assert self._bar is not None
        if step not in self._rows:
            self._rows[step] = self._bar.add_task(step.name, total=None, told="")
        done, total, told = self._spark_row() if step.kind == JOB else _step_row(step, seconds)
        told.append(_clock_time(seconds))
        self._bar.update(self._rows[step], completed=done, total=total, told=" · ".join(told))

    def _spark_row(self) -> tuple[int, int | None, list[str]]:
        if self._tasks is None:
            return 0, None, []
        done, total = self._seen
        # Between two jobs of Spark nothing is done of nothing; a bar takes no None once it had a total.
        return done, total or 1, [f"{done}/{total} tasks"] if total else []

    def _look_on(self) -> None:
        while True:
            time.sleep(_EVERY_S)
            with self._lock:
                if not self._since:
                    self._thread = None
                    return
            with suppress(Exception):
                self.look()

    def _new_bar(self) -> Progress:
        return Progress(
            TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[told]}"), console=self._console,
            auto_refresh=False, transient=True, redirect_stdout=sys.stdout.isatty(),
        )  # fmt: skip


def _step_row(step: Step, seconds: float) -> tuple[int, int | None, list[str]]:
    told = []
    if step.total or step.reached:
        of_all = f"/{step.total:,}" if step.total else ""
        told = [f"{step.reached:,}{of_all} {step.unit}".rstrip()]
    if step.unit == "records":
        told.append(f"{step.reached / max(seconds, 1):,.0f}/s")
    told += [f"{name.removesuffix('_no')} {step.facts[name]:,}" for name in ("batch_no", "lag") if name in step.facts]
    return step.reached, step.total, told


def _clock_time(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def _tasks_of(spark: SparkSession) -> Tasks:
    """Tasks done and all tasks of the stages that run now, from what the driver keeps anyway; no job is started."""
    tracker = spark.sparkContext.statusTracker()

    def tasks() -> tuple[int, int]:
        found = [tracker.getStageInfo(stage) for stage in tracker.getActiveStageIds()]
        stages = [stage for stage in found if stage is not None]
        return sum(stage.numCompletedTasks for stage in stages), sum(stage.numTasks for stage in stages)

    return tasks
