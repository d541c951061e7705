"""The comparison of a whole lake: repeats nights and runs, agrees with equal tables and finds what differs."""

from __future__ import annotations

import gc
import io
import json
import sys
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from oracle.people import DEMO_BOOK, account, call, facts, local_us
from oracle.small_lake import bill_rows, month, rated_row, write, write_inputs

from tollgate.oracle.__main__ import main, preview_reader
from tollgate.oracle.billing_check import Biller, RunPins
from tollgate.oracle.book import PriceBook
from tollgate.oracle.compare import second_opinion
from tollgate.oracle.lake import RatingRun, read_accepted
from tollgate.oracle.rating_check import Outcome, rate_all, rated_events
from tollgate.oracle.rows import Contract

RUNS = [RatingRun(1, 1, 2, 1, 1), RatingRun(2, 3, 3, 2, 1), RatingRun(3, 4, 3, 2, 1)]
CONTRACT = Contract("K1", "S1", "A1", "term", date(2026, 9, 1), date(2027, 9, 1), None)
OCTOBER = RunPins("october", month("2026-10"), 1, 1)
PINS = {"run_id": "october", "cycle_start": "2026-10-01", "rating_no": 1, "snapshot_id": 1}
PREVIEW = RunPins("preview", month("2026-11"), 2, 2, is_preview=True)


class SmallLake:
    """Five events over three nights: one suspended for a night, one for ever, one twice under one id, one late."""

    def __init__(self, root: Path) -> None:
        self.root = root
        at = [local_us(2026, 10, day, 12) for day in (6, 7, 8, 9)]
        first, unknown = call(6100, at[0]), call(61, at[1], to="+9991234567")
        nobody = call(60, at[2])._replace(msisdn="+14162000009")
        again, late = call(30, at[3])._replace(event_id=first.event_id), call(119, at[3])
        of = account()._replace(first_cycle_start=OCTOBER.cycle_start)
        before, after = facts(of=of, contracts=[CONTRACT]), facts(of=of, contracts=[CONTRACT])
        holding = next(after.holdings())
        after._holdings[nobody.msisdn].append(holding._replace(msisdn=nobody.msisdn))
        self.snapshots, self.book = {1: before, 2: after}, PriceBook(DEMO_BOOK)
        write_inputs(root, RUNS, [(1, first), (1, unknown), (2, nobody), (2, again), (3, late)], self.snapshots)
        self.outcomes = rate_all(read_accepted(str(root)), RUNS, self.snapshots.__getitem__, lambda _: self.book)
        self.rated = [rated_row(outcome) for outcome in self.outcomes]
        write(root, "rated_usage", self.rated)
        biller = Biller(rated_events(self.outcomes), self.snapshots.__getitem__, lambda _: self.book, RUNS)
        self.bills = bill_rows("october", biller.bill(OCTOBER))
        for table, rows in self.bills.items():
            write(root, table, rows)

    def report(self, *runs: RunPins):
        return second_opinion(self.root, DEMO_BOOK, runs)


@pytest.fixture
def lake(tmp_path: Path) -> SmallLake:
    return SmallLake(tmp_path / "lake")


def summary(outcomes: list[Outcome]) -> list[tuple[int, str]]:
    return [(one.run.rating_no, one.priced.suspense_reason or one.priced.retail_status) for one in outcomes]


def test_nights_are_repeated_with_their_pins_until_an_event_is_rated(lake):
    assert summary(lake.outcomes) == [
        (1, "rated"),
        (1, "no_zone"),
        (1, "no_subscriber"),
        (2, "rated"),
        (1, "id_conflict"),
        (2, "rated"),
    ]


def test_equal_tables_are_found_equal_and_counted(lake):
    report = lake.report(OCTOBER)
    assert report.is_equal, json.dumps(report.as_json(), indent=1)
    assert {kind: one.compared for kind, one in report.comparisons.items()} == {
        "rated_usage": 6,
        "invoice_line": 3,
        "invoice": 1,
        "billed_usage": 1,
    }


