"""Runs of night and month as PostgreSQL keeps them: one at a time in a database, a row each.

The lock is that of a database session, so it holds across hosts and goes with its process. It keeps two runs out of
each other's way; that nothing is written twice rests on the jobs themselves.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING, Any

from tollgate.platform.errors import TollgateError
from tollgate.platform.postgres import connect, migrate
from tollgate.platform.settings import Settings

if TYPE_CHECKING:
    from psycopg2.extensions import connection

# Any number, another one than that of the migrations.
LOCK = 7_414_002
# A host that vanished without a word keeps the lock no longer than a minute and a half.
_SESSION = "SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 15; SET tcp_keepalives_count = 4"
_GONE = "its process ended without a word"
COLUMNS = (
    "run_id", "command", "from_date", "to_date", "cycle", "as_of", "status", "step", "started_at", "ended_at", "host",
    "pid", "exit_code", "summary", "error",
)  # fmt: skip
# A row that says running while nobody holds the lock: its process is gone, and no run has started since.
_SELECT = f"""
WITH lock AS (
  SELECT count(*) > 0 AS is_held FROM pg_locks
  WHERE locktype = 'advisory' AND (classid, objid, objsubid) = (0, {LOCK}, 1) AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
), run AS (
  SELECT run_id, command, from_date, to_date, cycle, as_of, step, started_at, ended_at, host, pid, exit_code, summary,
         CASE WHEN is_held OR status <> 'running' THEN status ELSE 'stopped' END AS status,
         CASE WHEN is_held OR status <> 'running' THEN error ELSE '{_GONE}' END AS error
  FROM ops.job_run CROSS JOIN lock
)
SELECT {", ".join(COLUMNS)} FROM run """


class LockedError(TollgateError):
    """Another night or month runs; nothing was started. holder: its row, None when it has just begun."""

    exit_code = 75
    outcome = "locked"

    def __init__(self, holder: Mapping[str, Any] | None) -> None:
        self.holder = holder
        who = "a run that begins or ends at this moment"
        if holder:
            who = "run {run_id} ({command}) on {host}, pid {pid}, since {started_at:%Y-%m-%d %H:%M:%S} UTC".format_map(
                holder
            )
        super().__init__(
            "another night or month runs on this database; nothing was started", found=who,
            way_out="let it finish, or end that process, and start again; `tollgate runs` shows it",
        )  # fmt: skip


class RunRow:
    """The row of a run that holds the lock. Whoever cannot write it any more has lost the lock, and must end."""

    def __init__(self, session: connection, run_id: int) -> None:
        self._session = session
        self.run_id = run_id

    def at(self, step: str, summary: Mapping[str, Any]) -> None:
        """Say which step comes, and what was done before it; TollgateError when the lock is lost."""
        self._write("step = %s, summary = %s", step, as_json(summary))

    def end(self, status: str, exit_code: int, summary: Mapping[str, Any], error: str | None) -> None:
        """Close the row; TollgateError when the lock is lost."""
        changes = "status = %s, exit_code = %s, summary = %s, error = %s, ended_at = now()"
        self._write(changes, status, exit_code, as_json(summary), error)

    def _write(self, changes: str, *values: Any) -> None:
        import psycopg2

        try:
            with self._session.cursor() as cursor:
                cursor.execute(
                    f"UPDATE ops.job_run SET {changes} WHERE run_id = %s AND status = 'running'", (*values, self.run_id)
                )
                found = "its row" if cursor.rowcount == 1 else "another run has taken its place"
        except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
            found = " ".join(str(error).split())
        if found != "its row":
            raise TollgateError(
                "the database session that holds the lock is gone, so this run ends here", found=found,
                where=f"run {self.run_id}", way_out="start it again: it goes on where this one ended",
            )  # fmt: skip


@contextmanager
def one_at_a_time(settings: Settings, command: str, subject: Mapping[str, Any]) -> Iterator[RunRow]:
    """Hold the lock of the database through the block, with a new row of ops.job_run; LockedError when it is taken.

    subject: from_date and to_date of a night, cycle and as_of of a month. The migrations are applied first.
    """
    migrate(settings)
    session = connect(settings)
    try:
        session.autocommit = True
        with session.cursor() as cursor:
            cursor.execute(_SESSION)
            cursor.execute("SELECT pg_try_advisory_lock(%s)", (LOCK,))
            if cursor.fetchone() != (True,):
                raise LockedError(next(iter(_rows(session, "WHERE status = 'running'")), None))
            cursor.execute("UPDATE ops.job_run SET status = 'stopped', error = %s WHERE status = 'running'", (_GONE,))
            values = {**subject, "command": command, "host": socket.gethostname(), "pid": os.getpid()}
            cursor.execute(
                f"INSERT INTO ops.job_run ({', '.join(values)}) VALUES ({', '.join(['%s'] * len(values))}) "
                "RETURNING run_id",
                list(values.values()),
            )
            row = cursor.fetchone()
            assert row is not None
        yield RunRow(session, row[0])
    finally:
        session.close()


def last_runs(settings: Settings, count: int, only_failed: bool = False) -> list[dict[str, Any]]:
    """The newest runs, newest first; only_failed: those that failed or were stopped."""
    which = "WHERE status IN ('failed', 'stopped') " if only_failed else ""
    return _read(settings, f"{which}ORDER BY run_id DESC LIMIT {int(count)}")


def find_run(settings: Settings, run_id: int) -> dict[str, Any]:
    """One run with all its columns; TollgateError when there is none."""
    found = _read(settings, f"WHERE run_id = {int(run_id)}")
    if not found:
        raise TollgateError("no such run", found=str(run_id), way_out="`tollgate runs` lists them")
    return found[0]


def as_json(told: Mapping[str, Any]) -> str:
    """One line; dates and instants by ISO 8601, amounts as text."""
    return json.dumps(told, default=lambda value: value.isoformat() if isinstance(value, date) else str(value))


def _read(settings: Settings, which: str) -> list[dict[str, Any]]:
    import psycopg2.errors

    session = connect(settings)
    try:
        session.set_session(readonly=True)
        return _rows(session, which)
    except psycopg2.errors.UndefinedTable:
        raise TollgateError(
            "the database has no history of runs yet", where="ops.job_run", way_out="run `tollgate migrate`"
        ) from None
    finally:
        session.close()


def _rows(session: connection, which: str) -> list[dict[str, Any]]:
    with session.cursor() as cursor:
        cursor.execute("SET TIME ZONE 'UTC'")
        cursor.execute(_SELECT + which)
        return [dict(zip(COLUMNS, row, strict=True)) for row in cursor.fetchall()]
