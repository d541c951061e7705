"""Lake and PostgreSQL of different times: nothing is drafted that was billed before, or under another run's rows."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from billing.small_month import account, agreement, at, usage
from billing.small_operator import AS_OF, BOOK, Operator
from frames import assert_rows
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from reference.places import own_places

from jobs import bill_runs
from jobs.bill_inputs import check_posted
from tollgate.platform.errors import TollgateError
from tollgate.platform.postgres import migrate
from tollgate.platform.settings import Settings

MAY = ("--cycle", "2025-05", "--as-of", AS_OF["2025-05"])
JUNE = ("--cycle", "2025-06", "--as-of", AS_OF["2025-06"])
NAMES = ("ONE", "TWO")
CALLS = [usage(name, f"{name}1", at("2025-05-02T16:00"), 600, plan_id="month_to_month") for name in NAMES]
# Ten times the fee of the month.
DEARER = {**BOOK, "fee": [{**row, "amount_micros": row["amount_micros"] * 10} for row in BOOK["fee"]]}


@pytest.fixture(scope="module")
def operator(spark: SparkSession, services: Settings, tmp_path_factory: pytest.TempPathFactory) -> Operator:
    """May is posted: two accounts with one call each."""
    made = Operator(spark, own_places(services, tmp_path_factory.mktemp("stores")))
    migrate(made.settings)
    made.seed([account(name) for name in NAMES], [agreement(name, "month_to_month") for name in NAMES])
    made.publish(BOOK, 1)
    made.rate(1, CALLS)
    may = made.bill("run", *MAY, "--by", "ann")
    made.gate("--run-id", may["run_id"])
    made.bill("approve", "--run-id", may["run_id"], "--approver", "eve", "--accept-outliers")
    made.bill("post", "--run-id", may["run_id"], "--by", "dan")
    return made


def with_copy(operator: Operator, settings: Settings, root: Path, *lost: str) -> Operator:
    """These settings with a copy of the operator's lake, without the tables that are lost."""
    shutil.copytree(operator.lake.root, root)
    for table in lost:
        shutil.rmtree(root / table)
    lake = settings.lake.model_copy(update={"root": str(root)})
    return Operator(operator.spark, settings.model_copy(update={"lake": lake}))


@pytest.mark.long
@pytest.mark.covers("BIL-19", "BIL-23")
def test_nothing_is_drafted_while_the_lake_lacks_what_was_posted(operator: Operator, tmp_path: Path) -> None:
    # Of each account the fee of the month, the call of 0.50, 0.05 off it and the fee of the invoice: 51.45.
    losses = {
        # Each event of May would come as prior_period on the invoices of June.
        ("billed_usage",): "billed events 2, in the lake 0",
        (
            "invoice",
            "invoice_line",
            "billed_usage",
        ): "invoices 2, in the lake 0, net of invoices 102.900, in the lake 0",
    }
    for number, (tables, found) in enumerate(losses.items()):
        older = with_copy(operator, operator.settings, tmp_path / f"lake_{number}", *tables)
        with pytest.raises(TollgateError, match="the lake does not hold what was posted") as refused:
            older.bill("run", *JUNE)
        assert refused.value.found.startswith(f"2025-05/regular/1: {found}")
    changed = with_copy(operator, operator.settings, tmp_path / "changed")
    changed.spark.sql(
        f"UPDATE delta.`{changed.lake.path('invoice_line')}` SET tax_share = tax_share + 0.01 "
        "WHERE account_id = 'ONE' AND kind = 'recurring'"
    )
    with pytest.raises(TollgateError, match="the lake does not hold what was posted") as refused:
        check_posted(changed.lake, bill_runs.all_runs(operator.settings))
    # 13 % of 51.45, twice.
    assert refused.value.found == "2025-05/regular/1: tax of lines 13.380, in the lake 13.390"
    assert bill_runs.open_run(operator.settings, "2025-06") is None
    check_posted(operator.lake, bill_runs.all_runs(operator.settings))


@pytest.mark.long
@pytest.mark.covers("BIL-19", "BIL-23")
def test_nothing_is_posted_either(operator: Operator, tmp_path: Path) -> None:
    june = operator.bill("run", "--cycle", "2025-06", "--as-of", "2025-07-02T04:00:00Z", "--by", "ann")
    operator.gate("--run-id", june["run_id"])
    operator.bill("approve", "--run-id", june["run_id"], "--approver", "eve", "--accept-outliers")
    changed = with_copy(operator, operator.settings, tmp_path / "lake")
    changed.spark.sql(f"DELETE FROM delta.`{changed.lake.path('billed_usage')}` WHERE event_id = 'ONE1'")
    with pytest.raises(TollgateError, match="the lake does not hold what was posted") as refused:
        changed.bill("post", "--run-id", june["run_id"], "--by", "dan")
    assert refused.value.found == "2025-05/regular/1: billed events 2, in the lake 1"
    assert bill_runs.find_run(operator.settings, june["run_id"]).status == "approved"
    operator.bill("void", "--run-id", june["run_id"], "--by", "ann", "--reason", "a test")


@pytest.mark.long
@pytest.mark.covers("BIL-19")
def test_a_run_under_an_id_that_the_lake_knows_with_other_pins_is_refused(
    operator: Operator, services: Settings, tmp_path: Path
) -> None:
    """A database that knows no run, as after it was restored, beside a lake with 2025-05/regular/1 of book 1."""
    own = own_places(services, tmp_path)
    migrate(own)
    restored = with_copy(operator, own, tmp_path / "lake")
    restored.publish(DEARER, 2)
    for action in (("run", *MAY), ("resume", "--cycle", "2025-05")):
        with pytest.raises(TollgateError, match="the lake holds another run under this id") as refused:
            restored.bill(*action, "--by", "ann")
        assert (refused.value.expected, refused.value.found) == ("pricebook_version 2", "pricebook_version 1")
        assert "tollgate bill void --run-id 2025-05/regular/1" in refused.value.way_out
    restored.bill("void", "--cycle", "2025-05", "--by", "ann", "--reason", "its id was taken")
    again = restored.bill("run", *MAY, "--by", "ann")
    # Ten times the fees of the month and of the invoice: 500.00 + 0.50 - 0.05 + 10.00, of two accounts.
    assert (again["run_id"], again["net"]) == ("2025-05/regular/2", "1020.900")
    lines = restored.lake.read("invoice_line").where("run_id LIKE '2025-05/%'")
    assert_rows(
        lines.groupBy("run_id").agg(F.sum("amount").cast("string")),
        ("2025-05/regular/1", "102.900"), ("2025-05/regular/2", "1020.900"),
    )  # fmt: skip


@pytest.mark.long
@pytest.mark.covers("BIL-19")
def test_the_same_pins_go_on_with_what_the_lake_holds(operator: Operator, services: Settings, tmp_path: Path) -> None:
    own = own_places(services, tmp_path)
    migrate(own)
    restored = with_copy(operator, own, tmp_path / "lake")
    drafted, posted = restored.bill("run", *MAY), bill_runs.find_run(operator.settings, "2025-05/regular/1")
    assert (drafted["run_id"], drafted["content_hash"]) == (posted.run_id, posted.content_hash)
