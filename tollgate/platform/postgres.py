"""PostgreSQL: connections, migrations in order, and what Spark's JDBC needs."""

from __future__ import annotations

import hashlib
from importlib import resources
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from tollgate.platform.errors import TollgateError
from tollgate.platform.local_postgres import DATABASE, PART, USER
from tollgate.platform.settings import PASSWORD_ENV, Settings
from tollgate.platform.state import read_state, running_process

if TYPE_CHECKING:
    from psycopg2.extensions import connection

ANSWER_S = 8
# Any number: two jobs that migrate at once wait for each other on it.
_MIGRATION_LOCK = 7_414_001
_LEDGER = """
CREATE SCHEMA IF NOT EXISTS ops;
CREATE TABLE IF NOT EXISTS ops.migration (
  number     integer PRIMARY KEY CHECK (number > 0),
  name       text NOT NULL UNIQUE,
  checksum   text NOT NULL,
  applied_at timestamptz NOT NULL DEFAULT now()
)
"""


class UnreachableError(TollgateError):
    """No database answers where the settings say; what it holds is not known then, and nothing of it is wrong."""


def connect(settings: Settings) -> connection:
    """A connection to the database of the settings, else the local one.

    Raises UnreachableError when nothing answers, and TollgateError when the server refuses.
    """
    import psycopg2

    where = connection_facts(settings)
    try:
        return psycopg2.connect(**where)
    except psycopg2.OperationalError as error:
        # What the server itself says comes as FATAL: a wrong password, a database that is not there.
        found = str(error).strip().splitlines()[0]
        kind, what = (TollgateError, "refuses") if "FATAL" in found else (UnreachableError, "does not answer")
        raise kind(
            f"PostgreSQL {what}", where=f"{where['host']}:{where['port']}/{where['dbname']}", found=found,
            way_out=f"check postgres.url, {PASSWORD_ENV} and that the server runs (`tollgate status`)",
        ) from None  # fmt: skip


def connection_facts(settings: Settings) -> dict[str, Any]:
    """What psycopg2 connects by, password included; an executor, which knows no settings, gets them with its task."""
    where = _address(settings)
    return {
        "host": where["host"], "port": where["port"], "dbname": where["database"], "user": where["user"],
        "password": where["password"], "connect_timeout": ANSWER_S, "application_name": "tollgate",
    }  # fmt: skip


def jdbc(settings: Settings) -> dict[str, str]:
    """Options for Spark's JDBC source; rows go the other way by `postgres_copy`."""
    where = _address(settings)
    return {
        "url": f"jdbc:postgresql://{where['host']}:{where['port']}/{where['database']}",
        "user": where["user"],
        "password": where["password"],
        "driver": "org.postgresql.Driver",
    }


def migrate(settings: Settings) -> list[str]:
    """Apply the files of sql/migrations that the database lacks, in order, each in one transaction; their names.

    Raises TollgateError when an applied file has changed or is gone, and when one fails (it leaves no trace then).
    """
    files = _migrations()
    session = connect(settings)
    try:
        with session, session.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", (_MIGRATION_LOCK,))
            cursor.execute(_LEDGER)
        applied: list[str] = []
        for number, (name, text) in enumerate(files.items(), start=1):
            with session, session.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", (_MIGRATION_LOCK,))
                if _is_applied(cursor, name, text):
                    continue
                _apply(cursor, number, name, text)
                applied.append(name)
        return applied
    finally:
        session.close()


def is_migrated(settings: Settings) -> bool:
    """Whether the database has every migration."""
    session = connect(settings)
    try:
        with session.cursor() as cursor:
            cursor.execute("SELECT to_regclass('ops.migration') IS NOT NULL")
            if cursor.fetchone() != (True,):
                return False
            cursor.execute("SELECT count(*) FROM ops.migration WHERE name = ANY(%s)", (list(_migrations()),))
            return cursor.fetchone() == (len(_migrations()),)
    finally:
        session.close()


def _migrations() -> dict[str, str]:
    folder = resources.files("sql") / "migrations"
    files = sorted((file.name, file) for file in folder.iterdir() if file.name.endswith(".sql"))
    for expected, (name, _) in enumerate(files, start=1):
        if not name.startswith(f"{expected:03d}_"):
            raise TollgateError(
                "migrations are numbered without a gap",
                where="sql/migrations",
                expected=f"{expected:03d}_…",
                found=name,
            )
    return {name: file.read_text(encoding="utf-8") for name, file in files}


def _is_applied(cursor: Any, name: str, text: str) -> bool:
    cursor.execute("SELECT checksum FROM ops.migration WHERE name = %s", (name,))
    row = cursor.fetchone()
    if row is not None and row[0] != _checksum(text):
        raise TollgateError(
            "a migration was changed after it was applied",
            where=f"sql/migrations/{name}",
            expected=f"SHA-256 {row[0]}",
            found=f"SHA-256 {_checksum(text)}",
            way_out="restore the file and put the change into a new migration",
        )
    return row is not None


def _apply(cursor: Any, number: int, name: str, text: str) -> None:
    import psycopg2

    try:
        cursor.execute(text)
    except psycopg2.Error as error:
        raise TollgateError(
            "a migration failed; nothing of it was kept", where=f"sql/migrations/{name}", found=str(error).strip()
        ) from None
    cursor.execute(
        "INSERT INTO ops.migration (number, name, checksum) VALUES (%s, %s, %s)", (number, name, _checksum(text))
    )


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _address(settings: Settings) -> dict[str, str]:
    if not settings.postgres.url:
        if not running_process(PART):
            raise UnreachableError(
                "no PostgreSQL is running",
                expected="postgres.url in the settings, or the local server",
                way_out="run `tollgate up`",
            )
        facts = read_state()[PART]
        return {"host": "127.0.0.1", "port": str(facts["port"]), "user": USER, "password": facts["password"],
                "database": DATABASE}  # fmt: skip
    url = urlsplit(settings.postgres.url)
    if url.scheme not in ("postgresql", "postgres") or not url.hostname or not url.username or len(url.path) < 2:
        raise TollgateError(
            "not an address of a database", where="postgres.url", expected="postgresql://user@host:port/database"
        )
    return {
        "host": url.hostname,
        "port": str(url.port or 5432),
        "user": unquote(url.username),
        "password": settings.postgres.password.get_secret_value() or unquote(url.password or ""),
        "database": unquote(url.path[1:]),
    }
