"""The manifest of published files, PostgreSQL `ops.usage_file`: what is published, what was cut off, how far."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jobs.usage_files import UsageFile
from tollgate.platform.errors import TollgateError
from tollgate.platform.postgres import connect
from tollgate.platform.settings import Settings

if TYPE_CHECKING:
    from psycopg2.extensions import connection


@dataclass(frozen=True)
class Upload:
    """An upload of a file; `sent` lines of it are acknowledged. upload_id is None before it has a row."""

    upload_id: int | None
    sent: int


@contextmanager
def manifest(settings: Settings) -> Iterator[connection]:
    """A session for the manifest; each statement stands at once. Its locks go with it."""
    session = connect(settings)
    session.autocommit = True
    try:
        if not _one(session, "SELECT to_regclass('ops.usage_file') IS NOT NULL")[0]:
            raise TollgateError("the database is not at the newest migration", way_out="run `tollgate migrate`")
        yield session
    finally:
        session.close()


def dialects_of(session: connection) -> dict[str, str]:
    """Registered source to its dialect."""
    with session.cursor() as cursor:
        cursor.execute("SELECT source, dialect FROM crm.source")
        return dict(cursor.fetchall())


def next_upload(session: connection, file: UsageFile, topic: str, again: bool) -> Upload:
    """The upload to make or go on with; TollgateError when these lines are published already, unless `again`."""
    mine = (file.sha256, topic)
    cut_off = _one(
        session,
        "SELECT upload_id, sent FROM ops.usage_file WHERE (sha256, topic) = (%s, %s) AND ended_at IS NULL",
        mine,
    )
    if cut_off:
        return Upload(*cut_off)
    done = _one(
        session,
        "SELECT upload_id, name, started_by, ended_at, records FROM ops.usage_file"
        " WHERE (sha256, topic) = (%s, %s) ORDER BY upload_id DESC LIMIT 1",
        mine,
    )
    if done and not again:
        upload_id, name, started_by, ended_at, records = done
        raise TollgateError(
            "these records are published already", where=str(file.path),
            expected="a file that is not in ops.usage_file",
            found=f"upload {upload_id}: {name}, {records:,} records, by {started_by}, {ended_at:%Y-%m-%d %H:%M:%S %Z}",
            way_out="leave it; to send it all again (mediation takes the records for copies), give --again",
        )  # fmt: skip
    return Upload(None, 0)


@contextmanager
def sending(session: connection, file: UsageFile, topic: str, source: str | None, again: bool) -> Iterator[Upload]:
    """Hold the file and give its upload, with a row now; TollgateError as in `next_upload`, or when another process has
    the file."""
    lock = f"{file.sha256} {topic}"
    if not _one(session, "SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", (lock,))[0]:
        raise TollgateError("another process is publishing this file", where=str(file.path), way_out="let it end")
    try:
        # Asked once more, for another process may have come before.
        upload = next_upload(session, file, topic, again)
        if upload.upload_id is None:
            row = (file.sha256, topic, file.name, source, file.records, file.bytes, getpass.getuser())
            upload_id, sent = _one(
                session,
                "INSERT INTO ops.usage_file (sha256, topic, name, source, records, bytes, started_by)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s) RETURNING upload_id, sent",
                row,
            )
            upload = Upload(upload_id, sent)
        yield upload
    finally:
        _one(session, "SELECT pg_advisory_unlock(hashtextextended(%s, 0))", (lock,))


def note_sent(session: connection, upload: Upload, sent: int, is_whole: bool = False) -> None:
    """So many lines are acknowledged; is_whole: those are all."""
    with session.cursor() as cursor:
        cursor.execute(
            "UPDATE ops.usage_file SET sent = %s, ended_at = CASE WHEN %s THEN clock_timestamp() END"
            " WHERE upload_id = %s",
            (sent, is_whole, upload.upload_id),
        )


def _one(session: connection, statement: str, values: tuple[Any, ...] = ()) -> Any:
    with session.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchone()
