"""One micro-batch of mediation: three commits in order, each of which happens once, and what stands in them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import IntegerType, LongType, StructType

from jobs.pinned import SNAPSHOT_APP_ID, load_reference
from tollgate.mediation.balance import DISPOSITIONS, HANDED_OVER, Handed, handed_over, mark, read_back
from tollgate.mediation.continuity import Offsets
from tollgate.mediation.identity import NO_MONTH, known_keys, packed, resolve_duplicates
from tollgate.mediation.rules import LATEST_ARRIVAL, RULE_VERSION
from tollgate.mediation.usage import COLUMNS, mediate
from tollgate.platform.crash import crash_point
from tollgate.platform.errors import TollgateError
from tollgate.platform.lake import Lake, few_rows, kept, let_go
from tollgate.platform.skipping import skipping
from tollgate.reference.frames import Reference
from tollgate.steps import compiled_apart

JOB = "mediate_usage"
COUNTED = ("received", *DISPOSITIONS, "late")
SUMMED = ("records", *DISPOSITIONS, "late")  # by source
# Records that are worth a look at the statistics of raw_cdr, so that all cores get their part of them.
SHARED_FROM = 5_000
_RANGES = StructType().add("partition", IntegerType()).add("start", LongType()).add("end", LongType())
# The plan of mediation and its snapshot, by session and lake.
_PLANS: dict[tuple[str, str], tuple[int, DataFrame]] = {}


def app_id(generation: int) -> str:
    """Under which Delta remembers the commits of a checkpoint generation."""
    return f"{JOB}/{generation}"


@dataclass(frozen=True)
class Pins:
    """What decides the outcome of a batch; stands in the metadata of its raw_cdr commit.

    offsets: [start, end). topic_id: the broker's own id of the topic, None when it does not tell or was not asked.
    """

    batch_no: int
    generation: int
    topic: str
    offsets: Mapping[str, tuple[int, int]]
    snapshot_id: int
    rule_version: int
    topic_id: str | None = None

    @property
    def app_id(self) -> str:
        """Under which Delta remembers the commits of a generation."""
        return app_id(self.generation)

    @property
    def records(self) -> int:
        """How many there are in the batch."""
        return sum(end - start for start, end in self.offsets.values())

    @property
    def start(self) -> Offsets:
        """The offset of the first record of each partition."""
        return {int(partition): start for partition, (start, _) in self.offsets.items()}

    @property
    def end(self) -> Offsets:
        """The offset after the last record of each partition."""
        return {int(partition): end for partition, (_, end) in self.offsets.items()}


class MicroBatches:
    """The batches in the lake: `take` brings a new one through, `finish` one whose raw_cdr commit stands."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        # Of the batches since the start. A stream runs for months, so their marks are added up and not kept.
        self.figures: Counter[str] = Counter()
        self.by_reason: Counter[str] = Counter()
        self.by_source: dict[str, Counter[str]] = {}
        self.newest: dict[str, Any] = {}

    def take(self, records: DataFrame, pins: Pins, still_the_topic: Callable[[], None] = lambda: None) -> None:
        """Keep the bytes of a batch in raw_cdr, mediate them from there, and mark that it balances.

        records: rows of Spark's Kafka source with headers. still_the_topic: raises when the topic was made anew; asked
        before the records are read and again after, as it may happen on the way. Raises TollgateError when a stream of
        another generation has come as far: no lock reaches it where the lake is no local disk.
        """
        self._refuse_if_overtaken(pins)
        still_the_topic()
        raw = records.select(
            F.lit(pins.batch_no).cast("BIGINT").alias("batch_no"),
            "topic",
            F.col("partition").alias("kafka_partition"),
            F.col("offset").alias("kafka_offset"),
            F.expr(f"if(timestamp > {LATEST_ARRIVAL}, {LATEST_ARRIVAL}, timestamp)").alias("arrived_at"),
            F.col("key").alias("record_key"),
            F.col("value").alias("payload"),
            "headers",
        )
        self._lake.append(raw, "raw_cdr", pins.app_id, pins.batch_no, asdict(pins))
        still_the_topic()
        crash_point("mediate.after_raw")
        self.finish(pins)

    def finish(self, pins: Pins) -> None:
        """Mediate a batch out of its raw_cdr rows and mark it; same pins, same result, and what stands is not written
        again."""
        handed = self._mediate(pins)
        crash_point("mediate.after_usage")
        self._mark(pins, handed)
        crash_point("mediate.after_mark")

    def newest_snapshot(self) -> int:
        """The newest visible reference snapshot; TollgateError when there is none."""
        # The number under which its row was committed: known without reading a row, which each batch would do.
        newest = self._lake.last_version("control_snapshot", SNAPSHOT_APP_ID)
        if newest is None:
            raise TollgateError(
                "no reference snapshot is taken",
                where=self._lake.path("control_snapshot"),
                way_out="run `tollgate snapshot_reference`",
            )
        return newest

    def _mediate(self, pins: Pins) -> Handed:
        """Write the batch's usage events, and give what was to be written by source."""
        if pins.rule_version != RULE_VERSION:
            raise TollgateError(
                f"batch {pins.batch_no} began under another version of the mediation rules",
                expected=f"rule version {pins.rule_version}",
                found=f"rule version {RULE_VERSION}",
                way_out="let the release with that version finish the batch, then start this one",
            )
        with self._kept(pins) as candidates:
            sources = handed_over(candidates).collect()
            touched = sorted({month for row in sources for month in row["months"]} - {NO_MONTH})
            history = known_keys(self._lake.read("usage_event"), candidates, touched, pins.batch_no)
            usage = resolve_duplicates(candidates, history).select(*COLUMNS)
            self._lake.append(usage, "usage_event", pins.app_id, pins.batch_no)
        return {row["source"]: tuple(int(row[name]) for name in HANDED_OVER) for row in sources}

    def _refuse_if_overtaken(self, pins: Pins) -> None:
        """Numbers of batches go on over generations, so another one that stands at this number or beyond runs beside
        this stream."""
        streams = {app: no for app, no in self._lake.last_versions("raw_cdr").items() if app.startswith(f"{JOB}/")}
        reached = {app: number for app, number in streams.items() if app != pins.app_id}
        if max(reached.values(), default=-1) >= pins.batch_no:
            raise TollgateError(
                "a stream of another checkpoint generation has gone on from here; this one has ended",
                where=f"{self._lake.path('raw_cdr')}, batch_no = {pins.batch_no}",
                expected=f"generation {pins.generation} alone",
                found=", ".join(f"{app} at batch {number}" for app, number in sorted(reached.items())),
                way_out="leave the other stream running and do not start this one again",
            )

    def _mark(self, pins: Pins, handed: Handed) -> None:
        tables = self._batch_of("raw_cdr", pins), self._batch_of("usage_event", pins)
        ranges = few_rows(self._lake.spark, [(int(part), *span) for part, span in pins.offsets.items()], _RANGES)
        figures = mark(read_back(*tables, ranges).collect(), pins.offsets, handed)
        row = {**asdict(pins), **figures}
        if not figures["balanced"]:
            raise TollgateError(
                f"batch {pins.batch_no} does not balance; nothing from it on is published",
                where=f"{self._lake.path('raw_cdr')} and usage_event, batch_no = {pins.batch_no}",
                expected=f"{figures['received']} records, the offsets {figures['offsets']}",
                found="; ".join(figures["broken"]),
                way_out="find what is missing or twice in the two tables; the batch stays unpublished until then. A "
                "topic with transactional producers or compaction has holes in its offsets and cannot be mediated",
            )
        columns = self._lake.contract("control_mediation")
        frame = self._lake.frame([[row[name] for name in columns.names]], "control_mediation")
        self._lake.append(frame, "control_mediation", pins.app_id, pins.batch_no)
        self.figures.update({"batches": 1, **{name: row[name] for name in COUNTED}})
        self.by_reason.update(row["by_reason"])
        for source in row["by_source"]:
            self.by_source.setdefault(source["source"], Counter()).update({name: source[name] for name in SUMMED})
        self.newest = row

    def _batch_of(self, table: str, pins: Pins) -> DataFrame:
        # What is counted is the same code for every batch, only the search for its rows is not.
        return compiled_apart(self._lake.read(table).where(F.col("batch_no") == pins.batch_no))

    @contextmanager
    def _kept(self, pins: Pins) -> Iterator[DataFrame]:
        # The months decide what of the history is read, so the batch is needed twice and parsed once.
        with skipping(self._lake.spark) if pins.records >= SHARED_FROM else nullcontext():
            frame = kept(packed(self._planned(pins)))
        try:
            yield frame
        finally:
            let_go(frame)

    def _planned(self, pins: Pins) -> DataFrame:
        """The usage events of a batch. To describe those of raw_cdr costs seconds, so the plan is made once a snapshot;
        what of it runs is decided by the condition on top, which the optimizer brings down to the scan."""
        snapshot_id = pins.snapshot_id
        kept = _PLANS.get(key := (self._lake.spark.sparkContext.applicationId, self._lake.root))
        if kept is None or kept[0] != snapshot_id:
            kept = snapshot_id, mediate(self._lake.read("raw_cdr", follow=True), self._pinned(snapshot_id))
            _PLANS[key] = kept
        return kept[1].where(F.col("batch_no") == pins.batch_no)

    def _pinned(self, snapshot_id: int) -> Reference:
        pinned = load_reference(self._lake, snapshot_id)
        if pinned.table("ref_number_range").isEmpty():
            raise TollgateError(
                f"reference snapshot {snapshot_id} has no numbering plans: an earlier release took it",
                where=self._lake.path("ref_number_range"),
                way_out="run `tollgate snapshot_reference`",
            )
        return pinned
