"""Lines of invoices into PostgreSQL, its keys in place: by COPY, and by INSERT statements of a page of rows each.

The same rows, cached before; as many connections, one a partition. The baseline is what psycopg2 has for it,
`execute_values`, called in `foreachPartition`. All ways take turns, and the fastest of each counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from pyspark.sql import DataFrame

from benchmarks.billing import SESSION
from benchmarks.billing_input import drawn_lines
from benchmarks.cost import cost_of
from benchmarks.route import SEED, Bench, bench
from benchmarks.rows import Row
from jobs.bill_runs import transaction
from tollgate.platform.errors import TollgateError
from tollgate.platform.postgres import connection_facts, migrate
from tollgate.platform.postgres_copy import CONNECTIONS, copy_into

TABLE = "billing.staging_invoice_line"
PAGES, TURNS = (100, 1_000), 3
# Rows are compared by a sum over a hash of their text, in which every column has a part.
FINGERPRINT = f"SELECT count(*), sum(amount), sum(hashtextextended(t::text, 0)::numeric) FROM {TABLE} AS t"


def load_rows(lines: int) -> list[Row]:
    """How many times as long INSERTs of 100 and of 1,000 rows take for the same lines."""
    with bench(SESSION) as found:
        migrate(found.settings)
        rows = drawn_lines(found.spark, lines, SEED).persist()
        rows.write.format("noop").mode("overwrite").save()
        seconds = loaded(found, rows, ways(found, rows), TURNS)
    for name, least in seconds.items():
        print(f"{name}: {lines:,} lines in {least:.1f} s, {lines / least:,.0f} a second")
    ours = seconds.pop("copy")
    return [
        Row(f"billing.load_against_{name}", least / ours, bar=3, aim=5, unit="x", ours=ours, baseline=least)
        for name, least in seconds.items()
    ]


def ways(found: Bench, rows: DataFrame) -> dict[str, Callable[[], None]]:
    """The contenders by name."""
    inserts = {f"pages_of_{size}": partial(insert_pages, found, rows, size) for size in PAGES}
    return {"copy": lambda: copy_into(rows, TABLE, found.settings), **inserts}


def loaded(found: Bench, rows: DataFrame, ways: dict[str, Callable[[], None]], turns: int) -> dict[str, float]:
    """The least seconds of each; TollgateError when what one left in the table differs from what another did."""
    least: dict[str, float] = {}
    left: dict[str, Any] = {}
    for _ in range(turns):
        for name, load in ways.items():
            with transaction(found.settings) as cursor:
                cursor.execute(f"TRUNCATE {TABLE}")
            taken = cost_of(found.spark, load).seconds
            least[name] = min(taken, least.get(name, taken))
            with transaction(found.settings) as cursor:
                cursor.execute(FINGERPRINT)
                left[name] = cursor.fetchone()
            if left[name] != left["copy"] or left[name][0] != rows.count():
                raise TollgateError("the ways do not load the same rows", expected=str(left["copy"]), found=str(left))
    return least


def insert_pages(found: Bench, rows: DataFrame, page: int) -> None:
    """Each partition by a connection of its own, in one transaction, `page` rows a statement."""
    facts, columns = connection_facts(found.settings), ", ".join(rows.columns)

    def insert(partition: Iterable[Any]) -> None:
        import psycopg2
        from psycopg2.extras import execute_values

        session = psycopg2.connect(**facts)
        with session, session.cursor() as cursor:
            execute_values(cursor, f"INSERT INTO {TABLE} ({columns}) VALUES %s", partition, page_size=page)
        session.close()

    rows.coalesce(CONNECTIONS).foreachPartition(insert)
