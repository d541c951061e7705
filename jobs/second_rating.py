"""Price events of a cycle a second time, by the oracle, and compare: one of each situation, and a sample."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.second_opinion_rows import Picked, book_folders, facts_of, picked_rows
from tollgate.assurance.current_rating import current_rating
from tollgate.assurance.situations import IDENTITY, of_cycle, representatives, sample
from tollgate.billing.cycles import CycleError, month_of, number_of
from tollgate.oracle.book import PriceBook
from tollgate.oracle.pricing import price_event
from tollgate.oracle.rating_check import expected_fields, found_fields
from tollgate.oracle.report import Report
from tollgate.platform.errors import TollgateError, UsageError
from tollgate.platform.job import add_common, main
from tollgate.platform.lake import Lake, kept
from tollgate.platform.progress import step
from tollgate.platform.settings import Settings

TABLE = "control_second_rating"
SAMPLE, MOST_SITUATIONS = 1_000, 20_000
DIFFERENCES_TOLD = 5


def parser() -> argparse.ArgumentParser:
    """Arguments of the job."""
    found = argparse.ArgumentParser(prog="second_rating", description=__doc__)
    found.add_argument("--cycle", metavar="YYYY-MM", required=True, help="month in which the bill cycles start")
    found.add_argument(
        "--sample", type=int, default=SAMPLE, metavar="N", help=f"events beside one a situation (default: {SAMPLE})"
    )
    found.add_argument(
        "--situations", type=int, default=MOST_SITUATIONS, metavar="N",
        help=f"most situations to compare (default: {MOST_SITUATIONS}); how many there are is always said",
    )  # fmt: skip
    found.add_argument(
        "--pricebook", action="append", default=[], metavar="DIR",
        help="folder of a price book that was pinned; repeatable. Default: pricebook.dir, and what the catalog keeps",
    )  # fmt: skip
    return add_common(found)


def check_args(args: argparse.Namespace) -> None:
    """Refuse, before Spark starts, a cycle that is none and sizes below 0."""
    try:
        month_of(args.cycle)
    except CycleError as problem:
        raise UsageError(str(problem)) from None
    if number_of(args.cycle) > 1:
        raise UsageError(
            "all cycles that start in a month are looked at together", found=args.cycle, expected="YYYY-MM"
        )
    if args.sample < 0 or args.situations < 1:
        raise UsageError("--sample is 0 or more, --situations 1 or more")


def run(spark: SparkSession, settings: Settings, args: argparse.Namespace) -> dict[str, Any]:
    """Compare, keep a row of control_second_rating and return it with the report of the oracle.

    TollgateError when anything differs, after the row was written. All that passes through the driver is at most
    --situations + --sample events with their lines, customers and accounts.
    """
    check_args(args)
    lake = Lake(spark, settings.lake.root)
    accounts = _newest_accounts(lake)
    longest = accounts.agg(F.coalesce(F.max("cycle_days"), F.lit(31))).collect()[0][0]
    events = of_cycle(current_rating(lake.read("rated_usage")), accounts, month_of(args.cycle), longest)
    with step("look for every situation"):
        found = kept(representatives(events))
        counted = found.agg(F.count("*"), F.coalesce(F.sum("events"), F.lit(0))).collect()[0]
        checked = found.orderBy(F.desc("events"), *IDENTITY).limit(args.situations).select(*IDENTITY)
        picked = kept(checked.unionByName(sample(events, args.sample)).distinct())
    with step("take the events picked"):
        rows = picked_rows(lake, picked)
    with tempfile.TemporaryDirectory() as folder, step("price them again"):
        folders = book_folders(lake, settings, {row.version for row in rows}, args.pricebook, Path(folder))
        report = _compare(lake, picked, rows, folders)
    figures = {
        "cycle": args.cycle, "events": counted[1], "situations": counted[0],
        "situations_checked": min(counted[0], args.situations), "checked": len(rows),
    }  # fmt: skip
    return _keep(lake, figures, report)


def _newest_accounts(lake: Lake) -> DataFrame:
    newest = lake.read("control_snapshot").agg(F.max("snapshot_id").alias("snapshot_id"))
    return lake.read("ref_account").join(newest, "snapshot_id", how="left_semi")


def _compare(lake: Lake, picked: DataFrame, rows: list[Picked], folders: Mapping[int, Path]) -> Report:
    """Each row against what the oracle makes of its event, with the book and the snapshot that the row pins."""
    report = Report()
    comparison = report.comparison("rated_usage")
    books = {version: PriceBook(folder) for version, folder in folders.items()}
    facts = facts_of(lake, picked)
    totals = dict.fromkeys(("charge", "cost", "charge_found", "cost_found"), 0)
    for row in rows:
        # Whether an id came twice is a question to the whole history, which one event cannot answer.
        is_conflict = row.fields["suspense_reason"] == "id_conflict"
        priced = price_event(row.usage, books[row.version], facts[row.snapshot_id], is_conflict)
        comparison.compare(
            f"{row.usage.source}|{row.usage.event_id}", expected_fields(row.usage, priced), found_fields(row.fields)
        )
        totals["charge"] += priced.charge or 0
        totals["cost"] += priced.wholesale.cost or 0
        totals["charge_found"] += int((row.fields["charge"] or Decimal(0)).scaleb(6))
        totals["cost_found"] += int((row.fields["cost"] or Decimal(0)).scaleb(6))
    for leg in ("charge", "cost"):
        report.total(leg, totals[leg], totals[f"{leg}_found"])
    return report


def _keep(lake: Lake, figures: dict[str, Any], report: Report) -> dict[str, Any]:
    """Write the row of the run and return it; TollgateError when anything differs."""
    comparison = report.comparison("rated_usage")
    run_no = (lake.last_version(TABLE, "second_rating") or 0) + 1
    sides = [Decimal(report.totals[leg][side]) for leg in ("charge", "cost") for side in ("tables", "oracle")]
    row = (run_no, *figures.values(), comparison.different, *sides, report.is_equal)
    lake.append(lake.frame([row], TABLE), TABLE, "second_rating", run_no)
    told = comparison.as_json()
    if not report.is_equal:
        first = "\n".join(f"  - {one['key']}: {one['fields']}" for one in told["first"][:DIFFERENCES_TOLD])
        raise TollgateError(
            f"{comparison.different} of {figures['checked']} events have another outcome by the oracle\n{first}",
            where=lake.path("rated_usage"),
            expected=f"charge {sides[1]}, cost {sides[3]} by the oracle",
            found=f"charge {sides[0]}, cost {sides[2]}; fields that differ: {told['fields']}",
            way_out="`tollgate explain EVENT_ID` shows a charge step by step; bill nothing until it is understood",
        )
    return {"run_no": run_no, **figures, "different": 0, "holds": True, "totals": report.totals}


if __name__ == "__main__":
    sys.exit(main(parser(), run, check=check_args))
