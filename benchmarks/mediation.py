"""Mediation by itself: what a record costs from Kafka through both tables and the marks, beside parsing it alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import psutil
from pyspark.sql import functions as F

from benchmarks.route import SEED, Bench, bench, seeded
from benchmarks.rows import Row
from tollgate.mediation.dialects.records import RECORD
from tollgate.platform.lake import Lake

MEDIATION = "mediation"
# A month for the warm-up, and one a run.
WARM_MONTH, MONTHS = "2026-07", ("2026-08", "2026-09", "2026-10")
_CORES, _HEAP = "local[2]", "2g"
_BATCH = "250000"


def mediation_rows(events: int, subscribers: int) -> list[Row]:
    """Records a second, and CPU seconds against those of bare `from_json` of the same bytes; medians of three runs.

    events: records of the three runs together, of the demo's mix. Each run is a month that back-fill has put into
    Kafka; another one as large goes before them and is not counted. CPU is that of the JVM, its compilers and
    collector included.
    """
    with bench(
        {"spark.master": _CORES, "spark.driver_memory": _HEAP, "mediation.max_offsets_per_trigger": _BATCH}
    ) as found:
        seeded(found, subscribers)
        of_run = max(events // len(MONTHS), 1)
        _mediated(found, WARM_MONTH, of_run, subscribers)
        runs = [_mediated(found, month, of_run, subscribers) for month in MONTHS]
        raw = Lake(found.spark, found.settings.lake.root).read("raw_cdr")
        fields = raw.select(F.from_json(F.col("payload").cast("STRING"), RECORD).alias("json")).select("json.*")
        records = raw.count()
        parsed = [_cost(found, lambda: fields.write.format("noop").mode("overwrite").save()) for _ in range(4)][1:]
    taken_in_all = sum(taken for *_, taken in runs)
    ours = median(cpu / taken for _, cpu, taken in runs)
    baseline = median(cpu / records for _, cpu in parsed)
    rate = median(taken / seconds for seconds, _, taken in runs)
    return [
        Row("mediation.rate", rate, bar=10_000, aim=100_000, unit="records/s"),
        Row("mediation.cpu_against_parse", ours / baseline, bar=9, aim=6, unit="x", better="lower",
            ours=ours * taken_in_all, baseline=baseline * taken_in_all),
    ]  # fmt: skip


def _mediated(found: Bench, month: str, events: int, subscribers: int) -> tuple[float, float, int]:
    """Wall and CPU seconds of mediating the month before `month`, and its records."""
    from jobs import backfill, mediate_usage

    of_month = ["--months", "1", "--before", month, "--seed", str(SEED), "--subscribers", str(subscribers)]
    sent = found.run_job(backfill, *of_month, "--events", str(events))
    seconds, cpu = _cost(found, lambda: found.run_job(mediate_usage, "--once"))
    return seconds, cpu, int(sent["records"])


def _cost(found: Bench, action: Callable[[], Any]) -> tuple[float, float]:
    """Wall seconds, and CPU seconds of the session's JVM."""
    jvm: Any = found.spark._jvm
    process = psutil.Process(jvm.java.lang.ProcessHandle.current().pid())
    before, begun = process.cpu_times(), time.perf_counter()
    action()
    seconds, after = time.perf_counter() - begun, process.cpu_times()
    return seconds, after.user + after.system - before.user - before.system
