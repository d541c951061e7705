"""What the page tells of a bill run, of a month by hand that the real jobs drafted and posted; and the demo's own hand
in it: the customer who moves."""

from __future__ import annotations

import argparse
from concurrent.futures import Future
from datetime import date
from typing import Any

import pytest
from billing.small_month import HST, account, agreement, at, top_up, usage
from billing.small_operator import BOOK, Operator
from pyspark.sql import SparkSession
from reference.places import own_places

from generators.customers import Population, build_population
from generators.seed_crm import seed
from tollgate.demo.bill_month import verified_month
from tollgate.demo.progress import Progress
from tollgate.demo.relocation import MOVES_TO, move, who_moves
from tollgate.demo.run_figures import bill_run
from tollgate.demo.stage import Stage
from tollgate.platform.errors import TollgateError
from tollgate.platform.postgres import connect, migrate
from tollgate.platform.settings import Settings

RUN, OPEN = "2025-05/regular/1", date(9999, 12, 31)
TERM = {"starts_on": date(2024, 5, 16), "term_ends_on": date(2025, 5, 16), "cancelled_on": date(2025, 5, 16)}
EARLY = {**TERM, "starts_on": date(2025, 1, 1), "term_ends_on": date(2026, 1, 1), "cancelled_on": date(2025, 5, 11)}
ACCOUNTS = ("EARLY", "ENDS", "ENDS-2", "MOVED", "PRE")
CONTRACTS = [
    agreement("EARLY", **EARLY), agreement("ENDS", **TERM), agreement("ENDS-2", **TERM),
    agreement("MOVED", "month_to_month"), agreement("PRE", "prepaid"),
]  # fmt: skip
USAGE = [
    usage("EARLY", "e1", at("2025-05-02T16:00"), 60),
    usage("ENDS-2", "f1", at("2025-05-02T16:00"), 6600),
    usage("MOVED", "m1", at("2025-05-02T16:00"), 60, plan_id="month_to_month"),
    usage("MOVED", "m2", at("2025-05-30T16:00"), 120, plan_id="month_to_month"),
    usage(
        "MOVED",
        "m3",
        at("2025-05-30T17:00"),
        120,
        retail_status="suspended",
        suspense_reason="no_rate",
        charge=None,
        list_price=None,
    ),
    *[usage("PRE", f"p{day}", at(f"2025-05-0{day}T16:00"), 72_000, plan_id="prepaid") for day in (2, 3, 4, 5)],
]


@pytest.fixture(scope="module")
def operator(spark: SparkSession, services: Settings, tmp_path_factory: pytest.TempPathFactory) -> Operator:
    """May 2025, posted: an account moved on the 20th to where the book has no tax rule."""
    made = Operator(spark, own_places(services, tmp_path_factory.mktemp("figures")))
    migrate(made.settings)
    made.seed([account(name) for name in ACCOUNTS], CONTRACTS)
    made.write("ref_account_jurisdiction", [{"snapshot_id": 1, "account_id": "MOVED", "tax_jurisdiction": "CA-QC",
                                             "starts_on": date(2025, 5, 20), "ends_on": OPEN}])  # fmt: skip
    made.rows("INSERT INTO crm.account_jurisdiction (account_id, tax_jurisdiction, valid) VALUES "
              "('MOVED', 'CA-MB', '[2025-01-01,2025-05-20)'), ('MOVED', 'CA-QC', '[2025-05-20,)')")  # fmt: skip
    for row in CONTRACTS:
        ends = [f"'{row[name]}'" if row.get(name) else "NULL" for name in ("term_ends_on", "cancelled_on")]
        made.rows(
            f"INSERT INTO crm.phone_line VALUES ('{row['subscription_id']}', '{row['account_id']}'); "
            "INSERT INTO crm.contract (contract_id, subscription_id, plan_id, starts_on, term_ends_on, cancelled_on) "
            f"VALUES ('{row['contract_id']}', '{row['subscription_id']}', '{row['plan_id']}', '{row['starts_on']}', "
            f"{', '.join(ends)})"
        )
    made.rows(
        f"INSERT INTO catalog.price_book VALUES (1, '{'0' * 64}', 'n', 'CAD', 'America/Toronto', 'a', 'r'); "
        "INSERT INTO catalog.tax VALUES (1, 'hst_on', 'CA-ON', 'standard', 'HST', 130000, '[2024-01-01,)'), "
        "(1, 'reduced_on', 'CA-ON', 'reduced', 'Reduced', 50000, '[2024-01-01,)'), "
        "(1, 'vat_gb', 'GB', 'standard', 'VAT', 200000, '[2024-01-01,)')"
    )
    made.publish({**BOOK, "top_up": [top_up("prepaid")]}, 1)
    made.rate(1, USAGE)
    made("run", "2025-05", "--started-by", "ann")
    made("approve", "2025-05", "--approver", "auto")
    made.gate("--table", "invoice")
    made("post", "2025-05")
    return made


