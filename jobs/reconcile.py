"""Reconcile: from the received offsets to the ledger, print each equation with both sides; fail when one does not hold.

What still waits in the broker is not asked for: mediation takes it, or refuses to start when it is gone.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from jobs.corrected_lines import given_back_once
from jobs.later_documents import later_documents
from jobs.usage_copies import copies_checked
from tollgate.assurance.conservation import EQUATIONS, Balance, balances, of_corrections
from tollgate.assurance.digests import INVOICE, LINE, digest_in_postgres
from tollgate.assurance.journals import CHECKED_JOURNALS, FORFEITS
from tollgate.assurance.measures import Reach, measures
from tollgate.assurance.publication import published_to, rated_to
from tollgate.assurance.usage_copy import way_back
from tollgate.platform.errors import TollgateError
from tollgate.platform.job import add_common, main
from tollgate.platform.lake import Lake
from tollgate.platform.partitions import spread_by
from tollgate.platform.postgres import connect
from tollgate.platform.progress import remark, say, step
from tollgate.platform.settings import Settings

TABLES = (
    "control_mediation", "raw_cdr", "usage_event", "control_rating", "rated_usage", "billed_usage", "invoice_line",
    "invoice", "ref_account", "prepaid_balance",
)  # fmt: skip

# The stage of what another system is given: nothing of ours reads it.
COPIES = "copies"

POSTED = """
SELECT run_id, cycle || CASE WHEN sequence > 1 THEN '/' || sequence ELSE '' END AS part
FROM ops.bill_run WHERE status = 'posted' ORDER BY cycle, sequence
"""

ISSUED = f"""
WITH run AS (SELECT run_id, cycle || CASE WHEN sequence > 1 THEN '/' || sequence ELSE '' END AS part
             FROM ops.bill_run WHERE status = 'posted'),
invoices AS (SELECT part, count(*) AS n, sum(net) AS net, sum(tax) AS tax, sum(total) AS total,
               sum({digest_in_postgres(INVOICE)}) AS digest
             FROM billing.invoice JOIN run USING (run_id) GROUP BY part),
lines AS (SELECT part, count(*) AS n, sum({digest_in_postgres(LINE)}) AS digest
          FROM (SELECT i.run_id, i.account_id, l.* FROM billing.invoice_line AS l
                JOIN billing.invoice AS i USING (invoice_no)) AS line JOIN run USING (run_id) GROUP BY part),
postings AS (SELECT part, sum(amount) FILTER (WHERE amount > 0) AS debits,
-sum(amount) FILTER (WHERE amount < 0) AS credits,
               sum(amount) FILTER (WHERE ledger_account = 'receivable') AS receivable,
               sum(amount) FILTER (WHERE ledger_account = 'prepaid_credit_given') AS given,
               -sum(amount) FILTER (WHERE ledger_account = 'revenue_prepaid_forfeited') AS taken
             FROM billing.posting JOIN billing.journal USING (journal_no) JOIN run USING (run_id) GROUP BY part),
head AS (SELECT invoice_no AS document, part, tax, total FROM billing.invoice JOIN run USING (run_id)),
line AS (SELECT l.invoice_no AS document, l.kind, l.service, l.amount, l.tax_id, l.tax_share
         FROM billing.invoice_line AS l JOIN billing.invoice USING (invoice_no) JOIN run USING (run_id)),
booked AS (SELECT j.invoice_no AS document, p.ledger_account, p.tax_id, p.amount
           FROM billing.posting AS p JOIN billing.journal AS j USING (journal_no)
           JOIN billing.invoice AS i USING (invoice_no) JOIN run ON run.run_id = i.run_id
           WHERE (j.run_id, j.account_id, j.currency) = (i.run_id, i.account_id, i.currency)),
ordered AS (SELECT part, invoice_no = min(invoice_no) OVER of_run - 1
              + row_number() OVER (of_run ORDER BY account_id COLLATE "C") AS is_in_order
            FROM billing.invoice JOIN run USING (run_id) WINDOW of_run AS (PARTITION BY part)),
{CHECKED_JOURNALS},
{FORFEITS}
SELECT 'issued_invoices', part, n FROM invoices
UNION ALL SELECT 'issued_net', part, net FROM invoices
UNION ALL SELECT 'issued_tax', part, tax FROM invoices
UNION ALL SELECT 'issued_total', part, total FROM invoices
UNION ALL SELECT 'issued_digest', part, digest FROM invoices
UNION ALL SELECT 'issued_of_currency', currency, sum(total) FROM billing.invoice JOIN run USING (run_id)
          GROUP BY currency
