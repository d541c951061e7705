"""The route once, on a broker, a database and a lake of its own, with a stopwatch at each stage.

Every stage works on what the stage before it made, so that one is measured by playing those before it too.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from pyspark.sql import SparkSession

from benchmarks.rows import Row
from tollgate.platform.local_services import running
from tollgate.platform.places import project_root
from tollgate.platform.settings import Settings, load_settings

if TYPE_CHECKING:
    from generators.customers import Population

STAGES = ("generator", "mediation", "rating", "billing")
SEED = 11
CYCLE, CYCLE_END = "2026-10", datetime(2026, 11, 1, 4, tzinfo=timezone.utc)
WARM_UP = 2_000


@dataclass(frozen=True)
class Bench:
    """Where the measurements happen."""

    spark: SparkSession
    settings: Settings
    folder: Path

    def run_job(self, job: ModuleType, *argv: str) -> dict[str, Any]:
        """A job in this session, its own output left out."""
        with contextlib.redirect_stdout(io.StringIO()):
            result: dict[str, Any] = job.run(self.spark, self.settings, job.parser().parse_args(list(argv)))
        return result


def measured(events: int, subscribers: int) -> list[Row]:
    """All rows, in the order of the route."""
    with bench() as found:
        rows = produced(found, events, subscribers)
        rows += _backfilled(found, events, subscribers)
        rows += _mediated(found, events)
        return [*rows, _rated(found), *_billed(found)]


@contextlib.contextmanager
def bench(overrides: dict[str, str] | None = None) -> Iterator[Bench]:
    """A broker, a database, a lake and a session of its own, under build/bench. overrides: settings by dotted key."""
    from tollgate.platform.spark import spark_session

    folder = project_root() / "build" / "bench"
    shutil.rmtree(folder, ignore_errors=True)
    before = os.environ.get("TOLLGATE_STATE")
    os.environ["TOLLGATE_STATE"] = str(folder / "state")
    own = {"lake.root": str(folder / "lake"), "kafka.bootstrap": "", "postgres.url": ""}
    settings = load_settings(None, {**own, "spark.generated_code": "true", **(overrides or {})})
    try:
        with running(settings):
            spark = spark_session(settings, "bench")
            try:
                yield Bench(spark, settings, folder)
            finally:
                spark.stop()
    finally:
        if before is None:
            del os.environ["TOLLGATE_STATE"]
        else:
            os.environ["TOLLGATE_STATE"] = before


def seeded(bench: Bench, subscribers: int) -> Population:
    """Price book, population and reference snapshot: what mediation needs before the first record."""
    from generators.customers import build_population
    from generators.seed_crm import seed
    from jobs import publish_pricebook, snapshot_reference
    from tollgate.platform.postgres import migrate

    migrate(bench.settings)
    bench.run_job(publish_pricebook, "--author", "bench", "--reason", "bench")
    population = build_population(SEED, subscribers)
    seed(bench.settings, population)
    bench.run_job(snapshot_reference)
    return population


def produced(bench: Bench, events: int, subscribers: int) -> list[Row]:
    """Records generated, produced and acknowledged a second, in one process; the plan and the population count too."""
    from generators.dirt import DirtRates
    from generators.producer import produce
    from generators.usage import plan_usage
    from jobs import mediate_usage

    population = seeded(bench, subscribers)
    rates = DirtRates.from_settings(bench.settings.generator)
    warm_up = plan_usage(population, SEED, WARM_UP, "2026-09", rates=rates)
    produce(warm_up.records(None, None), bench.settings, bench.folder / "truth")
    bench.run_job(mediate_usage, "--once")
    begun = time.perf_counter()
    plan = plan_usage(population, SEED, events, CYCLE, rates=rates)
    report = produce(plan.records(None, None), bench.settings, bench.folder / "truth")
    seconds = time.perf_counter() - begun
    return [Row("generator.produce_rate", report.records / seconds, bar=20_000, aim=40_000, unit="records/s")]


def _backfilled(bench: Bench, events: int, subscribers: int) -> list[Row]:
    """Records that Spark sends a second when it moves a month to six others, in a session that has done so before.

    To a topic of its own, so that the stages after it have what they had. Making the month that is moved is the
    generator's work, done once, and does not count.
    """
    from jobs import backfill

    kafka = bench.settings.kafka.model_copy(update={"topic": "cdr.backfill"})
    aside = replace(bench, settings=bench.settings.model_copy(update={"kafka": kafka}))
    arguments = ["--months", "6", "--before", CYCLE, "--seed", str(SEED), "--subscribers", str(subscribers)]
    aside.run_job(backfill, *arguments, "--events", str(WARM_UP))
    sent = aside.run_job(backfill, *arguments, "--events", str(events))
    return [
        Row("generator.backfill_rate", sent["records"] / sent["seconds"], bar=100_000, aim=200_000, unit="records/s")
    ]


def _mediated(bench: Bench, events: int) -> list[Row]:
    """Records a second from Kafka through both tables and the marks, in a session that has mediated before."""
    from jobs import mediate_usage

    seconds = seconds_of(lambda: bench.run_job(mediate_usage, "--once"))
    return [Row("mediation.rate", events / seconds, bar=10_000, aim=100_000, unit="records/s")]


def _rated(bench: Bench) -> Row:
    """Accepted events of the lake priced a second, written as Parquet files; the faster of two runs."""
    from jobs.pinned import load_price_book, load_reference
    from tollgate.platform.lake import Lake
    from tollgate.rating.rate import rate_events

    lake = Lake(bench.spark, bench.settings.lake.root)
    book, reference = load_price_book(lake), load_reference(lake)
    events = lake.read("usage_event").where("disposition = 'accepted'")
    accepted = events.count()
    rated = rate_events(events, book, reference, 1)
    out = str(bench.folder / "rated")
    seconds = min(seconds_of(lambda: rated.write.mode("overwrite").parquet(out)) for _ in range(2))
    return Row("rating.rate", accepted / seconds, bar=30_000, aim=250_000, unit="events/s")


def _billed(bench: Bench) -> list[Row]:
    """Seconds to bill, check, approve and post the month."""
    night(bench)
    took = seconds_of(lambda: month(bench))
    return [Row("billing.month_seconds", took, bar=90, aim=20, unit="s", better="lower")]


def night(bench: Bench) -> None:
    """Check and rate all that is mediated."""
    from jobs import check_quality, rate_usage

    bench.run_job(check_quality)
    bench.run_job(rate_usage)
    bench.run_job(check_quality, "--table", "rated_usage")


def month(bench: Bench) -> None:
    """Bill CYCLE, check its invoices, approve and post them."""
    from jobs import bill_accounts, check_quality

    bench.run_job(bill_accounts, "--action", "run", "--cycle", CYCLE, "--as-of", CYCLE_END.isoformat())
    bench.run_job(check_quality, "--table", "invoice")
    bench.run_job(bill_accounts, "--action", "approve", "--cycle", CYCLE, "--approver", "auto")
    bench.run_job(bill_accounts, "--action", "post", "--cycle", CYCLE)


def seconds_of(action: Callable[[], Any]) -> float:
    """Wall seconds of `action`."""
    begun = time.perf_counter()
    action()
    return time.perf_counter() - begun
