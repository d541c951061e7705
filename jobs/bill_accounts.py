"""Bill the accounts of a cycle: preview, draft, approve, post.

spark-submit jobs/bill_accounts.py --cycle 2026-10 --as-of 2026-11-01T04:00:00Z --action run

What a scheduler or spark-submit calls; people use `tollgate bill`, whose actions are these and some more.
"""

from __future__ import annotations

import argparse
import getpass
import sys
from typing import Any

from pyspark.sql import SparkSession

from jobs import bill_runs
from jobs.bill_arguments import (
    accounts_of,
    add_accounts,
    cycle_of,
    instant_of,
    named_run,
    refuse_other_run,
    refuse_unknown,
)
from jobs.bill_decisions import approve, refuse_approver, refuse_outliers, refuse_to_void, settled, void
from jobs.bill_draft import draft, preview, totals_of
from jobs.bill_runs import BillRun, posted_runs
from jobs.posting import post_run
from tollgate.platform.job import add_common, main
from tollgate.platform.progress import step
from tollgate.platform.settings import Settings

__all__ = ["check_args", "check_before_spark", "draft", "parser", "posted_runs", "preview", "run", "totals_of"]

ACTIONS = ("run", "preview", "approve", "post", "void", "list")


def parser() -> argparse.ArgumentParser:
    """Arguments of the job."""
    made = argparse.ArgumentParser(prog="bill_accounts", description="Bill the accounts of a cycle.")
    made.add_argument("--action", choices=ACTIONS, default="run", help="default: run, which leaves a draft")
    made.add_argument("--cycle", metavar="YYYY-MM[.N]", help="cycles that start in this month; .2: second ones")
    made.add_argument("--as-of", metavar="TIME", help="cycles ended by this instant are due: 2026-11-01T04:00:00Z")
    add_accounts(made)
    made.add_argument("--run-id", metavar="ID", help="run to approve, post or void (default: the open one of --cycle)")
    made.add_argument("--approver", metavar="NAME", help="who approves (default: billing.approver of the settings)")
    made.add_argument(
        "--accept-outliers", action="store_true", help="with approve: although invoices are unlike others"
    )
    made.add_argument("--started-by", metavar="NAME", help="who does it (default: the user of the system)")
    made.add_argument("--dry-run", action="store_true", help="with run: show the totals, write nothing")
    return add_common(made)


def check_args(args: argparse.Namespace) -> None:
    """Refuse a cycle, an instant or accounts that the action needs and that are missing or cannot be read."""
    if args.action in ("run", "preview"):
        cycle_of(args.cycle)
        instant_of(args.as_of)
        accounts_of(args)
    elif args.action != "list" and not args.run_id:
        cycle_of(args.cycle)


def check_before_spark(settings: Settings, args: argparse.Namespace) -> None:
    """Refuse what the database alone can tell: a run or an account that there is not, a run with another --as-of, an
    approver who may not, or no database."""
    if args.action in ("run", "preview"):
        opened = bill_runs.open_run(settings, args.cycle)
        refuse_unknown(settings, accounts_of(args))
        if opened is not None and args.action == "run" and not args.dry_run:
            refuse_other_run(opened, instant_of(args.as_of), accounts_of(args))
    elif args.action == "list":
        bill_runs.all_runs(settings)
    else:
        found = _run_of(settings, args)
        if args.action == "post":
            settled(found, "post")
        elif args.action == "void":
            refuse_to_void(found)
        elif found.status == "draft":
            approver = args.approver or settings.billing.approver
            refuse_approver(settings, found.started_by, approver)
            if found.is_complete:
                refuse_outliers(found, approver, args.accept_outliers)


def run(spark: SparkSession, settings: Settings, args: argparse.Namespace) -> dict[str, Any]:
    """Do one action; returns run_id, status, counts, net, tax and total (strings), content_hash and pins."""
    if args.action == "list":
        return {"runs": [found.summary() for found in bill_runs.all_runs(settings)]}
    person = args.started_by or getpass.getuser()
    if args.action in ("run", "preview"):
        cycle, as_of, accounts = cycle_of(args.cycle), instant_of(args.as_of), accounts_of(args)
        refuse_unknown(settings, accounts)
        if args.action == "preview" or args.dry_run:
            is_open = args.action == "preview"
            with step("preview", cycle=cycle):
                bill = preview(spark, settings, cycle, as_of, only_accounts=accounts, is_open=is_open)
                return totals_of(bill, cycle)
        return draft(spark, settings, cycle, as_of, person, accounts)
    found = _run_of(settings, args)
    if args.action == "post":
        return post_run(spark, settings, found, person)
    if args.action == "void":
        return void(settings, found, person)
    approver = args.approver or settings.billing.approver
    return approve(settings, found, approver, accept_outliers=args.accept_outliers)


def _run_of(settings: Settings, args: argparse.Namespace) -> BillRun:
    return named_run(settings, args.run_id, args.cycle, or_posted=args.action == "post")


if __name__ == "__main__":
    sys.exit(main(parser(), run, check=check_args, ready=check_before_spark))
