"""Posting an approved run: Delta -> staging tables -> one PostgreSQL transaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.bill_decisions import settled
from jobs.bill_inputs import check_posted, spread_usage
from jobs.bill_runs import BillRun, all_runs, fenced_off, find_run, note_step, take_over, transaction
from jobs.pinned import load_price_book, load_reference
from jobs.posting_checks import MINE, approved, check_staging, same
from jobs.quality_gates import refuse_unchecked_invoices
from jobs.reconcile import told
from jobs.staged_rows import in_staging, made
from tollgate.assurance.conservation import WITHIN_A_RUN, balances
from tollgate.assurance.run_measures import measures_of_run
from tollgate.billing.cycles import cycle_accounts
from tollgate.billing.deposits import forfeited_deposits
from tollgate.billing.invoice import run_totals, summed_up
from tollgate.billing.ledger import postings
from tollgate.billing.prepaid import prepaid_movements
from tollgate.platform.crash import crash_point
from tollgate.platform.errors import TollgateError
from tollgate.platform.lake import Lake, kept
from tollgate.platform.postgres_copy import copy_into
from tollgate.platform.progress import step
from tollgate.platform.settings import Settings

STAGING = ("staging_posting", "staging_invoice_line", "staging_invoice")
ISSUE = f"""
INSERT INTO billing.invoice (invoice_no, run_id, account_id, customer_id, cycle_start, cycle_end, invoice_kind,
sequence, currency, minor_digits, lines, net, tax, total, content_hash, due_on)
SELECT %(last_no)s + row_number() OVER (ORDER BY account_id COLLATE "C"), run_id, account_id, customer_id,
cycle_start, cycle_end, invoice_kind, sequence, currency, minor_digits, lines, net, tax, total, content_hash, due_on
FROM billing.staging_invoice WHERE {MINE};

INSERT INTO billing.invoice_line (invoice_no, line_no, line_key, kind, subscription_id, service, zone_id,
roaming_zone, origin_cycle, description, events, units, free_units, unit, exact_total, amount, tax_category, tax_id,
tax_share, exempt_reason) SELECT i.invoice_no, l.line_no, l.line_key, l.kind, l.subscription_id, l.service, l.zone_id,
l.roaming_zone, l.origin_cycle, l.description, l.events, l.units, l.free_units, l.unit, l.exact_total, l.amount,
l.tax_category, l.tax_id, l.tax_share, l.exempt_reason
FROM billing.staging_invoice_line AS l JOIN billing.invoice AS i ON i.run_id = l.run_id AND i.account_id = l.account_id
WHERE l.{MINE.replace("AND ", "AND l.")} ORDER BY i.invoice_no, l.line_no;

INSERT INTO billing.journal (invoice_no, run_id, account_id, currency)
SELECT invoice_no, run_id, account_id, currency FROM billing.invoice WHERE run_id = %(run_id)s ORDER BY invoice_no;

INSERT INTO billing.posting (journal_no, posting_no, ledger_account, tax_id, amount)
SELECT j.journal_no, p.posting_no, p.ledger_account, p.tax_id, p.amount
FROM billing.staging_posting AS p JOIN billing.journal AS j ON j.run_id = p.run_id AND j.account_id = p.account_id
WHERE p.{MINE.replace("AND ", "AND p.")} ORDER BY j.journal_no, p.posting_no;

