"""Prepaid contracts through the jobs: two months drafted, posted and booked, explained, and a planted micro found."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from billing.small_month import account, agreement, at, fee, top_up, usage
from billing.small_operator import BOOK, Operator
from frames import assert_rows
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from reference.places import own_places

from jobs import explain_charge, reconcile
from jobs.analyst_views import register
from tollgate.platform.postgres import migrate
from tollgate.platform.settings import Settings

PLANS = [top_up("prepaid")]
# 90 minutes' worth of 0.025 is 2.25; 100.00 of opening credit. June's calls of 30.00 leave less than 10.00.
MAY = [usage("PRE-A", "a1", at("2025-05-02T16:00"), 5400, plan_id="prepaid")]
JUNE = [
    usage("PRE-A", "a2", at("2025-05-03T16:00"), 60, plan_id="prepaid", rating_no=2),
    *[
        usage("PRE-A", f"a{day}", at(f"2025-06-{day:02d}T04:00"), 72_000, plan_id="prepaid", rating_no=2)
        for day in (3, 4, 5)
    ],
    # 40 minutes are 1.00, which is enough for an invoice after the last bill; 19 at 0.05 are not.
    usage("PRE-C", "c1", at("2025-05-05T16:00"), 2400, plan_id="prepaid", rating_no=2),
    usage("OLD-D", "d1", at("2025-05-05T16:00"), 1140, plan_id="month_to_month", rating_no=2),
]
JUNE_1 = date(2025, 6, 1)
LEAST = fee("least", "late_minimum", "*", 1, tax_category="none")
# `make test` has prepaid months by hand (test_prepaid, a clerk's statement) and one posted (test_run_figures).
pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def operator(spark: SparkSession, services: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    made = Operator(spark, own_places(services, tmp_path_factory.mktemp("prepaid")))
    migrate(made.settings)
    accounts = [*map(account, ("PRE-A", "PRE-B")), *(account(name, closed_on=JUNE_1) for name in ("PRE-C", "OLD-D"))]
    contracts = [
        agreement("PRE-A", "prepaid"), agreement("PRE-B", "prepaid", cancelled_on=date(2025, 6, 10)),
        agreement("PRE-C", "prepaid", cancelled_on=JUNE_1), agreement("OLD-D", "month_to_month", cancelled_on=JUNE_1),
    ]  # fmt: skip
    made.seed(accounts, contracts)
    made.publish({**BOOK, "fee": [*BOOK["fee"], LEAST], "top_up": PLANS}, 1)
    made.rate(1, MAY)
    yield made


@pytest.fixture(scope="module")
def runs(operator: Operator) -> list[dict[str, Any]]:
    """May and June, posted without anybody's accepting an outlier: statements of 0 are none."""
    posted = []
    for cycle in ("2025-05", "2025-06"):
        if cycle == "2025-06":
            operator.rate(2, JUNE)
        draft = operator("run", cycle, "--started-by", "ann")
        assert (
            operator.rows(f"SELECT kind FROM ops.bill_outlier WHERE run_id = '{draft['run_id']}' AND total = 0") == []
        )
        operator("approve", cycle, "--approver", "auto")
        operator.gate("--table", "invoice")
        posted.append(operator("post", cycle))
    return posted


@pytest.mark.covers("CON-13", "CON-15", "CON-16", "CON-17")
def test_credit_is_carried_from_posted_run_to_posted_run(operator: Operator, runs: list[dict[str, Any]]) -> None:
    # A: 100.00 - 2.25; then 0.025 late and 90.00, which leave 7.725, so 25.00 are bought. B: ends, 100.00 are lost.
    # C: ends with its account, and 1.00 of what is lost pays late usage.
    balances = operator.lake.read("prepaid_balance").select(
        "account_id", "cycle_start", "is_first", "opening", "top_ups", "debits", "forfeited", "closing"
    )
    may, june, six = date(2025, 5, 1), date(2025, 6, 1), Decimal("0.000001")

    def row(account_id: str, cycle: date, first: bool, count: int, *amounts: str) -> tuple[Any, ...]:
        opening, debits, forfeited, closing = (Decimal(amount).quantize(six) for amount in amounts)
        return account_id, cycle, first, opening, count, debits, forfeited, closing

    assert_rows(
        balances,
        row("PRE-A", may, True, 0, "100", "2.25", "0", "97.75"), row("PRE-B", may, True, 0, "100", "0", "0", "100"),
        row("PRE-A", june, False, 1, "97.75", "90.025", "0", "32.725"),
        row("PRE-B", june, False, 0, "100", "0", "100", "0"), row("PRE-C", may, True, 0, "100", "0", "100", "0"),
        row("PRE-C", june, False, 0, "0", "1", "-1", "0"),
    )  # fmt: skip
    totals = operator.rows("SELECT account_id, total FROM billing.invoice WHERE account_id LIKE 'PRE-%' ORDER BY 1, 2")
    zero = Decimal("0.000")
    assert totals == [("PRE-A", zero), ("PRE-A", Decimal("25.000")), ("PRE-B", zero), ("PRE-B", zero),
                      ("PRE-C", zero), ("PRE-C", zero)]  # fmt: skip


