"""The month: the drafts of a cycle once its usage is rated; with --post, approved and posted as well.

Started again it goes on with the same draft; a posted cycle with nobody left to bill is left as it is. Without --cycle
it takes every cycle that is due, of months and of days, one after the other: a draft that is left for a person ends it,
since the cycles after it wait until it is posted.
"""

from __future__ import annotations

import argparse
import getpass
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime, timedelta
from functools import partial
from types import MappingProxyType
from typing import Any

from pyspark.sql import SparkSession

from jobs import bill_draft, bill_runs, check_quality, reconcile
from jobs.awaiting_usage import Awaiting, awaiting, last_batch_before, taken_to
from jobs.bill_arguments import cycle_of, instant_of, refuse_other_run
from jobs.bill_decisions import approve, refuse_approver
from jobs.bill_inputs import has_accounts_left, newest_inputs
from jobs.due_cycles import month_command, play_due
from jobs.further_cycles import further_accounts
from jobs.posting import post_run
from tollgate.platform.crash import crash_point
from tollgate.platform.errors import TollgateError, UsageError
from tollgate.platform.job import add_common, main_without_spark
from tollgate.platform.lake import Lake
from tollgate.platform.run_history import as_json
from tollgate.platform.settings import Settings
from tollgate.platform.unattended import Steps, own_session, unattended

TOTALS = ("accounts", "not_due", "parked", "invoices", "lines", "net", "tax", "total")
LEFT_FOR_A_PERSON = (
    "a person looks at the draft (`tollgate bill show {run}`), then: `{command} --post --approver NAME{accept}`"
)
MEND_PARKED = (
    "{parked} account(s) are parked: `tollgate bill show {run}` says why; mend that, then `{command}` takes them up "
    "under the next sequence (account_closed asks for nothing: too little to invoice yet)"
)


def parser() -> argparse.ArgumentParser:
    """Arguments of the command."""
    made = argparse.ArgumentParser(prog="month", description=__doc__.splitlines()[0])
    made.add_argument(
        "--cycle", metavar="YYYY-MM[.N]",
        help="cycles that start in this month; .2: second ones (default: every cycle that is due, one after the other)",
    )  # fmt: skip
    made.add_argument(
        "--as-of", required=True, metavar="TIME", help="cycles ended by this instant are due: 2026-11-01T04:00:00Z"
    )
    made.add_argument("--dry-run", action="store_true", help="show counts and totals, write nothing")
    made.add_argument("--post", action="store_true", help="approve and post the draft as well")
    made.add_argument("--approver", metavar="NAME", help="who approves (default: billing.approver of the settings)")
    made.add_argument("--accept-outliers", action="store_true", help="with --post: although invoices are unlike others")
    made.add_argument("--started-by", metavar="NAME", help="who starts the draft (default: the user of the system)")
    return add_common(made)


def check_args(args: argparse.Namespace) -> None:
    """Refuse a cycle or an instant that cannot be read, and an approver of nothing."""
    if args.cycle is not None:
        cycle_of(args.cycle)
    instant_of(args.as_of)
    if args.approver and not args.post:
        raise UsageError("a draft is left for a person; who approves belongs to --post", found="--approver alone")
    if args.accept_outliers and not args.post:
        raise UsageError(
            "a draft is left for a person; to accept outliers belongs to --post", found="--accept-outliers"
        )
    if args.post and args.dry_run:
        raise UsageError("a dry run posts nothing", found="--post with --dry-run")


def run_cli(settings: Settings, args: argparse.Namespace) -> None:
    """The command: its own Spark session, started once the lock is held; without --cycle before, to see what is due."""
    check_args(args)
    if args.cycle is not None:
        _play(settings, args, own_session(settings, "month"))
        return
    with own_session(settings, "month") as spark:
        run_due(spark, settings, args)


def run(spark: SparkSession, settings: Settings, args: argparse.Namespace) -> dict[str, Any]:
    """The month of a cycle in a session that runs already; returns the summary that it prints."""
    check_args(args)
    return _play(settings, args, nullcontext(spark))


