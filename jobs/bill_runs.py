"""Bill runs as PostgreSQL keeps them: pins, state, totals, and the number that fences off an older process."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

from tollgate.platform.errors import TollgateError
from tollgate.platform.postgres import connect
from tollgate.platform.settings import Settings

KIND = "regular"
COLUMNS = (
    "run_id, cycle, sequence, as_of, status, rating_no, snapshot_id, pricebook_version, after_runs, only_accounts, "
    "fencing, started_by, approved_by, "
    "accounts, invoices, lines, net, tax, total, content_hash, parked, not_due, outliers"
)


@dataclass(frozen=True)
class BillRun:
    """A row of ops.bill_run; totals are None until the draft is complete. only_accounts: None for all of the cycle."""

    run_id: str
    cycle: str
    sequence: int
    as_of: datetime
    status: str
    rating_no: int
    snapshot_id: int
    pricebook_version: int
    after_runs: list[str]
    only_accounts: list[str] | None
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
    outliers: int | None

    @property
    def is_complete(self) -> bool:
        """Whether the draft has its totals."""
        return self.content_hash is not None

    @property
    def is_posted(self) -> bool:
        """Whether its invoices count."""
        return self.status == "posted"

    @property
    def pins(self) -> dict[str, Any]:
        """All that its draft is computed from, as the draft's commits keep it; of the accounts named, a SHA-256."""
        names = None if self.only_accounts is None else json.dumps(sorted(self.only_accounts)).encode()
        return {
            "as_of": self.as_of.astimezone(timezone.utc).isoformat(),
            **{name: getattr(self, name) for name in ("rating_no", "snapshot_id", "pricebook_version", "after_runs")},
            "only_accounts": None if names is None else hashlib.sha256(names).hexdigest(),
        }

    def summary(self, note: str = "") -> dict[str, Any]:
        """What a job prints of the run; amounts as strings."""
        counted = ("accounts", "invoices", "lines", "parked", "not_due", "outliers", "content_hash")
        counts = {name: getattr(self, name) for name in counted}
        amounts = {name: _text(getattr(self, name)) for name in ("net", "tax", "total")}
        pins = {name: getattr(self, name) for name in ("rating_no", "snapshot_id", "pricebook_version")}
        named = {} if self.only_accounts is None else {"named_accounts": len(self.only_accounts)}
        shown = {"run_id": self.run_id, "cycle": self.cycle, "status": self.status}
        return {**shown, **named, **counts, **amounts, **pins, **({"note": note} if note else {})}


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


def invoice_line_of(settings: Settings, billed: Mapping[str, Any]) -> dict[str, Any] | None:
    """invoice_no, line_no, amount, events and currency of the posted line that a row of billed_usage is on."""
    names = ("invoice_no", "line_no", "amount", "events", "currency")
    with transaction(settings) as cursor:
        cursor.execute(
            f"SELECT {', '.join(names)} FROM billing.invoice_line JOIN billing.invoice USING (invoice_no)"
            " WHERE run_id = %s AND account_id = %s AND line_key = %s",
            (billed["run_id"], billed["account_id"], billed["line_key"]),
        )
        found = cursor.fetchone()
    return dict(zip(names, found, strict=True)) if found else None


def all_runs(settings: Settings) -> list[BillRun]:
    """Every run, by cycle and sequence."""
    return _select(settings, "ORDER BY cycle, sequence")


def find_run(settings: Settings, run_id: str) -> BillRun:
    """The run with this id; TollgateError when there is none."""
    found = _select(settings, "WHERE run_id = %s", run_id)
    if not found:
        known = ", ".join(run.run_id for run in all_runs(settings)) or "a run; there is none yet"
        raise TollgateError("no such bill run", found=run_id, expected=known, way_out="see `tollgate bill list`")
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
    settings: Settings,
    cycle: str,
    as_of: datetime,
    pins: dict[str, int],
    after_runs: list[str],
    started_by: str,
    only_accounts: list[str] | None = None,
) -> BillRun:
    """Insert the next draft of a cycle; TollgateError when another process has just opened one."""
    import psycopg2.errors

    row = {
        "cycle": cycle, "kind": KIND, "as_of": as_of, "after_runs": after_runs, "only_accounts": only_accounts,
        "fencing": 1, "started_by": started_by,
        **{name: pins[name] for name in ("rating_no", "snapshot_id", "pricebook_version")},
    }  # fmt: skip
    try:
        with transaction(settings) as cursor:
            cursor.execute(
                "SELECT coalesce(max(sequence), 0) + 1 FROM ops.bill_run WHERE cycle = %s AND kind = %s", (cycle, KIND)
            )
            row["sequence"] = cursor.fetchone()[0]
            row["run_id"] = run_id = f"{cycle}/{KIND}/{row['sequence']}"
            cursor.execute(
                f"INSERT INTO ops.bill_run ({', '.join(row)}) VALUES ({', '.join(f'%({name})s' for name in row)})", row
            )
            note_step(cursor, run_id, "begun", started_by)
    except psycopg2.errors.UniqueViolation:
        raise TollgateError(
            "another process has just opened a run of this cycle", where=cycle, way_out="see `tollgate bill list`"
        ) from None
    return find_run(settings, run_id)


def take_over(settings: Settings, run: BillRun, person: str, note: str = "") -> BillRun:
    """The run under a new fencing number: whoever held an older one can no longer finish it."""
    with transaction(settings) as cursor:
        cursor.execute(
            "UPDATE ops.bill_run SET fencing = fencing + 1 WHERE run_id = %s AND status = %s", (run.run_id, run.status)
        )
        if cursor.rowcount != 1:
            cursor.execute("SELECT status, fencing FROM ops.bill_run WHERE run_id = %s", (run.run_id,))
            raise fenced_off(run, cursor.fetchone())
        note_step(cursor, run.run_id, "taken over", person, note)
    return find_run(settings, run.run_id)


def note_step(cursor: Any, run_id: str, action: str, person: str, note: str = "") -> None:
    """Keep who did what to a run, in the transaction that does it."""
    cursor.execute(
        "INSERT INTO ops.bill_run_step (run_id, action, person, note) VALUES (%s, %s, %s, %s)",
        (run_id, action, person, note),
    )


def fenced_off(run: BillRun, found: Sequence[Any] | None = None) -> TollgateError:
    """The error of a process whose run was taken over or voided. found: the run's status and fencing number by now."""
    if found is not None and found[0] == "void":
        return TollgateError(
            "this run has been voided meanwhile", where=run.run_id, expected=f"status {run.status}",
            found="status void", way_out="run the cycle again; it gets the next sequence",
        )  # fmt: skip
    return TollgateError(
        "another process has taken this run over", where=run.run_id, expected=f"fencing number {run.fencing}",
        found="" if found is None else f"fencing number {found[1]}, status {found[0]}",
        way_out=f"let the other one finish, see `tollgate bill show {run.run_id}`",
    )  # fmt: skip


def _select(settings: Settings, condition: str, *values: Any) -> list[BillRun]:
    with transaction(settings) as cursor:
        cursor.execute(f"SELECT {COLUMNS} FROM ops.bill_run {condition}", values)
        return [BillRun(*row) for row in cursor.fetchall()]


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else f"{amount:.3f}"
