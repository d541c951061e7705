"""The drawn lives of a small operator: accounts on every anchor day and on cycles of days, and what becomes of their
lines; and what the master data say of it by some day."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import cycle
from random import Random
from typing import NamedTuple

from generators.customers import (
    Contract,
    Customer,
    HeldNumber,
    PhoneLine,
    Population,
    StateSpan,
    local_midnight_ms,
    months_later,
)
from generators.network import SITES, own_number

# The days that months lack come first, so that a few accounts have them.
ANCHORS = (31, 1, 29, 15, 30, *(day for day in range(2, 29) if day != 15))
CYCLE_DAYS = (28, 29)
STORIES = (
    "leaves_early", "changes_plan", "moves_unnoticed", "prepaid", "moves", "suspended", "leaves_monthly", "steady",
    "changes_number", "leaves_at_term", "prepaid_leaves", "takes_a_term",
)  # fmt: skip
PLANS = ("term", "month_to_month", "prepaid")
NOTICED_AFTER = 3  # a move that nobody noticed is told so many months after the month in which it was


class BillingTerms(NamedTuple):
    """What an account has beside its row of the population. closed_on: the first local day without it."""

    anchor_day: int
    cycle_days: int | None
    closed_on: date | None
    payment_term_days: int | None


class UnnoticedMove(NamedTuple):
    """A number that another line took over on a day, and the day by which the master data say so.

    account_id: of the owner before.
    """

    left: str
    joined: str
    account_id: str
    on: date
    told_on: date


@dataclass(frozen=True)
class Lives:
    """What happens in truth. terms: of the accounts, in the order of population.customers."""

    population: Population
    terms: tuple[BillingTerms, ...]
    moves: tuple[UnnoticedMove, ...]

    def known_by(self, day: date) -> tuple[Population, list[BillingTerms]]:
        """The population as the master data have it at the end of the day before: what begins or ends from `day` on
        is not known, and a move that nobody noticed not before it is told."""
        lines = [known for line in self.population.lines if (known := self._line_known(line, day)) is not None]
        terms = [one if one.closed_on and one.closed_on < day else one._replace(closed_on=None) for one in self.terms]
        whole = self.population
        return Population(whole.seed, whole.customers, tuple(lines), whole.unheld_numbers), terms

    def _line_known(self, line: PhoneLine, day: date) -> PhoneLine | None:
        untold = [move for move in self.moves if day < move.told_on]
        until, name = local_midnight_ms(day), line.subscription_id
        contracts = tuple(
            one if one.cancelled_on and one.cancelled_on < day else one._replace(cancelled_on=None)
            for one in line.contracts
            if one.starts_on < day
        )
        if not contracts or name in [move.joined for move in untold]:
            return None
        numbers = tuple(
            one if one.to_ms is not None and one.to_ms < until else one._replace(to_ms=None)
            for one in line.numbers
            if one.from_ms < until
        )
        if name in [move.left for move in untold]:
            numbers = (numbers[0]._replace(to_ms=None),)
        states = tuple(
            one if one.to_ms is not None and one.to_ms < until else one._replace(to_ms=None)
            for one in line.states
            if one.from_ms < until
        )
        return line._replace(contracts=contracts, numbers=numbers, states=states)


def draw_lives(seed: int, accounts: int, first: date, months: int) -> Lives:
    """The lives of so many accounts whose cycles start in `months` months from `first` on; usage goes on a month more.

    Of nine accounts one joins later and one is closed; one of eight has cycles of days. Lines of accounts that stay
    live STORIES in turn.
    """
    return _Draw(seed, accounts, first, months).lives()


class _Draw:
    def __init__(self, seed: int, accounts: int, first: date, months: int) -> None:
        self._random = Random(f"lives {seed}")
        self._seed, self._accounts, self._first, self._months = seed, accounts, first, months
        self._end = months_later(first, months)
        self._customers: list[Customer] = []
        self._terms: list[BillingTerms] = []
        self._lines: list[PhoneLine] = []
        self._moves: list[UnnoticedMove] = []

    def lives(self) -> Lives:
        anchors, stories, plans = cycle(ANCHORS), cycle(STORIES), cycle(PLANS)
        moving: list[tuple[int, PhoneLine, str]] = []
        for number in range(self._accounts):
            self._add_account(number, anchors)
            is_steady = number % 9 not in (4, 7)
            for _ in range(2 if number % 4 == 1 else 1):
                story = next(stories) if is_steady else next(plans)
                line = self._line(number, story)
                self._lines.append(line)
                if story.startswith("moves"):
                    moving.append((len(self._lines) - 1, line, story))
        for place, line, story in moving:
            self._move(place, line, story)
        unheld = tuple(own_number(2 * len(self._lines) + 2 * number) for number in range(10))
        population = Population(self._seed, tuple(self._customers), tuple(self._lines), unheld)
        return Lives(population, tuple(self._terms), tuple(self._moves))

    def _add_account(self, number: int, anchors: Iterator[int]) -> None:
        random = self._random
        days = CYCLE_DAYS[number // 8 % 2] if number % 8 == 5 else None
        anchor_day = 1 if days else next(anchors)
        joins = random.randrange(1, max(2, self._months)) if number % 9 == 4 else 0
        first_cycle = months_later(date(2024, 1, anchor_day), 0)
        month = months_later(self._first, joins)
        first_cycle = months_later(first_cycle, (month.year - 2024) * 12 + month.month - 1)
        if days:
            first_cycle += timedelta(days=random.randrange(28))
        closed_on = None
        if number % 9 == 7:
            closed_on = random.choice((self._day_after(first_cycle), months_later(first_cycle, 1)))
        self._terms.append(BillingTerms(anchor_day, days, closed_on, random.choice((None, 14, 30))))
        since = first_cycle - timedelta(days=random.choice((0, 360, 900)))
        begin, change = local_midnight_ms(since), local_midnight_ms(self._day_after(first_cycle)) + 43_200_000
        facts: tuple[tuple[bool, int, int | None], ...] = ((number % 5 == 0, begin, None),)
        if number % 5 == 1:
            facts = ((False, begin, change), (True, change, None))
        names = f"cus-{number:07d}", f"acc-{number:07d}"
        place = "GB" if number % 11 == 3 else "CA-ON"
        self._customers.append(Customer(*names, since, facts, place, number % 13 == 6, first_cycle))

    def _day_after(self, since: date) -> date:
        """A day on which something happens, some days after `since` and before the last cycle has begun."""
        earliest = max(since, self._first) + timedelta(days=6)
        return earliest + timedelta(days=self._random.randrange(max(1, (self._end - earliest).days)))

    def _line(self, owner: int, story: str) -> PhoneLine:
        number = len(self._lines)
        closed_on, begins = self._terms[owner].closed_on, self._customers[owner].first_cycle_start
        day = self._day_after(begins)
        contracts = self._contracts(f"con-{number:07d}", story, begins, day)
        if closed_on:
            contracts = tuple(one._replace(cancelled_on=closed_on) for one in contracts)
        from_ms = local_midnight_ms(max(begins, contracts[0].starts_on))
        gone = contracts[-1].cancelled_on
        # Who leaves month-to-month keeps the number for a while: its usage has no plan.
        to_ms = local_midnight_ms(gone) if gone and story != "leaves_monthly" else None
        change = local_midnight_ms(day) + self._random.randrange(86_400) * 1000
        numbers = (HeldNumber(own_number(2 * number), f"302720{2 * number:09d}", from_ms, to_ms),)
        states = (StateSpan("active", from_ms, to_ms),)
        if story == "changes_number":
            second = HeldNumber(own_number(2 * number + 1), f"302720{2 * number + 1:09d}", change, to_ms)
            numbers = (numbers[0]._replace(to_ms=change), second)
        if story == "suspended":
            back = change + 9 * 86_400_000
            spans = (("active", from_ms, change), ("suspended", change, back), ("active", back, to_ms))
            states = tuple(StateSpan(*span) for span in spans)
        site = self._random.randrange(SITES)
        return PhoneLine(f"sub-{number:07d}", owner, story, site, contracts, numbers, states)

    def _contracts(self, name: str, story: str, begins: date, day: date) -> tuple[Contract, ...]:
        """day: on which the story happens."""
        starts = begins - timedelta(days=self._random.choice((0, 0, 100, -3)))
        of_term = Contract(name, "term", starts, months_later(starts, 12), None)
        monthly = Contract(name, "month_to_month", starts, None, None)
        prepaid = Contract(name, "prepaid", starts, None, None)
        if story == "leaves_early":
            starts = months_later(day, -self._random.randrange(1, 11))
            return (Contract(name, "term", starts, months_later(starts, 12), day),)
        if story in ("changes_plan", "leaves_at_term"):
            ended = Contract(name, "term", months_later(day, -12), day, day)
            after = Contract(f"{name}-b", "month_to_month", day, None, None)
            return (ended, after) if story == "changes_plan" else (ended,)
        if story == "takes_a_term":
            after = Contract(f"{name}-b", "term", day, months_later(day, 12), None)
            return monthly._replace(cancelled_on=max(day, starts + timedelta(days=1))), after
        if story == "leaves_monthly":
            return (monthly._replace(cancelled_on=max(day, starts + timedelta(days=1))),)
        if story == "prepaid_leaves":
            return (prepaid._replace(cancelled_on=max(day, starts + timedelta(days=1))),)
        kinds = {"prepaid": prepaid, "month_to_month": monthly, "steady": monthly, "changes_number": monthly}
        return (kinds.get(story, of_term),)

    def _move(self, place: int, line: PhoneLine, story: str) -> None:
        """Give the number of a line to a new one of an account that stays."""
        stay = [
            number
            for number, terms in enumerate(self._terms)
            if number != line.customer and not terms.closed_on and number % 9 != 4
        ]
        owner = self._random.choice(stay)
        since = max(self._customers[owner].first_cycle_start, self._customers[line.customer].first_cycle_start)
        day = min(self._day_after(since), self._end - timedelta(days=1))
        told_on = min(months_later(day.replace(day=1), NOTICED_AFTER), months_later(self._end, 1))
        at, held = local_midnight_ms(day), line.numbers[0]
        self._lines[place] = line._replace(numbers=(held._replace(to_ms=at),))
        number = len(self._lines)
        plan = "term" if story == "moves_unnoticed" else "month_to_month"
        ends = months_later(day, 12) if plan == "term" else None
        contract = Contract(f"con-{number:07d}", plan, day, ends, None)
        joined = PhoneLine(
            f"sub-{number:07d}", owner, "joined", line.home_site, (contract,),
            (held._replace(imsi=f"302720{2 * number:09d}", from_ms=at),), (StateSpan("active", at, None),),
        )  # fmt: skip
        self._lines.append(joined)
        if story == "moves_unnoticed":
            before = self._customers[line.customer].account_id
            names = (line.subscription_id, joined.subscription_id, before)
            self._moves.append(UnnoticedMove(*names, day, told_on))