def run_due(spark: SparkSession, settings: Settings, args: argparse.Namespace) -> list[dict[str, Any]]:
    """The month of each cycle that is due, see `play_due`; returns the summaries that it prints, one a cycle."""

    def played(cycle: str, as_of: str, also_due: list[dict[str, Any]]) -> dict[str, Any]:
        of_cycle = argparse.Namespace(**{**vars(args), "cycle": cycle, "as_of": as_of})
        return _play(settings, of_cycle, nullcontext(spark), {"also_due": also_due})

    return play_due(spark, settings, args.as_of, played) or [_nothing_due(args)]


def _nothing_due(args: argparse.Namespace) -> dict[str, Any]:
    """The summary of a start that finds no cycle due: it is said, and kept in no row."""
    subject = {"command": "month", "cycle": None, "as_of": instant_of(args.as_of), "run_id": None}
    told = {**subject, "dry_run": args.dry_run, "warnings": [], "status": "done", "exit_code": 0, "steps": []}
    told |= {"totals": {"accounts": 0}, "also_due": [], "next": f"nothing: no cycle is due by {args.as_of}"}
    print(as_json(told), flush=True)
    return told


def _play(
    settings: Settings,
    args: argparse.Namespace,
    session: AbstractContextManager[SparkSession],
    more: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, Any]:
    """more: what the summary says besides."""
    subject = {"cycle": args.cycle, "as_of": instant_of(args.as_of)}
    of_cycle = _outlook if args.dry_run else _month

    def work(steps: Steps, spark: SparkSession) -> dict[str, Any]:
        return {**of_cycle(settings, args, steps, spark), **more}

    return unattended(settings, "month", subject, session, work, resume=_command(args), writes=not args.dry_run)


def _month(settings: Settings, args: argparse.Namespace, steps: Steps, spark: SparkSession) -> dict[str, Any]:
    starter = args.started_by or getpass.getuser()
    if args.post:
        _refuse_early(settings, args, starter)
    due = steps.run("check_nights", lambda: _ready(spark, settings, args))["accounts_due"]
    crash_point("month.after_check")
    if not due:
        posted = bill_runs.last_posted(settings, args.cycle)
        why = "the cycle is posted and nobody of it is left to bill" if posted else "no account of the cycle is due"
        return {"totals": {"accounts": 0}, "next": f"nothing: {why}{_further(settings, args)}"}
    as_of = instant_of(args.as_of)
    draft = partial(bill_draft.draft, spark, settings, args.cycle, as_of, starter)
    bill = steps.run("draft", lambda: _as_bill_run(draft()))
    crash_point("month.after_draft")
    gate = ["--run-id", bill["bill_run"]]
    steps.run("check_invoices", lambda: check_quality.run(spark, settings, check_quality.parser().parse_args(gate)))
    steps.run("reconcile", lambda: _equations(spark, settings))
    if args.post:
        bill = _approved_and_posted(settings, args, steps, spark, bill)
    totals = {name: bill[name] for name in TOTALS}
    return {
        "bill_run": bill["bill_run"],
        "bill_status": bill["status"],
        "totals": totals,
        "next": _next(settings, args, bill),
    }


def _approved_and_posted(
    settings: Settings, args: argparse.Namespace, steps: Steps, spark: SparkSession, bill: dict[str, Any]
) -> dict[str, Any]:
    def found() -> bill_runs.BillRun:
        return bill_runs.find_run(settings, bill["bill_run"])

    def approved() -> dict[str, Any]:
        approver = args.approver or settings.billing.approver
        return _as_bill_run(approve(settings, found(), approver, accept_outliers=args.accept_outliers))

    if bill["status"] == "draft":
        steps.run("approve", approved)
        crash_point("month.after_approve")
    person = args.started_by or getpass.getuser()
    posted = steps.run("post", lambda: _as_bill_run(post_run(spark, settings, found(), person)))
    steps.run("reconcile", lambda: _equations(spark, settings))
    return posted


