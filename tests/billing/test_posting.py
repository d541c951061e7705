"""What differs between a draft, its staging and its numbers is found before anything is issued."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from billing.small_month import account, agreement, at, usage
from billing.small_operator import AS_OF, BOOK, Operator
from pyspark.sql import SparkSession
from reference.places import own_places

from jobs import posting, reconcile
from tollgate.platform.errors import TollgateError
from tollgate.platform.postgres import migrate
from tollgate.platform.settings import Settings

MAY = [
    # 90 of A's 100 free minutes.
    usage("POST-A", "a1", at("2025-05-20T16:00"), 5400),
    usage("POST-A", "a2", at("2025-05-21T16:00"), 60),
    usage("POST-B", "b1", at("2025-05-02T16:00"), 360, plan_id="month_to_month"),
]
LINES_OF_B = "UPDATE {{invoice_line}} SET {} WHERE account_id = 'POST-B' AND kind IN ('usage', 'recurring')"
# A change of the lake, and what posting then says. Sums of the invoice and the run stay as they were.
LAKE = {
    "a billed event gone": ("DELETE FROM {billed_usage} WHERE event_id = 'a2'", "events on lines"),
    "a cent from line to line": (
        LINES_OF_B.format("amount = amount + IF(kind = 'usage', 0.01, -0.01)"), "the lake's lines differ",
    ),
    "another text": (LINES_OF_B.format("description = 'Gift'"), "the lake's lines differ"),
    "another tax category": (LINES_OF_B.format("tax_category = 'exempt'"), "the lake's lines differ"),
    "a free second of nobody": (
        "UPDATE {billed_usage} SET slices = transform(slices, s -> named_struct('allowance_id', s.allowance_id, "
        "'granted_on', s.granted_on, 'units', s.units - 1)) WHERE event_id = 'a1'", "free units are those of their",
    ),
}  # fmt: skip
OF_B = "account_id = 'POST-B' AND ledger_account"
STAGING = {
    "a cent from tax to revenue": (
        "UPDATE billing.staging_posting SET amount = amount + CASE ledger_account WHEN 'tax_payable' THEN 0.01 "
        f"ELSE -0.01 END WHERE {OF_B} IN ('tax_payable', 'revenue_voice')", "as of account POST-B",
    ),
    "another revenue": (
        f"UPDATE billing.staging_posting SET ledger_account = 'revenue_data' WHERE {OF_B} = 'revenue_voice'",
        "as of account POST-B",
    ),
    "the postings of two accounts exchanged": (
        "UPDATE billing.staging_posting SET account_id = 'Z' WHERE account_id = 'POST-A'; "
        "UPDATE billing.staging_posting SET account_id = 'POST-A' WHERE account_id = 'POST-B'; "
        "UPDATE billing.staging_posting SET account_id = 'POST-B' WHERE account_id = 'Z'", "as of account POST-A",
    ),
    "another text": (
        "UPDATE billing.staging_invoice_line SET description = 'Gift' WHERE account_id = 'POST-B' AND line_no = 1",
        "billing.staging_invoice_line holds other rows",
    ),
}  # fmt: skip
COUNTER = "UPDATE billing.invoice_counter SET last_no = {} WHERE series = 'regular'"
GUARD = "ALTER TABLE billing.invoice_counter {} TRIGGER USER"
UNGUARDED = f"{GUARD.format('DISABLE')}; {{}}; {GUARD.format('ENABLE')}"


@pytest.fixture(scope="module")
def operator(spark: SparkSession, services: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """May of two accounts, approved."""
    made = Operator(spark, own_places(services, tmp_path_factory.mktemp("posting")))
    migrate(made.settings)
    made.seed([account("POST-A"), account("POST-B")], [agreement("POST-A"), agreement("POST-B", "month_to_month")])
    made.publish(BOOK, 1)
    made.rate(1, MAY)
    draft = made.bill("run", "--cycle", "2025-05", "--as-of", AS_OF["2025-05"], "--by", "ann")
    made.gate("--run-id", draft["run_id"])
    made.bill("approve", "--run-id", draft["run_id"], "--approver", "eve", "--accept-outliers")
    yield made


def post(operator: Operator) -> dict[str, Any]:
    return operator.bill("post", "--cycle", "2025-05", "--by", "dan")


def refused(operator: Operator, told: str) -> None:
    with pytest.raises(TollgateError, match="nothing was posted") as error:
        post(operator)
    assert told in str(error.value)
    assert operator.rows("SELECT count(*) FROM billing.invoice") == [(0,)]


@pytest.mark.covers("BIL-13", "BIL-23")
@pytest.mark.parametrize(
    "planted", [name if n < 2 else pytest.param(name, marks=pytest.mark.long) for n, name in enumerate(LAKE)]
)
def test_a_draft_that_was_changed_is_not_posted(operator: Operator, tmp_path: Path, planted: str) -> None:
    change, told = LAKE[planted]
    shutil.copytree(operator.lake.root, tmp_path / "lake")
    settings = operator.settings
    elsewhere = settings.model_copy(update={"lake": settings.lake.model_copy(update={"root": str(tmp_path / "lake")})})
    copy = Operator(operator.spark, elsewhere)
    tables = {name: f"delta.`{copy.lake.path(name)}`" for name in ("billed_usage", "invoice_line")}
    copy.spark.sql(change.format(**tables))
    refused(copy, told)


@pytest.mark.covers("BIL-13", "BIL-18", "BIL-23")
@pytest.mark.parametrize(
    "planted", [name if n < 1 else pytest.param(name, marks=pytest.mark.long) for n, name in enumerate(STAGING)]
)
def test_staging_that_was_changed_is_not_issued(
    operator: Operator, monkeypatch: pytest.MonkeyPatch, planted: str
) -> None:
    change, told = STAGING[planted]

    def plant(point: str) -> None:
        if point == "bill.after_staging":
            operator.rows(change)

    monkeypatch.setattr(posting, "crash_point", plant)
    refused(operator, told)


@pytest.mark.covers("BIL-13")
def test_an_account_is_not_billed_by_cycles_that_it_had_before_the_run(operator: Operator) -> None:
    """As if its anchor had been moved after the snapshot and before the run, where no guard asks."""
    guard = "ALTER TABLE crm.account {} TRIGGER keep_billed_cycles"
    move = "UPDATE crm.account SET anchor_day = {}, first_cycle_start = '{}' WHERE account_id = 'POST-B'"
    asked = "SELECT anchor_day, first_cycle_start FROM crm.account WHERE account_id = 'POST-B'"
    [before] = operator.rows(asked)
    for anchor_day, first in ((15, "2025-05-15"), before):
        for statement in (guard.format("DISABLE"), move.format(anchor_day, first), guard.format("ENABLE")):
            operator.rows(statement)
        if anchor_day == 15:
            refused(operator, "1 accounts, POST-B among them")


@pytest.mark.long
@pytest.mark.covers("BIL-18")
def test_nothing_is_numbered_by_a_counter_that_is_wrong_or_gone(operator: Operator) -> None:
    operator.rows(UNGUARDED.format(COUNTER.format(7)))
    refused(operator, "last_no 7 and 0 invoices")
    operator.rows(UNGUARDED.format("DELETE FROM billing.invoice_counter WHERE series = 'regular'"))
    refused(operator, "no row")
    operator.rows("INSERT INTO billing.invoice_counter (series, last_no) VALUES ('regular', 0)")


@pytest.mark.covers("BIL-18", "BIL-23")
def test_numbers_only_go_up_with_their_documents_and_reconcile_finds_what_was_changed(operator: Operator) -> None:
    """After the tests above: nothing of the run was lost by them."""
    assert post(operator)["status"] == "posted"
    assert operator.rows("SELECT array_agg(invoice_no ORDER BY invoice_no) FROM billing.invoice") == [([1, 2],)]
    for statement, reason in (
        (COUNTER.format("last_no - 1"), "only go up"),
        (COUNTER.format("last_no + 1"), "the counter says 3, expected 2"),
        ("DELETE FROM billing.invoice_counter", "only go up"),
        ("TRUNCATE billing.invoice_counter", "append-only"),
    ):
        with pytest.raises(psycopg2.Error, match=reason):
            operator.rows(statement)
    assert failing(operator) == set()
    # A revenue under another name, and a counter one too high: no sum of a run tells either.
    operator.rows(UNGUARDED.format(COUNTER.format(3)))
    change = "ALTER TABLE billing.posting {} TRIGGER append_only"
    wrong = "UPDATE billing.posting SET ledger_account = 'revenue_data' WHERE ledger_account = 'revenue_voice'"
    for statement in (change.format("DISABLE"), wrong, change.format("ENABLE")):
        operator.rows(statement)
    assert failing(operator) == {
        ("every journal is that of its own invoice", "2025-05"), ("numbers without a gap", "regular"),
        ("the highest number is the last one given", "regular"),
    }  # fmt: skip


def failing(operator: Operator) -> set[tuple[str, str]]:
    """Equations of billing within the run and of the ledger that do not hold, with their part."""
    checked = reconcile.check(operator.spark, operator.settings)["equations"]
    of_run = [one for one in checked if one["stage"] == "ledger" or one["part"] == "2025-05"]
    assert len(of_run) > 20
    return {(one["equation"], one["part"]) for one in of_run if not one["holds"]}
