"""The draft of a bill run: computed with its pins, written once, and complete in one transaction."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs import bill_runs
from jobs.bill_arguments import refuse_other_run
from jobs.bill_completion import STAGING, complete
from jobs.bill_decisions import settled
from jobs.bill_inputs import (
    Inputs,
    bill_from,
    check_balanced,
    check_posted,
    has_accounts_left,
    newest_inputs,
    pinned_inputs,
)
from jobs.bill_runs import BillRun
from jobs.quality_gates import refuse_unchecked_rating
from tollgate.billing.bill import Bill
from tollgate.billing.invoice import run_totals
from tollgate.billing.outliers import HISTORY, Limits, outliers, without_statements
from tollgate.platform.crash import crash_point
from tollgate.platform.errors import TollgateError
from tollgate.platform.lake import Lake
from tollgate.platform.postgres_copy import copy_into
from tollgate.platform.progress import step
from tollgate.platform.settings import Settings

TABLES = {
    "billed_usage": "bill.after_billed_usage",
    "invoice_line": "bill.after_lines",
    "prepaid_balance": "bill.after_prepaid",
    "invoice": "bill.after_invoice",
}
OUTLIERS = "bill_outlier"


def preview(
    spark: SparkSession,
    settings: Settings,
    cycle: str,
    as_of: datetime,
    *,
    only_accounts: list[str] | None = None,
    is_open: bool = True,
) -> Bill:
    """The bill of a cycle with the newest pins, as frames; nothing is written. is_open: it may not have ended yet.

    It asks no quality gate: nobody is billed by it, and it shows what usage that did not pass would come to.
    """
    lake = Lake(spark, settings.lake.root)
    check_balanced(lake)
    return bill_from(spark, settings, cycle, as_of, newest_inputs(settings, lake, only_accounts), is_open=is_open)


def totals_of(bill: Bill, cycle: str) -> dict[str, Any]:
    """Totals of a preview; amounts as strings."""
    totals = _totals(bill, bill.invoice)
    amounts = {name: f"{totals[name]:.3f}" for name in ("net", "tax", "total")}
    return {"run_id": None, "status": "preview", "cycle": cycle, **totals, **amounts}


def draft(
    spark: SparkSession,
    settings: Settings,
    cycle: str,
    as_of: datetime,
    started_by: str,
    only_accounts: list[str] | None = None,
) -> dict[str, Any]:
    """Compute the cycle's next run and leave it as a draft; a draft that crashed goes on with its own pins.

    only_accounts: None for every account of the cycle that no posted run has settled. Raises TollgateError when usage
    does not balance, a rating run that it would take has not passed its gate, or the lake lacks what was posted.
    """
    opened = bill_runs.open_run(settings, cycle)
    if opened is not None:
        refuse_other_run(opened, as_of, only_accounts)
        return resume(spark, settings, opened, started_by)
    lake = Lake(spark, settings.lake.root)
    check_balanced(lake)
    inputs = newest_inputs(settings, lake, only_accounts)
    earlier = bill_runs.last_posted(settings, cycle)
    if (earlier or only_accounts) and not has_accounts_left(spark, settings, cycle, as_of, inputs):
        return _nobody_left(cycle, earlier)
    refuse_unchecked_rating(lake, inputs.rating_no)
    check_posted(lake, bill_runs.all_runs(settings))
    pins = {
        "rating_no": inputs.rating_no,
        "snapshot_id": inputs.reference.snapshot_id,
        "pricebook_version": inputs.book.version,
    }
    begun = bill_runs.begin(settings, cycle, as_of, pins, inputs.after_runs, started_by, only_accounts)
    return _compute(spark, settings, lake, begun, inputs, started_by)


def resume(spark: SparkSession, settings: Settings, run: BillRun, person: str) -> dict[str, Any]:
    """Go on with a draft that died, under its own pins; one that is complete, approved or posted is left as it is."""
    done = settled(run, "resume")
    if done is not None:
        return done
    lake = Lake(spark, settings.lake.root)
    check_balanced(lake)
    refuse_unchecked_rating(lake, run.rating_no)
    check_posted(lake, bill_runs.all_runs(settings))
    inputs = pinned_inputs(lake, run)
    return _compute(spark, settings, lake, bill_runs.take_over(settings, run, person), inputs, person)


def _nobody_left(cycle: str, earlier: BillRun | None) -> dict[str, Any]:
    if earlier is None:
        return {"run_id": None, "cycle": cycle, "note": "no named account is due or left to bill; nothing was changed"}
    return earlier.summary("this cycle is posted and no account of it is left to bill; nothing was changed")


def _compute(
    spark: SparkSession, settings: Settings, lake: Lake, bill_run: BillRun, inputs: Inputs, person: str
) -> dict[str, Any]:
    """Write the run's frames, then its totals to its row. Every write happens once, however often this starts."""
    run_id = bill_run.run_id
    _refuse_other_pins(lake, bill_run)
    metadata = {"run_id": run_id, _pins_key(run_id): bill_run.pins}
    bill = bill_from(spark, settings, bill_run.cycle, bill_run.as_of, inputs, run_id=run_id)
    for table, point in TABLES.items():
        rows = getattr(bill, table)
        if rows is None:
            continue
        with step(f"bill: {table}", bill_run_id=run_id):
            lake.append(rows, table, app_id=run_id, version=1, metadata=metadata)
        crash_point(point)
    of_run = F.col("run_id") == run_id
    with step(f"bill: {OUTLIERS}", bill_run_id=run_id):
        found = outliers(lake.read("invoice").where(of_run), _history(lake, bill_run), _limits(settings))
        if bill.prepaid_balance is not None:
            found = found.transform(without_statements, lake.read("invoice_line").where(of_run))
        lake.append(found, OUTLIERS, app_id=run_id, version=1, metadata=metadata)
    crash_point("bill.after_outliers")
    with step("total up", bill_run_id=run_id):
        totals = _totals(bill, lake.read("invoice").where(of_run))
        kinds = _kinds(lake.read("invoice_line").where(of_run))
        parked = bill.parked if totals["parked"] else None
        _stage(settings, bill_run, parked, lake.read(OUTLIERS).where(of_run))
    crash_point("bill.after_totals")
    return complete(settings, bill_run, totals, kinds, person).summary()


