"""What an action costs: seconds by the clock, and CPU of the session's JVM with its Python workers."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from threading import Event, Thread
from typing import Any, NamedTuple

import psutil
from pyspark.sql import SparkSession

LOOK_EVERY_S = 0.5


class Cost(NamedTuple):
    """Seconds by the clock, and of CPU."""

    seconds: float
    cpu: float


class Meter:
    """CPU seconds of a process with all that it starts, ended ones included; use as a context manager.

    Spark's Python daemon waits for none of its workers, so the system forgets what they used when they end. Therefore
    each process is looked at twice a second and what it had used then is kept; what it uses after the last look before
    its end is not counted.
    """

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
        self._used: dict[tuple[int, float], float] = {}
        self._before = 0.0
        self._ended = Event()
        self._looking = Thread(target=self._keep_looking, daemon=True)

    def __enter__(self) -> Meter:
        self._look()
        self._before = self.whole()
        self._looking.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._looking.join()
        self._look()

    def whole(self) -> float:
        """Of all since each was started. To be asked for before or after the block."""
        return sum(self._used.values())

    def block(self) -> float:
        """Of the block alone. To be asked for after it."""
        return self.whole() - self._before

    def _keep_looking(self) -> None:
        while not self._ended.wait(LOOK_EVERY_S):
            self._look()

    def _look(self) -> None:
        with suppress(psutil.NoSuchProcess):
            for each in (self._process, *self._process.children(recursive=True)):
                with suppress(psutil.NoSuchProcess):
                    times = each.cpu_times()
                    self._used[each.pid, each.create_time()] = times.user + times.system


def cost_of(spark: SparkSession, action: Callable[[], Any]) -> Cost:
    """Run `action`; the JVM's compilers and collector count, and so do the Python workers that it started."""
    jvm: Any = spark._jvm
    begun = time.perf_counter()
    with Meter(psutil.Process(jvm.java.lang.ProcessHandle.current().pid())) as meter:
        action()
    return Cost(time.perf_counter() - begun, meter.block())
