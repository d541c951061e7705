"""Price books compared, version with version and with a folder; the list of versions; a check that a program reads."""

from __future__ import annotations

import json
import shutil
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from reference.places import own_places
from told import message

from jobs import compare_pricebooks, publish_pricebook
from jobs.list_pricebooks import VERSIONS
from jobs.second_opinion_rows import book_folders
from tollgate import cli
from tollgate.platform.lake import Lake
from tollgate.reference.book_diff import KEYS, differences, reaching_back
from tollgate.reference.pricebook_columns import COLUMNS
from tollgate.reference.pricebook_files import read_source_book

EXAMPLE = Path(__file__).resolve().parents[2] / "conf" / "example_tariff" / "pricebook"


@pytest.fixture
def dearer(tmp_path) -> Path:
    """The example with one price changed, no own numbers, one prefix more and lines in another order."""
    folder = tmp_path / "dearer"
    shutil.copytree(EXAMPLE, folder)
    rates = (folder / "rate.csv").read_text()
    (folder / "rate.csv").write_text(rates.replace("home,none,*,*,*,0.07,", "home,none,*,*,*,0.08,"))
    (folder / "plan.csv").write_text((folder / "plan.csv").read_text().replace("Basic", "Basic new"))
    (folder / "own_range.csv").write_text("prefix\n")
    head, *prefixes = (folder / "destination.csv").read_text().splitlines()
    (folder / "destination.csv").write_text("\n".join([head, "39,prefix,europe,2026-01-01,", *prefixes[::-1]]) + "\n")
    return folder


CHANGES = [
    ("plan", "basic", "changed", "name", "Basic", "Basic new"),
    ("destination", "prefix 39 2026-01-01", "added", "", None, None),
    ("rate", "sms", "changed", "price", "0.07", "0.08"),
    ("own_range", "4915510", "removed", "", None, None),
]


