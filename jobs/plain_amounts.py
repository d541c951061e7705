"""Amounts and exact numbers as a person writes them."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction


def amount_of(micros: int) -> Decimal:
    """Millionths as an amount."""
    return Decimal(micros).scaleb(-6)


def plain_money(amount: Decimal) -> str:
    """At least two decimals, and no more zeros than that."""
    whole, _, decimals = f"{amount:f}".partition(".")
    return f"{whole}.{decimals.rstrip('0'):0<2}"


def plain_exact(exact: Fraction) -> str:
    """An exact number with up to nine decimals; … where it has more."""
    scaled, rest = divmod(abs(exact.numerator) * 10**9, exact.denominator)
    digits = f"{scaled // 10**9}.{scaled % 10**9:09d}".rstrip("0").rstrip(".")
    return ("-" if exact < 0 else "") + digits + ("…" if rest else "")
