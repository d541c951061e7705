"""A question to the lake: only questions, and an error in one of them told in one line."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from tollgate.platform.errors import TollgateError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

QUESTIONS = ("SELECT", "WITH", "FROM", "VALUES", "TABLE", "SHOW", "DESCRIBE", "DESC", "EXPLAIN")
# These name no table, and show all.
ABOUT_ALL = ("SHOW", "DESCRIBE", "DESC")


def check_question(query: str) -> None:
    """TollgateError for a query that does not begin as a question: the tables belong to the jobs. Needs no Spark."""
    if _first_word(query) not in QUESTIONS:
        raise _not_a_question(_first_word(query))


def needed_by(query: str) -> str | None:
    """The text by which to find the tables that the query needs; None when it needs all of them."""
    return None if _first_word(query) in ABOUT_ALL else query


def asked(spark: SparkSession, query: str, arguments: dict[str, Any] | None = None) -> DataFrame:
    """The answer to a query over the session's views; `arguments` are values for its `:name` markers.

    TollgateError when it would write, like `FROM t INSERT INTO u`.
    """
    parsed = spark._jsparkSession.sessionState().sqlParser().parsePlan(query)
    if "InsertInto" in parsed.toString():
        raise _not_a_question("INSERT")
    return spark.sql(query, args=arguments or None)


@contextmanager
def mistakes_told() -> Iterator[None]:
    """Turn what Spark says of a mistake in a query into a TollgateError of one line."""
    from py4j.protocol import Py4JJavaError
    from pyspark.errors import PySparkException

    # It writes a stack trace of each mistake.
    logging.getLogger("SQLQueryContextLogger").setLevel(logging.CRITICAL + 1)
    try:
        yield
    except PySparkException as error:
        raise _does_not_run(str(error)) from None
    except Py4JJavaError as error:
        # What breaks while rows are on their way comes wrapped in Java's own exceptions.
        cause = error.java_exception
        while cause.getCause() is not None:
            cause = cause.getCause()
        if not str(cause.getClass().getName()).startswith("org.apache.spark."):
            raise
        raise _does_not_run(str(cause.getMessage())) from None


def _does_not_run(text: str) -> TollgateError:
    return TollgateError(
        "the query does not run",
        found=" ".join(text.split(";\n")[0].split("== SQL")[0].split()),
        way_out="`tollgate tables` lists names, `tollgate tables NAME` columns",
    )


def _first_word(query: str) -> str:
    found = re.match(r"(?:\s|\(|--[^\n]*(?:\n|$)|/\*.*?\*/)*(\w+)", query, re.DOTALL)
    return found[1].upper() if found else ""


# What would change a table; another word is no SQL at all.
_CHANGES = (
    "INSERT",
    "UPDATE",
    "DELETE",
    "MERGE",
    "CREATE",
    "DROP",
    "ALTER",
    "TRUNCATE",
    "REPLACE",
    "OPTIMIZE",
    "VACUUM",
)


def _not_a_question(word: str) -> TollgateError:
    if word not in _CHANGES:
        # Nearer than SET is to SELECT.
        meant = get_close_matches(word, QUESTIONS, 1, cutoff=0.75)
        return TollgateError(
            "this is no query", expected=f"one that begins with {', '.join(QUESTIONS)}", found=word or "nothing",
            way_out=f"did you mean {meant[0]}?" if meant else "`tollgate tables` lists what there is to ask for",
        )  # fmt: skip
    return TollgateError(
        "only questions are answered; the tables belong to the jobs",
        expected=f"a query that begins with {', '.join(QUESTIONS)}",
        found=word or "nothing",
        way_out="a wrong row is mended by the job that wrote it, never by hand",
    )
