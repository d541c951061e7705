"""Bill the accounts of a cycle: preview, draft, approve, post.

    spark-submit jobs/bill_accounts.py --cycle 2026-10 --as-of 2026-11-01T04:00:00Z --action run
"""

from __future__ import annotations

import argparse
import getpass
import sys
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

from pyspark import StorageLevel
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs import bill_runs
from jobs.bill_runs import BillRun, posted_runs
from jobs.pinned import load_price_book, load_reference
from jobs.posting import post_run
from tollgate.billing.bill import Bill, PostedRuns, bill_cycle
from tollgate.billing.cycles import CycleError, month_before, month_of
from tollgate.billing.invoice import run_totals
from tollgate.platform.crash import crash_point
from tollgate.platform.errors import TollgateError
from tollgate.platform.job import add_common, main
from tollgate.platform.lake import Lake
from tollgate.platform.postgres import jdbc
from tollgate.platform.settings import Settings

__all__ = ["parser", "posted_runs", "preview", "run"]

ACTIONS = ("run", "preview", "approve", "post", "void", "list")
TABLES = ("billed_usage", "invoice_line", "invoice")
AUTOMATIC = "auto"


def parser() -> argparse.ArgumentParser:
    """Arguments of the job."""
    made = argparse.ArgumentParser(prog="bill_accounts", description="Bill the accounts of a cycle.")
    made.add_argument("--action", choices=ACTIONS, default="run", help="default: run, which leaves a draft")
    made.add_argument("--cycle", metavar="YYYY-MM", help="cycles that start in this month")
    made.add_argument("--as-of", metavar="TIME", help="cycles that have ended by this instant, such as 2026-11-01T04:00:00Z, are due")
    made.add_argument("--run-id", metavar="ID", help="run to approve, post or void (default: the open one of --cycle)")
    made.add_argument("--approver", metavar="NAME", help="who approves (default: billing.approver of the settings)")
    made.add_argument("--started-by", metavar="NAME", help="who starts the run (default: the user of the system)")
    made.add_argument("--dry-run", action="store_true", help="with run: show the totals, write nothing")
    return add_common(made)


def run(spark: SparkSession, settings: Settings, args: argparse.Namespace) -> dict[str, Any]:
    """Do one action; returns run_id, status, accounts, invoices, lines, net, tax, total (strings), parked, not_due, content_hash."""
    if args.action == "list":
        return {"runs": [found.summary() for found in bill_runs.all_runs(settings)]}
    if args.action in ("run", "preview"):
        cycle, as_of = _cycle(args.cycle), _instant(args.as_of)
        if args.action == "preview" or args.dry_run:
            return _show(preview(spark, settings, cycle, as_of, is_open=args.action == "preview"), cycle)
        return draft(spark, settings, cycle, as_of, args.started_by or getpass.getuser())
    found = _named_run(settings, args)
    if args.action == "approve":
        approver = _approver(settings, found, args.approver or settings.billing.approver)
        return found.summary("approved before") if found.status == "approved" else bill_runs.approve_run(settings, found, approver).summary()
    return post_run(spark, settings, found) if args.action == "post" else bill_runs.void_run(settings, found).summary()


def preview(spark: SparkSession, settings: Settings, cycle: str, as_of: datetime, *, is_open: bool = True) -> Bill:
    """The bill of a cycle with the newest pins, as frames; nothing is written. is_open: the cycle may not have ended yet."""
    lake = Lake(spark, settings.lake.root)
    _check_balanced(lake)
    reference, book = load_reference(lake), load_price_book(lake)
    posted = _posted(spark, settings, lake, cycle, posted_runs(settings))
    return bill_cycle(
        cycle, as_of, lake.read("rated_usage"), _newest_rating(lake), reference, book, posted, is_open=is_open, keep=_persisted([])
    )


