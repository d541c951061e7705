"""Deposits by hand, month by month: what a contract paid goes back, whatever the price book says by then."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from pathlib import Path

import pytest
from oracle.people import account
from oracle.small_book import TERM_DEPOSIT, sheet, write_book

from tollgate.oracle.amounts import round_to_minor
from tollgate.oracle.bill_discounts import PostedLine
from tollgate.oracle.book import PriceBook
from tollgate.oracle.cycles import CycleCalendar
from tollgate.oracle.deposits import deposit_lines
from tollgate.oracle.rows import Contract

ACCOUNT = account()._replace(first_cycle_start=date(2025, 5, 1))
CALENDAR = CycleCalendar("America/Toronto", 1)
JANUARY = "2026-01-01"
OLD = {**TERM_DEPOSIT, "amount": "300.00", "valid_to": JANUARY}
NEW = {**TERM_DEPOSIT, "fee_id": "new_deposit", "amount": "200.00", "valid_from": JANUARY}
SIM = {**TERM_DEPOSIT, "fee_id": "sim", "plan_id": "*", "amount": "10.00"}
ALWAYS = {**TERM_DEPOSIT, "amount": "300.00"}
MAY, JUNE, JULY, AUGUST = (date(2025, month, 1) for month in (5, 6, 7, 8))
K = Contract("K", "S1", "A1", "term", date(2025, 5, 10), date(2026, 5, 10), None)
HELD = ("deposit", "K", 300)
BACK, LOST = ("deposit_credit", "K", -300), ("deposit_forfeit", "K", 0)


def ended(*on: int, bound: bool = False, **fields: object) -> Contract:
    """K as it is once its end on a day is entered; bound: the term goes on."""
    last = date(*on)
    return K._replace(cancelled_on=last, term_ends_on=date(2027, 1, 1) if bound else last, **fields)


def billed(folder: Path, fees: list[dict[str, str]], *months: tuple[date, list[Contract]]) -> list[tuple]:
    """Kind, ref and amount in dollars of the deposit lines of each month, posted one after the other. months: the first
    day, and the contracts as they are known by its run."""
    book, posted, found = PriceBook(write_book(folder, fee=sheet("fee", *fees))), [], []
    for start, contracts in months:
        lines = deposit_lines(contracts, ACCOUNT, CALENDAR.starting_in(start), CALENDAR, book, 2, posted)
        for line in lines:
            line.amount = round_to_minor(line.exact_total, 2)
        posted += [PostedLine(start, line) for line in lines]
        found.append(told((line.kind, line.ref, line.amount // 10**6) for line in lines))
    return found


def told(lines: Iterable[tuple[str, str, int]]) -> list[tuple[str, str, int]]:
    return sorted(lines)


LATER = K._replace(starts_on=date(2025, 5, 20))
TAKEN = K._replace(starts_on=date(2024, 3, 10))
MARCH = {**TERM_DEPOSIT, "fee_id": "march", "amount": "300.00", "valid_to": "2024-03-20"}
APRIL = {**TERM_DEPOSIT, "fee_id": "april", "amount": "400.00", "valid_from": "2024-03-20"}
K2 = K._replace(contract_id="K/2", starts_on=date(2025, 6, 5))
MAY_26 = date(2026, 5, 1)
CASES = {
    "what was paid comes back, not what the row asks by then": (
        [OLD, NEW], [(MAY, [K]), (MAY_26, [ended(2026, 5, 10)])], [[HELD], [BACK]],
    ),
    "it comes back when there is no row any more": (
        [OLD], [(MAY, [K]), (MAY_26, [ended(2026, 5, 10)])], [[HELD], [BACK]],
    ),
    "it is lost when there is no row any more": (
        [OLD], [(MAY, [K]), (MAY_26, [ended(2026, 5, 9, bound=True)])], [[HELD], [LOST]],
    ),
    "a deposit that began later was never paid": (
        [{**ALWAYS, "valid_from": "2025-06-01"}], [(MAY, [K]), (JUNE, [K]), (JULY, [ended(2025, 7, 10)])], [[], [], []],
    ),
    "a contract entered late is charged by its first bill, once": (
        [ALWAYS], [(MAY, []), (JUNE, [LATER]), (JULY, [LATER]), (AUGUST, [ended(2025, 8, 2)])],
        [[], [HELD], [], [BACK]],
    ),
    "and by the row that holds as the cycle of its start ends": (
        [{**ALWAYS, "valid_to": "2025-06-01"}, {**NEW, "valid_from": "2025-06-01"}], [(MAY, []), (JUNE, [LATER])],
        [[], [HELD]],
    ),
    "one entered when it was over pays none": (
        [ALWAYS], [(MAY, []), (JUNE, [ended(2025, 6, 1, starts_on=date(2025, 5, 20))])], [[], []],
    ),
    "an end entered late is settled by the next bill": (
        [ALWAYS], [(MAY, [K]), (JUNE, [ended(2025, 5, 31)]), (JULY, [ended(2025, 5, 31)])], [[HELD], [BACK], []],
    ),
    "an end that is revoked and comes again settles once": (
        [ALWAYS], [(MAY, [K]), (JUNE, [ended(2025, 6, 10)]), (JULY, [K]), (AUGUST, [ended(2025, 8, 5)])],
        [[HELD], [BACK], [], []],
    ),
    "what was lost stays lost": (
        [ALWAYS], [(MAY, [K]), (JUNE, [ended(2025, 6, 10, bound=True)]), (JULY, [ended(2025, 7, 5)])],
        [[HELD], [LOST], []],
    ),
    "begun and ended in one cycle": ([ALWAYS], [(MAY, [ended(2025, 5, 20)])], [[HELD, BACK]]),
    "an end on a cycle's first day is on that cycle's bill": (
        [ALWAYS], [(MAY, [ended(2025, 6, 1)]), (JUNE, [ended(2025, 6, 1)])], [[HELD], [BACK]],
    ),
    "several deposits of a contract are several lines": (
        [ALWAYS, SIM], [(MAY, [K]), (JUNE, [ended(2025, 6, 10)]), (JULY, [ended(2025, 6, 10)])],
        [[("deposit", "K/sim", 10), ("deposit", "K/term_deposit", 300)],
         [("deposit_credit", "K/sim", -10), ("deposit_credit", "K/term_deposit", -300)], []],
    ),
    "of one taken over, what was asked on its first day counts as paid": (
        [MARCH, APRIL], [(MAY, [TAKEN]), (JUNE, [ended(2025, 6, 10, starts_on=TAKEN.starts_on)]),
                         (JULY, [ended(2025, 7, 10, starts_on=TAKEN.starts_on)])], [[], [BACK], []],
    ),
    "one that ended before it was taken over is settled": (
        [ALWAYS], [(MAY, [ended(2025, 4, 30, starts_on=TAKEN.starts_on)])], [[]],
    ),
    "one that ended as the first cycle began is on its bill": (
        [ALWAYS], [(MAY, [ended(2025, 5, 1, starts_on=TAKEN.starts_on)])], [[BACK]],
    ),
    "a contract whose name begins with that of another": (
        [ALWAYS], [(MAY, [K]), (JUNE, [ended(2025, 6, 5), K2]),
                   (JULY, [ended(2025, 6, 5), K2._replace(cancelled_on=date(2025, 7, 9), term_ends_on=None)])],
        [[HELD], [BACK, ("deposit", "K/2", 300)], [("deposit_credit", "K/2", -300)]],
    ),
}  # fmt: skip


@pytest.mark.covers("CON-07", "QUA-02")
@pytest.mark.parametrize("case", CASES)
def test_what_a_contract_paid_is_what_it_gets_back_or_loses(tmp_path, case):
    fees, months, lines = CASES[case]
    assert billed(tmp_path, fees, *months) == [told(of_month) for of_month in lines]