def compare(capsys, *argv: str) -> tuple[int, list[dict[str, str]]]:
    capsys.readouterr()
    code = cli._pass_on("diff", list(argv), "pricebook")
    return code, [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def told(found: list[dict[str, str]]) -> list[tuple[str | None, ...]]:
    """Without the cells of whole rows."""
    return [
        tuple(row[name] for name in ("file", "key", "kind", "column"))
        + ((row["old"], row["new"]) if row["kind"] == "changed" else (None, None))
        for row in found
    ]


@pytest.mark.covers("RAT-41")
def test_folders_are_compared_cell_by_cell_and_the_exit_code_is_that_of_diff(dearer, capsys):
    code, found = compare(capsys, str(EXAMPLE), str(dearer))
    assert (code, told(found)) == (1, CHANGES)
    assert json.loads(found[3]["old"]) == {"prefix": "4915510"} and found[3]["new"] is None
    assert compare(capsys, str(EXAMPLE), str(EXAMPLE)) == (0, [])
    with (dearer / "plan.csv").open("a") as plans:
        plans.write("one,cell,too,many,,\n")
    assert cli._pass_on("diff", [str(EXAMPLE), str(dearer)], "pricebook") == 1
    assert "plan.csv:4: expected 5 cells, found 6" in message(capsys.readouterr().err)
    old, new = (read_source_book(folder)[0].raw for folder in (EXAMPLE, dearer))
    rows = [{file: [cells for _, cells in lines] for file, lines in raw.items()} for raw in (old, new)]
    assert [str(one) for one in differences(*rows)][2] == "rate.csv: sms: price: '0.07' is now '0.08'"


def test_every_file_has_a_key_of_its_own_columns_and_it_names_one_row():
    for file, columns in COLUMNS.items():
        assert set(KEYS[file]) <= set(columns), file
    for folder in (EXAMPLE, EXAMPLE.parents[1] / "pricebook"):
        for file, lines in read_source_book(folder)[0].raw.items():
            keys = [tuple(cells[name] for name in KEYS[file]) for _, cells in lines]
            assert len(set(keys)) == len(keys), file


def test_a_column_that_the_older_book_lacks_is_empty_there():
    (found,) = differences({"zone": [{"zone_id": "a"}]}, {"zone": [{"zone_id": "a", "kind": "home"}]})
    assert found == ("zone", "a", "changed", "kind", "", "home")
    assert not differences({"zone": [{"zone_id": "a"}]}, {"zone": [{"zone_id": "a", "kind": ""}]})


@pytest.mark.covers("RAT-41")
def test_published_versions_are_listed_and_compared(spark, services, tmp_path, dearer, capsys, monkeypatch):
    places = own_places(services, tmp_path)
    begun = datetime.now(timezone.utc) - timedelta(seconds=1)
    for folder, author in ((EXAMPLE, "anna"), (dearer, "ben")):
        argv = ["--dir", str(folder), "--author", author, "--reason", f"by {author}"]
        publish_pricebook.run(spark, places, publish_pricebook.parser().parse_args(argv))
    monkeypatch.setenv("TOLLGATE_POSTGRES__URL", places.postgres.url)
    monkeypatch.setenv("TOLLGATE_POSTGRES_PASSWORD", places.postgres.password.get_secret_value())
    code, found = compare(capsys, "1", "2")
    assert (code, told(found)) == (1, CHANGES)
    assert compare(capsys, "2", str(dearer)) == (0, [])
    assert compare(capsys, "1", str(dearer))[0] == 1
    assert cli._pass_on("diff", ["1", "9"], "pricebook") == 1
    assert "no price book 9" in message(capsys.readouterr().err)

    lake = Lake(spark, places.lake.root)
    lake.read("price_version").createOrReplaceTempView("price_version")
    listed = spark.sql(VERSIONS).collect()
    assert [tuple(row[:1]) + tuple(row[2:4]) for row in listed] == [(1, "anna", "by anna"), (2, "ben", "by ben")]
    assert all(begun <= row["published_at"].replace(tzinfo=timezone.utc) for row in listed)
    # The catalog gives a version back whole: another folder that is this very book.
    made = tmp_path / "made"
    made.mkdir()
    folders = book_folders(lake, places, {1, 2}, [str(EXAMPLE)], made)
    assert (folders[1], folders[2]) == (EXAMPLE, made / "2")
    assert read_source_book(folders[2])[0].digest() == listed[1]["digest"]


def test_a_check_in_a_pipe_is_json_lines(tmp_path, capsys):
    def check(folder: Path) -> tuple[object, list[dict[str, object]], str]:
        with pytest.raises(SystemExit) as ended:
            publish_pricebook.parser().parse_args(["--check-only", "--dir", str(folder)])
        said = capsys.readouterr()
        return ended.value.code, [json.loads(line) for line in said.out.splitlines()], said.err

    code, lines, _ = check(EXAMPLE)
    assert code == 0 and lines == [{"folder": str(EXAMPLE), "lines": lines[0]["lines"], "findings": 0}]
    book = tmp_path / "book"
    shutil.copytree(EXAMPLE, book)
    (book / "rate.csv").write_text((book / "rate.csv").read_text().replace(",0.07,", ",0.O7,"))
    code, lines, err = check(book)
    assert code == 1 and lines[-1]["findings"] == len(lines) - 1 == 1
    assert (lines[0]["file"], lines[0]["line"]) == ("rate.csv", 10)
    assert str(lines[0]["message"]).startswith("price: expected a plain decimal")
    assert "the price book has 1 finding; nothing is published" in message(err)


def test_lines_for_people_say_what_differs(dearer):
    old, new = (compare_pricebooks._book(None, str(folder)) for folder in (EXAMPLE, dearer))  # type: ignore[arg-type]
    said = compare_pricebooks._in_words(old, new, differences(old.rows, new.rows))
    assert said[0] == "plan.csv: basic: name: 'Basic' is now 'Basic new'"
    assert said[-1] == f"4 differences between {EXAMPLE} and {dearer}"
    assert compare_pricebooks._in_words(old, old, [])[-1].startswith("no difference between")


def test_what_reaches_back_is_told_from_what_begins_anew():
    old = {
        "rate": [{"rate_id": "r", "price": "1", "valid_from": "2026-01-01", "valid_to": ""}],
        "plan": [{"plan_id": "p", "name": "P"}],
        "fee": [{"fee_id": "f", "amount": "1"}],
    }
    ended = {"rate_id": "r", "price": "1", "valid_from": "2026-01-01", "valid_to": "2026-11-01"}
    follows = {"rate_id": "r2", "price": "2", "valid_from": "2026-11-01", "valid_to": ""}
    step = {"rate_id": "r2", "from_units": "60", "price": "1"}
    renamed = [{"plan_id": "p", "name": "Q"}, {"plan_id": "q", "name": "Q"}]
    forward = {"rate": [ended, follows], "segment": [step], "plan": renamed, "fee": old["fee"]}
    assert reaching_back(differences(old, forward)) == []
    back = {
        "rate": [{**old["rate"][0], "price": "2"}],
        "plan": old["plan"],
        "segment": [{**step, "rate_id": "r"}],
        "holiday": [{"calendar": "c", "date": "2026-12-26", "name": "Boxing Day"}],
    }
    told = [(one.file, one.key, one.kind) for one in reaching_back(differences(old, back))]
    assert sorted(told) == [
        ("fee", "f", "removed"), ("holiday", "c 2026-12-26", "added"), ("rate", "r", "changed"),
        ("segment", "r 60", "added"),
    ]  # fmt: skip
