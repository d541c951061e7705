"""What the quality gates let through: each job asks before it takes rows."""

from __future__ import annotations

from pyspark.sql import functions as F

from jobs.quality_slices import INVOICE, NUMBERINGS, RATED, USAGE
from tollgate.platform.errors import TollgateError
from tollgate.platform.lake import Lake


def refuse_unchecked_usage(lake: Lake, from_batch_no: int, to_batch_no: int) -> None:
    """Every one of these batches must lie in a range that passed, else TollgateError: it is not rated."""
    _refuse_unchecked(
        lake, USAGE, from_batch_no, to_batch_no, "usage was not passed by the quality gate, so it is not rated"
    )


def refuse_unchecked_rating(lake: Lake, to_rating_no: int) -> None:
    """Every rating run up to this one must lie in a range that passed, else TollgateError: nothing of it is billed."""
    _refuse_unchecked(
        lake, RATED, 1, to_rating_no, "rated usage was not passed by the quality gate, so no draft is begun"
    )


def refuse_unchecked_invoices(lake: Lake, run_id: str) -> None:
    """The invoices of this bill run must have passed, else TollgateError: they are not posted."""
    results = lake.read("quality_result").where((F.col("suite") == INVOICE) & (F.col("run_id") == run_id))
    found = results.agg(F.max("passed").alias("passed"), F.count("*").alias("tries")).collect()[0]
    if not found.passed:
        raise TollgateError(
            "the invoices were not passed by the quality gate, so nothing was posted",
            where=lake.path("quality_result"),
            expected=f"a passed row of suite {INVOICE} for bill run {run_id}",
            found=f"{found.tries} that failed" if found.tries else "no row",
            way_out=f"run `tollgate check-quality --run-id {run_id}`, and mend what it reports",
        )


def _refuse_unchecked(lake: Lake, table: str, from_no: int, to_no: int, what: str) -> None:
    numbering = NUMBERINGS[table]
    passed = (
        lake.read("quality_result")
        .where((F.col("suite") == table) & (F.col("table_name") == table) & F.col("passed"))
        .select("from_no", "to_no")
    )
    taken = lake.read(numbering.marks).select(F.col(numbering.number).alias("no"))
    taken = taken.where(F.col("no").between(from_no, to_no))
    unchecked = taken.join(passed, taken.no.between(passed.from_no, passed.to_no), how="left_anti")
    found = unchecked.agg(F.min("no").alias("first_no"), F.count("*").alias("missing")).collect()[0]
    if found.missing:
        raise TollgateError(
            what,
            where=lake.path("quality_result"),
            expected=f"a passed row of suite {table} for each {numbering.number} {from_no} to {to_no}",
            found=f"{found.missing} without one, the first is {found.first_no}",
            way_out=f"run `tollgate check-quality --table {table}`, and mend what it reports",
        )
