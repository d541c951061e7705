"""The demo operator's customers, lines and contracts: the same population for the same seed.

Lives are arranged around the demo's months: some join, leave, change plan or number, or are suspended in October and
November 2026.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from generators.draws import Draws
from generators.network import SITES, TIME_ZONE, own_number

TERM, MONTH_TO_MONTH, PREPAID = "term", "month_to_month", "prepaid"
FIRST_MONTH = date(2026, 10, 1)
STORY_DAYS = 38  # stories happen from 2 October to 8 November
UNHELD_NUMBERS = 20
# Lines per thousand that live each story; a population of 40 or more has at least one of each.
STORIES = {
    "joins": 60, "leaves_early": 30, "leaves_at_term": 20, "leaves_monthly": 20, "changes_plan": 10,
    "changes_number": 10, "suspended": 20, "prepaid": 15,
}  # fmt: skip
_LINES_PER_CUSTOMER = (55, 27, 12, 6)
_JURISDICTIONS = (("CA-ON", 95), ("GB", 3), ("MA", 2))


class Contract(NamedTuple):
    """A row of crm.contract; days are local."""

    contract_id: str
    plan_id: str
    starts_on: date
    term_ends_on: date | None
    cancelled_on: date | None


class HeldNumber(NamedTuple):
    """A number of a line in [from_ms, to_ms), epoch milliseconds; None is open."""

    msisdn: str
    imsi: str
    from_ms: int
    to_ms: int | None


class StateSpan(NamedTuple):
    """State of a line in [from_ms, to_ms), epoch milliseconds; None is open."""

    state: str
    from_ms: int
    to_ms: int | None


class PhoneLine(NamedTuple):
    """A subscription with its history; home_site is the cell site of most of its usage."""

    subscription_id: str
    customer: int
    story: str
    home_site: int
    contracts: tuple[Contract, ...]
    numbers: tuple[HeldNumber, ...]
    states: tuple[StateSpan, ...]


class Customer(NamedTuple):
    """A customer with one account; facts are (is_student, from_ms, to_ms)."""

    customer_id: str
    account_id: str
    customer_since: date
    facts: tuple[tuple[bool, int, int | None], ...]
    tax_jurisdiction: str
    tax_exempt: bool
    first_cycle_start: date


@dataclass(frozen=True)
class Population:
    """All that the seed and the usage need to know; the people themselves are in people.py."""

    seed: int
    customers: tuple[Customer, ...]
    lines: tuple[PhoneLine, ...]
    unheld_numbers: tuple[str, ...]


def build_population(seed: int, subscribers: int) -> Population:
    """`subscribers` lines with their customers. ValueError below one subscriber."""
    if not 1 <= subscribers <= 1_000_000:
        raise ValueError(f"subscribers: expected 1 to 1,000,000, found {subscribers}")
    draws = Draws("population", seed)
    owners = _owners(draws, subscribers)
    stories = _stories(draws, subscribers)
    when = draws.below("story.day", subscribers, STORY_DAYS).tolist()
    tenure = draws.below("story.tenure", subscribers, 1000).tolist()
    fate = draws.below("story.fate", subscribers, 1000).tolist()
    sites = draws.below("home_site", subscribers, SITES).tolist()
    lines = [
        _line(number, owners[number], stories[number], when[number], tenure[number], fate[number], sites[number])
        for number in range(subscribers)
    ]
    _recycle_numbers(lines)
    unheld = tuple(own_number(2 * subscribers + number) for number in range(UNHELD_NUMBERS))
    return Population(seed, _customers(draws, lines), tuple(lines), unheld)


@lru_cache(maxsize=4096)
def local_midnight_ms(day: date) -> int:
    """Epoch milliseconds of 00:00 of that day in the operator's zone."""
    return int(datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(TIME_ZONE)).timestamp()) * 1000


