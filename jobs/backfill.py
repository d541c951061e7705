"""Publish generated usage of past months to Kafka: one seeded month, moved to each of the others by Spark.

A month is planned and cut once by the generator; Spark then writes it out for every month, the earliest first, each in
the order of arrival. The same arguments give the same bytes, so what a killed run has sent is, sent again, a copy to
mediation.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from generators.customers import build_population, months_later
from generators.dirt import DirtRates
from generators.month_template import Label, Template, cut, template_month
from generators.moved_month import days_of, in_slices, moved
from generators.profiles import EVENTS, PROFILES, SEED, SUBSCRIBERS
from generators.usage import UsagePlan, plan_usage
from tollgate.platform.crash import crash_point
from tollgate.platform.errors import TollgateError, UsageError
from tollgate.platform.folders import Folder
from tollgate.platform.job import add_common, main
from tollgate.platform.kafka import end_offsets, ensure_topic
from tollgate.platform.kafka_sink import write_records
from tollgate.platform.lake import Lake
from tollgate.platform.progress import step
from tollgate.platform.settings import Settings

JOB = "backfill"
STAGING, FILE = "_staging/backfill", "month.parquet"
MOST_MONTHS = 120


def parser() -> argparse.ArgumentParser:
    """Arguments of the job."""
    found = argparse.ArgumentParser(prog=JOB, description=__doc__.splitlines()[0])
    found.add_argument("--months", type=int, default=3, metavar="N", help="how many months (default 3)")
    found.add_argument("--before", default="2026-10", metavar="YYYY-MM", help="the month after them (default 2026-10)")
    found.add_argument("--seed", type=int, default=SEED, help=f"seed of population and usage (default {SEED})")
    found.add_argument(
        "--subscribers", type=int, default=SUBSCRIBERS, help=f"number of lines, as seeded (default {SUBSCRIBERS})"
    )
    found.add_argument(
        "--events",
        type=int,
        default=EVENTS,
        help=f"records of a month of 31 days, copies included; profile peak: five times as many (default {EVENTS})",
    )
    found.add_argument("--profile", choices=sorted(PROFILES), default="normal", help="behaviour (default normal)")
    found.add_argument("--dry-run", action="store_true", help="make the month and count, send nothing")
    return add_common(found)


def check_args(args: argparse.Namespace) -> None:
    """Refuse months that cannot be told; UsageError."""
    if not 1 <= args.months <= MOST_MONTHS:
        raise UsageError("--months is out of range", found=str(args.months), expected=f"1 to {MOST_MONTHS}")
    _months(args)


def run(spark: SparkSession, settings: Settings, args: argparse.Namespace) -> dict[str, Any]:
    """Publish the months and return {records, months, by_class, by_kind, offsets, ...}: what mediation is to find.

    Raises TollgateError when the topic has not grown by what was sent.
    """
    check_args(args)
    months = _months(args)
    plan, first = _planned(settings, args, months[0])
    if args.dry_run:
        with step("make the month", total=len(plan), unit="records") as making:
            template = cut(plan, first, None, making.reach)
        return {**_counts(template, months), "dry_run": True}
    ensure_topic(settings)
    with _staged(spark, settings, plan, first) as (template, rows):
        begun = time.perf_counter()
        starts = end_offsets(settings)
        counts = _counts(template, months)
        with step("send months", total=counts["records"], unit="records") as sending:
            for month, line in zip(months, counts["months"], strict=True):
                write_records(moved(rows, template, month, settings.kafka.partitions), settings)
                crash_point("backfill.after_month")
                sending.advance(line["records"])
        seconds = time.perf_counter() - begun
    return {**counts, **_arrived(settings, starts, counts["records"]), "seconds": int(seconds * 1000) / 1000,
            "records_per_second": int(counts["records"] / seconds)}  # fmt: skip


def _months(args: argparse.Namespace) -> list[date]:
    """First days of the months, the earliest first."""
    try:
        before = datetime.strptime(args.before, "%Y-%m").date()
        return [months_later(before, -back) for back in range(args.months, 0, -1)]
    except ValueError:
        raise UsageError("--before cannot be read", found=args.before, expected="YYYY-MM, a month") from None


def _planned(settings: Settings, args: argparse.Namespace, earliest: date) -> tuple[UsagePlan, date]:
    first = template_month(earliest)
    try:
        population = build_population(args.seed, args.subscribers)
        rates = DirtRates.from_settings(settings.generator)
        return plan_usage(population, args.seed, args.events, f"{first:%Y-%m}", args.profile, rates), first
    except ValueError as error:
        raise TollgateError(
            f"this usage cannot be planned: {error}",
            way_out="take fewer months or more lines: a line that is in service all the time must be there",
        ) from None


@contextmanager
def _staged(
    spark: SparkSession, settings: Settings, plan: UsagePlan, first: date
) -> Iterator[tuple[Template, DataFrame]]:
    """The cut month as rows that the executors keep; its file stands in the lake's folder as long as the block runs."""
    lake = Lake(spark, settings.lake.root)
    folder = Folder(spark, lake.path(STAGING))
    with lake.alone(JOB):
        folder.remove("")  # of a run that was killed
        try:
            with (
                step("make the month", total=len(plan), unit="records") as making,
                tempfile.TemporaryDirectory(prefix="tollgate-") as place,
            ):
                local = Path(place) / FILE
                template = cut(plan, first, local, making.reach)
                folder.put(local, FILE)
            # Kept, for every month is made from the same rows in the same order.
            rows = in_slices(spark.read.parquet(folder.path(FILE)), spark.sparkContext.defaultParallelism).persist()
            try:
                with step("cut the month", level="debug"):
                    rows.count()
                yield template, rows
            finally:
                rows.unpersist()
        finally:
            folder.remove("")


