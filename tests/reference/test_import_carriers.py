"""Importing carrier tables: the demo's rates from the stated ones, overlaps, the file whole or untouched."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from told import message

from jobs import import_carriers
from tollgate.platform.job import main_without_spark
from tollgate.reference.catalog_rows import catalog_rows
from tollgate.reference.pricebook_checks import check_price_book

pytestmark = pytest.mark.covers("RAT-48")
ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "conf" / "pricebook"
# The stated carrier prices, and the countries' and other services' of the demo operator.
RATE_TABLES = Path(__file__).with_name("rate_tables.json")
HEADER = (DEMO / "carrier_rate.csv").read_text().partition("\n")[0]
OPEN = "2024-01-01,"


@pytest.fixture
def book(tmp_path):
    """A copy of the demo book."""
    return Path(shutil.copytree(DEMO, tmp_path / "book"))


@pytest.fixture
def run(tmp_path, book, capsys):
    """Import a table, text or object, into the copy: exit code, stdout, the message of a refusal."""

    def run(table: object, *flags: str) -> tuple[int, str, str]:
        file = tmp_path / "table.json"
        file.write_text(table if isinstance(table, str) else json.dumps(table), encoding="utf-8")
        argv = [str(file), "--pricebook", str(book), *flags]
        code = main_without_spark(import_carriers.parser(), import_carriers.run_cli, argv)
        out, err = capsys.readouterr()
        return code, out, message(err) if code else ""

    return run


def write_lines(book: Path, *lines: str) -> None:
    (book / "carrier_rate.csv").write_text("\n".join([HEADER, *lines]) + "\n")


def lines_of(book: Path) -> list[str]:
    return (book / "carrier_rate.csv").read_text().splitlines()[1:]


def table(carriers: dict, **others: str) -> dict:
    return {"currency": "CAD", "valid_from": "2024-01-01", "carriers": carriers, **others}


def gb(price: str, **others: str) -> dict:
    return table({"c1": {"international": {"GB": price}}}, **others)


def gb_line(name: str, price: str, validity: str) -> str:
    return f"{name},c1,voice,international,GB,*,{price},second,60,,60,,4,half_up,,,{validity}"


def test_the_stated_table_gives_the_rates_of_the_demo(run, book):
    write_lines(book)
    code, out, _ = run(RATE_TABLES.read_text())
    assert code == 0 and json.loads(out)["added"] == 84

    def content(folder: Path) -> list[list[str]]:
        with (folder / "carrier_rate.csv").open(newline="") as stream:
            return sorted(line[1:] for line in csv.reader(stream))

    assert content(book) == content(DEMO)
    found, findings = check_price_book(book)
    assert findings == [] and found is not None
    assert len(catalog_rows(found, "carrier_rate")) == 84


def test_on_the_demo_book_itself_it_changes_nothing(run, book):
    before = (book / "carrier_rate.csv").stat()
    code, out, _ = run(RATE_TABLES.read_text())
    assert code == 0
    assert json.loads(out) == {
        "file": str(book / "carrier_rate.csv"), "added": 0, "unchanged": 84, "shortened": 0, "removed": 0,
        "written": False, "message": "carrier_rate.csv holds these prices already",
    }  # fmt: skip
    after = (book / "carrier_rate.csv").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_the_example_of_the_reference_can_be_imported(run, book):
    page = (ROOT / "docs" / "pricebook.md").read_text()
    example = page.partition("```json\n")[2].partition("```")[0]
    code, out, _ = run(example, "--replace")
    # In the demo book only the price of 001 is new; everything else is said already, for longer.
    assert code == 0 and (json.loads(out)["added"], json.loads(out)["unchanged"]) == (1, 8)
    assert (
        "carrier_001,voice,international,001,*,0.95,second,60,,60,,4,half_up,1.5,4,2027-01-01,2028-01-01"
        in (lines_of(book)[-1])
    )


def test_the_order_of_the_keys_does_not_matter_and_a_second_run_changes_nothing(run, book):
    prices = {"international": {"FR": "0.1", "GB": "0.2", "default": "0.3"}, "local": "0.01"}
    turned = {"local": "0.01", "international": {"default": "0.3", "GB": "0.2", "FR": "0.1"}}
    write_lines(book)
    assert run(table({"c1": prices, "c2": prices}))[0] == 0
    first = (book / "carrier_rate.csv").read_bytes()
    for again in (table({"c1": prices, "c2": prices}), table({"c2": turned, "c1": turned})):
        code, out, _ = run(again)
        assert code == 0 and json.loads(out)["unchanged"] == 8
        assert (book / "carrier_rate.csv").read_bytes() == first
    write_lines(book)
    assert run(table({"c2": turned, "c1": turned}))[0] == 0
    assert (book / "carrier_rate.csv").read_bytes() == first


def test_the_options_come_before_the_validity_of_the_table(run, book):
    write_lines(book)
    assert run(gb("0.1", valid_to="2025-01-01"), "--from", "2026-01-01", "--to", "")[0] == 0
    assert lines_of(book) == [gb_line("c1_voice_international_gb_2026-01-01", "0.1", "2026-01-01,")]


# (what the case is, the line that is there, the table's price, valid_from and valid_to, the lines with --replace)
OVERLAPS = [
    ("from then on", ("0.1", OPEN), ("0.2", "2026-01-01", ""), [
        gb_line("old", "0.1", "2024-01-01,2026-01-01"),
        gb_line("c1_voice_international_gb_2026-01-01", "0.2", "2026-01-01,")]),
    ("for a while", ("0.1", OPEN), ("0.2", "2026-01-01", "2027-01-01"), [
        gb_line("old", "0.1", "2024-01-01,2026-01-01"),
        gb_line("c1_voice_international_gb_2026-01-01", "0.2", "2026-01-01,2027-01-01"),
        gb_line("c1_voice_international_gb_2027-01-01", "0.1", "2027-01-01,")]),
    ("over its start", ("0.1", "2025-06-01,2026-06-01"), ("0.2", "2025-01-01", "2026-01-01"), [
        gb_line("c1_voice_international_gb_2025-01-01", "0.2", "2025-01-01,2026-01-01"),
        gb_line("c1_voice_international_gb_2026-01-01", "0.1", "2026-01-01,2026-06-01")]),
    ("all of it", ("0.1", "2025-06-01,2026-06-01"), ("0.2", "2025-01-01", ""), [
        gb_line("c1_voice_international_gb_2025-01-01", "0.2", "2025-01-01,")]),
    ("the same price for longer", ("0.1", "2025-06-01,2026-06-01"), ("0.10", "2025-06-01", ""), [
        gb_line("c1_voice_international_gb_2025-06-01", "0.10", "2025-06-01,")]),
    ("the same price for a shorter time", ("0.1", OPEN), ("0.10", "2025-06-01", "2026-01-01"), [
        gb_line("old", "0.1", OPEN)]),
]  # fmt: skip


@pytest.mark.parametrize(("there", "new", "replaced"), [case[1:] for case in OVERLAPS], ids=[c[0] for c in OVERLAPS])
def test_an_overlap_is_refused_or_with_replace_the_old_line_gives_way(run, book, there, new, replaced):
    write_lines(book, "other,*,sms,*,*,*,0.004,message,1,,1,,4,half_up,,,2024-01-01,", gb_line("old", *there))
    before = (book / "carrier_rate.csv").read_bytes()
    price, valid_from, valid_to = new
    imported = gb(price, valid_from=valid_from, valid_to=valid_to)
    code, out, err = run(imported)
    assert (code, out) == (1, "") and (book / "carrier_rate.csv").read_bytes() == before
    assert "$.carriers.c1.international.GB: expected no other price of c1 voice international GB from " in err
    assert ": old, carrier_rate.csv:3\n" in err and "--replace" in err
    for _ in range(2):
        assert run(imported, "--replace")[0] == 0
        assert lines_of(book)[1:] == replaced


def test_a_price_of_another_time_stands_after_those_of_its_key(run, book):
    ended = gb_line("old", "0.1", "2024-01-01,2026-01-01")
    other = "other,*,sms,*,*,*,0.004,message,1,,1,,4,half_up,,,2024-01-01,"
    write_lines(book, ended, other)
    assert run(gb("0.2", valid_from="2026-01-01"))[0] == 0
    assert lines_of(book) == [ended, gb_line("c1_voice_international_gb_2026-01-01", "0.2", "2026-01-01,"), other]


def test_with_a_finding_nothing_is_written(run, book):
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in book.iterdir()}
    code, out, err = run(table({"c1": {"sms": "0.1", "mms": -1, "local": None}}, currency="USD"), "--replace")
    assert (code, out) == (1, "")
    assert err.splitlines()[0].endswith("table.json: the carrier table has 3 findings; nothing is written")
    assert [line.partition(":")[0] for line in err.splitlines()[1:]] == [
        "  $.currency", "  $.carriers.c1.mms", "  $.carriers.c1.local", "  way out"
    ]  # fmt: skip
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in book.iterdir()} == before


def test_the_book_as_it_would_be_is_checked_before_it_is(run, book):
    write_lines(book, gb_line("old", "0.1", "2024-01-01,2025-01-01"))
    before = (book / "carrier_rate.csv").read_bytes()
    code, _, err = run(gb("0.2", valid_from="2026-01-01"))
    assert code == 1 and (book / "carrier_rate.csv").read_bytes() == before
    assert "the price book as it would be has 1 finding; nothing is written" in err
    assert "carrier_rate.csv:3: gap after line 2 for voice c1 * GB international: no row 2025-01-01T05:00:00Z" in err
    new = gb_line("c1_voice_international_gb_2026-01-01", "0.2", "2026-01-01,")
    assert f"\n    carrier_rate.csv:3 would be: {new}\n" in err


def test_an_unreadable_book_or_table_is_one_message(run, book, tmp_path, capsys):
    write_lines(book, gb_line("old", "cheap", OPEN))
    assert "carrier_rate.csv:2: price: expected a plain decimal" in run(gb("0.2"))[2]
    shutil.copyfile(DEMO / "carrier_rate.csv", book / "carrier_rate.csv")
    foreign = tmp_path / "foreign.json"
    foreign.write_bytes(b'{"currency": "\xff"}')
    for file, said in (
        (tmp_path / "none.json", "cannot read the carrier table"),
        (foreign, "found:    byte 0xff at"),
    ):
        argv = [str(file), "--pricebook", str(book)]
        assert main_without_spark(import_carriers.parser(), import_carriers.run_cli, argv) == 1
        assert said in message(capsys.readouterr().err)


def test_a_dry_run_shows_the_lines_and_writes_nothing(run, book):
    write_lines(book, gb_line("old", "0.1", OPEN))
    before = (book / "carrier_rate.csv").read_bytes()
    code, out, _ = run(gb("0.2", valid_from="2026-01-01"), "--replace", "--dry-run")
    *shown, summary = out.splitlines()
    assert code == 0 and (book / "carrier_rate.csv").read_bytes() == before
    assert [line for line in shown if line[0] in "+-"][2:] == [
        "-" + gb_line("old", "0.1", OPEN),
        "+" + gb_line("old", "0.1", "2024-01-01,2026-01-01"),
        "+" + gb_line("c1_voice_international_gb_2026-01-01", "0.2", "2026-01-01,"),
    ]
    assert json.loads(summary)["written"] is False and json.loads(summary)["shortened"] == 1


def test_the_file_is_replaced_whole_or_stays(run, book, monkeypatch):
    write_lines(book)
    (book / "carrier_rate.csv").chmod(0o640)
    before = sorted(book.iterdir())

    def die(source: str, target: Path) -> None:
        assert Path(source).read_text().count("\n") == 2 and Path(target).read_text() == HEADER + "\n"
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", die)
        code, _, err = run(gb("0.2"))
    assert code == 1 and "cannot be written: No space left on device" in err
    assert lines_of(book) == [] and sorted(book.iterdir()) == before
    assert run(gb("0.2"))[0] == 0
    assert len(lines_of(book)) == 1 and sorted(book.iterdir()) == before
    assert (book / "carrier_rate.csv").stat().st_mode & 0o777 == 0o640


def test_a_file_that_changed_meanwhile_is_not_overwritten(run, book, monkeypatch):
    check = import_carriers.check_price_book

    def edit_and_check(folder: Path) -> object:
        write_lines(book, "# by someone else")
        return check(folder)

    monkeypatch.setattr(import_carriers, "check_price_book", edit_and_check)
    code, _, err = run(gb("0.2"))
    assert code == 1 and "it was changed meanwhile" in err
    assert lines_of(book) == ["# by someone else"]


def test_columns_in_another_order_stay_so(run, book):
    turned = ",".join(reversed(HEADER.split(",")))
    (book / "carrier_rate.csv").write_text(turned + "\n")
    assert run(gb("0.2"))[0] == 0
    assert (book / "carrier_rate.csv").read_text() == (
        f"{turned}\n,2024-01-01,,,half_up,4,,60,,60,second,0.2,*,GB,international,voice,c1,"
        "c1_voice_international_gb_2024-01-01\n"
    )


def test_it_runs_without_loading_spark():
    script = (
        "import sys; from jobs.import_carriers import parser, run_cli; from tollgate.platform.job import"
        " main_without_spark as run; run(parser(), run_cli, sys.argv[1:]); sys.exit('pyspark' in sys.modules)"
    )
    argv = [sys.executable, "-c", script, str(RATE_TABLES), "--pricebook", str(DEMO), "--dry-run"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["unchanged"] == 84
