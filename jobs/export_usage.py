"""Copy accepted usage of published batches to PostgreSQL or to JSON files, each batch once.

What an export carries stands in the copy itself, as its record; a batch that no record covers is exported next. So an
export can be killed at any line and run again, and a copy that is removed is made anew.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from jobs.pinned import not_published
from jobs.usage_copies import UsageCopy, accepted, in_lake, usage_copy
from jobs.usage_in_postgres import check_database
from tollgate.assurance.publication import published_to
from tollgate.assurance.usage_copy import TITLES, Batches, Figures, lacking, totals
from tollgate.platform.errors import TollgateError
from tollgate.platform.job import add_common, main, whole_number
from tollgate.platform.lake import Lake
from tollgate.platform.progress import step
from tollgate.platform.settings import Settings

MOST_MONTHS = 120


class _Parser(argparse.ArgumentParser):
    """Refuses arguments that do not go together, before Spark starts."""

    def parse_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]
        parsed = super().parse_args(args, namespace)
        if parsed.again and (parsed.from_batch is None or parsed.to_batch is None):
            self.error("--again needs --from-batch and --to-batch: the export to make again")
        if parsed.from_batch is not None and parsed.to_batch is not None and parsed.from_batch > parsed.to_batch:
            self.error(f"--from-batch {parsed.from_batch} is after --to-batch {parsed.to_batch}")
        if parsed.changed and (parsed.again or parsed.from_batch is not None or parsed.to_batch is not None):
            self.error("--changed finds the batches itself")
        if parsed.to != "json" and (parsed.out or parsed.gzip):
            self.error("--out and --gzip are for --to json")
        return parsed


def parser() -> argparse.ArgumentParser:
    """Arguments of the job."""
    made = _Parser(prog="export_usage", description=__doc__.splitlines()[0])
    made.add_argument("--to", choices=sorted(TITLES), required=True, help="the copy to bring up to date")
    made.add_argument("--from-batch", type=whole_number, metavar="NO", help="first batch (default: first not exported)")
    made.add_argument("--to-batch", type=whole_number, metavar="NO", help="last batch (default: the last published)")
    made.add_argument("--again", action="store_true", help="make the export of exactly these batches again")
    made.add_argument("--changed", action="store_true", help="make every export again whose events changed in the lake")
    made.add_argument("--out", metavar="ROOT", help="json: another folder or URL than <lake.root>/_export/usage_json")
    made.add_argument("--gzip", action="store_true", help="json: compress the files")
    made.add_argument(
        "--most-months", type=whole_number, metavar="N", default=MOST_MONTHS,
        help=f"refuse an export over more event months (default: {MOST_MONTHS})",
    )  # fmt: skip
    made.add_argument("--dry-run", action="store_true", help="say batches and rows, write nothing")
    return add_common(made)


def check_before_spark(settings: Settings, args: argparse.Namespace) -> None:
    """Refuse while the database of the copy does not answer, or lacks a column that the copy carries."""
    if args.to == "postgres":
        check_database(settings)


def run(spark: SparkSession, settings: Settings, args: argparse.Namespace) -> dict[str, Any]:
    """Export what the copy lacks and return {to, where, exports, events}; each export with batches, figures, months.

    Raises TollgateError, and leaves the copy as it was, when the lake differs from its marks or what arrived from the
    lake; an export that was done before the failing one stays.
    """
    lake = Lake(spark, settings.lake.root)
    copy = usage_copy(args.to, spark, settings, _folder(args.out), args.gzip)
    if args.dry_run:
        done = [_export(lake, copy, batches, args) for batches in _planned(lake, copy, args)]
    else:
        with copy.only_writer():
            done = [_export(lake, copy, batches, args) for batches in _planned(lake, copy, args)]
    summary = {"to": args.to, "where": copy.where, "exports": done, "events": sum(one["events"] for one in done)}
    if not done:
        kind = "no export has changed in the lake" if args.changed else "every batch asked for is exported"
        summary["message"] = f"{kind}; nothing was written"
    return {**summary, "dry_run": True} if args.dry_run else summary


def _planned(lake: Lake, copy: UsageCopy, args: argparse.Namespace) -> list[Batches]:
    """The ranges to export, ascending. Raises TollgateError for a batch that is not published, for a range that would
    leave a hole before it, and for an --again of what is no export."""
    marks = lake.read("control_mediation")
    # Both frames have one row, which is what makes the cross join harmless.
    first, last = (
        published_to(marks).crossJoin(marks.agg(F.min("batch_no").alias("first"))).select("first", "to_no").collect()[0]
    )
    recorded = copy.recorded()
    if args.changed:
        now = in_lake(lake, copy, list(recorded)) if recorded else {}
        return [batches for batches in sorted(recorded) if now.get(batches, Figures()) != recorded[batches]]
    if args.again:
        asked = Batches(args.from_batch, args.to_batch)
        if asked not in recorded:
            raise _no_such_export(copy, asked, recorded)
        return [asked]
    for option, asked_no in (("--from-batch", args.from_batch), ("--to-batch", args.to_batch)):
        if asked_no is not None and asked_no > last:
            raise not_published(lake, asked_no, last, option)
    if last < 0:
        return []
    from_no = first if args.from_batch is None else args.from_batch
    to_no = last if args.to_batch is None else args.to_batch
    missing = lacking(recorded, first, last)
    planned = lacking(recorded, from_no, to_no)
    if planned and missing[0].from_no < from_no:
        raise TollgateError(
            f"batches {missing[0].name} before it are not exported; a hole would stay", where=copy.where,
            expected=f"--from-batch of at most {missing[0].from_no}", found=f"--from-batch {from_no}",
            way_out="leave --from-batch out",
        )  # fmt: skip
    return planned


def _export(lake: Lake, copy: UsageCopy, batches: Batches, args: argparse.Namespace) -> dict[str, Any]:
    usage = accepted(lake, copy, f"batch_no BETWEEN {batches.from_no} AND {batches.to_no}")
    about: dict[str, Any] = {"from_batch_no": batches.from_no, "to_batch_no": batches.to_no}
    with step("add up the lake", **about):
        figures, months = _figures(lake, copy, usage, batches)
    if len(months) > args.most_months:
        raise TollgateError(
            f"the events of batches {batches.name} are of {len(months)} months", where=lake.path("usage_event"),
            expected=f"at most {args.most_months}: each is a partition or folder", found=f"{months[0]} to {months[-1]}",
            way_out="take fewer batches (--to-batch), or allow it (--most-months)",
        )  # fmt: skip
    if not args.dry_run:
        with step("write the copy", events=figures.events, **about):
            copy.write(usage, batches, figures, months, args.again or args.changed)
    counts = {name: getattr(figures, name) for name in ("events", "duration_s", "volume_bytes")}
    return {**about, **counts, "months": months}


def _figures(lake: Lake, copy: UsageCopy, usage: Any, batches: Batches) -> tuple[Figures, list[str]]:
    """What the batches add up to and their event months; TollgateError unless the marks of the batches say the same."""
    sums = usage.agg(*[F.expr(total) for total in totals(copy.fields)], F.sort_array(F.collect_set("event_month")))
    marks = lake.read("control_mediation").where(f"batch_no BETWEEN {batches.from_no} AND {batches.to_no}")
    marked = marks.selectExpr("sum(accepted)", "sum(accepted_duration_s)", "sum(accepted_volume_bytes)")
    row = sums.crossJoin(marked).collect()[0]  # one row each
    figures, said = Figures.of(row[:4]), tuple(row[5:])
    if (figures.events, figures.duration_s, figures.volume_bytes) != said:
        raise TollgateError(
            f"accepted usage of batches {batches.name} is not what their marks say; nothing is exported",
            where=lake.path("usage_event"), expected=f"events, seconds, bytes {said}", found=str(figures),
            way_out="run `tollgate reconcile`",
        )  # fmt: skip
    return figures, list(row[4])


def _no_such_export(copy: UsageCopy, asked: Batches, recorded: dict[Batches, Figures]) -> TollgateError:
    near = [
        batches.name
        for batches in sorted(recorded)
        if batches.from_no <= asked.to_no and asked.from_no <= batches.to_no
    ]
    return TollgateError(
        f"batches {asked.name} are no export that could be made again", where=copy.where,
        expected=f"one of the exports {', '.join(near[:5])}" if near else "batches that were exported",
        way_out="name its first and last batch; without --again what lacks is exported",
    )  # fmt: skip


def _folder(out: str | None) -> str | None:
    return out if out is None or "://" in out else str(Path(out).absolute())


if __name__ == "__main__":
    sys.exit(main(parser(), run, ready=check_before_spark))