def _counts(template: Template, months: list[date]) -> dict[str, Any]:
    """Records of the months: in all, by month, by class, and by kind as `tollgate generate` counts them."""
    by_month = {month: template.counts(days_of(month)) for month in months}
    by_kind: Counter[Label] = Counter()
    for counts in by_month.values():
        by_kind.update(counts)
    names = ("dirt_class", "dirt_kind", "expected_disposition", "expected_code", "records")
    return {
        "records": by_kind.total(),
        "made_from": f"{template.month:%Y-%m}",
        "months": [
            {"month": f"{month:%Y-%m}", "records": counts.total(), "by_class": _by_class(counts)}
            for month, counts in by_month.items()
        ],
        "by_class": _by_class(by_kind),
        "by_kind": [dict(zip(names, (*label, records), strict=True)) for label, records in sorted(by_kind.items())],
    }


def _by_class(counts: Counter[Label]) -> dict[str, int]:
    totals: Counter[str] = Counter()
    for (dirt_class, *_), records in counts.items():
        totals[dirt_class] += records
    return dict(sorted(totals.items()))


def _arrived(settings: Settings, starts: dict[int, int], sent: int) -> dict[str, Any]:
    """Offsets as [start, end) by partition, and how many records more than ours the topic has got meanwhile."""
    ends = end_offsets(settings)
    grown = sum(end - starts.get(partition, 0) for partition, end in ends.items())
    if grown < sent:
        raise TollgateError(
            "the topic has not grown by what was sent", where=f"topic {settings.kafka.topic}",
            expected=f"{sent} records", found=f"{grown}: offsets {starts} to {ends}",
            way_out="look at the broker, then run it again: what arrives twice is a copy to mediation",
        )  # fmt: skip
    # Of other producers, or of a task that Spark has tried again.
    offsets = {str(partition): [starts.get(partition, 0), end] for partition, end in ends.items()}
    return {"offsets": offsets, "records_of_others": grown - sent}


if __name__ == "__main__":
    sys.exit(main(parser(), run, check=check_args))
