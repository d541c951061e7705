"""Bill the accounts of a cycle: preview, draft, approve, post.

spark-submit jobs/bill_accounts.py --cycle 2026-10 --as-of 2026-11-01T04:00:00Z --action run
"""

from __future__ import annotations

import argparse
import getpass
import sys
from datetime import datetime, timezone
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs import bill_runs
from jobs.bill_inputs import (
    Inputs,
    bill_from,
    check_balanced,
    has_accounts_left,
    newest_inputs,
    pinned_inputs,
)
from jobs.bill_runs import BillRun, posted_runs
from jobs.posting import post_run
from jobs.quality_gates import refuse_unchecked_rating
from tollgate.billing.bill import Bill
from tollgate.billing.cycles import month_of
from tollgate.billing.invoice import run_totals
from tollgate.platform.crash import crash_point
from tollgate.platform.errors import TollgateError, UsageError
from tollgate.platform.job import add_common, main
from tollgate.platform.lake import Lake
from tollgate.platform.postgres import jdbc
from tollgate.platform.progress import step
from tollgate.platform.settings import Settings

__all__ = [
    "check_args", "check_before_spark", "cycle_of", "draft", "instant_of", "parser", "posted_runs", "preview",
    "refuse_approver", "run", "totals_of",
]  # fmt: skip

ACTIONS = ("run", "preview", "approve", "post", "void", "list")
TABLES = {
    "billed_usage": "bill.after_billed_usage",
    "invoice_line": "bill.after_lines",
    "invoice": "bill.after_invoice",
}
AUTOMATIC = "auto"


def parser() -> argparse.ArgumentParser:
    """Arguments of the job."""
    made = argparse.ArgumentParser(prog="bill_accounts", description="Bill the accounts of a cycle.")
    made.add_argument("--action", choices=ACTIONS, default="run", help="default: run, which leaves a draft")
    made.add_argument("--cycle", metavar="YYYY-MM", help="cycles that start in this month")
    made.add_argument("--as-of", metavar="TIME", help="cycles ended by this instant are due: 2026-11-01T04:00:00Z")
    made.add_argument("--run-id", metavar="ID", help="run to approve, post or void (default: the open one of --cycle)")
    made.add_argument("--approver", metavar="NAME", help="who approves (default: billing.approver of the settings)")
    made.add_argument("--started-by", metavar="NAME", help="who starts the run (default: the user of the system)")
    made.add_argument("--dry-run", action="store_true", help="with run: show the totals, write nothing")
    return add_common(made)


def check_args(args: argparse.Namespace) -> None:
    """Refuse a cycle or an instant that the action needs and that is missing or cannot be read."""
    if args.action in ("run", "preview"):
        cycle_of(args.cycle)
        instant_of(args.as_of)
    elif args.action != "list" and not args.run_id:
        cycle_of(args.cycle)


def check_before_spark(settings: Settings, args: argparse.Namespace) -> None:
    """Refuse what the database alone can tell: a run that there is not, one with another --as-of, an approver who may
    not, or no database."""
    if args.action in ("run", "preview"):
        opened = bill_runs.open_run(settings, args.cycle)
        if opened is not None and args.action == "run" and not args.dry_run:
            _check_same_time(opened, instant_of(args.as_of))
    elif args.action == "list":
        bill_runs.all_runs(settings)
    else:
        found = _named_run(settings, args)
        if args.action == "approve" and found.status != "approved":
            refuse_approver(settings, found.started_by, args.approver or settings.billing.approver)


def run(spark: SparkSession, settings: Settings, args: argparse.Namespace) -> dict[str, Any]:
    """Do one action; returns run_id, status, counts, net, tax and total (strings), content_hash and pins."""
    if args.action == "list":
        return {"runs": [found.summary() for found in bill_runs.all_runs(settings)]}
    if args.action in ("run", "preview"):
        cycle, as_of = cycle_of(args.cycle), instant_of(args.as_of)
        if args.action == "preview" or args.dry_run:
            with step("preview", cycle=cycle):
                return totals_of(preview(spark, settings, cycle, as_of, is_open=args.action == "preview"), cycle)
        return draft(spark, settings, cycle, as_of, args.started_by or getpass.getuser())
    found = _named_run(settings, args)
    if args.action == "post":
        return post_run(spark, settings, found)
    if args.action == "void":
        return bill_runs.void_run(settings, found).summary()
    if found.status == "approved":
        return found.summary("approved before; nothing was changed")
    approver = args.approver or settings.billing.approver
    refuse_approver(settings, found.started_by, approver)
    return bill_runs.approve_run(settings, found, approver).summary()


def preview(spark: SparkSession, settings: Settings, cycle: str, as_of: datetime, *, is_open: bool = True) -> Bill:
    """The bill of a cycle with the newest pins, as frames; nothing is written. is_open: it may not have ended yet.

    It asks no quality gate: nobody is billed by it, and it shows what usage that did not pass would come to.
    """
    lake = Lake(spark, settings.lake.root)
    check_balanced(lake)
    return bill_from(spark, settings, cycle, as_of, newest_inputs(settings, lake), is_open=is_open)


