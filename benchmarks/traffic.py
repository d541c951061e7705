"""What an action asks of the driver: Spark jobs started, and bytes of task results sent to it.

Every row that reaches the driver, collected or on its way into a broadcast table, comes as the result of a task. In a
local session the driver's heap is the executors' too, so its size tells nothing of this.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from pyspark.sql import SparkSession


class Traffic(NamedTuple):
    """Jobs, and bytes that their tasks sent to the driver."""

    jobs: int
    driver_bytes: int


def traffic_of(spark: SparkSession, action: Callable[[], Any]) -> Traffic:
    """Run `action`, which starts no more jobs and stages than a session remembers (`spark.ui.retainedJobs`)."""
    jobs, stages = _known(spark)
    action()
    jobs_after, stages_after = _known(spark)
    store = _store(spark)
    sent = sum(int(store.lastStageAttempt(stage).resultSize()) for stage in stages_after - stages)
    return Traffic(len(jobs_after - jobs), sent)


def _known(spark: SparkSession) -> tuple[set[int], set[int]]:
    """Ids of jobs and of their stages."""
    found = _store(spark).jobsList(None)
    jobs = [found.apply(place) for place in range(found.size())]
    stages = {int(ids.apply(place)) for job in jobs for ids in [job.stageIds()] for place in range(ids.size())}
    return {int(job.jobId()) for job in jobs}, stages


def _store(spark: SparkSession) -> Any:
    context: Any = spark.sparkContext._jsc.sc()
    # What happened is told to the store by a queue.
    context.listenerBus().waitUntilEmpty()
    return context.statusStore()
