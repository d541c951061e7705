"""`tollgate bill`: the month as an operator plays it, step by step.

Only preview, run, resume, post and verify start Spark; the rest asks PostgreSQL.
"""

from __future__ import annotations

import argparse
import getpass
import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from jobs import bill_runs
from jobs.bill_arguments import (
    accounts_of,
    add_accounts,
    cycle_of,
    document_no,
    instant_of,
    line_no,
    named_run,
    refuse_other_run,
    refuse_unknown,
)
from jobs.bill_decisions import approve, settled, void
from jobs.bill_shown import as_list, in_full, listed, shown
from tollgate.platform.errors import TollgateError, UsageError
from tollgate.platform.job import add_common, main_without_spark
from tollgate.platform.settings import Settings
from tollgate.platform.unattended import own_session

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ACTIONS = {
    "preview": "what a cycle would come to; writes nothing",
    "run": "compute a draft",
    "resume": "go on with a draft that died, under its own pins",
    "list": "every run, a line each",
    "show": "one run: totals, lines, parked accounts, outliers, pins, who did what when",
    "approve": "approve a draft",
    "post": "number, issue and book an approved run",
    "void": "a draft or approved run that shall not be posted",
    "credit": "take lines of a posted invoice back: draft a credit note, issue it, or void the draft",
    "credits": "credit notes, the newest first",
    "verify": "rebuild a posted run from its pins and compare",
}


def parser() -> argparse.ArgumentParser:
    """Arguments of the group: an action and its own."""
    made = argparse.ArgumentParser(prog="tollgate bill", description=(__doc__ or "").partition("\n")[0])
    actions = made.add_subparsers(dest="action", required=True, metavar="ACTION")
    of = {name: actions.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
          for name, text in ACTIONS.items()}  # fmt: skip
    for name in ("preview", "run"):
        of[name].add_argument(
            "--cycle", required=True, metavar="YYYY-MM[.N]", help="cycles that start in this month; .2: second ones"
        )
        of[name].add_argument("--as-of", required=True, metavar="TIME", help="cycles ended by this instant are due")
        add_accounts(of[name])
    of["show"].add_argument("run_id", metavar="RUN", help="such as 2026-10/regular/1")
    of["verify"].add_argument("--run-id", required=True, metavar="RUN", help="such as 2026-10/regular/1")
    for name in ("resume", "approve", "post", "void"):
        which = of[name].add_mutually_exclusive_group(required=True)
        which.add_argument("--run-id", metavar="RUN", help="such as 2026-10/regular/1")
        which.add_argument("--cycle", metavar="YYYY-MM", help="its open run")
    of["approve"].add_argument("--approver", metavar="NAME", help="who (default: billing.approver of the settings)")
    of["approve"].add_argument("--accept-outliers", action="store_true", help="although invoices are unlike others")
    of["void"].add_argument("--reason", required=True, metavar="TEXT", help="why; kept with the run")
    what = of["credit"].add_mutually_exclusive_group(required=True)
    what.add_argument("--invoice", type=document_no, metavar="NO", help="draft a note against this invoice")
    what.add_argument("--issue", type=document_no, metavar="NOTE", help="number and book a draft; by another person")
    what.add_argument("--void", type=document_no, metavar="NOTE", help="a draft that shall not be issued")
    of["credit"].add_argument(
        "--line", type=line_no, action="append", metavar="NO", help="of the invoice; repeatable (default: all)"
    )
    of["credit"].add_argument("--reason", default="", metavar="TEXT", help="why; the customer reads it")
    of["credit"].add_argument(
        "--approver", metavar="NAME", help="who issues (default: billing.approver of the settings)"
    )
    of["credits"].add_argument("--invoice", type=document_no, metavar="NO", help="of this invoice")
    for name in ("run", "resume", "post", "void", "credit"):
        of[name].add_argument("--by", metavar="NAME", help="who (default: the user of the system)")
    for one in of.values():
        add_common(one)
    return made


def run_cli(settings: Settings, args: argparse.Namespace) -> dict[str, Any]:
    """Do one action and print what it found: text on a terminal, one JSON line elsewhere."""
    found = done(settings, args, lambda work: _in_own_session(settings, work))
    if sys.stdout.isatty():
        print(_as_text(args.action, found), flush=True)
    else:
        print(json.dumps(found, default=str, sort_keys=True), flush=True)
    return found


