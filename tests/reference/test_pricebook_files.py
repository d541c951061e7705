"""Price-book files that a spreadsheet or an accident has made."""

from __future__ import annotations

import pytest
from reference.edits import edited

from tollgate.reference.pricebook_checks import check_price_book


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("\ufeffprefix\n141620\n", []),
        ('prefix\n"141620\n141621\n', [
            "own_range.csv:2: expected a line of 1 cells, found a cell that goes on to line 3: is a quotation mark "
            "left open?"]),
        ("", ["own_range.csv: expected a header, found none"]),
        ("prefix;name\n141620;x\n", ["own_range.csv: expected commas between the cells, found semicolons"]),
        ("prefix,prefix\n1,1\n", ["own_range.csv: expected the columns prefix; the header has twice 'prefix'"]),
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
