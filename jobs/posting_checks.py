"""Whether what a run has staged is what was approved, and may be issued: asked in the transaction that issues it."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from jobs.bill_runs import BillRun
from tollgate.assurance.journals import CHECKED_JOURNALS
from tollgate.platform.errors import TollgateError

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
JOURNALS = f"""
WITH head AS (SELECT account_id AS document, run_id AS part, tax, total FROM billing.staging_invoice WHERE {MINE}),
line AS (SELECT account_id AS document, kind, service, amount, tax_id, tax_share
         FROM billing.staging_invoice_line WHERE {MINE}),
booked AS (SELECT account_id AS document, ledger_account, tax_id, amount FROM billing.staging_posting WHERE {MINE}),
{CHECKED_JOURNALS.replace("%", "%%")}
SELECT count(*), count(*) FILTER (WHERE agrees), min(document) FILTER (WHERE NOT agrees) FROM checked
"""
POSTED_SINCE = f"""
SELECT count(*) FROM billing.invoice AS i JOIN billing.staging_invoice AS s USING (account_id)
WHERE s.{MINE.replace("AND ", "AND s.")} AND i.run_id <> ALL (%(after_runs)s)
"""
# A change of an account's cycles that came after the snapshot and before the run: neither has seen the other.
OFF_CYCLE = f"""
SELECT count(*), min(account_id) FROM billing.staging_invoice AS s JOIN crm.account AS a USING (account_id)
WHERE s.{MINE.replace("AND ", "AND s.")} AND CASE WHEN a.cycle_days IS NULL
  THEN extract(day FROM s.cycle_start) <> least(a.anchor_day, extract(day FROM date_trunc('month', s.cycle_start)
                                                                      + interval '1 month - 1 day'))
  ELSE mod(s.cycle_start - a.first_cycle_start, a.cycle_days) <> 0 END
"""


def check_staging(
    cursor: Any, run: BillRun, keys: dict[str, Any], staged: Mapping[str, tuple[str, tuple[int, int]]]
) -> None:
    """Refuse a staging that differs from the run or from the lake, and accounts that others have billed or moved.

    keys: run_id, fencing and after_runs. staged: by table, the query that asks it for its rows and contents, and what
    it must answer. Raises TollgateError.
    """
    cursor.execute(STAGED, keys)
    invoices, lines, net, tax, total, line_count, line_net, line_tax, receivable, balance = cursor.fetchone()
    of_run = approved(run)
    same(
        "staged invoices differ from the run",
        run,
        of_run,
        {**of_run, "invoices": invoices, "lines": lines, "net": net, "tax": tax, "total": total},
    )
    same(
        "staged lines differ from the run",
        run,
        of_run,
        {**of_run, "lines": line_count, "net": line_net, "tax": line_tax},
    )
    same(
        "staged postings do not balance",
        run,
        {"receivable": run.total, "balance": Decimal(0)},
        {"receivable": receivable, "balance": balance},
    )
    cursor.execute(JOURNALS, keys)
    journals, agreeing, first = cursor.fetchone()
    same(
        f"staged postings are not those of their invoices, as of account {first}",
        run,
        {"journals": journals},
        {"journals": agreeing},
    )
    for table, (query, (rows, contents)) in staged.items():
        cursor.execute(query, keys)
        found = dict(zip(("rows", "contents"), cursor.fetchone(), strict=True))
        same(f"billing.{table} holds other rows than the lake", run, {"rows": rows, "contents": contents}, found)
    cursor.execute(POSTED_SINCE, keys)
    since = cursor.fetchone()[0]
    if since:
        raise TollgateError(
            "another run has posted invoices for the same accounts since this one began", where=run.run_id,
            found=f"{since} invoices",
            way_out="void this run and run the cycle again",
        )  # fmt: skip
    cursor.execute(OFF_CYCLE, keys)
    moved, first = cursor.fetchone()
    if moved:
        raise TollgateError(
            "the cycles of accounts have changed since the run's snapshot; nothing was posted", where=run.run_id,
            found=f"{moved} accounts, {first} among them",
            way_out="void this run, take a snapshot with `tollgate snapshot_reference`, and run the cycle again",
        )  # fmt: skip


def approved(run: BillRun) -> dict[str, Any]:
    """What stands in the row of the run about its invoices."""
    return {name: getattr(run, name) for name in ("invoices", "lines", "net", "tax", "total", "content_hash")}


def same(what: str, run: BillRun, expected: dict[str, Any], found: dict[str, Any]) -> None:
    """Refuse to post, with each value that is another one than expected. Raises TollgateError."""
    differing = [name for name in expected if expected[name] != found[name]]
    if differing:
        raise TollgateError(
            f"{what}; nothing was posted", where=run.run_id,
            expected=", ".join(f"{name} {expected[name]}" for name in differing),
            found=", ".join(f"{name} {found[name]}" for name in differing),
            way_out="post again; if it stays so, void the run and run the cycle again",
        )  # fmt: skip