def _outlook(settings: Settings, args: argparse.Namespace, steps: Steps, spark: SparkSession) -> dict[str, Any]:
    """Counts and totals of what a draft would hold; nothing is written."""
    as_of, lake = instant_of(args.as_of), Lake(spark, settings.lake.root)
    waits = _waiting(lake, as_of)
    steps.run("check_nights", lambda: {"batches_waiting": waits.batches, "records_waiting": waits.records})

    def previewed() -> dict[str, Any]:
        bill = bill_draft.preview(spark, settings, args.cycle, as_of, is_open=False)
        return bill_draft.totals_of(bill, args.cycle)

    found = steps.run("preview", lambda: _as_bill_run(previewed()))
    way_on = f"`{_command(args)}` makes the draft" if found["accounts"] else "nothing: no account of the cycle is due"
    return {"totals": {name: found[name] for name in TOTALS}, "next": _missing(waits, as_of) or way_on}


def _ready(spark: SparkSession, settings: Settings, args: argparse.Namespace) -> dict[str, Any]:
    """Refuse while usage that arrived by --as-of waits for its night; returns whether anything is due."""
    lake, as_of = Lake(spark, settings.lake.root), instant_of(args.as_of)
    waits = _waiting(lake, as_of)
    if waits.batches > 0:
        raise TollgateError(
            f"usage that arrived before {args.as_of} is not rated, so nothing is billed",
            where=lake.path("control_rating"),
            expected=f"every batch up to {waits.to_batch_no} rated",
            found=f"{waits.batches} batch(es) with {waits.records} records are not, the first is {waits.from_batch_no}"
            + (f"; the quality gate refused them: {'; '.join(waits.refused)}" if waits.refused else ""),
            way_out=_missing(waits, as_of),
        )
    opened = bill_runs.open_run(settings, args.cycle)
    if opened is not None:
        refuse_other_run(opened, as_of, None)
    is_open = opened is not None
    return {
        "rated_to_batch": waits.to_batch_no,
        "accounts_due": is_open or has_accounts_left(spark, settings, args.cycle, as_of, newest_inputs(settings, lake)),
    }


def _waiting(lake: Lake, as_of: datetime) -> Awaiting:
    return awaiting(lake, taken_to(lake), last_batch_before(lake, as_of))


def _missing(waits: Awaiting, as_of: datetime) -> str:
    """The night to run first; empty when none is missing."""
    if waits.batches <= 0:
        return ""
    # The date in which the last moment before as_of lies: its night takes all that arrived by then.
    night = f"run `tollgate night --date {(as_of - timedelta(microseconds=1)).date()}`"
    return f"mend what the gate found, then {night}" if waits.refused else night


def _refuse_early(settings: Settings, args: argparse.Namespace, starter: str) -> None:
    """The rule of four eyes, before anything is computed; approving asks again."""
    opened = bill_runs.open_run(settings, args.cycle)
    if opened is None or opened.status == "draft":
        started_by = opened.started_by if opened else starter
        refuse_approver(settings, started_by, args.approver or settings.billing.approver)


def _as_bill_run(summary: Mapping[str, Any]) -> dict[str, Any]:
    """A bill run's summary; its id is not that of this run."""
    return {"bill_run" if name == "run_id" else name: value for name, value in summary.items()}


def _equations(spark: SparkSession, settings: Settings) -> dict[str, int]:
    return reconcile.run_beside(spark, settings)


def _next(settings: Settings, args: argparse.Namespace, bill: Mapping[str, Any]) -> str:
    if bill["status"] == "posted":
        parked = bill["parked"]
        told = MEND_PARKED.format(parked=parked, run=bill["bill_run"], command=_command(args)) if parked else "nothing"
        return told + _further(settings, args)
    accept = " --accept-outliers" if bill["outliers"] else ""
    return LEFT_FOR_A_PERSON.format(run=bill["bill_run"], command=_command(args), accept=accept)


def _further(settings: Settings, args: argparse.Namespace) -> str:
    """The run of the next cycles that start in the same month, where accounts have any."""
    cycle, accounts = further_accounts(settings, args.cycle)
    return f"; {accounts} account(s) have another cycle of that month, {cycle}" if accounts else ""


def _command(args: argparse.Namespace) -> str:
    return month_command(args.cycle, args.as_of)


if __name__ == "__main__":
    sys.exit(main_without_spark(parser(), run_cli))
