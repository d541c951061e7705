"""Bill runs of named accounts, put to sleep and overtaken, and verified: a real lake, a real database."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from billing.small_month import account, agreement, at, usage
from billing.small_operator import AS_OF, BOOK, Operator, rating
from frames import assert_rows
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from reference.places import own_places

from jobs import bill_draft, bill_runs, reconcile
from tollgate.platform.errors import TollgateError
from tollgate.platform.lake import Lake
from tollgate.platform.postgres import migrate
from tollgate.platform.settings import Settings

MAY = ("--cycle", "2025-05", "--as-of", AS_OF["2025-05"])
JUNE = ("--cycle", "2025-06", "--as-of", AS_OF["2025-06"])
NAMES = ("ALONE", "BOTH", "LOST", "PARKED")
ACCOUNTS = [account(name) for name in NAMES]
CONTRACTS = [agreement(name, "month_to_month") for name in NAMES]
PLAN = {"plan_id": "month_to_month"}
OF_MAY = [
    usage("ALONE", "a1", at("2025-05-02T16:00"), 600, **PLAN),
    usage("BOTH", "b1", at("2025-05-02T16:00"), 60, **PLAN),
    usage("LOST", "l1", at("2025-05-02T16:00"), 60, **PLAN),
    # Nobody knows what a dollar of another country is worth on this account.
    usage("PARKED", "p1", at("2025-05-02T16:00"), 60, currency="USD", **PLAN),
]
LATE = [usage("BOTH", "b2", at("2025-05-03T16:00"), 1200, rating_no=2, batch_no=2, **PLAN)]
# Ten times the fee of the month.
DEARER = {**BOOK, "fee": [{**row, "amount_micros": row["amount_micros"] * 10} for row in BOOK["fee"]]}


@dataclass
class Story:
    """What happened, in order, each run's summary; and what a process that was overtaken was told."""

    operator: Operator
    named: dict[str, Any]
    overtaken: TollgateError
    rest: dict[str, Any]


