"""The quality gates: hold the suites of usage_event, rated_usage and invoice against what is new since their last
pass."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from typing import Any

from pyspark.errors import AnalysisException
from pyspark.sql import SparkSession

from jobs.feed_drift import drift_alarms
from jobs.quality_slices import INVOICE, RATED, TABLES, USAGE, Slice, known_of, new_range, new_runs, rows_of
from tollgate.assurance.quality import Verdict, judge
from tollgate.platform.errors import TollgateError
from tollgate.platform.job import add_common, main
from tollgate.platform.lake import Lake
from tollgate.platform.progress import step
from tollgate.platform.settings import Settings

# Table to what a person does when its rows do not pass.
WAY_OUT = {
    USAGE: "mend the feed, or the rule of mediation that let them in; rate_usage takes nothing until they pass",
    RATED: "mend the price book, or the rule of rating that made them; no draft is begun until they pass",
    INVOICE: "void the run (`tollgate bill void --run-id ID --reason TEXT`), mend the cause, run the cycle again; "
    "nothing of it is posted until they pass",
}


def parser() -> argparse.ArgumentParser:
    """Arguments of the job."""
    found = argparse.ArgumentParser(prog="check_quality", description=__doc__)
    what = found.add_mutually_exclusive_group()
    what.add_argument("--table", choices=TABLES, help="what is new of this table (default: of all three)")
    what.add_argument(
        "--to-batch", type=int, metavar="NO", help="usage_event up to this batch (default: the last published)"
    )
    what.add_argument("--run-id", metavar="ID", help="the invoices of this bill run (default: of every open one)")
    return add_common(found)


def run(spark: SparkSession, settings: Settings, args: argparse.Namespace) -> dict[str, Any]:
    """Check what is new and keep a row of quality_result a slice; the row stands also when the slice fails.

    Returns {passed, to_no, checked: [{suite, from_no, to_no, run_id, rows_checked, passed, warnings}]}. to_no is the
    last batch of usage_event, None where that was not asked for; in a range without anything new from_no is above
    to_no. Warnings are told and stop nothing.
    Raises TollgateError, after all slices were checked, when one does not pass: then the job after it refuses.
    """
    lake = Lake(spark, settings.lake.root)
    slices = _slices(lake, settings, args)
    checked = [(slice_, _checked(lake, slice_) if slice_.is_new else None) for slice_ in slices]
    failed = [(slice_, verdict) for slice_, verdict in checked if verdict is not None and verdict.failed]
    if failed:
        raise _refusal(lake, failed)
    told = [_told(slice_, verdict) for slice_, verdict in checked]
    last_batch = next((slice_.to_no for slice_ in slices if slice_.suite.table == USAGE), None)
    return {"passed": True, "to_no": last_batch, "checked": told}


def _slices(lake: Lake, settings: Settings, args: argparse.Namespace) -> list[Slice]:
    if args.run_id is not None:
        return new_runs(lake, settings, args.run_id)
    tables = (args.table,) if args.table else (USAGE,) if args.to_batch is not None else TABLES
    # All of them before the first is checked: an unreachable database must not hide what a check has found.
    slices = [new_range(lake, table, args.to_batch) for table in tables if table != INVOICE]
    return slices + (new_runs(lake, settings) if INVOICE in tables else [])


def _checked(lake: Lake, slice_: Slice) -> Verdict:
    """Judge a slice and keep the result; a repeat of a failed one has a transaction of its own."""
    suite = slice_.suite
    try:
        with step("hold the suite against the rows", suite=suite.suite, bill_run_id=slice_.run_id) as held:
            held.note(from_no=slice_.from_no, to_no=slice_.to_no, rows_checked=slice_.rows)
            verdict = judge(rows_of(lake, slice_), suite, known_of(lake, slice_))
            if suite.table == USAGE:
                verdict = replace(verdict, warnings=(*verdict.warnings, *drift_alarms(lake, slice_)))
    except AnalysisException as error:
        raise TollgateError(
            f"suite {suite.suite} cannot be computed", where=f"schemas/{suite.table}.expectations.json",
            found=str(error).splitlines()[0], way_out="mend the SQL or the column that it names",
        ) from None  # fmt: skip
    row = (
        *(suite.suite, suite.table, slice_.from_no, slice_.to_no, slice_.rows, not verdict.failed),
        *(list(verdict.failed), list(verdict.warnings), slice_.run_id, slice_.attempt, verdict.findings),
    )
    app = f"check_quality/{suite.suite}" + (f"/{slice_.run_id}" if slice_.run else "")
    app += f"/again/{slice_.attempt - 1}" if slice_.attempt > 1 else ""
    lake.append(lake.frame([row], "quality_result"), "quality_result", app, slice_.to_no)
    return verdict


def _told(slice_: Slice, verdict: Verdict | None) -> dict[str, Any]:
    return {
        "suite": slice_.suite.suite, "from_no": slice_.from_no, "to_no": slice_.to_no, "run_id": slice_.run_id,
        "rows_checked": slice_.rows, "passed": True, "warnings": list(verdict.warnings) if verdict else [],
    }  # fmt: skip


def _refusal(lake: Lake, failed: list[tuple[Slice, Verdict]]) -> TollgateError:
    lines = []
    for slice_, verdict in failed:
        lines.append(f"suite {slice_.suite.suite} is not met by {slice_.told} ({slice_.rows} rows):")
        lines += [f"  - {expectation}" for expectation in verdict.failed]
        lines += [f"  - warning: {expectation}" for expectation in verdict.warnings]
    tables = list(dict.fromkeys(slice_.suite.table for slice_, _ in failed))
    return TollgateError(
        "\n".join(lines),
        where=", ".join(lake.path(table) for table in tables),
        way_out="`tollgate quality-docs` shows each expectation and why it is there, `tollgate sql` the rows; "
        + "; ".join(WAY_OUT[table] for table in tables)
        + ". Where the rows are right, mend schemas/"
        + ", ".join(f"{table}.expectations.json" for table in tables)
        + "; then run check_quality again",
    )


if __name__ == "__main__":
    sys.exit(main(parser(), run))
