"""The frame of night and month, which nobody watches: the lock, each step timed and recorded, one summary line."""

from __future__ import annotations

import io
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, redirect_stdout, suppress
from typing import TYPE_CHECKING, Any

from tollgate.platform.errors import TollgateError
from tollgate.platform.progress import is_told_in_lines, job, remark, say
from tollgate.platform.run_history import LockedError, RunRow, as_json, one_at_a_time
from tollgate.platform.settings import Settings
from tollgate.platform.watching import figures_of

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

INTERRUPTED = 130


class Steps:
    """The steps of one run, in order.

    done: a row for each, with its name, seconds and key figures. resume: the command that goes on from here.
    """

    def __init__(self, resume: str) -> None:
        self.row: RunRow | None = None
        self.resume = resume
        self.now: dict[str, Any] = {}
        self.done: list[dict[str, Any]] = []

    def run(self, name: str, work: Callable[[], Mapping[str, Any]], day: str | None = None) -> dict[str, Any]:
        """Do `work` and return its figures; nothing is begun once the lock is lost."""
        self.now = {"step": name, "date": day} if day else {"step": name}
        if self.row is not None:
            self.row.at(name, {"steps": self.done})
        begun = time.monotonic()
        with job(name, **({"date": day} if day else {})) as seen:
            figures = dict(work())
            seen.note(**figures_of(figures))
        seconds = round(time.monotonic() - begun, 1)
        self.done.append({**self.now, "seconds": seconds, **figures})
        if not is_told_in_lines():  # They say it with its figures.
            remark(f"{f'{day} ' if day else ''}{name}: {seconds} s")
        return figures


Work = Callable[[Steps, "SparkSession"], Mapping[str, Any]]


def unattended(
    settings: Settings,
    command: str,
    subject: Mapping[str, Any],
    session: AbstractContextManager[SparkSession],
    work: Work,
    *,
    resume: str,
    writes: bool = True,
    warnings: Sequence[str] = (),
) -> dict[str, Any]:
    """Do `work` under the lock and print its summary as one JSON line, also when it fails; all else goes to stderr.

    subject: see `one_at_a_time`. session: entered once the lock is held. writes: a dry run takes no lock and leaves no
    row. resume: the command that starts it again. warnings: said at once, and kept in the summary. SIGTERM ends it as
    SIGINT does. What `work` raises passes.
    """
    steps = Steps(resume)
    summary: dict[str, Any] = {"command": command, **subject, "run_id": None, "dry_run": not writes}
    summary["warnings"] = list(warnings)
    for warning in warnings:
        remark(warning, level="warning")
    try:
        with ExitStack() as stack:
            stack.enter_context(_ended_by_sigterm())
            stack.enter_context(redirect_stdout(_Told() if is_told_in_lines() else sys.stderr))
            if writes:
                steps.row = stack.enter_context(one_at_a_time(settings, command, subject))
                summary["run_id"] = steps.row.run_id
            try:
                outcome = work(steps, stack.enter_context(session))
            except BaseException as error:
                summary |= _failure(error, steps)
                with suppress(TollgateError):
                    _close(steps.row, summary)
                raise
            summary |= {"status": "done", "exit_code": 0, "steps": steps.done, **outcome}
            _close(steps.row, summary)
    except BaseException as error:
        if summary.get("status", "done") == "done":
            summary |= _failure(error, steps)
        raise
    finally:
        print(as_json(summary), flush=True)
    return summary


@contextmanager
def own_session(settings: Settings, name: str) -> Iterator[SparkSession]:
    """A Spark session for one run; its end is quiet when a signal has ended the JVM first."""
    from py4j.protocol import Py4JError

    from tollgate.platform.spark import spark_session

    spark = spark_session(settings, name)
    try:
        yield spark
    finally:
        with suppress(OSError, Py4JError):
            spark.stop()


class _Told(io.TextIOBase):
    """What a job prints for whoever calls it alone, such as each equation: here only for those who want to know all."""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        for line in filter(None, text.splitlines()):
            say(line, level="debug")
        return len(text)


def _close(row: RunRow | None, summary: Mapping[str, Any]) -> None:
    if row is not None:
        row.end(summary["status"], summary["exit_code"], summary, summary.get("error"))


def _failure(error: BaseException, steps: Steps) -> dict[str, Any]:
    """What the summary says of an error: status, exit code, the step and the way out."""
    told: dict[str, Any] = {"status": "failed", "exit_code": 1, "steps": steps.done, **steps.now}
    goes_on = f"`{steps.resume}` goes on where this one ended"
    if isinstance(error, LockedError):
        return {**told, "status": "locked", "exit_code": error.exit_code, "held_by": error.holder, "error": error.what,
                "next": error.way_out}  # fmt: skip
    if isinstance(error, TollgateError):
        error.way_out = f"{error.way_out}; then {goes_on}" if error.way_out else goes_on
        return {**told, "exit_code": error.exit_code, "error": str(error), "next": error.way_out}
    if isinstance(error, KeyboardInterrupt):
        remark(goes_on)
        told |= {"status": "stopped", "exit_code": INTERRUPTED}
        return {**told, "error": "interrupted by a signal", "next": goes_on}
    lines = str(error).strip().splitlines()
    return {**told, "error": ": ".join([type(error).__name__, *lines[:1]]), "next": f"mend the cause; then {goes_on}"}


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """SIGTERM, by which systemd, Airflow and containers end a process, interrupts as SIGINT does."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGTERM, interrupt)
    except ValueError:  # Only the main thread may.
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
