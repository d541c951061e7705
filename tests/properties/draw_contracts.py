"""Seeded draws of contracts of the three kinds over some cycles: terms, calls, an end; and the price book that says so.

Months are those of Toronto from October 2025 on, so that clocks change in two of them and February is among them.
"""

from __future__ import annotations

from calendar import monthrange
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from math import gcd
from pathlib import Path
from random import Random
from typing import NamedTuple
from zoneinfo import ZoneInfo

from oracle.small_book import CELLS, sheet, write_book

from tollgate.oracle.contracts import Terms

TORONTO = ZoneInfo("America/Toronto")
FIRST_MONTH, MONTHS = date(2025, 10, 1), 6
ANCHOR_DAYS = (1, 1, 15, 29, 31)
LENGTHS = (0, 1, 29, 30, 31, 59, 60, 61, 119, 120, 317, 600, 3599, 3600, 3601, 36_000, 86_400)
TOP_UP_COLUMNS = ("plan_id", "opening_credit", "below", "amount", "moment", "valid_from", "valid_to")


class Call(NamedTuple):
    """A call of some seconds; `at` in epoch microseconds."""

    at: int
    seconds: int


class Drawn(NamedTuple):
    """A contract and what happens to it.

    kind: term, month_to_month or prepaid. starts: the local dates on which its cycles start, and the last one's end;
    the first contains `start`. calls: by cycle, in the order of their starts. term_end: of a term. cancelled: the
    first day without it; closes_account: the account closes on that day too.
    """

    name: str
    kind: str
    terms: Terms
    digits: int
    anchor_day: int
    starts: tuple[date, ...]
    start: date
    term_end: date | None
    cancelled: date | None
    closes_account: bool
    calls: tuple[tuple[Call, ...], ...]


def draw_contract(random: Random, number: int) -> Drawn:
    """One contract, heavy on edges: of cycles, of terms, of allowances, of credit."""
    kind = ("term", "month_to_month", "prepaid")[number % 3]
    anchor_day = random.choice(ANCHOR_DAYS)
    first = random.randrange(2)
    starts = tuple(anchored(anchor_day, month) for month in range(first, MONTHS + 1))
    start = random.choice((starts[0], starts[0] + timedelta(days=random.randrange(28))))
    last = random.randrange(1, len(starts))
    cancelled = random.choice((None, starts[last], between(random, max(start, starts[last - 1]), starts[last])))
    if cancelled == start:
        cancelled = None
    ends = (cancelled or starts[-1]) + timedelta(days=random.choice((-1, 0, 1, 90)))
    terms = draw_prepaid_terms(random) if kind == "prepaid" else draw_postpaid_terms(random, kind)
    in_force = [(max(start, one), min(cancelled or end, end)) for one, end in pairwise(starts)]
    return Drawn(
        name=f"{number:03}",
        kind=kind,
        terms=terms,
        digits=6 if kind == "prepaid" else random.choice((2, 4, 6)),
        anchor_day=anchor_day,
        starts=starts,
        start=start,
        term_end=max(ends, start + timedelta(days=1)) if kind == "term" else None,
        cancelled=cancelled,
        closes_account=cancelled in starts and random.random() < 0.5,
        calls=tuple(draw_calls(random, since, until) for since, until in in_force),
    )


def anchored(anchor_day: int, month: int) -> date:
    """The anchor day so many months after the first; in a shorter month its last day."""
    year, number = divmod(FIRST_MONTH.month - 1 + month, 12)
    year, number = FIRST_MONTH.year + year, number + 1
    return date(year, number, min(anchor_day, monthrange(year, number)[1]))


def between(random: Random, since: date, until: date) -> date:
    return since + timedelta(days=random.randrange(max(1, (until - since).days)))


def draw_calls(random: Random, since: date, until: date) -> tuple[Call, ...]:
    """Calls that start on the local days [since, until), the first and last second among them; sometimes none, or none
    that costs anything."""
    begin, end = midnight(since), midnight(until)
    if begin >= end or random.random() < 0.2:
        return ()
    edges = (begin, end - 1)
    seconds = {
        random.choice((*edges, random.randrange(begin, end), random.randrange(begin, end)))
        for _ in range(random.randrange(1, 9))
    }
    lengths = random.choice(((0,), *[(*LENGTHS, random.randrange(7200))] * 4))
    return tuple(Call(at * 1_000_000, random.choice(lengths)) for at in sorted(seconds))


