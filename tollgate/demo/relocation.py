"""One customer of the demo moves in mid-month to a province for which the price book has no tax rule, on purpose: so
the month has an account that it must park. It is a row of crm such as a clerk would enter; no rule knows of it."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from tollgate.platform.postgres import connect
from tollgate.platform.settings import Settings

if TYPE_CHECKING:
    from generators.customers import Population

MOVES_TO, MOVES_ON = "CA-QC", date(2026, 10, 20)


def who_moves(population: Population) -> str | None:
    """The account that moves: the last taxed one with a contract that runs on all the time; None without such a one.

    Its monthly fee is a taxable line whatever its usage is.
    """
    steady = {line.customer for line in population.lines if line.story == "steady"}
    settled = [
        customer.account_id
        for number, customer in enumerate(population.customers)
        if number in steady and customer.tax_jurisdiction == "CA-ON" and not customer.tax_exempt
    ]
    return max(settled, default=None)


def move(settings: Settings, population: Population) -> None:
    """Enter the move of `who_moves` into crm.account_jurisdiction; it comes with the next snapshot."""
    account_id = who_moves(population)
    if account_id is None:
        return
    session = connect(settings)
    try:
        with session, session.cursor() as cursor:
            cursor.execute(
                "INSERT INTO crm.account_jurisdiction (account_id, tax_jurisdiction, valid) "
                "VALUES (%s, %s, daterange(%s, NULL))",
                (account_id, MOVES_TO, MOVES_ON),
            )
    finally:
        session.close()
