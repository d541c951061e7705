"""The type of exact amounts follows from the bounds of the book."""

from __future__ import annotations

import shutil
from pathlib import Path

from tollgate.reference.exactness import BIGINT, DECIMAL, amount_type, denominators
from tollgate.reference.pricebook_checks import check_price_book

DEMO = Path(__file__).resolve().parents[2] / "conf" / "pricebook"


def book_with(folder: Path, file: str, old: str, new: str):
    shutil.copytree(DEMO, folder, dirs_exist_ok=True)
    text = (folder / f"{file}.csv").read_text()
    assert old in text
    (folder / f"{file}.csv").write_text(text.replace(old, new))
    return check_price_book(folder)


def test_the_demo_book_fits_bigint():
    book, _ = check_price_book(DEMO)
    assert book is not None
    assert denominators(book) == (10, 20)
    assert amount_type(book) == (BIGINT, [])


def test_the_limit_is_where_the_bound_says(tmp_path):
    # 1 TiB at p micros a megabyte, which rounding doubles: 2 x 2^40 x p stays below 2^63 up to p = 4,194,303.
    row = "data_term,term,data,home,home,*,*,*,*,"
    below, findings = book_with(tmp_path / "below", "rate", f"{row}0.010,", f"{row}4.194303,")
    assert below is not None and findings == [] and amount_type(below)[0] == BIGINT
    above, findings = book_with(tmp_path / "above", "rate", f"{row}0.010,", f"{row}4.194304,")
    assert above is not None and findings == [] and amount_type(above)[0] == DECIMAL


def test_the_dearest_tier_counts(tmp_path):
    header = "rate_id,counts,from_units,price\n"
    dear, findings = book_with(tmp_path, "tier", header, f"{header}data_term,line,1,4.194304\n")
    assert dear is not None and findings == [] and amount_type(dear)[0] == DECIMAL


def test_amounts_that_no_type_holds_are_refused_row_by_row(tmp_path):
    _, findings = book_with(tmp_path, "time_band", "24:00,1,", "24:00,100000000000000000.000000000000000001,")
    assert [str(finding) for finding in findings][:2] == [
        "rate.csv:2: integers up to 6.9e+47 do not fit DECIMAL(38,0); lower the price, factors or block",
        "rate.csv:3: integers up to 3.5e+47 do not fit DECIMAL(38,0); lower the price, factors or block",
    ]
    assert len(findings) == 11
