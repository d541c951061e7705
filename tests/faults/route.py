"""The whole route as a test plays it: one small operator, one lake, one topic, one database a route.

Several routes start from the same published book, seeded customers and snapshot, so that a test pays for those once.
Healthy steps run inside the test's Spark session; a step that is to be killed runs as its own process.
"""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs import (
    bill_accounts,
    check_quality,
    correct_usage,
    mediate_usage,
    publish_pricebook,
    rate_usage,
    snapshot_reference,
)
from jobs.bill_runs import find_run, posted_runs
from tollgate.billing.cycles import month_of, number_of
from tollgate.oracle.billing_check import RunPins
from tollgate.oracle.compare import Books, second_opinion
from tollgate.oracle.report import Report
from tollgate.platform.lake import Lake, contract
from tollgate.platform.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
BATCH_NUMBERS = {"batch_no", "first_batch_no"}
STREAM_TABLES = ("raw_cdr", "usage_event", "control_mediation")
CYCLE, AS_OF = "2026-10", "2026-11-01T04:00:00Z"

# Left out of a canonical export: what a restart or another batching may change without changing a bill.
# Each route has a topic of its own, whose name is no fact of a record.
VOLATILE = {
    "raw_cdr": {"topic"},
    "usage_event": {"topic"},
    "rated_usage": {"rating_no", "batch_no"},
    "billed_usage": {"run_id", "rating_no"},
    "invoice_line": {"run_id"},
    "invoice": {"run_id"},
}


