"""Slots of allowances whose rows end while what is left of their grants rolls over."""

from __future__ import annotations

from typing import Any

import pytest

from tollgate.reference.allowance_slots import most_slots, slots
from tollgate.reference.pricebook_files import SourceRow

BEGIN, CHANGE, END = 2024, 2025, 9999
COVER: dict[str, Any] = {
    "plan_id": "term", "service": "voice", "zone_id": "national", "unit": "second", "band": None, "priority": None,
}  # fmt: skip


def row(name: str, cycles: int | None, valid_from: int, valid_to: int) -> SourceRow:
    own = {"allowance_id": name, "rollover_cycles": cycles, "valid_from": valid_from, "valid_to": valid_to}
    return SourceRow("allowance.csv", 2, {**COVER, **own})


@pytest.mark.covers("RAT-51")
def test_a_grant_that_outlasts_its_row_does_not_share_a_slot_with_the_allowance_that_follows() -> None:
    rolls, follows = row("a", 1, BEGIN, CHANGE), row("b", None, CHANGE, END)
    # Used first what expires first, of equal ones the first id: a's of the cycle before, b's, a's own.
    assert slots([rolls, follows]) == {("a", 1): 1, ("b", 0): 2, ("a", 0): 2}
    assert slots([row("b", 1, BEGIN, CHANGE), row("a", None, CHANGE, END)]) == {("a", 0): 1, ("b", 1): 2, ("b", 0): 3}


@pytest.mark.covers("RAT-51")
def test_generations_of_an_allowance_need_no_more_slots_than_one() -> None:
    years = [row(f"a{year}", 1, year, year + 1) for year in range(2020, 2030)]
    assert most_slots(years, is_money=False) == 2
    assert slots(years[:2]) == {("a2020", 1): 1, ("a2021", 1): 1, ("a2020", 0): 2, ("a2021", 0): 2}
