"""What the quality gates have to look at: the rows of each table that are new since its last pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs import bill_runs
from jobs.bill_runs import BillRun
from jobs.pinned import load_price_book, not_published
from tollgate.assurance.publication import published_to, rating_runs_to
from tollgate.assurance.quality import CONTRACT, CURRENCIES, MARKED, Suite, read_suite, with_details
from tollgate.platform.errors import TollgateError
from tollgate.platform.lake import Lake
from tollgate.platform.settings import Settings

USAGE, RATED, INVOICE = "usage_event", "rated_usage", "invoice"
TABLES = (USAGE, RATED, INVOICE)


@dataclass(frozen=True)
class Numbering:
    """How a table's rows are numbered by the job that writes them: its table of marks, the number that both have, the
    rows of a mark as SQL, and how far the marks go without a gap."""

    marks: str
    number: str
    rows: str
    reached: Callable[[DataFrame], DataFrame]


NUMBERINGS = {
    USAGE: Numbering("control_mediation", "batch_no", "accepted + quarantined + duplicate", published_to),
    RATED: Numbering("control_rating", "rating_no", "rated + suspended", rating_runs_to),
}


@dataclass(frozen=True)
class Slice:
    """The numbers from_no to to_no of a table, or the invoices of a bill run, which has the rating_no that it pins in
    their place. rows: those that the marks count; attempt: how often it will have been tried."""

    suite: Suite
    from_no: int
    to_no: int
    rows: int
    attempt: int = 1
    run: BillRun | None = None

    @property
    def is_new(self) -> bool:
        """Whether there is anything to look at."""
        return self.from_no <= self.to_no

    @property
    def run_id(self) -> str | None:
        """The bill run of invoices, else None."""
        return self.run.run_id if self.run else None

    @property
    def told(self) -> str:
        """What it is, for people."""
        if self.run:
            return f"bill run {self.run.run_id}"
        what = "batches" if self.suite.table == USAGE else "rating runs"
        return f"{what} {self.from_no} to {self.to_no}"


def suite_of(table: str) -> Suite:
    """The suite in schemas/<table>.expectations.json; TollgateError for a file that is no suite."""
    file = f"{table}.expectations.json"
    try:
        return read_suite((resources.files("schemas") / file).read_text(encoding="utf-8"))
    except (ValueError, KeyError, TypeError) as error:
        raise TollgateError("not a suite of expectations", where=f"schemas/{file}", found=repr(error)) from None


def new_range(lake: Lake, table: str, to_no: int | None = None) -> Slice:
    """What is marked and balanced after the last pass, up to `to_no`; from_no > to_no when nothing is.

    TollgateError for a `to_no` that the marks do not reach.
    """
    numbering, suite = NUMBERINGS[table], suite_of(table)
    # Read once: a batch that is marked in between would count for the end of the range and not for its rows.
    marked = lake.read(numbering.marks)
    marks = marked.selectExpr(f"{numbering.number} AS no", f"{numbering.rows} AS rows")
    results = lake.read("quality_result").where(F.col("suite") == suite.suite)
    # Frames of one row each, which is what makes the cross joins harmless.
    last = "published" if to_no is None else f"least(published, {to_no}L)"
    ends = numbering.reached(marked).selectExpr("to_no AS published")
    ends = ends.selectExpr("published", f"{last} AS last_no")
    tried = results.crossJoin(ends).selectExpr(
        "max(IF(passed, to_no, NULL)) AS passed_to", "count_if(to_no = last_no AND NOT passed) AS failures"
    )
    is_new = "no <= last_no AND (passed_to IS NULL OR no > passed_to)"
    row = marks.crossJoin(ends).crossJoin(tried).selectExpr(
        "coalesce(max(published), -1) AS published", "coalesce(max(last_no), -1) AS last_no",
        "coalesce(max(passed_to) + 1, min(no)) AS from_no", f"coalesce(sum(IF({is_new}, rows, 0)), 0) AS rows",
        "coalesce(max(failures), 0) AS failures",
    ).collect()[0]  # fmt: skip
    if to_no is not None and to_no > row.published:
        raise not_published(lake, to_no, row.published)
    if row.last_no < 0:
        return Slice(suite, 0, -1, 0)
    return Slice(suite, row.from_no, row.last_no, row.rows, row.failures + 1)


def new_runs(lake: Lake, settings: Settings, run_id: str | None = None) -> list[Slice]:
    """The complete drafts and approved runs whose invoices have not passed; with `run_id` that run alone.

    TollgateError for a run that is not complete.
    """
    if run_id is None:
        runs = [run for run in bill_runs.all_runs(settings) if run.status in ("draft", "approved") and run.is_complete]
    else:
        runs = [bill_runs.find_run(settings, run_id)]
        if not runs[0].is_complete:
            raise TollgateError(
                "the draft is not complete, so its invoices cannot be checked", where=run_id,
                way_out="start the run again; it goes on where it stopped",
            )  # fmt: skip
    if not runs:
        return []
    suite = suite_of(INVOICE)
    results = lake.read("quality_result").where(F.col("suite") == suite.suite)
    tried = results.where(F.col("run_id").isin([run.run_id for run in runs])).groupBy("run_id")
    tries = {row.run_id: row for row in tried.agg(F.max("passed").alias("passed"), F.count("*").alias("n")).collect()}
    return [
        Slice(
            suite,
            run.rating_no,
            run.rating_no,
            run.invoices or 0,
            tries[run.run_id].n + 1 if run.run_id in tries else 1,
            run,
        )
        for run in runs
        if run.run_id not in tries or not tries[run.run_id].passed
    ]


def rows_of(lake: Lake, slice_: Slice) -> DataFrame:
    """The rows to look at, with the details that the suite asks for."""
    suite = slice_.suite
    if slice_.run is None:
        return lake.read(suite.table).where(F.col(NUMBERINGS[suite.table].number).between(slice_.from_no, slice_.to_no))
    of_run = F.col("run_id") == slice_.run.run_id
    rows = lake.read(suite.table).where(of_run)
    return with_details(rows, suite, lake.read(suite.details.table).where(of_run)) if suite.details else rows


def known_of(lake: Lake, slice_: Slice) -> dict[str, Any]:
    """What the suite leaves to be known: columns of the contract, marked rows, currencies of the pinned price book."""
    known: dict[str, Any] = {CONTRACT: lake.contract(slice_.suite.table).names, MARKED: slice_.rows}
    if slice_.run is not None:
        currencies = load_price_book(lake, slice_.run.pricebook_version).table("price_currency")
        known[CURRENCIES] = sorted(row.currency for row in currencies.select("currency").distinct().collect())
    return known
