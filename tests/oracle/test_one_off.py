"""One-off charges by the oracle, worked by hand."""

from __future__ import annotations

from datetime import date

import pytest

from tollgate.oracle.account_rows import Adjustment
from tollgate.oracle.bill_discounts import PostedLine
from tollgate.oracle.cycles import CycleCalendar
from tollgate.oracle.one_off import one_off_lines, split

CENT = 10_000


@pytest.mark.parametrize(
    ("amount", "parts", "digits", "shares"),
    [
        (100_000_000, 3, 2, [3334 * CENT, 3333 * CENT, 3333 * CENT]),
        (-30_000, 2, 2, [-2 * CENT, -CENT]),
        (1_000_000_000, 3, 0, [334_000_000, 333_000_000, 333_000_000]),
        (5_000, 5, 3, [1_000] * 5),
    ],
)
def test_an_amount_is_split_without_a_rest(amount: int, parts: int, digits: int, shares: list[int]) -> None:
    assert split(amount, parts, digits) == shares
    assert sum(shares) == amount


def test_an_instalment_is_due_from_its_cycle_on_until_a_bill_has_had_it() -> None:
    calendar = CycleCalendar("America/Toronto", 17)
    phone = Adjustment("phone", "A1", None, 100_000_000, "none", date(2026, 10, 16), 3)
    september, november = (calendar.starting_in(date(2026, month, 1)) for month in (9, 11))
    first = one_off_lines([phone], september, calendar, 2, ())
    assert [(line.line_key, line.exact_total) for line in first] == [("one_off||||||none|phone/1", 3334 * CENT)]
    posted = [PostedLine(september.start, line) for line in first]
    later = one_off_lines([phone], november, calendar, 2, posted)
    assert [line.ref for line in later] == ["phone/2", "phone/3"]