@pytest.fixture(scope="module")
def told(operator: Operator) -> dict[str, Any]:
    session = connect(operator.settings)
    try:
        return bill_run(session, operator.lake.read("rated_usage"), RUN)
    finally:
        session.close()


@pytest.mark.covers("OPS-17", "BIL-19")
def test_outliers_are_told_by_kind_with_the_farthest_one_and_why(told: dict[str, Any]) -> None:
    # ENDS: fee 20.00 + 1.00, tax 2.73, deposit back -300.00. ENDS-2 pays 600 s beyond its 6,000 too: 1.00 - 0.10.
    assert told["outlier_kinds"] == [
        {"kind": "negative", "invoices": 2, "account_id": "ENDS", "total": "-276.27", "compared_with": "0.00",
         "limit_percent": 100, "largest_line": "term_deposit returned", "line_amount": "-300.00"},
    ]  # fmt: skip
    assert told["approved"] == "auto: 2 outliers accepted by the automatic approver"
    assert (told["accounts"], told["invoices"], told["parked"]) == (5, 4, 1)


@pytest.mark.covers("OPS-17", "BIL-02")
def test_a_parked_account_is_told_with_its_place_and_what_waits(told: dict[str, Any]) -> None:
    # 60 s and 120 s at 0.05 a minute; the suspended call has no price yet. Quebec is where it is on 31 May.
    assert told["parked_accounts"] == [
        {"account_id": "MOVED", "reason": "no tax rule for a taxable line", "taxed_in": "CA-QC", "events": 2,
         "charge": "0.150000"},
    ]  # fmt: skip
    assert (told["jurisdictions"], told["as_of"]) == ("CA-ON, GB", "2025-06-01T04:00:00Z")


@pytest.mark.covers("OPS-17", "CON-07")
def test_a_contract_that_ended_early_is_told_with_its_bill_and_its_deposit(told: dict[str, Any]) -> None:
    found = dict(told["ended_early"])
    lines = {line["what"]: (line["lines"], line["events"], line["amount"], line["tax"]) for line in found.pop("lines")}
    assert lines == {
        "term_deposit forfeited": (1, 0, "0.00", "0.00"), "invoice_fee": (1, 0, "1.00", "0.13"),
        "term_fee": (1, 0, "20.00", "2.60"), "Usage": (1, 1, "0.00", "0.00"),
    }  # fmt: skip
    assert found.pop("deposit") == [
        {"ledger_account": "deposit_liability", "amount": "300.00"},
        {"ledger_account": "revenue_deposit_forfeited", "amount": "-300.00"},
    ]
    assert found == {
        "invoice_no": 1, "contract_id": "KEARLY", "subscription_id": "SEARLY", "plan_id": "term",
        "starts_on": "2025-01-01", "term_ends_on": "2026-01-01", "cancelled_on": "2025-05-11", "account_id": "EARLY",
        "cycle_start": "2025-05-01", "cycle_end": "2025-06-01", "currency": "CAD", "net": "21.00", "tax": "2.73",
        "total": "23.73",
    }  # fmt: skip


