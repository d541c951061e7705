"""`tollgate month` without a cycle: what is due of months and of days, one after the other."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from billing.small_month import account, agreement, at, frame, usage
from billing.small_operator import BOOK, Operator
from frames import assert_rows, small_frame
from pyspark.sql import SparkSession
from reference.places import own_places

from jobs import month
from tollgate.billing.cycles import due_cycles
from tollgate.platform.postgres import migrate
from tollgate.platform.settings import Settings

RUNS, OF_RUN = "run_id STRING, cycle STRING, as_of TIMESTAMP", "run_id STRING, account_id STRING"


@pytest.mark.covers("BIL-08", "CON-19")
def test_what_has_ended_and_is_not_settled_is_due_by_its_key(spark: SparkSession) -> None:
    # On 16 June, 00:00 in Toronto. Months end on 1 June, 30 days on 31 May, 7 days on 8, 15, 22, 29 May, 5 and 12 June.
    accounts = [
        account("month"), account("days", cycle_days=30), account("week", cycle_days=7),
        account("parked"), account("named", first_cycle_start=date(2025, 4, 1)),
        account("closed", closed_on=date(2025, 5, 1)), account("last bill", closed_on=date(2025, 5, 2)),
        account("starts", first_cycle_start=date(2025, 6, 1)), account("anchor", anchor_day=17),
        account("long ago", first_cycle_start=date(2024, 3, 1), closed_on=date(2024, 6, 1)),
    ]  # fmt: skip
    runs = [("april", "2025-04", at("2025-05-02T00:00")), ("may", "2025-05", at("2025-06-02T00:00")),
            ("early", "2025-05.2", at("2025-05-10T00:00"))]  # fmt: skip
    parked = small_frame(spark, [("may", "parked"), ("may", "named")], OF_RUN)
    named = small_frame(spark, [("april", "another")], OF_RUN)
    posted = small_frame(spark, runs, RUNS)
    found = due_cycles(frame(spark, "ref_account", accounts), at("2025-06-16T04:00"), posted, parked, named)
    assert_rows(
        found,
        # March and April of that year are more than thirteen months ago.
        ("2024-05", 1, 1),
        # April was billed for another account by name.
        ("2025-04", 1, 1),
        # Two were set aside; `named` has to wait for its April.
        ("2025-05", 2, 1),
        # The second week had not ended when its run was begun.
        ("2025-05.2", 1, 1), ("2025-05.3", 1, 0), ("2025-05.4", 1, 0), ("2025-05.5", 1, 0), ("2025-06", 1, 0),
    )  # fmt: skip


@pytest.fixture
def operator(spark: SparkSession, services: Settings, tmp_path: Path) -> Operator:
    made = Operator(spark, own_places(services, tmp_path))
    migrate(made.settings)
    accounts = [account("DAY-30", cycle_days=30), account("MONTH")]
    made.seed(accounts, [agreement(row["account_id"], "month_to_month") for row in accounts])
    made.publish(BOOK, 1)
    days = ("2025-05-03T16:00", "2025-06-03T16:00")
    calls = [
        usage(name, f"{name}{day}", at(day), 60, plan_id="month_to_month")
        for name in ("DAY-30", "MONTH")
        for day in days
    ]
    made.rate(1, calls)
    return made


@pytest.mark.long
@pytest.mark.covers("BIL-08", "BIZ-03")
def test_every_cycle_that_is_due_is_billed_one_after_the_other(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Rated rows by hand come from no accepted usage, so the equations up to rating do not hold.
    monkeypatch.setattr(month, "_equations", lambda *_: {})

    def due(as_of: str, *arguments: str) -> list[dict[str, Any]]:
        args = month.parser().parse_args(["--as-of", as_of, *arguments])
        return month.run_due(operator.spark, operator.settings, args)

    def played(told: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
        return [(one["cycle"], one.get("bill_status"), one["totals"].get("invoices")) for one in told]

    july = "2025-07-02T04:00:00Z"
    # Of 30 days: 1 to 31 May, 31 May to 30 June, and to 30 July, which has not ended.
    (told,) = due(july, "--dry-run")
    assert (told["cycle"], told["totals"]["invoices"], told["run_id"]) == ("2025-05", 2, None)
    command = "tollgate month --cycle {} --as-of 2025-07-02T04:00:00Z"
    assert told["also_due"] == [
        {"cycle": key, "accounts": 1, "ready": 0, "command": command.format(key)} for key in ("2025-05.2", "2025-06")
    ]
    assert played(due(july)) == [("2025-05", "draft", 2)]
    # A day later the draft goes on with its own --as-of, and what waited for it follows.
    told = due("2025-07-03T04:00:00Z", "--post")
    assert played(told) == [("2025-05", "posted", 2), ("2025-05.2", "posted", 1), ("2025-06", "posted", 1)]
    assert [f"{one['as_of']:%d}" for one in told] == ["02", "03", "03"] and told[-1]["also_due"] == []
    (told,) = due("2025-07-03T04:00:00Z", "--post")
    assert (told["cycle"], told["status"], told["next"]) == (
        None, "done", "nothing: no cycle is due by 2025-07-03T04:00:00Z",
    )  # fmt: skip
    history = operator.rows("SELECT cycle, status FROM ops.job_run WHERE command = 'month' ORDER BY run_id")
    assert history == [(key, "done") for key in ("2025-05", "2025-05", "2025-05.2", "2025-06")]
