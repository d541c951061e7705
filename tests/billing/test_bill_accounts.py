"""The month's job on a real lake and a real database: draft, approve, post, and what can never happen twice."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from billing.small_month import account, agreement, at, usage
from billing.small_operator import BOOK, Operator, rating
from frames import assert_rows
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from jobs import analyst_views, bill_accounts, posting
from tollgate.platform.errors import TollgateError
from tollgate.platform.postgres import migrate
from tollgate.platform.settings import Settings

ACCOUNTS = [account("JOB-A"), account("JOB-B")]
CONTRACTS = [
    agreement("JOB-A", starts_on=date(2025, 5, 17), term_ends_on=date(2026, 5, 17)),
    agreement("JOB-B", "month_to_month"),
]
MAY = [
    usage("JOB-A", "a1", at("2025-05-20T16:00"), 5400),
    usage("JOB-B", "b1", at("2025-05-02T16:00"), 360, plan_id="month_to_month"),
]
LATE = [usage("JOB-A", "a2", at("2025-05-25T16:00"), 660, rating_no=2, batch_no=2)]


@pytest.fixture(scope="module")
def operator(spark: SparkSession, services: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    root: Path = tmp_path_factory.mktemp("billing") / "lake"
    made = Operator(spark, services.model_copy(update={"lake": services.lake.model_copy(update={"root": str(root)})}))
    migrate(made.settings)
    made.seed(ACCOUNTS, CONTRACTS)
    made.publish(BOOK, 1)
    made.write("rated_usage", MAY)
    made.write("control_rating", [rating(1, 2)])
    yield made


@pytest.fixture(scope="module")
def may(operator: Operator) -> dict[str, Any]:
    """May, posted; on the way the gates stop what they have not seen, and the first attempt to post dies before its
    commit."""
    with pytest.raises(TollgateError, match="rated usage was not passed by the quality gate"):
        operator("run", "2025-05", "--started-by", "ann")
    runs = operator("list", "2025-05")["runs"]
    assert not [run for run in runs if run["cycle"] == "2025-05"], "a refused draft leaves nothing"
    assert operator.gate("--table", "rated_usage")["checked"][0]["rows_checked"] == 2
    draft = operator("run", "2025-05", "--started-by", "ann")
    assert operator("run", "2025-05")["run_id"] == draft["run_id"], "a complete draft is not computed again"
    with pytest.raises(TollgateError, match="cannot post"):
        operator("post", "2025-05", "--run-id", draft["run_id"])
    operator("approve", "2025-05", "--approver", "auto")
    with pytest.raises(TollgateError, match="the invoices were not passed by the quality gate, so nothing was posted"):
        operator("post", "2025-05")
    assert operator.gate("--table", "invoice")["checked"][0]["run_id"] == draft["run_id"]
    with pytest.MonkeyPatch.context() as patch, pytest.raises(InterruptedError):
        patch.setattr(posting, "crash_point", _dies_before_commit)
        operator("post", "2025-05")
    assert operator.rows(f"SELECT count(*) FROM billing.invoice WHERE run_id = '{draft['run_id']}'") == [(0,)]
    return operator("post", "2025-05")


def _dies_before_commit(point: str) -> None:
    if point == "bill.before_commit":
        raise InterruptedError(point)


@pytest.mark.covers("BIL-01", "BIL-02", "BIL-03", "BIL-04", "BIL-06", "BIL-10", "BIL-17")
def test_posted_invoices_equal_the_draft_and_have_numbers_without_a_gap(
    operator: Operator, may: dict[str, Any]
) -> None:
    # A: 20.00 + 300.00 deposit + 0.00 voice + 1.00 fee, HST on 21.00 is 2.73;
    # B: 50.00 + 0.30 voice - 0.03 discount + 1.00 fee, HST 6.6651.
    issued = operator.rows(
        "SELECT account_id, net, tax, total, invoice_no - min(invoice_no) OVER () FROM billing.invoice "
        f"WHERE run_id = '{may['run_id']}' ORDER BY account_id"
    )
    assert issued == [
        ("JOB-A", Decimal("321.000"), Decimal("2.730"), Decimal("323.730"), 0),
        ("JOB-B", Decimal("51.270"), Decimal("6.670"), Decimal("57.940"), 1),
    ]
    assert (may["status"], may["invoices"], may["net"], may["tax"], may["total"]) == (
        "posted",
        2,
        "372.270",
        "9.400",
        "381.670",
    )
    numbers = operator.rows(
        "SELECT max(invoice_no), count(*), (SELECT last_no FROM billing.invoice_counter"
        " WHERE series = 'regular') FROM billing.invoice"
    )
    assert numbers[0][0] == numbers[0][1] == numbers[0][2]
    left = operator.rows(f"SELECT count(*) FROM billing.staging_invoice_line WHERE run_id = '{may['run_id']}'")
    assert left == [(0,)], "staging is emptied"


@pytest.mark.covers("BIL-19")
def test_posting_or_running_again_changes_nothing(operator: Operator, may: dict[str, Any]) -> None:
    before = operator.rows("SELECT count(*), sum(total) FROM billing.invoice")
    assert "nothing was changed" in operator("post", "2025-05")["note"]
    assert "nothing was changed" in operator("run", "2025-05")["note"]
    assert operator.rows("SELECT count(*), sum(total) FROM billing.invoice") == before


@pytest.mark.covers("BIL-05")
def test_the_document_of_an_invoice_has_amounts_as_strings(operator: Operator, may: dict[str, Any]) -> None:
    (document,) = operator.rows(
        "SELECT document FROM billing.invoice_document WHERE account_id = 'JOB-B' AND cycle_start = '2025-05-01'"
    )[0]
    assert (document["net"], document["tax"], document["total"]) == ("51.27", "6.67", "57.94")
    assert document["taxes"] == [{"tax_id": "hst_on", "net": "51.27", "tax": "6.67"}]
    assert [(line["line_no"], line["kind"], line["amount"], line["tax_share"]) for line in document["lines"]] == [
        (1, "discount", "-0.03", "0.00"), (2, "invoice_fee", "1.00", "0.13"), (3, "recurring", "50.00", "6.50"),
        (4, "usage", "0.30", "0.04"),
    ]  # fmt: skip


def test_every_journal_balances(operator: Operator, may: dict[str, Any]) -> None:
    entries = operator.rows(
        "SELECT account_id, ledger_account, tax_id, amount FROM billing.posting JOIN billing.journal USING (journal_no)"
        " "
        f"WHERE run_id = '{may['run_id']}' ORDER BY 1, 2"
    )
    assert entries == [
        ("JOB-A", "deposit_liability", None, Decimal("-300.000")), ("JOB-A", "receivable", None, Decimal("323.730")),
        ("JOB-A", "revenue_fee", None, Decimal("-1.000")), ("JOB-A", "revenue_recurring", None, Decimal("-20.000")),
        ("JOB-A", "tax_payable", "hst_on", Decimal("-2.730")), ("JOB-B", "receivable", None, Decimal("57.940")),
        ("JOB-B", "revenue_discount", None, Decimal("0.030")),
        ("JOB-B", "revenue_fee", None, Decimal("-1.000")), ("JOB-B", "revenue_recurring", None, Decimal("-50.000")),
        ("JOB-B", "revenue_voice", None, Decimal("-0.300")), ("JOB-B", "tax_payable", "hst_on", Decimal("-6.670")),
    ]  # fmt: skip


ONE_POSTING = "INSERT INTO billing.posting SELECT max(journal_no), 99, 'receivable', NULL, {} FROM billing.journal"
REFUSED = {
    "UPDATE billing.invoice SET total = total": "append-only",
    "DELETE FROM billing.invoice_line": "append-only",
    "UPDATE billing.posting SET amount = amount": "append-only",
    "DELETE FROM billing.journal": "append-only",
    "TRUNCATE billing.posting": "append-only",
    "TRUNCATE billing.invoice CASCADE": "append-only",
    "UPDATE ops.bill_run SET status = 'void' WHERE status = 'posted'": "cannot change",
    "DELETE FROM ops.bill_run": "cannot be deleted",
    ONE_POSTING.format(1): "does not balance",
    ONE_POSTING.format("'NaN'"): "posting_amount_check",
    "INSERT INTO billing.invoice_line SELECT invoice_no, 99, 'k', kind, subscription_id, service, zone_id, "
    "roaming_zone, origin_cycle, description, events, units, free_units, unit, exact_total, 1, tax_category, tax_id, 0 "
    "FROM billing.invoice_line LIMIT 1": "expected",
    "INSERT INTO ops.bill_run (run_id, cycle, kind, sequence, as_of, rating_no, snapshot_id, pricebook_version, "
    "after_runs, started_by, status) "
    "VALUES ('x', '2025-09', 'regular', 1, now(), 1, 1, 1, '{}', 'ann', 'posted')": "expected draft",
}


@pytest.mark.covers("BIL-18", "BIL-19")
def test_the_database_refuses_what_must_not_happen(operator: Operator, may: dict[str, Any]) -> None:
    for statement, reason in REFUSED.items():
        with pytest.raises(psycopg2.Error, match=reason):
            operator.rows(statement)


def test_analysts_see_the_lines_of_posted_runs_only(operator: Operator, may: dict[str, Any]) -> None:
    draft = {
        "run_id": "2025-06/regular/9", "account_id": "JOB-A", "customer_id": "CJOB-A", "cycle_start": date(2025, 6, 1),
        "cycle_end": date(2025, 7, 1), "invoice_kind": "regular", "sequence": 1, "currency": "CAD", "minor_digits": 2,
        "lines": 1, "content_hash": "h", "net": Decimal(9), "tax": Decimal(1), "total": Decimal(10),
    }  # fmt: skip
    operator.write("invoice", [draft])
    question = "SELECT run_id, cycle, sum(total) FROM posted_invoice GROUP BY ALL"
    analyst_views.register(operator.spark, operator.settings, question)
    found = {row[:2]: row[2] for row in operator.spark.sql(question).collect()}
    assert found[may["run_id"], "2025-05"] == Decimal(may["total"]) > 0
    assert draft["run_id"] not in {run_id for run_id, _ in found}


@pytest.mark.long
@pytest.mark.covers("BIL-11", "BIL-12", "BIL-21")
def test_late_usage_comes_on_the_next_invoice_and_takes_what_the_posted_one_left(
    operator: Operator, may: dict[str, Any]
) -> None:
    of_may = F.col("run_id") == may["run_id"]
    written = set(operator.lake.read("invoice_line").where(of_may).collect())
    operator.write("rated_usage", LATE, version=2)
    operator.write("control_rating", [rating(2, 1)], version=2)
    operator.gate()
    june = operator("run", "2025-06")
    lines = operator.lake.read("invoice_line").where(F.col("run_id") == june["run_id"])
    # 100 minutes a month; May used 90, so 10 of the 11 late ones are free, at May's price.
    assert_rows(
        lines.where("kind = 'prior_period'").select(
            "account_id", "origin_cycle", "events", "units", "free_units", "amount"
        ),
        ("JOB-A", date(2025, 5, 1), 1, 660, 600, Decimal("0.100")),
    )
    # With them the usage of May comes to 0.10, from which the volume discount applies.
    assert_rows(
        lines.where("kind LIKE '%discount'").select("account_id", "line_key", "amount"),
        ("JOB-A", "prior_discount|||||2025-05-01|standard|volume", Decimal("-0.010")),
    )
    operator("approve", "2025-06")
    operator.gate("--run-id", june["run_id"])
    operator("post", "2025-06")
    assert operator.rows("SELECT count(*) FROM billing.invoice WHERE account_id LIKE 'JOB-%'") == [(4,)]
    assert bill_accounts.posted_runs(operator.settings)[-2:] == [may["run_id"], june["run_id"]]
    now = operator.lake.read("invoice_line").where(of_may).collect()
    assert len(now) == len(written) > 0 and set(now) == written, "what was posted never changes"
