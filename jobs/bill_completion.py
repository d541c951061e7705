"""The one transaction that completes a draft: its totals, kinds of lines, parked accounts and outliers, or nothing."""

from __future__ import annotations

from typing import Any

from jobs.bill_runs import BillRun, fenced_off, find_run, note_step, transaction
from tollgate.platform.errors import TollgateError
from tollgate.platform.settings import Settings

STAGING = ("staging_bill_account_park", "staging_bill_outlier")
TOTALS = ("accounts", "invoices", "lines", "net", "tax", "total", "content_hash", "parked", "not_due")
KIND = ("kind", "lines", "events", "amount", "tax")
LOCK = "SELECT status, fencing, content_hash IS NULL FROM ops.bill_run WHERE run_id = %(run_id)s FOR UPDATE"
MOVE = """
DELETE FROM ops.bill_account_park WHERE run_id = %(run_id)s;
INSERT INTO ops.bill_account_park (run_id, account_id, reason)
SELECT run_id, account_id, reason FROM ops.staging_bill_account_park
WHERE run_id = %(run_id)s AND fencing = %(fencing)s;
INSERT INTO ops.bill_outlier (run_id, account_id, kind, currency, total, compared_with, limit_percent)
SELECT run_id, account_id, kind, currency, total, compared_with, limit_percent FROM ops.staging_bill_outlier
WHERE run_id = %(run_id)s AND fencing = %(fencing)s
"""
MOVED = """
SELECT (SELECT count(*) FROM ops.bill_account_park WHERE run_id = %(run_id)s),
       (SELECT count(*) FROM ops.bill_outlier WHERE run_id = %(run_id)s)
"""


def complete(
    settings: Settings, run: BillRun, totals: dict[str, Any], kinds: list[dict[str, Any]], person: str
) -> BillRun:
    """The run with its totals. What `run.fencing` staged becomes its parked accounts and outliers.

    totals: TOTALS by name; kinds: rows of KIND. Raises TollgateError, and changes nothing, when another process has
    taken the run over or the staged accounts are not as many as were parked.
    """
    keys = {"run_id": run.run_id, "fencing": run.fencing}
    with transaction(settings) as cursor:
        cursor.execute(LOCK, keys)
        found = cursor.fetchone()
        if found != ("draft", run.fencing, True):
            raise fenced_off(run, found)
        cursor.execute(MOVE, keys)
        cursor.execute(MOVED, keys)
        parked, outliers = cursor.fetchone()
        if parked != totals["parked"]:
            raise TollgateError(
                "the parked accounts differ from the draft, so it was not completed", where=run.run_id,
                expected=str(totals["parked"]), found=str(parked), way_out="`tollgate bill resume` computes them again",
            )  # fmt: skip
        for kind in kinds:
            cursor.execute(
                f"INSERT INTO ops.bill_run_kind (run_id, {', '.join(KIND)}) VALUES (%s, %s, %s, %s, %s, %s)",
                (run.run_id, *[kind[name] for name in KIND]),
            )
        cursor.execute(
            f"UPDATE ops.bill_run SET {', '.join(f'{name} = %s' for name in (*TOTALS, 'outliers'))} WHERE run_id = %s",
            (*[totals[name] for name in TOTALS], outliers, run.run_id),
        )
        for table in STAGING:
            cursor.execute(f"DELETE FROM ops.{table} WHERE run_id = %(run_id)s", keys)
        note_step(cursor, run.run_id, "drafted", person)
    return find_run(settings, run.run_id)
