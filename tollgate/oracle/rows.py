"""Typed rows of the price book, as the oracle reads them."""

from __future__ import annotations

from datetime import date
from fractions import Fraction
from typing import NamedTuple

OPEN_END_S = 253_402_214_400  # 9999-12-31 00:00:00 UTC


class Rate(NamedTuple):
    """A retail rate row. Amounts in millionths; `block` units cost `price`. `*` in a key column is every value.

    initial: units of the first step of charging; increment: of each later one. split_at_validity: a call that outlasts
    the row takes its later seconds' price from the row that follows.
    segments: (units of the event, price from there on), ascending. tiers: (units of the cycle, price from there on),
    ascending; counts: whose units, line or account; mode: graduated, or volume: all units cost what the last one does.
    """

    rate_id: str
    plan_id: str
    service: str
    zone_id: str
    roaming_zone: str
    rating_group: str
    direction: str
    technology: str
    slice: str
    price: int
    unit: str
    block: int
    initial: int
    increment: int
    connect_fee: int
    minimum: int | None
    maximum: int | None
    band_set: str | None
    discountable: bool
    zero_rated: bool
    digits: int
    rounding: str
    tax_category: str
    split_at_validity: bool
    valid_from: int
    valid_to: int
    segments: tuple[tuple[int, int], ...] = ()
    tiers: tuple[tuple[int, int], ...] = ()
    counts: str = "line"
    mode: str = "graduated"


class Tier(NamedTuple):
    """From so many units of a cycle on, a block of the rate costs `price`, millionths."""

    rate_id: str
    counts: str
    from_units: int
    price: int
    mode: str = "graduated"


class Segment(NamedTuple):
    """From so many units of an event on, a block of the rate costs `price`, millionths."""

    rate_id: str
    from_units: int
    price: int


class CarrierRate(NamedTuple):
    """A wholesale rate row; `markup` is the retail factor where no retail rate exists, None for no mark-up.

    prefix: digits with which the called number begins, or `*`.
    """

    cost_id: str
    carrier_id: str
    service: str
    call_type: str
    country: str
    prefix: str
    price: int
    unit: str
    block: int
    initial: int
    increment: int
    connect_fee: int
    digits: int
    rounding: str
    markup: Fraction | None
    markup_digits: int | None
    valid_from: int
    valid_to: int


class Destination(NamedTuple):
    """A prefix of called numbers, or a whole short code, and its zone."""

    prefix: str
    zone_id: str
    valid_from: int
    valid_to: int


class Discount(NamedTuple):
    """A discount of one stage; keeps `keep` of the amount. threshold: months, or millionths where fact is usage_net.

    plan_id, service, zone_id: the usage that it acts on; `*` is all.
    """

    discount_id: str
    stage: str
    apply_order: int
    stacks: bool
    fact: str
    threshold: int
    plan_id: str
    service: str
    zone_id: str
    applies_to: str
    keep: Fraction
    valid_from: int
    valid_to: int


class TimeBand(NamedTuple):
    """A band of a set: days it covers, local seconds of the day [from_s, to_s), factor. The highest priority wins.

    from_day, to_day: days since 1970-01-01, half-open, None without a limit. price, connect_fee, initial, increment:
    instead of the rate's, None where the rate's own holds.
    """

    band_set: str
    band_id: str
    priority: int
    weekdays: frozenset[int]
    day_type: str
    from_day: int | None
    to_day: int | None
    from_s: int
    to_s: int
    factor: Fraction
    price: int | None = None
    connect_fee: int | None = None
    initial: int | None = None
    increment: int | None = None


class Fee(NamedTuple):
    """A fee or deposit; amount in millionths."""

    fee_id: str
    kind: str
    plan_id: str
    name: str
    amount: int
    proration: str
    tax_category: str
    valid_from: int
    valid_to: int
    in_advance: bool = False


class TopUp(NamedTuple):
    """Terms of a prepaid plan: the credit that a contract opens with, and when how much is bought. Millionths."""

    plan_id: str
    opening_credit: int
    below: int
    amount: int
    moment: str
    valid_from: int
    valid_to: int


class Tax(NamedTuple):
    """A tax rule; rate as a fraction of the taxable amount."""

    tax_id: str
    jurisdiction: str
    tax_category: str
    rate: Fraction
    valid_from: int
    valid_to: int


class Plan(NamedTuple):
    """A price plan."""

    plan_id: str
    name: str
    contract_type: str
    charge_type: str
    term_months: int | None


class Account(NamedTuple):
    """An account of a reference snapshot.

    cycle_days: of each cycle from `first_cycle_start` on; None: cycles are calendar months from `anchor_day`.
    """

    account_id: str
    customer_id: str
    currency: str
    time_zone: str
    anchor_day: int
    first_cycle_start: date
    closed_on: date | None
    tax_jurisdiction: str
    tax_exempt: bool
    payment_term_days: int | None = None
    cycle_days: int | None = None


class Holding(NamedTuple):
    """Who held a number in [valid_from, valid_to), epoch microseconds; on which plan and in which state."""

    msisdn: str
    subscription_id: str
    account_id: str
    contract_id: str | None
    plan_id: str | None
    line_state: str
    valid_from: int
    valid_to: int


class CustomerFact(NamedTuple):
    """Discount facts of a customer in [valid_from, valid_to), epoch microseconds."""

    customer_id: str
    is_student: bool
    customer_since: date
    valid_from: int
    valid_to: int


class Contract(NamedTuple):
    """A contract; [starts_on, cancelled_on) in local days of the account."""

    contract_id: str
    subscription_id: str
    account_id: str
    plan_id: str
    starts_on: date
    term_ends_on: date | None
    cancelled_on: date | None


class Usage(NamedTuple):
    """An accepted usage event. `started_at` in epoch microseconds; None where the event has no such value."""

    source: str
    event_id: str
    service: str
    started_at: int
    msisdn: str | None
    destination: str | None = None
    destination_country: str | None = None
    duration_s: int = 0
    volume_bytes: int = 0
    rating_group: str | None = None
    roaming: bool = False
    roaming_country: str | None = None
    carrier_id: str | None = None
    call_outcome: str | None = None
    direction: str | None = None
    technology: str | None = None
    slice_id: str | None = None
