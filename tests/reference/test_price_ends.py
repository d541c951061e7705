from __future__ import annotations

import pytest
from reference.edits import DEMO, both, cell, copy_of, edited

from tollgate.reference.price_ends import ends
from tollgate.reference.pricebook_checks import check_price_book

TERM = "voice_national_term"
ENDED = cell(TERM, "valid_to", "2026-11-10")
# Midnight in Toronto, after the clocks went back.
END = "rate.csv:2: ends 2026-11-10T05:00:00Z, and no row follows it for one key that it prices"


def told(folder) -> list[str]:
    book, findings = check_price_book(folder)
    assert book is not None and not findings
    return [str(end) for end in ends(book)]


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (ENDED, [END]),
        (both(ENDED, copy_of(TERM, rate_id="later", price="0.15", valid_from="2026-11-10", valid_to="")), []),
        # Another row that fits goes on: a price for all plans takes the key over.
        (both(ENDED, copy_of(TERM, rate_id="of_all_plans", plan_id="*", valid_to="")), []),
    ],
)
def test_a_price_that_ends_without_another_is_told_and_is_no_finding(tmp_path, edit, expected):
    assert told(edited(tmp_path, "rate", edit)) == expected


def test_nothing_of_the_demo_book_ends():
    assert told(DEMO) == []