@pytest.mark.covers("CON-15")
def test_the_ledger_holds_what_customers_have_as_credit(operator: Operator, runs: list[dict[str, Any]]) -> None:
    booked = operator.rows(
        "SELECT account_id, ledger_account, sum(amount) FROM billing.posting JOIN billing.journal USING (journal_no) "
        "WHERE account_id LIKE 'PRE-%' GROUP BY 1, 2 ORDER BY 1, 2"
    )
    # 2.25 and 0.03 (0.025) and 90.00 of usage; of it tax 0.26, and of 90.03 10.357... is 10.36. Of 1.00 0.115 is 0.12.
    assert booked == [
        ("PRE-A", "prepaid_credit_given", Decimal("100.000")), ("PRE-A", "prepaid_liability", Decimal("-32.720")),
        ("PRE-A", "receivable", Decimal("25.000")), ("PRE-A", "revenue_tax_included", Decimal("10.620")),
        ("PRE-A", "revenue_voice", Decimal("-92.280")), ("PRE-A", "tax_payable", Decimal("-10.620")),
        ("PRE-B", "prepaid_credit_given", Decimal("100.000")),
        ("PRE-B", "prepaid_liability", Decimal("0.000")),
        ("PRE-B", "revenue_prepaid_forfeited", Decimal("-100.000")),
        ("PRE-C", "prepaid_credit_given", Decimal("100.000")),
        ("PRE-C", "revenue_prepaid_forfeited", Decimal("-99.000")),
        ("PRE-C", "revenue_tax_included", Decimal("0.120")), ("PRE-C", "revenue_voice", Decimal("-1.000")),
        ("PRE-C", "tax_payable", Decimal("-0.120")),
    ]  # fmt: skip


def test_people_see_what_paid_and_what_is_left(operator: Operator, runs: list[dict[str, Any]]) -> None:
    texts, _ = explain_charge.explained(operator.spark, operator.settings, "a3")
    assert "paid from the credit of contract KPRE-A" in texts[0]
    kinds = {one["kind"]: one["lines"] for one in operator.bill("show", runs[1]["run_id"])["line_kinds"]}
    assert kinds == {"prepaid_balance": 3, "prepaid_forfeit": 2, "prepaid_tax": 2, "prepaid_used": 2, "prior_period": 2,
                     "top_up": 1, "usage": 1}  # fmt: skip
    question = "SELECT account_id, closing FROM posted_prepaid WHERE cycle = '2025-06'"
    register(operator.spark, operator.settings, question)
    six = Decimal("0.000001")
    assert_rows(
        operator.spark.sql(question),
        *[(name, Decimal(left).quantize(six)) for name, left in (("PRE-A", "32.725"), ("PRE-B", "0"), ("PRE-C", "0"))],
    )


@pytest.mark.covers("BIL-21")
def test_late_usage_of_a_closed_account_is_invoiced_or_listed(operator: Operator, runs: list[dict[str, Any]]) -> None:
    kinds = operator.rows("SELECT account_id, invoice_kind FROM billing.invoice WHERE invoice_kind <> 'regular'")
    assert kinds == [("PRE-C", "supplementary")]
    shown = operator.bill("show", runs[1]["run_id"])["parked_accounts"]
    assert shown == [{"account_id": "OLD-D", "reason": "account_closed"}]
    assert "nothing was changed" in operator("run", "2025-06")["note"]


@pytest.mark.covers("BIL-13", "BIL-23")
def test_a_posted_month_is_verified_and_its_equations_hold(operator: Operator, runs: list[dict[str, Any]]) -> None:
    assert operator.bill("verify", "--run-id", runs[1]["run_id"])["verified"]
    assert _failing(operator) == set()


@pytest.mark.covers("BIL-13", "BIL-23")
def test_a_balance_one_micro_off_is_found_by_no_other_equation_than_its_own(
    operator: Operator, runs: list[dict[str, Any]]
) -> None:
    path = operator.lake.path("prepaid_balance")
    change = f"UPDATE delta.`{path}` SET closing = closing {{}} 0.000001 WHERE account_id = 'PRE-A'"
    operator.spark.sql(f"{change.format('+')} AND cycle_start = DATE'2025-05-01'")
    assert _failing(operator) == {
        ("prepaid credit is carried, topped up, used or forfeited", "2025-05"),
        ("every prepaid balance adds up", "2025-05"), ("every prepaid balance adds up", "2025-06"),
    }  # fmt: skip
    operator.spark.sql(f"{change.format('-')} AND cycle_start = DATE'2025-05-01'")
    kept = operator.lake.read("control_reconcile").where(F.col("equation").contains("prepaid") & ~F.col("holds"))
    assert kept.count() == 3


def _failing(operator: Operator) -> set[tuple[str, str]]:
    """Equations of the sub-ledger that do not hold, and the part in which."""
    checked = reconcile.check(operator.spark, operator.settings)["equations"]
    ours = [one for one in checked if "prepaid" in one["equation"] and one["part"].startswith("2025")]
    assert len(ours) >= 5
    return {(one["equation"], one["part"]) for one in ours if not one["holds"]}
