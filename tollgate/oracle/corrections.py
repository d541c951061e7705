"""Corrections of rated events: which ones a correction looks at, what counts as another price, what a reversal says."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from tollgate.oracle.lake import RatingRun
from tollgate.oracle.pricing import Priced
from tollgate.oracle.rows import Usage

# What a reversal says with the other sign; exact amounts are (numerator, denominator).
_NEGATED = ("charge", "cost", "margin", "charged_units")
_NEGATED_FRACTIONS = ("exact_charge", "exact_cost")


class Selection(NamedTuple):
    """What a correction was asked for: events started in [begin, end), epoch microseconds, and of these accounts,
    service and plan as they stood; None for all."""

    begin: int
    end: int
    accounts: frozenset[str] | None
    service: str | None
    plan: str | None

    def takes(self, usage: Usage, stood: Priced) -> bool:
        """Whether it looks at an event whose price stood."""
        holding = stood.holding
        return (
            holding is not None
            and self.begin <= usage.started_at < self.end
            and (self.accounts is None or holding.account_id in self.accounts)
            and self.service in (None, usage.service)
            and self.plan in (None, holding.plan_id)
        )


def selection_of(run: RatingRun) -> Selection | None:
    """What a correction was asked for; None for a night."""
    if run.selection is None:
        return None
    told = json.loads(run.selection)
    accounts = None if told["accounts"] is None else frozenset(told["accounts"])
    return Selection(told["from"], told["to"], accounts, told["service"], told["plan"])


def differs(usage: Usage, was: Priced, now: Priced) -> bool:
    """Whether an event costs another amount, another owner, or by another row. Both have a price."""
    return _charged(usage, was) != _charged(usage, now)


def _charged(usage: Usage, priced: Priced) -> tuple[Any, ...]:
    holding, cost = priced.holding, priced.wholesale
    assert holding is not None and priced.account is not None
    owner = (holding.account_id, priced.account.customer_id, holding.subscription_id, holding.contract_id)
    place = (holding.plan_id, priced.zone_id, priced.roaming_zone, priced.account.currency, priced.tax_category)
    sums = (priced.retail_status, priced.charge, priced.charged_units, priced.unit, priced.price_source)
    carrier = (cost.status, cost.cost, cost.row.cost_id if cost.row else None)
    rate_id = priced.rate.rate_id if priced.rate else None
    same = (owner, place, sums, carrier, rate_id)
    if priced.retail_status != "rated":
        return same
    row = priced.rate or cost.row
    assert row is not None
    bounds = (priced.rate.minimum, priced.rate.maximum) if priced.rate else None
    terms = (row.block, row.initial, row.increment, row.price, row.connect_fee, priced.digits, priced.rounding)
    tiers = (priced.rate.tiers, priced.rate.counts, priced.rate.mode) if priced.rate and priced.rate.tiers else None
    pieces = tuple(piece for piece in priced.pieces if piece.units)
    return (*same, bounds, terms, tiers, pieces, priced.discount_ids, priced.keep)


def taken_back(fields: dict[str, Any]) -> dict[str, Any]:
    """What the reversal of a row must say, by the fields of that row."""
    found = dict(fields)
    for name in _NEGATED:
        if found.get(name) is not None:
            found[name] = -found[name]
    for name in _NEGATED_FRACTIONS:
        if found.get(name) is not None:
            over, under = found[name]
            found[name] = (-over, under)
    if "pieces" in found:
        found["pieces"] = tuple(piece._replace(units=-piece.units) for piece in found["pieces"])
    return found
