"""The quality gate before rating: hold the suite of usage_event against the batches that are new since the last
pass."""

from __future__ import annotations

import argparse
import sys
from importlib import resources
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.pinned import not_published
from tollgate.assurance.publication import published_to
from tollgate.assurance.quality import Suite, read_suite, unmet
from tollgate.platform.errors import TollgateError
from tollgate.platform.job import add_common, main
from tollgate.platform.lake import Lake
from tollgate.platform.progress import step
from tollgate.platform.settings import Settings

SUITE_FILE = "usage_event.expectations.json"


def parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(prog="check_quality", description=__doc__)
    found.add_argument("--to-batch", type=int, metavar="NO", help="last batch to check (default: the last published)")
    return add_common(found)


def run(spark: SparkSession, settings: Settings, args: argparse.Namespace) -> dict[str, Any]:
    """Check the published batches after the last pass and keep one row of quality_result; the row stands also when it
    fails.

    Returns suite, from_no, to_no, rows_checked and passed; from_no > to_no when nothing is new. Raises TollgateError
    when the gate stays shut; rate_usage takes no batch without a pass.
    """
    lake = Lake(spark, settings.lake.root)
    suite = read_suite((resources.files("schemas") / SUITE_FILE).read_text(encoding="utf-8"))
    marks = lake.read("control_mediation")
    from_no, to_no, attempts = _range(lake, suite, marks, args.to_batch)
    summary: dict[str, Any] = {
        "suite": suite.suite,
        "from_no": from_no,
        "to_no": to_no,
        "rows_checked": 0,
        "passed": True,
    }
    if from_no > to_no:
        return summary
    in_range = F.col("batch_no").between(from_no, to_no)
    rows = (
        marks.where(in_range).agg(F.sum(F.col("accepted") + F.col("quarantined") + F.col("duplicate"))).collect()[0][0]
    )
    with step("hold the suite against the rows", from_no=from_no, to_no=to_no):
        failed = unmet(lake.read(suite.table).where(in_range), suite, lake.contract(suite.table).names, rows)
    result = [(suite.suite, suite.table, from_no, to_no, rows, not failed, list(failed))]
    app = f"check_quality/{suite.suite}" + (f"/again/{attempts}" if attempts else "")
    lake.append(lake.frame(result, "quality_result"), "quality_result", app, to_no)
    if failed:
        raise TollgateError(
            f"suite {suite.suite} is not met by batches {from_no} to {to_no} ({rows} rows):\n"
            + "\n".join(f"  - {expectation}" for expectation in failed),
            where=lake.path(suite.table),
            way_out="look at the rows (`tollgate sql`), mend the rule or the feed that let them in, then run "
            "check_quality again; rate_usage takes nothing until it passes",
        )
    return {**summary, "rows_checked": rows}


def _range(lake: Lake, suite: Suite, marks: DataFrame, to_batch: int | None) -> tuple[int, int, int]:
    """First and last batch to check, and how often this last batch has failed: a repeat needs a transaction of its
    own. TollgateError for a `to_batch` that is not published."""
    results = lake.read("quality_result").where(F.col("suite") == suite.suite).select("to_no", "passed")
    # Both frames have one row, which is what makes the cross join harmless.
    reached, first = published_to(marks), marks.agg(F.min("batch_no").alias("first_no"))
    passed = results.agg(F.max(F.when(F.col("passed"), F.col("to_no"))).alias("passed_to"))
    row = reached.crossJoin(first).crossJoin(passed).collect()[0]
    if to_batch is not None and to_batch > row.to_no:
        raise not_published(lake, to_batch, row.to_no)
    to_no = row.to_no if to_batch is None else to_batch
    if to_no < 0:
        return 0, -1, 0
    from_no = row.first_no if row.passed_to is None else row.passed_to + 1
    failed = results.where((F.col("to_no") == to_no) & ~F.col("passed")) if from_no <= to_no else None
    return from_no, to_no, failed.count() if failed is not None else 0


if __name__ == "__main__":
    sys.exit(main(parser(), run))
