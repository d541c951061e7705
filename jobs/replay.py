"""Publish quarantined records again: those whose cause is mended, and those held until their time has come.

The bytes come from raw_cdr and travel the usual way once more, as new records with a later arrival. The first row stays
what it is. A replay that died may publish a record twice; the second is then an equal copy, as any other.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.instants import instant
from tollgate.assurance.publication import published_to
from tollgate.mediation.identity import NO_MONTH
from tollgate.mediation.rules import IN_FUTURE, QUARANTINE, RULES
from tollgate.platform.crash import crash_point
from tollgate.platform.errors import UsageError
from tollgate.platform.job import add_common, main
from tollgate.platform.kafka_out import Outgoing, publish
from tollgate.platform.lake import Lake
from tollgate.platform.progress import step
from tollgate.platform.settings import Settings

JOB, TABLE = "replay", "replayed_record"
RECORD = ["topic", "kafka_partition", "kafka_offset"]
CODES = [rule.code for rule in RULES if rule.severity == QUARANTINE]
FIRST_AT, REPLAY_NO = "tollgate-first-at", "tollgate-replay-no"


def parser() -> argparse.ArgumentParser:
    """Arguments of the job."""
    found = argparse.ArgumentParser(prog=JOB, description=__doc__.splitlines()[0])
    found.add_argument(
        "--as-of", type=instant, required=True, metavar="INSTANT", help="when the records arrive anew; held ones "
        "that start later stay held"
    )  # fmt: skip
    found.add_argument("--held", action="store_true", help=f"records whose only reason is {IN_FUTURE}")
    found.add_argument("--reason", action="append", choices=CODES, metavar="CODE", help="records with it; repeatable")
    found.add_argument("--source", metavar="NAME", help="of this source alone")
    found.add_argument("--from-batch", type=int, default=0, metavar="NO", help="from this batch on")
    found.add_argument("--to-batch", type=int, metavar="NO", help="up to this batch (default: the last published)")
    found.add_argument("--dry-run", action="store_true", help="count by reason, publish nothing")
    return add_common(found)


def check_args(args: argparse.Namespace) -> None:
    """Refuse a replay of everything."""
    if args.held == bool(args.reason):
        raise UsageError("a replay takes the held records or those with a reason", expected="--held, or --reason CODE")


def run(spark: SparkSession, settings: Settings, args: argparse.Namespace) -> dict[str, Any]:
    """Publish what the arguments choose and was not published again before; returns {replay_no, records, by_reason}.

    Only batches with their mark are looked at. replay_no: None for a dry run and where nothing was chosen; records:
    those published, which are fewer than were chosen where retention has taken the bytes.
    """
    check_args(args)
    lake = Lake(spark, settings.lake.root)
    with lake.alone(JOB):
        waiting = _waiting(lake, args)
        records, by_reason = _counted(waiting)
        if args.dry_run or not records:
            return {"replay_no": None, "records": records, "by_reason": by_reason}
        chosen = _with_bytes(waiting, lake)
        replay_no = (lake.last_version(TABLE, JOB) or 0) + 1
        with step("publish again", total=records, unit="records"):
            published = publish(_outgoing(chosen, replay_no), settings, int(args.as_of.timestamp() * 1000))
        crash_point("replay.after_publish")
        lake.append(_marked(chosen, replay_no, args.as_of), TABLE, JOB, replay_no)
    return {"replay_no": replay_no, "records": published, "by_reason": by_reason}


def release(spark: SparkSession, settings: Settings, as_of: datetime) -> dict[str, Any]:
    """Publish the held records whose time has come by `as_of`; Kafka is not asked when there are none."""
    return run(spark, settings, parser().parse_args(["--held", "--as-of", as_of.isoformat()]))


def _waiting(lake: Lake, args: argparse.Namespace) -> DataFrame:
    """The places and reasons of what the arguments choose; a record is published again once."""
    published = int(published_to(lake.read("control_mediation")).collect()[0].to_no)
    to_batch = published if args.to_batch is None else min(args.to_batch, published)
    rows = lake.read("usage_event").where(
        (F.col("event_month") == NO_MONTH)
        & (F.col("disposition") == "quarantined")
        & F.col("batch_no").between(args.from_batch, to_batch)
    )
    if args.held:
        is_held = F.col("reasons") == F.array(F.lit(IN_FUTURE))
        rows = rows.where(is_held & (F.col("started_at") <= F.lit(args.as_of)))
    else:
        rows = rows.where(F.arrays_overlap("reasons", F.array(*[F.lit(code) for code in args.reason])))
    if args.source is not None:
        rows = rows.where(F.col("source") == args.source)
    before = lake.read(TABLE).select(*RECORD)
    return rows.select("batch_no", *RECORD, "reasons").join(before, RECORD, how="left_anti")


def _counted(waiting: DataFrame) -> tuple[int, dict[str, int]]:
    groups = waiting.groupBy("reasons").agg(F.count("*").alias("records")).collect()
    by_reason: Counter[str] = Counter()
    for group in groups:
        by_reason.update(dict.fromkeys(group.reasons, group.records))
    return sum(group.records for group in groups), dict(sorted(by_reason.items()))


def _with_bytes(waiting: DataFrame, lake: Lake) -> DataFrame:
    """The records whose bytes retention has left; both tables have a row a record."""
    raw = lake.read("raw_cdr").where(F.col("payload").isNotNull()).select("batch_no", *RECORD, "record_key", "payload")
    return raw.join(waiting, ["batch_no", *RECORD], how="inner")


def _outgoing(chosen: DataFrame, replay_no: int) -> Iterator[Outgoing]:
    in_order = chosen.orderBy("batch_no", "kafka_partition", "kafka_offset")
    for row in in_order.select(*RECORD, "record_key", "payload").toLocalIterator():
        first_at = f"{row.topic}/{row.kafka_partition}/{row.kafka_offset}"
        headers = [(FIRST_AT, first_at.encode()), (REPLAY_NO, str(replay_no).encode())]
        key = None if row.record_key is None else bytes(row.record_key)
        yield Outgoing(row.kafka_partition, key, bytes(row.payload), headers)


def _marked(chosen: DataFrame, replay_no: int, as_of: datetime) -> DataFrame:
    return chosen.select(
        F.lit(replay_no).cast("BIGINT").alias("replay_no"),
        "batch_no",
        *RECORD,
        "reasons",
        F.lit(as_of).cast("TIMESTAMP").alias("published_at"),
    )


if __name__ == "__main__":
    sys.exit(main(parser(), run, check=check_args))