def draft(spark: SparkSession, settings: Settings, cycle: str, as_of: datetime, started_by: str) -> dict[str, Any]:
    """Compute the cycle's next run and leave it as a draft; a draft that crashed goes on with its own pins.

    Raises TollgateError when usage does not balance or a rating run that it would take has not passed its gate.
    """
    lake = Lake(spark, settings.lake.root)
    check_balanced(lake)
    opened = bill_runs.open_run(settings, cycle)
    if opened is not None:
        _check_same_time(opened, as_of)
        if opened.is_complete:
            return opened.summary("this run was complete before; nothing was changed")
        refuse_unchecked_rating(lake, opened.rating_no)
        return _compute(spark, settings, lake, bill_runs.take_over(settings, opened), pinned_inputs(lake, opened))
    inputs = newest_inputs(settings, lake)
    earlier = bill_runs.last_posted(settings, cycle)
    if earlier is not None and not has_accounts_left(spark, settings, cycle, as_of, inputs):
        return earlier.summary("this cycle is posted and no account of it is left to bill; nothing was changed")
    refuse_unchecked_rating(lake, inputs.rating_no)
    pins = {
        "rating_no": inputs.rating_no,
        "snapshot_id": inputs.reference.snapshot_id,
        "pricebook_version": inputs.book.version,
    }
    begun = bill_runs.begin(settings, cycle, as_of, pins, inputs.after_runs, started_by)
    return _compute(spark, settings, lake, begun, inputs)


def totals_of(bill: Bill, cycle: str) -> dict[str, Any]:
    """Totals of a preview; amounts as strings."""
    totals = _totals(bill, bill.invoice)
    amounts = {name: f"{totals[name]:.3f}" for name in ("net", "tax", "total")}
    return {"run_id": None, "status": "preview", "cycle": cycle, **totals, **amounts}


def _compute(spark: SparkSession, settings: Settings, lake: Lake, bill_run: BillRun, inputs: Inputs) -> dict[str, Any]:
    """Write the run's frames, then its totals to its row. Every write happens once, however often this starts."""
    run_id = bill_run.run_id
    bill = bill_from(spark, settings, bill_run.cycle, bill_run.as_of, inputs, run_id=run_id)
    for table, point in TABLES.items():
        with step(f"bill: {table}", bill_run_id=run_id):
            lake.append(getattr(bill, table), table, app_id=run_id, version=1, metadata={"run_id": run_id})
        crash_point(point)
    with step("total up", bill_run_id=run_id):
        totals = _totals(bill, lake.read("invoice").where(F.col("run_id") == run_id))
    _record_parked(settings, bill_run, bill.parked, totals["parked"])
    return bill_runs.record_totals(settings, bill_run, totals).summary()


def _totals(bill: Bill, invoice: DataFrame) -> dict[str, Any]:
    """Totals of the invoices, and how many accounts were due, parked and not due; one action."""
    due = bill.accounts.agg(F.count_if("is_due").alias("accounts"), F.count_if(~F.col("is_due")).alias("not_due"))
    parked = bill.parked.agg(F.count("*").alias("parked"))
    row = run_totals(invoice).crossJoin(due).crossJoin(parked).first()
    assert row is not None
    return row.asDict()


def _record_parked(settings: Settings, bill_run: BillRun, parked: DataFrame, count: int) -> None:
    with bill_runs.transaction(settings) as cursor:
        cursor.execute("DELETE FROM ops.bill_account_park WHERE run_id = %s", (bill_run.run_id,))
    if count:
        rows = parked.withColumn("run_id", F.lit(bill_run.run_id))
        rows.write.format("jdbc").options(**jdbc(settings), dbtable="ops.bill_account_park").mode("append").save()


def _check_same_time(opened: BillRun, as_of: datetime) -> None:
    if opened.as_of != as_of:
        raise TollgateError(
            "the cycle has an open run with another --as-of",
            where=opened.run_id,
            expected=opened.as_of.isoformat(),
            found=as_of.isoformat(),
            way_out="approve and post it, or void it (--action void)",
        )


def _named_run(settings: Settings, args: argparse.Namespace) -> BillRun:
    if args.run_id:
        return bill_runs.find_run(settings, args.run_id)
    cycle = cycle_of(args.cycle)
    found = bill_runs.open_run(settings, cycle)
    if found is None and args.action == "post":
        found = bill_runs.last_posted(settings, cycle)
    if found is None:
        raise TollgateError(
            "the cycle has no open run",
            where=cycle,
            way_out="start one with --action run, or name one with --run-id",
        )
    return found


def refuse_approver(settings: Settings, started_by: str, approver: str) -> None:
    """Four eyes: outside profile local a person approves, and another one than who started the run."""
    if settings.profile == "local":
        return
    if approver == AUTOMATIC:
        raise TollgateError(
            "outside profile local a person approves a run", found="approver auto", way_out="give --approver NAME"
        )
    if approver == started_by:
        raise TollgateError(
            "who started a run cannot approve it", found=approver, way_out="let another person approve it"
        )


def cycle_of(text: str | None) -> str:
    """The argument --cycle; UsageError when it is no month."""
    try:
        month_of(text or "")
    except ValueError as error:
        raise UsageError(str(error), where="--cycle") from None
    return text or ""


def instant_of(text: str | None) -> datetime:
    """The argument --as-of in UTC; UsageError when it is no instant with its offset."""
    try:
        instant = datetime.fromisoformat((text or "").replace("Z", "+00:00"))
    except ValueError:
        instant = datetime.min
    if instant.tzinfo is None:
        raise UsageError(
            "not an instant with its offset",
            where="--as-of",
            expected="such as 2026-11-01T04:00:00Z",
            found=text or "nothing",
        )
    return instant.astimezone(timezone.utc)


if __name__ == "__main__":
    sys.exit(main(parser(), run, check=check_args, ready=check_before_spark))
