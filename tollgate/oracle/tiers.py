"""Graduated tiers: each unit of a cycle costs what its place in the cycle says."""

from __future__ import annotations

from datetime import date
from itertools import pairwise

from tollgate.oracle.amounts import round_micros
from tollgate.oracle.lines import RatedEvent
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


def tier_charge(priced: Priced, before: int, units: int) -> tuple[int, int, int]:
    """What `units` cost after `before` others: exact (numerator, denominator) in millionths, and rounded once."""
    rate = priced.rate
    assert rate is not None
    end = before + units
    steps = [(0, rate.price), *rate.tiers, (end, 0)]
    cost = sum(
        price * (min(until, end) - max(start, before))
        for (start, price), (until, _) in pairwise(steps)
        if max(start, before) < min(until, end)
    )
    numerator, denominator = cost * priced.keep.numerator, rate.block * priced.keep.denominator
    return numerator, denominator, round_micros(numerator, denominator, rate.digits, rate.rounding)