def _refuse_other_pins(lake: Lake, bill_run: BillRun) -> None:
    """Refuse a run whose id has a commit of other pins, or of none: its rows would stand and those of now be left out.

    PostgreSQL that was restored from before a run gives the id of that one to the next.
    """
    run_id, pins = bill_run.run_id, bill_run.pins
    for table in (*TABLES, OUTLIERS):
        if lake.last_version(table, run_id) is None:
            continue
        commits = lake.commit_metadata(table, 1, naming=_pins_key(run_id))
        kept = commits[0][_pins_key(run_id)] if commits else {}
        differing = [name for name in pins if kept.get(name, ...) != pins[name]]
        if differing:
            raise TollgateError(
                "the lake holds another run under this id, so this one is not computed",
                where=f"{run_id} in {lake.path(table)}",
                expected=", ".join(f"{name} {pins[name]}" for name in differing),
                found=", ".join(f"{name} {kept.get(name)}" for name in differing)
                if kept
                else "a commit without its pins",
                way_out="where PostgreSQL was restored from before the lake's run: restore both of one time. Else "
                f"`tollgate bill void --run-id {run_id} --reason TEXT`, then run the cycle again: its next sequence",
            )


def _pins_key(run_id: str) -> str:
    """What the commits of a draft keep its pins under: one that names the run, so that its commit is found by it."""
    return f"pins of {run_id}"


def _history(lake: Lake, bill_run: BillRun) -> DataFrame:
    """The invoices of the runs that were posted when this one began."""
    return lake.read("invoice").where(F.col("run_id").isin(bill_run.after_runs)).select(*HISTORY)


def _limits(settings: Settings) -> Limits:
    said = settings.billing
    return Limits(
        said.outlier_history_bills, said.outlier_history_percent, said.outlier_maximum_percent,
        said.outlier_rank_percent, said.outlier_run_percent,
    )  # fmt: skip


def _totals(bill: Bill, invoice: DataFrame) -> dict[str, Any]:
    """Totals of the invoices, and how many accounts were due, parked and not due; one action."""
    due = bill.accounts.agg(F.count_if("is_due").alias("accounts"), F.count_if(~F.col("is_due")).alias("not_due"))
    parked = bill.parked.agg(F.count("*").alias("parked"))
    row = run_totals(invoice).crossJoin(due).crossJoin(parked).first()
    assert row is not None
    return row.asDict()


def _kinds(lines: DataFrame) -> list[dict[str, Any]]:
    """Lines, events, amounts and taxes by kind of line."""
    sums = lines.groupBy("kind").agg(
        F.count("*").alias("lines"), F.sum("events").alias("events"), F.sum("amount").alias("amount"),
        F.sum("tax_share").alias("tax"),
    )  # fmt: skip
    return [row.asDict() for row in sums.collect()]


def _stage(settings: Settings, bill_run: BillRun, parked: DataFrame | None, found: DataFrame) -> None:
    """Copy parked accounts and outliers into staging under this process's fencing number."""
    with bill_runs.transaction(settings) as cursor:
        for table in STAGING:
            cursor.execute(
                f"DELETE FROM ops.{table} WHERE run_id = %s AND fencing <= %s", (bill_run.run_id, bill_run.fencing)
            )
    of_run = None if parked is None else parked.withColumn("run_id", F.lit(bill_run.run_id))
    for frame, table in zip((of_run, found), STAGING, strict=True):
        if frame is None:
            continue
        fenced = frame.withColumn("fencing", F.lit(bill_run.fencing).cast("bigint"))
        copy_into(fenced, f"ops.{table}", settings)
