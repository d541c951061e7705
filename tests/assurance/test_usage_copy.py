from __future__ import annotations

from decimal import Decimal

import pytest

from tollgate.assurance.conservation import balances
from tollgate.assurance.usage_copy import Batches, Figures, equations, facts, lacking, way_back

FIRST, SECOND = Batches(0, 4), Batches(5, 9)
SOUND = {FIRST: Figures(7, 420, 5_000_000, 11), SECOND: Figures(3, 60, 0, 13)}


@pytest.mark.covers("MED-05")
@pytest.mark.parametrize(
    ("exported", "last", "expected"),
    [
        ([], -1, []),
        ([], 3, [(0, 3)]),
        ([(0, 3)], 3, []),
        ([(4, 6), (0, 3)], 9, [(7, 9)]),
        ([(2, 3), (6, 6)], 8, [(0, 1), (4, 5), (7, 8)]),
        ([(0, 3), (6, 8)], 4, [(4, 4)]),
        ([(0, 9)], 4, []),
        ([(5, 9)], 4, [(0, 4)]),
    ],
)
def test_what_no_export_took_is_found_with_its_holes(exported, last, expected):
    found = lacking([Batches(*one) for one in exported], 0, last)
    assert found == [Batches(*one) for one in expected]


def told(recorded, in_lake, in_copy):
    """The balances that fail, as (name, part, left - right), and the commands back."""
    found = balances(facts("postgres", recorded, in_lake, in_copy), equations("postgres"))
    broken = [one for one in found if not one.holds]
    return {(b.equation.name, b.part, b.left_side - b.right_side) for b in broken}, way_back(broken)


@pytest.mark.covers("MED-04", "MED-05")
def test_exports_that_agree_stand_together_and_one_that_differs_stands_alone_with_the_way_back():
    lake = {**SOUND, None: Figures(2, 30, 0, 99)}
    assert told(SOUND, lake, SOUND) == (set(), [])
    rows = facts("postgres", SOUND, lake, SOUND)
    assert rows["accepted_for_postgres", "all"] == 12 and rows["awaiting_postgres", "all"] == Decimal(2)

    changed = {**SOUND, SECOND: Figures(3, 60, 0, 14)}
    back = ["tollgate export-usage --to postgres --again --from-batch 5 --to-batch 9"]
    assert told(SOUND, lake, changed) == ({("contents in PostgreSQL", "batches 5-9", -1)}, back)

    lost = {FIRST: SOUND[FIRST]}
    assert told(SOUND, lake, lost) == (
        {
            ("accepted is in PostgreSQL or not exported yet", "batches 5-9", 3),
            ("the records of exports in PostgreSQL", "batches 5-9", 3),
            ("seconds in PostgreSQL", "batches 5-9", 60),
            ("contents in PostgreSQL", "batches 5-9", 13),
        },
        back,
    )
    stray = {**SOUND, None: Figures(1, 60, 0, 5)}
    fails, commands = told(SOUND, lake, stray)
    assert {part for _, part, _ in fails} == {"no export"} and commands == []
