"""Deposits by hand, in May 2026: what a contract paid goes back or is lost, whatever the price book says by then.

Golden: the deposit of a term plan was 300.00 until the end of 2025 and is 200.00 since.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

import pytest
from billing.small_month import account, agreement, at, fee, frame
from frames import assert_rows
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from tollgate.billing.cycles import cycle_accounts
from tollgate.billing.deposits import deposit_lines, forfeited_deposits

JANUARY, MAY_15 = at("2026-01-01T05:00"), at("2026-05-15T04:00")
FEES = [
    fee("old", "deposit", "term", 300, valid_to=JANUARY), fee("new", "deposit", "term", 200, valid_from=JANUARY),
    fee("ends", "deposit", "ended", 300, valid_to=JANUARY), fee("begins", "deposit", "begun", 300, valid_from=MAY_15),
    fee("phone", "deposit", "both", 80), fee("sim", "deposit", "both", 10),
    fee("was", "deposit", "moved", 50, valid_to=MAY_15), fee("is", "deposit", "moved", 60, valid_from=MAY_15),
]  # fmt: skip
MAY_2025, LONG_AGO = date(2025, 5, 10), date(2024, 3, 10)


class Case(NamedTuple):
    """A contract of the account of that name. posted: kind, what its ref adds to the contract, amount; lines: the same
    of May 2026."""

    name: str
    plan: str
    starts_on: date
    ends_on: date | None
    posted: list[tuple[str, str, str]]
    lines: list[tuple[str, str, str]]
    term_ends_on: date | None = None


def day(month: int, number: int) -> date:
    return date(2026, month, number)


PAID, CREDITED, LOST = ("deposit", "", "300"), ("deposit_credit", "", "-300"), ("deposit_forfeit", "", "0")
BOTH = [("deposit", "/phone", "80"), ("deposit", "/sim", "10")]
BOTH_BACK = [("deposit_credit", "/phone", "-80"), ("deposit_credit", "/sim", "-10")]
CASES = [
    Case("ordinary", "term", day(5, 31), None, [], [("deposit", "", "200")]),
    Case("goes on", "term", MAY_2025, None, [PAID], []),
    Case("row changed", "term", MAY_2025, day(5, 10), [PAID], [CREDITED], day(5, 10)),
    Case("row ended", "ended", MAY_2025, day(5, 10), [PAID], [CREDITED]),
    Case("row ended, early", "ended", MAY_2025, day(5, 9), [PAID], [LOST], day(5, 10)),
    Case("row began", "begun", MAY_2025, day(5, 20), [], []),
    # the row of the end of April: 50.00, and of that of May: 60.00
    Case("entered late", "moved", day(4, 20), None, [], [("deposit", "", "50")]),
    Case("in its month", "moved", day(5, 2), None, [], [("deposit", "", "60")]),
    Case("charged late", "moved", day(3, 20), None, [("deposit", "", "50")], []),
    Case("over when entered", "term", day(4, 20), day(5, 1), [], []),
    Case("end entered late", "term", MAY_2025, day(4, 30), [PAID], [CREDITED]),
    Case("revoked, ends again", "term", MAY_2025, day(5, 20), [PAID, CREDITED], []),
    Case("lost, ends again", "term", MAY_2025, day(5, 20), [PAID, LOST], []),
    Case("on the next bill", "term", MAY_2025, day(6, 1), [PAID], []),
    Case("of the day before", "term", MAY_2025, day(5, 1), [PAID], [CREDITED]),
    Case("both at once", "term", day(5, 4), day(5, 9), [], [("deposit", "", "200"), ("deposit_credit", "", "-200")]),
    Case("two begin", "both", day(5, 4), None, [], BOTH),
    Case("two end", "both", MAY_2025, day(5, 9), BOTH, BOTH_BACK),
    Case("two, ended", "both", MAY_2025, day(5, 9), [*BOTH, *BOTH_BACK], []),
    Case("taken over", "term", LONG_AGO, day(5, 9), [], [CREDITED]),
    Case("taken over, early", "term", LONG_AGO, day(5, 9), [], [LOST], day(12, 31)),
    Case("taken over, done", "term", LONG_AGO, day(5, 9), [CREDITED], []),
    Case("ended elsewhere", "term", LONG_AGO, date(2025, 4, 30), [], []),
    Case("ended with the first", "term", LONG_AGO, date(2025, 5, 1), [], [CREDITED]),
    Case("begins later", "term", day(6, 1), None, [], []),
    Case("closes", "term", MAY_2025, day(6, 1), [PAID], [CREDITED]),
    Case("closed", "term", MAY_2025, day(5, 1), [PAID], []),
]  # fmt: skip
CLOSED_ON = {"closes": day(6, 1), "closed": day(5, 1)}


def posted_line(name: str, kind: str, contract_and_fee: str, amount: str) -> dict[str, Any]:
    return {
        "run_id": "r", "account_id": name, "line_key": f"{kind}|S{name}|||||none|{contract_and_fee}", "kind": kind,
        "subscription_id": f"S{name}", "description": "Deposit", "amount": Decimal(amount), "tax_category": "none",
        "line_no": 1, "events": 0, "units": 0, "free_units": 0, "exact_total": Decimal(amount), "tax_share": Decimal(0),
    }  # fmt: skip


def frames_of(
    spark: SparkSession, accounts: list[dict[str, Any]], contracts: list[dict[str, Any]], posted: list[dict[str, Any]]
) -> tuple[DataFrame, DataFrame, DataFrame, DataFrame]:
    """The arguments of deposit_lines in May 2026."""
    to_bill = cycle_accounts(frame(spark, "ref_account", accounts), "2026-05").withColumn("minor_digits", F.lit(2))
    return (
        frame(spark, "ref_contract", contracts), to_bill, frame(spark, "price_fee", FEES),
        frame(spark, "invoice_line", posted),
    )  # fmt: skip


@pytest.mark.covers("CON-07")
def test_what_a_contract_paid_is_what_it_gets_back_or_loses(spark: SparkSession) -> None:
    accounts = [account(case.name, closed_on=CLOSED_ON.get(case.name)) for case in CASES]
    contracts = [
        agreement(case.name, case.plan, case.starts_on, cancelled_on=case.ends_on, term_ends_on=case.term_ends_on)
        for case in CASES
    ]
    posted = [
        posted_line(case.name, kind, f"K{case.name}{more}", amount)
        for case in CASES
        for kind, more, amount in case.posted
    ]
    of_may = frames_of(spark, accounts, contracts, posted)
    assert_rows(
        deposit_lines(*of_may).select("account_id", "kind", "subscription_id", "ref", "amount"),
        *[
            (case.name, kind, f"S{case.name}", f"K{case.name}{more}", Decimal(f"{amount}.000"))
            for case in CASES
            for kind, more, amount in case.lines
        ],
    )
    # The ledger moves just what the lines say is lost.
    assert_rows(
        forfeited_deposits(*of_may),
        ("row ended, early", Decimal("300.000")), ("taken over, early", Decimal("300.000")),
    )  # fmt: skip


def test_a_contract_whose_name_begins_with_that_of_another_has_its_own_deposit(spark: SparkSession) -> None:
    contracts = [
        agreement("A", "term", MAY_2025, cancelled_on=day(4, 9)),
        agreement("A", "term", day(4, 9), cancelled_on=day(5, 9), contract_id="KA/2"),
        agreement("A", "term", day(5, 9), contract_id="KA/3"),
    ]
    posted = [("deposit", "KA", "300"), ("deposit_credit", "KA", "-300"), ("deposit", "KA/2", "200")]
    lines = deposit_lines(*frames_of(spark, [account("A")], contracts, [posted_line("A", *one) for one in posted]))
    assert_rows(
        lines.select("kind", "ref", "description", "amount", "exact_total"),
        ("deposit_credit", "KA/2", "Deposit returned", Decimal("-200.000"), Decimal("-200.000000")),
        ("deposit", "KA/3", "new", Decimal("200.000"), Decimal("200.000000")),
    )