def draft(spark: SparkSession, settings: Settings, cycle: str, as_of: datetime, started_by: str) -> dict[str, Any]:
    """Compute the cycle's next run and leave it as a draft; a draft that crashed goes on with its own pins."""
    lake = Lake(spark, settings.lake.root)
    _check_balanced(lake)
    opened = bill_runs.open_run(settings, cycle)
    if opened is not None:
        if opened.as_of != as_of:
            raise TollgateError(
                "the cycle has an open run with another --as-of", where=opened.run_id, expected=opened.as_of.isoformat(),
                found=as_of.isoformat(), way_out="approve and post it, or void it (--action void)",
            )  # fmt: skip
        if opened.is_complete:
            return opened.summary("this run was complete before; nothing was changed")
        return _compute(spark, settings, lake, bill_runs.take_over(settings, opened))
    after_runs = posted_runs(settings)
    earlier = bill_runs.last_posted(settings, cycle)
    reference = load_reference(lake)
    if earlier is not None and not _has_accounts_left(spark, settings, lake, cycle, as_of):
        return earlier.summary("this cycle is posted and no account of it is left to bill; nothing was changed")
    pins = {"rating_no": _newest_rating(lake), "snapshot_id": reference.snapshot_id, "pricebook_version": load_price_book(lake).version}
    return _compute(spark, settings, lake, bill_runs.begin(settings, cycle, as_of, pins, after_runs, started_by))


def _compute(spark: SparkSession, settings: Settings, lake: Lake, bill_run: BillRun) -> dict[str, Any]:
    """Write the run's frames to the lake, then its totals to its row. Every write happens once, however often this starts."""
    kept: list[DataFrame] = []
    posted = _posted(spark, settings, lake, bill_run.cycle, bill_run.after_runs)
    bill = bill_cycle(
        bill_run.cycle, bill_run.as_of, lake.read("rated_usage"), bill_run.rating_no, load_reference(lake, bill_run.snapshot_id),
        load_price_book(lake, bill_run.pricebook_version), posted, run_id=bill_run.run_id, keep=_persisted(kept),
    )  # fmt: skip
    try:
        for table, point in zip(TABLES, ("bill.after_billed_usage", "bill.after_lines", "bill.after_invoice"), strict=True):
            lake.append(getattr(bill, table), table, app_id=bill_run.run_id, version=1, metadata={"run_id": bill_run.run_id})
            crash_point(point)
        written = lake.read("invoice").where(F.col("run_id") == bill_run.run_id)
        totals = _totals(bill, written)
        _record_parked(settings, bill_run, bill.parked, totals["parked"])
        return bill_runs.record_totals(settings, bill_run, totals).summary()
    finally:
        for frame in kept:
            frame.unpersist()


def _totals(bill: Bill, invoice: DataFrame) -> dict[str, Any]:
    """Totals of the invoices, and how many accounts were due, parked and not due; one action."""
    due = bill.accounts.agg(F.count_if("is_due").alias("accounts"), F.count_if(~F.col("is_due")).alias("not_due"))
    parked = bill.parked.agg(F.count("*").alias("parked"))
    row = run_totals(invoice).crossJoin(due).crossJoin(parked).first()
    assert row is not None
    return row.asDict()


def _show(bill: Bill, cycle: str) -> dict[str, Any]:
    totals = _totals(bill, bill.invoice)
    for amount in ("net", "tax", "total"):
        totals[amount] = f"{totals[amount]:.3f}"
    return {"run_id": None, "status": "preview", "cycle": cycle, **totals}


def _record_parked(settings: Settings, bill_run: BillRun, parked: DataFrame, count: int) -> None:
    with bill_runs.transaction(settings) as cursor:
        cursor.execute("DELETE FROM ops.bill_account_park WHERE run_id = %s", (bill_run.run_id,))
    if count:
        rows = parked.withColumn("run_id", F.lit(bill_run.run_id))
        rows.write.format("jdbc").options(**jdbc(settings), dbtable="ops.bill_account_park").mode("append").save()


