"""The copy of accepted usage in PostgreSQL: Delta -> staging -> one transaction with the export's record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructType

from jobs.bill_runs import transaction
from tollgate.assurance.usage_copy import LEFT_OUT, Batches, Figures, totals_in_postgres
from tollgate.platform.crash import crash_point
from tollgate.platform.descriptions import described
from tollgate.platform.errors import TollgateError
from tollgate.platform.postgres import connect, is_migrated, migrate
from tollgate.platform.postgres_copy import copy_into
from tollgate.platform.settings import Settings

# Any number: two exports that load at once would take each other's staging rows away.
_EXPORT_LOCK = 7_414_006
# An index entry of PostgreSQL ends at 2,704 bytes; this many characters and a source fit into it.
LONGEST_TEXT = 500
TABLE, STAGING = "rating.normalized_cdr", "rating.staging_normalized_cdr"

COLUMNS = """
SELECT table_schema || '.' || table_name, array_agg(column_name::text) FROM information_schema.columns
WHERE table_schema = 'rating' GROUP BY 1
"""
RECORDED = "SELECT from_batch_no, to_batch_no, events, duration_s, volume_bytes, contents FROM rating.export_run"
HELD = """
WITH of_batch AS (SELECT batch_no, {totals} FROM rating.normalized_cdr GROUP BY batch_no)
SELECT from_batch_no, to_batch_no, sum(b.events), sum(b.duration_s), sum(b.volume_bytes), sum(b.contents)
FROM of_batch AS b LEFT JOIN rating.export_run ON batch_no BETWEEN from_batch_no AND to_batch_no GROUP BY 1, 2
"""
# Rows that an earlier load of these batches left, wherever they were moved to since, and rows of no export.
CLEAR = """
DELETE FROM rating.normalized_cdr AS c USING rating.staging_normalized_cdr AS s
WHERE s.attempt = %(attempt)s AND (c.event_id, c.source, c.started_at) = (s.event_id, s.source, s.started_at);
DELETE FROM rating.normalized_cdr AS c
WHERE NOT EXISTS (SELECT FROM rating.export_run WHERE c.batch_no BETWEEN from_batch_no AND to_batch_no);
"""
LOAD = """
DELETE FROM rating.normalized_cdr WHERE batch_no BETWEEN %(from_no)s AND %(to_no)s;
INSERT INTO rating.normalized_cdr ({columns})
SELECT {columns} FROM rating.staging_normalized_cdr WHERE attempt = %(attempt)s;
DELETE FROM rating.export_run WHERE from_batch_no = %(from_no)s AND to_batch_no = %(to_no)s;
INSERT INTO rating.export_run (from_batch_no, to_batch_no, events, duration_s, volume_bytes, contents)
VALUES (%(from_no)s, %(to_no)s, %(events)s, %(duration_s)s, %(volume_bytes)s, %(contents)s);
DELETE FROM rating.staging_normalized_cdr WHERE attempt = %(attempt)s;
"""


def check_database(settings: Settings) -> None:
    """TollgateError when the database does not answer, or, migrated, lacks a column of the copy. Needs no Spark."""
    if is_migrated(settings):
        _check_columns(settings, [one.name for one in described("usage_event").columns if one.name not in LEFT_OUT])


class PostgresCopy:
    """`rating.normalized_cdr`; fields: the columns that it carries."""

    key = "postgres"

    def __init__(self, settings: Settings, fields: StructType) -> None:
        self.settings = settings
        self.fields = fields
        self.where = "PostgreSQL, rating.normalized_cdr"

    def recorded(self) -> dict[Batches, Figures]:
        """Every export by its batches; none in a database that was not migrated yet."""
        with transaction(self.settings) as cursor:
            cursor.execute("SELECT to_regclass('rating.export_run') IS NOT NULL")
            if not cursor.fetchone()[0]:
                return {}
            cursor.execute(RECORDED)
            return {Batches(row[0], row[1]): Figures.of(row[2:]) for row in cursor.fetchall()}

    def held(self) -> dict[Batches | None, Figures]:
        """What stands in the table, by export; under None what belongs to no export."""
        _check_columns(self.settings, self.fields.names)
        with transaction(self.settings) as cursor:
            cursor.execute(HELD.format(totals=totals_in_postgres(self.fields)))
            rows = cursor.fetchall()
        return {None if row[0] is None else Batches(row[0], row[1]): Figures.of(row[2:]) for row in rows}

    def shaped(self, usage: DataFrame) -> DataFrame:
        """The usage as PostgreSQL can hold and index it: text with U+0000 or over LONGEST_TEXT characters is cut and
        ends in its MD5, so that two different ones stay different."""
        texts = [field.name for field in self.fields.fields if isinstance(field.dataType, StringType)]
        return usage.withColumns({name: F.expr(_fitting(name)) for name in texts})

    @contextmanager
    def only_writer(self) -> Iterator[None]:
        """Bring the database up to date and hold the lock of exports; TollgateError when another process has it, or
        when no migration has made a column that the copy carries."""
        migrate(self.settings)
        _check_columns(self.settings, self.fields.names)
        session = connect(self.settings)
        session.autocommit = True
        try:
            with session.cursor() as cursor:
                cursor.execute("SELECT pg_try_advisory_lock(%s)", (_EXPORT_LOCK,))
                if not cursor.fetchone()[0]:  # type: ignore[index]
                    raise TollgateError(
                        "another process exports usage", where=self.where, way_out="wait for it, then run it again"
                    )
            yield
        finally:
            session.close()

    def write(self, usage: DataFrame, batches: Batches, figures: Figures, months: list[str], is_again: bool) -> None:
        """Bring the rows of these batches and their record in, in place of what was there of them.

        usage: shaped rows of these batches, the copy's columns and event_month. Raises TollgateError, and changes
        nothing, when what arrived in staging differs from `figures`.
        """
        with transaction(self.settings) as cursor:
            cursor.execute("DELETE FROM rating.staging_normalized_cdr")  # of attempts that died
            cursor.execute("SELECT nextval('rating.export_attempt')")
            attempt = cursor.fetchone()[0]
            for month in months:
                cursor.execute("SELECT rating.add_month(%s)", (f"{month}-01",))
        staged = usage.select(F.lit(attempt).cast("BIGINT").alias("attempt"), *self.fields.names)
        copy_into(staged, STAGING, self.settings)
        crash_point("export.after_staging")
        with transaction(self.settings) as cursor:
            self._load(cursor, attempt, batches, figures, is_again)
            crash_point("export.before_commit")
        crash_point("export.after_commit")

    def _load(self, cursor: Any, attempt: int, batches: Batches, figures: Figures, is_again: bool) -> None:
        import psycopg2.errors

        keys: Mapping[str, Any] = {
            "attempt": attempt, "from_no": batches.from_no, "to_no": batches.to_no, **vars(figures)
        }  # fmt: skip
        totals = totals_in_postgres(self.fields)
        cursor.execute(f"SELECT {totals} FROM rating.staging_normalized_cdr WHERE attempt = %(attempt)s", keys)
        staged = Figures.of(cursor.fetchone())
        if staged != figures:
            raise TollgateError(
                f"what arrived of batches {batches.name} differs from the lake; nothing was changed", where=self.where,
                expected=str(figures), found=str(staged), way_out="run it again",
            )  # fmt: skip
        try:
            if is_again:
                cursor.execute(CLEAR, keys)
            cursor.execute(LOAD.format(columns=", ".join(self.fields.names)), keys)
        except psycopg2.errors.UniqueViolation as error:
            raise TollgateError(
                f"events of batches {batches.name} stand there under other batches; nothing was changed",
                where=self.where, found=str(error).strip().splitlines()[0],
                way_out="`tollgate reconcile` names the export that differs, and how to make it again",
            ) from None  # fmt: skip


def _check_columns(settings: Settings, wanted: Sequence[str]) -> None:
    """Both tables have every column that is written: Spark and PostgreSQL would end in a stack trace of theirs."""
    with transaction(settings) as cursor:
        cursor.execute(COLUMNS)
        there = dict(cursor.fetchall())  # a row a table
    missing = {table: [name for name in wanted if name not in there.get(table, ())] for table in (TABLE, STAGING)}
    if any(missing.values()):
        raise TollgateError(
            "; ".join(f"{table} has no column {', '.join(names)}" for table, names in missing.items() if names),
            where="PostgreSQL", expected="every column of schemas/usage_event.ddl that a copy carries",
            way_out="add a migration in sql/migrations/ that adds it to both tables, and may be NULL",
        )  # fmt: skip


def _fitting(name: str) -> str:
    cut = rf"concat(left(replace({name}, '\u0000', '\uFFFD'), {LONGEST_TEXT - 33}), '~', md5({name}))"
    return rf"CASE WHEN length({name}) > {LONGEST_TEXT} OR instr({name}, '\u0000') > 0 THEN {cut} ELSE {name} END"
