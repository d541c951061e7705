"""Errors planted in rated usage and in invoices: found, told with their counts, and the next job refuses; warnings
stop nothing. What was found stands on pages that need no network."""

from __future__ import annotations

import re
from datetime import date, datetime, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from billing.small_month import at, frame, usage
from frames import assert_rows
from pyspark.sql import SparkSession

from jobs import bill_accounts, bill_runs, check_quality, quality_docs
from jobs.bill_completion import complete
from jobs.bill_decisions import approve, void
from jobs.posting import post_run
from jobs.quality_gates import refuse_unchecked_invoices, refuse_unchecked_rating
from tollgate.assurance.views import VIEWS
from tollgate.platform.errors import TollgateError
from tollgate.platform.lake import Lake
from tollgate.platform.postgres import migrate
from tollgate.platform.settings import Settings

AS_OF = datetime(2031, 2, 1, tzinfo=timezone.utc)
NOT_RATED = {"retail_status": "suspended", "charge": None}
COSTED = {"wholesale_status": "costed", "cost_id": "c", "cost_numerator": Decimal(1), "cost_denominator": Decimal(1)}
# The expectation that must find it, and the field that is wrong.
RATED: dict[str, dict[str, Any]] = {
    "is_charged_unless_suspended": {"charge": None},
    "has_reason_if_suspended": NOT_RATED,
    "suspense_reason": {**NOT_RATED, "suspense_reason": "who_knows"},
    "retail_status": {"retail_status": "free"},
    "wholesale_status": {"wholesale_status": "cheap"},
    "is_free_if_zero_rated": {"retail_status": "zero_rated", "charge": Decimal("0.000001")},
    "is_charge_in_bounds": {"charge": Decimal("-0.000001")},
    "is_a_kind": {"revision": 2},
    "is_owned_unless_suspended": {"contract_id": None},
    "is_placed_unless_suspended": {"currency": None},
    "is_explained_if_rated": {"rate_id": None},
    "is_cut_in_pieces_if_rated": {"piece_band": None},
    "is_costed_if_it_says_so": {"wholesale_status": "costed", "cost_id": "c", "cost_numerator": Decimal(1),
                                "cost_denominator": Decimal(1)},
    "is_cost_in_bounds": {**COSTED, "cost": Decimal("1000000.000001"), "charge": Decimal("0.1"),
                          "margin": Decimal("-999999.900001")},
    "is_cost_explained": {**COSTED, "cost_numerator": None, "cost": Decimal("0.08"), "charge": Decimal("0.1"),
                          "margin": Decimal("0.02")},
    "is_margin_charge_less_cost": {**COSTED, "cost": Decimal("0.08"), "charge": Decimal("0.1"),
                                   "margin": Decimal("0.020001")},
}  # fmt: skip
INVOICE: dict[str, dict[str, Any]] = {
    "is_sum_of_net_and_tax": {"total": Decimal("1.131")},
    "are_lines_all_there": {"lines": 2},
    "is_net_of_its_lines": {"net": Decimal("1.01"), "total": Decimal("1.14")},
    "is_tax_of_its_lines": {"tax": Decimal("0.14"), "total": Decimal("1.14")},
    "currency": {"currency": "XXX"},
    "content_hash": {"content_hash": "A" * 64},
    "is_cycle_whole": {"cycle_end": date(2031, 1, 1)},
    "has_lines": {},
}
LINE: dict[str, dict[str, Any]] = {
    "is_in_minor_units": {"amount": Decimal("1.001")},
    "lines_odd": {"free_units": 1},
    "is_total_in_bounds": {"amount": Decimal("1000000.00")},
}


class Desk:
    """The gates on a lake of their own, and a database in which bill runs are."""

    def __init__(self, spark: SparkSession, settings: Settings) -> None:
        self.spark, self.settings, self.lake = spark, settings, Lake(spark, settings.lake.root)

    def put(self, table: str, rows: list[dict[str, Any]], version: int = 1) -> None:
        self.lake.append(frame(self.spark, table, rows), table, "test", version)

    def gate(self, *arguments: str) -> list[dict[str, Any]]:
        asked = check_quality.parser().parse_args(list(arguments))
        return check_quality.run(self.spark, self.settings, asked)["checked"]

    def rate(self, number: int, rows: list[dict[str, Any]], marked: int | None = None) -> None:
        counts = {"rated": len(rows) if marked is None else marked, "from_batch_no": number, "to_batch_no": number,
                  "charge_total": Decimal(0), "cost_total": Decimal(0), "balanced": True, "rating_no": number,
                  "snapshot_id": 1, "pricebook_version": 1}  # fmt: skip
        counts |= dict.fromkeys(("accepted_in", "retried_in", "suspended", "still_suspended"), 0)
        self.put("rated_usage", [{**row, "rating_no": number} for row in rows], number)
        self.put("control_rating", [counts], number)

    def bill(self, cycle: str, invoices: list[dict[str, Any]], lines: list[dict[str, Any]]) -> bill_runs.BillRun:
        """An approved run with these invoices."""
        pins = {"rating_no": 1, "snapshot_id": 1, "pricebook_version": 1}
        run = bill_runs.begin(self.settings, cycle, AS_OF, pins, [], "ann")
        for table, rows in (("invoice", invoices), ("invoice_line", lines)):
            self.lake.append(frame(self.spark, table, [{**row, "run_id": run.run_id} for row in rows]), table, cycle, 1)
        totals = {"accounts": 9, "invoices": len(invoices), "lines": len(lines), "net": 1, "tax": 1, "total": 2,
                  "content_hash": "a" * 64, "parked": 0, "not_due": 0}  # fmt: skip
        approve(self.settings, complete(self.settings, run, totals, [], "ann"), "bob")
        return bill_runs.find_run(self.settings, run.run_id)