def midnight(on: date) -> int:
    """Epoch seconds at which a day begins in Toronto."""
    return int(datetime(on.year, on.month, on.day, tzinfo=TORONTO).timestamp())


def draw_postpaid_terms(random: Random, kind: str) -> Terms:
    """Fees of whole cents, free minutes that a call or a month may just reach, and any price."""
    block, increment = draw_steps(random)
    return Terms(
        price=random.choice((0, 50_000, 100_000, 33_333, random.randrange(10**6))),
        block_s=block,
        increment_s=increment,
        monthly_fee=random.choice((0, 20_000_000, 50_000_000, random.randrange(10**4) * 10_000)),
        deposit=random.choice((300_000_000, 10_000)) if kind == "term" else 0,
        free_s=random.choice((0, 1, 59, 60, 3600, 3601, 6000)) if kind == "term" else 0,
    )


def draw_prepaid_terms(random: Random) -> Terms:
    """Credit near the threshold, and a price of which every step is whole millionths: a balance is never rounded."""
    block, increment = draw_steps(random)
    step = block // gcd(block, increment)
    return Terms(
        price=step * (random.choice((25_000, 100_000, random.randrange(10**6))) // step),
        block_s=block,
        increment_s=increment,
        opening_credit=random.choice((0, 5_000_000, 9_999_999, 10_000_000, 10_025_000, 100_000_000)),
        top_up_below=random.choice((0, 1, 10_000_000, 10_000_000, 10_000_000)),
        top_up=random.choice((0, 5_000_000, 25_000_000, 25_000_000)),
        topped_up_at=random.choice(("event", "month_start")),
    )


def draw_steps(random: Random) -> tuple[int, int]:
    """Seconds of a block and of an increment."""
    return random.choice((1, 30, 60)), random.choice((1, 6, 30, 60))


def book_of_contracts(folder: Path, drawn: list[Drawn]) -> Path:
    """A book with a plan for each contract, 13 % tax, and a fee of 1.00 on each invoice."""
    rows: dict[str, list[dict[str, object]]] = {"plan": [], "rate": [], "fee": [], "allowance": []}
    top_ups = [",".join(TOP_UP_COLUMNS)]
    rows["fee"].append({"fee_id": "invoice", "kind": "invoice", "plan_id": "*", "amount": "1.00"})
    for one in drawn:
        plan, terms = {"plan_id": one.name}, one.terms
        rows["plan"].append({**plan, "contract_type": one.kind, "term_months": ""})
        price = {"price": text_of(terms.price), "block": terms.block_s, "increment": terms.increment_s}
        rows["rate"].append({**plan, "rate_id": f"v{one.name}", "digits": one.digits, **price})
        if one.kind == "prepaid":
            amounts = (text_of(amount) for amount in (terms.opening_credit, terms.top_up_below, terms.top_up))
            top_ups.append(",".join((one.name, *amounts, terms.topped_up_at, "2024-01-01", "")))
            continue
        rows["fee"].append({**plan, "fee_id": f"f{one.name}", "amount": text_of(terms.monthly_fee)})
        if one.kind == "term":
            deposit = {"kind": "deposit", "tax_category": "none", "amount": text_of(terms.deposit)}
            rows["fee"].append({**plan, "fee_id": f"d{one.name}", **deposit})
        if terms.free_s:
            rows["allowance"].append({**plan, "allowance_id": f"a{one.name}", "quantity": terms.free_s})
    assert set(rows) <= set(CELLS)
    sheets = {name: sheet(name, *of_name) for name, of_name in rows.items()}
    write_book(folder, **sheets, tax=sheet("tax", {}))
    (folder / "top_up.csv").write_text("\n".join(top_ups) + "\n", encoding="utf-8")
    return folder


def text_of(micros: int) -> str:
    """Millionths as a decimal text."""
    return f"{Decimal(micros).scaleb(-6):f}"
