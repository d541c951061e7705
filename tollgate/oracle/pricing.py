"""Prices one usage event: whose it is, where it went, which rate row, and the exact charge and cost."""

from __future__ import annotations

from fractions import Fraction
from math import prod
from typing import NamedTuple

from tollgate.oracle.amounts import LARGEST_AMOUNT_MICROS, round_micros
from tollgate.oracle.bands import NoBand
from tollgate.oracle.book import ANY, PriceBook, RateKey
from tollgate.oracle.charge import Piece, discounts_of, exact_charge, is_completed, pieces_of, terms_at_start
from tollgate.oracle.facts import Facts
from tollgate.oracle.rows import Account, Holding, Rate, Usage
from tollgate.oracle.wholesale import Cost, call_type_of, cost_of, mark_up

HOME = "home"
MARK_UP_TAX_CATEGORY = "standard"
MARK_UP_BAND = "markup"
UNITS = {"voice": "second", "sms": "message", "mms": "message", "data": "byte"}


class Priced(NamedTuple):
    """What an event costs customer and operator. Amounts in millionths; the exact charge is numerator / denominator.

    rate: the row at the start, with connect fee, initial and increment of the band in which the event starts.
    """

    retail_status: str
    suspense_reason: str | None
    holding: Holding | None
    account: Account | None
    zone_id: str | None
    roaming_zone: str | None
    prefix: str | None
    call_type: str | None
    wholesale: Cost
    rate: Rate | None = None
    price_source: str | None = None
    charged_units: int | None = None
    unit: str | None = None
    pieces: tuple[Piece, ...] = ()
    discount_ids: tuple[str, ...] = ()
    keep: Fraction = Fraction(1)
    numerator: int | None = None
    denominator: int | None = None
    digits: int | None = None
    rounding: str | None = None
    charge: int | None = None
    tax_category: str | None = None

    @property
    def margin(self) -> int | None:
        """Charge minus cost, None where either is unknown."""
        if self.charge is None or self.wholesale.cost is None:
            return None
        return self.charge - self.wholesale.cost


class _Suspended(Exception):
    """The event has no certain price; the reason is the argument."""


def price_event(usage: Usage, book: PriceBook, facts: Facts, is_id_conflict: bool = False) -> Priced:
    """Price one event by the rows of `book` and the facts of the snapshot that hold at its start.

    is_id_conflict: the identity check found an earlier accepted event with the same source and id.
    Source: semantics of rating, and docs/pricebook.md.
    """
    at = usage.started_at // 1_000_000
    holding = facts.holder(usage.msisdn, usage.started_at)
    account = facts.accounts.get(holding.account_id) if holding else None
    zone, prefix = _zone(usage, book, at)
    roaming_zone = book.roaming_zone(usage.roaming_country) if usage.roaming else HOME
    call_type = call_type_of(usage, book)
    # What precedes pricing precedes the cost: the owner of the id has it.
    takes_place = is_completed(usage) and not is_id_conflict
    cost = cost_of(usage, book, at, call_type, book.zone_kind.get(zone or ""), takes_place)
    priced = Priced("suspended", None, holding, account, zone, roaming_zone, prefix, call_type, cost)
    try:
        return _charged(priced, usage, book, facts, is_id_conflict)
    except _Suspended as suspended:
        return priced._replace(suspense_reason=str(suspended))
    except NoBand:
        return priced._replace(suspense_reason="no_band")


