"""Mediation by itself, from Kafka through both tables and the marks: its cost beside parsing alone and beside the
common way, over a long run, on a long history, and how long a record waits."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from typing import Any, NamedTuple

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from benchmarks.common_way import KEY, accepted_once, with_reasons
from benchmarks.cost import Cost, cost_of
from benchmarks.route import SEED, Bench, bench, seeded
from benchmarks.rows import Row
from tollgate.mediation.dialects.records import RECORD
from tollgate.mediation.rules import ID_CONFLICT
from tollgate.platform import kafka
from tollgate.platform.errors import TollgateError
from tollgate.platform.lake import Lake

MEDIATION = "mediation"
# Months for the warm-up, and one a run. In the second the JVM's compilers still take a fifth of the CPU.
WARM_MONTHS, MONTHS = ("2026-06", "2026-07"), ("2026-08", "2026-09", "2026-10")
ON_TWO_CORES = {"spark.master": "local[2]", "spark.driver_memory": "2g"}
BATCH = 250_000
# What both ways must have made of an accepted record, besides its key.
VALUES = ("started_at", "duration_s", "volume_bytes", "msisdn", "destination")


class Run(NamedTuple):
    """Records of a month, and what they cost our way, the common way and parsed alone."""

    records: int
    ours: Cost
    theirs: Cost
    parsed: Cost


def mediation_rows(events: int, subscribers: int) -> list[Row]:
    """Records a second; against the common way, by the clock and by CPU; CPU against bare `from_json` of the same
    bytes out of the same topic. Medians of three runs.

    events: records of the three runs together, of the demo's mix with its copies. Each run is a month that back-fill
    has put into Kafka; two as large go before them and are not counted. Raises TollgateError unless both ways
    accept the same events.
    """
    with bench({**ON_TWO_CORES, "mediation.max_offsets_per_trigger": str(BATCH)}) as found:
        seeded(found, subscribers)
        # A month begins where the topic ends, and the first one would make it later than that.
        kafka.ensure_topic(found.settings)
        of_run = max(events // len(MONTHS), 1)
        for month in WARM_MONTHS:
            month_of(found, month, of_run, subscribers)
        runs = [month_of(found, month, of_run, subscribers) for month in MONTHS]
        same_events(found)

    def against(name: str, read: Callable[[Cost], float], bar: float) -> Row:
        mine, others = sum(read(run.ours) for run in runs), sum(read(run.theirs) for run in runs)
        ratio = median(read(run.theirs) / read(run.ours) for run in runs)
        return Row(name, ratio, bar=bar, aim=3, unit="x", ours=mine, baseline=others)

    rate = median(run.records / run.ours.seconds for run in runs)
    against_parse = median(run.ours.cpu / run.parsed.cpu for run in runs)
    return [
        Row("mediation.rate", rate, bar=10_000, aim=100_000, unit="records/s"),
        against("mediation.against_common_way", lambda cost: cost.seconds, bar=2),
        against("mediation.cpu_against_common_way", lambda cost: cost.cpu, bar=2),
        Row("mediation.cpu_against_parse", against_parse, bar=9, aim=6, unit="x", better="lower",
            ours=sum(run.ours.cpu for run in runs), baseline=sum(run.parsed.cpu for run in runs)),
    ]  # fmt: skip


def backfilled(found: Bench, month: str, events: int, subscribers: int, months: int = 1) -> int:
    """Put the months before `month` into Kafka; records."""
    from jobs import backfill

    of_months = ["--months", str(months), "--before", month, "--seed", str(SEED), "--subscribers", str(subscribers)]
    return int(found.run_job(backfill, *of_months, "--events", str(events))["records"])


def mediated(found: Bench) -> None:
    """Mediate all that is there."""
    from jobs import mediate_usage

    found.run_job(mediate_usage, "--once")


def month_of(found: Bench, month: str, events: int, subscribers: int) -> Run:
    """Put the month before `month` into Kafka, and read it in three ways, one after the other."""
    begun = kafka.end_offsets(found.settings)
    records = backfilled(found, month, events, subscribers)
    ours = cost_of(found.spark, lambda: mediated(found))
    ended = kafka.end_offsets(found.settings)
    theirs = cost_of(found.spark, lambda: _the_common_way(found, begun, ended))
    fields = F.from_json(F.col("payload").cast("STRING"), RECORD).alias("json")
    parsed = _records(found, begun, ended).select(fields).select("json.*")
    return Run(records, ours, theirs, cost_of(found.spark, lambda: _into_nothing(parsed)))


def _the_common_way(found: Bench, begun: dict[int, int], ended: dict[int, int]) -> None:
    """The records of [begun, ended) into three tables: bytes, accepted, set aside; in batches as large as ours."""
    lake, place = Lake(found.spark, found.settings.lake.root), f"{found.folder}/common"
    sources, cells = (_newest(lake.read(name)) for name in ("ref_source", "ref_cell"))
    batches = -(-sum(ended[part] - begun.get(part, 0) for part in ended) // BATCH)
    for number in range(batches):
        low, high = (_share(begun, ended, at, batches) for at in (number, number + 1))
        raw = _records(found, low, high).withColumn("batch_no", F.lit(number))
        raw.write.format("delta").mode("append").save(f"{place}/raw")
        judged = with_reasons(
            _records(found, low, high).withColumn("batch_no", F.lit(number)), sources, cells
        ).persist()
        judged.where(F.size("reasons") > 0).write.format("delta").mode("append").save(f"{place}/set_aside")
        sound = accepted_once(judged, _known(found, f"{place}/usage"))
        sound.write.format("delta").partitionBy("event_month").mode("append").save(f"{place}/usage")
        judged.unpersist()


def _newest(table: DataFrame) -> DataFrame:
    return table.where(F.col("snapshot_id") == table.agg(F.max("snapshot_id")).collect()[0][0])


def _share(begun: dict[int, int], ended: dict[int, int], number: int, of: int) -> dict[int, int]:
    return {part: begun.get(part, 0) + (ended[part] - begun.get(part, 0)) * number // of for part in ended}


def _records(found: Bench, low: dict[int, int], high: dict[int, int]) -> DataFrame:
    import json

    topic = found.settings.kafka.topic
    ends = {"startingOffsets": low, "endingOffsets": high}
    reader = found.spark.read.format("kafka").option("subscribe", topic)
    for option, offsets in ends.items():
        reader = reader.option(option, json.dumps({topic: {str(part): at for part, at in offsets.items()}}))
    return (
        reader.option("kafka.bootstrap.servers", kafka.bootstrap(found.settings)).load()
        .select(
            F.col("partition").alias("kafka_partition"), F.col("offset").alias("kafka_offset"),
            F.col("timestamp").alias("arrived_at"), F.col("value").alias("payload"),
        )
    )  # fmt: skip


def _known(found: Bench, path: str) -> DataFrame:
    from delta.tables import DeltaTable

    if not DeltaTable.isDeltaTable(found.spark, path):
        return found.spark.createDataFrame([], "source STRING, event_id STRING")
    return found.spark.read.format("delta").load(path).select(*KEY)


def same_events(found: Bench) -> None:
    """TollgateError unless both ways accepted the same (source, event_id), with the same time, amounts and numbers: a
    wrong result has no speed.

    Of copies that contradict each other the common way keeps any, so of their ids the key alone is compared.
    """
    usage = Lake(found.spark, found.settings.lake.root).read("usage_event")
    ours = usage.where("disposition = 'accepted'").select(*KEY, *VALUES)
    theirs = found.spark.read.format("delta").load(f"{found.folder}/common/usage").selectExpr(
        *KEY, "started_at", "coalesce(duration_s, 0) AS duration_s", "coalesce(volume_bytes, 0) AS volume_bytes",
        "msisdn_e164 AS msisdn", "destination_e164 AS destination",
    )  # fmt: skip
    torn = usage.where(F.array_contains("reasons", ID_CONFLICT)).select(*KEY).distinct()
    for what, columns, left_out in (("events", KEY, None), ("values", [*KEY, *VALUES], torn)):
        sums = [
            (frame if left_out is None else frame.join(left_out, KEY, how="left_anti"))
            .agg(F.count("*"), F.sum(F.xxhash64(*columns).cast("DECIMAL(38,0)"))).collect()[0]
            for frame in (ours, theirs)
        ]  # fmt: skip
        if sums[0] != sums[1]:
            raise TollgateError(
                f"the common way accepts other {what}", expected=str(tuple(sums[0])), found=str(tuple(sums[1]))
            )


def _into_nothing(frame: Any) -> None:
    frame.write.format("noop").mode("overwrite").save()
