"""A simulated operator, billed month by month by the real jobs: the oracle's bills, and one digest in any order."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from faults.fixtures import create_database, settings_of
from faults.route import Route
from years.lives import draw_lives
from years.two_years import Operator, Playing, sha256_of
from years.usage import doubled, draw_arrivals, permuted

from generators.customers import months_later
from generators.dirt import DirtRates
from jobs import reconcile
from tollgate.platform.postgres import connect

pytestmark = pytest.mark.usefixtures("one_partition")
OTHER_ORDERS = {
    "all": Playing("all", doubled, batch=170),
    "cut": Playing("cut", permuted, batch=170, nights=2),
    "doubled": Playing("doubled", doubled),
}
# What two years bring about; a shorter run has some of it.
KINDS = {
    "usage", "prior_period", "usage_reversal", "usage_correction", "recurring", "deposit", "deposit_credit",
    "deposit_forfeit", "invoice_fee", "one_off", "one_off_credit", "discount", "top_up", "prepaid_balance",
    "prepaid_used", "prepaid_forfeit",
}  # fmt: skip


@pytest.fixture
def operator_of(spark, services, tmp_path: Path) -> Callable[..., Operator]:
    """Draws an operator of so many accounts, and plays it in the first order or another one."""

    def play(seed: int, accounts: int, first: date, months: int, usage: int, playing: Playing) -> Operator:
        lives = draw_lives(seed, accounts, first, months)
        rates = DirtRates.from_settings(services.generator)
        arrivals = draw_arrivals(lives, seed, first, months + 1, usage, rates)
        name = f"years_{playing.name}_{months}"
        create_database(services, name, None)
        route = Route(spark, settings_of(services, tmp_path / name / "lake", name))
        operator = Operator(route, lives, arrivals, first, tmp_path / f"{name}_made", playing)
        operator.play()
        return operator

    return play


def figures(operator: Operator) -> dict[str, Any]:
    """What an operator's months came to."""
    lake = operator.route.lake
    events = lake.read("usage_event").where("disposition = 'accepted'").selectExpr(
        "count(*) AS events",
        "count_if(date_trunc('MONTH', arrived_at) > date_trunc('MONTH', started_at)) AS late",
        "max(datediff(arrived_at, started_at)) AS latest_days",
    ).first()  # fmt: skip
    billed = lake.read("billed_usage").selectExpr(
        "count(*) AS billed_events", "count_if(line_key LIKE 'prior_period%') AS billed_late",
        "count_if(kind = 'reversal') AS reversals", "count_if(kind = 'correction') AS corrections",
    ).first()  # fmt: skip
    runs = {name: sum(run[name] for run in operator.runs) for name in ("accounts", "invoices", "lines", "parked")}
    assert events and billed
    return {
        "lines_of_accounts": len(operator.lives.population.lines), "bill_runs": len(operator.runs), **runs,
        "received": operator.counts["received"], **events.asDict(), **billed.asDict(),
        **{name: operator.counts[name] for name in ("corrected_prices", "corrected_owners")},
        "sha256": sha256_of(operator.issued()),
    }  # fmt: skip


def check_against_the_oracle(operator: Operator) -> dict[str, Any]:
    """Nothing differs, every hand-over balances, nobody is parked but closed accounts; what was compared."""
    report = operator.route.opinion(operator.books)
    assert report.is_equal, json.dumps(report.as_json(), indent=1)
    broken = [
        one for one in reconcile.check(operator.route.spark, operator.route.settings)["equations"] if not one["holds"]
    ]
    assert not broken
    assert {row[0] for row in rows(operator, "SELECT DISTINCT reason FROM ops.bill_account_park")} <= {"account_closed"}
    compared = {kind: one.compared for kind, one in report.comparisons.items()}
    return {"compared": compared, "differences": sum(one.different for one in report.comparisons.values())}


def rows(operator: Operator, query: str) -> list[tuple[Any, ...]]:
    session = connect(operator.route.settings)
    try:
        with session, session.cursor() as cursor:
            cursor.execute(query)
            return cursor.fetchall()
    finally:
        session.close()


def kinds_of(operator: Operator) -> Counter[str]:
    """Lines as issued, by kind."""
    return Counter(dict(rows(operator, "SELECT kind, count(*) FROM billing.invoice_line GROUP BY kind")))


@pytest.mark.long
@pytest.mark.covers("BIL-08", "BIL-19", "BIL-21", "CON-21", "QUA-02")
def test_a_leap_february_by_a_whole_book_is_billed_as_the_oracle_does(operator_of):
    """February 2028 of ten accounts and the usage of March, with the change of clocks."""
    operator = operator_of(20280201, 10, date(2028, 2, 1), 1, 220, Playing("whole", is_whole_book=True))
    found = {**figures(operator), **check_against_the_oracle(operator)}
    assert found["differences"] == 0 and found["invoices"] >= 9
    assert found["late"] > 0 and found["corrected_prices"] > 0
    cycles = rows(operator, "SELECT cycle_start, cycle_end FROM billing.invoice")
    assert (date(2028, 2, 29), date(2028, 3, 31)) in cycles and (date(2028, 2, 29), date(2028, 3, 29)) in cycles
    assert {"usage", "recurring", "deposit", "invoice_fee", "prepaid_used"} <= set(kinds_of(operator))


@pytest.mark.long
@pytest.mark.covers("BIL-08", "BIL-11", "BIL-12", "BIL-19", "BIL-21", "CON-19", "CON-21", "MED-11", "QUA-02")
def test_months_of_an_operator_are_billed_as_the_oracle_does_in_any_order(operator_of, pytestconfig):
    """Two years unless --months says otherwise; writes build/operator.json."""
    option = pytestconfig.getoption
    months, first = option("--months"), date.fromisoformat(f"{option('--first-month')}-01")
    size = (option("--lives-seed"), option("--accounts"), first, months, option("--usage"))
    told: dict[str, Any] = {
        "first_month": option("--first-month"), "months": months, "seed": size[0], "operators_accounts": size[1],
        "records_a_month": size[-1],
    }  # fmt: skip
    begun = time.monotonic()
    operator = operator_of(*size, Playing("first"))
    told |= {**figures(operator), "lines_by_kind": kinds_of(operator), "seconds": round(time.monotonic() - begun)}
    told |= check_against_the_oracle(operator)
    out = pytestconfig.rootpath / "build" / "operator.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")

    others = [name for name in option("--other-orders").split(",") if name]
    for name in others:
        other = operator_of(*size, OTHER_ORDERS[name])
        told[f"sha256_{name}"] = sha256_of(other.issued())
        out.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
        assert other.issued() == operator.issued(), name
    if months >= 24 and size[1] >= 60:
        anchors = {terms.anchor_day for terms in operator.lives.terms}
        assert anchors == set(range(1, 32))
        assert set(told["lines_by_kind"]) >= KINDS, KINDS - set(told["lines_by_kind"])
        assert told["latest_days"] > 62 and told["corrected_owners"] > 0
        assert months_later(first, months) > date(2028, 2, 29) >= first
