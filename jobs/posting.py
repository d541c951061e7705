"""Posting an approved run: Delta -> staging tables -> one PostgreSQL transaction."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.bill_runs import BillRun, fenced_off, find_run, note_step, take_over, transaction
from jobs.pinned import load_price_book, load_reference
from jobs.quality_gates import refuse_unchecked_invoices
from tollgate.billing.cycles import cycle_accounts
from tollgate.billing.fees import forfeited_deposits
from tollgate.billing.invoice import run_totals
from tollgate.billing.ledger import postings
from tollgate.billing.prepaid import prepaid_movements
from tollgate.platform.crash import crash_point
from tollgate.platform.errors import TollgateError
from tollgate.platform.lake import Lake
from tollgate.platform.postgres_copy import copy_into
from tollgate.platform.progress import step
from tollgate.platform.settings import Settings

STAGING = ("staging_posting", "staging_invoice_line", "staging_invoice")
MINE = "run_id = %(run_id)s AND fencing = %(fencing)s"

STAGED = f"""
SELECT i.invoices, i.lines, i.net, i.tax, i.total, l.lines, l.net, l.tax, p.receivable, p.balance
FROM (SELECT count(*) AS invoices, coalesce(sum(lines), 0) AS lines, coalesce(sum(net), 0) AS net, coalesce(sum(tax),
0) AS tax, coalesce(sum(total), 0) AS total FROM billing.staging_invoice WHERE {MINE}) AS i,
     (SELECT count(*) AS lines, coalesce(sum(amount), 0) AS net, coalesce(sum(tax_share), 0) AS tax
        FROM billing.staging_invoice_line WHERE {MINE}) AS l,
     (SELECT coalesce(sum(amount) FILTER (WHERE ledger_account = 'receivable'), 0) AS receivable,
     coalesce(sum(amount), 0) AS balance FROM billing.staging_posting WHERE {MINE}) AS p
"""
POSTED_SINCE = f"""
SELECT count(*) FROM billing.invoice AS i JOIN billing.staging_invoice AS s USING (account_id)
WHERE s.{MINE.replace("AND ", "AND s.")} AND i.run_id <> ALL (%(after_runs)s)
"""
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
    another process has taken it over, or counts and sums of Delta, staging and the run's row differ.
    """
    if run.status == "posted":
        return run.summary("posted before; nothing was changed")
    if run.status != "approved":
        way_out = "approve it first (`tollgate bill approve`)" if run.status == "draft" else "run the cycle again"
        raise TollgateError(
            "cannot post this run",
            where=run.run_id,
            expected="status approved",
            found=f"status {run.status}",
            way_out=way_out,
        )
    lake = Lake(spark, settings.lake.root)
    refuse_unchecked_invoices(lake, run.run_id)
    run = take_over(settings, run, person, "to post it")
    invoice = lake.read("invoice").where(F.col("run_id") == run.run_id)
    _check_lake(run, invoice)
    with step("stage", bill_run_id=run.run_id):
        _stage(spark, settings, lake, run, invoice)
    crash_point("bill.after_staging")
    with step("issue invoices", bill_run_id=run.run_id):
        _issue(settings, run, person)
    crash_point("bill.after_commit")
    return find_run(settings, run.run_id).summary()


def _check_lake(run: BillRun, invoice: DataFrame) -> None:
    """The invoices in the lake are the ones that were approved."""
    totals = run_totals(invoice).first()
    assert totals is not None
    _same("the lake's invoices differ from the run that was approved", run, _approved(run), totals.asDict())


