"""The operator's master data in PostgreSQL, month by month: what is new is entered, what turned out otherwise is
superseded."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from years.lives import Lives

from generators.seed_crm import COLUMNS, crm_rows
from tollgate.platform.postgres import connect
from tollgate.platform.settings import Settings

SUPERSEDED = ("contract", "line_number", "line_state")
ACCOUNT = f"{COLUMNS['account']}, cycle_days, closed_on, payment_term_days"
ANCHOR, FIRST_CYCLE = (ACCOUNT.split(", ").index(name) for name in ("anchor_day", "first_cycle_start"))
ADJUSTMENT = (
    "INSERT INTO crm.adjustment (adjustment_id, account_id, description, amount, minor_digits, tax_category, "
    "effective_on, instalments, source_file, source_line, entered_by) "
    "VALUES (%s, %s, 'drawn', %s, 2, 'standard', %s, %s, 'drawn', 1, 'clerk')"
)
Rows = dict[str, list[tuple[Any, ...]]]


class MasterData:
    """Schema crm of one database, which is empty at first."""

    def __init__(self, settings: Settings, lives: Lives) -> None:
        self._settings, self._lives, self._known = settings, lives, {name: [] for name in COLUMNS}
        self._random = Random(f"master data {lives.population.seed}")

    def learn(self, day: date) -> None:
        """Enter all that is known by a day, the first of a month, and some charges and credits of the month before."""
        rows = _rows(self._lives, day)
        session = connect(self._settings)
        try:
            with session, session.cursor() as cursor:
                is_first = not self._known["account"]
                for table in COLUMNS:
                    _enter(cursor, table, self._known[table], rows[table])
                if is_first:
                    _enter_tax_status(cursor, rows["account"], day)
                self._charge(cursor, rows["account"], day)
        finally:
            session.close()
        self._known = rows

    def _charge(self, cursor: Any, accounts: list[tuple[Any, ...]], day: date) -> None:
        for number in range(3):
            account, cents = self._random.choice(accounts), self._random.choice((-999, 1, 250, 9_999))
            on = day - timedelta(days=self._random.randrange(1, 28))
            if on < account[FIRST_CYCLE]:
                continue
            parts = self._random.choice((1, 3)) if abs(cents) > 3 else 1
            name = f"adj-{day}-{number}"
            cursor.execute(ADJUSTMENT, (name, account[0], Decimal(cents).scaleb(-2), on, parts))


def _rows(lives: Lives, day: date) -> Rows:
    """Rows of each table of crm as known by a day; accounts in the columns of ACCOUNT."""
    population, terms = lives.known_by(day)
    rows: Rows = {table: [tuple(row) for row in of_table] for table, of_table in crm_rows(population).items()}
    rows["account"] = [
        (*row[:ANCHOR], of.anchor_day, *row[ANCHOR + 1 :], of.cycle_days, of.closed_on, of.payment_term_days)
        for row, of in zip(rows["account"], terms, strict=True)
    ]
    return rows


def _enter(cursor: Any, table: str, before: list[tuple[Any, ...]], now: list[tuple[Any, ...]]) -> None:
    """Add the rows that are new and end those that are gone; an account that was closed is changed in place."""
    columns = ACCOUNT if table == "account" else COLUMNS[table]
    names, known, still = columns.split(", "), set(before), set(now)
    new, gone = [row for row in now if row not in known], [row for row in before if row not in still]
    if table == "account" and before:
        assert {row[0] for row in new} == {row[0] for row in gone}
        for row in new:
            cursor.execute("UPDATE crm.account SET closed_on = %s WHERE account_id = %s",
                           (row[names.index("closed_on")], row[0]))  # fmt: skip
        return
    assert not gone or table in SUPERSEDED, f"{table} forgets {gone}"
    for row in gone:
        same = " AND ".join(f"{name} IS NOT DISTINCT FROM %s" for name in names)
        cursor.execute(f"UPDATE crm.{table} SET superseded_at = now() WHERE superseded_at IS NULL AND {same}", row)
        assert cursor.rowcount == 1, (table, row)
    for row in new:
        cursor.execute(f"INSERT INTO crm.{table} ({columns}) VALUES ({', '.join(['%s'] * len(names))})", row)


def _enter_tax_status(cursor: Any, accounts: list[tuple[Any, ...]], day: date) -> None:
    """Some accounts are taxed elsewhere for a year, some are exempt for half a year, from days after `day` on."""
    for number, account in enumerate(accounts):
        since = day + timedelta(days=7 * number)
        if number % 7 == 2:
            cursor.execute(
                "INSERT INTO crm.account_jurisdiction (account_id, tax_jurisdiction, valid) VALUES (%s, 'GB', %s)",
                (account[0], f"[{since},{since + timedelta(days=365)})"),
            )
        if number % 6 == 3:
            cursor.execute(
                "INSERT INTO crm.tax_exemption (account_id, tax_category, reason, valid) VALUES (%s, '*', 'drawn', %s)",
                (account[0], f"[{since},{since + timedelta(days=182)})"),
            )
