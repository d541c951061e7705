"""Prometheus metrics of the stream and the jobs: what each is, and how it follows from what a job says."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.metrics_core import Metric

from tollgate.platform.errors import outcome_of
from tollgate.platform.progress import BATCH, JOB, Step

COUNTER, GAUGE, HISTOGRAM = "counter", "gauge", "histogram"
# Name: type, labels, meaning. The label is `name`, for `job` is what Prometheus calls the place that it asks.
METRICS: dict[str, tuple[str, tuple[str, ...], str]] = {
    "tollgate_records_total": (COUNTER, ("disposition",), "records of published batches, by where they went"),
    "tollgate_quarantined_total": (
        COUNTER, ("reason",), "quarantined records by reason; one with two reasons counts under both"
    ),
    "tollgate_late_total": (COUNTER, (), "accepted records that arrived late"),
    "tollgate_batches_total": (COUNTER, (), "published batches"),
    "tollgate_batch_seconds": (HISTOGRAM, (), "how long a batch took, from its bytes to its mark"),
    "tollgate_batch_no": (GAUGE, (), "batch in work, or the last one"),
    "tollgate_published_to": (GAUGE, (), "last published batch"),
    "tollgate_last_batch_timestamp_seconds": (GAUGE, (), "when it was published"),
    "tollgate_offset_lag": (
        GAUGE, ("partition",), "records behind the topic's end, as Spark saw it when the last batch began"
    ),
    "tollgate_rated_total": (COUNTER, ("status",), "events rated by nights, with a charge or at nothing"),
    "tollgate_suspended_total": (COUNTER, ("reason",), "events suspended by nights, by reason"),
    "tollgate_unbalanced_equations": (GAUGE, ("stage",), "equations that did not hold at the last reconciliation"),
    "tollgate_job_runs_total": (
        COUNTER, ("name", "outcome"), "runs of a job: done, failed, stopped, or locked by another night or month"
    ),
    "tollgate_job_seconds": (GAUGE, ("name",), "how long its last run took"),
    "tollgate_job_last_success_timestamp_seconds": (GAUGE, ("name",), "when a run of it was last done"),
    "tollgate_job_step_seconds": (GAUGE, ("name", "step"), "how long the step took the last time"),
}  # fmt: skip
OUTCOMES = ("done", "failed", "stopped", "locked")
_KINDS = {COUNTER: Counter, GAUGE: Gauge, HISTOGRAM: Histogram}
# Seconds; a batch of a laptop takes some, one of millions of records minutes.
_BUCKETS = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800)


class Metrics:
    """Counts what it is told. A metric is there once something was told of it: a night says nothing of the stream."""

    in_lines = False

    def __init__(self) -> None:
        disable_created_metrics()
        self.registry = CollectorRegistry()
        self._made: dict[str, Any] = {}
        self._lock = threading.Lock()

    def begins(self, step: Step) -> None:
        """A batch is in work; the outcomes of a job begin to be counted, so that the first failure is a rise."""
        if step.kind == BATCH:
            self._of("tollgate_batch_no").set(step.facts["batch_no"])
        elif step.kind == JOB:
            for outcome in OUTCOMES:
                self._of("tollgate_job_runs_total", step.job, outcome).inc(0)

    def ends(self, step: Step) -> None:
        """Its time, and the figures that it noted."""
        if step.kind == JOB:
            self._end_job(step)
        elif step.error is not None:
            return
        elif step.kind == BATCH:
            self._publish(step.seconds, step.facts)
        else:
            self._of("tollgate_job_step_seconds", step.job, step.name).set(step.seconds)

    def hears(self, event: str, level: str, facts: Mapping[str, Any]) -> None:
        """How far the stream is behind, and which equations hold."""
        for partition, records in facts.get("lag_by_partition", {}).items():
            self._of("tollgate_offset_lag", partition).set(records)
        for stage, equations in facts.get("unbalanced", {}).items():
            self._of("tollgate_unbalanced_equations", stage).set(equations)

    def follows(self, spark: object) -> None:
        """Spark has metrics of its own."""

    def _end_job(self, step: Step) -> None:
        outcome = outcome_of(step.error)
        self._of("tollgate_job_runs_total", step.job, outcome).inc()
        if outcome == "locked":
            return  # Nothing was started, so its seconds are no time of a run.
        self._of("tollgate_job_seconds", step.job).set(step.seconds)
        if step.error is not None:
            return
        self._of("tollgate_job_last_success_timestamp_seconds", step.job).set(time.time())
        if "rating_no" in step.facts and "zero_rated" in step.facts and not step.facts.get("dry_run"):
            for status in ("rated", "zero_rated"):
                self._of("tollgate_rated_total", status).inc(step.facts[status])
            for reason, events in step.facts["suspended"].items():
                self._of("tollgate_suspended_total", reason).inc(events)

    def _publish(self, seconds: float, facts: Mapping[str, Any]) -> None:
        for disposition in ("accepted", "quarantined", "duplicate"):
            self._of("tollgate_records_total", disposition).inc(facts[disposition])
        for reason, records in facts["by_reason"].items():
            self._of("tollgate_quarantined_total", reason).inc(records)
        self._of("tollgate_late_total").inc(facts["late"])
        self._of("tollgate_batches_total").inc()
        self._of("tollgate_batch_seconds").observe(seconds)
        self._of("tollgate_published_to").set(facts["published_to"])
        self._of("tollgate_last_batch_timestamp_seconds").set(time.time())

    def _of(self, name: str, *labels: str) -> Any:
        kind, names, meaning = METRICS[name]
        with self._lock:
            if name not in self._made:
                more = {"buckets": _BUCKETS} if kind == HISTOGRAM else {}
                self._made[name] = _KINDS[kind](name, meaning, names, registry=self.registry, **more)
        return self._made[name].labels(*labels) if names else self._made[name]


class CarriedOn:
    """What a run has counted, on top of what an earlier one left: counters go on, other values stay until set anew."""

    def __init__(self, registry: CollectorRegistry, before: Iterable[Metric]) -> None:
        self._registry = registry
        self._before = {family.name: family for family in before}

    def collect(self) -> Iterator[Metric]:
        """For prometheus_client."""
        earlier = dict(self._before)
        for family in self._registry.collect():
            yield _added(family, earlier.pop(family.name, None))
        yield from earlier.values()


def _added(family: Metric, before: Metric | None) -> Metric:
    kept = {_series(sample): sample for sample in before.samples} if before else {}
    is_sum = family.type in (COUNTER, HISTOGRAM)
    found = Metric(family.name, family.documentation, family.type)
    for sample in family.samples:
        old = kept.pop(_series(sample), None)
        found.samples.append(sample._replace(value=sample.value + old.value) if old and is_sum else sample)
    found.samples += kept.values()
    return found


def _series(sample: Any) -> tuple[Any, ...]:
    return sample.name, *sorted(sample.labels.items())
