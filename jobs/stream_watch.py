"""What is seen of the stream: each batch with its figures, how much is taken, and how far it is behind the topic."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pyspark.sql import SparkSession
from pyspark.sql.streaming import StreamingQueryListener

from jobs.micro_batch import DISPOSITIONS, MicroBatches, Pins
from tollgate.mediation.continuity import Offsets
from tollgate.platform.progress import BATCH, Step, is_watched, say, step

FIGURES = ("received", *DISPOSITIONS, "late", "by_reason")


class StreamWatch:
    """One run of the stream on a topic. end: the topic's end at its start, as [.., end) by partition.

    Nothing is asked of Kafka or Spark: where the topic ends is what Spark reports of each batch.
    """

    def __init__(self, batches: MicroBatches, topic: str, end: Offsets) -> None:
        self._batches = batches
        self._topic = topic
        self._end = dict(end)
        self._stream: Step | None = None

    @contextmanager
    def batch(self, pins: Pins) -> Iterator[None]:
        """Bring one batch to its mark in the block."""
        with step("batch", kind=BATCH, batch_no=pins.batch_no) as batch:
            batch.note(generation=pins.generation, snapshot_id=pins.snapshot_id)
            yield
            mark = self._batches.newest
            lag = sum(self._behind(pins.end).values())
            batch.note(**{name: mark[name] for name in FIGURES}, published_to=pins.batch_no, lag=lag)
        if self._stream is not None:
            self._stream.advance(mark["received"])
            self._stream.note(batch_no=pins.batch_no, lag=lag)

    @contextmanager
    def stream(self, spark: SparkSession, taken: Offsets, is_bounded: bool) -> Iterator[None]:
        """Run the stream in the block. taken: where it begins. is_bounded: it ends at the topic's end of now."""
        if not is_watched():
            yield
            return
        total = sum(self._behind(taken).values())
        self._say_lag(taken)
        listener = _Listener(self._saw)
        spark.streams.addListener(listener)
        try:
            with step("take records", total=total if is_bounded else None, unit="records") as self._stream:
                yield
        finally:
            spark.streams.removeListener(listener)

    def _saw(self, progress: Any) -> None:
        for source in progress.sources:
            end, taken = _offsets(source.latestOffset, self._topic), _offsets(source.endOffset, self._topic)
            if end and taken:
                self._end.update(end)
                self._say_lag(taken)

    def _say_lag(self, taken: Offsets) -> None:
        behind = self._behind(taken)
        shown = {str(partition): records for partition, records in sorted(behind.items())}
        say("lag seen", level="debug", lag=sum(behind.values()), lag_by_partition=shown)

    def _behind(self, taken: Offsets) -> Offsets:
        return {partition: max(end - taken.get(partition, 0), 0) for partition, end in self._end.items()}


class _Listener(StreamingQueryListener):
    def __init__(self, saw: Any) -> None:
        self._saw = saw

    def onQueryStarted(self, event: Any) -> None:
        """Nothing is known yet."""

    def onQueryProgress(self, event: Any) -> None:
        self._saw(event.progress)

    def onQueryIdle(self, event: Any) -> None:
        """Nothing has come."""

    def onQueryTerminated(self, event: Any) -> None:
        """The job tells its end itself."""


def _offsets(text: str | None, topic: str) -> Offsets:
    # A batch that failed has none, and says so in words.
    found = json.loads(text) if text and text.startswith("{") else {}
    return {int(partition): offset for partition, offset in found.get(topic, {}).items()}
