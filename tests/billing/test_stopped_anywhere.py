"""A month that is stopped behind each of its writes, and its poster overtaken, is the month that nobody stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from billing.small_month import account, agreement, at, usage
from billing.small_operator import AS_OF, BOOK, Operator
from pyspark.sql import SparkSession
from reference.places import own_places

from jobs import bill_draft, posting
from tollgate.platform.errors import TollgateError
from tollgate.platform.postgres import migrate
from tollgate.platform.settings import Settings

pytestmark = pytest.mark.long
DRAFT = (
    "bill.after_billed_usage", "bill.after_lines", "bill.after_invoice", "bill.after_outliers", "bill.after_totals",
)  # fmt: skip
POST = ("bill.after_staging", "bill.before_commit")
MAY = [
    usage("STOP-A", "a1", at("2025-05-20T16:00"), 5400),
    usage("STOP-B", "b1", at("2025-05-02T16:00"), 360, plan_id="month_to_month"),
]


class Ended(NamedTuple):
    """One operator after its month. overtaken: what the poster that slept was told, None where none slept."""

    operator: Operator
    overtaken: TollgateError | None


def begun(spark: SparkSession, services: Settings, folder: Path) -> Operator:
    made = Operator(spark, own_places(services, folder))
    migrate(made.settings)
    made.seed([account("STOP-A"), account("STOP-B")], [agreement("STOP-A"), agreement("STOP-B", "month_to_month")])
    made.publish(BOOK, 1)
    made.rate(1, MAY)
    return made


def run(operator: Operator) -> dict[str, Any]:
    return operator.bill("run", "--cycle", "2025-05", "--as-of", AS_OF["2025-05"], "--by", "ann")


def go_on(operator: Operator) -> dict[str, Any]:
    return operator.bill("resume", "--cycle", "2025-05", "--by", "ann")


def approve(operator: Operator, run_id: str) -> None:
    operator.gate("--run-id", run_id)
    operator.bill("approve", "--run-id", run_id, "--approver", "eve", "--accept-outliers")


def post(operator: Operator, by: str) -> dict[str, Any]:
    return operator.bill("post", "--cycle", "2025-05", "--by", by)


def stopped(at_point: str, work: Callable[[], Any]) -> None:
    """Do the work up to a point, and see that it comes that far."""

    def stops(point: str) -> None:
        if point == at_point:
            raise InterruptedError(point)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(InterruptedError, match=at_point):
        for module in (bill_draft, posting):
            patch.setattr(module, "crash_point", stops)
        work()


@pytest.fixture(scope="module")
def unstopped(spark: SparkSession, services: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ended]:
    operator = begun(spark, services, tmp_path_factory.mktemp("unstopped"))
    approve(operator, run(operator)["run_id"])
    post(operator, "dan")
    yield Ended(operator, None)


@pytest.fixture(scope="module")
def stopped_everywhere(
    spark: SparkSession, services: Settings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ended]:
    """Each start dies one write later than the one before. The last poster sleeps before it issues, while another
    one takes the run over and posts it."""
    operator = begun(spark, services, tmp_path_factory.mktemp("stopped"))
    for number, point in enumerate(DRAFT):
        stopped(point, lambda work=go_on if number else run: work(operator))
    approve(operator, go_on(operator)["run_id"])
    for point in POST:
        stopped(point, lambda: post(operator, "dan"))
        assert operator.rows("SELECT count(*) FROM billing.invoice") == [(0,)]

    def sleeps(point: str) -> None:
        if point == "bill.after_staging":
            awake.setattr(posting, "crash_point", lambda _: None)
            assert post(operator, "ben")["status"] == "posted"

    with pytest.MonkeyPatch.context() as awake, pytest.raises(TollgateError) as overtaken:
        awake.setattr(posting, "crash_point", sleeps)
        post(operator, "dan")
    yield Ended(operator, overtaken.value)


@pytest.mark.covers("BIL-08", "BIL-18", "BIL-19")
def test_what_is_issued_is_the_same(unstopped: Ended, stopped_everywhere: Ended) -> None:
    for query in (
        "SELECT status, invoices, lines, net, tax, total, content_hash FROM ops.bill_run",
        "SELECT to_jsonb(i) - 'posted_at' FROM billing.invoice AS i ORDER BY invoice_no",
        "SELECT to_jsonb(l) FROM billing.invoice_line AS l ORDER BY invoice_no, line_no",
        "SELECT invoice_no, posting_no, ledger_account, tax_id, amount FROM billing.posting JOIN billing.journal "
        "USING (journal_no) ORDER BY 1, 2",
    ):
        expected, found = (one.operator.rows(query) for one in (unstopped, stopped_everywhere))
        assert expected and found == expected
    for table in ("billed_usage", "invoice_line", "invoice"):
        rows = [sorted(map(str, one.operator.lake.read(table).collect())) for one in (unstopped, stopped_everywhere)]
        assert rows[0] and rows[0] == rows[1]


@pytest.mark.covers("BIL-18", "BIL-19")
def test_the_poster_that_woke_up_is_told_and_leaves_nothing(stopped_everywhere: Ended) -> None:
    assert stopped_everywhere.overtaken is not None
    assert "another process has taken this run over" in str(stopped_everywhere.overtaken)
    operator = stopped_everywhere.operator
    assert post(operator, "dan")["note"] == "posted before; nothing was changed"
    for table in posting.STAGING:
        assert operator.rows(f"SELECT count(*) FROM billing.{table}") == [(0,)]