def _charged(priced: Priced, usage: Usage, book: PriceBook, facts: Facts, is_id_conflict: bool) -> Priced:
    """The event rated or zero-rated; raises the first reason why it cannot be."""
    if is_id_conflict:
        raise _Suspended("id_conflict")
    holding, account, at = priced.holding, priced.account, usage.started_at // 1_000_000
    if holding is None:
        raise _Suspended("no_subscriber")
    if holding.line_state != "active":
        raise _Suspended("suspended_line")
    if holding.plan_id not in book.plans:
        raise _Suspended("no_plan")
    if priced.zone_id is None or priced.roaming_zone is None:
        raise _Suspended("no_zone")
    completed, key = is_completed(usage), _key(usage, holding.plan_id, priced.zone_id, priced.roaming_zone)
    rate = row = book.rate(key, at)
    pieces: tuple[Piece, ...] = ()
    if row is not None and completed:
        rate = terms_at_start(row, book, at)
        follower = book.follower(key, row, at) if row.split_at_validity else None
        pieces = tuple(pieces_of(usage, rate, follower, book, at))
    if completed and rate is None and (priced.wholesale.row is None or priced.wholesale.row.markup is None):
        raise _Suspended("no_rate")
    if account is None or account.currency != book.currency:
        raise _Suspended("currency_mismatch")
    if not completed or (rate is not None and rate.zero_rated):
        return _zero_rated(priced, usage, rate, pieces)
    if rate is None:
        return _marked_up(priced)
    discounts = discounts_of(rate, usage, holding.plan_id, priced.zone_id, account, book, facts)
    keep = prod((discount.keep for discount in discounts), start=Fraction(1))
    numerator, denominator = exact_charge(rate, pieces, keep)
    return priced._replace(
        retail_status="rated",
        rate=rate,
        price_source="rate",
        charged_units=sum(piece.units for piece in pieces),
        unit=rate.unit,
        pieces=pieces,
        discount_ids=tuple(discount.discount_id for discount in discounts),
        keep=keep,
        numerator=numerator,
        denominator=denominator,
        digits=rate.digits,
        rounding=rate.rounding,
        charge=_rounded(numerator, denominator, rate.digits, rate.rounding),
        tax_category=rate.tax_category,
    )


def _zero_rated(priced: Priced, usage: Usage, rate: Rate | None, pieces: tuple[Piece, ...]) -> Priced:
    """Charge 0 because the row says so, or because nothing took place (no pieces): no connect fee, no minimum.

    What did not take place needs no price, so it may have no rate row.
    """
    priced = priced._replace(
        retail_status="zero_rated",
        charged_units=sum(piece.units for piece in pieces),
        pieces=pieces,
        numerator=0,
        denominator=1,
        charge=0,
        unit=UNITS[usage.service],
        tax_category=MARK_UP_TAX_CATEGORY,
    )
    if rate is None:
        return priced
    return priced._replace(
        rate=rate,
        price_source="rate",
        unit=rate.unit,
        digits=rate.digits,
        rounding=rate.rounding,
        tax_category=rate.tax_category,
    )


def _marked_up(priced: Priced) -> Priced:
    """The charge where no rate row exists: the unrounded cost times the carrier row's mark-up."""
    row, units = priced.wholesale.row, priced.wholesale.units or 0
    assert row is not None and row.markup_digits is not None
    numerator, denominator = mark_up(priced.wholesale)
    return priced._replace(
        retail_status="rated",
        price_source="markup",
        charged_units=units,
        unit=row.unit,
        pieces=(Piece(units, MARK_UP_BAND, row.markup or Fraction(1), row.price),),
        numerator=numerator,
        denominator=denominator,
        digits=row.markup_digits,
        rounding=row.rounding,
        charge=_rounded(numerator, denominator, row.markup_digits, row.rounding),
        tax_category=MARK_UP_TAX_CATEGORY,
    )


def _rounded(numerator: int, denominator: int, digits: int, mode: str) -> int:
    """The one rounding of a charge; an amount beyond the tables' type suspends the event."""
    charge = round_micros(numerator, denominator, digits, mode)
    if charge > LARGEST_AMOUNT_MICROS:
        raise _Suspended("amount_overflow")
    return charge


def _key(usage: Usage, plan_id: str, zone_id: str, roaming_zone: str) -> RateKey:
    """What the rate is looked up by; the served number made an event that does not say otherwise, and all data."""
    direction = "out" if usage.service == "data" else usage.direction or "out"
    group, technology, slice_id = usage.rating_group or "none", usage.technology or ANY, usage.slice_id or ANY
    return RateKey(plan_id, usage.service, zone_id, roaming_zone, group, direction, technology, slice_id)


def _zone(usage: Usage, book: PriceBook, at: int) -> tuple[str | None, str | None]:
    """Zone and matched prefix; data has the zone home and no prefix."""
    if usage.service == "data":
        return HOME, None
    row = book.destination(usage.destination, at) if usage.destination else None
    return (row.zone_id, row.prefix) if row else (None, None)
