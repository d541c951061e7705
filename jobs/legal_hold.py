"""Legal holds: place one, list them, release one. What a hold reaches is left whole by `tollgate maintain`."""

from __future__ import annotations

import argparse
import getpass
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from jobs.bill_runs import transaction
from jobs.instants import instant
from tollgate.platform.errors import TollgateError
from tollgate.platform.job import add_common, main_without_spark
from tollgate.platform.postgres import connect, migrate
from tollgate.platform.settings import Settings

# Any number: retention shares it while it runs, and a new hold waits until nobody does.
RETENTION_LOCK = 7_414_003
SUBJECTS = ("account_id", "subscription_id", "msisdn", "source")
REACH = (*SUBJECTS, "held_from", "held_to")
COLUMNS = ("hold_id", *REACH, "reason", "placed_by", "placed_at", "released_by", "release_reason", "released_at")


def parser() -> argparse.ArgumentParser:
    """Arguments of the command."""
    found = argparse.ArgumentParser(prog="tollgate hold", description=__doc__)
    actions = found.add_subparsers(dest="action", required=True, metavar="add|list|release")
    add = actions.add_parser("add", help="place a hold", description="Place a hold; it is in force when this returns.")
    subject = add.add_mutually_exclusive_group()
    subject.add_argument("--account", dest="account_id", metavar="ID", help="its numbers, each while it had them")
    subject.add_argument("--subscription", dest="subscription_id", metavar="ID", help="the same of one line")
    subject.add_argument("--number", dest="msisdn", metavar="+NUMBER", help="this number, calling or called")
    subject.add_argument("--source", metavar="NAME", help="all that this system sent")
    add.add_argument("--from", dest="held_from", type=instant, metavar="TIME", help="events from then on")
    add.add_argument("--to", dest="held_to", type=instant, metavar="TIME", help="events before; both without a subject")
    _signed(add, "why it must be kept")
    listed = actions.add_parser("list", help="list the holds in force")
    listed.add_argument("--all", action="store_true", help="the released ones too")
    add_common(listed)
    release = actions.add_parser("release", help="release a hold; the next maintenance takes what is due")
    release.add_argument("hold_id", type=int, metavar="HOLD_ID", help="number of `list`")
    _signed(release, "why it may go")
    return found


def run_cli(settings: Settings, args: argparse.Namespace) -> dict[str, Any]:
    """Do one action, print the hold or holds as one JSON line and return them."""
    migrate(settings)
    if args.action == "add":
        found: dict[str, Any] = _add(settings, args)
    elif args.action == "release":
        found = _release(settings, args)
    else:
        found = {"holds": _select(settings, "" if args.all else "WHERE released_at IS NULL")}
    print(json.dumps(found, default=str), flush=True)
    return found


@contextmanager
def holds_in_force(settings: Settings) -> Iterator[list[tuple[Any, ...]]]:
    """The holds that nobody has released, as rows of REACH; one that is placed now waits for the end of the block."""
    session = connect(settings)
    try:
        with session.cursor() as cursor:
            cursor.execute("SELECT to_regclass('ops.legal_hold') IS NULL")
            if cursor.fetchone() == (True,):
                raise TollgateError("the database has no table of legal holds", way_out="run `tollgate migrate`")
            cursor.execute("SELECT pg_advisory_lock_shared(%s)", (RETENTION_LOCK,))
            cursor.execute(f"SELECT {', '.join(REACH)} FROM ops.legal_hold WHERE released_at IS NULL ORDER BY hold_id")
            yield cursor.fetchall()
    finally:
        session.close()


def _add(settings: Settings, args: argparse.Namespace) -> dict[str, Any]:
    import psycopg2

    values = [*(getattr(args, name) for name in REACH), args.reason, args.by or getpass.getuser()]
    try:
        with transaction(settings) as cursor:
            cursor.execute(
                f"INSERT INTO ops.legal_hold ({', '.join(REACH)}, reason, placed_by) "
                f"VALUES ({', '.join(['%s'] * len(values))}) RETURNING hold_id",
                values,
            )
            hold_id = cursor.fetchone()[0]
    except psycopg2.errors.ForeignKeyViolation as error:
        raise TollgateError(
            "a hold on somebody unknown would keep nothing",
            where="PostgreSQL, schema crm",
            found=str(error.diag.message_detail),
            way_out="check the spelling",
        ) from None
    except psycopg2.errors.CheckViolation as error:
        raise _refused(error.diag.constraint_name) from None
    # It stands. A retention that read the holds before may still be at work: when that has ended, nothing held leaves.
    with transaction(settings) as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", (RETENTION_LOCK,))
    return _one(settings, hold_id)


def _refused(constraint: str | None) -> TollgateError:
    said = {
        "everything_needs_both_ends": ("a hold without a subject needs both ends of a time", "--from TIME --to TIME"),
        "from_before_to": ("the hold ends before it begins", "--from before --to"),
        "legal_hold_msisdn_check": ("not a number", "E.164: + and 7 to 15 digits, such as +14165550123"),
    }
    what, expected = said.get(
        constraint or "", ("the hold is not complete", "a --reason and a --by that say something")
    )
    return TollgateError(what, expected=expected, way_out="see `tollgate hold add --help`")


def _release(settings: Settings, args: argparse.Namespace) -> dict[str, Any]:
    found = _one(settings, args.hold_id)
    if found["released_at"] is not None:
        raise TollgateError(
            "this hold was released before",
            where=f"hold {args.hold_id}",
            found=f"by {found['released_by']} at {found['released_at']}",
        )
    with transaction(settings) as cursor:
        cursor.execute(
            "UPDATE ops.legal_hold SET released_by = %s, release_reason = %s, released_at = now() WHERE hold_id = %s",
            (args.by or getpass.getuser(), args.reason, args.hold_id),
        )
    return _one(settings, args.hold_id)


def _one(settings: Settings, hold_id: int) -> dict[str, Any]:
    found = _select(settings, "WHERE hold_id = %s", hold_id)
    if not found:
        raise TollgateError("no such hold", found=str(hold_id), way_out="see `tollgate hold list --all`")
    return found[0]


def _select(settings: Settings, condition: str, *values: Any) -> list[dict[str, Any]]:
    with transaction(settings) as cursor:
        cursor.execute(f"SELECT {', '.join(COLUMNS)} FROM ops.legal_hold {condition} ORDER BY hold_id", values)
        return [_shown(row) for row in cursor.fetchall()]


def _shown(row: tuple[Any, ...]) -> dict[str, Any]:
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in zip(COLUMNS, row, strict=True)
    }


def _signed(action: argparse.ArgumentParser, why: str) -> None:
    action.add_argument("--reason", required=True, metavar="TEXT", help=why)
    action.add_argument("--by", metavar="NAME", help="who (default: the user of the system)")
    add_common(action)


if __name__ == "__main__":
    sys.exit(main_without_spark(parser(), run_cli))
