"""One SQL question to the lake, answered as a table on the terminal."""

from __future__ import annotations

import logging
import re

from tollgate.platform.errors import TollgateError
from tollgate.platform.lake import Lake
from tollgate.platform.settings import Settings
from tollgate.platform.spark import spark_session

QUESTIONS = ("SELECT", "WITH", "FROM", "VALUES", "TABLE", "SHOW", "DESCRIBE", "DESC", "EXPLAIN")
# These name no table, and show all.
ABOUT_ALL = ("SHOW", "DESCRIBE", "DESC")


def print_answer(settings: Settings, views: dict[str, str], query: str, limit: int) -> None:
    """Run `query` over the tables of the lake and `views`, and print at most `limit` rows.

    TollgateError for a query that would change something: the tables belong to the jobs.
    """
    from pyspark.errors import PySparkException
    from rich import box
    from rich.console import Console
    from rich.table import Table

    asks = _first_word(query)
    if asks not in QUESTIONS:
        raise _not_a_question(asks)
    # It writes a stack trace of each mistake in a query, which is told below in one line.
    logging.getLogger("SQLQueryContextLogger").setLevel(logging.CRITICAL + 1)
    spark = spark_session(settings, "sql")
    try:
        parser = spark._jsparkSession.sessionState().sqlParser()
        if "InsertInto" in parser.parsePlan(query).toString():
            raise _not_a_question("INSERT")
        Lake(spark, settings.lake.root).register_views(views, None if asks in ABOUT_ALL else query)
        answer = spark.sql(query)
        rows = answer.limit(limit + 1).collect()
    except PySparkException as error:
        raise TollgateError(
            "the query does not run",
            found=" ".join(str(error).split(";\n")[0].split("== SQL")[0].split()),
            way_out='`tollgate sql "SHOW VIEWS"` lists names',
        ) from None
    finally:
        spark.stop()
    shown = Table(box=box.SIMPLE_HEAD)
    for field in answer.schema.fields:
        is_number = field.dataType.typeName() in ("integer", "long", "short", "byte", "decimal")
        shown.add_column(field.name, justify="right" if is_number else "left", overflow="fold")
    for row in rows[:limit]:
        shown.add_row(*("" if value is None else str(value) for value in row))
    Console().print(shown)
    if len(rows) > limit:
        print(f"first {limit} rows; --limit shows more")


def _first_word(query: str) -> str:
    found = re.match(r"(?:\s|\(|--[^\n]*\n|/\*.*?\*/)*(\w+)", query, re.DOTALL)
    return found[1].upper() if found else ""


def _not_a_question(word: str) -> TollgateError:
    return TollgateError(
        "only questions are answered; the tables belong to the jobs",
        expected=f"a query that begins with {', '.join(QUESTIONS)}",
        found=word or "nothing",
        way_out="a wrong row is mended by the job that wrote it, never by hand",
    )
