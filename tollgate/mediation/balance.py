"""What a micro-batch handed over, read back from both tables, and whether it balances."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

RAW = "raw"
Ranges = Mapping[str, tuple[int, int]]


def read_back(raw_cdr: DataFrame, usage_event: DataFrame) -> DataFrame:
    """Counts and sums of one batch by table, partition, disposition and reasons: a handful of rows.

    raw_cdr, usage_event: the rows of one batch. Raw rows have the disposition `raw`. The combinations of reasons come
    from the rule table, so they do not grow with the records.
    """
    nothing = F.lit(0).cast("BIGINT")
    raw = raw_cdr.select(
        "kafka_partition", "kafka_offset", "arrived_at", F.lit(RAW).alias("disposition"),
        F.array().cast("ARRAY<STRING>").alias("reasons"),
        F.coalesce(F.length("payload"), F.lit(0)).cast("BIGINT").alias("raw_bytes"),
        nothing.alias("late"), nothing.alias("duration_s"), nothing.alias("volume_bytes"),
    )  # fmt: skip
    usage = usage_event.select(
        "kafka_partition", "kafka_offset", "arrived_at", "disposition", "reasons", nothing.alias("raw_bytes"),
        F.array_contains("flags", "LATE").cast("BIGINT").alias("late"),
        F.coalesce("duration_s", nothing).alias("duration_s"),
        F.coalesce("volume_bytes", nothing).alias("volume_bytes"),
    )  # fmt: skip
    return (
        raw.unionByName(usage)
        .groupBy("kafka_partition", "disposition", "reasons")
        .agg(
            F.count("*").alias("records"),
            F.min("kafka_offset").alias("first_offset"),
            F.max("kafka_offset").alias("last_offset"),
            F.sum(F.col("kafka_offset").cast("DECIMAL(38,0)")).alias("offset_sum"),
            F.max("arrived_at").alias("arrived_at"),
            F.sum("raw_bytes").alias("raw_bytes"),
            F.sum("late").alias("late"),
            # Quarantined rows may hold any number; only accepted ones are summed up in the mark.
            F.sum(F.when(F.col("disposition") == "accepted", F.col("duration_s")).otherwise(0)).alias("duration_s"),
            F.sum(F.when(F.col("disposition") == "accepted", F.col("volume_bytes")).otherwise(0)).alias("volume_bytes"),
        )
    )


def mark(rows: Iterable[Any], offsets: Ranges) -> dict[str, Any]:
    """The figures of control_mediation out of the collected rows of `read_back`, and `by_reason`, the quarantined ones
    by reason; `balanced` tells whether they agree.

    offsets: partition to [start, end) as planned for the batch. Balanced: every planned offset is once in raw_cdr and
    once in usage_event, with one disposition.
    """
    rows = list(rows)
    raw = [row for row in rows if row["disposition"] == RAW]
    usage = [row for row in rows if row["disposition"] != RAW]
    received = sum(end - start for start, end in offsets.values())

    def total(name: str, of: list[Any], disposition: str = "") -> int:
        return sum(int(row[name]) for row in of if disposition in ("", row["disposition"]))

    counts = {name: total("records", usage, name) for name in ("accepted", "quarantined", "duplicate")}
    by_reason: Counter[str] = Counter()
    for row in usage:
        for reason in row["reasons"] if row["disposition"] == "quarantined" else ():
            by_reason[reason] += row["records"]
    planned_sum = sum((start + end - 1) * (end - start) // 2 for start, end in offsets.values())
    is_contiguous = all(
        offsets.get(str(row["kafka_partition"]), (0, -1))[0] <= row["first_offset"]
        and row["last_offset"] < offsets.get(str(row["kafka_partition"]), (0, -1))[1]
        for row in rows
    )
    return {
        "offsets": json.dumps({name: list(offsets[name]) for name in sorted(offsets, key=int)}),
        "received": received,
        "raw_rows": total("records", raw),
        **counts,
        "by_reason": dict(sorted(by_reason.items())),
        "late": total("late", usage, "accepted"),
        "raw_bytes": total("raw_bytes", raw),
        "accepted_duration_s": total("duration_s", usage, "accepted"),
        "accepted_volume_bytes": total("volume_bytes", usage, "accepted"),
        "balanced": received == total("records", raw) == sum(counts.values()) == total("records", usage)
        and planned_sum == total("offset_sum", raw) == total("offset_sum", usage)
        and is_contiguous,
        "recorded_at": max((row["arrived_at"] for row in rows), default=None),
    }
