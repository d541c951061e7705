"""The stream over time: the end of a long run beside its beginning, batches on a long history, how long a record waits.

When a batch was published is when its mark was written: the time of the mark's file.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from itertools import pairwise
from statistics import median

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from benchmarks.drain import streaming, wait_until_published
from benchmarks.mediation import BATCH, ON_TWO_CORES, backfilled, mediated
from benchmarks.route import SEED, Bench, bench, month, night, seconds_of, seeded
from benchmarks.rows import Row
from generators.cdr import GeneratedRecord
from tollgate.platform.lake import Lake
from tollgate.platform.progress import remark

TENTHS, TEN_MILLION = 10, 10_000_000
HISTORY_MONTHS, SMALL_BATCHES, SMALL_BATCH = 12, 100, 5_000
RATES, RATE_SECONDS, WARM_SECONDS, REACHED = (1_000, 10_000), 60, 60, 0.95


def long_run(events: int, subscribers: int) -> list[Row]:
    """Seconds a record in the last tenth of the batches of `events` records over those in the second tenth; the
    seconds that ten million would take through mediation, rating and the bill of the last month; and the files a
    million rows that maintenance leaves of raw_cdr or usage_event, whichever has more.

    The records are of ten months up to the one that is billed.
    """
    from jobs import maintain

    with bench({**ON_TWO_CORES, "mediation.max_offsets_per_trigger": str(min(BATCH, events // 40))}) as found:
        seeded(found, subscribers)
        backfilled(found, "2026-11", events // TENTHS, subscribers, months=TENTHS)
        steps = {"mediated": mediated, "rated": night, "billed and posted": month}
        took = {name: seconds_of(partial(step, found)) for name, step in steps.items()}
        # The last one has what was left: as much overhead for fewer records.
        batches = _batches(found)[:-1]
        received = int(_marks(found).agg(F.sum("received")).collect()[0][0])
        kept = found.run_job(maintain, "--tables", "raw_cdr,usage_event")["tables"]
    for name, seconds in took.items():
        print(f"{received:,} records {name} in {seconds:.0f} s")
    for table in kept:
        print(f"{table['table']}: {table['files_before']} files, {table['files_after']} after maintenance")
    tenth = max(len(batches) // TENTHS, 1)
    second, last = (_per_record(part) for part in (batches[tenth : 2 * tenth], batches[-tenth:]))
    return [
        Row("mediation.last_tenth", last / second, bar=1.15, aim=1.05, unit="x", better="lower",
            ours=last * events, baseline=second * events),
        Row("mediation.ten_million_billed", sum(took.values()) / received * TEN_MILLION, bar=86_400, aim=3_600,
            unit="s", better="lower"),
        Row("mediation.files_per_million", max(float(table["files_per_million_after"]) for table in kept), bar=32,
            aim=16, unit="files", better="lower"),
    ]  # fmt: skip


def on_history(events: int, subscribers: int) -> Row:
    """Median seconds of a small batch with twelve months behind it over those of one with none.

    events: records of the history. The batches are of one month with the demo's share of copies, the same in both.
    """
    small = {**ON_TWO_CORES, "mediation.max_offsets_per_trigger": str(SMALL_BATCH), "spark.generated_code": "false"}
    medians = []
    for months in (HISTORY_MONTHS, 0):
        with bench(small) as found:
            seeded(found, subscribers)
            if months:
                backfilled(found, "2026-09", events // months, subscribers, months=months)
                large = found.settings.mediation.model_copy(update={"max_offsets_per_trigger": BATCH})
                mediated(replace(found, settings=found.settings.model_copy(update={"mediation": large})))
            backfilled(found, "2026-10", SMALL_BATCHES * SMALL_BATCH, subscribers)
            mediated(found)
            batches = _batches(found)[-SMALL_BATCHES:]
        medians.append(median(seconds for seconds, _ in batches))
    ours, baseline = medians
    return Row("mediation.batch_on_12_months", ours / baseline, bar=1.15, aim=1.05, unit="x", better="lower",
               ours=ours * SMALL_BATCHES, baseline=baseline * SMALL_BATCHES)  # fmt: skip


def waits(rate: int, seconds: int, subscribers: int) -> list[Row]:
    """p50 and p99 of the seconds from when a record is sent to the mark of its batch, at a steady rate.

    The stream warms up at the same rate first, which does not count. No row where the producer does not reach the
    rate: those are other waits.
    """
    from generators.dirt import DirtRates
    from generators.producer import produce
    from generators.usage import plan_usage

    with bench(ON_TWO_CORES) as found:
        population = seeded(found, subscribers)
        rates = DirtRates.from_settings(found.settings.generator)
        first = plan_usage(population, SEED, rate, "2026-09", rates=rates)
        produce(first.records(None, None), found.settings, found.folder / "truth")
        mediated(found)
        plan = plan_usage(population, SEED + 1, rate * (WARM_SECONDS + seconds), "2026-10", rates=rates)
        # Made beforehand, so that the generator takes no part of the two cores.
        records = list(plan.records(None, None))
        gc.freeze()
        with streaming(found):
            begun = time.time()
            sent = produce(_sent_now(records), found.settings, found.folder / "truth", rate=rate)
            wait_until_published(found)
        gc.unfreeze()
        waited = _marks(found).join(
            Lake(found.spark, found.settings.lake.root).read("raw_cdr").select("batch_no", "arrived_at"), "batch_no"
        )
        wait = F.unix_millis("published_at") - F.unix_millis("arrived_at")
        ranks = [F.percentile(wait, F.lit(rank)) for rank in (0.5, 0.99)]
        counted = F.unix_millis("arrived_at") >= int((begun + WARM_SECONDS) * 1000)
        p50, p99 = (float(value) / 1000 for value in waited.where(counted).agg(*ranks).collect()[0])
    print(f"at {rate} records/s: p50 {p50:.2f} s, p99 {p99:.2f} s; sent {sent.records_per_second:.0f}", flush=True)
    if sent.records_per_second < rate * REACHED:
        remark(
            f"no row of waits at {rate} records/s: the producer reached {sent.records_per_second:.0f}", level="warning"
        )
        return []
    name = f"mediation.wait_at_{rate}"
    return [
        Row(f"{name}_p50", p50, bar=10, aim=3, unit="s", better="lower"),
        Row(f"{name}_p99", p99, bar=30, aim=6, unit="s", better="lower"),
    ]


def _sent_now(records: Iterable[GeneratedRecord]) -> Iterator[GeneratedRecord]:
    """The same records, each with the clock's time of now in place of the month's in which it was to arrive."""
    for key, value, _, truth in records:
        yield key, value, int(time.time() * 1000), truth


def _marks(found: Bench) -> DataFrame:
    marks = Lake(found.spark, found.settings.lake.root).read("control_mediation")
    return marks.select("batch_no", "received", F.col("_metadata.file_modification_time").alias("published_at"))


def _batches(found: Bench) -> list[tuple[float, int]]:
    """Seconds and records of each batch but the first, in order."""
    rows = _marks(found).orderBy("batch_no").collect()
    return [
        ((row["published_at"] - before["published_at"]).total_seconds(), int(row["received"]))
        for before, row in pairwise(rows)
    ]


def _per_record(batches: list[tuple[float, int]]) -> float:
    return sum(seconds for seconds, _ in batches) / sum(records for _, records in batches)
