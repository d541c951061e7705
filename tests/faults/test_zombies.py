"""Two streams where one is meant to be alone: asleep and woken, past the lock, or with other plans for one batch."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from faults.route import ROOT, Route
from faults.stream import published
from generators.producer import produce
from jobs.micro_batch import MicroBatches, Pins
from tollgate.mediation.rules import RULE_VERSION
from tollgate.platform import kafka, locks
from tollgate.platform.errors import TollgateError


def records(route: Route, first: int, last: int) -> DataFrame:
    """Rows as the Kafka source gives them, but with other payloads each time that they are computed."""
    payload = F.concat(F.lit('{"source":"nobody","event_id":"'), F.expr("uuid()"), F.lit('"}'))
    return route.spark.range(first, last).select(
        F.lit(route.settings.kafka.topic).alias("topic"),
        F.lit(0).alias("partition"),
        F.col("id").alias("offset"),
        F.expr("TIMESTAMP '2026-10-05 18:10:00'").alias("timestamp"),
        F.lit(None).cast("BINARY").alias("key"),
        payload.cast("BINARY").alias("value"),
        F.lit(None).cast("ARRAY<STRUCT<key: STRING, value: BINARY>>").alias("headers"),
    )


def take(route: Route, generation: int, batch_no: int, first: int, last: int) -> None:
    batches = MicroBatches(route.lake)
    offsets = {"0": (first, last)}
    pins = Pins(batch_no, generation, route.settings.kafka.topic, offsets, batches.newest_snapshot(), RULE_VERSION)
    batches.take(records(route, first, last), pins)


@pytest.mark.long
@pytest.mark.covers("MED-14", "MED-29")
def test_a_batch_is_mediated_from_what_was_written_and_not_read_twice(copy_of, tmp_path):
    route = copy_of(tmp_path / "lake")
    batch_no = max(row["batch_no"] for row in route.lake.read("control_mediation").collect()) + 1
    take(route, 1, batch_no, 1_000, 1_020)
    of_batch = [route.lake.read(table).where(F.col("batch_no") == batch_no) for table in ("raw_cdr", "usage_event")]
    raw, usage = ({row["kafka_offset"]: row for row in rows.collect()} for rows in of_batch)
    assert len(raw) == len(usage) == 20
    assert all(row["event_id"].encode() in raw[offset]["payload"] for offset, row in usage.items())


@pytest.mark.long
@pytest.mark.covers("MED-14", "MED-29")
def test_two_streams_past_the_lock_that_planned_a_batch_differently_leave_one_of_the_two(copy_of, tmp_path):
    route = copy_of(tmp_path / "lake")
    batch_no = max(row["batch_no"] for row in route.lake.read("control_mediation").collect()) + 1
    take(route, 1, batch_no, 1_000, 1_020)
    before = route.commits()
    with pytest.raises(TollgateError, match=f"batch {batch_no} does not balance") as told:
        take(route, 1, batch_no, 1_000, 1_030)
    assert "30 records received, 20 in raw_cdr" in told.value.found
    assert route.commits() == before
    # The same plan again is a repeat, and writes nothing.
    take(route, 1, batch_no, 1_000, 1_020)
    assert route.commits() == before


@contextmanager
def process(route: Route) -> Iterator[subprocess.Popen[str]]:
    """A stream that goes on, as a process of its own."""
    command = [sys.executable, str(ROOT / "jobs" / "mediate_usage.py"), "--trigger-seconds", "1"]
    started = subprocess.Popen(
        command, env={**os.environ, **route.environment()}, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, start_new_session=True,
    )  # fmt: skip
    try:
        yield started
    finally:
        # With its JVM, which is in the same group.
        os.killpg(started.pid, signal.SIGCONT)
        os.killpg(started.pid, signal.SIGKILL)
        started.wait(20)


def wait_for(route: Route, records: int) -> None:
    give_up = time.monotonic() + 120
    while published(route) < records:
        assert time.monotonic() < give_up
        time.sleep(0.5)


def more(route: Route, some: list, name: str) -> None:
    produce(some, route.settings, Path(route.lake.root).with_name(name))


@pytest.mark.long
@pytest.mark.covers("MED-01", "MED-29")
def test_a_stream_that_was_put_to_sleep_keeps_its_place_and_once_overtaken_writes_nothing(
    start_route, month_of_records, monkeypatch
):
    monkeypatch.setattr(locks, "_acquire", lambda *lock, acquire=locks._acquire: acquire(*lock[:2], 0))
    route = start_route("asleep", month_of_records[:40])
    with process(route) as asleep:
        wait_for(route, 40)
        os.killpg(asleep.pid, signal.SIGSTOP)
        more(route, month_of_records[40:60], "asleep_1")
        with pytest.raises(TollgateError, match="another process has been writing"):
            route.mediate()
        os.killpg(asleep.pid, signal.SIGCONT)
        wait_for(route, 60)

        os.killpg(asleep.pid, signal.SIGSTOP)
        more(route, month_of_records[60:80], "asleep_2")
        # Somebody takes the locks out of the way, and the checkpoint for lost.
        for lock in [*Path(route.lake.root).glob("_locks/*"), Path(route.settings.mediation.checkpoint) / "_lock"]:
            lock.unlink()
        assert route.mediate(None, "--new-generation")["received"] == 20
        commits, stands = route.commits(), route.records()
        os.killpg(asleep.pid, signal.SIGCONT)
        more(route, month_of_records[80:90], "asleep_3")
        said, _ = asleep.communicate(timeout=120)
    assert asleep.returncode == 1
    assert "a stream of another checkpoint generation has gone on from here" in said
    assert "Traceback" not in said
    assert (route.commits(), route.records()) == (commits, stands)
    assert route.mediate()["received"] == 10
    rows = route.lake.read("raw_cdr")
    assert rows.count() == rows.select("kafka_partition", "kafka_offset").distinct().count() == 90
    assert sum(kafka.end_offsets(route.settings).values()) == 90
