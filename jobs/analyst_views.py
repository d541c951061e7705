"""What analysts see of the lake: every table under its name with tokens in place of numbers, and the views over them.

Notebooks call `register` as well: `register(spark, settings)` makes all of them views of the session.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any, cast

import psycopg2
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StructType

from jobs.bill_runs import transaction
from tollgate.assurance.tokens import INNER, OUTER, columns_seen, padded_keys, tokenised
from tollgate.assurance.views import POSTED_RUN, VIEWS
from tollgate.platform.descriptions import described
from tollgate.platform.errors import TollgateError
from tollgate.platform.lake import Lake, few_rows
from tollgate.platform.progress import remark
from tollgate.platform.settings import Settings
from tollgate.platform.token_key import TOKEN_KEY_ENV, token_key

POSTED = "SELECT run_id, cycle, posted_at FROM ops.bill_run WHERE status = 'posted' ORDER BY posted_at, run_id"


def register(
    spark: SparkSession, settings: Settings, query: str | None = None, *, in_clear: bool = False,
    posted: Sequence[str] | None = None,
) -> None:  # fmt: skip
    """Make session views of the tables and of tollgate.assurance.views; with a query, of what it needs.

    in_clear: numbers themselves in place of tokens. posted: ids of the bill runs that count, in place of asking
    PostgreSQL. TollgateError when a query needs the posted runs and PostgreSQL does not answer; when all views are
    asked for, none counts then, and stderr says so.
    """
    lake = Lake(spark, settings.lake.root)
    # Without a key, tokens of one question still join with each other; `refuse_passing_tokens` keeps them from leaving.
    pads = _pads(spark, token_key(settings) or secrets.token_bytes(32))

    def seen(table: str, rows: DataFrame) -> DataFrame:
        columns = columns_seen(described(table).columns)
        return tokenised(rows, columns, pads)

    def posted_run() -> DataFrame:
        return _posted_run(spark, settings, posted, is_needed=query is not None)

    lake.register_views(VIEWS, query, None if in_clear else seen, {"posted_run": posted_run})


def refuse_passing_tokens(answer: DataFrame, settings: Settings) -> None:
    """TollgateError when the answer depends on tokens and there is no key that would make the same ones tomorrow."""
    if token_key(settings) is not None:
        return
    subqueries = answer._jdf.queryExecution().optimizedPlan().subqueriesAll()
    outputs = [subqueries.apply(at).output().mkString() for at in range(subqueries.size())]
    if any(INNER in output or OUTER in output for output in outputs):
        raise TollgateError(
            "the answer shows or compares numbers, and there is no key to make tokens of them",
            where=f"{TOKEN_KEY_ENV}, profile {settings.profile}",
            expected="a secret of at least 32 characters in the environment, the same for everyone who compares",
            way_out="`openssl rand -hex 32` makes one; questions without numbers need none",
        )


def _pads(spark: SparkSession, key: bytes) -> DataFrame:
    return few_rows(spark, [padded_keys(key)], _columns(f"{INNER} BINARY, {OUTER} BINARY"))


def _posted_run(spark: SparkSession, settings: Settings, posted: Sequence[str] | None, is_needed: bool) -> DataFrame:
    rows: list[tuple[Any, ...]] = []
    if posted is not None:
        rows = [(run_id, run_id.split("/")[0], None) for run_id in dict.fromkeys(posted)]
    else:
        try:
            rows = _posted_runs(settings)
        except TollgateError as error:
            if is_needed:
                raise TollgateError(
                    f"the posted bill runs are not known: {error.what}",
                    where=error.where,
                    found=error.found,
                    way_out="`tollgate up` starts the local database; --posted-run ID names runs without it",
                ) from None
            remark("posted_run is empty: PostgreSQL does not say which runs are posted", level="warning")
    return few_rows(spark, rows, _columns(POSTED_RUN.columns))


def _posted_runs(settings: Settings) -> list[tuple[Any, ...]]:
    try:
        with transaction(settings) as cursor:
            cursor.execute(POSTED)
            return list(cursor.fetchall())
    except psycopg2.Error as error:
        raise TollgateError("ops.bill_run cannot be read", found=str(error).strip().splitlines()[0]) from None


def _columns(ddl: str) -> StructType:
    return cast("StructType", StructType.fromDDL(ddl.strip()))
