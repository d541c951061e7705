"""Bill cycles of so many days, by hand: a prorated fee, and the jobs on a real lake and database."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import psycopg2
import pytest
from billing.small_month import account, agreement, allowance, at, bill_may, fee, posted_before, usage
from billing.small_operator import BOOK, Operator
from frames import assert_rows
from pyspark.sql import SparkSession
from reference.places import own_places

from jobs import bill_runs, reconcile
from jobs.further_cycles import further_accounts
from tollgate.platform.postgres import migrate
from tollgate.platform.settings import Settings

DAY = {"cycle_days": 30, "first_cycle_start": date(2026, 1, 31), "tax_exempt": True}


@pytest.mark.covers("CON-19", "CON-21", "CON-23", "BIL-21")
def test_a_fee_and_its_minutes_by_the_days_of_a_cycle_of_thirty(spark: SparkSession) -> None:
    # Cycles from 31 January, 2 March, 1 April and 1 May. From 10 April on 21 of 30 days are in force:
    # 30.01 x 21 / 30 = 21.007, and 6,000 s x 21 / 30 = 4,200 s.
    book = {
        "fee": [
            fee("f", "recurring", "term", 30, "days", amount_micros=30_010_000),
            fee("m", "recurring", "month_to_month", 20, "days"),
        ],
        "allowance": [allowance("v", "term", "voice", 6000, proration="days")], "tax": [],
    }  # fmt: skip
    calls = [
        usage("new", "a", at("2026-04-20T12:00"), 4800),
        usage("new", "next cycle", at("2026-05-01T04:00"), 60),
        usage("old", "late", at("2026-04-01T03:59:59"), 60, plan_id="month_to_month"),
        usage("old", "first second", at("2026-04-01T04:00"), 120, plan_id="month_to_month"),
        usage("old", "last second", at("2026-05-01T03:59:59"), 180, plan_id="month_to_month"),
    ]
    contracts = [agreement("new", starts_on=date(2026, 4, 10)), agreement("old", "month_to_month")]
    before = posted_before(spark, runs=[("march", "2026-03", at("2026-04-02T00:00"))])
    bill = bill_may(
        spark, [account("new", **DAY), account("old", **DAY)], contracts, calls, book, posted=before, cycle="2026-04",
        as_of=at("2026-05-01T04:00"),
    )  # fmt: skip
    march_2, april_1, three = date(2026, 3, 2), date(2026, 4, 1), Decimal("0.001")

    def line(account_id: str, kind: str, origin: date | None, free: int, amount: str) -> tuple[Any, ...]:
        return account_id, kind, origin, free, Decimal(amount).quantize(three)

    assert_rows(
        bill.invoice_line.select("account_id", "kind", "origin_cycle", "free_units", "amount"),
        line("new", "recurring", None, 0, "21.01"),
        line("new", "usage", april_1, 4200, "1.00"),  # 600 s are 10 minutes at 0.10
        line("old", "recurring", None, 0, "20"),
        line("old", "prior_period", march_2, 0, "0.05"),
        line("old", "usage", april_1, 0, "0.25"),
    )
    units = bill.invoice_line.where("kind = 'recurring'").select("account_id", "units", "unit")
    assert_rows(units, ("new", 1, "cycle"), ("old", 1, "cycle"))
    assert_rows(
        bill.invoice.select("account_id", "cycle_start", "cycle_end"),
        ("new", april_1, date(2026, 5, 1)), ("old", april_1, date(2026, 5, 1)),
    )  # fmt: skip


# From 1 May: of 30 days 31 May and 30 June, of 45 days 15 June.
CALLS = [
    usage("DAY-30", "a1", at("2025-05-31T03:59:59"), 60, plan_id="month_to_month"),
    usage("DAY-30", "a2", at("2025-05-31T04:00"), 120, plan_id="month_to_month"),
    usage("DAY-45", "c1", at("2025-06-15T03:59:59"), 180, plan_id="month_to_month"),
    usage("DAY-45", "c2", at("2025-06-15T04:00"), 60, plan_id="month_to_month"),
    usage("MONTH", "b1", at("2025-05-31T12:00"), 60, plan_id="month_to_month"),
]


@pytest.fixture(scope="module")
def operator(spark: SparkSession, services: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    made = Operator(spark, own_places(services, tmp_path_factory.mktemp("days")))
    migrate(made.settings)
    accounts = [account("DAY-30", cycle_days=30), account("DAY-45", cycle_days=45), account("MONTH")]
    made.seed(accounts, [agreement(row["account_id"], "month_to_month") for row in accounts])
    made.publish(BOOK, 1)
    made.rate(1, CALLS)
    yield made


@pytest.fixture(scope="module")
def runs(operator: Operator) -> list[dict[str, Any]]:
    """On 16 June the cycles that start in May, on 1 July the second ones, posted."""
    return [
        posted(operator, cycle, as_of)
        for cycle, as_of in (("2025-05", "2025-06-16T12:00:00Z"), ("2025-05.2", "2025-07-01T12:00:00Z"))
    ]


def posted(operator: Operator, cycle: str, as_of: str) -> dict[str, Any]:
    draft = operator.bill("run", "--cycle", cycle, "--as-of", as_of)
    operator.bill("approve", "--cycle", cycle, "--approver", "auto")
    operator.gate("--table", "invoice")
    return operator.bill("post", "--run-id", draft["run_id"])


@pytest.mark.long
@pytest.mark.covers("BIL-08", "BIL-19", "CON-19", "CON-21")
def test_each_cycle_of_an_account_has_its_own_invoice_and_each_event_is_on_one(
    operator: Operator, runs: list[dict[str, Any]]
) -> None:
    assert [(run["run_id"], run["status"]) for run in runs] == [
        ("2025-05/regular/1", "posted"), ("2025-05.2/regular/1", "posted"),
    ]  # fmt: skip
    may_1, may_31, june_1, june_15, june_30 = (date(2025, *day) for day in ((5, 1), (5, 31), (6, 1), (6, 15), (6, 30)))
    assert operator.rows("SELECT account_id, cycle_start, cycle_end FROM billing.invoice ORDER BY 1, 2") == [
        ("DAY-30", may_1, may_31), ("DAY-30", may_31, june_30), ("DAY-45", may_1, june_15), ("MONTH", may_1, june_1),
    ]  # fmt: skip
    assert_rows(
        operator.lake.read("billed_usage").select("run_id", "event_id", "origin_cycle"),
        ("2025-05/regular/1", "a1", may_1), ("2025-05.2/regular/1", "a2", may_31), ("2025-05/regular/1", "c1", may_1),
        ("2025-05/regular/1", "b1", may_1),
    )  # fmt: skip
    assert (
        "nothing was changed" in operator.bill("run", "--cycle", "2025-05.2", "--as-of", "2025-07-01T12:00:00Z")["note"]
    )


@pytest.mark.long
@pytest.mark.covers("BIL-13", "BIL-23")
def test_a_run_of_second_cycles_is_rebuilt_and_its_equations_hold(
    operator: Operator, runs: list[dict[str, Any]]
) -> None:
    assert operator.bill("verify", "--run-id", runs[1]["run_id"])["verified"]
    checked = reconcile.check(operator.spark, operator.settings)["equations"]
    of_bills = [one for one in checked if one["stage"] in ("billing", "ledger")]
    assert not [one for one in of_bills if not one["holds"]]
    assert {one["part"] for one in of_bills if one["part"].startswith("2025")} == {"2025-05", "2025-05.2"}


@pytest.mark.long
@pytest.mark.covers("BIL-08")
def test_the_month_names_the_run_of_further_cycles(operator: Operator) -> None:
    # Of 30 days: 1 and 31 May, 30 June, 30 July. Of 7 days: 16, 23 and 30 June.
    operator.rows(
        "INSERT INTO crm.account (account_id, customer_id, currency, time_zone, anchor_day, first_cycle_start, "
        "tax_jurisdiction, cycle_days, closed_on) VALUES "
        "('DAY-7', 'CMONTH', 'CAD', 'UTC', 1, '2025-06-16', 'X', 7, NULL), "
        "('CLOSED', 'CMONTH', 'CAD', 'UTC', 1, '2025-06-16', 'X', 7, '2025-06-23')"
    )
    cycles = ("2025-04", "2025-05", "2025-05.2", "2025-06", "2025-06.2", "2025-06.3", "2025-07")
    assert [further_accounts(operator.settings, cycle) for cycle in cycles] == [
        ("2025-04.2", 0), ("2025-05.2", 1), ("2025-05.3", 0), ("2025-06.2", 1), ("2025-06.3", 1), ("2025-06.4", 0),
        ("2025-07.2", 1),
    ]  # fmt: skip


@pytest.mark.long
def test_cycles_that_were_billed_stay_and_a_length_has_bounds(operator: Operator, runs: list[dict[str, Any]]) -> None:
    for change, refused in {
        "cycle_days = 28 WHERE account_id = 'DAY-30'": "its cycles cannot change, they have been billed",
        "cycle_days = NULL WHERE account_id = 'DAY-30'": "its cycles cannot change",
        "first_cycle_start = '2025-05-02' WHERE account_id = 'DAY-45'": "its cycles cannot change",
        "cycle_days = 30 WHERE account_id = 'MONTH'": "its cycles cannot change",
        "cycle_days = 6 WHERE account_id = 'MONTH'": "its cycles cannot change|account_cycle_days_check",
        # From the first to the 15th: 1 to 14 June would be billed twice.
        "anchor_day = 15 WHERE account_id = 'MONTH'": "they have been billed; close it and open another one",
        "time_zone = 'America/Vancouver' WHERE account_id = 'MONTH'": "its cycles cannot change",
        "first_cycle_start = '2025-06-01' WHERE account_id = 'MONTH'": "its cycles cannot change",
    }.items():
        with pytest.raises(psycopg2.Error, match=refused):
            operator.rows(f"UPDATE crm.account SET {change}")
    operator.rows("UPDATE crm.account SET payment_term_days = 14, cycle_days = 45 WHERE account_id = 'DAY-45'")


@pytest.mark.long
@pytest.mark.covers("BIL-19")
def test_cycles_stay_while_a_run_is_open_that_may_bill_them(operator: Operator, runs: list[dict[str, Any]]) -> None:
    operator.rows(
        "INSERT INTO crm.account (account_id, customer_id, currency, time_zone, anchor_day, first_cycle_start, "
        "tax_jurisdiction) SELECT name, 'CMONTH', 'CAD', 'UTC', 1, '2025-06-01', 'X' "
        "FROM unnest('{NEW,OTHER}'::text[]) AS name"
    )
    pins = {"rating_no": 1, "snapshot_id": 1, "pricebook_version": 1}
    bill_runs.begin(operator.settings, "2031-01", at("2031-02-01T05:00"), pins, [], "ann", ["NEW"])
    move = "UPDATE crm.account SET anchor_day = 15, first_cycle_start = '2025-06-15' WHERE account_id = '{}'"
    with pytest.raises(psycopg2.Error, match="while bill run 2031-01/regular/1 is open; post or void it first"):
        operator.rows(move.format("NEW"))
    operator.rows(move.format("OTHER"))
    operator.bill("void", "--cycle", "2031-01", "--reason", "a test")
    operator.rows(move.format("NEW"))
    moved = operator.rows("SELECT account_id FROM crm.account WHERE anchor_day = 15 ORDER BY 1")
    assert moved == [("NEW",), ("OTHER",)]


@pytest.mark.long
def test_a_first_day_that_no_snapshot_takes_can_become_that_of_a_billed_cycle(
    operator: Operator, runs: list[dict[str, Any]]
) -> None:
    change, guard = (
        "UPDATE crm.account SET first_cycle_start = '{}' WHERE account_id = 'MONTH'",
        "TRIGGER keep_billed_cycles",
    )
    for statement in (f"DISABLE {guard}", None, f"ENABLE {guard}"):
        operator.rows(f"ALTER TABLE crm.account {statement}" if statement else change.format("2025-04-20"))
    for refused in ("2025-04-01", "2025-06-01"):
        with pytest.raises(psycopg2.Error, match="its cycles cannot change"):
            operator.rows(change.format(refused))
    operator.rows(change.format("2025-05-01"))
    with pytest.raises(psycopg2.Error, match="its cycles cannot change"):
        operator.rows(change.format("2025-04-20"))


@pytest.mark.long
def test_a_zone_that_no_snapshot_takes_can_become_one_that_there_is(
    operator: Operator, runs: list[dict[str, Any]]
) -> None:
    change = "UPDATE crm.account SET time_zone = '{}' WHERE account_id = 'MONTH'"
    [(zone,)] = operator.rows("SELECT time_zone FROM crm.account WHERE account_id = 'MONTH'")
    for statement in ("DISABLE", None, "ENABLE"):
        of_trigger = f"ALTER TABLE crm.account {statement} TRIGGER keep_billed_cycles"
        operator.rows(of_trigger if statement else change.format("+05:00"))
    with pytest.raises(psycopg2.Error, match="its cycles cannot change"):
        operator.rows(change.format("+04:00"))
    operator.rows(change.format(zone))
    with pytest.raises(psycopg2.Error, match="its cycles cannot change"):
        operator.rows(change.format("Europe/Berlin"))
