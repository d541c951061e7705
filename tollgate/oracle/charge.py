"""The exact charge of one event: increments, pieces in time bands, discounts, and the fraction that is rounded."""

from __future__ import annotations

from fractions import Fraction
from math import lcm

from tollgate.oracle.bands import Piece
from tollgate.oracle.book import PriceBook
from tollgate.oracle.facts import Facts, months_later
from tollgate.oracle.rows import Account, Discount, Rate, Usage

FLAT = "flat"
COMPLETED_CALLS = (None, "answered", "dropped")


def is_completed(usage: Usage) -> bool:
    """Whether the event took place: a call was answered and lasted, a message did not fail.

    An outcome that is missing does not make an event free.
    """
    if usage.service == "voice":
        return usage.duration_s > 0 and usage.call_outcome in COMPLETED_CALLS
    if usage.service in ("sms", "mms"):
        return usage.call_outcome != "failed"
    return True


def charged_units(usage: Usage, unit: str, increment: int) -> int:
    """Usage in a row's unit (seconds, messages or bytes), rounded up to whole increments."""
    used = {"second": usage.duration_s, "message": 1, "byte": usage.volume_bytes}[unit]
    return -(-used // increment) * increment


def pieces_of(usage: Usage, rate: Rate, book: PriceBook, at: int) -> tuple[Piece, ...]:
    """Charged units cut at band changes. Increments come first, bands second. Raises NoBand."""
    units = charged_units(usage, rate.unit, rate.increment)
    if rate.band_set is None:
        return (Piece(units, FLAT, Fraction(1)),)
    return tuple(book.bands.pieces(rate.band_set, at, units, units if rate.unit == "second" else 0))


def exact_charge(rate: Rate, pieces: tuple[Piece, ...], keep: Fraction) -> tuple[int, int]:
    """Exact charge in millionths as (numerator, denominator).

    Units x price x factor over the pieces, then the connect fee, minimum, maximum, and what the discounts keep.
    """
    factor_den = lcm(*(piece.factor.denominator for piece in pieces))
    weighted = sum(piece.units * piece.factor.numerator * (factor_den // piece.factor.denominator) for piece in pieces)
    denominator = rate.block * factor_den
    numerator = weighted * rate.price + rate.connect_fee * denominator
    if rate.minimum is not None:
        numerator = max(numerator, rate.minimum * denominator)
    if rate.maximum is not None:
        numerator = min(numerator, rate.maximum * denominator)
    return numerator * keep.numerator, denominator * keep.denominator


def discounts_of(
    rate: Rate, account: Account, book: PriceBook, facts: Facts, at_us: int
) -> tuple[tuple[str, ...], Fraction]:
    """Ids of the rating discounts that apply, in their order, and the share of the amount that they keep.

    A discount that does not stack applies only as the first, and ends the chain.
    """
    keep = Fraction(1)
    ids: list[str] = []
    if not rate.discountable:
        return (), keep
    at = at_us // 1_000_000
    for discount in book.discounts:
        if discount.stage != "rating" or not discount.valid_from <= at < discount.valid_to:
            continue
        if (ids and not discount.stacks) or not _applies(discount, account, book, facts, at_us):
            continue
        ids.append(discount.discount_id)
        keep *= discount.keep
        if not discount.stacks:
            break
    return tuple(ids), keep


def _applies(discount: Discount, account: Account, book: PriceBook, facts: Facts, at_us: int) -> bool:
    fact = facts.customer_fact(account.customer_id, at_us)
    if discount.fact == "student":
        return fact is not None and fact.is_student
    if discount.fact == "tenure_months":
        on = book.clock.local_date(at_us // 1_000_000)
        return fact is not None and on >= months_later(fact.customer_since, discount.threshold)
    raise ValueError(
        f"discount {discount.discount_id}: expected the fact student or tenure_months, found {discount.fact}"
    )
