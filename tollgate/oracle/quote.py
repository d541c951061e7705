"""What one event would cost, and why: prices it and says how in words."""

from __future__ import annotations

from datetime import datetime
from fractions import Fraction
from typing import NamedTuple

from tollgate.oracle.amounts import decimal_of
from tollgate.oracle.book import PriceBook
from tollgate.oracle.clock import EPOCH, epoch_seconds
from tollgate.oracle.facts import Facts
from tollgate.oracle.pricing import Priced, price_event
from tollgate.oracle.rows import OPEN_END_S, Account, CustomerFact, Holding, Usage

ANYBODY = "quote"


class Quote(NamedTuple):
    """A price and the sentences that explain it."""

    priced: Priced
    explanation: tuple[str, ...]


def quote(
    book: PriceBook,
    plan_id: str,
    service: str,
    started_at: datetime,
    destination: str | None = None,
    destination_country: str | None = None,
    duration_s: int = 0,
    volume_bytes: int = 0,
    rating_group: str | None = None,
    roaming_country: str | None = None,
    carrier_id: str | None = None,
    msisdn: str = "+10000000000",
    customer: CustomerFact | None = None,
) -> Quote:
    """Price one event of somebody on `plan_id`; no customer means no discount.

    started_at must know its offset, and the plan must stand in the book (else ValueError). Data has no destination; its
    rating group is web unless given.
    """
    if started_at.tzinfo is None:
        raise ValueError(f"started_at: expected a time with an offset, found {started_at.isoformat()}")
    if plan_id not in book.plans:
        raise ValueError(f"plan_id: expected one of {', '.join(sorted(book.plans))}, found {plan_id}")
    start_us = epoch_seconds(started_at) * 1_000_000 + started_at.microsecond
    usage = Usage(
        source=ANYBODY,
        event_id=ANYBODY,
        service=service,
        started_at=start_us,
        msisdn=msisdn,
        destination=destination,
        destination_country=destination_country,
        duration_s=duration_s,
        volume_bytes=volume_bytes,
        rating_group=(rating_group or "web") if service == "data" else None,
        roaming=roaming_country is not None,
        roaming_country=roaming_country,
        carrier_id=carrier_id,
    )
    priced = price_event(usage, book, _facts(book, plan_id, msisdn, customer))
    return Quote(priced, tuple(explain(priced, book)))


def explain(priced: Priced, book: PriceBook) -> list[str]:
    """How a price came about, one sentence a step."""
    cost = priced.wholesale
    if cost.row is None:
        cost_text = f"Cost: {cost.status}."
    else:
        cost_text = f"Cost: {decimal_of(cost.cost)} {book.currency} by {cost.row.cost_id}, {cost.units} units."
    if priced.retail_status == "suspended":
        return [f"Suspended: {priced.suspense_reason}. Nothing is charged until the reason is gone.", cost_text]
    steps = [f"Zone {priced.zone_id} by prefix {priced.prefix}." if priced.prefix else f"Zone {priced.zone_id}."]
    rate = priced.rate
    if rate is None:
        steps.append("No rate row: the unrounded cost times the carrier row's mark-up.")
    else:
        price = decimal_of(rate.price)
        steps.append(
            f"Rate {rate.rate_id}: {price} {book.currency} per {rate.block} {rate.unit}, increment {rate.increment}."
        )
        steps += [
            f"{piece.units} {rate.unit} in band {piece.band_id}, factor {piece.factor}." for piece in priced.pieces
        ]
        if rate.connect_fee and priced.retail_status == "rated":
            steps.append(f"Connect fee {decimal_of(rate.connect_fee)}.")
    if priced.discount_ids:
        steps.append(f"Discounts {', '.join(priced.discount_ids)} keep {priced.keep}.")
    exact = Fraction(priced.numerator or 0, (priced.denominator or 1) * 1_000_000)
    charge = decimal_of(priced.charge)
    steps.append(f"Exactly {exact}, rounded {priced.rounding} to {priced.digits} digits: {charge} {book.currency}.")
    return [*steps, cost_text]


def _facts(book: PriceBook, plan_id: str, msisdn: str, customer: CustomerFact | None) -> Facts:
    """A snapshot of one line on the plan, held by the given customer for ever."""
    end = OPEN_END_S * 1_000_000
    since = EPOCH.date()
    owner = customer.customer_id if customer else ANYBODY
    account = Account(ANYBODY, owner, book.currency, str(book.clock.zone), 1, since, None, "", True)
    holding = Holding(msisdn, ANYBODY, ANYBODY, ANYBODY, plan_id, "active", 0, end)
    return Facts([account], [holding], [customer] if customer else [])
