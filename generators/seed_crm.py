"""Seed customers, lines, contracts and network into PostgreSQL schema crm; a second run changes nothing."""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import json
from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from generators.customers import Population, build_population
from generators.network import CARRIERS, CURRENCY, SOURCES, TIME_ZONE, cells
from generators.people import people
from generators.profiles import SEED, SUBSCRIBERS
from tollgate.platform.errors import TollgateError
from tollgate.platform.job import add_common
from tollgate.platform.postgres import connect, migrate
from tollgate.platform.progress import step
from tollgate.platform.settings import Settings

if TYPE_CHECKING:
    from psycopg2.extensions import connection

Rows = list[Sequence[Any]]
ANCHOR_DAY = 1
# In the order of their foreign keys.
COLUMNS = {
    "customer": "customer_id, name, email, birth_date, address, customer_since",
    "customer_fact": "customer_id, is_student, valid",
    "account": (
        "account_id, customer_id, currency, time_zone, anchor_day, first_cycle_start, tax_jurisdiction, tax_exempt"
    ),
    "phone_line": "subscription_id, account_id",
    "line_number": "subscription_id, msisdn, imsi, valid",
    "line_state": "subscription_id, state, valid",
    "contract": "contract_id, subscription_id, plan_id, starts_on, term_ends_on, cancelled_on",
    "cell": "cell_id, site, city, region, country, lon, lat, technology",
    "carrier": "carrier_id, name",
    "source": "source, dialect, country, time_zone",
}


def parser() -> argparse.ArgumentParser:
    """Arguments of `tollgate seed`."""
    arguments = argparse.ArgumentParser(prog="seed", description=__doc__)
    arguments.add_argument("--seed", type=int, default=SEED, help=f"seed of the population (default {SEED})")
    arguments.add_argument(
        "--subscribers", type=int, default=SUBSCRIBERS, help=f"number of lines (default {SUBSCRIBERS})"
    )
    return add_common(arguments)


def run_cli(settings: Settings, args: argparse.Namespace) -> dict[str, Any]:
    """Migrate the database, seed it, print what was added as one JSON line and return it."""
    migrate(settings)
    with step("plan the population"):
        population = build_population(args.seed, args.subscribers)
    with step("write customers"):
        summary = seed(settings, population)
    print(json.dumps(summary), flush=True)
    return summary


def seed(settings: Settings, population: Population) -> dict[str, Any]:
    """Write the population in one transaction: {"changed": bool, "message", "rows": {table: rows added}}.

    TollgateError when another population is there: two would claim the same numbers.
    """
    tables = crm_rows(population)
    texts = {table: _csv(rows) for table, rows in tables.items()}
    digest = hashlib.sha256("".join(texts.values()).encode()).hexdigest()
    session = connect(settings)
    try:
        with session:
            if _is_seeded(session, digest):
                added = dict.fromkeys(tables, 0)
            else:
                added = {table: _copy(session, table, text) for table, text in texts.items()}
                _sign(session, population, digest)
    finally:
        session.close()
    changed = any(added.values())
    message = (
        f"seeded {len(population.lines)} lines" if changed else "nothing changed: this population is already there"
    )
    return {"changed": changed, "message": message, "rows": added}


def crm_rows(population: Population) -> dict[str, Rows]:
    """Rows of each crm table in the order of COLUMNS; ranges as PostgreSQL text, None as NULL."""
    customers, lines = population.customers, population.lines
    tables: dict[str, Rows] = {table: [] for table in COLUMNS}
    for customer, person in zip(customers, people(population), strict=True):
        tables["customer"].append((customer.customer_id, *person, customer.customer_since))
        tables["customer_fact"] += [
            (customer.customer_id, student, _range(begin, end)) for student, begin, end in customer.facts
        ]
        tables["account"].append(
            (customer.account_id, customer.customer_id, CURRENCY, TIME_ZONE, ANCHOR_DAY, customer.first_cycle_start,
             customer.tax_jurisdiction, customer.tax_exempt)
        )  # fmt: skip
    for line in lines:
        name = line.subscription_id
        tables["phone_line"].append((name, customers[line.customer].account_id))
        tables["line_number"] += [
            (name, held.msisdn, held.imsi, _range(held.from_ms, held.to_ms)) for held in line.numbers
        ]
        tables["line_state"] += [(name, span.state, _range(span.from_ms, span.to_ms)) for span in line.states]
        tables["contract"] += [(contract.contract_id, name, *contract[1:]) for contract in line.contracts]
    tables["cell"] = list(cells())
    tables["carrier"] = list(CARRIERS)
    tables["source"] = list(SOURCES)
    return tables


def _range(from_ms: int, to_ms: int | None) -> str:
    return f"[{_instant(from_ms)},{'' if to_ms is None else _instant(to_ms)})"


def _instant(ms: int) -> str:
    return datetime.fromtimestamp(ms // 1000, timezone.utc).isoformat()


def _csv(rows: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _is_seeded(session: connection, digest: str) -> bool:
    with session.cursor() as cursor:
        cursor.execute("LOCK TABLE crm.seed_run IN EXCLUSIVE MODE")
        cursor.execute("SELECT digest, seed, subscribers FROM crm.seed_run")
        found = cursor.fetchall()
        cursor.execute("SELECT count(*) FROM (SELECT 1 FROM crm.customer LIMIT 1) AS any_customer")
        has_customers = bool(cursor.fetchone()[0])  # type: ignore[index]
    if any(row[0] == digest for row in found):
        return True
    if has_customers:
        raise TollgateError(
            "the database already holds another population",
            where="schema crm",
            expected="an empty schema, or the same seed and subscribers as before",
            found="; ".join(f"seed {row[1]}, {row[2]} subscribers" for row in found) or "customers of another origin",
            way_out="seed with those values, name another database in postgres.url, or start from empty",
        )
    return False


def _copy(session: connection, table: str, text: str) -> int:
    with session.cursor() as cursor:
        cursor.copy_expert(f"COPY crm.{table} ({COLUMNS[table]}) FROM STDIN WITH (FORMAT csv)", io.StringIO(text))
        return cursor.rowcount


def _sign(session: connection, population: Population, digest: str) -> None:
    with session.cursor() as cursor:
        cursor.execute(
            "INSERT INTO crm.seed_run (seed, subscribers, digest) VALUES (%s, %s, %s)",
            (population.seed, len(population.lines), digest),
        )