@pytest.fixture(scope="module")
def operator(spark: SparkSession, services: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    made = Operator(spark, own_places(services, tmp_path_factory.mktemp("runs")))
    migrate(made.settings)
    made.seed(ACCOUNTS, CONTRACTS)
    made.publish(BOOK, 1)
    made.rate(1, OF_MAY)
    yield made


@pytest.fixture(scope="module")
def story(operator: Operator) -> Story:
    """May: one account by name, posted. Of the others a draft falls asleep between two of its writes; usage is rated,
    prices are published, somebody takes the run over. The sleeper wakes up; the other one goes on and posts."""
    named = posted(operator, operator.bill("run", *MAY, "--account", "ALONE", "--by", "ann")["run_id"])

    def sleeps(point: str) -> None:
        if point == "bill.after_lines":
            operator.rate(2, LATE)
            operator.publish(DEARER, 2)
            taken = bill_runs.open_run(operator.settings, "2025-05")
            assert taken is not None and not taken.is_complete
            bill_runs.take_over(operator.settings, taken, "ben")

    with pytest.MonkeyPatch.context() as patch, pytest.raises(TollgateError) as overtaken:
        patch.setattr(bill_draft, "crash_point", sleeps)
        operator.bill("run", *MAY, "--by", "ann")
    rest = operator.bill("resume", "--cycle", "2025-05", "--by", "ben")
    return Story(operator, named, overtaken.value, posted(operator, rest["run_id"]))


def posted(operator: Operator, run_id: str) -> dict[str, Any]:
    operator.gate("--run-id", run_id)
    operator.bill("approve", "--run-id", run_id, "--approver", "eve", "--accept-outliers")
    return operator.bill("post", "--run-id", run_id, "--by", "dan")


def issued(operator: Operator, cycle_start: str) -> list[tuple[Any, ...]]:
    return operator.rows(
        f"SELECT account_id, run_id, net FROM billing.invoice WHERE cycle_start = '{cycle_start}' ORDER BY invoice_no"
    )


@pytest.mark.long
@pytest.mark.covers("BIL-08", "BIL-19")
def test_an_account_by_name_is_billed_alone_and_the_others_under_the_next_sequence(story: Story) -> None:
    # 50.00 + 0.50 voice - 0.05 discount + 1.00 fee; below 0.10 there is no discount.
    assert issued(story.operator, "2025-05-01") == [
        ("ALONE", "2025-05/regular/1", Decimal("51.450")),
        ("BOTH", "2025-05/regular/2", Decimal("51.050")),
        ("LOST", "2025-05/regular/2", Decimal("51.050")),
    ]
    assert (story.named["named_accounts"], story.named["accounts"], story.named["parked"]) == (1, 1, 0)
    assert (story.rest["accounts"], story.rest["parked"]) == (3, 1)
    numbers = story.operator.rows("SELECT array_agg(invoice_no ORDER BY invoice_no) FROM billing.invoice")
    assert numbers == [([1, 2, 3],)]


@pytest.mark.long
@pytest.mark.covers("BIL-19", "BIL-21")
def test_a_draft_is_finished_under_its_pins_whatever_was_rated_and_published_since(story: Story) -> None:
    # With the late usage BOTH would have 1.00 more, with the other book the fee ten times.
    assert (story.rest["rating_no"], story.rest["pricebook_version"], story.rest["net"]) == (1, 1, "102.100")
    assert_rows(
        story.operator.lake.read("invoice").groupBy("run_id").count(),
        ("2025-05/regular/1", 1),
        ("2025-05/regular/2", 2),
    )


@pytest.mark.long
@pytest.mark.covers("BIL-19")
def test_a_process_that_was_overtaken_cannot_complete_the_draft(story: Story) -> None:
    assert story.overtaken.what == "another process has taken this run over"
    assert story.overtaken.expected == "fencing number 1"
    steps = story.operator.bill("show", story.rest["run_id"])["steps"]
    assert [(step["action"], step["person"]) for step in steps] == [
        ("begun", "ann"), ("taken over", "ben"), ("taken over", "ben"), ("drafted", "ben"),
        ("approved", "eve"), ("taken over", "dan"), ("posted", "dan"),
    ]  # fmt: skip
    left = story.operator.rows("SELECT count(*) FROM ops.staging_bill_account_park")
    assert left == [(0,)], "staging is emptied, the sleeper's rows too"


@pytest.mark.long
@pytest.mark.covers("BIL-13")
def test_a_broken_equation_of_one_account_parks_that_one(story: Story) -> None:
    shown = story.operator.bill("show", story.rest["run_id"])
    reason = "usage in another currency than the account"
    assert shown["parked_accounts"] == [{"account_id": "PARKED", "reason": reason}]
    assert shown["numbers"] == {"first": 2, "last": 3}


@pytest.mark.long
def test_a_run_of_names_that_are_billed_begins_nothing(story: Story) -> None:
    again = story.operator.bill("run", *MAY, "--account", "ALONE")
    assert "no account of it is left to bill" in again["note"]
    assert bill_runs.open_run(story.operator.settings, "2025-05") is None


@pytest.mark.covers("BIL-13")
def test_usage_that_does_not_balance_up_to_rating_stops_the_whole_run(operator: Operator, lake: Lake) -> None:
    own = operator.settings.model_copy(update={"lake": operator.settings.lake.model_copy(update={"root": lake.root})})
    broken = Operator(operator.spark, own)
    broken.write("control_rating", [rating(1, 1), rating(2, 1, balanced=False)])
    with pytest.raises(TollgateError, match="usage does not balance, so nothing is billed") as refused:
        broken.bill("run", "--cycle", "2025-07", "--as-of", "2025-08-01T04:00:00Z")
    assert refused.value.found == "rating_no 2 does not"
    assert bill_runs.open_run(own, "2025-07") is None


@pytest.mark.long
@pytest.mark.covers("BIL-19")
def test_a_posted_run_is_rebuilt_from_its_pins_to_the_same_hash(story: Story) -> None:
    verified = story.operator.bill("verify", "--run-id", story.rest["run_id"])
    hashes = {verified[name] for name in ("content_hash", "rebuilt", "lake", "postgres")}
    assert (verified["verified"], verified["invoices"], hashes) == (True, 2, {story.rest["content_hash"]})


@pytest.mark.long
@pytest.mark.covers("BIL-13", "BIL-23")
def test_every_equation_of_billing_and_ledger_holds(story: Story) -> None:
    checked = reconcile.check(story.operator.spark, story.operator.settings)["equations"]
    of_bills = [one for one in checked if one["stage"] in ("billing", "ledger")]
    assert not [one for one in of_bills if not one["holds"]]
    digests = [one["left"] for one in of_bills if one["equation"] == "the same invoices in PostgreSQL"]
    assert len(digests) == 2 and all(digest["invoice_digest"] != "0" for digest in digests)


@pytest.mark.long
@pytest.mark.covers("BIL-19", "BIL-23")
def test_what_was_tampered_with_is_found_by_account_and_place(story: Story, tmp_path: Path) -> None:
    shutil.copytree(story.operator.lake.root, tmp_path / "lake")
    settings = story.operator.settings
    elsewhere = settings.model_copy(update={"lake": settings.lake.model_copy(update={"root": str(tmp_path / "lake")})})
    copy = Operator(story.operator.spark, elsewhere)
    # A rated row of LOST, and two lines of BOTH that make up for each other.
    sql = copy.spark.sql
    sql(f"UPDATE delta.`{copy.lake.path('rated_usage')}` SET numerator = 2 * numerator, charge = 2 * charge "
        "WHERE event_id = 'l1'")  # fmt: skip
    sql(f"UPDATE delta.`{copy.lake.path('invoice_line')}` SET amount = amount + IF(kind = 'usage', 0.01, -0.01) "
        "WHERE account_id = 'BOTH' AND kind IN ('usage', 'recurring')")  # fmt: skip
    with pytest.raises(TollgateError, match="differs from what was posted") as found:
        copy.bill("verify", "--run-id", story.rest["run_id"])
    assert found.value.what.splitlines()[1:] == [
        "  - BOTH: lake differs from the rebuilt invoice",
        "  - LOST: lake and postgres differs from the rebuilt invoice",
    ]
    change = "ALTER TABLE billing.invoice_line {} TRIGGER append_only"
    line = "UPDATE billing.invoice_line SET description = description || '!' WHERE invoice_no = 2 AND line_no = 1"
    for statement in (change.format("DISABLE"), line, change.format("ENABLE")):
        copy.rows(statement)
    with pytest.raises(TollgateError) as found:
        story.operator.bill("verify", "--run-id", story.rest["run_id"])
    assert found.value.what.splitlines()[1:] == ["  - BOTH: postgres differs from the rebuilt invoice"]
    assert f"lake {story.rest['content_hash']}" in found.value.found


@pytest.mark.long
@pytest.mark.covers("BIL-21", "BIL-22")
def test_a_month_with_a_tenfold_fee_is_not_approved_unseen(story: Story) -> None:
    june = story.operator.bill("run", *JUNE, "--by", "ann")
    lines = story.operator.lake.read("invoice_line").where(F.col("run_id") == june["run_id"])
    assert_rows(
        lines.where("kind IN ('prior_period', 'recurring')").select("account_id", "kind", "origin_cycle", "amount"),
        ("ALONE", "recurring", None, Decimal("500.000")),
        ("BOTH", "recurring", None, Decimal("500.000")),
        ("BOTH", "prior_period", date(2025, 5, 1), Decimal("1.000")),
        ("LOST", "recurring", None, Decimal("500.000")),
    )
    # 576.30 with tax, after 58.14, 57.69 and 57.69; BOTH has 1.00 of late usage and 0.11 off it more.
    shown = story.operator.bill("show", june["run_id"])
    assert [(one["kind"], one["invoices"]) for one in shown["outlier_kinds"]] == [
        ("new_maximum", 3), ("over_history", 3)
    ]  # fmt: skip
    compared = {one["account_id"]: one["compared_with"] for one in shown["outlier_invoices"]}
    assert compared == {"ALONE": "58.140", "BOTH": "57.690", "LOST": "57.690"}
    assert (june["pricebook_version"], june["outliers"], june["parked"]) == (2, 6, 1)
    with pytest.raises(TollgateError, match="invoices of this run are unlike others"):
        story.operator.bill("approve", "--run-id", june["run_id"], "--approver", "ben")
