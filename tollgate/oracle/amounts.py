"""The oracle's own exact amounts: integers of a millionth, fractions, and the roundings between them."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

MICROS = 1_000_000
LARGEST_AMOUNT_MICROS = 10**18 - 1  # DECIMAL(18,6)


def round_micros(numerator: int, denominator: int, digits: int, mode: str) -> int:
    """Round an exact amount once; returns integer millionths, a multiple of 10^(6 - digits).

    numerator / denominator is the exact amount in millionths, denominator > 0; digits 0 to 6.
    mode: half_up (halves away from zero), up (away from zero), down (towards zero); another mode raises ValueError.
    """
    step = 10 ** (6 - digits)
    divisor = denominator * step
    size = abs(numerator)
    if mode == "half_up":
        steps = (2 * size + divisor) // (2 * divisor)
    elif mode == "up":
        steps = -(-size // divisor)
    elif mode == "down":
        steps = size // divisor
    else:
        raise ValueError(f"rounding mode {mode!r} is not one of half_up, up, down")
    return steps * step if numerator >= 0 else -steps * step


def round_to_minor(micros: int | Fraction, minor_digits: int) -> int:
    """Round millionths half up, away from zero, to the currency's minor digits; returns integer millionths."""
    exact = Fraction(micros)
    return round_micros(exact.numerator, exact.denominator, minor_digits, "half_up")


def share_out(total_micros: int, weights: list[int], minor_digits: int) -> list[int]:
    """Split a rounded total over weights by largest remainder; the shares, in millionths, sum to the total.

    Each share is its exact part rounded down to the minor unit; units left over go one each to the largest fractions,
    ties to the earlier position. A weight of 0 has share 0. When the weights sum to 0, every share is 0.
    """
    unit = 10 ** (6 - minor_digits)
    units, whole = total_micros // unit, sum(weights)
    if whole == 0 or units == 0:
        return [0] * len(weights)
    exact = [Fraction(units * weight, whole) for weight in weights]
    floors = [part.numerator // part.denominator for part in exact]
    spare = units - sum(floors)
    by_fraction = sorted(range(len(weights)), key=lambda at: (floors[at] - exact[at], at))
    for at in by_fraction[:spare]:
        floors[at] += 1
    return [floor * unit for floor in floors]


def decimal_of(micros: int | None, digits: int = 6) -> Decimal | None:
    """Millionths as a Decimal with the given digits; None stays None.

    Raises ValueError when the digits do not hold the amount exactly.
    """
    if micros is None:
        return None
    cut, rest = divmod(micros, 10 ** (6 - digits))
    if rest:
        raise ValueError(f"{micros} millionths do not fit {digits} digits exactly")
    return Decimal(cut).scaleb(-digits)


def micros_of(amount: str | Decimal) -> int:
    """A decimal amount as integer millionths; more than six digits, or no number, raises ValueError."""
    try:
        exact = Decimal(amount) * MICROS
    except ArithmeticError as error:
        raise ValueError(f"{amount!r} is not a decimal amount") from error
    if exact != exact.to_integral_value():
        raise ValueError(f"{amount} has more than six decimal digits")
    return int(exact)
