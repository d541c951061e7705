"""Volume tiers: what a cycle's units come to at the price of the last one, less what they were billed at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date

from tollgate.oracle.amounts import round_micros, round_to_minor
from tollgate.oracle.bill_discounts import PostedLine
from tollgate.oracle.cycles import Cycle
from tollgate.oracle.lines import BilledEvent, Line

KINDS = ("volume_tier", "prior_volume_tier")
Key = tuple[date, str, str, str]
"""Of a cycle: (its start, line, rate, tax category)."""


def volume_lines(
    billed: Sequence[BilledEvent],
    earlier: Sequence[BilledEvent],
    cycle: Cycle,
    minor_digits: int,
    posted: Sequence[PostedLine],
) -> list[Line]:
    """Lines of the cycles that the bill has usage of.

    billed: events of the bill; earlier: those of the account's posted bills, with their `posted` lines.
    """
    # What a prepaid contract pays, which its line's key ends with, is settled as it happens.
    billed, earlier = ([one for one in events if one.line_key.endswith("|")] for events in (billed, earlier))
    origins = {one.origin_cycle for one in billed}
    events = [one for one in (*earlier, *billed) if one.origin_cycle in origins and _is_by_volume(one)]
    units: Counter[tuple[str, str, date]] = Counter()
    for one in events:
        units[_counter(one)] += one.left_units
    changes: Counter[Key] = Counter()
    services: dict[Key, str] = {}
    for one in events:
        priced = one.event.priced
        assert priced.rate is not None and priced.holding is not None
        prices = [priced.rate.price, *(price for after, price in priced.rate.tiers if after < units[_counter(one)])]
        key = (one.origin_cycle, priced.holding.subscription_id, priced.rate.rate_id, priced.tax_category or "none")
        changes[key] += _charge(one, prices[-1]) - _charge(one, prices[0])
        services[key] = one.event.service
    lines = []
    for key, change in changes.items():
        origin, subscription, ref, category = key
        given = [
            one.line.amount
            for one in posted
            if one.line.kind in KINDS
            and (one.origin, one.line.subscription_id, one.line.ref, one.line.tax_category) == key
        ]
        amount = round_to_minor(change, minor_digits) - sum(given)
        if amount:
            kind = KINDS[origin < cycle.start]
            line = Line(kind, category, ref, subscription, services[key], origin_cycle=origin)
            line.exact_total, line.amount = (amount if given else change), amount
            lines.append(line)
    return lines


def _is_by_volume(one: BilledEvent) -> bool:
    rate = one.event.priced.rate
    is_priced = one.event.priced.retail_status == "rated"
    return rate is not None and bool(rate.tiers) and rate.mode == "volume" and is_priced


def _counter(one: BilledEvent) -> tuple[str, str, date]:
    rate, holding = one.event.priced.rate, one.event.priced.holding
    assert rate is not None and holding is not None
    owner = holding.account_id if rate.counts == "account" else holding.subscription_id
    return owner, rate.rate_id, one.origin_cycle


def _charge(one: BilledEvent, price: int) -> int:
    """What the units left cost at a price, with the event's discounts, rounded once."""
    rate, keep = one.event.priced.rate, one.event.priced.keep
    assert rate is not None
    numerator, denominator = one.left_units * price * keep.numerator, rate.block * keep.denominator
    return round_micros(numerator, denominator, rate.digits, rate.rounding)
