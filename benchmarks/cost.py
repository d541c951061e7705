"""What an action costs: seconds by the clock, and CPU of the session's JVM with its Python workers."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

import psutil
from pyspark.sql import SparkSession


class Cost(NamedTuple):
    """Seconds by the clock, and of CPU."""

    seconds: float
    cpu: float


def cost_of(spark: SparkSession, action: Callable[[], Any]) -> Cost:
    """Run `action`; the JVM's compilers and collector count, and so do the Python workers that it started."""
    before, begun = _cpu(spark), time.perf_counter()
    action()
    return Cost(time.perf_counter() - begun, _cpu(spark) - before)


def _cpu(spark: SparkSession) -> float:
    jvm: Any = spark._jvm
    process = psutil.Process(jvm.java.lang.ProcessHandle.current().pid())
    total = 0.0
    for each in (process, *process.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            # Workers that ended are in the times of the children of whoever waited for them.
            times = each.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total