def _stage(spark: SparkSession, settings: Settings, lake: Lake, run: BillRun, invoice: DataFrame) -> None:
    """Copy invoices, lines and postings into staging, after deleting what an earlier attempt left there.

    A task that died after its commit and is tried again is refused by the staging table's key; a staging that lacks
    rows, or has some twice, by `_check_staging`. Either way nothing is posted, and a second start begins here.
    """
    with transaction(settings) as cursor:
        for table in STAGING:
            cursor.execute(f"DELETE FROM billing.{table} WHERE run_id = %s", (run.run_id,))
    lines = lake.read("invoice_line").where(F.col("run_id") == run.run_id)
    reference = load_reference(lake, run.snapshot_id)
    fees = load_price_book(lake, run.pricebook_version).table("price_fee")
    accounts = cycle_accounts(reference.table("ref_account"), run.cycle).join(
        invoice.select("account_id", "minor_digits"), "account_id", how="inner"
    )
    prepaid = prepaid_movements(lake.read("prepaid_balance").where(F.col("run_id") == run.run_id))
    forfeited = forfeited_deposits(reference.table("ref_contract"), accounts, fees)
    moved = prepaid.join(accounts.select("account_id", "minor_digits"), "account_id", how="inner")
    entries = postings(lines, forfeited, moved).withColumn("run_id", F.lit(run.run_id))
    for frame, table in ((invoice, "staging_invoice"), (lines, "staging_invoice_line"), (entries, "staging_posting")):
        fenced = frame.withColumn("fencing", F.lit(run.fencing).cast("bigint"))
        copy_into(fenced, f"billing.{table}", settings)


def _issue(settings: Settings, run: BillRun, person: str) -> None:
    """Number, issue and book everything in one transaction; staging is emptied by it."""
    keys: dict[str, Any] = {
        "run_id": run.run_id,
        "fencing": run.fencing,
        "after_runs": run.after_runs,
        "invoices": run.invoices,
    }
    with transaction(settings) as cursor:
        cursor.execute("SELECT status, fencing FROM ops.bill_run WHERE run_id = %(run_id)s FOR UPDATE", keys)
        if cursor.fetchone() != ("approved", run.fencing):
            raise fenced_off(run)
        cursor.execute("SELECT last_no FROM billing.invoice_counter WHERE series = 'regular' FOR UPDATE")
        keys["last_no"] = cursor.fetchone()[0]
        _check_staging(cursor, run, keys)
        cursor.execute(ISSUE, keys)
        note_step(cursor, run.run_id, "posted", person)
        for table in STAGING:
            cursor.execute(f"DELETE FROM billing.{table} WHERE run_id = %(run_id)s", keys)
        crash_point("bill.before_commit")


def _check_staging(cursor: Any, run: BillRun, keys: dict[str, Any]) -> None:
    cursor.execute(STAGED, keys)
    invoices, lines, net, tax, total, line_count, line_net, line_tax, receivable, balance = cursor.fetchone()
    approved = _approved(run)
    _same(
        "staged invoices differ from the run",
        run,
        approved,
        {**approved, "invoices": invoices, "lines": lines, "net": net, "tax": tax, "total": total},
    )
    _same(
        "staged lines differ from the run",
        run,
        approved,
        {**approved, "lines": line_count, "net": line_net, "tax": line_tax},
    )
    _same(
        "staged postings do not balance",
        run,
        {"receivable": run.total, "balance": Decimal(0)},
        {"receivable": receivable, "balance": balance},
    )
    cursor.execute(POSTED_SINCE, keys)
    since = cursor.fetchone()[0]
    if since:
        raise TollgateError(
            "another run has posted invoices for the same accounts since this one began", where=run.run_id,
            found=f"{since} invoices",
            way_out="void this run and run the cycle again",
        )  # fmt: skip


def _approved(run: BillRun) -> dict[str, Any]:
    return {name: getattr(run, name) for name in ("invoices", "lines", "net", "tax", "total", "content_hash")}


def _same(what: str, run: BillRun, expected: dict[str, Any], found: dict[str, Any]) -> None:
    differing = [name for name in expected if expected[name] != found[name]]
    if differing:
        raise TollgateError(
            f"{what}; nothing was posted", where=run.run_id,
            expected=", ".join(f"{name} {expected[name]}" for name in differing),
            found=", ".join(f"{name} {found[name]}" for name in differing),
            way_out="post again; if it stays so, void the run and run the cycle again",
        )  # fmt: skip
