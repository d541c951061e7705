"""The golden vectors of the contracts, played by the object model: one loop, whatever the contract."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from fractions import Fraction

import pytest

from tollgate.oracle.contracts import Contract, MonthToMonthContract, NoMonth, PrepaidContract, TermContract, Terms

TERM = Terms(price=100_000, monthly_fee=20_000_000, free_s=6_000, deposit=300_000_000)
MONTHLY = Terms(price=50_000, monthly_fee=50_000_000)
PREPAID = Terms(
    price=25_000, opening_credit=100_000_000, top_up_below=10_000_000, top_up=25_000_000, topped_up_at="month_start"
)
MAY, JUNE, JULY = date(2025, 5, 1), date(2025, 6, 1), date(2025, 7, 1)
END = date(2025, 6, 20)


def played(contract: Contract, *months: Sequence[int]) -> Contract:
    """The contract after months from May 2025 on with calls of these lengths in seconds."""
    for number, calls in enumerate(months):
        contract.new_month(date(2025, 5 + number, 1))
        for seconds in calls:
            contract.bill_call(seconds)
    return contract


def prepaid(credit: int) -> PrepaidContract:
    """A line that has this credit, in millionths, at the end of its first month."""
    contract = PrepaidContract(PREPAID, MAY)
    contract.new_month(MAY)
    contract.balance = Fraction(-credit)
    return contract


@pytest.mark.covers("CON-01", "CON-02", "CON-19")
@pytest.mark.parametrize(
    ("vector", "contract", "months", "free_min", "billed_min", "total"),
    [
        ("G-01", TermContract(TERM, MAY, END), [()], 0, 0, 320_000_000),
        ("G-02", TermContract(TERM, MAY, END), [(), ()], 0, 0, 20_000_000),
        # 16 + 33 + 101 = 150 minutes
        ("G-03", TermContract(TERM, MAY, END), [(), (915, 1975, 6028)], 100, 50, 25_000_000),
        ("G-04", TermContract(TERM, MAY, END), [(), (317,)], 6, 0, 20_000_000),
        # 90 minutes, then 11 of which 10 are free
        ("G-05", TermContract(TERM, MAY, END), [(), (5400, 660)], 100, 1, 20_100_000),
        ("G-07", MonthToMonthContract(MONTHLY, MAY), [(248, 335, 884)], 0, 26, 51_300_000),
        ("G-08", MonthToMonthContract(MONTHLY, MAY), [(), ()], 0, 0, 50_000_000),
    ],
)
def test_a_month_and_its_free_and_billed_minutes(vector, contract, months, free_min, billed_min, total):
    statement = played(contract, *months).statement
    assert (statement.free_s, statement.billed_s, statement.total) == (free_min * 60, billed_min * 60, total), vector


@pytest.mark.covers("CON-12")
def test_a_month_to_month_line_carries_nothing_from_month_to_month():
    calls = (248, 335, 884)
    line, new = (played(MonthToMonthContract(MONTHLY, MAY), *months) for months in ([(86_400, 1), calls], [calls]))
    assert replace(line.statement, month=MAY) == new.statement
    assert set(vars(line)) == {"terms", "start", "statements"}, "no balance, no counter"


@pytest.mark.covers("CON-01", "CON-02", "CON-07", "CON-11")
@pytest.mark.parametrize(
    ("vector", "contract", "on", "owed"),
    [
        ("G-06 before the end", TermContract(TERM, MAY, END), date(2025, 6, 19), 20_000_000),
        ("G-06 on the end", TermContract(TERM, MAY, END), END, -280_000_000),
        ("G-06 after the end", TermContract(TERM, MAY, END), date(2025, 6, 30), -280_000_000),
        ("G-08", MonthToMonthContract(MONTHLY, MAY), date(2025, 6, 30), 50_000_000),
    ],
)
def test_the_end_of_a_contract(vector, contract, on, owed):
    assert played(contract, (), ()).cancel_contract(on) == owed, vector


@pytest.mark.covers("CON-13", "CON-15", "CON-16", "CON-17")
def test_credit_is_spent_and_carried_from_month_to_month():
    line = played(PrepaidContract(PREPAID, MAY), (375,))
    assert line.balance == -99_825_000, "G-09: 7 minutes"
    line.new_month(JUNE)
    line.bill_call(469)
    line.bill_call(211)
    assert line.balance == -99_525_000, "G-10: 8 and 4 minutes"
    line.bill_call(975)
    assert line.balance == -99_100_000, "G-10: 17 minutes"
    line.new_month(JULY)
    assert line.balance == -99_100_000, "G-11: no call, no fee"
    # Five of 20 hours, 6,000 minutes in all
    for _ in range(5):
        line.bill_call(72_000)
    assert line.balance == 50_900_000, "G-15"
    line.new_month(date(2025, 8, 1))
    assert (line.balance, line.statement.top_ups) == (25_900_000, 1), "G-15: one top-up"
    assert line.cancel_contract(date(2025, 8, 2)) == 25_900_000, "G-15: owed at the end"


@pytest.mark.covers("CON-14", "CON-16", "CON-17")
@pytest.mark.parametrize(
    ("credit", "balances"),
    [(0, [-25_000_000, -25_000_000]), (10_000_000, [-10_000_000] * 2), (9_999_999, [-34_999_999] * 2)],
    ids=["G-12", "G-13", "one millionth below"],
)
def test_a_top_up_at_the_roll_of_a_month(credit, balances):
    line = prepaid(credit)
    found = []
    for month in (JUNE, JULY):
        line.new_month(month)
        found.append(line.balance)
    assert found == balances


@pytest.mark.covers("CON-16")
def test_a_top_up_with_a_call_is_repeated_until_the_credit_is_back_at_its_threshold():
    terms = Terms(price=25_000, opening_credit=10_000_000, top_up_below=10_000_000, top_up=25_000_000)
    line = PrepaidContract(terms, MAY)
    line.new_month(MAY)
    line.balance = Fraction(-9_999_999)
    line.bill_call(0)
    assert line.statement.top_ups == 0, "no charge, no look"
    line.balance = Fraction(-10_000_000)
    # 1,400 minutes are 35.00: 25 owed, then two top-ups leave exactly 25 of credit
    line.bill_call(84_000)
    assert (line.balance, line.statement.top_ups) == (-25_000_000, 2)
    # 15.00 leave exactly 10.00; a minute more is below it
    line.bill_call(36_000)
    assert line.statement.top_ups == 2
    line.bill_call(1)
    assert (line.balance, line.statement.top_ups) == (-34_975_000, 3)


@pytest.mark.covers("CON-16")
def test_credit_that_is_left_at_the_end_is_forfeited():
    assert prepaid(40_000_000).cancel_contract(date(2025, 5, 9)) == 0, "G-14"


def test_nothing_is_charged_before_the_first_month():
    with pytest.raises(NoMonth, match="2025-05-01 has no month yet"):
        MonthToMonthContract(MONTHLY, MAY).bill_call(60)
