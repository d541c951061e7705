"""The usage of the operator's months as it arrives: dirty records, and some that come one to three cycles late."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from random import Random

from faults.route import shuffled_keeping_copies
from faults.test_other_orders import permuted_and_repeated
from years.lives import Lives

from generators.cdr import GeneratedRecord
from generators.customers import local_midnight_ms, months_later
from generators.dirt import DirtRates
from generators.usage import DAY_MS, plan_usage

LATE_SHARE, LATE_DAYS = 0.06, (20, 93)
Records = list[GeneratedRecord]
Arrangement = Callable[[Records, int], Records]
"""Gives the records of a month another order or number; told which month it is."""


def draw_arrivals(
    lives: Lives, seed: int, first: date, months: int, events: int, rates: DirtRates
) -> list[Records]:  # fmt: skip
    """What arrives in each of the months, in the order of arrival, of `events` records that start in each.

    All copies of one event are late alike; what would come after the last month never does.
    """
    begins = [local_midnight_ms(months_later(first, number)) for number in range(months + 1)]
    arrivals: list[Records] = [[] for _ in range(months)]
    for number in range(months):
        month = f"{months_later(first, number):%Y-%m}"
        for key, value, arrival_ms, truth in plan_usage(lives.population, seed, events, month, rates=rates).records():
            random = Random(f"{seed} {truth.event_id if key is None else key.decode()}")
            if random.random() < LATE_SHARE:
                arrival_ms += random.randrange(*LATE_DAYS) * DAY_MS
            at = next((at for at in range(months) if arrival_ms < begins[at + 1]), None)
            if at is not None:
                arrivals[at].append((key, value, arrival_ms, truth))
    return [sorted(records, key=lambda record: record[2]) for records in arrivals]


def as_it_came(records: Records, month: int) -> Records:
    """The order of arrival."""
    return records


def permuted(records: Records, month: int) -> Records:
    """A drawn order of the month's records; copies of one event in theirs."""
    random = Random(f"order {month}")
    return shuffled_keeping_copies(records, [random.random() for _ in records])


def doubled(records: Records, month: int) -> Records:
    """Another drawn order, and 5 % of the records once more."""
    return permuted_and_repeated(records, seed=1_000 + month)