@pytest.mark.covers("OPS-17", "CON-16")
def test_a_prepaid_statement_is_told_with_what_the_credit_paid(told: dict[str, Any]) -> None:
    # Four calls of 30.00: 100.00, 70.00, 40.00, 10.00 is enough, -20.00: two top-ups of 25.00 leave 30.00.
    # The tax inside 120.00 is 120 x 13 / 113 = 13.805.
    statement = told["statement"]
    lines = {line["what"]: (line["events"], line["amount"], line["tax"]) for line in statement["lines"]}
    assert lines == {
        "Prepaid credit: opened with 100.00 before, 30.00 after this statement": (0, "0.00", "0.00"),
        "Tax included in prepaid usage": (0, "-13.81", "13.81"), "Paid from prepaid credit": (0, "-120.00", "0.00"),
        "Top-up of prepaid credit, 2 x 25.00": (0, "50.00", "0.00"), "Usage": (4, "120.00", "0.00"),
    }  # fmt: skip
    assert (statement["account_id"], statement["net"], statement["tax"]) == ("PRE", "36.19", "13.81")
    assert statement["total"] == "50.00"


@pytest.mark.long
@pytest.mark.covers("BIL-19")
def test_the_posted_month_is_verified_once_it_is_posted(operator: Operator, tmp_path) -> None:
    stage = Stage(operator.spark, operator.settings, argparse.Namespace(), Progress(1), tmp_path)
    posted: Future[None] = Future()
    posted.set_result(None)
    found = verified_month(stage, "2025-05", posted)
    (issued,) = operator.rows(f"SELECT content_hash FROM ops.bill_run WHERE run_id = '{RUN}'")
    assert [found[name] for name in ("content_hash", "rebuilt", "lake", "postgres")] == [*issued] * 4
    assert (found["run_id"], found["invoices"]) == (RUN, 4)
    with pytest.raises(TollgateError, match="no run of this cycle is posted"):
        verified_month(stage, "2025-06", posted)


@pytest.mark.long
@pytest.mark.covers("BIL-02", "BIL-19")
def test_the_way_on_bills_the_parked_account_alone(operator: Operator, told: dict[str, Any]) -> None:
    # 50.00 a month, 0.15 of calls less 10 %, 0.015, so 0.02, and the fee: 51.13; at 14.975 % 7.657.
    quebec = {**HST, "tax_id": "qc", "jurisdiction": "CA-QC", "rate_ppm": 149_750}
    operator.publish({**BOOK, "top_up": [top_up("prepaid")], "tax": [HST, quebec]}, 2)
    drafted = operator("run", "2025-05", "--started-by", "ann")
    assert drafted["run_id"] == "2025-05/regular/2"
    assert (drafted["invoices"], drafted["net"], drafted["tax"]) == (1, "51.130", "7.660")
    issued = operator.lake.read("invoice").where("run_id = '2025-05/regular/2'")
    assert [row.account_id for row in issued.collect()] == ["MOVED"]


def test_one_taxed_customer_moves_to_where_the_book_has_no_rule(services: Settings, tmp_path) -> None:
    population = build_population(3, 40)
    moving = who_moves(population)
    (customer,) = [one for one in population.customers if one.account_id == moving]
    assert (customer.tax_jurisdiction, customer.tax_exempt) == ("CA-ON", False)
    assert "steady" in {line.story for line in population.lines if population.customers[line.customer] == customer}
    assert who_moves(Population(3, (), (), ())) is None
    own = own_places(services, tmp_path)
    migrate(own)
    seed(own, population)
    move(own, Population(3, (), (), ()))
    move(own, population)
    session = connect(own)
    try:
        with session.cursor() as cursor:
            cursor.execute(
                "SELECT account_id, tax_jurisdiction, lower(valid), upper(valid) FROM crm.account_jurisdiction"
            )
            assert cursor.fetchall() == [(moving, MOVES_TO, date(2026, 10, 20), None)]
    finally:
        session.close()
