"""What a job says of its work: steps with their times and figures, told to whoever looks on.

Nobody looks on unless `tollgate.platform.watching` lets them; then a step costs two looks at a clock.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

JOB, STEP, BATCH = "job", "step", "batch"
LEVELS = ("debug", "info", "warning", "error")


class Step:
    """Work that takes time: a job, a step of one, or a micro-batch. What it notes is told at its end.

    total, reached: how much there is, None when nobody knows, and how much is done, in `unit`. level: "debug" for parts
    of a step. seconds and error: once it has ended.
    """

    def __init__(self, name: str, kind: str, total: int | None, unit: str, level: str, facts: dict[str, Any]) -> None:
        self.name = name
        self.kind = kind
        self.total = total
        self.unit = unit
        self.level = level
        self.facts = facts
        self.job = _jobs[-1] if _jobs else ""
        self.reached = 0
        self.seconds = 0.0
        self.error: BaseException | None = None

    def note(self, **facts: Any) -> None:
        """Figures that belong to this work."""
        self.facts.update(facts)

    def reach(self, reached: int) -> None:
        """So much of the total is done."""
        self.reached = reached

    def advance(self, more: int = 1) -> None:
        """So much more of the total is done."""
        self.reached += more


class Onlooker(Protocol):
    """Who is told, from any thread. in_lines: what it hears becomes a line on stderr, where nothing else belongs."""

    in_lines: bool

    def begins(self, step: Step) -> None:
        """A step has begun."""

    def ends(self, step: Step) -> None:
        """A step has ended, well or by its error."""

    def hears(self, event: str, level: str, facts: Mapping[str, Any]) -> None:
        """Something that takes no time."""

    def follows(self, spark: SparkSession) -> None:
        """The session that does the work from now on."""


_onlookers: tuple[Onlooker, ...] = ()
_jobs: list[str] = []


@contextmanager
def step(
    name: str, *, kind: str = STEP, total: int | None = None, unit: str = "", level: str = "info", **facts: Any
) -> Iterator[Step]:
    """Do a step in the block."""
    now = Step(name, kind, total, unit, level, facts)
    _tell("begins", now)
    begun = time.monotonic()
    try:
        yield now
    except BaseException as error:
        now.error = error
        raise
    finally:
        now.seconds = time.monotonic() - begun
        _tell("ends", now)


@contextmanager
def job(name: str, **facts: Any) -> Iterator[Step]:
    """Do a job in the block: the steps in it are its own. A job may stand inside another, as in a night."""
    _jobs.append(name)
    try:
        with step(name, kind=JOB, **facts) as now:
            yield now
    finally:
        _jobs.pop()


def say(event: str, *, level: str = "info", **facts: Any) -> None:
    """Tell something that takes no time of its own."""
    _tell("hears", event, level, {"job": _jobs[-1], **facts} if _jobs else facts)


def follow(spark: SparkSession) -> None:
    """Let who looks on see the tasks of this session."""
    _tell("follows", spark)


def is_watched() -> bool:
    """Whether anybody looks on; if not, nothing needs to be found out for them."""
    return bool(_onlookers)


def is_told_in_lines() -> bool:
    """Whether somebody writes lines to stderr."""
    return any(onlooker.in_lines for onlooker in _onlookers)


def remark(text: str, *, level: str = "info") -> None:
    """A line for people on stderr: as it is, or as one of the lines where they are written, for stderr has one form."""
    if is_told_in_lines():
        say(text, level=level)
    else:
        print(text if level == "info" else f"{level}: {text}", file=sys.stderr, flush=True)


@contextmanager
def watched_by(*onlookers: Onlooker) -> Iterator[None]:
    """Let these look on during the block, beside those who do already."""
    global _onlookers
    before = _onlookers
    _onlookers = (*before, *onlookers)
    try:
        yield
    finally:
        _onlookers = before


def _tell(what: str, *told: Any) -> None:
    for onlooker in _onlookers:
        # A closed terminal or a full disk must not end a bill run.
        with suppress(Exception):
            getattr(onlooker, what)(*told)
