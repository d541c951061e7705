"""The oracle's corrections by hand: what is corrected, what its two rows say, and which versions a bill run carries."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from oracle.people import account, call, facts, local_us
from oracle.small_book import sheet, write_book

from tollgate.oracle.billing_check import Biller, RunPins
from tollgate.oracle.book import PriceBook
from tollgate.oracle.due_versions import due_versions, version_of
from tollgate.oracle.facts import Facts
from tollgate.oracle.lake import Accepted, RatingRun
from tollgate.oracle.rating_check import Outcome, rate_all, rated_events
from tollgate.oracle.rows import Contract, Usage

DAYS = [local_us(2026, 10, day, 12) for day in (6, 7, 8)]
ALL = {"from": DAYS[0], "to": DAYS[2] + 1, "accounts": None, "service": None, "plan": None}


def correction(rating_no: int, book: int, snapshot: int = 1, **asked: Any) -> RatingRun:
    return RatingRun(rating_no, 2, 1, snapshot, book, json.dumps({**ALL, **asked}))


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> dict[int, PriceBook]:
    """0.10 a minute, 0.15 a minute, and a book that has no price for the plan."""
    root: Path = tmp_path_factory.mktemp("books")
    rates = {1: [{"rate_id": "v"}], 2: [{"rate_id": "v", "price": "0.15"}], 3: [{"plan_id": "month_to_month"}]}
    return {no: PriceBook(write_book(root / str(no), rate=sheet("rate", *rows))) for no, rows in rates.items()}


def history(books: dict[int, PriceBook], *runs: RatingRun, snapshots: dict[int, Facts] | None = None) -> list[Outcome]:
    """What a night and these corrections write of a call of three minutes on each of three days."""
    usage: list[Usage] = [call(179, at)._replace(event_id=f"day {n}") for n, at in enumerate(DAYS)]
    accepted = [Accepted(1, 0, n, one) for n, one in enumerate(usage)]
    known = snapshots or {1: facts()}
    return rate_all(accepted, [RatingRun(1, 1, 1, 1, 1), *runs], known.__getitem__, books.__getitem__)


def told(outcomes: list[Outcome]) -> list[tuple[Any, ...]]:
    return [
        (one.accepted.usage.event_id, one.run.rating_no, one.revision, one.kind, one.corrects, one.pins.rating_no,
         one.priced.charge)
        for one in outcomes
    ]  # fmt: skip


def test_a_price_that_differs_makes_a_reversal_with_the_old_pins_and_a_correction(books):
    # 3 minutes at 0.10 are 0.30, at 0.15 they are 0.45; the middle day alone is asked for.
    found = told(history(books, correction(2, 2, **{"from": DAYS[1], "to": DAYS[2]})))
    assert [row for row in found if row[0] == "day 1"] == [
        ("day 1", 1, 1, "original", None, 1, 300_000),
        ("day 1", 2, 2, "reversal", 1, 1, 300_000),
        ("day 1", 2, 3, "correction", 1, 2, 450_000),
    ]
    assert [row[2] for row in found if row[0] != "day 1"] == [1, 1]


@pytest.mark.parametrize(
    "asked", [{"accounts": ["A2"]}, {"service": "sms"}, {"plan": "prepaid"}, {"to": DAYS[0]}], ids=str
)
def test_what_was_not_asked_for_stays(books, asked):
    assert {row[2] for row in told(history(books, correction(2, 2, **asked)))} == {1}


def test_what_costs_the_same_or_would_be_suspended_stays_and_a_second_correction_goes_on(books):
    assert {row[2] for row in told(history(books, correction(2, 1), correction(3, 3)))} == {1}
    again = told(history(books, correction(2, 2, accounts=["A1"]), correction(3, 2), correction(4, 1)))
    assert [row[1:] for row in again if row[0] == "day 0"] == [
        (1, 1, "original", None, 1, 300_000),
        (2, 2, "reversal", 1, 1, 300_000), (2, 3, "correction", 1, 2, 450_000),
        (4, 4, "reversal", 3, 2, 450_000), (4, 5, "correction", 3, 4, 300_000),
    ]  # fmt: skip


def test_another_owner_is_a_correction_for_the_same_charge(books):
    moved = facts()
    moved.accounts["A2"] = moved.accounts["A1"]._replace(account_id="A2", customer_id="C2")
    for number, held in moved._holdings.items():
        moved._holdings[number] = [one._replace(account_id="A2", subscription_id="S2") for one in held]
    events = rated_events(history(books, correction(2, 1, snapshot=2), snapshots={1: facts(), 2: moved}))
    assert {account: [one.kind for one in rows][:2] for account, rows in events.items()} == {
        "A1": ["original", "reversal"], "A2": ["correction", "correction"],
    }  # fmt: skip


def test_what_was_taken_back_before_it_was_billed_is_on_no_bill(books):
    runs = (correction(2, 2, to=DAYS[1]), correction(3, 1, to=DAYS[1]))
    versions = rated_events(history(books, *runs))["A1"]
    until = local_us(2026, 11, 1)

    def due(rating_no: int, *carried: Any) -> list[tuple[str, int]]:
        known = [one for one in versions if one.rating_no <= rating_no]
        return [version_of(one)[1:] for one in due_versions(known, carried, until)]

    others = [("day 1", 1), ("day 2", 1)]
    assert due(1) == [("day 0", 1), *others]
    assert due(2) == [("day 0", 3), *others] and due(3) == [("day 0", 5), *others]
    billed = ("switch", "day 0", 1)
    assert due(2, billed) == [("day 0", 2), ("day 0", 3), *others]
    assert due(3, billed) == [("day 0", 2), ("day 0", 5), *others]


NOVEMBER = [
    # 99 minutes are free, of the call after them one minute of three: 0.20 of October, at 0.15 it is 0.30.
    ("usage_correction", 1, 180, 60, 300_000),
    ("usage_reversal", 1, 180, 60, -200_000),
]


@pytest.mark.covers("BIL-11", "BIL-12", "BIL-21")
def test_the_bill_after_gives_back_what_was_billed_and_keeps_what_was_free(books):
    usage = [call(5_940, DAYS[0])._replace(event_id="first"), call(179, DAYS[1])._replace(event_id="half free")]
    accepted = [Accepted(1, 0, n, one) for n, one in enumerate(usage)]
    runs = [RatingRun(1, 1, 1, 1, 1), correction(2, 2, **{"from": DAYS[1]})]
    contract = Contract("K1", "S1", "A1", "term", date(2026, 9, 1), date(2027, 9, 1), None)
    known = facts(of=account(is_exempt=True)._replace(first_cycle_start=date(2026, 10, 1)), contracts=[contract])
    events = rated_events(rate_all(accepted, runs, {1: known}.__getitem__, books.__getitem__))
    biller = Biller(events, lambda _: known, books.__getitem__, runs)
    (october,) = biller.bill(RunPins("october", date(2026, 10, 1), 1, 1))
    (november,) = biller.bill(RunPins("november", date(2026, 11, 1), 2, 1))
    of_usage = [line for line in (*october.lines, *november.lines) if line.service]
    told = [(line.kind, line.events, line.units, line.free_units, line.amount) for line in of_usage]
    assert told == [("usage", 2, 6_120, 6_000, 200_000), *NOVEMBER]
    assert [one.free_units for one in november.billed] == [-60, 60]
    assert [one.net_charge for one in november.billed] == [-200_000, 300_000]
