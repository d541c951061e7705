"""Bill runs as PostgreSQL keeps them: pins, state, totals, and the number that fences off an older process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from tollgate.platform.errors import TollgateError
from tollgate.platform.postgres import connect
from tollgate.platform.settings import Settings

KIND = "regular"
COLUMNS = (
    "run_id, cycle, sequence, as_of, status, rating_no, snapshot_id, pricebook_version, after_runs, fencing, "
    "started_by, approved_by, "
    "accounts, invoices, lines, net, tax, total, content_hash, parked, not_due"
)


@dataclass(frozen=True)
class BillRun:
    """A row of ops.bill_run; totals are None until the draft is complete."""

    run_id: str
    cycle: str
    sequence: int
    as_of: datetime
    status: str
    rating_no: int
    snapshot_id: int
    pricebook_version: int
    after_runs: list[str]
    fencing: int
    started_by: str
    approved_by: str | None
    accounts: int | None
    invoices: int | None
    lines: int | None
    net: Decimal | None
    tax: Decimal | None
    total: Decimal | None
    content_hash: str | None
    parked: int | None
    not_due: int | None

    @property
    def is_complete(self) -> bool:
        """Whether the draft has its totals."""
        return self.content_hash is not None

    def summary(self, note: str = "") -> dict[str, Any]:
        """What a job prints of the run; amounts as strings."""
        counts = {
            name: getattr(self, name) for name in ("accounts", "invoices", "lines", "parked", "not_due", "content_hash")
        }
        amounts = {name: _text(getattr(self, name)) for name in ("net", "tax", "total")}
        pins = {name: getattr(self, name) for name in ("rating_no", "snapshot_id", "pricebook_version")}
        shown = {"run_id": self.run_id, "cycle": self.cycle, "status": self.status, **counts, **amounts, **pins}
        return {**shown, "note": note} if note else shown


@contextmanager
def transaction(settings: Settings) -> Iterator[Any]:
    """A cursor in one transaction: committed at the end of the block, rolled back by an exception.

    Raises TollgateError for a table or column that the database lacks.
    """
    import psycopg2.errors

    session = connect(settings)
    try:
        with session, session.cursor() as cursor:
            yield cursor
    except (psycopg2.errors.UndefinedTable, psycopg2.errors.UndefinedColumn) as error:
        raise TollgateError(
            "the database lacks a table or column", where="PostgreSQL", found=str(error).strip().splitlines()[0],
            way_out="run `tollgate migrate`",
        ) from None  # fmt: skip
    finally:
        session.close()


def posted_runs(settings: Settings) -> list[str]:
    """Ids of the runs that count, oldest posting first: readers of the billing tables take only these."""
    with transaction(settings) as cursor:
        cursor.execute("SELECT run_id FROM ops.bill_run WHERE status = 'posted' ORDER BY posted_at, run_id")
        return [row[0] for row in cursor.fetchall()]


def all_runs(settings: Settings) -> list[BillRun]:
    """Every run, by cycle and sequence."""
    return _select(settings, "ORDER BY cycle, sequence")


def find_run(settings: Settings, run_id: str) -> BillRun:
    """The run with this id; TollgateError when there is none."""
    found = _select(settings, "WHERE run_id = %s", run_id)
    if not found:
        known = ", ".join(run.run_id for run in all_runs(settings)) or "no run at all"
        raise TollgateError(
            "no such bill run", found=run_id, expected=known, way_out="see `tollgate bill-accounts --action list`"
        )
    return found[0]


def open_run(settings: Settings, cycle: str) -> BillRun | None:
    """The draft or approved run of a cycle; there is at most one."""
    found = _select(settings, "WHERE cycle = %s AND status IN ('draft', 'approved')", cycle)
    return found[0] if found else None


def last_posted(settings: Settings, cycle: str) -> BillRun | None:
    """The latest posted run of a cycle."""
    found = _select(settings, "WHERE cycle = %s AND status = 'posted' ORDER BY sequence DESC LIMIT 1", cycle)
    return found[0] if found else None


def begin(
    settings: Settings, cycle: str, as_of: datetime, pins: dict[str, int], after_runs: list[str], started_by: str
) -> BillRun:
    """Insert the next draft of a cycle; TollgateError when another process has just opened one."""
    import psycopg2.errors

    try:
        with transaction(settings) as cursor:
            cursor.execute(
                "SELECT coalesce(max(sequence), 0) + 1 FROM ops.bill_run WHERE cycle = %s AND kind = %s", (cycle, KIND)
            )
            sequence = cursor.fetchone()[0]
            run_id = f"{cycle}/{KIND}/{sequence}"
            cursor.execute(
                "INSERT INTO ops.bill_run (run_id, cycle, kind, sequence, as_of, rating_no, snapshot_id, "
                "pricebook_version, after_runs, "
                "fencing, started_by) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, 1, %s)",
                (
                    run_id,
                    cycle,
                    KIND,
                    sequence,
                    as_of,
                    pins["rating_no"],
                    pins["snapshot_id"],
                    pins["pricebook_version"],
                    after_runs,
                    started_by,
                ),
            )
    except psycopg2.errors.UniqueViolation:
        raise TollgateError(
            "another process has just opened a run of this cycle",
            where=cycle,
            way_out="see `tollgate bill-accounts --action list`",
        ) from None
    return find_run(settings, run_id)


def take_over(settings: Settings, run: BillRun) -> BillRun:
    """The run under a new fencing number: whoever held an older one can no longer finish it."""
    with transaction(settings) as cursor:
        cursor.execute("UPDATE ops.bill_run SET fencing = fencing + 1 WHERE run_id = %s", (run.run_id,))
    return find_run(settings, run.run_id)


def record_totals(settings: Settings, run: BillRun, totals: dict[str, Any]) -> BillRun:
    """Write the totals that complete the draft; TollgateError when another process has taken it over."""
    names = ["accounts", "invoices", "lines", "net", "tax", "total", "content_hash", "parked", "not_due"]
    with transaction(settings) as cursor:
        cursor.execute(
            f"UPDATE ops.bill_run SET {', '.join(f'{name} = %s' for name in names)} WHERE run_id = %s AND fencing = %s",
            (*[totals[name] for name in names], run.run_id, run.fencing),
        )
        if cursor.rowcount != 1:
            raise fenced_off(run)
    return find_run(settings, run.run_id)


def approve_run(settings: Settings, run: BillRun, approver: str) -> BillRun:
    """draft -> approved."""
    _expect(run, "draft", "approve")
    if not run.is_complete:
        raise TollgateError(
            "the draft is not complete", where=run.run_id, way_out="start the run again; it goes on where it stopped"
        )
    with transaction(settings) as cursor:
        cursor.execute(
            "UPDATE ops.bill_run SET status = 'approved', approved_by = %s, approved_at = now() "
            "WHERE run_id = %s AND status = 'draft'",
            (approver, run.run_id),
        )
    return find_run(settings, run.run_id)


def void_run(settings: Settings, run: BillRun) -> BillRun:
    """draft or approved -> void; what it wrote to the lake never counts."""
    if run.status not in ("draft", "approved"):
        _expect(run, "draft or approved", "void")
    with transaction(settings) as cursor:
        cursor.execute(
            "UPDATE ops.bill_run SET status = 'void', fencing = fencing + 1 "
            "WHERE run_id = %s AND status IN ('draft', 'approved')",
            (run.run_id,),
        )
    return find_run(settings, run.run_id)


def fenced_off(run: BillRun) -> TollgateError:
    """The error of a process whose run another process has taken over."""
    return TollgateError(
        "another process has taken this run over", where=run.run_id, expected=f"fencing number {run.fencing}",
        way_out="let the other one finish, see `tollgate bill-accounts --action list`",
    )  # fmt: skip


def _expect(run: BillRun, status: str, action: str) -> None:
    if run.status != status:
        raise TollgateError(
            f"cannot {action} this run", where=run.run_id, expected=f"status {status}", found=f"status {run.status}"
        )


def _select(settings: Settings, condition: str, *values: Any) -> list[BillRun]:
    with transaction(settings) as cursor:
        cursor.execute(f"SELECT {COLUMNS} FROM ops.bill_run {condition}", values)
        return [BillRun(*row) for row in cursor.fetchall()]


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else f"{amount:.3f}"