UPDATE billing.invoice_counter SET last_no = %(last_no)s + %(invoices)s WHERE series = 'regular';
UPDATE ops.bill_run SET status = 'posted', posted_at = now() WHERE run_id = %(run_id)s;
"""


def post_run(spark: SparkSession, settings: Settings, run: BillRun, person: str) -> dict[str, Any]:
    """Post an approved run in the name of `person` and return its summary; a posted one changes nothing.

    Raises TollgateError, and posts nothing, when the run is not approved, its invoices have not passed their gate,
    another process has taken it over, an equation within the run does not hold, the lines in Delta are not those that
    were approved, staging holds other rows, a journal is not that of its invoice, or numbers have a gap.
    """
    done = settled(run, "post")
    if done is not None:
        return done
    lake = Lake(spark, settings.lake.root)
    spread_usage(lake)
    refuse_unchecked_invoices(lake, run.run_id)
    check_posted(lake, all_runs(settings))
    run = take_over(settings, run, person, "to post it")
    invoice, lines = (lake.read(name).where(F.col("run_id") == run.run_id) for name in ("invoice", "invoice_line"))
    with step("check the draft", bill_run_id=run.run_id):
        _check_lake(run, invoice, lines)
        _check_equations(lake, run, invoice, lines)
    with step("stage", bill_run_id=run.run_id):
        staged = _stage(spark, settings, lake, run, invoice, lines)
    crash_point("bill.after_staging")
    with step("issue invoices", bill_run_id=run.run_id):
        _issue(settings, run, person, staged)
    crash_point("bill.after_commit")
    return find_run(settings, run.run_id).summary()


def _check_lake(run: BillRun, invoice: DataFrame, lines: DataFrame) -> None:
    """The invoices in the lake are the ones that were approved, by their own rows and made anew out of their lines."""
    for what, said in (("invoices", invoice), ("lines", summed_up(invoice, lines))):
        totals = run_totals(said).first()
        assert totals is not None
        same(f"the lake's {what} differ from the run that was approved", run, approved(run), totals.asDict())


def _check_equations(lake: Lake, run: BillRun, invoice: DataFrame, lines: DataFrame) -> None:
    """What stands on the lines is what was billed: the equations of `reconcile`, before anything cannot be undone."""
    billed = lake.read("billed_usage").where(F.col("run_id") == run.run_id)
    prepaid = lake.read("prepaid_balance").where(F.col("run_id").isin([*run.after_runs, run.run_id]))
    rows = measures_of_run(run.run_id, billed, lines, invoice, prepaid).collect()
    facts = {(row.measure, row.part): row.value for row in rows}
    broken = [balance for balance in balances(facts, WITHIN_A_RUN) if not balance.holds]
    if broken:
        raise TollgateError(
            "the draft does not balance; nothing was posted:\n" + "\n".join(f"  - {told(one)}" for one in broken),
            where=run.run_id,
            way_out="void the run and run the cycle again",
        )


def _stage(
    spark: SparkSession, settings: Settings, lake: Lake, run: BillRun, invoice: DataFrame, lines: DataFrame
) -> dict[str, tuple[str, tuple[int, int]]]:
    """Copy invoices, lines and postings into staging, after deleting what an earlier attempt left there; by table, the
    query that asks it for its rows and contents, and what it must answer.

    A task that died after its commit and is tried again is refused by the staging table's key; a staging that lacks
    rows, or has some twice, by `check_staging`. Either way nothing is posted, and a second start begins here.
    """
    with transaction(settings) as cursor:
        for table in STAGING:
            cursor.execute(f"DELETE FROM billing.{table} WHERE run_id = %s", (run.run_id,))
    reference = load_reference(lake, run.snapshot_id)
    fees = load_price_book(lake, run.pricebook_version).table("price_fee")
    accounts = cycle_accounts(reference.table("ref_account"), run.cycle).join(
        invoice.select("account_id", "minor_digits"), "account_id", how="inner"
    )
    prepaid = prepaid_movements(lake.read("prepaid_balance").where(F.col("run_id") == run.run_id))
    posted_lines = lake.read("invoice_line").where(F.col("run_id").isin(run.after_runs))
    forfeited = forfeited_deposits(reference.table("ref_contract"), accounts, fees, posted_lines)
    moved = prepaid.join(accounts.select("account_id", "minor_digits"), "account_id", how="inner")
    entries = kept(postings(lines, forfeited, moved).withColumn("run_id", F.lit(run.run_id)))
    frames = {"staging_invoice": invoice, "staging_invoice_line": lines, "staging_posting": entries}
    for table, frame in frames.items():
        fenced = frame.withColumn("fencing", F.lit(run.fencing).cast("bigint"))
        copy_into(fenced, f"billing.{table}", settings)
    sums = made(frames)
    return {table: (in_staging(f"billing.{table}", frame, MINE), sums[table]) for table, frame in frames.items()}


def _issue(settings: Settings, run: BillRun, person: str, staged: Mapping[str, tuple[str, tuple[int, int]]]) -> None:
    """Number, issue and book everything in one transaction; staging is emptied by it. staged: of `_stage`."""
    keys: dict[str, Any] = {
        "run_id": run.run_id,
        "fencing": run.fencing,
        "after_runs": run.after_runs,
        "invoices": run.invoices,
    }
    with transaction(settings) as cursor:
        cursor.execute("SELECT status, fencing FROM ops.bill_run WHERE run_id = %(run_id)s FOR UPDATE", keys)
        found = cursor.fetchone()
        if found != ("approved", run.fencing):
            raise fenced_off(run, found)
        keys["last_no"] = _last_no(cursor, run)
        check_staging(cursor, run, keys, staged)
        cursor.execute(ISSUE, keys)
        note_step(cursor, run.run_id, "posted", person)
        for table in STAGING:
            cursor.execute(f"DELETE FROM billing.{table} WHERE run_id = %(run_id)s", keys)
        crash_point("bill.before_commit")


def _last_no(cursor: Any, run: BillRun) -> int:
    """The last number given, its row locked; every invoice up to it is there."""
    cursor.execute("SELECT last_no FROM billing.invoice_counter WHERE series = 'regular' FOR UPDATE")
    last_no = (cursor.fetchone() or (None,))[0]
    cursor.execute("SELECT count(*), coalesce(max(invoice_no), 0) FROM billing.invoice")
    invoices, highest = cursor.fetchone()
    if not last_no == invoices == highest:
        raise TollgateError(
            "invoice numbers have a gap, or the counter is not at the last one; nothing was posted",
            where="billing.invoice_counter, series regular",
            expected=f"last_no {highest}, the highest number, and as many invoices",
            found=f"last_no {last_no} and {invoices} invoices" if last_no is not None else "no row",
            way_out=f"find who changed the counter or billing.invoice; then post {run.run_id} again",
        )
    return int(highest)
