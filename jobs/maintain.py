"""Maintain the tables: take what is older than its retention, join small files, delete files that none needs.

Tables of the running stream are maintained by the stream itself between two of its batches. See docs/operations.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from datetime import datetime, timezone
from typing import Any

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from jobs.instants import instant
from jobs.micro_batch import JOB as STREAM_JOB
from jobs.table_upkeep import STEPS, STREAM_TABLES, Upkeep, app_id, committed, foreseen, keep_up
from tollgate.assurance.retention import RULES, cutoffs
from tollgate.platform.crash import crash_point
from tollgate.platform.errors import TollgateError, UsageError
from tollgate.platform.job import add_common, main
from tollgate.platform.lake import Lake, contract_names
from tollgate.platform.progress import step
from tollgate.platform.settings import Settings
from tollgate.platform.stream_requests import ASKING, ask
from tollgate.platform.upkeep import SAFE_HOURS, Size

APP_ID = "maintain"


def parser() -> argparse.ArgumentParser:
    """Arguments of the job."""
    found = argparse.ArgumentParser(prog="maintain", description=__doc__.splitlines()[0])
    found.add_argument(
        "--as-of", type=instant, metavar="TIME", help="count the periods back from this date or instant (default: now)"
    )
    found.add_argument("--only", choices=STEPS, action="append", help="this step; repeatable (default: all three)")
    found.add_argument("--tables", type=_tables, metavar="A,B", help="these tables (default: every one of the lake)")
    found.add_argument("--dry-run", action="store_true", help="say what stands and what would leave, write nothing")
    found.add_argument(
        "--vacuum-hours", type=_hours, default=SAFE_HOURS, metavar="N",
        help=f"delete files that no version of the last N hours needs (default: {SAFE_HOURS}, less only by --force)",
    )  # fmt: skip
    found.add_argument("--force", metavar="REASON", help="a short vacuum, or an --as-of in the future; REASON is kept")
    found.add_argument(
        "--wait", type=int, default=900, metavar="SECONDS", help="for the pause of a running stream (default: 900)"
    )
    return add_common(found)


def check_args(args: argparse.Namespace) -> None:
    """Refuse arguments that would take away what cannot come back, unless a reason is given."""
    now = datetime.now(timezone.utc)
    args.as_of = args.as_of or now
    if args.force:
        return
    if args.as_of > now:
        raise UsageError(
            "retention as of a time to come would take what is still owed",
            where="--as-of",
            found=args.as_of.isoformat(),
            way_out="leave it out, or give --force REASON",
        )
    if args.vacuum_hours < SAFE_HOURS:
        raise UsageError(
            "a job that is reading may lose its files",
            where="--vacuum-hours",
            expected=f"{SAFE_HOURS}",
            found=str(args.vacuum_hours),
            way_out="leave it out, or stop every job and give --force REASON",
        )


def run(spark: SparkSession, settings: Settings, args: argparse.Namespace) -> dict[str, Any]:
    """Maintain each table and return maintenance_no, as_of and, by table, files, bytes and rows before and after.

    Raises TollgateError when a table cannot be maintained now; those before it are done, and a repeat does the rest.
    """
    check_args(args)
    lake = Lake(spark, settings.lake.root)
    tables = [table for table in _in_order(args.tables or contract_names()) if lake.exists(table)]
    periods = cutoffs(args.as_of, **settings.retention.model_dump())
    steps = tuple(step for step in STEPS if step in (args.only or STEPS))
    wanted = Upkeep("", 0, steps, args.as_of.isoformat(), _as_text(periods), args.vacuum_hours)
    told: dict[str, Any] = {"as_of": wanted.as_of, "cutoffs": wanted.cutoffs, "steps": steps}
    if args.dry_run:
        found = [foreseen(lake, settings, replace(wanted, table=table)) for table in tables]
        return {"dry_run": True, **told, "tables": [_line(one) for one in found]}
    with _one_at_a_time(lake):
        wanted = replace(wanted, maintenance_no=_next_number(lake))
        unmarked = _unmarked(lake)
        done = _maintain_all(lake, settings, args, [replace(wanted, table=table) for table in tables], unmarked)
        crash_point("maintain.after_mark")
    lines = [_line(one) for one in done]
    for line in lines:
        print(_said(line))
    totals = {name: sum(line[name] for line in lines) for name in ("blanked_rows", "held_rows", "deleted_files")}
    told |= {"maintenance_no": wanted.maintenance_no, "repaired": len(unmarked)}
    return {**told, **totals, "tables": lines}


def _maintain_all(
    lake: Lake, settings: Settings, args: argparse.Namespace, each: list[Upkeep], unmarked: list[tuple[Any, ...]]
) -> list[dict[str, Any]]:
    """Maintain table by table; what is done gets its rows of control_maintenance, also when one fails."""
    done: list[dict[str, Any]] = []
    try:
        for wanted in each:
            with step(f"maintain {wanted.table}"):
                done.append(_maintained(lake, settings, wanted, args.wait))
    finally:
        rows = [*unmarked, *(_row(one, each[0], args) for one in done)]
        if rows:
            mark = lake.frame(rows, "control_maintenance").coalesce(1)
            lake.append(mark, "control_maintenance", APP_ID, each[0].maintenance_no)
    return done


@contextmanager
def _one_at_a_time(lake: Lake) -> Iterator[None]:
    with ExitStack() as stack:
        try:
            stack.enter_context(lake.alone(ASKING, wait_s=0))
        except TollgateError as error:
            raise TollgateError(
                "another maintenance is at work", where=error.where, way_out="let it end; this one may follow it"
            ) from None
        yield


def _maintained(lake: Lake, settings: Settings, wanted: Upkeep, wait_s: int) -> dict[str, Any]:
    """What `keep_up` returns, done here or by the running stream."""
    if wanted.table not in STREAM_TABLES or lake.lock_folder is None:
        return {**keep_up(lake, settings, wanted), "by": "self"}
    with ExitStack() as stack:

        def is_stream_gone() -> bool:
            try:
                stack.enter_context(lake.alone(STREAM_JOB, wait_s=0))
            except TollgateError:
                return False
            return True

        if not is_stream_gone():
            answered = ask(lake.lock_folder, asdict(wanted), wait_s, is_stream_gone)
            if answered is not None:
                return {**answered, "by": "stream"}
        return {**keep_up(lake, settings, wanted), "by": "self"}


def _next_number(lake: Lake) -> int:
    """One after the last that any table or the control table knows: a run that died has used its number."""
    of_control = [lake.last_version("control_maintenance", APP_ID)]
    return 1 + max(number or 0 for number in of_control + [lake.last_version(r.table, app_id(r)) for r in RULES])


def _unmarked(lake: Lake) -> list[tuple[Any, ...]]:
    """The rows of control_maintenance of runs that died before they wrote them: what their commits say they took.

    Of the files only those before are known.
    """
    marks = lake.read("control_maintenance").groupBy("table_name").agg(F.max("maintenance_no").alias("last")).collect()
    marked = {row["table_name"]: row["last"] for row in marks}
    died: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for rule in RULES:
        number = lake.last_version(rule.table, app_id(rule))
        if number is not None and number > marked.get(rule.table, 0):
            died.setdefault((rule.table, number), []).extend(committed(lake, rule, number))
    return [_row_of_dead(table, number, commits) for (table, number), commits in died.items() if commits]


def _row_of_dead(table: str, number: int, commits: list[dict[str, Any]]) -> tuple[Any, ...]:
    before, as_of = commits[0]["before"], datetime.fromisoformat(commits[0]["as_of"])
    sizes = (before[name] for name in ("rows", "rows", "files", "files", "bytes", "bytes"))
    taken = (sum(one[name] for one in commits) for name in ("blanked", "held"))
    return (number, table, ["retention"], as_of, *sizes, *taken, 0, None, None, True)


def _row(done: dict[str, Any], wanted: Upkeep, args: argparse.Namespace) -> tuple[Any, ...]:
    line, number, steps = _line(done), wanted.maintenance_no, list(wanted.steps)
    sizes = (line[f"{name}_{when}"] for name in ("rows", "files", "bytes") for when in ("before", "after"))
    hours = args.vacuum_hours if "vacuum" in steps else None
    taken = (line[name] for name in ("blanked_rows", "held_rows", "deleted_files"))
    return (number, done["table"], steps, args.as_of, *sizes, *taken, hours, args.force, True)


def _line(done: dict[str, Any]) -> dict[str, Any]:
    """One table of the summary."""
    line: dict[str, Any] = {"table": done["table"]}
    for when in ("before", "after"):
        if when in done:
            size = Size(**done[when])
            line |= {f"{name}_{when}": value for name, value in done[when].items()}
            line[f"files_per_million_{when}"] = size.files_per_million
    line["retention"] = done["retention"]
    line["blanked_rows"] = sum(one["blanked"] for one in done["retention"].values())
    line["held_rows"] = sum(one["held"] for one in done["retention"].values())
    return line | {name: done[name] for name in ("deleted_files", "by") if name in done}


def _said(line: dict[str, Any]) -> str:
    taken = f", {line['blanked_rows']:,} rows lost what was due" if line["blanked_rows"] else ""
    kept = f", {line['held_rows']:,} held" if line["held_rows"] else ""
    per = f"{line['files_per_million_before']:,} -> {line['files_per_million_after']:,} a million rows"
    return f"{line['table']:<20} {line['files_before']:,} -> {line['files_after']:,} files ({per}){taken}{kept}"


def _as_text(periods: dict[str, datetime]) -> dict[str, str]:
    return {name: at.isoformat() for name, at in periods.items()}


def _in_order(tables: list[str]) -> list[str]:
    return [*(table for table in STREAM_TABLES if table in tables), *(t for t in tables if t not in STREAM_TABLES)]


def _tables(text: str) -> list[str]:
    found = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in found if name not in contract_names()]
    if unknown or not found:
        raise argparse.ArgumentTypeError(f"no table {', '.join(unknown) or 'named'}; expected of {contract_names()}")
    return found


def _hours(text: str) -> int:
    if not text.isdigit() or int(text) > SAFE_HOURS:
        raise argparse.ArgumentTypeError(f"expected 0 to {SAFE_HOURS} hours, found {text}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main(parser(), run, check=check_args))
