"""Generate a month of dirty usage into Kafka, with the truth about it in a side file."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import date, datetime, timezone
from typing import Any
from zoneinfo import ZoneInfo

from generators.customers import build_population
from generators.dirt import DirtRates
from generators.network import TIME_ZONE
from generators.producer import Report, produce, rehearse
from generators.profiles import EVENTS, PROFILES, SEED, SUBSCRIBERS
from generators.usage import plan_usage
from tollgate.platform.errors import UsageError
from tollgate.platform.job import add_common
from tollgate.platform.progress import step
from tollgate.platform.settings import Settings


def parser() -> argparse.ArgumentParser:
    """Arguments of `tollgate generate`."""
    arguments = argparse.ArgumentParser(prog="generate", description=__doc__)
    arguments.add_argument("--seed", type=int, default=SEED, help=f"seed of population and usage (default {SEED})")
    arguments.add_argument(
        "--subscribers", type=int, default=SUBSCRIBERS, help=f"number of lines, as seeded (default {SUBSCRIBERS})"
    )
    arguments.add_argument(
        "--events",
        type=int,
        default=EVENTS,
        help=f"records of the month, copies included; profile peak: five times as many (default {EVENTS})",
    )
    arguments.add_argument(
        "--month", default="2026-10", metavar="YYYY-MM", help="local month of the usage (default 2026-10)"
    )
    arguments.add_argument("--until", type=_day, metavar="DATE", help="usage before this local day of the month only")
    arguments.add_argument("--profile", choices=sorted(PROFILES), default="normal", help="behaviour (default normal)")
    arguments.add_argument(
        "--rate", type=float, metavar="N", help="send at most N records a second (default: as fast as it goes)"
    )
    arguments.add_argument(
        "--from", dest="lo_arrival", type=_instant, metavar="TIME", help="records that arrive at or after TIME"
    )
    arguments.add_argument(
        "--to", dest="hi_arrival", type=_instant, metavar="TIME", help="records that arrive before TIME"
    )
    arguments.add_argument("--truth", metavar="DIR", help="folder of the truth files (needed unless --dry-run)")
    arguments.add_argument("--dry-run", action="store_true", help="generate and count, send nothing")
    arguments.add_argument("--json", action="store_true", help="print the counts as one JSON line")
    return add_common(arguments)


def run_cli(settings: Settings, args: argparse.Namespace) -> dict[str, Any]:
    """Plan, send and report; the counts are printed as a table on a terminal, else as one JSON line, and returned."""
    if not args.dry_run and not args.truth:
        raise UsageError(
            "--truth is missing", expected="--truth DIR, or --dry-run", way_out="name a folder for the truth files"
        )
    if args.rate is not None and args.rate <= 0:
        raise UsageError("--rate must be above 0", found=str(args.rate), expected="records a second")
    try:
        population = build_population(args.seed, args.subscribers)
        rates = DirtRates.from_settings(settings.generator)
        plan = plan_usage(population, args.seed, args.events, args.month, args.profile, rates, args.until)
    except ValueError as error:
        raise UsageError(f"this usage cannot be planned: {error}") from None
    records = plan.records(args.lo_arrival, args.hi_arrival)
    planned = plan.count(args.lo_arrival, args.hi_arrival)
    with step("make records" if args.dry_run else "send records", total=planned, unit="records") as sending:
        if args.dry_run:
            report = rehearse(records, rate=args.rate, progress=sending.reach)
        else:
            report = produce(records, settings, args.truth, rate=args.rate, progress=sending.reach)
        sending.note(records=report.records)
    if args.json or not sys.stdout.isatty():
        print(json.dumps(report.as_dict()), flush=True)
    else:
        _print_table(report)
    return report.as_dict()


def _instant(text: str) -> int:
    """Epoch milliseconds of an ISO-8601 time; without an offset it is the operator's local time."""
    try:
        at = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a time such as 2026-10-06T12:00:00Z, found {text!r}") from None
    if at.tzinfo is None:
        at = at.replace(tzinfo=ZoneInfo(TIME_ZONE))
    return int(at.astimezone(timezone.utc).timestamp() * 1000)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a day such as 2026-10-06, found {text!r}") from None


def _print_table(report: Report) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    for name in ("class", "kind", "expected", "code"):
        table.add_column(name)
    table.add_column("records", justify="right")
    for label, records in sorted(report.counts.items()):
        table.add_row(*label, f"{records:,}")
    console = Console()
    console.print(table)
    console.print(f"{report.records:,} records in {report.seconds:.1f} s, {report.records_per_second:,.0f} a second")