@dataclass(frozen=True)
class Route:
    """One lake, topic and database, with the steps of the demo as methods."""

    spark: SparkSession
    settings: Settings

    @property
    def lake(self) -> Lake:
        return Lake(self.spark, self.settings.lake.root)

    def _run(self, job: Any, *argv: str) -> dict[str, Any]:
        return job.run(self.spark, self.settings, job.parser().parse_args(list(argv)))

    def publish(self, *argv: str) -> int:
        """Publish a price book, the settings' unless --dir is given; returns its version."""
        return int(self._run(publish_pricebook, "--author", "test", "--reason", "route", *argv)["pricebook_version"])

    def snapshot(self) -> dict[str, Any]:
        return self._run(snapshot_reference)

    def prepare(self) -> None:
        self.publish()
        self.snapshot()

    def mediate(self, batch: int | None = None, *argv: str) -> dict[str, Any]:
        route = self if batch is None else Route(self.spark, with_batch(self.settings, batch))
        return route._run(mediate_usage, "--once", *argv)

    def at(self, root: Path, topic: str | None = None) -> Route:
        """The same route with its lake and checkpoint in another folder, and perhaps another topic."""
        s = self.settings
        changes = {
            "lake": s.lake.model_copy(update={"root": str(root)}),
            "mediation": s.mediation.model_copy(update={"checkpoint": str(root / "_checkpoint")}),
            "kafka": s.kafka.model_copy(update={"topic": topic or s.kafka.topic}),
        }
        return Route(self.spark, s.model_copy(update=changes))

    def records(self) -> list[str]:
        """Digests of raw_cdr and usage_event whatever the batches were."""
        return [
            canonical_digest(rows.withColumns({no: F.lit(None) for no in BATCH_NUMBERS & {*rows.columns}}), table)
            for table, rows in ((table, self.lake.read(table)) for table in ("raw_cdr", "usage_event"))
        ]

    def commits(self) -> dict[str, int]:
        """The last version of each of the stream's tables, from its log on disk."""
        return {
            table: max(int(file.stem) for file in (Path(self.lake.path(table)) / "_delta_log").glob("*.json"))
            for table in STREAM_TABLES
        }

    def check(self) -> dict[str, Any]:
        return self._run(check_quality, "--table", "usage_event")

    def rate(self) -> dict[str, Any]:
        rated = self._run(rate_usage)
        self._run(check_quality, "--table", "rated_usage")
        return rated

    def night(self) -> dict[str, Any]:
        self.check()
        return self.rate()

    def correct(self, *argv: str) -> dict[str, Any]:
        """A correction of rated usage; its rows pass the gate as a night's do."""
        corrected = self._run(correct_usage, *argv)
        self._run(check_quality, "--table", "rated_usage")
        return corrected

    def draft(self, cycle: str = CYCLE, as_of: str = AS_OF) -> dict[str, Any]:
        return self._run(bill_accounts, "--cycle", cycle, "--as-of", as_of, "--action", "run")

    def draft_and_approve(self, cycle: str = CYCLE, as_of: str = AS_OF) -> str:
        run_id = self.draft(cycle, as_of)["run_id"]
        self._run(check_quality, "--run-id", run_id)
        self._run(bill_accounts, "--action", "approve", "--run-id", run_id, "--approver", "auto")
        return run_id

    def post(self, run_id: str) -> dict[str, Any]:
        return self._run(bill_accounts, "--action", "post", "--run-id", run_id)

    def bill(self, cycle: str = CYCLE, as_of: str = AS_OF) -> dict[str, Any]:
        return self.post(self.draft_and_approve(cycle, as_of))

    def opinion(self, books: Books) -> Report:
        """The oracle's, on all that was rated and posted. books: as `second_opinion` takes them."""
        pins = []
        for run in (find_run(self.settings, run_id) for run_id in posted_runs(self.settings)):
            month, number = month_of(run.cycle), number_of(run.cycle)
            pins.append(RunPins(run.run_id, month, run.rating_no, run.snapshot_id, cycle_number=number))
        return second_opinion(self.settings.lake.root, books, pins)

    def killed(self, crash_point: str, job: str, *argv: str) -> None:
        """Run a job as its own process and see it die by SIGKILL at `crash_point`."""
        environment = {**os.environ, **self.environment(), "TOLLGATE_CRASH_AT": crash_point}
        done = subprocess.run(
            [sys.executable, str(ROOT / "jobs" / f"{job}.py"), *argv],
            env=environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert done.returncode == -signal.SIGKILL, (
            f"{job} did not die at {crash_point}: {done.returncode}\n{done.stderr[-3000:]}"
        )

    def environment(self) -> dict[str, str]:
        s = self.settings
        return {
            "TOLLGATE_LAKE__ROOT": s.lake.root,
            "TOLLGATE_KAFKA__BOOTSTRAP": s.kafka.bootstrap,
            "TOLLGATE_KAFKA__TOPIC": s.kafka.topic,
            "TOLLGATE_POSTGRES__URL": s.postgres.url,
            "TOLLGATE_MEDIATION__CHECKPOINT": s.mediation.checkpoint,
            "TOLLGATE_MEDIATION__MAX_OFFSETS_PER_TRIGGER": str(s.mediation.max_offsets_per_trigger),
            "TOLLGATE_POSTGRES_PASSWORD": s.postgres.password.get_secret_value(),
            "PYTHONPATH": str(ROOT),
        }

    def digest(self, *tables: str) -> dict[str, str]:
        """SHA-256 of the canonical export of each table: sorted rows, volatile columns left out."""
        return {table: canonical_digest(self.lake.read(table), table) for table in tables}


def with_batch(settings: Settings, batch: int) -> Settings:
    """The settings with micro-batches of at most so many records."""
    return settings.model_copy(
        update={"mediation": settings.mediation.model_copy(update={"max_offsets_per_trigger": batch})}
    )


def canonical_digest(frame: DataFrame, table: str) -> str:
    columns = [field.name for field in contract(table).fields if field.name not in VOLATILE.get(table, set())]
    rows = frame.select(F.to_json(F.struct(*columns), {"ignoreNullFields": "false"}).alias("row")).toPandas()["row"]
    return hashlib.sha256("\n".join(sorted(rows)).encode()).hexdigest()


def shuffled_keeping_copies(records: list[tuple], order: Iterable[float]) -> list[tuple]:
    """The records in another order; copies under one key stay in theirs. A record's key is its first element."""
    permuted = [record for _, record in sorted(zip(order, records, strict=True), key=lambda pair: pair[0])]
    waiting: dict[bytes, list[tuple]] = {}
    for record in records:
        if record[0] is not None:
            waiting.setdefault(record[0], []).append(record)
    return [record if record[0] is None else waiting[record[0]].pop(0) for record in permuted]
