"""Publishing generated records to Kafka in their order, noting where each one lands."""

from __future__ import annotations

import gc
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

from generators.cdr import GeneratedRecord
from generators.truth import Truth, TruthFile
from tollgate.platform.errors import TollgateError
from tollgate.platform.kafka import end_offsets, ensure_topic
from tollgate.platform.kafka_out import open_producer
from tollgate.platform.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator


STEP = 1000  # records between two looks at the clock
LIVE_OBJECTS = 100_000  # how many more make the garbage collector run while records are sent


@dataclass
class Report:
    """What was generated: records by (class, kind, expected disposition, expected code), and how long it took."""

    records: int = 0
    seconds: float = 0.0
    payload_bytes: int = 0
    counts: Counter[tuple[str, str, str, str]] = field(default_factory=Counter)
    offsets: dict[int, tuple[int, int]] = field(default_factory=dict)
    truth_file: str = ""

    @property
    def records_per_second(self) -> float:
        return self.records / self.seconds if self.seconds else 0.0

    def by_class(self) -> dict[str, int]:
        """Records of each dirt class, by name."""
        totals: Counter[str] = Counter()
        for (dirt_class, *_), records in self.counts.items():
            totals[dirt_class] += records
        return dict(sorted(totals.items()))

    def as_dict(self) -> dict[str, Any]:
        """For JSON: kinds as rows; offsets as [start, end) by partition."""
        names = ("dirt_class", "dirt_kind", "expected_disposition", "expected_code", "records")
        return {
            "records": self.records,
            "seconds": round(self.seconds, 3),
            "records_per_second": round(self.records_per_second),
            "payload_bytes": self.payload_bytes,
            "by_class": self.by_class(),
            "by_kind": [
                dict(zip(names, (*label, records), strict=True)) for label, records in sorted(self.counts.items())
            ],
            "offsets": {str(partition): list(span) for partition, span in self.offsets.items()},
            "truth_file": self.truth_file,
        }


def produce(
    records: Iterable[GeneratedRecord],
    settings: Settings,
    truth_folder: str | Path,
    *,
    rate: float | None = None,
    progress: Callable[[int], None] | None = None,
) -> Report:
    """Send the records in their order and write one truth file into the folder.

    The topic is made when it is missing. A record's partition is crc32(key) % partitions, without a key its number %
    partitions; its
    offset follows from the broker's end offset, so nobody else may write to the topic meanwhile. rate: records a
    second, at most.
    TollgateError when a record was not taken, or the broker's end offsets are others than expected; then no truth
    file is left.
    """
    ensure_topic(settings)
    starts = end_offsets(settings)
    with open_producer(settings) as producer, TruthFile(truth_folder, settings.kafka.topic, starts) as truth_file:
        ends = dict(starts)
        topic = settings.kafka.topic

        def send(key: bytes | None, value: bytes | None, arrival_ms: int, truth: Truth) -> None:
            partition = partition_of(key, truth.number, len(starts))
            producer.send(topic, value=value, key=key, partition=partition, timestamp_ms=arrival_ms)
            truth_file.add(partition, ends[partition], truth)
            ends[partition] += 1

        with few_collections():
            report = _run(records, send, producer.flush, rate, progress)
        found = end_offsets(settings)
        if found != ends:
            raise TollgateError(
                "the topic does not end where it should",
                expected=f"end offsets {ends}",
                found=f"{found}",
                where=f"topic {topic}",
                way_out="let one producer at a time write to the topic; start again from an empty topic",
            )
    report.offsets = {partition: (starts[partition], ends[partition]) for partition in starts}
    report.truth_file = str(truth_file.path)
    return report


def rehearse(
    records: Iterable[GeneratedRecord], *, rate: float | None = None, progress: Callable[[int], None] | None = None
) -> Report:
    """Generate and count the records, send nothing."""
    return _run(records, lambda *record: None, lambda: None, rate, progress)


def partition_of(key: bytes | None, number: Callable[[], int], partitions: int) -> int:
    """By the key, so that copies follow their original; without one by a number of the record."""
    return (crc32(key) if key is not None else number()) % partitions


def _run(
    records: Iterable[GeneratedRecord],
    send: Callable[[bytes | None, bytes | None, int, Truth], None],
    finish: Callable[[], Any],
    rate: float | None,
    progress: Callable[[int], None] | None,
) -> Report:
    report = Report()
    started = time.perf_counter()
    counts: Counter[tuple[str, str, str, str]] = report.counts
    number = 0
    for number, (key, value, arrival_ms, truth) in enumerate(records, start=1):
        send(key, value, arrival_ms, truth)
        report.payload_bytes += len(value or b"")
        counts[truth.kind[:4]] += 1
        if number % STEP == 0:
            if rate:
                time.sleep(max(0.0, started + number / rate - time.perf_counter()))
            if progress:
                progress(number)
    finish()
    report.records, report.seconds = number, time.perf_counter() - started
    if progress:
        progress(number)
    return report


@contextmanager
def few_collections() -> Iterator[None]:
    """Let the garbage collector run rarely in the block.

    The client keeps about ten objects for each record until its batch is acknowledged, and frees them by count then:
    the collector would walk them again and again, nearly a third of all the time, and find nothing.
    """
    before = gc.get_threshold()
    gc.set_threshold(LIVE_OBJECTS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
