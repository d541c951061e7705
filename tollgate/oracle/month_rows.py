"""Rows of the price book that the month alone asks: allowances and limits of spending. Instants in epoch seconds."""

from __future__ import annotations

from typing import NamedTuple


class Allowance(NamedTuple):
    """Free units, or money on usage (unit `currency`, in millionths), of a line or of an account's lines together, and
    cycle; `*` and an empty band cover all."""

    allowance_id: str
    plan_id: str
    name: str
    service: str
    zone_id: str
    unit: str
    quantity: int
    proration: str
    valid_from: int
    valid_to: int
    priority: int = 1
    scope: str = "line"
    band: str | None = None
    rollover_cycles: int = 0
    rollover_cap: int | None = None


class SpendLimit(NamedTuple):
    """A spending cap or minimum on usage; amount in millionths."""

    limit_id: str
    kind: str
    plan_id: str
    scope: str
    service: str
    amount: int
    tax_category: str | None
    valid_from: int
    valid_to: int
