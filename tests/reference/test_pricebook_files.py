"""Price-book files that a spreadsheet or an accident has made."""

from __future__ import annotations

import pytest
from reference.edits import cell, edited

from tollgate.oracle.book import PriceBook
from tollgate.oracle.sheet import SheetError
from tollgate.reference.cells import amount
from tollgate.reference.pricebook_checks import check_price_book
from tollgate.reference.pricebook_files import UTC


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("\ufeffprefix\n141620\n", []),
        ('prefix\n"141620\n141621\n', [
            "own_range.csv:2: expected a line of 1 cells, found a cell that goes on to line 3: is a quotation mark "
            "left open?"]),
        ("", ["own_range.csv: expected a header, found none"]),
        ("prefix;name\n141620;x\n", ["own_range.csv:1: expected commas between the cells, found semicolons"]),
        ("prefix,prefix\n1,1\n", ["own_range.csv:1: expected the columns prefix; the header has twice 'prefix'"]),
    ],
)  # fmt: skip
def test_a_file_that_another_program_wrote_is_read_or_told_apart(tmp_path, text, said):
    book = edited(tmp_path, "own_range", lambda lines: None)
    (book / "own_range.csv").write_text(text, encoding="utf-8")
    assert [str(finding) for finding in check_price_book(book)[1]] == said


def test_what_is_no_file_and_no_folder_is_one_finding(tmp_path):
    book = edited(tmp_path, "own_range", lambda lines: None)
    (book / "rate.csv").unlink()
    (book / "rate.csv").mkdir()
    assert [str(finding) for finding in check_price_book(book)[1]] == [
        "rate.csv: expected a file that can be read: Is a directory"
    ]
    (finding,) = check_price_book(tmp_path / "nowhere")[1]
    assert str(finding).endswith("nowhere: no such folder; expected the files of docs/pricebook.md in it")


def with_operator(tmp_path, key, value):
    return edited(tmp_path, "operator", cell(key, "value", value))


@pytest.mark.parametrize(
    "zone", ["X/Y", "America", "right/America/Toronto", "posix/America/Toronto", "localtime", "Factory", "a" * 5_000]
)
def test_a_time_zone_is_a_place_of_the_iana_database_to_both_raters(tmp_path, zone):
    book = with_operator(tmp_path, "time_zone", zone)
    (finding,) = check_price_book(book)[1]
    expected = "expected an IANA time zone such as America/Toronto"
    assert (finding.file, finding.message) == ("operator.csv", f"time_zone: {expected}, found {zone!r}")
    assert finding.line > 1
    with pytest.raises(SheetError, match="is no time zone"):
        PriceBook(book)


def test_one_mistake_of_the_operator_hides_none_of_the_other_files(tmp_path):
    book = with_operator(tmp_path, "time_zone", "X/Y")
    for file, old, new in (("plan", "term,", "te rm,"), ("zone", ",home\n", ",galactic\n")):
        path = book / f"{file}.csv"
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")
    (book / "fee.csv").write_bytes((book / "fee.csv").read_bytes() + b"x\xe9\n")
    found = [str(finding) for finding in check_price_book(book)[1]]
    lines = (book / "fee.csv").read_bytes().count(b"\n")
    assert [name.split(":")[0] for name in found] == ["fee.csv", "operator.csv", "plan.csv", "zone.csv"]
    assert found[0] == f"fee.csv:{lines}: expected UTF-8, found byte 0xe9"


def test_bands_are_laid_out_for_so_many_days(tmp_path):
    for last in ("9999-01-01", "2000-01-01"):
        (finding,) = check_price_book(with_operator(tmp_path / last, "bands_to", last))[1]
        assert finding.line > 1
        assert finding.message.startswith("bands_to: expected a day 1 to 14640 days after bands_from 20")
        assert finding.message.endswith(f"found {last}")


def test_a_file_of_nearly_the_name_of_an_optional_one_is_not_passed_over(tmp_path):
    book = edited(tmp_path, "own_range", lambda lines: None)
    (book / "spend_limits.csv").write_text("anything", encoding="utf-8")
    (book / "my_notes.csv").write_text("anything", encoding="utf-8")
    assert [str(one) for one in check_price_book(book)[1]] == [
        "spend_limits.csv: no file of a price book; is spend_limit.csv meant?"
    ]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Ca\0nada", "name: expected text without control characters, found 'Ca\\x00nada'"),
        (
            "x" * 140_000,
            "expected lines of cells: field larger than field limit (131072); is a quotation mark left open?",
        ),
    ],
)
def test_text_that_no_table_takes_is_found(tmp_path, name, said):
    book = edited(tmp_path, "zone", cell("national", "name", name))
    assert [finding.message for finding in check_price_book(book)[1]] == [said]


def test_the_oracle_reads_a_spreadsheets_mark_and_tells_foreign_bytes(tmp_path):
    book = edited(tmp_path, "rate", lambda lines: None)
    text = (book / "rate.csv").read_bytes()
    (book / "rate.csv").write_bytes(b"\xef\xbb\xbf" + text)
    PriceBook(book)
    (book / "rate.csv").write_bytes(text + b"\xe9")
    with pytest.raises(SheetError, match=r"rate\.csv after line \d+: 'utf-8' codec can't decode byte 0xe9"):
        PriceBook(book)


def test_a_price_of_too_many_digits_is_told_as_such():
    for text, said in (("9" * 60, "at most 18 digits before and 18 after"), ("1e3", "without sign or exponent")):
        with pytest.raises(ValueError, match=said):
            amount(text, UTC)
