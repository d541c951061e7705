"""What the drawn operator is made of, before any job has seen it."""

from __future__ import annotations

from collections import Counter
from datetime import date

import pytest
from years.lives import STORIES, draw_lives
from years.usage import doubled, draw_arrivals, permuted

from generators.customers import local_midnight_ms, months_later
from generators.dirt import DirtRates

FIRST, MONTHS = date(2027, 7, 1), 24
LIVES = draw_lives(20270701, 60, FIRST, MONTHS)
DAY_MS = 86_400_000


@pytest.mark.covers("CON-19", "CON-21")
def test_sixty_accounts_have_every_anchor_day_and_live_every_story() -> None:
    by_month = [terms for terms in LIVES.terms if terms.cycle_days is None]
    assert {terms.anchor_day for terms in by_month} == set(range(1, 32))
    assert {terms.cycle_days for terms in LIVES.terms} == {None, 28, 29}
    assert {line.story for line in LIVES.population.lines} >= {*STORIES, "joined"}
    assert any(terms.closed_on for terms in LIVES.terms)
    early = [one for line in LIVES.population.lines for one in line.contracts
             if one.cancelled_on and one.term_ends_on and one.cancelled_on < one.term_ends_on]  # fmt: skip
    assert early


def test_nothing_is_known_before_its_month_ends_and_unnoticed_moves_later() -> None:
    whole, terms = LIVES.known_by(date(2099, 1, 1))
    assert (whole.lines, tuple(terms)) == (LIVES.population.lines, LIVES.terms)
    for move in LIVES.moves:
        for day in (months_later(move.told_on, -1), move.told_on):
            lines = {line.subscription_id: line for line in LIVES.known_by(day)[0].lines}
            assert (move.joined in lines) == (lines[move.left].numbers[0].to_ms is not None) == (day == move.told_on)
    known, _ = LIVES.known_by(months_later(FIRST, 6))
    until = local_midnight_ms(months_later(FIRST, 6))
    assert all(held.from_ms < until for line in known.lines for held in line.numbers)
    assert len(known.lines) < len(LIVES.population.lines)


@pytest.mark.covers("GEN-06")
def test_usage_comes_up_to_three_cycles_late_and_other_orders_keep_the_copies_of_an_event_in_theirs() -> None:
    arrivals = draw_arrivals(LIVES, 7, FIRST, 5, 400, DirtRates(exact_copy=50_000, id_conflict=10_000))
    begins = [local_midnight_ms(months_later(FIRST, number)) for number in range(6)]
    for number, records in enumerate(arrivals):
        assert all(begins[number] <= record[2] < begins[number + 1] for record in records)
    months_late = Counter(
        number - (int(record[3].event_id[4:6]) - FIRST.month)
        for number, records in enumerate(arrivals)
        for record in records
    )
    assert {0, 1, 2, 3} <= set(months_late) and months_late[0] > sum(months_late.values()) * 8 // 10
    for number, records in enumerate(arrivals):
        other, more = permuted(records, number), doubled(records, number)
        assert Counter(map(repr, other)) == Counter(map(repr, records)) and other != records
        assert len(more) == len(records) + len([one for one in records if one[0] is not None]) // 20
        for key in {record[0] for record in records if record[0] is not None}:
            told = [record[1] for record in records if record[0] == key]
            assert [record[1] for record in other if record[0] == key] == told
