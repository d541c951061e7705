"""Copy customers, lines, contracts and networks from PostgreSQL crm into a reference snapshot of the lake."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from jobs.pinned import SNAPSHOT_APP_ID
from tollgate.mediation.dialects import DIALECTS
from tollgate.platform.crash import crash_point
from tollgate.platform.errors import TollgateError
from tollgate.platform.job import add_common, main
from tollgate.platform.progress import step
from tollgate.reference.dialling import dialling_rows
from tollgate.reference.frames import REFERENCE_TABLES
from tollgate.reference.number_ranges import number_ranges
from tollgate.reference.snapshot_checks import (
    mistakes,
    open_contracts,
    plan_digest,
    row_digests,
    snapshot_digest,
    unaligned_accounts,
    unknown_countries,
    unknown_zones,
)

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.types import StructType

    from tollgate.platform.lake import Lake
    from tollgate.platform.settings import Settings

# Written before the others: a number that stands here and has no mark belongs to an attempt that died.
FIRST_TABLE, *OTHER_TABLES = REFERENCE_TABLES
COMMITS_AT_ONCE = 4
ROWS_AT_ONCE = 10_000
MISTAKES_SHOWN = 10

# An interval without a start or end becomes one from 1970 or to 9999-12-31. All rows are those known now: a correction
# supersedes. Contract days begin at the local midnight of the account's zone.
_SPANS = """
WITH holding AS (
    SELECT msisdn AS key, subscription_id,
           coalesce(lower(valid), '1970-01-01Z') AS since, coalesce(upper(valid), '9999-12-31Z') AS until
    FROM crm.line_number WHERE superseded_at IS NULL
), state AS (
    SELECT subscription_id, state,
           coalesce(lower(valid), '1970-01-01Z') AS since, coalesce(upper(valid), '9999-12-31Z') AS until
    FROM crm.line_state WHERE superseded_at IS NULL
), agreed AS (
    SELECT c.subscription_id, c.contract_id, c.plan_id, c.starts_on::timestamp AT TIME ZONE a.time_zone AS since,
           coalesce(c.cancelled_on::timestamp AT TIME ZONE a.time_zone, '9999-12-31Z') AS until
    FROM crm.contract c JOIN crm.phone_line USING (subscription_id) JOIN crm.account a USING (account_id)
    WHERE c.superseded_at IS NULL
)"""
_SUBSCRIPTION = f"""{_SPANS}, edge AS (
    SELECT key, subscription_id, since, until, since AS at FROM holding
    UNION SELECT h.key, subscription_id, h.since, h.until, e.at
    FROM holding h JOIN (SELECT subscription_id, since AS at FROM state UNION SELECT subscription_id, until FROM state
        UNION SELECT subscription_id, since FROM agreed UNION SELECT subscription_id, until FROM agreed
    ) e USING (subscription_id) WHERE e.at > h.since AND e.at < h.until
), piece AS (
    SELECT key, subscription_id, at AS valid_from,
           lead(at, 1, until) OVER (PARTITION BY key, subscription_id, since ORDER BY at) AS valid_to
    FROM edge
)
SELECT p.key AS msisdn, p.subscription_id, l.account_id, c.contract_id, c.plan_id, s.state AS line_state,
       p.valid_from, p.valid_to
