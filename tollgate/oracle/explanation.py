"""The reckoning of one charge in words and figures that a pencil can follow."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

from tollgate.oracle.amounts import MICROS
from tollgate.oracle.book import PriceBook
from tollgate.oracle.charge import FLAT, charged_units, is_completed
from tollgate.oracle.pricing import HOME, Priced
from tollgate.oracle.rows import CarrierRate, Rate, Usage

UNITS = {"second": "s", "message": "messages", "byte": "bytes"}
MODES = {"half_up": "half up", "up": "up", "down": "down"}
REASONS = {
    "no_zone": "no zone has this number, or the visited country has none",
    "no_band": "no time band covers the start; see bands_from and bands_to of operator.csv",
    "no_rate": "no row of rate.csv fits, and no cost with a mark-up",
    "currency_mismatch": "the account's currency is not the book's",
    "amount_overflow": "the charge is beyond what a table can hold",
}
SHOWN_DIGITS = 9


class Step(NamedTuple):
    """One step: what it is, and what it says."""

    name: str
    text: str


def explain(usage: Usage, priced: Priced, book: PriceBook) -> Iterator[Step]:
    """The steps of a price, in the order in which they are taken."""
    yield from _places(usage, priced)
    if priced.retail_status == "suspended":
        reason = priced.suspense_reason or ""
        yield Step("suspended", f"{reason}: {REASONS.get(reason, 'the line cannot be charged')}; nothing is charged")
    elif not is_completed(usage):
        yield Step("zero-rated", "nothing took place, so nothing is charged")
    elif priced.rate is None:
        yield from _mark_up(priced, book)
    elif priced.retail_status == "zero_rated":
        yield Step("zero-rated", f"the row {priced.rate.rate_id} says so")
    else:
        yield from _rate(usage, priced, priced.rate, book)
        yield from _adjusted(priced, priced.rate, book)
    if priced.charge is not None:
        yield Step("charge", f"{amount_of(priced.charge, priced.digits)} {book.currency}")
    yield from _cost(usage, priced, book)


def amount_of(micros: int | Fraction, digits: int | None = 2) -> str:
    """Millionths as a decimal with at least so many digits: exact, or where it never ends cut, with an ellipsis."""
    value = Fraction(micros) / MICROS
    places = digits or 0
    while (value * 10**places).denominator != 1 and places < SHOWN_DIGITS:
        places += 1
    scaled = abs(value) * 10**places
    whole, rest = divmod(scaled.numerator // scaled.denominator, 10**places)
    text = f"{'-' if value < 0 else ''}{whole}" + (f".{rest:0{places}}" if places else "")
    return text if scaled.denominator == 1 else f"{text}…"


def _places(usage: Usage, priced: Priced) -> Iterator[Step]:
    if priced.zone_id is not None:
        how = {None: "data has no destination", "*": "as every number that no prefix row fits"}
        found = "prefix" if (usage.destination or "").startswith("+") else "code"
        yield Step("zone", f"{priced.zone_id}, {how.get(priced.prefix, f'by the {found} {priced.prefix}')}")
    if usage.roaming and priced.roaming_zone is not None:
        as_home = ", as at home" if priced.roaming_zone == HOME else ""
        yield Step("roaming", f"zone {priced.roaming_zone}, by the country {usage.roaming_country}{as_home}")


def _rate(usage: Usage, priced: Priced, rate: Rate, book: PriceBook) -> Iterator[Step]:
    """The row, the units and the pieces."""
    unit, block = UNITS[rate.unit], rate.block
    key = (rate.plan_id, rate.service, rate.zone_id, rate.roaming_zone, rate.rating_group)
    yield Step("row", f"{rate.rate_id}, for {' '.join((*key, rate.direction, rate.technology, rate.slice))}")
    yield Step("price", f"{amount_of(rate.price)} {book.currency} for {block:,} {unit}")
    yield Step("units", _rounded_up(usage, rate))
    parts = []
    for piece in priced.pieces:
        exact = Fraction(piece.units * piece.price, block) * piece.factor
        times = f" × {_plain(piece.factor)}" if piece.band_id != FLAT else ""
        where = f"{piece.band_id}: " if piece.band_id != FLAT else ""
        parts.append(amount_of(exact))
        yield Step("piece", f"{where}{piece.units:,} × {amount_of(piece.price)} ÷ {block:,}{times} = {parts[-1]}")
    if rate.connect_fee:
        parts.append(amount_of(rate.connect_fee))
        yield Step("connect fee", parts[-1])
    if len(parts) > 1:
        yield Step("sum", f"{' + '.join(parts)} = {amount_of(_sum(priced, rate))}")


def _adjusted(priced: Priced, rate: Rate, book: PriceBook) -> Iterator[Step]:
    """Minimum, maximum, discounts and the one rounding."""
    exact = _sum(priced, rate)
    for name, bound, choose in (("minimum", rate.minimum, max), ("maximum", rate.maximum, min)):
        if bound is not None and choose(exact, bound) != exact:
            exact = Fraction(bound)
            yield Step(name, f"{amount_of(bound)} instead")
    for discount in (one for one in book.discounts if one.discount_id in priced.discount_ids):
        before, exact = exact, exact * discount.keep
        yield Step(
            "discount", f"{discount.discount_id}: {amount_of(before)} × {_plain(discount.keep)} = {amount_of(exact)}"
        )
    yield _rounding(exact, rate.digits, rate.rounding)


def _mark_up(priced: Priced, book: PriceBook) -> Iterator[Step]:
    row = priced.wholesale.row
    assert row is not None and row.markup is not None and row.markup_digits is not None
    exact = _exact_cost(row, priced.wholesale.units or 0)
    yield Step("row", f"no row of rate.csv fits; the mark-up of the cost row {row.cost_id} makes the price")
    yield Step("units", f"{priced.charged_units:,} {UNITS[row.unit]}, as the cost below")
    yield Step("mark-up", f"{amount_of(exact)} × {_plain(row.markup)} = {amount_of(exact * row.markup)}")
    yield _rounding(exact * row.markup, row.markup_digits, row.rounding)


def _cost(usage: Usage, priced: Priced, book: PriceBook) -> Iterator[Step]:
    cost, row = priced.wholesale, priced.wholesale.row
    if row is None:
        texts = {
            "not_applicable": "none: no carrier is paid",
            "no_carrier_rate": "not known: no row of carrier_rate.csv",
        }
        yield Step("cost", texts[cost.status])
        return
    units, fee = cost.units or 0, f" + {amount_of(row.connect_fee)}" if row.connect_fee else ""
    sum_text = f"{units:,} × {amount_of(row.price)} ÷ {row.block:,}{fee} = {amount_of(_exact_cost(row, units))}"
    rounded = f"{MODES[row.rounding]} to {row.digits} digits"
    yield Step("cost", f"{row.cost_id}, {_rounded_up(usage, row)}")
    yield Step("", f"{sum_text}, {rounded}: {amount_of(cost.cost or 0, row.digits)} {book.currency}")
    if priced.margin is not None:
        yield Step("margin", f"{amount_of(priced.margin)} {book.currency}")


def _rounded_up(usage: Usage, row: Rate | CarrierRate) -> str:
    """Usage in charged units, as steps."""
    used = {"second": usage.duration_s, "message": 1, "byte": usage.volume_bytes}[row.unit]
    units, unit = charged_units(usage, row.unit, row.initial, row.increment), UNITS[row.unit]
    if units == used:
        return f"{units:,} {unit}"
    steps = (units - row.initial) // row.increment
    more = f" + {steps:,} × {row.increment:,}" if steps else ""
    return f"{used:,} {unit} are charged as {row.initial:,}{more} = {units:,}"


def _rounding(exact: Fraction, digits: int, mode: str) -> Step:
    return Step("rounding", f"{amount_of(exact)}, {MODES[mode]} to {digits} digits")


def _sum(priced: Priced, rate: Rate) -> Fraction:
    parts = (piece.units * piece.price * piece.factor for piece in priced.pieces)
    return sum(parts, start=Fraction(0)) / rate.block + rate.connect_fee


def _exact_cost(row: CarrierRate, units: int) -> Fraction:
    return Fraction(units * row.price, row.block) + row.connect_fee


def _plain(factor: Fraction) -> str:
    """A factor as a plain decimal."""
    return amount_of(factor * MICROS, 0)
