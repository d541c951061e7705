"""Lines and invoices as the oracle bills them. Amounts in integer millionths."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from typing import NamedTuple

from tollgate.oracle.pricing import Priced


class RatedEvent(NamedTuple):
    """A version of a rated or zero-rated event with its price, as a bill run takes it.

    corrects: of a reversal and its correction, the revision that they take back and replace. The price of a reversal is
    that which it takes back.
    """

    source: str
    event_id: str
    started_at: int
    service: str
    rating_no: int
    priced: Priced
    revision: int = 1
    kind: str = "original"
    corrects: int | None = None


class Slice(NamedTuple):
    """What an allowance freed of an event: units, or millionths, of the grant of a cycle, named by its start."""

    allowance_id: str
    granted_on: date
    units: int


Place = tuple[int, int]
"""Units [from, till) of those that a rate with tiers counts in a cycle."""


class BilledEvent(NamedTuple):
    """What a run bills of one event: what allowances freed, and the net charge, exact and rounded.

    tier_places: where its units lie in their cycle, in order; none where its rate has no graduated tiers.
    """

    event: RatedEvent
    line_key: str
    origin_cycle: date
    slices: tuple[Slice, ...]
    net_numerator: int
    net_denominator: int
    net_charge: int
    money_slices: tuple[Slice, ...] = ()
    tier_places: tuple[Place, ...] = ()

    @property
    def free_units(self) -> int:
        """Units freed by all allowances."""
        return sum(one.units for one in self.slices)

    @property
    def left_units(self) -> int:
        """Units that allowances left; a reversal takes them back and has them negative."""
        charged = self.event.priced.charged_units or 0
        return (-charged if self.event.kind == "reversal" else charged) - self.free_units

    @property
    def allowance_id(self) -> str | None:
        """The first allowance that freed units."""
        return self.slices[0].allowance_id if self.slices else None


LATE_USAGE = ("prior_period", "usage_reversal", "usage_correction")
USAGE = ("usage", *LATE_USAGE)
"""Kinds of lines that carry usage, of the bill's own cycle and of earlier ones."""


@dataclass
class Line:
    """One line of an invoice."""

    kind: str
    tax_category: str
    ref: str = ""
    subscription_id: str | None = None
    service: str | None = None
    zone_id: str | None = None
    roaming_zone: str | None = None
    origin_cycle: date | None = None
    unit: str | None = None
    events: int = 0
    units: int = 0
    free_units: int = 0
    exact_total: int | Fraction = 0
    amount: int = 0
    tax_id: str | None = None
    tax_share: int = 0
    exempt_reason: str | None = None
    line_no: int = 0

    @property
    def line_key(self) -> str:
        """The deterministic key; parts that do not apply are empty."""
        parts = (self.kind, self.subscription_id, self.service, self.zone_id, self.roaming_zone, self.origin_cycle)
        return "|".join([*("" if part is None else str(part) for part in parts), self.tax_category, self.ref])


class PrepaidBalance(NamedTuple):
    """What a bill run did to the credit of a prepaid contract; amounts in millionths, credit positive."""

    account_id: str
    contract_id: str
    subscription_id: str
    plan_id: str
    cycle_start: date
    is_first: bool
    opening: int
    top_ups: int
    topped_up: int
    debits: int
    forfeited: int
    settled: int
    closing: int
    is_closed: bool


@dataclass
class Bill:
    """One invoice: an account, a cycle, its lines in order, and what each event on it pays."""

    account_id: str
    customer_id: str
    cycle_start: date
    cycle_end: date
    currency: str
    minor_digits: int
    due_on: date | None = None
    kind: str = "regular"
    lines: list[Line] = field(default_factory=list)
    billed: list[BilledEvent] = field(default_factory=list)
    prepaid: list[PrepaidBalance] = field(default_factory=list)
    net: int = 0
    tax: int = 0
    lacks_tax_rule: bool = False

    @property
    def total(self) -> int:
        """What the customer owes for the cycle."""
        return self.net + self.tax