def done(
    settings: Settings, args: argparse.Namespace, in_spark: Callable[[Callable[[SparkSession], Any]], Any]
) -> dict[str, Any]:
    """Do one action and return what it found. in_spark: calls what it is given with a session, only when one is
    needed; what the database alone can refuse has been refused by then."""
    person = getattr(args, "by", None) or getpass.getuser()
    if args.action == "list":
        return listed(settings)
    if args.action == "show":
        return shown(settings, args.run_id)
    if args.action in ("credit", "credits"):
        return _credit(settings, args, person)
    if args.action in ("preview", "run"):
        return _computed(settings, args, person, in_spark)
    found = named_run(settings, args.run_id, getattr(args, "cycle", None), or_posted=args.action == "post")
    if args.action == "approve":
        approver = args.approver or settings.billing.approver
        return approve(settings, found, approver, accept_outliers=args.accept_outliers)
    if args.action == "void":
        return void(settings, found, person, args.reason)
    already = settled(found, args.action)
    if already is not None:
        return already

    def work(spark: SparkSession) -> dict[str, Any]:
        from jobs.bill_draft import resume
        from jobs.bill_verify import verify
        from jobs.posting import post_run

        if args.action == "resume":
            return resume(spark, settings, found, person)
        return verify(spark, settings, found) if args.action == "verify" else post_run(spark, settings, found, person)

    return dict(in_spark(work))


def _credit(settings: Settings, args: argparse.Namespace, person: str) -> dict[str, Any]:
    from jobs import credit_notes

    if args.action == "credits":
        return credit_notes.credits_of(settings, args.invoice)
    if args.invoice is None and (args.line or (args.issue is not None and args.reason)):
        raise UsageError(
            "a draft is issued or made void as it is", found="--line" if args.line else "--reason",
            way_out="void it, and draft another one with --invoice",
        )  # fmt: skip
    if args.issue is not None:
        return credit_notes.issue_credit(settings, args.issue, args.approver or settings.billing.approver)
    if args.void is not None:
        return credit_notes.void_credit(settings, args.void, person, args.reason)
    return credit_notes.draft_credit(settings, args.invoice, args.line, args.reason, person)


def _computed(
    settings: Settings, args: argparse.Namespace, person: str, in_spark: Callable[[Callable[[SparkSession], Any]], Any]
) -> dict[str, Any]:
    cycle, as_of, accounts = cycle_of(args.cycle), instant_of(args.as_of), accounts_of(args)
    opened = bill_runs.open_run(settings, cycle)
    refuse_unknown(settings, accounts)
    if args.action == "run" and opened is not None:
        refuse_other_run(opened, as_of, accounts)
        if not opened.is_complete:
            raise TollgateError(
                "the cycle has a draft that is not complete: another process works on it, or died", where=opened.run_id,
                way_out=f"if nothing works on it: `tollgate bill resume --run-id {opened.run_id}`, or void it",
            )  # fmt: skip

    def work(spark: SparkSession) -> dict[str, Any]:
        from jobs.bill_draft import draft, preview, totals_of

        if args.action == "run":
            return draft(spark, settings, cycle, as_of, person, accounts)
        return totals_of(preview(spark, settings, cycle, as_of, only_accounts=accounts), cycle)

    return dict(in_spark(work))


def _in_own_session(settings: Settings, work: Callable[[SparkSession], Any]) -> Any:
    with own_session(settings, "bill") as spark:
        return work(spark)


def _as_text(action: str, found: dict[str, Any]) -> str:
    if action == "list":
        return as_list(found)
    if action == "show":
        return in_full(found)
    if action == "credits":
        return "\n\n".join(map(_named, found["credit_notes"])) or "no credit note"
    return _named(found)


def _named(found: dict[str, Any]) -> str:
    width = max(len(name) for name in found) + 2
    return "\n".join(f"{name:<{width}}{'' if value is None else value}" for name, value in found.items())


if __name__ == "__main__":
    sys.exit(main_without_spark(parser(), run_cli))
