"""The night of a date, in one session: snapshot, gate, rating, its gate, reconciliation, release of held records.

The night of a date takes the published batches up to the last one all of whose records arrived before that date ended
(UTC). Mediation may go on beside it. A date that is done has nothing left; run again it tries what is held.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from functools import partial
from types import ModuleType
from typing import Any

from pyspark.sql import SparkSession

from jobs import check_quality, rate_usage, reconcile, replay, snapshot_reference
from jobs.awaiting_usage import awaiting, last_batch_before, later_than, taken_to
from tollgate.assurance.current_rating import still_held
from tollgate.platform.crash import crash_point
from tollgate.platform.errors import UsageError
from tollgate.platform.job import add_common, main_without_spark
from tollgate.platform.lake import Lake
from tollgate.platform.progress import remark
from tollgate.platform.settings import Settings
from tollgate.platform.unattended import Steps, own_session, unattended

ONE_DAY = timedelta(days=1)
NOTHING = Decimal("0.000000")


def parser() -> argparse.ArgumentParser:
    """Arguments of the command."""
    made = argparse.ArgumentParser(prog="night", description=__doc__.splitlines()[0])
    made.add_argument("--date", type=_day, metavar="DATE", help="YYYY-MM-DD (default: yesterday by UTC)")
    made.add_argument(
        "--from", dest="from_date", type=_day, metavar="DATE", help="first date of a range, in place of --date"
    )
    made.add_argument("--to", dest="to_date", type=_day, metavar="DATE", help="last date of the range, included")
    made.add_argument("--dry-run", action="store_true", help="say what the night would take, write nothing")
    return add_common(made)


def check_args(args: argparse.Namespace) -> None:
    """Refuse dates that do not fit together."""
    if (args.from_date is None) != (args.to_date is None) or (args.date and args.from_date):
        raise UsageError("a night has a date or a range", expected="--date DATE, or --from DATE --to DATE")
    if args.from_date and args.from_date > args.to_date:
        raise UsageError("the range ends before it begins", found=f"--from {args.from_date} --to {args.to_date}")


def run_cli(settings: Settings, args: argparse.Namespace) -> None:
    """The command: its own Spark session, started once the lock is held; the one place where a clock is read, for the
    date that was not given and for a warning of one that has not ended."""
    check_args(args)
    now = datetime.now(timezone.utc)
    if not (args.date or args.from_date):
        args.date = now.date() - ONE_DAY
        remark(f"night of {args.date}: yesterday by the clock of this machine, UTC")
    _play(settings, args, own_session(settings, "night"), unfinished(args.to_date or args.date, now))


def unfinished(day: date, now: datetime) -> list[str]:
    """The warning of a night whose date has not ended; none once it has.

    It is none to refuse: usage of a test or a demo lies where its author wants, and what such a night takes it takes
    rightly. But a year mistyped takes all that is there under a date of its own.
    """
    if _end_of(day) <= now:
        return []
    return [
        f"{day} has not ended by the clock of this machine ({now:%Y-%m-%d %H:%M} UTC): the night takes all that has "
        "arrived so far, and what arrives later waits for another night"
    ]


def run(spark: SparkSession, settings: Settings, args: argparse.Namespace) -> dict[str, Any]:
    """The same in a session that runs already; returns the summary that it prints."""
    check_args(args)
    return _play(settings, args, nullcontext(spark))


def _play(
    settings: Settings, args: argparse.Namespace, session: AbstractContextManager[SparkSession],
    warnings: Sequence[str] = (),
) -> dict[str, Any]:  # fmt: skip
    first, last = args.from_date or args.date, args.to_date or args.date
    days = [first + n * ONE_DAY for n in range((last - first).days + 1)]
    work = partial(_outlook if args.dry_run else _nights, settings, days)
    subject = {"from_date": first, "to_date": last}
    return unattended(
        settings, "night", subject, session, work, resume=_command(first, last), writes=not args.dry_run,
        warnings=warnings,
    )  # fmt: skip


def _nights(settings: Settings, days: list[date], steps: Steps, spark: SparkSession) -> dict[str, Any]:
    """One snapshot, gate and rating for each date in order, one gate of rated usage and one reconciliation of all."""
    lake = Lake(spark, settings.lake.root)
    job = partial(_run_job, spark, settings)
    steps.run("snapshot_reference", partial(job, snapshot_reference))
    crash_point("night.after_snapshot")
    totals: dict[str, Any] = {"batches": 0, **dict.fromkeys(("rated", "zero_rated", "suspended", "left_suspended"), 0)}
    totals |= {"charge": NOTHING, "cost": NOTHING}
    for day in days:
        steps.resume = _command(day, days[-1])
        to_batch = str(last_batch_before(lake, _end_of(day)))
        steps.run("check_quality", partial(job, check_quality, "--to-batch", to_batch), str(day))
        crash_point("night.after_check")
        rated = steps.run("rate_usage", partial(job, rate_usage, "--to-batch", to_batch), str(day))
        crash_point("night.after_rate")
        _add(totals, rated)
    # Of all the dates at once; the month asks for it before a draft.
    steps.run("check_rated_usage", partial(job, check_quality, "--table", "rated_usage"))
    found = steps.run("reconcile", partial(reconcile.run_beside, spark, settings))
    # Last, for it alone needs the broker; what it publishes is mediated for the next night.
    steps.run("release_held", partial(replay.release, spark, settings, _end_of(days[-1])))
    held = f"{totals['left_suspended']} event(s) are suspended; mend their cause, the next night tries them again"
    ways = [held] if totals["left_suspended"] else []
    if found["of_copies_broken"]:
        ways.append("a copy of usage differs from the lake: `tollgate reconcile` says which, and how to make it again")
    return {"totals": {**totals, **found}, "next": _next(ways, lake, taken_to(lake))}


def _outlook(settings: Settings, days: list[date], steps: Steps, spark: SparkSession) -> dict[str, Any]:
    """What the nights would take; nothing is written."""
    lake = Lake(spark, settings.lake.root)
    done = taken_to(lake)
    totals = {"batches": 0, "records": 0, "accepted": 0, "unchecked": 0}
    refused: tuple[str, ...] = ()
    for day in days:
        waits = awaiting(lake, done, last_batch_before(lake, _end_of(day)))
        figures = waits.figures()
        steps.run("would_rate", partial(dict, figures), str(day))
        totals = {name: totals[name] + figures[name] for name in totals}
        refused = waits.refused or refused
        done = waits.to_batch_no
    held = steps.run("would_try_again", lambda: {"suspended": _held(lake)})
    gate = {"gate": "refused" if refused else "open" if not totals["unchecked"] else "not asked yet",
            "refused": list(refused)}  # fmt: skip
    ways = [f"`{_command(days[0], days[-1])}` does it"] if totals["batches"] or held["suspended"] else []
    return {"totals": {**totals, **held, **gate}, "next": _next(ways, lake, done)}


def _next(ways: list[str], lake: Lake, taken: int) -> str:
    """What to do now: the ways given, and the night for which batches beyond `taken` wait."""
    later = later_than(lake, taken)
    if later is not None:
        one = later.from_batch_no == later.to_batch_no
        batches = f"batch {later.to_batch_no}" if one else f"batches {later.from_batch_no} to {later.to_batch_no}"
        night = f"`tollgate night --date {later.date}` takes {'it' if one else 'them'}"
        ways = [*ways, f"{batches} arrived up to {later.date}: {night}"]
    return "; ".join(ways) or "nothing"


def _run_job(spark: SparkSession, settings: Settings, job: ModuleType, *argv: str) -> dict[str, Any]:
    result: dict[str, Any] = job.run(spark, settings, job.parser().parse_args(list(argv)))
    return result


def _held(lake: Lake) -> int:
    return still_held(lake.read("rated_usage")).count()


def _add(totals: dict[str, Any], night: Mapping[str, Any]) -> None:
    totals["batches"] += night["batches"]
    totals["rated"] += night["rated"]
    totals["zero_rated"] += night["zero_rated"]
    suspended = sum(night["suspended"].values())
    totals["suspended"] += suspended
    # What one night leaves, the next one tries again: what the last one left is what stands. A mended one may not know.
    totals["left_suspended"] = suspended + night.get("still_suspended", 0)
    for leg in ("charge", "cost"):
        totals[leg] += sum(night[leg].values(), NOTHING)


def _command(first: date, last: date) -> str:
    return f"tollgate night --date {first}" if first == last else f"tollgate night --from {first} --to {last}"


def _end_of(day: date) -> datetime:
    return datetime.combine(day + ONE_DAY, time(), timezone.utc)


def _day(text: str) -> date:
    try:
        day = datetime.strptime(text, "%Y-%m-%d").date()
        return day + ONE_DAY - ONE_DAY
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"expected a date such as 2026-10-31, found {text!r}") from None


if __name__ == "__main__":
    sys.exit(main_without_spark(parser(), run_cli))