def invoice(account_id: str, **fields: Any) -> dict[str, Any]:
    sound = {"customer_id": "c", "cycle_start": date(2031, 1, 1), "cycle_end": date(2031, 2, 1), "sequence": 1,
             "invoice_kind": "regular", "currency": "CAD", "minor_digits": 2, "lines": 1, "net": Decimal("1.00"),
             "tax": Decimal("0.13"), "total": Decimal("1.13"), "content_hash": "a" * 64}  # fmt: skip
    return {**sound, "account_id": account_id, **fields}


def line(account_id: str, **fields: Any) -> dict[str, Any]:
    sound = {"line_no": 1, "line_key": "k", "kind": "invoice_fee", "description": "fee", "events": 0, "units": 0,
             "free_units": 0, "exact_total": Decimal(1), "amount": Decimal("1.00"), "tax_category": "standard",
             "tax_id": "t", "tax_share": Decimal("0.13")}  # fmt: skip
    return {**sound, "account_id": account_id, **fields}


def call(event_id: str, **fields: Any) -> dict[str, Any]:
    return {**usage("GATE", event_id, at("2031-01-05T12:00"), 60), **fields}


@pytest.fixture(scope="module")
def desk(spark: SparkSession, services: Settings, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    root = tmp_path_factory.mktemp("gates") / "lake"
    made = Desk(spark, services.model_copy(update={"lake": services.lake.model_copy(update={"root": str(root)})}))
    migrate(made.settings)
    made.put("control_snapshot", [{"snapshot_id": 1, "digest": "d", "rows": 0}])
    made.put("price_currency", [{"pricebook_version": 1, "currency": "CAD", "minor_digits": 2}])
    made.put("price_version", [{
        "pricebook_version": 1, "digest": "d", "author": "a", "reason": "r", "name": "n", "currency": "CAD",
        "time_zone": "UTC", "factor_den": 10, "discount_den": 20, "band_slots": 3, "amount_type": "BIGINT",
    }])  # fmt: skip
    # A row as it was before there were warnings.
    old = {"suite": "usage_event", "table_name": "usage_event", "from_no": 0, "to_no": 3, "rows_checked": 9}
    made.put("quality_result", [{**old, "passed": True, "failed_expectations": []}])
    return made


def not_met(error: pytest.ExceptionInfo[TollgateError]) -> dict[str, str]:
    """Column or table to what was counted, of the blocking expectations in the message."""
    return dict(re.findall(r"^  - expect_\w+ of ([\w ]+): (.*)$", str(error.value), re.MULTILINE))


@pytest.mark.covers("QUA-06")
def test_rated_usage_with_planted_errors_is_not_billed_and_warnings_stop_nothing(desk: Desk) -> None:
    held = {**NOT_RATED, "suspense_reason": "no_zone"}
    desk.rate(1, [call("held", **held), call("dear", charge=Decimal("500.01")), call("sound")])
    (warned,) = desk.gate("--table", "rated_usage")
    assert (warned["from_no"], warned["to_no"], warned["rows_checked"]) == (1, 1, 3)
    assert warned["warnings"] == [
        "expect_column_values_to_be_in_set of is_not_suspended: 1 of 3 rows, 95.0% must be met",
        "expect_column_values_to_be_in_set of is_charge_usual: 1 of 3 rows",
    ]
    refuse_unchecked_rating(desk.lake, 1)

    planted = [call(name, **wrong) for name, wrong in RATED.items()]
    desk.rate(2, planted, marked=len(planted) - 1)
    with pytest.raises(TollgateError, match="suite rated_usage is not met by rating runs 2 to 2") as refused:
        desk.gate("--table", "rated_usage")
    n = len(planted)
    assert not_met(refused) == {"the table": f"found {n}", **dict.fromkeys(RATED, f"1 of {n} rows")}
    assert "rated_usage.expectations.json" in str(refused.value)
    # A draft asks for every rating run that it would take; the preview asks nothing.
    with pytest.raises(TollgateError, match="rated usage was not passed by the quality gate") as stopped:
        bill_accounts.draft(desk.spark, desk.settings, "2031-01", AS_OF, "ann")
    assert "1 without one, the first is 2" in str(stopped.value)
    assert "tollgate check-quality --table rated_usage" in str(stopped.value)
    assert bill_runs.open_run(desk.settings, "2031-01") is None


@pytest.mark.covers("QUA-06")
def test_invoices_with_planted_errors_are_not_posted_and_warnings_stop_nothing(desk: Desk) -> None:
    odd = {name: {**wrong, "net": wrong.get("amount", Decimal("1.00"))} for name, wrong in LINE.items()}
    invoices = [invoice(name, **wrong) for name, wrong in INVOICE.items()]
    invoices += [invoice(name, net=one["net"], total=one["net"] + Decimal("0.13")) for name, one in odd.items()]
    lines = [line(name) for name in INVOICE if name != "has_lines"]
    lines += [line(name, **wrong) for name, wrong in LINE.items()] + [line("without an invoice")]
    run = desk.bill("2031-01", invoices, lines)
    with pytest.raises(TollgateError, match=f"suite invoice is not met by bill run {run.run_id}") as refused:
        desk.gate("--run-id", run.run_id)
    # The line without an invoice is a row of its own, and has none of what an invoice has.
    n = len(invoices) + 1
    found = dict.fromkeys((*INVOICE, *LINE, "has_invoice"), f"1 of {n} rows")
    assert not_met(refused) == {
        **found,
        "the table": f"found {n}",
        "is_in_minor_units": f"2 of {n} rows",
        "are_lines_all_there": f"3 of {n} rows",
        "is_net_of_its_lines": f"3 of {n} rows",
        "is_tax_of_its_lines": f"3 of {n} rows",
    }
    with pytest.raises(TollgateError, match="the invoices were not passed by the quality gate") as stopped:
        post_run(desk.spark, desk.settings, run, "ann")
    assert f"tollgate check-quality --run-id {run.run_id}" in str(stopped.value)
    assert bill_runs.find_run(desk.settings, run.run_id).status == "approved"
    void(desk.settings, run, "bob")

    back = {"net": Decimal("-9.00"), "tax": Decimal(0), "total": Decimal("-9.00")}
    credited = line("credit", amount=Decimal("-9.00"), tax_id=None, tax_share=Decimal(0))
    run = desk.bill("2031-02", [invoice("credit", **back)], [credited])
    (warned,) = desk.gate("--table", "invoice")
    assert (warned["run_id"], warned["rows_checked"]) == (run.run_id, 1)
    assert [text.split(": ")[0] for text in warned["warnings"]] == [
        "expect_column_values_to_be_in_set of is_total_not_negative"
    ]
    refuse_unchecked_invoices(desk.lake, run.run_id)
    assert desk.gate("--table", "invoice") == [], "a run that passed is not checked again"
    void(desk.settings, run, "bob")


@pytest.mark.covers("QUA-06")
def test_the_last_results_stand_on_pages_that_need_no_network(desk: Desk, tmp_path: Path) -> None:
    """After the two tests above: two results of rated usage, two of bill runs, one without findings."""
    desk.lake.register_views(VIEWS, "SELECT * FROM control_total")
    assert_rows(
        desk.spark.sql("SELECT stage, no, items_in, balanced FROM control_total WHERE stage LIKE 'quality%'"),
        ("quality of usage_event", 3, 9, True),
        ("quality of rated_usage", 1, 3, True),
        ("quality of rated_usage", 2, len(RATED) - 1, False),
        ("quality of invoice", 1, len(INVOICE) + len(LINE), False),
        ("quality of invoice", 1, 1, True),
    )
    asked = quality_docs.parser().parse_args(["--to", str(tmp_path / "docs")])
    told = quality_docs.run(desk.spark, desk.settings, asked)
    assert (told["pages"], told["results"]) == (4, 5)
    text = {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / "docs").iterdir()}
    assert set(text) == {"index.html", "usage_event.html", "rated_usage.html", "invoice.html"}
    for name, page in text.items():
        linked = re.findall(r"""(?:href|src|action|data)\s*=\s*["']?([^"'\s>]+)""", page)
        assert {link for link in linked if not link.startswith("#")} <= set(text), f"{name}: {linked}"
        assert not re.search(r"//\w|@import|url\(|<script|<link|<iframe", page), f"{name} asks for something elsewhere"
    assert all(f'href="{name}"' in text["index.html"] for name in text if name != "index.html")
    assert "older than the findings" in text["usage_event.html"]
    assert "sold below what the carrier takes" in text["rated_usage.html"]
    assert "margin &lt;=&gt; charge - cost" in text["rated_usage.html"]
    assert re.search(r"is_margin_charge_less_cost.*1 unexpected values found", text["rated_usage.html"], re.DOTALL)
    assert "passed, with warnings" in text["invoice.html"] and "100% unexpected" in text["invoice.html"]