FROM piece p JOIN crm.phone_line l USING (subscription_id)
LEFT JOIN agreed c ON c.subscription_id = p.subscription_id AND c.since <= p.valid_from AND p.valid_from < c.until
LEFT JOIN state s ON s.subscription_id = p.subscription_id AND s.since <= p.valid_from AND p.valid_from < s.until
"""
_CUSTOMER_FACT = """
WITH fact AS (
    SELECT customer_id, is_student,
           coalesce(lower(valid), '1970-01-01Z') AS since, coalesce(upper(valid), '9999-12-31Z') AS until
    FROM crm.customer_fact WHERE superseded_at IS NULL
), edge AS (
    SELECT customer_id, since AS at FROM fact UNION SELECT customer_id, until FROM fact
    UNION SELECT customer_id, timestamptz '1970-01-01Z' FROM crm.customer
), piece AS (
    SELECT customer_id, at AS valid_from,
           lead(at, 1, '9999-12-31Z') OVER (PARTITION BY customer_id ORDER BY at) AS valid_to
    FROM edge
)
SELECT p.customer_id, coalesce(f.is_student, false) AS is_student, c.customer_since, p.valid_from, p.valid_to
FROM piece p JOIN crm.customer c ON c.customer_id = p.customer_id
LEFT JOIN fact f ON f.customer_id = p.customer_id AND f.since <= p.valid_from AND p.valid_from < f.until
WHERE p.valid_from < p.valid_to
"""
_DAYS = "coalesce(lower(valid), '1970-01-01') AS starts_on, coalesce(upper(valid), '9999-12-31') AS ends_on"
READS = {
    "ref_account": "SELECT account_id, customer_id, currency, time_zone, anchor_day, first_cycle_start, closed_on,"
    " tax_jurisdiction, tax_exempt, payment_term_days, cycle_days FROM crm.account",
    "ref_subscription": _SUBSCRIPTION,
    "ref_contract": "SELECT contract_id, subscription_id, account_id, plan_id, starts_on, term_ends_on, cancelled_on"
    " FROM crm.contract JOIN crm.phone_line USING (subscription_id) WHERE superseded_at IS NULL",
    "ref_customer_fact": _CUSTOMER_FACT,
    "ref_cell": "SELECT cell_id, site, city, region, country, lon, lat, technology FROM crm.cell",
    "ref_carrier": "SELECT carrier_id, name FROM crm.carrier",
    "ref_adjustment": "SELECT adjustment_id, account_id, subscription_id, description, amount, tax_category,"
    " effective_on, instalments FROM crm.adjustment",
    "ref_account_jurisdiction": f"SELECT account_id, tax_jurisdiction, {_DAYS} FROM crm.account_jurisdiction"
    " WHERE superseded_at IS NULL",
    "ref_tax_exemption": f"SELECT account_id, tax_category, reason, {_DAYS} FROM crm.tax_exemption"
    " WHERE superseded_at IS NULL",
    "ref_source": "SELECT source, dialect, country, time_zone FROM crm.source",
}


def parser() -> argparse.ArgumentParser:
    """Arguments of the job."""
    return add_common(argparse.ArgumentParser(prog="snapshot_reference", description=__doc__))


def run(spark: SparkSession, settings: Settings, args: argparse.Namespace) -> dict[str, Any]:
    """Take a snapshot unless the newest one has the same digest; TollgateError with the mistakes in the master data."""
    from tollgate.platform.lake import Lake, few_rows

    lake = Lake(spark, settings.lake.root)
    newest = lake.read("control_snapshot").orderBy("snapshot_id", ascending=False).take(1)
    visible = int(newest[0]["snapshot_id"]) if newest else 0
    plans = _numbering_plans()
    with _one_moment(spark, settings) as frames:
        with step("check the master data"):
            _refuse_mistakes(frames, [row[0] for row in plans["ref_dialling"]])
        with step("compare with the newest snapshot"):
            of_plans = [plan_digest(name, lines) for name, lines in plans.items()]
            digest, rows = snapshot_digest([*row_digests(frames).collect(), *of_plans])
        if newest and newest[0]["digest"] == digest:
            message = f"snapshot {visible} is still what the master data say"
            return {"snapshot_id": visible, "taken": False, "rows": rows, "message": message}
        snapshot_id = _snapshot_id(lake, digest, visible)
        of_library = {name: few_rows(spark, lines, _without_snapshot(name)) for name, lines in plans.items()}
        _write_tables(lake, {**frames, **of_library}, snapshot_id, digest)
    crash_point("snapshot_reference.tables")
    mark = lake.frame([(snapshot_id, digest, rows)], "control_snapshot")
    lake.append(mark, "control_snapshot", SNAPSHOT_APP_ID, snapshot_id)
    return {"snapshot_id": snapshot_id, "taken": True, "rows": rows, "message": f"took snapshot {snapshot_id}"}


def _numbering_plans() -> dict[str, Sequence[Sequence[Any]]]:
    """Rows of the tables that the numbering library is compiled into, without snapshot_id."""
    return {"ref_dialling": dialling_rows(), "ref_number_range": number_ranges()}


def _without_snapshot(table: str) -> StructType:
    from pyspark.sql.types import StructType

    from tollgate.platform.lake import contract

    return StructType(contract(table).fields[1:])


@contextmanager
def _one_moment(spark: SparkSession, settings: Settings) -> Iterator[dict[str, DataFrame]]:
    """Frames of every table of READS without snapshot_id, all of one moment of the database.

    A transaction held open here exports its view; each JDBC read of any task, retried or repeated, takes that view.
    """
    from tollgate.platform.postgres import connect, jdbc, migrate

    migrate(settings)
    session = connect(settings)
    try:
        session.set_session(isolation_level="REPEATABLE READ", readonly=True)
        with session.cursor() as cursor:
            cursor.execute("SELECT pg_export_snapshot()")
            (view,) = cursor.fetchone() or ("",)
        same_view = f"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SET TRANSACTION SNAPSHOT '{view}'"
        reader = spark.read.format("jdbc").options(**jdbc(settings))
        reader = reader.option("fetchsize", ROWS_AT_ONCE).option("sessionInitStatement", same_view)
        yield {table: reader.option("dbtable", f"({query}) AS source").load() for table, query in READS.items()}
    finally:
        session.close()


def _refuse_mistakes(frames: dict[str, DataFrame], countries: Sequence[str]) -> None:
    # First: the spans of contracts cannot be read where the zone of an account is none.
    _refuse(unknown_zones(frames["ref_account"], frames["ref_source"]))
    dialects = [dialect.name for dialect in DIALECTS]
    every = mistakes(frames["ref_subscription"], frames["ref_customer_fact"], frames["ref_source"], dialects)
    every = every.unionByName(open_contracts(frames["ref_account"], frames["ref_contract"]))
    every = every.unionByName(unaligned_accounts(frames["ref_account"]))
    every = every.unionByName(unknown_countries(frames["ref_source"], frames["ref_cell"], countries))
    _refuse(every)


def _refuse(every: DataFrame) -> None:
    found = every.orderBy("message").take(MISTAKES_SHOWN + 1)
    if found:
        listed = "\n  ".join(row["message"] for row in found[:MISTAKES_SHOWN])
        more = "\n  and more" if len(found) > MISTAKES_SHOWN else ""
        raise TollgateError(
            f"the master data contradict themselves; no snapshot is taken\n  {listed}{more}",
            where="PostgreSQL, schema crm",
            expected="at a time one holder of a number, state of a line and set of facts of a customer; known "
            "dialects and time zones; no contract after its account is closed; first cycles from an anchor day",
            way_out="correct the rows named, then take the snapshot again",
        )


def _snapshot_id(lake: Lake, digest: str, visible: int) -> int:
    """The number to write under: one that died half-way with these very rows, else the next that no attempt used."""
    begun = lake.last_version(FIRST_TABLE, _app_id(digest))
    if begun is not None and begun > visible:
        return begun
    used = lake.read(FIRST_TABLE).where(f"snapshot_id > {visible}").select("snapshot_id").distinct()
    return max([visible, *(row[0] for row in used.collect())]) + 1


def _write_tables(lake: Lake, frames: dict[str, DataFrame], snapshot_id: int, digest: str) -> None:
    def write(table: str) -> str:
        contract = lake.contract(table)
        columns = [f"CAST({f.name} AS {f.dataType.simpleString()}) AS {f.name}" for f in contract.fields[1:]]
        rows = frames[table].selectExpr(f"CAST({snapshot_id} AS BIGINT) AS snapshot_id", *columns)
        lake.append(rows.coalesce(1), table, _app_id(digest), snapshot_id)
        return table

    writing = step("write the snapshot", total=len(REFERENCE_TABLES), unit="tables", snapshot_id=snapshot_id)
    with writing as written, ThreadPoolExecutor(COMMITS_AT_ONCE) as pool:
        write(FIRST_TABLE)
        for done, _ in enumerate(pool.map(write, OTHER_TABLES), start=2):
            written.reach(done)
            crash_point("snapshot_reference.table")


def _app_id(digest: str) -> str:
    return f"snapshot_reference/{digest}"


if __name__ == "__main__":
    sys.exit(main(parser(), run))