UNION ALL SELECT 'issued_lines', part, n FROM lines
UNION ALL SELECT 'issued_line_digest', part, digest FROM lines
UNION ALL SELECT 'debits', part, coalesce(debits, 0) FROM postings
UNION ALL SELECT 'credits', part, coalesce(credits, 0) FROM postings
UNION ALL SELECT 'receivable', part, coalesce(receivable, 0) FROM postings
UNION ALL SELECT 'booked_given', part, coalesce(given, 0) FROM postings
UNION ALL SELECT 'booked_taken', part, coalesce(taken, 0) FROM postings
UNION ALL SELECT 'journals', part, count(*) FROM checked GROUP BY part
UNION ALL SELECT 'journals_that_agree', part, count(*) FILTER (WHERE agrees) FROM checked GROUP BY part
UNION ALL SELECT 'numbered_in_order', part, count(*) FILTER (WHERE is_in_order) FROM ordered GROUP BY part
UNION ALL SELECT 'forfeits', part, count(*) FROM forfeit JOIN head USING (document) GROUP BY part
UNION ALL SELECT 'forfeits_as_held', part, count(*) FILTER (WHERE agrees) FROM forfeit JOIN head USING (document)
          GROUP BY part
UNION ALL SELECT 'last_no', series, last_no FROM billing.invoice_counter
UNION ALL SELECT 'numbered', 'regular', count(*) FROM billing.invoice
UNION ALL SELECT 'highest_no', 'regular', coalesce(max(invoice_no), 0) FROM billing.invoice
"""
# A database that was not migrated since has no credit notes.
NOTES = """
UNION ALL SELECT 'numbered', 'credit_note', count(credit_no) FROM billing.credit_note
UNION ALL SELECT 'highest_no', 'credit_note', coalesce(max(credit_no), 0) FROM billing.credit_note
"""


def parser() -> argparse.ArgumentParser:
    return add_common(argparse.ArgumentParser(prog="reconcile", description=__doc__.splitlines()[0]))


def run(spark: SparkSession, settings: Settings, args: argparse.Namespace) -> dict[str, Any]:
    """Print and keep every equation; returns them as `check` does.

    Raises TollgateError that names the equations which do not hold, after all were printed and kept.
    """
    lake = Lake(spark, settings.lake.root)
    run_no, checked, broken = _told_and_kept(lake, settings)
    if broken:
        raise _unbalanced(lake, checked, broken)
    return _summary(run_no, checked)


def run_beside(spark: SparkSession, settings: Settings) -> dict[str, int]:
    """The same for night and month, which go on when only copies differ: a copy holds nothing back.

    Returns its number, how many equations there are, and how many of copies do not hold; these are warned of. Raises
    TollgateError that names all that do not hold when one of another stage is among them.
    """
    lake = Lake(spark, settings.lake.root)
    run_no, checked, broken = _told_and_kept(lake, settings)
    if any(balance.equation.stage != COPIES for balance in broken):
        raise _unbalanced(lake, checked, broken)
    if broken:
        remark(f"{len(broken)} equation(s) of copies of usage do not hold; {_way_out(broken)}", level="warning")
    return {"reconciliation": run_no, "equations": len(checked), "of_copies_broken": len(broken)}


def check(spark: SparkSession, settings: Settings) -> dict[str, Any]:
    """Keep every equation in control_reconcile and return {run_no, holds, equations}, whether they hold or not.

    equations: {stage, equation, part, left, right, holds} with the measures of each side by name, as text.
    """
    return _summary(*_checked(Lake(spark, settings.lake.root), settings))


def told(balance: Balance) -> str:
    """One line: both sides with their terms."""
    sides = [
        " + ".join(f"{name} {plain(balance.terms[name])}" for name in names)
        for names in (balance.equation.left, balance.equation.right)
    ]
    sign = "=" if balance.holds else f"DIFFERS BY {plain(balance.left_side - balance.right_side)} FROM"
    return f"{balance.equation.name} [{balance.part}]: {sides[0]} {sign} {sides[1]}"


def plain(value: Decimal) -> str:
    """A number without trailing zeros of its scale."""
    return f"{value:,.6f}".rstrip("0").rstrip(".")


def _told_and_kept(lake: Lake, settings: Settings) -> tuple[int, list[Balance], list[Balance]]:
    """The number, every equation, each printed and kept, and those that do not hold."""
    run_no, checked = _checked(lake, settings)
    for balance in checked:
        print(told(balance))
    return run_no, checked, [balance for balance in checked if not balance.holds]


def _unbalanced(lake: Lake, checked: list[Balance], broken: list[Balance]) -> TollgateError:
    return TollgateError(
        f"{len(broken)} of {len(checked)} equations do not hold:\n"
        + "\n".join(f"  - {told(balance)}" for balance in broken),
        where=lake.path("control_reconcile"), way_out=_way_out(broken),
    )  # fmt: skip


def _checked(lake: Lake, settings: Settings) -> tuple[int, list[Balance]]:
    with step("measure both stores"):
        posted, issued = _from_postgres(settings)
        of_copies, copied = copies_checked(lake.spark, settings)
        of_documents, documents = later_documents(settings)
        of_both, both = given_back_once(lake, settings) if of_documents else ((), {})
        facts = {**_from_lake(lake, posted), **issued, **copied, **documents, **both}
        checked = balances(facts, (*EQUATIONS, *of_corrections(facts), *of_documents, *of_both, *of_copies))
    unbalanced = dict.fromkeys((balance.equation.stage for balance in checked), 0)
    for balance in checked:
        unbalanced[balance.equation.stage] += not balance.holds
    say("equations checked", equations=len(checked), unbalanced=unbalanced)
    return _keep(lake, checked), checked


def _way_out(broken: list[Balance]) -> str:
    """A copy that differs is made again and holds no bill back; anything else does."""
    commands = way_back(broken)
    again = [f"make the copy again: {', '.join(f'`{command}`' for command in commands)}"] if commands else []
    if all(balance.equation.stage == COPIES for balance in broken):
        return again[0] if again else "look for rows in the copy that belong to no export: an --again removes them"
    return "; ".join(["bill nothing until they do; the first one that fails, in this order, is where to look", *again])


def _summary(run_no: int, checked: list[Balance]) -> dict[str, Any]:
    holds = all(balance.holds for balance in checked)
    return {"run_no": run_no, "holds": holds, "equations": [_as_row(balance) for balance in checked]}


def _from_postgres(settings: Settings) -> tuple[list[tuple[str, str]], dict[tuple[str, str], Decimal]]:
    connection = connect(settings)
    try:
        with connection.cursor() as cursor:
            cursor.execute(POSTED)
            posted = [(run_id, part) for run_id, part in cursor.fetchall()]
            cursor.execute("SELECT to_regclass('billing.credit_note') IS NOT NULL")
            cursor.execute(ISSUED + (NOTES if cursor.fetchone() == (True,) else ""))
            return posted, {(measure, part): Decimal(value) for measure, part, value in cursor.fetchall()}
    finally:
        connection.close()


def _from_lake(lake: Lake, posted: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Decimal]:
    tables = {name: lake.read(name) for name in TABLES}
    spread_by(tables["control_mediation"], "accepted + quarantined + duplicate")
    runs = lake.spark.createDataFrame(list(posted), "run_id STRING, part STRING")
    rows = measures(tables, runs, _reach(tables)).collect()
    return {(row.measure, row.part): row.value for row in rows}


def _reach(tables: dict[str, DataFrame]) -> Reach:
    # One row each, which is what makes the cross joins harmless.
    published = published_to(tables["control_mediation"]).withColumnRenamed("to_no", "published_to")
    rated = rated_to(tables["control_rating"]).withColumnRenamed("to_no", "rated_to")
    suspended = tables["control_rating"].selectExpr(
        "coalesce(sum(suspended), 0) AS suspended", "coalesce(sum(corrected), 0) AS corrected"
    )
    return Reach(**published.crossJoin(rated).crossJoin(suspended).collect()[0].asDict())


def _keep(lake: Lake, checked: list[Balance]) -> int:
    run_no = (lake.last_version("control_reconcile", "reconcile") or 0) + 1
    rows = [(run_no, b.equation.stage, b.equation.name, b.part, b.left_side, b.right_side, b.holds) for b in checked]
    kept = lake.frame(rows, "control_reconcile").coalesce(1)
    lake.append(kept, "control_reconcile", "reconcile", run_no)
    return run_no


def _as_row(balance: Balance) -> dict[str, Any]:
    return {
        "stage": balance.equation.stage,
        "equation": balance.equation.name,
        "part": balance.part,
        "left": {name: plain(balance.terms[name]) for name in balance.equation.left},
        "right": {name: plain(balance.terms[name]) for name in balance.equation.right},
        "holds": balance.holds,
    }


if __name__ == "__main__":
    sys.exit(main(parser(), run))
