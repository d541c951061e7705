"""`python -m tollgate.oracle`: the second opinion as a process of its own, beside Spark."""

from __future__ import annotations

import argparse
import gc
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from functools import cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tollgate.oracle.billing_check import RunPins
from tollgate.oracle.compare import Books, LinesOf, second_opinion


def parser() -> argparse.ArgumentParser:
    """Arguments of the command."""
    arguments = argparse.ArgumentParser(
        prog="python -m tollgate.oracle",
        description="Rate and bill a lake again in plain Python, compare with its tables to the last digit, "
        "and print one JSON report. Ends with 1 when anything differs, with 2 when something cannot be read.",
    )
    arguments.add_argument("--lake", required=True, help="root of the lake")
    arguments.add_argument(
        "--pricebook",
        required=True,
        action="append",
        metavar="[VERSION=]DIR",
        help="folder of the price book; VERSION=DIR, repeated, when the lake has several",
    )
    arguments.add_argument(
        "--runs",
        metavar="FILE.json",
        help='bill runs in order: [{"run_id", "cycle_start", "cycle_number", "rating_no", "snapshot_id", "is_preview", '
        '"parked"}, ...]',
    )
    arguments.add_argument(
        "--runs-follow",
        action="store_true",
        help="bills are still being made: rate meanwhile, read --runs and what it names after a line on standard input",
    )
    arguments.add_argument(
        "--preview-lines",
        action="append",
        default=[],
        metavar="PARQUET",
        help="file or folder of invoice_line rows of previews, told apart by run_id",
    )
    arguments.add_argument(
        "--previews-follow",
        action="store_true",
        help="the previews are still being made: rate and bill meanwhile, read them after a line on standard input",
    )
    return arguments


def main(argv: Sequence[str] | None = None) -> int:
    """Run the comparison; returns the exit code."""
    args = parser().parse_args(argv)
    gc.disable()  # millions of rows without a cycle among them: collecting costs a quarter of the time
    try:
        lines_of = preview_reader(args.preview_lines, is_to_follow=args.previews_follow)
        runs = runs_of(args.runs, is_to_follow=args.runs_follow)
        report = second_opinion(args.lake, read_books(args.pricebook), runs, lines_of)
    except (OSError, ValueError, pa.ArrowException) as error:
        print(f"the second opinion could not be made: {error}", file=sys.stderr)
        return 2
    print(json.dumps(report.as_json(), indent=1))
    return 0 if report.is_equal else 1


def runs_of(path: str | None, *, is_to_follow: bool) -> Iterable[RunPins]:
    """Bill runs of a file, in order; none without one. is_to_follow: the file is there once a line has come on standard
    input; it is read when the first run is asked for."""
    if is_to_follow and path:
        return _to_follow(path)
    return read_runs(path) if path else []


def _to_follow(path: str) -> Iterator[RunPins]:
    sys.stdin.readline()
    yield from read_runs(path)


def read_runs(path: str) -> list[RunPins]:
    """Bill runs from a JSON file; `cycle_start` is YYYY-MM-DD; `cycle_number`, `is_preview`, `parked` are optional."""
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
        return [
            RunPins(
                **{
                    **run,
                    "cycle_start": date.fromisoformat(run["cycle_start"]),
                    "parked": tuple(run.get("parked", ())),
                }
            )
            for run in found
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: expected a list of runs with the fields of --runs; {error!r}") from error


def read_books(given: Sequence[str]) -> Books:
    """One folder for all versions, or a folder for each."""
    if len(given) == 1 and "=" not in given[0]:
        return given[0]
    pairs = [one.partition("=") for one in given]
    if any(not version.isdigit() or not folder for version, _, folder in pairs):
        raise ValueError(f"--pricebook: expected one DIR, or VERSION=DIR for each version, found {' '.join(given)}")
    return {int(version): folder for version, _, folder in pairs}


def preview_reader(paths: Sequence[str], *, is_to_follow: bool) -> LinesOf:
    """Gives the rows of a preview, without rows an empty table; None for a posted run.

    is_to_follow: the files are there once a line has come on standard input; they are read when they are asked for.
    """

    @cache
    def lines() -> pa.Table:
        if is_to_follow:
            sys.stdin.readline()
        return pa.concat_tables([pq.read_table(path) for path in paths], promote_options="default")

    def lines_of(run: RunPins) -> pa.Table | None:
        if not run.is_preview or not paths:
            return None
        return lines().filter(pa.compute.equal(lines().column("run_id"), run.run_id))

    return lines_of


if __name__ == "__main__":
    sys.exit(main())