def _posted(spark: SparkSession, settings: Settings, lake: Lake, cycle: str, run_ids: list[str]) -> PostedRuns:
    """What the given posted runs did, as far as the accounts of `cycle` depend on it."""
    near = [found for found in bill_runs.all_runs(settings) if found.run_id in run_ids and found.cycle in (cycle, month_before(cycle))]
    runs = spark.createDataFrame([(found.run_id, found.cycle, found.as_of) for found in near], "run_id STRING, cycle STRING, as_of TIMESTAMP")
    parked = spark.createDataFrame([], "run_id STRING, account_id STRING")
    if near:
        table = spark.read.format("jdbc").options(**jdbc(settings), dbtable="ops.bill_account_park").load()
        parked = table.where(F.col("run_id").isin([found.run_id for found in near])).select("run_id", "account_id")
    return PostedRuns(runs, parked, lake.read("billed_usage").where(F.col("run_id").isin(run_ids)))


def _has_accounts_left(spark: SparkSession, settings: Settings, lake: Lake, cycle: str, as_of: datetime) -> bool:
    from tollgate.billing.cycles import accounts_to_bill

    posted = _posted(spark, settings, lake, cycle, posted_runs(settings))
    left = accounts_to_bill(load_reference(lake).table("ref_account"), cycle, as_of, posted.runs, posted.parked)
    return not left.where("is_due").isEmpty()


def _check_balanced(lake: Lake) -> None:
    """Refuse while a mark up to rating does not balance: a bill must not stand on lost or doubled usage."""
    for table, number in (("control_mediation", "batch_no"), ("control_rating", "rating_no")):
        bad = lake.read(table).where("NOT balanced").select(number).orderBy(number).take(1)
        if bad:
            raise TollgateError(
                "usage does not balance, so nothing is billed", where=lake.path(table), expected="every row balanced",
                found=f"{number} {bad[0][0]} does not", way_out="run `tollgate reconcile` and repair that hand-over",
            )  # fmt: skip


def _newest_rating(lake: Lake) -> int:
    row = lake.read("control_rating").agg(F.max("rating_no")).first()
    return int(row[0]) if row and row[0] is not None else 0


def _persisted(kept: list[DataFrame]) -> Callable[[DataFrame], DataFrame]:
    def keep(frame: DataFrame) -> DataFrame:
        kept.append(frame.persist(StorageLevel.MEMORY_AND_DISK))
        return kept[-1]

    return keep


def _named_run(settings: Settings, args: argparse.Namespace) -> BillRun:
    if args.run_id:
        return bill_runs.find_run(settings, args.run_id)
    cycle = _cycle(args.cycle)
    found = bill_runs.open_run(settings, cycle) or (bill_runs.last_posted(settings, cycle) if args.action == "post" else None)
    if found is None:
        raise TollgateError("the cycle has no open run", where=cycle, way_out="start one with --action run, or name one with --run-id")
    return found


def _approver(settings: Settings, bill_run: BillRun, approver: str) -> str:
    """Four eyes: outside profile local a person approves, and another one than who started the run."""
    if settings.profile == "local":
        return approver
    if approver == AUTOMATIC:
        raise TollgateError("a run is approved by a person outside profile local", found="approver auto", way_out="give --approver NAME")
    if approver == bill_run.started_by:
        raise TollgateError("who started a run cannot approve it", where=bill_run.run_id, found=approver, way_out="let another person approve it")
    return approver


def _cycle(text: str | None) -> str:
    try:
        month_of(text or "")
    except CycleError as error:
        raise TollgateError(str(error), where="--cycle") from None
    return text or ""


def _instant(text: str | None) -> datetime:
    try:
        instant = datetime.fromisoformat((text or "").replace("Z", "+00:00"))
    except ValueError:
        instant = datetime.min
    if instant.tzinfo is None:
        raise TollgateError("not an instant with its offset", where="--as-of", expected="such as 2026-11-01T04:00:00Z", found=repr(text))
    return instant.astimezone(timezone.utc)


if __name__ == "__main__":
    sys.exit(main(parser(), run))
