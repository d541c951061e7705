"""The exact charge of one event: increments, pieces with their prices, discounts, and the fraction that is rounded."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from math import lcm
from typing import Any, NamedTuple

from tollgate.oracle.book import PriceBook
from tollgate.oracle.facts import Facts, months_later
from tollgate.oracle.rows import Account, Discount, Rate, TimeBand, Usage

FLAT = "flat"
ONE = Fraction(1)
FRUITLESS_CALLS = ("failed", "busy", "no_answer")


class Piece(NamedTuple):
    """Charged units in one band at one price: millionths for a block, before the factor."""

    units: int
    band_id: str
    factor: Fraction
    price: int


def is_completed(usage: Usage) -> bool:
    """Whether the event took place: a call was answered and lasted, a message did not fail.

    An outcome that is missing, or that such an event does not have, does not make it free.
    """
    if usage.service == "voice":
        return usage.duration_s > 0 and usage.call_outcome not in FRUITLESS_CALLS
    if usage.service in ("sms", "mms"):
        return usage.call_outcome != "failed"
    return True


def charged_units(usage: Usage, unit: str, initial: int, increment: int) -> int:
    """Usage in a row's unit (seconds, messages or bytes), rounded up: the first step, then whole increments."""
    used = {"second": usage.duration_s, "message": 1, "byte": usage.volume_bytes}[unit]
    if used == 0:
        return 0
    return initial + max(0, -(-(used - initial) // increment)) * increment


def terms_at_start(rate: Rate, book: PriceBook, at: int) -> Rate:
    """The row with the connect fee and the steps of charging of the band in which the event starts. Raises NoBand."""
    if rate.band_set is None:
        return rate
    band = book.bands.band_at(rate.band_set, at)
    own = {name: getattr(band, name) for name in ("connect_fee", "initial", "increment")}
    named = {name: value for name, value in own.items() if value is not None}
    return rate._replace(**named) if named else rate


def pieces_of(usage: Usage, terms: Rate, follower: tuple[int, Rate] | None, book: PriceBook, at: int) -> list[Piece]:
    """Charged units in time order, cut where band, segment or row change. Increments come first, bands second.

    terms: the row as at the start of the event. follower: instant at which the next row begins, and that row.
    Neighbours of one band, factor and price are one piece; no units have no piece. Raises NoBand.
    """
    units = charged_units(usage, terms.unit, terms.initial, terms.increment)
    if terms.band_set is None and not terms.segments and follower is None:
        return [Piece(units, FLAT, ONE, terms.price)] if units else []
    prices = [(0, terms.price), *terms.segments]
    if terms.split_at_validity and follower is not None:
        prices.append((follower[0] - at, follower[1].price))
    bands: list[tuple[int, TimeBand | None]] = [(0, None)]
    if terms.band_set is not None:
        bands = list(book.bands.changes(terms.band_set, at, units))
    cuts = {0, units, *(place for place, _ in prices), *(place for place, _ in bands)}
    pieces: list[Piece] = []
    for start, end in pairwise(sorted(cut for cut in cuts if cut <= units)):
        band, price = _holding(bands, start), _holding(prices, start)
        if band is None:
            piece = Piece(end - start, FLAT, ONE, price)
        else:
            piece = Piece(end - start, band.band_id, band.factor, price if band.price is None else band.price)
        if pieces and pieces[-1][1:] == piece[1:]:
            piece = piece._replace(units=pieces.pop().units + piece.units)
        pieces.append(piece)
    return pieces


def exact_charge(rate: Rate, pieces: Sequence[Piece], keep: Fraction) -> tuple[int, int]:
    """Exact charge in millionths as (numerator, denominator).

    Units x price x factor over the pieces, then the connect fee, minimum, maximum, and what the discounts keep.
    """
    factor_den = lcm(*(piece.factor.denominator for piece in pieces))
    denominator = rate.block * factor_den
    numerator = rate.connect_fee * denominator
    for piece in pieces:
        factor_num = piece.factor.numerator * (factor_den // piece.factor.denominator)
        numerator += piece.units * piece.price * factor_num
    if rate.minimum is not None:
        numerator = max(numerator, rate.minimum * denominator)
    if rate.maximum is not None:
        numerator = min(numerator, rate.maximum * denominator)
    return numerator * keep.numerator, denominator * keep.denominator


def discounts_of(
    rate: Rate, usage: Usage, plan_id: str, zone_id: str, account: Account, book: PriceBook, facts: Facts
) -> list[Discount]:
    """The rating discounts that act on an event, in their order.

    A discount that does not stack applies only as the first, and ends the chain.
    """
    found: list[Discount] = []
    if not rate.discountable:
        return found
    at, key = usage.started_at // 1_000_000, (plan_id, usage.service, zone_id)
    for discount in book.discounts:
        if discount.stage != "rating" or not discount.valid_from <= at < discount.valid_to:
            continue
        cells = (discount.plan_id, discount.service, discount.zone_id)
        if any(cell not in ("*", part) for cell, part in zip(cells, key, strict=True)):
            continue
        if (found and not discount.stacks) or not _applies(discount, account, book, facts, usage.started_at):
            continue
        found.append(discount)
        if not discount.stacks:
            break
    return found


def _holding(changes: Sequence[tuple[int, Any]], place: int) -> Any:
    """What holds at a place, of (first place, what) in ascending order."""
    return changes[bisect_right([first for first, _ in changes], place) - 1][1]


def _applies(discount: Discount, account: Account, book: PriceBook, facts: Facts, at_us: int) -> bool:
    if discount.fact == "everyone":
        return True
    fact = facts.customer_fact(account.customer_id, at_us)
    if discount.fact == "student":
        return fact is not None and fact.is_student
    if discount.fact == "tenure_months":
        on = book.clock.local_date(at_us // 1_000_000)
        return fact is not None and on >= months_later(fact.customer_since, discount.threshold)
    raise ValueError(
        f"discount {discount.discount_id}: expected everyone, student or tenure_months, found {discount.fact}"
    )
