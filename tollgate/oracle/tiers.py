"""Graduated tiers: each unit of a cycle costs what its place in the cycle says.

Billed events hold places in the count of their cycle. A reversal frees them; what comes takes the first ones free.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from itertools import pairwise

from tollgate.oracle.amounts import round_micros
from tollgate.oracle.lines import BilledEvent, Place, RatedEvent
from tollgate.oracle.pricing import Priced

TierCounter = tuple[str, str, date]
"""Whose units of which rate in which cycle: (account or subscription, rate, start of the cycle)."""


def tier_counter(event: RatedEvent, origin: date) -> TierCounter | None:
    """The counter of an event whose rate has graduated tiers; None for the others."""
    priced = event.priced
    rate, holding = priced.rate, priced.holding
    is_counted = rate is not None and bool(rate.tiers) and rate.mode == "graduated" and priced.retail_status == "rated"
    if rate is None or holding is None or not is_counted:
        return None
    return (holding.account_id if rate.counts == "account" else holding.subscription_id, rate.rate_id, origin)


class Counts:
    """The places of each counter that posted bills, and a bill while it is made, have taken."""

    def __init__(self, standing: Iterable[BilledEvent]) -> None:
        """standing: what posted bills of the account have of each event, but for what was taken back."""
        self._taken: dict[TierCounter, list[Place]] = defaultdict(list)
        for one in standing:
            counter = tier_counter(one.event, one.origin_cycle)
            if counter is not None:
                self.hold(counter, one.tier_places)

    def hold(self, counter: TierCounter, places: Iterable[Place]) -> None:
        """Take these places, which are free."""
        joined: list[Place] = []
        for start, end in sorted([*self._taken[counter], *places]):
            if joined and joined[-1][1] == start:
                start = joined.pop()[0]
            joined.append((start, end))
        self._taken[counter] = joined

    def free(self, counter: TierCounter, places: Iterable[Place]) -> None:
        """Give these places back, which are taken."""
        for start, end in places:
            left = []
            for one in self._taken[counter]:
                parts = ((one[0], min(one[1], start)), (max(one[0], end), one[1]))
                left += [part for part in parts if part[0] < part[1]]
            self._taken[counter] = left

    def take(self, counter: TierCounter, units: int) -> tuple[Place, ...]:
        """The first places that are free; they are taken from then on."""
        found, at = [], 0
        for start, end in [*self._taken[counter], (None, 0)]:
            till = at + units if start is None else min(at + units, start)
            if at < till:
                found.append((at, till))
                units -= till - at
            at = end
        self.hold(counter, found)
        return tuple(found)


def tier_charge(priced: Priced, places: Iterable[Place]) -> tuple[int, int, int]:
    """What the units at these places cost: exact (numerator, denominator) in millionths, and rounded once."""
    rate = priced.rate
    assert rate is not None
    cost = 0
    for begin, end in places:
        steps = [(0, rate.price), *rate.tiers, (end, 0)]
        cost += sum(
            price * (min(until, end) - max(start, begin))
            for (start, price), (until, _) in pairwise(steps)
            if max(start, begin) < min(until, end)
        )
    numerator, denominator = cost * priced.keep.numerator, rate.block * priced.keep.denominator
    return numerator, denominator, round_micros(numerator, denominator, rate.digits, rate.rounding)
