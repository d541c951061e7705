"""Rows of a frame into a table of PostgreSQL by COPY, from the executors."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from tollgate.platform.errors import TollgateError
from tollgate.platform.postgres import connection_facts
from tollgate.platform.settings import Settings

if TYPE_CHECKING:
    import pyarrow
    from pyspark.sql import Column, DataFrame
    from pyspark.sql.types import DataType

# Each task is a connection, and a database has a hundred.
CONNECTIONS = 8
_NULL = r"\N"
# What COPY's text format, and an array in quotes, read as something else than itself. The backslash first: the others
# become one.
_ESCAPED = {"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"}
_IN_ARRAY = {"\\": r"\\", '"': r"\""}
_PLAIN = {"string", "boolean", "byte", "short", "integer", "long", "decimal", "date", "timestamp_ntz"}
_SAID = re.compile(r"^psycopg2\.[\w.]+: (.+)$", re.MULTILINE)


def copy_into(frame: DataFrame, table: str, settings: Settings) -> None:
    """Append the rows of `frame` to `table`, columns by their names; each partition is one connection and transaction.

    frame: columns of text, BOOLEAN, whole numbers, DECIMAL, dates and times, and arrays of text. A row becomes a line
    of text in the plan; Python passes lines on and looks at none. Raises TollgateError for another type and when
    PostgreSQL refuses or goes; partitions that were done stand in the table then, of the others nothing.

    A task is tried again by Spark. One that died before its commit has left nothing. One that died after it, its end
    unheard, has its rows in already: a key refuses them the second time, and without a key the table holds them
    twice. So `table` is a staging table whose counts and sums are compared before anything is made of it, and whoever
    starts again empties it first.
    """
    line, names = lines_of(frame), ", ".join(f'"{name}"' for name in frame.columns)
    statement = f"COPY {table} ({names}) FROM STDIN WITH (FORMAT text, ENCODING 'UTF8')"
    facts = connection_facts(settings)

    def load(batches: Iterable[pyarrow.RecordBatch]) -> Iterable[pyarrow.RecordBatch]:
        _send(batches, facts, statement)
        return iter(())

    # By Arrow and not by foreachPartition, which pickles each row. Nothing comes back: no row passes the driver.
    loaded = line.coalesce(CONNECTIONS).mapInArrow(load, "nothing STRING")
    try:
        loaded.write.format("noop").mode("overwrite").save()
    except Exception as error:
        said = _SAID.search(str(error))
        if said is None:
            raise
        raise TollgateError(
            "PostgreSQL did not take the rows", where=table, found=said[1], way_out="mend it and run it again"
        ) from None


def lines_of(frame: DataFrame) -> DataFrame:
    """Each row as a line of COPY's text format, in one column `line`: BINARY, UTF-8, its newline included.

    Raises TollgateError for a column of a type that copy_into does not take.
    """
    from pyspark.sql import functions as F

    texts = [_text(F.col(field.name), field.dataType) for field in frame.schema.fields]
    unknown = [field for field, text in zip(frame.schema.fields, texts, strict=True) if text is None]
    if unknown:
        raise TollgateError(
            "columns of these types cannot be copied into PostgreSQL",
            found=", ".join(f"{field.name} {field.dataType.simpleString()}" for field in unknown),
        )
    fields = [F.coalesce(text, F.lit(_NULL)) for text in texts if text is not None]
    return frame.select(F.concat(F.concat_ws("\t", *fields), F.lit("\n")).cast("binary").alias("line"))


def _text(value: Column, kind: DataType) -> Column | None:
    """The value as COPY reads it, NULL where it is NULL; None for a type that is not known here."""
    from pyspark.sql import functions as F
    from pyspark.sql.types import ArrayType, StringType

    if isinstance(kind, StringType):
        return _replaced(value, _ESCAPED)
    if isinstance(kind, ArrayType) and isinstance(kind.elementType, StringType):
        # PostgreSQL's form of an array: {"a","b",NULL}. Its own backslashes are then text like any other.
        quoted = F.transform(value, lambda one: F.concat(F.lit('"'), _replaced(one, _IN_ARRAY), F.lit('"')))
        whole = F.concat(F.lit("{"), F.array_join(quoted, ",", "NULL"), F.lit("}"))
        return _replaced(whole, _ESCAPED)
    if kind.typeName() == "timestamp":
        # In UTC and saying so: the same instant, whatever the time zones of both sessions.
        epoch = F.lit("1970-01-01").cast("timestamp_ntz")
        return F.concat(F.timestamp_add("MICROSECOND", F.unix_micros(value), epoch).cast("string"), F.lit("+00"))
    return value.cast("string") if kind.typeName() in _PLAIN else None


def _replaced(text: Column, by: dict[str, str]) -> Column:
    from pyspark.sql import functions as F

    for plain, escaped in by.items():
        text = F.replace(text, F.lit(plain), F.lit(escaped))
    return text


def _send(batches: Iterable[pyarrow.RecordBatch], facts: dict[str, Any], statement: str) -> None:
    """One partition, on an executor: all of it, or nothing. Nothing is opened where there is no row."""
    import psycopg2

    lines = (b"".join(batch.column(0).to_pylist()) for batch in batches if batch.num_rows)
    first = next(lines, None)
    if first is None:
        return
    session = psycopg2.connect(**facts)
    try:
        with session, session.cursor() as cursor:
            cursor.copy_expert(statement, _Lines(first, lines))
    finally:
        session.close()


class _Lines(io.RawIOBase):
    """What COPY reads: a batch of lines at a time, however much it asks for; it takes more."""

    def __init__(self, first: bytes, further: Iterator[bytes]) -> None:
        self._next: bytes | None = first
        self._further = further

    def read(self, _size: int = -1) -> bytes:
        found, self._next = self._next, None
        return found if found is not None else next(self._further, b"")
