"""What the commands of billing are asked for: a cycle, an instant, accounts, a run. Nothing here needs Spark."""

from __future__ import annotations

import argparse
from datetime import datetime, timezone
from pathlib import Path

from jobs import bill_runs
from jobs.bill_runs import BillRun
from tollgate.platform.errors import TollgateError, UsageError
from tollgate.platform.settings import Settings

# They are kept in the run's row and become part of a plan.
MOST_NAMED = 10_000
# What the columns of documents and of their lines hold.
LARGEST_NO, LARGEST_LINE = 2**63 - 1, 2**31 - 1
UNKNOWN = "SELECT asked FROM unnest(%s) AS asked WHERE NOT EXISTS (SELECT FROM crm.account WHERE account_id = asked)"


def document_no(text: str) -> int:
    """The number of an invoice or credit note, for argparse."""
    return _number(text, LARGEST_NO)


def line_no(text: str) -> int:
    """The number of a line of an invoice, for argparse."""
    return _number(text, LARGEST_LINE)


def _number(text: str, largest: int) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= largest):
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 to {largest}, found {text!r}")
    return int(text)


def add_accounts(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that name accounts; without one every account of the cycle is meant."""
    parser.add_argument("--account", action="append", default=[], metavar="ID", help="this account only; repeatable")
    parser.add_argument("--accounts", metavar="FILE", help="those in the file, an id a line; # begins a remark")


def accounts_of(args: argparse.Namespace) -> list[str] | None:
    """The accounts that `add_accounts` was given, each once and sorted; None for every account.

    Raises UsageError for a file that names nobody or cannot be read, and for more than MOST_NAMED.
    """
    found = list(args.account)
    if args.accounts:
        try:
            lines = Path(args.accounts).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"cannot read the accounts: {error}", where=args.accounts) from None
        in_file = [line.partition("#")[0].strip() for line in lines]
        if not any(in_file):
            raise UsageError("the file names no account", where=args.accounts, expected="an account id a line")
        found += in_file
    named = sorted({one for one in found if one})
    if len(named) > MOST_NAMED:
        raise UsageError(
            "too many accounts by name", where="--accounts", expected=f"at most {MOST_NAMED:,}",
            found=f"{len(named):,}", way_out="bill the whole cycle, or in several runs",
        )  # fmt: skip
    if args.account and not named:
        raise UsageError("no account", where="--account", expected="an account id", found="nothing")
    return named or None


def refuse_unknown(settings: Settings, accounts: list[str] | None) -> None:
    """TollgateError that names the first accounts that there are not."""
    if accounts is None:
        return
    with bill_runs.transaction(settings) as cursor:
        cursor.execute(f"{UNKNOWN} ORDER BY 1", (accounts,))
        unknown = [row[0] for row in cursor.fetchall()]
    if unknown:
        more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
        raise TollgateError(
            "there is no such account", where="crm.account", found=f"{', '.join(unknown[:5])}{more}",
            way_out="check the spelling",
        )  # fmt: skip


def refuse_other_run(opened: BillRun, as_of: datetime, accounts: list[str] | None) -> None:
    """TollgateError when the cycle's open run was begun for another instant or for other accounts."""
    way_out = "approve and post it, or void it (`tollgate bill void`)"
    if opened.as_of != as_of:
        raise TollgateError(
            "the cycle has an open run with another --as-of", where=opened.run_id, way_out=way_out,
            expected=opened.as_of.isoformat(), found=as_of.isoformat(),
        )  # fmt: skip
    if opened.only_accounts != accounts:
        raise TollgateError(
            "the cycle has an open run of other accounts", where=opened.run_id, way_out=way_out,
            expected=_told(opened.only_accounts), found=_told(accounts),
        )  # fmt: skip


def named_run(settings: Settings, run_id: str | None, cycle: str | None, *, or_posted: bool = False) -> BillRun:
    """The run with this id, else the open one of the cycle; or_posted: else the last one that was posted."""
    if run_id:
        return bill_runs.find_run(settings, run_id)
    found = bill_runs.open_run(settings, cycle_of(cycle))
    if found is None and or_posted:
        found = bill_runs.last_posted(settings, cycle_of(cycle))
    if found is None:
        raise TollgateError(
            "the cycle has no open run", where=cycle or "",
            way_out="start one with `tollgate bill run`, or name one with --run-id",
        )  # fmt: skip
    return found


def cycle_of(text: str | None) -> str:
    """The argument --cycle; UsageError when it is no month."""
    from tollgate.billing.cycles import month_of

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


def _told(accounts: list[str] | None) -> str:
    if accounts is None:
        return "every account"
    return f"{len(accounts)} named: {', '.join(accounts[:5])}{', ...' if len(accounts) > 5 else ''}"
