"""Mediate call detail records from Kafka into raw_cdr and usage_event, batch by batch, each published by its mark.

A batch is three commits: the bytes, the usage events made from those bytes as they stand, the mark that both balance.
The job starts only where its checkpoint, raw_cdr and the broker tell one story; see docs/mediation.md.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from pyspark.errors import StreamingQueryException
from pyspark.sql import DataFrame, SparkSession

from jobs.micro_batch import COUNTED, JOB, MicroBatches, Pins
from jobs.standing import standing
from jobs.stream_watch import StreamWatch
from jobs.table_upkeep import Upkeep, keep_up
from tollgate.mediation import continuity
from tollgate.mediation.continuity import NEW_GENERATION, Disagreement, Offsets, Standing
from tollgate.mediation.rules import RULE_VERSION
from tollgate.platform import kafka
from tollgate.platform.checkpoint import batch_end, generations, read_checkpoint, start_offsets
from tollgate.platform.errors import TollgateError
from tollgate.platform.folders import Folder
from tollgate.platform.job import add_common, main, whole_number
from tollgate.platform.lake import Lake
from tollgate.platform.progress import remark
from tollgate.platform.settings import Settings
from tollgate.platform.short_logs import FILES_BY_COMMITS
from tollgate.platform.stream_requests import answer
from tollgate.platform.trouble import in_words, of_kafka

EARLIEST = -2  # Kafka's own number for it
REQUESTS_EVERY_S = 1


class _AskedToEnd(Exception):
    """A batch that would begin after the stream was asked to end."""


def parser() -> argparse.ArgumentParser:
    """Arguments of the job."""
    found = argparse.ArgumentParser(prog=JOB, description=__doc__.splitlines()[0])
    found.add_argument("--once", action="store_true", help="take all that is there now, then end (default: go on)")
    found.add_argument(
        "--trigger-seconds", type=whole_number, default=10, metavar="N", help="pause between batches (default: 10)"
    )
    found.add_argument(
        "--new-generation", action="store_true", help="leave a lost or foreign checkpoint behind: go on after raw_cdr"
    )
    return add_common(found)


def run(spark: SparkSession, settings: Settings, args: argparse.Namespace) -> dict[str, Any]:
    """Mediate what the topic holds; returns the figures of this run's batches by disposition, by reason and by source.

    Raises TollgateError where checkpoint, raw_cdr and broker disagree, or when a batch does not balance.
    """
    if not args.once:
        # What a stream reads once it reads for months, and maintenance moves the rows to other files meanwhile.
        spark.conf.set(FILES_BY_COMMITS, "false")
    lake = Lake(spark, settings.lake.root)
    batches = MicroBatches(lake)
    # One stream on a lake and on a checkpoint: a JVM that outlives its killed Python must not commit beside the next.
    with lake.alone(JOB), Folder(spark, settings.mediation.checkpoint).only_writer():
        batches.newest_snapshot()
        begin, end = kafka.begin_offsets(settings), kafka.end_offsets(settings)
        topic_id = kafka.topic_id(settings)
        stands, unmarked = standing(lake, settings.kafka.topic)
        stands, folder = _open_checkpoint(spark, settings, stands, args.new_generation)
        _refuse(continuity.with_broker(stands, begin, end, topic_id), lake.path("raw_cdr"))
        for partition, offset in continuity.lost_before(stands, begin).items():
            remark(
                f"partition {partition} of topic {settings.kafka.topic} begins at offset {offset}: the broker has "
                "deleted what was before it, and nobody has mediated that",
                level="warning",
            )
        stands = replace(stands, topic_id=topic_id)
        watch = StreamWatch(batches, settings.kafka.topic, end)
        for pins in unmarked:
            with watch.batch(pins):
                batches.finish(pins)
        with watch.stream(spark, {**begin, **stands.end}, args.once):
            _stream(spark, settings, args, batches, watch, stands, folder, begin)
    return _summary(batches)


def _open_checkpoint(spark: SparkSession, settings: Settings, stands: Standing, is_new: bool) -> tuple[Standing, str]:
    """The generation to run, with its checkpoint folder; TollgateError when the checkpoint does not fit raw_cdr."""
    root = settings.mediation.checkpoint
    newest = max([stands.generation, *generations(spark, root)])
    if is_new or newest == 0:
        return _next_generation(stands, newest + 1), f"{root}/{newest + 1}"
    if newest > stands.generation:
        stands = _next_generation(stands, newest)
    folder = f"{root}/{newest}"
    found = read_checkpoint(spark, folder, settings.kafka.topic)
    if not found.has_metadata and (found.planned is not None or stands.last_batch_no >= 0):
        raise TollgateError(
            "the checkpoint is missing or has lost its metadata",
            where=folder,
            expected=f"the checkpoint of generation {newest}: raw_cdr ends with batch {stands.last_batch_no}",
            way_out=NEW_GENERATION,
        )
    fits = continuity.with_checkpoint(stands, found.planned, found.planned_end, found.before, found.committed)
    _refuse(fits, folder)
    return stands, folder


def _next_generation(stands: Standing, generation: int) -> Standing:
    return replace(stands, generation=generation, base=stands.last_batch_no + 1)


def _stream(
    spark: SparkSession,
    settings: Settings,
    args: argparse.Namespace,
    batches: MicroBatches,
    watch: StreamWatch,
    stands: Standing,
    folder: str,
    begin: Offsets,
) -> None:
    failed: list[Exception] = []
    reached = stands
    turn = threading.Lock()  # of a batch, or of maintenance between two
    asked = threading.Event()  # to end

    def still_the_topic() -> None:
        _refuse(continuity.with_topic(stands.topic_id, kafka.topic_id_now(settings)), settings.kafka.topic)

    def take(records: DataFrame, batch_id: int) -> None:
        nonlocal reached
        batch_no = stands.base + batch_id
        if batch_no <= reached.last_batch_no:
            return  # Spark replays a batch whose three commits stand already.
        try:
            with turn:
                if asked.is_set():
                    raise _AskedToEnd
                offsets = _planned(spark, folder, settings.kafka.topic, batch_id)
                snapshot = batches.newest_snapshot()
                topic = settings.kafka.topic
                pins = Pins(batch_no, stands.generation, topic, offsets, snapshot, RULE_VERSION, stands.topic_id)
                _refuse(continuity.with_batch(reached.end, pins.start), folder)
                with watch.batch(pins):
                    batches.take(records, pins, still_the_topic)
                reached = replace(reached, last_batch_no=batch_no, end=pins.end)
        except Exception as error:
            # The query fails, so the offsets are not committed; the error is shown as it was raised here.
            failed.append(error)
            raise

    records = _records(spark, settings, {partition: stands.end.get(partition, EARLIEST) for partition in begin})
    writer = records.writeStream.queryName(JOB).option("checkpointLocation", folder).foreachBatch(take)
    pause = {"availableNow": True} if args.once else {"processingTime": f"{args.trigger_seconds} seconds"}
    query = writer.trigger(**pause).start()
    lake = Lake(spark, settings.lake.root)
    with _interrupted(asked):
        try:
            while not (asked.is_set() or query.awaitTermination(REQUESTS_EVERY_S)):
                with turn:
                    answer(lake, lambda work: keep_up(lake, settings, Upkeep(**work)))
        except StreamingQueryException as error:
            if not (failed and isinstance(failed[0], _AskedToEnd)):
                raise _told(failed[0] if failed else error, settings, is_of_batch=bool(failed)) from None
        # Behind the batch at work. Stopped with the turn held, a batch that waits for it would be waited for.
        with turn:
            pass
        query.stop()
    if failed and not isinstance(failed[0], _AskedToEnd):
        raise _told(failed[0], settings, is_of_batch=True) from None


@contextmanager
def _interrupted(asked: threading.Event) -> Iterator[None]:
    """`asked` is set by the first SIGINT, so that the stream ends behind its batch; the second one raises as always.

    Spark's own handler would cancel the jobs of the batch, and raise inside a call into the JVM that then fails.
    """

    def ask(*_: Any) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, ask)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _records(spark: SparkSession, settings: Settings, start: Offsets) -> DataFrame:
    """The topic as a stream with headers, from these offsets on; what is gone from it stops the stream."""
    starting = {settings.kafka.topic: {str(partition): offset for partition, offset in start.items()}}
    return (
        spark.readStream.format("kafka")
        .option("kafka.bootstrap.servers", kafka.bootstrap(settings))
        .option("subscribe", settings.kafka.topic)
        .option("startingOffsets", json.dumps(starting))
        .option("failOnDataLoss", "true")
        .option("maxOffsetsPerTrigger", str(settings.mediation.max_offsets_per_trigger))
        .option("includeHeaders", "true")
        .load()
    )


def _planned(spark: SparkSession, folder: str, topic: str, batch_id: int) -> dict[str, tuple[int, int]]:
    """The offsets [start, end) of a batch by partition; a partition that is new to the topic begins at 0."""
    end = batch_end(spark, folder, topic, batch_id)
    start = batch_end(spark, folder, topic, batch_id - 1) if batch_id else start_offsets(spark, folder, topic)
    return {str(partition): (start.get(partition, 0), offset) for partition, offset in sorted(end.items())}


def _told(error: Exception, settings: Settings, is_of_batch: bool) -> Exception:
    """What ended the stream, for a person; as it was raised when it is a fault of the batch's own code."""
    if isinstance(error, TollgateError):
        return error
    said = of_kafka(error)
    if known := in_words(error):
        return known
    if is_of_batch and said is None:
        return error
    return TollgateError(
        "the stream from Kafka has failed",
        where=f"topic {settings.kafka.topic}",
        found=said or str(error).strip().splitlines()[0][:500],
        way_out="nothing of the failed batch is published; mend the cause and start again",
    )


def _refuse(disagreement: Disagreement | None, where: str) -> None:
    if disagreement is not None:
        what, expected, found, way_out = disagreement
        raise TollgateError(what, expected=expected, found=found, where=where, way_out=way_out)


def _summary(batches: MicroBatches) -> dict[str, Any]:
    figures = {name: batches.figures[name] for name in ("batches", *COUNTED)}
    by_source = {source: dict(counts) for source, counts in sorted(batches.by_source.items())}
    return {**figures, "by_reason": dict(sorted(batches.by_reason.items())), "by_source": by_source}


if __name__ == "__main__":
    sys.exit(main(parser(), run))
