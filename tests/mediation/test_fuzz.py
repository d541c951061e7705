"""Damaged payloads by the thousand, in `make fuzz` by the million, through the job's own batches.

One disposition each, no failed batch.
"""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from frames import small_frame
from mediation.mutations import ACCEPTED, ANY, MUTATIONS, cases
from mediation.records import ARRIVAL, small_reference
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.micro_batch import MicroBatches, Pins
from tollgate.mediation.balance import UNREADABLE_ARRIVAL
from tollgate.mediation.rules import RULE_VERSION
from tollgate.mediation.usage import REFERENCE_TABLES
from tollgate.platform.lake import Lake, contract

SEED, A_BATCH, PARTITIONS = 2026, 50_000, 2
# One record in a thousand arrives in the year 58,000; the others within 13 months.
IS_STAMPED_IN_MICROS, LATEST_HOURS = "offset % 997 = 0", 9_600
REPORT = Path(__file__).resolve().parents[2] / "build" / "fuzz.json"


@pytest.fixture
def operator(lake: Lake) -> Lake:
    """A lake with the small reference as its snapshot 1, and nothing else."""
    reference = small_reference(lake.spark)
    for name in REFERENCE_TABLES:
        lake.append(reference.table(name), name, "test", 1)
    mark = small_frame(lake.spark, [(1, "d", 0)], contract("control_snapshot"))
    lake.append(mark, "control_snapshot", "test", 1)
    return lake


@pytest.mark.no_cover
@pytest.mark.covers("MED-12", "GEN-14")
@pytest.mark.usefixtures("compiled")
def test_each_damaged_payload_has_exactly_one_disposition(operator: Lake, tmp_path: Path, request) -> None:
    payloads = request.config.getoption("payloads")
    batches = MicroBatches(operator)
    for batch_no in range(-(-payloads // A_BATCH)):
        count = min(A_BATCH, payloads - batch_no * A_BATCH)
        sent, offsets = records(operator.spark, tmp_path / f"{batch_no}.parquet", batch_no, count)
        # It raises when the batch does not balance: each offset once in both tables, with one disposition.
        batches.take(sent.drop("mutation", "expected"), Pins(batch_no, 1, "cdr.raw", offsets, 1, RULE_VERSION))
        check(sent, operator.read("usage_event").where(f"batch_no = {batch_no}"))
        (tmp_path / f"{batch_no}.parquet").unlink()
    assert batches.figures["received"] == payloads
    assert all(batches.figures[name] for name in ("accepted", "quarantined"))
    REPORT.parent.mkdir(exist_ok=True)
    figures = {name: batches.figures[name] for name in ("batches", "received", "accepted", "quarantined", "duplicate")}
    report = {"seed": SEED, **figures, "by_reason": dict(sorted(batches.by_reason.items()))}
    REPORT.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def records(spark: SparkSession, file: Path, batch_no: int, count: int) -> tuple[DataFrame, dict[str, tuple[int, int]]]:
    """The cases of a batch as rows of Spark's Kafka source, each with what is expected of it; and their offsets."""
    keys, values, mutations, expected = zip(*cases(SEED, batch_no * A_BATCH, count), strict=True)
    partitions = [number % PARTITIONS for number in range(count)]
    first = batch_no * (A_BATCH // PARTITIONS)
    columns = {
        "partition": pa.array(partitions, pa.int32()),
        "offset": pa.array([first + number // PARTITIONS for number in range(count)], pa.int64()),
        "key": pa.array(keys, pa.binary()),
        "value": pa.array(values, pa.binary()),
        "mutation": pa.array(mutations, pa.string()),
        "expected": pa.array(expected, pa.string()),
    }
    pq.write_table(pa.table(columns), file)
    sent = spark.read.parquet(str(file)).withColumns(
        {
            "topic": F.lit("cdr.raw"),
            "timestamp": F.when(
                F.expr(IS_STAMPED_IN_MICROS), F.timestamp_millis(F.unix_micros(F.lit(ARRIVAL)))
            ).otherwise(F.timestamp_add("HOUR", F.col("offset") % LATEST_HOURS, F.lit(ARRIVAL))),
            "headers": F.lit(None).cast("ARRAY<STRUCT<key: STRING, value: BINARY>>"),
        }
    )
    ends = {str(one): (first, first + partitions.count(one)) for one in range(PARTITIONS)}
    return sent, ends


def check(sent: DataFrame, usage: DataFrame) -> None:
    """Every case ended as it had to, and a reason stands with the quarantined ones and with no other."""
    where = {"kafka_partition": "partition", "kafka_offset": "offset"}
    met = usage.withColumnsRenamed(where).join(sent, ["partition", "offset"])
    expected = F.col("expected")
    is_met = (
        F.when(F.expr(IS_STAMPED_IN_MICROS), F.array_contains("reasons", UNREADABLE_ARRIVAL))
        .when(expected == ANY, True)
        .when(expected == ACCEPTED, F.col("disposition") == ACCEPTED)
        .otherwise(F.array_contains("reasons", expected))
    )
    is_told = (F.size("reasons") > 0) == (F.col("disposition") == "quarantined")
    wrong = met.where(~is_met | ~is_told).select("mutation", "expected", "disposition", "reasons", "value")
    assert wrong.limit(5).collect() == []
    assert {row.mutation for row in met.select("mutation").distinct().collect()} == {one.__name__ for one in MUTATIONS}
