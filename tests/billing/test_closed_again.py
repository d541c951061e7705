"""A closed account whose late usage a run has parked: once the cause is mended, its cycle has a further run."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from billing.small_month import HST, account, agreement, at, usage
from billing.small_operator import AS_OF, BOOK, Operator
from frames import assert_rows
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from reference.places import own_places

from tollgate.platform.postgres import migrate
from tollgate.platform.settings import Settings

JUNE_1 = date(2025, 6, 1)
# A rule of another jurisdiction, which ends with the first half of June.
ELSEWHERE = {**HST, "tax_id": "elsewhere", "jurisdiction": "ELSEWHERE"}
ENDING = {**BOOK, "tax": [HST, {**ELSEWHERE, "valid_to": at("2025-06-15T00:00")}]}
MENDED = {**BOOK, "tax": [HST, ELSEWHERE]}
PLAN = {"plan_id": "month_to_month"}


@pytest.fixture
def operator(spark: SparkSession, services: Settings, tmp_path: Path) -> Operator:
    made = Operator(spark, own_places(services, tmp_path))
    migrate(made.settings)
    made.seed(
        [account("OPEN"), account("CLOSED", closed_on=JUNE_1, tax_jurisdiction="ELSEWHERE")],
        [agreement("OPEN", "month_to_month"), agreement("CLOSED", "month_to_month", cancelled_on=JUNE_1)],
    )
    made.publish(ENDING, 1)
    made.rate(1, [usage(name, name, at("2025-05-02T16:00"), 60, **PLAN) for name in ("OPEN", "CLOSED")])
    return made


@pytest.mark.long
@pytest.mark.covers("BIL-13", "BIL-21")
def test_parked_late_usage_of_a_closed_account_is_billed_by_a_further_run_of_its_cycle(operator: Operator) -> None:
    def run(cycle: str) -> dict[str, Any]:
        return operator.bill("run", "--cycle", cycle, "--as-of", AS_OF[cycle])

    def posted(cycle: str) -> dict[str, Any]:
        run_id = run(cycle)["run_id"]
        operator.gate("--run-id", run_id)
        operator.bill("approve", "--run-id", run_id, "--approver", "eve", "--accept-outliers")
        return operator.bill("post", "--run-id", run_id)

    assert posted("2025-05")["invoices"] == 2
    # Ten minutes of May at 0.05 that came too late for its bill.
    operator.rate(2, [usage("CLOSED", "late", at("2025-05-03T16:00"), 600, rating_no=2, batch_no=2, **PLAN)])
    june = posted("2025-06")
    assert (june["invoices"], june["parked"]) == (1, 1)
    shown = operator.bill("show", june["run_id"])["parked_accounts"]
    assert shown == [{"account_id": "CLOSED", "reason": "no tax rule for a taxable line"}]
    operator.publish(MENDED, 2)
    again = posted("2025-06")
    lines = operator.lake.read("invoice_line").where(F.col("run_id") == again["run_id"])
    # Beside them a discount on the volume of May.
    assert_rows(
        lines.where("kind IN ('prior_period', 'invoice_fee')").select("account_id", "kind", "amount"),
        ("CLOSED", "prior_period", Decimal("0.500")), ("CLOSED", "invoice_fee", Decimal("1.000")),
    )  # fmt: skip
    assert (again["run_id"], again["accounts"], again["parked"]) == ("2025-06/regular/2", 1, 0)
    assert "no account of it is left to bill" in run("2025-06")["note"]