def months_later(day: date, months: int) -> date:
    """The same day of a later (or earlier) month, clipped to that month's end."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    last = (date(year + (month + 1) // 12, (month + 1) % 12 + 1, 1) - timedelta(days=1)).day
    return date(year, month + 1, min(day.day, last))


def _owners(draws: Draws, subscribers: int) -> list[int]:
    sizes = (draws.pick("lines_per_customer", subscribers, _LINES_PER_CUSTOMER) + 1).tolist()
    owners = [customer for customer, size in enumerate(sizes) for _ in range(size)]
    return owners[:subscribers]


def _stories(draws: Draws, subscribers: int) -> list[str]:
    stories = ["steady"] * subscribers
    waiting = iter(draws.order("stories", subscribers).tolist())
    for story, per_thousand in STORIES.items():
        least = 1 if subscribers >= 40 else 0
        for _ in range(max(least, subscribers * per_thousand // 1000)):
            stories[next(waiting)] = story
    return stories


def _line(number: int, owner: int, story: str, when: int, tenure: int, fate: int, site: int) -> PhoneLine:
    day = FIRST_MONTH + timedelta(days=1 + when)
    contracts = _contracts(f"con-{number:07d}", story, day, tenure, fate)
    begin = local_midnight_ms(contracts[0].starts_on)
    gone = contracts[-1].cancelled_on
    keeps_number = story == "leaves_monthly" and fate % 4 == 0  # a number without a contract: its usage has no plan
    end = local_midnight_ms(gone) if gone and not keeps_number else None
    change = local_midnight_ms(day) + 43_200_000
    numbers: tuple[HeldNumber, ...] = (HeldNumber(own_number(2 * number), f"302720{2 * number:09d}", begin, end),)
    if story == "changes_number":
        numbers = (
            numbers[0]._replace(to_ms=change),
            HeldNumber(own_number(2 * number + 1), f"302720{2 * number + 1:09d}", change, None),
        )
    states: tuple[StateSpan, ...] = (StateSpan("active", begin, end),)
    if story == "suspended":
        back = change + (3 + fate % 10) * 86_400_000
        states = (
            StateSpan("active", begin, change),
            StateSpan("suspended", change, back),
            StateSpan("active", back, None),
        )
    return PhoneLine(f"sub-{number:07d}", owner, story, site, contracts, numbers, states)


def _contracts(contract_id: str, story: str, day: date, tenure: int, fate: int) -> tuple[Contract, ...]:
    """tenure and fate: 0..999, what else distinguishes lines of one story."""
    on_term = fate % 100 < 55
    if story == "joins":
        return (_fresh(contract_id, on_term, day),)
    if story == "leaves_early":
        starts_on = months_later(day, -(1 + tenure % 10)) + timedelta(days=1)
        return (Contract(contract_id, TERM, starts_on, months_later(starts_on, 12), day),)
    if story in ("leaves_at_term", "changes_plan"):
        starts_on = months_later(day, -12)
        ended = Contract(contract_id, TERM, starts_on, day, day)
        return (
            (ended,)
            if story == "leaves_at_term"
            else (ended, Contract(f"{contract_id}-b", MONTH_TO_MONTH, day, None, None))
        )
    starts_on = FIRST_MONTH - timedelta(days=20 + tenure)
    if story == "prepaid":
        return (Contract(contract_id, PREPAID, starts_on, None, None),)
    if story == "leaves_monthly":
        return (Contract(contract_id, MONTH_TO_MONTH, starts_on, None, day),)
    return (_fresh(contract_id, on_term, starts_on, months=12 if fate % 2 else 24),)


def _fresh(contract_id: str, on_term: bool, starts_on: date, months: int = 12) -> Contract:
    ends_on = months_later(starts_on, months) if on_term else None
    return Contract(contract_id, TERM if on_term else MONTH_TO_MONTH, starts_on, ends_on, None)


def _recycle_numbers(lines: list[PhoneLine]) -> None:
    """Give some joining lines the number that another line left at least a day before."""
    left = sorted((line.numbers[0].to_ms, line.numbers[0].msisdn) for line in lines if line.story == "leaves_at_term")
    for index, line in enumerate(lines):
        held = line.numbers[0]
        if left and line.story == "joins" and left[0][0] is not None and left[0][0] + 86_400_000 <= held.from_ms:
            _, msisdn = left.pop(0)
            lines[index] = line._replace(numbers=(held._replace(msisdn=msisdn),))


def _customers(draws: Draws, lines: list[PhoneLine]) -> tuple[Customer, ...]:
    earliest: dict[int, date] = {}
    for line in lines:
        starts_on = line.contracts[0].starts_on
        earliest[line.customer] = min(starts_on, earliest.get(line.customer, starts_on))
    size = len(earliest)
    chance = draws.below("tenure.kind", size, 100).tolist()
    days = draws.below("tenure.days", size, 1500).tolist()
    student = draws.below("student", size, 1000).tolist()
    tax = draws.pick("jurisdiction", size, [share for _, share in _JURISDICTIONS]).tolist()
    exempt = draws.below("tax_exempt", size, 100).tolist()
    customers = []
    for number, first in earliest.items():
        since = _since(first, chance[number], days[number])
        facts = _facts(since, student[number], days[number])
        jurisdiction, _ = _JURISDICTIONS[tax[number]]
        first_cycle = max(FIRST_MONTH, first.replace(day=1))
        names = f"cus-{number:07d}", f"acc-{number:07d}"
        customers.append(Customer(*names, since, facts, jurisdiction, exempt[number] < 2, first_cycle))
    return tuple(customers)


def _since(first: date, chance: int, days: int) -> date:
    twelfth = date(2025, 10, 2) + timedelta(
        days=days % STORY_DAYS
    )  # a tenure of 12 months is reached in the demo's months
    if chance < 8 and first >= twelfth:
        return twelfth
    return first if chance < 60 else first - timedelta(days=days)


def _facts(since: date, student: int, days: int) -> tuple[tuple[bool, int, int | None], ...]:
    """120 customers of a thousand are students; ten more become one and ten cease to be one in the demo's months."""
    begin, change = local_midnight_ms(since), local_midnight_ms(FIRST_MONTH + timedelta(days=1 + days % STORY_DAYS))
    if student < 120 or student >= 140 or change <= begin:
        return ((student < 120, begin, None),)
    ceases = student < 130
    return ((ceases, begin, change), (not ceases, change, None))