def test_the_last_digit_of_a_charge_a_line_and_a_tax_share_is_seen(lake):
    lake.rated[0]["charge"] += Decimal("0.0001")
    lake.bills["invoice_line"][0]["amount"] += Decimal("0.01")
    lake.bills["invoice_line"][1]["tax_share"] -= Decimal("0.01")
    write(lake.root, "rated_usage", lake.rated)
    write(lake.root, "invoice_line", lake.bills["invoice_line"])
    report = lake.report(OCTOBER)
    assert {kind: one.different for kind, one in report.comparisons.items()} == {
        "rated_usage": 1,
        "invoice_line": 2,
        "invoice": 0,
        "billed_usage": 0,
    }
    assert dict(report.comparisons["rated_usage"].fields) == {"charge": 1}
    assert set(report.comparisons["invoice_line"].fields) == {"amount", "tax_share"}
    shown = report.comparisons["rated_usage"].first[0]["fields"]["charge"]
    assert shown == {"oracle": "12.240000", "tables": "12.240100"}


def test_a_row_on_one_side_only_is_a_difference(lake):
    stranger = {**lake.rated[0], "event_id": "stranger"}
    write(lake.root, "rated_usage", [*lake.rated[1:], stranger])
    comparison = lake.report().comparisons["rated_usage"]
    assert dict(comparison.fields) == {"missing": 1, "unexpected": 1}


@pytest.fixture
def collector() -> Iterator[None]:
    """The command stops the garbage collector of its process, which here is the tests' own."""
    yield
    gc.enable()


@pytest.mark.usefixtures("collector")
def test_the_command_ends_with_1_for_a_difference_and_2_for_what_cannot_be_read(lake, tmp_path, capsys):
    runs = tmp_path / "runs.json"
    runs.write_text(json.dumps([PINS]), encoding="utf-8")
    arguments = ["--pricebook", str(DEMO_BOOK), "--runs", str(runs), "--lake"]
    assert main([*arguments, str(lake.root)]) == 0
    assert json.loads(capsys.readouterr().out)["different"]["invoice_line"] == 0
    write(lake.root, "invoice_line", lake.bills["invoice_line"][1:])
    assert main([*arguments, str(lake.root)]) == 1
    assert main([*arguments, str(tmp_path / "nowhere")]) == 2
    assert "no Delta table here" in capsys.readouterr().err


def test_a_preview_is_compared_with_the_lines_that_are_given(lake):
    biller = Biller(rated_events(lake.outcomes), lake.snapshots.__getitem__, lambda _: lake.book, RUNS)
    biller.bill(OCTOBER)
    rows = bill_rows("preview", biller.bill(PREVIEW))["invoice_line"]
    assert [row["kind"] for row in rows] == ["invoice_fee", "prior_period", "recurring"]
    write(lake.root.parent, "preview_lines", rows)
    lines = DeltaTable(str(lake.root.parent / "preview_lines")).to_pyarrow_table()
    report = second_opinion(lake.root, DEMO_BOOK, [OCTOBER, PREVIEW], lambda run: lines if run is PREVIEW else None)
    assert report.is_equal
    assert report.comparisons["invoice_line"].compared == 6


def test_a_preview_that_follows_is_read_after_the_line_that_announces_it(tmp_path, monkeypatch):
    rows = pa.table({"run_id": ["preview", "other"], "line_no": [1, 2]})
    file = tmp_path / "lines.parquet"

    class Announcement:
        def readline(self) -> str:
            pq.write_table(rows, file)
            return "\n"

    monkeypatch.setattr(sys, "stdin", Announcement())
    lines_of = preview_reader([str(file)], is_to_follow=True)
    assert lines_of(OCTOBER) is None
    assert not file.exists()
    assert lines_of(PREVIEW).to_pylist() == [{"run_id": "preview", "line_no": 1}]


@pytest.mark.usefixtures("collector")
def test_runs_that_follow_are_read_after_the_line_that_announces_them(lake, tmp_path, monkeypatch, capsys):
    runs, asked = tmp_path / "runs.json", []

    class Announcement:
        def readline(self) -> str:
            asked.append(runs.exists())
            runs.write_text(json.dumps([PINS]), encoding="utf-8")
            return "\n"

    monkeypatch.setattr(sys, "stdin", Announcement())
    assert main(["--lake", str(lake.root), "--pricebook", str(DEMO_BOOK), "--runs", str(runs), "--runs-follow"]) == 0
    assert asked == [False] and json.loads(capsys.readouterr().out)["compared"]["invoice_line"] > 0
    # Whoever was to announce them has ended without a word.
    runs.unlink()
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    assert main(["--lake", str(lake.root), "--pricebook", str(DEMO_BOOK), "--runs", str(runs), "--runs-follow"]) == 2
    assert "runs.json" in capsys.readouterr().err
