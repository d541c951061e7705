"""`tollgate runs`: what night and month did, from the database alone."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tollgate.platform.errors import UsageError
from tollgate.platform.job import add_common, main_without_spark
from tollgate.platform.run_history import as_json, find_run, last_runs
from tollgate.platform.settings import Settings

LAST = 20


def parser() -> argparse.ArgumentParser:
    """Arguments of the command."""
    made = argparse.ArgumentParser(
        prog="runs", description="What night and month did: status, steps, how long each took."
    )
    made.add_argument("run_id", nargs="?", type=int, metavar="RUN_ID", help="show this run in full")
    made.add_argument("--last", type=int, default=LAST, metavar="N", help=f"the newest N runs (default {LAST})")
    made.add_argument("--failed", action="store_true", help="only those that failed or were stopped")
    made.add_argument("--json", action="store_true", help="one JSON line a run")
    return add_common(made)


def check_args(args: argparse.Namespace) -> None:
    """Refuse a number of runs that is none."""
    if args.last < 1:
        raise UsageError("--last is a number of runs", expected="1 or more", found=str(args.last))


def run_cli(settings: Settings, args: argparse.Namespace) -> None:
    """Print the runs."""
    check_args(args)
    runs = [find_run(settings, args.run_id)] if args.run_id else last_runs(settings, args.last, args.failed)
    if args.json:
        for run in runs:
            print(as_json(run))
    elif args.run_id:
        print(in_full(runs[0]))
    else:
        print(listed(runs))


def listed(runs: list[dict[str, Any]]) -> str:
    """Two lines a run: what it was, and its steps with their seconds."""
    if not runs:
        return "no run"
    head = f"{'run':>5}  {'command':<8}{'of':<25}{'status':<9}{'started (UTC)':<21}{'took':>9}"
    lines = [head, "-" * len(head)]
    for run in runs:
        what = f"{run['run_id']:>5}  {run['command']:<8}{_subject(run):<25}{run['status']:<9}"
        lines.append(f"{what}{_time(run['started_at']):<21}{_took(run):>9}")
        done = [f"{_step(step)} {step['seconds']} s" for step in run["summary"].get("steps", [])]
        ended = [f"{run['step']}: {run['status']}"] if run["step"] and run["status"] != "done" else []
        if done or ended:
            lines.append(" " * 7 + ", ".join([*done, *ended]))
    return "\n".join(lines)


def in_full(run: Mapping[str, Any]) -> str:
    """Every column of a run, its steps with their figures, its error."""
    summary = run["summary"]
    rows: list[tuple[str, object]] = [
        ("run", run["run_id"]), ("command", run["command"]), ("of", _subject(run)), ("status", run["status"]),
        ("started", _time(run["started_at"])), ("ended", _time(run["ended_at"])), ("took", _took(run)),
        ("where", f"{run['host']}, pid {run['pid']}"),
        ("exit code", "" if run["exit_code"] is None else run["exit_code"]),
    ]  # fmt: skip
    for step in summary.get("steps", []):
        figures = {name: value for name, value in step.items() if name not in ("step", "date", "seconds")}
        rows.append((_step(step), f"{step['seconds']} s  {json.dumps(figures)}"))
    if run["status"] != "done" and run["step"]:
        rows.append((run["step"], run["status"]))
    rows += [(name, json.dumps(summary[name])) for name in ("totals",) if name in summary]
    rows += [("error", run["error"])] if run["error"] else []
    rows += [("next", summary["next"])] if "next" in summary else []
    width = max(len(name) for name, _ in rows) + 2
    return "\n".join(f"{name:<{width}}{value}" for name, value in rows)


def _subject(run: Mapping[str, Any]) -> str:
    if run["command"] == "month":
        return f"{run['cycle']} by {run['as_of']:%Y-%m-%d}"
    one_day = run["from_date"] == run["to_date"]
    return str(run["from_date"]) if one_day else f"{run['from_date']} to {run['to_date']}"


def _step(step: Mapping[str, Any]) -> str:
    return f"{step['step']} {step['date']}" if "date" in step else str(step["step"])


def _time(instant: datetime | None) -> str:
    return "" if instant is None else f"{instant:%Y-%m-%d %H:%M:%S}"


def _took(run: Mapping[str, Any]) -> str:
    if run["ended_at"] is None:
        return ""
    seconds = int((run["ended_at"] - run["started_at"]).total_seconds())
    return f"{seconds // 60} min {seconds % 60:02} s" if seconds >= 60 else f"{seconds} s"


if __name__ == "__main__":
    sys.exit(main_without_spark(parser(), run_cli))
