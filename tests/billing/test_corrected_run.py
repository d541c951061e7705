"""A posted call is corrected: the next run is drafted, gated, posted and verified, and both stores balance."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from billing.small_month import account, agreement, at, usage
from billing.small_operator import BOOK, Operator, rating
from billing.test_corrected_usage import corrected
from pyspark.sql import SparkSession
from reference.places import own_places

from jobs import reconcile
from tollgate.platform.postgres import migrate
from tollgate.platform.settings import Settings

MAY = usage("FIX", "f1", at("2025-05-20T16:00"), 6_180)
RIGHT = usage("FIX", "f1", at("2025-05-20T16:00"), 6_180, unit_price_micros=150_000)


@pytest.fixture
def operator(spark: SparkSession, services: Settings, tmp_path: Path) -> Operator:
    """May is posted: 6,000 s were free, 180 s were 0.30."""
    made = Operator(spark, own_places(services, tmp_path))
    migrate(made.settings)
    made.seed([account("FIX")], [agreement("FIX", starts_on=date(2025, 1, 1))])
    made.publish(BOOK, 1)
    made.rate(1, [MAY])
    post(made, "2025-05")
    return made


def post(operator: Operator, cycle: str) -> dict[str, Any]:
    run_id = operator("run", cycle)["run_id"]
    operator("approve", cycle, "--approver", "auto")
    operator.gate("--run-id", run_id)
    return operator("post", cycle)


@pytest.mark.long
@pytest.mark.covers("BIL-11", "BIL-12", "BIL-13", "BIL-23")
def test_a_corrected_call_is_posted_verified_and_in_balance(operator: Operator) -> None:
    operator.write("rated_usage", corrected(MAY, RIGHT), 2)
    operator.write("control_rating", [{**rating(2, 2), "corrected": 1, "selection": "{}"}], 2)
    operator.gate("--table", "rated_usage")
    june = post(operator, "2025-06")
    issued = operator.rows(
        "SELECT kind, events, units, free_units, amount FROM billing.invoice_line JOIN billing.invoice "
        f"USING (invoice_no) WHERE run_id = '{june['run_id']}' AND kind LIKE 'usage_%' ORDER BY kind"
    )
    # Three minutes were paid: 0.45 in the place of 0.30.
    assert issued == [
        ("usage_correction", 1, 6_180, 6_000, Decimal("0.450")), ("usage_reversal", 1, 6_180, 6_000, Decimal("-0.300")),
    ]  # fmt: skip
    revenue = operator.rows(
        "SELECT sum(amount) FROM billing.posting JOIN billing.journal USING (journal_no) "
        f"WHERE run_id = '{june['run_id']}' AND ledger_account = 'revenue_voice'"
    )
    assert revenue == [(Decimal("-0.150"),)]
    assert operator.bill("verify", "--run-id", june["run_id"])["verified"]
    told = reconcile.check(operator.spark, operator.settings)["equations"]
    broken = [one for one in told if one["stage"] in ("billing", "ledger") and not one["holds"]]
    assert not broken
    corrections = [one for one in told if one["equation"].startswith(("each reversal", "reversals"))]
    assert len(corrections) == 3 and all(one["holds"] for one in corrections)
