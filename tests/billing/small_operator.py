"""The jobs of billing on a lake and a database of a test's own."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from answers import ask
from billing.small_month import HST, TERM_BOOK, discount, fee, frame
from pyspark.sql import SparkSession

from jobs import bill, bill_accounts, check_quality
from tollgate.platform.lake import Lake
from tollgate.platform.settings import Settings

AS_OF = {"2025-05": "2025-06-01T04:00:00Z", "2025-06": "2025-07-01T04:00:00Z"}
BOOK = {
    "fee": [*TERM_BOOK["fee"], fee("invoice_fee", "invoice", "*", 1)],
    "allowance": TERM_BOOK["allowance"],
    "tax": [HST],
    "bill_discount": [discount("volume", 1, 10, "0.10")],
    "zone": [{"pricebook_version": 1, "zone_id": "national", "name": "Canada", "kind": "national"}],
    "currency": [{"pricebook_version": 1, "currency": "CAD", "minor_digits": 2}],
    "version": [{
        "pricebook_version": 1, "digest": "d", "author": "a", "reason": "r", "name": "n", "currency": "CAD",
        "time_zone": "America/Toronto",
        "factor_den": 10, "discount_den": 20, "band_slots": 3, "amount_type": "BIGINT",
    }],
}  # fmt: skip


class Operator:
    """The jobs on one lake and database; by call the job for spark-submit, by `bill` the operator's commands."""

    def __init__(self, spark: SparkSession, settings: Settings) -> None:
        self.spark, self.settings = spark, settings
        self.lake = Lake(spark, settings.lake.root)

    def __call__(self, action: str, cycle: str, *arguments: str) -> dict[str, Any]:
        args = ["--action", action, "--cycle", cycle, "--as-of", AS_OF[cycle], *arguments]
        return bill_accounts.run(self.spark, self.settings, bill_accounts.parser().parse_args(args))

    def bill(self, *arguments: str) -> dict[str, Any]:
        return bill.done(self.settings, bill.parser().parse_args(list(arguments)), lambda work: work(self.spark))

    def gate(self, *arguments: str) -> dict[str, Any]:
        return check_quality.run(self.spark, self.settings, check_quality.parser().parse_args(list(arguments)))

    def write(self, table: str, rows: list[dict[str, Any]], version: int = 1) -> None:
        self.lake.append(frame(self.spark, table, rows), table, "test", version)

    def publish(self, book: dict[str, list[dict[str, Any]]], version: int) -> None:
        """Make this book the newest one, under this version."""
        for name in sorted(book, key=lambda name: name == "version"):
            self.write(f"price_{name}", [{**row, "pricebook_version": version} for row in book[name]], version)

    def seed(self, accounts: list[dict[str, Any]], contracts: list[dict[str, Any]]) -> None:
        """Put these accounts into the database and, with their contracts, into snapshot 1."""
        for row in accounts:
            self.rows(
                f"INSERT INTO crm.customer (customer_id, name, email, birth_date, address, customer_since) "
                f"VALUES ('{row['customer_id']}', 'n', 'a@b', '1980-01-01', 'x', '2020-01-01')"
            )
            self.rows(
                "INSERT INTO crm.account (account_id, customer_id, currency, time_zone, anchor_day, first_cycle_start, "
                f"cycle_days, tax_jurisdiction) VALUES ('{row['account_id']}', '{row['customer_id']}', 'CAD', "
                f"'America/Toronto', 1, '2025-05-01', {row.get('cycle_days') or 'NULL'}, 'X')"
            )
        self.write("ref_account", accounts)
        self.write("ref_contract", contracts)
        self.write("control_snapshot", [{"snapshot_id": 1, "digest": "d", "rows": len(accounts) + len(contracts)}])

    def rate(self, number: int, rows: list[dict[str, Any]]) -> None:
        """A rating run that wrote these rows and has passed its gate."""
        self.write("rated_usage", rows, number)
        self.write("control_rating", [rating(number, len(rows))], number)
        self.gate("--table", "rated_usage")

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return ask(self.settings, query)


def rating(number: int, rated: int, *, balanced: bool = True) -> dict[str, Any]:
    """A row of control_rating."""
    counts = {
        "from_batch_no": number,
        "to_batch_no": number,
        "accepted_in": rated,
        "rated": rated,
        "suspended": 0,
        "still_suspended": 0,
    }
    pins = {"rating_no": number, "snapshot_id": 1, "pricebook_version": 1, "retried_in": 0}
    return {**pins, **counts, "charge_total": Decimal(0), "cost_total": Decimal(0), "balanced": balanced}
