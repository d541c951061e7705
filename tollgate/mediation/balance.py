"""What a micro-batch handed over, read back from both tables, and whether it balances, in all and by source."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

PLANNED, RAW = "planned", "raw"
DISPOSITIONS = ("accepted", "quarantined", "duplicate")
UNREADABLE_ARRIVAL = "ARRIVAL_MALFORMED"
NO_ARRIVAL = datetime(1970, 1, 1)
# One name for all records whose source is not registered: what a record says must not make a row of its own.
UNREGISTERED = "unregistered"
HANDED_OVER = ("records", "duration_s", "volume_bytes")
Ranges = Mapping[str, tuple[int, int]]
Handed = Mapping[str, tuple[int, ...]]


def handed_over(candidates: DataFrame) -> DataFrame:
    """What mediation has made of a batch before it is written: one row a source with HANDED_OVER and `months`.

    candidates: rows of `usage.mediate`. duration_s, volume_bytes: DECIMAL(38,0), over all records whatever becomes of
    them. months: the values of event_month.
    """
    return candidates.groupBy(_source().alias("source")).agg(*_sums(), F.collect_set("event_month").alias("months"))


def read_back(raw_cdr: DataFrame, usage_event: DataFrame, ranges: DataFrame) -> DataFrame:
    """Counts and sums of one batch by table, partition, source, disposition and reasons: a handful of rows.

    raw_cdr, usage_event: the rows of one batch. ranges: `partition`, `start` and `end` of what was planned for it,
    whose offsets are rows like those of a table. Planned and raw rows have the dispositions `planned` and `raw`, and no
    source. `places`: sum of a hash of each row's partition and offset; where counts and these are equal, the same
    records stand, each as often. The combinations of reasons come from the rule table and the sources from the
    registered ones, so they do not grow with the records.
    """
    nothing = F.lit(0).cast("BIGINT")
    unjudged = [F.array().cast("ARRAY<STRING>").alias("reasons"), F.lit(None).cast("STRING").alias("source")]
    no_arrival = F.lit(None).cast("TIMESTAMP").alias("arrived_at")
    unmeasured = [nothing.alias(name) for name in ("late", "lateness_s", "duration_s", "volume_bytes")]
    raw = raw_cdr.select(
        "kafka_partition", "kafka_offset", no_arrival, F.lit(RAW).alias("disposition"), *unjudged,
        F.coalesce(F.length("payload"), F.lit(0)).cast("BIGINT").alias("raw_bytes"), *unmeasured,
    )  # fmt: skip
    # A range of nothing has no sequence that rises.
    offsets = F.explode(F.expr("sequence(start, `end` - 1)")).alias("kafka_offset")
    each = ranges.where("start < `end`").select(F.col("partition").alias("kafka_partition"), offsets)
    planned = each.select(
        "kafka_partition", "kafka_offset",
        no_arrival, F.lit(PLANNED).alias("disposition"), *unjudged,
        nothing.alias("raw_bytes"), *unmeasured,
    )  # fmt: skip
    usage = usage_event.select(
        "kafka_partition", "kafka_offset", "arrived_at", "disposition", "reasons", _source().alias("source"),
        nothing.alias("raw_bytes"), F.array_contains("flags", "LATE").cast("BIGINT").alias("late"), "lateness_s",
        "duration_s", "volume_bytes",
    )  # fmt: skip
    return (
        planned.unionByName(raw)
        .unionByName(usage)
        .withColumn("place", F.xxhash64("kafka_partition", "kafka_offset"))
        .groupBy("kafka_partition", "source", "disposition", "reasons")
        .agg(
            *_sums(),
            _exact_sum("place").alias("places"),
            F.max("arrived_at").alias("arrived_at"),
            F.sum("raw_bytes").alias("raw_bytes"),
            F.sum("late").alias("late"),
            _exact_sum("lateness_s").alias("lateness_s"),
            F.max("lateness_s").alias("max_lateness_s"),
        )
    )


def mark(rows: Iterable[Any], offsets: Ranges, handed: Handed) -> dict[str, Any]:
    """The figures of control_mediation out of the collected rows of `read_back`.

    Besides: `by_reason`, the quarantined ones by reason; `broken`, each equation that does not hold, in words;
    `balanced`, whether there is none. offsets: partition to [start, end) as planned for the batch. handed: source to
    HANDED_OVER. Balanced: every planned offset is once in raw_cdr and once in usage_event, with one disposition, and
    each source has the records, seconds and bytes that mediation handed over.
    """
    rows = list(rows)
    planned, raw = ([row for row in rows if row["disposition"] == name] for name in (PLANNED, RAW))
    usage = [row for row in rows if row["disposition"] not in (PLANNED, RAW)]
    counts = {name: _total("records", usage, name) for name in DISPOSITIONS}
    by_reason: Counter[str] = Counter()
    for row in usage:
        for reason in row["reasons"] if row["disposition"] == "quarantined" else ():
            by_reason[reason] += row["records"]
    by_source = [_of_source(name, [row for row in usage if row["source"] == name]) for name in _sources(usage)]
    figures = {
        "offsets": json.dumps({name: list(offsets[name]) for name in sorted(offsets, key=int)}),
        "received": sum(end - start for start, end in offsets.values()),
        "raw_rows": _total("records", raw),
        **counts,
        "by_reason": dict(sorted(by_reason.items())),
        "late": _total("late", usage, "accepted"),
        "raw_bytes": _total("raw_bytes", raw),
        "accepted_duration_s": _total("duration_s", usage, "accepted"),
        "accepted_volume_bytes": _total("volume_bytes", usage, "accepted"),
        "by_source": by_source,
        "recorded_at": _latest(usage),
    }
    broken = [*_broken(figures), *_misplaced(planned, raw, usage), *_changed(usage, handed)]
    return {**figures, "broken": broken, "balanced": not broken}


def _broken(figures: Mapping[str, Any]) -> list[str]:
    """The tables that hold more or fewer records than the batch has."""
    received, dispositions = figures["received"], sum(figures[name] for name in DISPOSITIONS)
    return [
        f"{received} records received, {rows} {where}"
        for rows, where in ((figures["raw_rows"], "in raw_cdr"), (dispositions, "with a disposition in usage_event"))
        if rows != received
    ]


def _misplaced(planned: list[Any], raw: list[Any], usage: list[Any]) -> list[str]:
    """The partitions of which other offsets than the planned ones stand in a table, or one of them twice."""
    found, wanted = [], _places(planned)
    for table, rows in (("raw_cdr", raw), ("usage_event", usage)):
        stands = _places(rows)
        wrong = sorted(part for part in {*wanted, *stands} if wanted.get(part) != stands.get(part))
        if wrong:
            where = ", ".join(map(str, wrong))
            found.append(f"the offsets in {table} are not the planned ones, each once: partition {where}")
    return found


def _places(rows: list[Any]) -> dict[int, tuple[int, int]]:
    """Records and sum of `places` by partition."""
    parts = _values("kafka_partition", rows)
    of_partition = {part: [row for row in rows if row["kafka_partition"] == part] for part in parts}
    return {part: (_total("records", own), _total("places", own)) for part, own in of_partition.items()}


def _latest(usage: list[Any]) -> Any:
    """The latest arrival, of those that can be read if there is one; the epoch of a batch without records, as the first
    one of a checkpoint is when the topic has nothing new."""
    readable = [row["arrived_at"] for row in usage if UNREADABLE_ARRIVAL not in row["reasons"]]
    return max(readable or [row["arrived_at"] for row in usage], default=NO_ARRIVAL)


def _changed(usage: list[Any], handed: Handed) -> list[str]:
    """The sources of which usage_event holds something else than mediation handed over."""
    found = []
    for source in sorted({*_sources(usage), *handed}):
        rows = [row for row in usage if row["source"] == source]
        given, stands = handed.get(source, (0, 0, 0)), tuple(_total(name, rows) for name in HANDED_OVER)
        found += [
            f"{source}: {before} {name} handed over, {after} in usage_event"
            for name, before, after in zip(HANDED_OVER, given, stands, strict=True)
            if before != after
        ]
    return found


def _of_source(source: str, rows: list[Any]) -> dict[str, Any]:
    """The figures of one source, those of lateness, seconds and bytes over its accepted events."""
    latest = [row["max_lateness_s"] for row in rows if row["disposition"] == "accepted"]
    return {
        "source": source,
        "records": _total("records", rows),
        **{name: _total("records", rows, name) for name in DISPOSITIONS},
        "late": _total("late", rows, "accepted"),
        "lateness_s": _total("lateness_s", rows, "accepted"),
        "max_lateness_s": max((lateness for lateness in latest if lateness is not None), default=None),
        "accepted_duration_s": _total("duration_s", rows, "accepted"),
        "accepted_volume_bytes": _total("volume_bytes", rows, "accepted"),
    }


def _sources(usage: list[Any]) -> list[str]:
    return _values("source", usage)


def _values(name: str, rows: list[Any]) -> list[Any]:
    return sorted({row[name] for row in rows})


def _total(name: str, rows: list[Any], disposition: str = "") -> int:
    return sum(int(row[name] or 0) for row in rows if disposition in ("", row["disposition"]))


def _source() -> Column:
    is_registered = F.col("source").isNotNull() & ~F.array_contains("reasons", "SOURCE_UNKNOWN")
    return F.when(is_registered, F.col("source")).otherwise(UNREGISTERED)


def _sums() -> list[Column]:
    """HANDED_OVER. Quarantined rows may hold any number that fits a BIGINT, so their sums may not."""
    return [
        F.count("*").alias("records"),
        _exact_sum("duration_s").alias("duration_s"),
        _exact_sum("volume_bytes").alias("volume_bytes"),
    ]


def _exact_sum(name: str) -> Column:
    """Sum of BIGINTs that may leave BIGINT, DECIMAL(38,0); 0 of none.

    In two halves of 32 bits, each of which fits a BIGINT for 2 billion rows, instead of as decimals.
    """
    high, low = F.sum(F.shiftright(name, 32)), F.sum(F.col(name).bitwiseAND(F.lit(0xFFFFFFFF)))
    whole = high.cast("DECIMAL(20,0)") * F.lit(Decimal(1 << 32)) + low.cast("DECIMAL(20,0)")
    return F.coalesce(whole, F.lit(0)).cast("DECIMAL(38,0)")
