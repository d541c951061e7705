"""Run a report of sql/reports; without a name, list them."""

from __future__ import annotations

import argparse
import sys

from jobs.answer_query import add_seeing, ask
from tollgate.platform.answer_output import add_output, output_from
from tollgate.platform.job import add_common, main_without_spark
from tollgate.platform.reports import arguments, read_report, report_names
from tollgate.platform.settings import Settings


def parser() -> argparse.ArgumentParser:
    """Arguments of the command."""
    found = argparse.ArgumentParser(prog="run_report", description=__doc__)
    found.add_argument("name", nargs="?", metavar="NAME", help="a report; without one they are listed")
    found.add_argument(
        "--param", action="append", default=[], metavar="NAME=VALUE", help="a parameter of the report; repeatable"
    )
    add_output(found)
    return add_common(add_seeing(found))


def run_cli(settings: Settings, args: argparse.Namespace) -> None:
    """Run the report, or list all of them with their parameters."""
    if args.name is None:
        print(listing())
        return
    report = read_report(args.name)
    values = arguments(report, args.param)
    ask(settings, report.sql, output_from(args, settings.lake.root), args, values)


def listing() -> str:
    """Every report, what it tells, and its parameters."""
    lines = []
    width = max(map(len, report_names())) + 2
    for name in report_names():
        report = read_report(name)
        lines.append(f"{name:<{width}}{report.about}")
        for one in report.parameters:
            default = "" if one.default is None else f" (default {one.default})"
            lines.append(f"{'':<{width}}--param {one.name}=…  {one.type}, {one.about}{default}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main_without_spark(parser(), run_cli))
