"""Proof, from the bounds of a price book, that an integer type holds every exact amount that pricing computes."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from math import lcm, prod
from typing import NamedTuple

from tollgate.reference.cells import ALL
from tollgate.reference.charged_steps import largest_charged, steps
from tollgate.reference.pricebook_files import Finding, SourceBook, SourceRow
from tollgate.reference.rate_keys import followers

BIGINT_MAX = 2**63 - 1
DECIMAL_MAX = 10**38 - 1
BIGINT, DECIMAL = "BIGINT", "DECIMAL(38,0)"
# Into how many parts the bill's discounts of one time may cut a sum of lines (below 10^21 micros) in DECIMAL(38,0).
LARGEST_CHAIN = 10**15


class Denominators(NamedTuple):
    """Common denominators of a book: of its band factors, and of what one rating discount keeps."""

    factor: int
    discount: int


def denominators(book: SourceBook) -> Denominators:
    """Least common denominators; 1 without bands or discounts."""
    factors = (row["factor"].denominator for row in book.rows["time_band"])
    kept = ((1 - row["percent"]).denominator for row in discounts_of(book, "rating"))
    return Denominators(lcm(*factors), lcm(*kept))


def amount_type(book: SourceBook) -> tuple[str, list[Finding]]:
    """The type that holds every exact sum of the book, and the rows that no type holds.

    Bounds: docs/pricebook.md, "Exactness".
    """
    needs = [*_retail_needs(book), *_wholesale_needs(book)]
    findings = [
        row.finding(f"integers up to {need:.1e} do not fit {DECIMAL}; lower the price, factors or block")
        for row, need in needs
        if need > DECIMAL_MAX
    ]
    return (BIGINT if all(need <= BIGINT_MAX for _, need in needs) else DECIMAL), findings


def discounts_of(book: SourceBook, stage: str) -> list[SourceRow]:
    """The rows of discount.csv of a stage."""
    return [row for row in book.rows["discount"] if row["stage"] == stage]


def tiers_of(book: SourceBook, rate: SourceRow) -> list[SourceRow]:
    """The rows of tier.csv of a rate."""
    return [row for row in book.rows["tier"] if row["rate_id"] == rate["rate_id"]]


def segments_of(book: SourceBook, rate: SourceRow) -> list[SourceRow]:
    """The rows of segment.csv of a rate, in their order."""
    rows = [row for row in book.rows["segment"] if row["rate_id"] == rate["rate_id"]]
    return sorted(rows, key=lambda row: row["from_units"])


def too_fine_chains(book: SourceBook) -> Iterator[Finding]:
    """Bill discounts at whose start those in force together cut an amount into more parts than a sum can hold."""
    rows = discounts_of(book, "billing")
    for row in rows:
        at = row["valid_from"]
        together = [other for other in rows if other["valid_from"] <= at < other["valid_to"]]
        parts = prod((1 - other["percent"]).denominator for other in together)
        if parts > LARGEST_CHAIN:
            yield row.finding(
                f"the {len(together)} bill discounts of this time keep shares of {parts:.1e} parts, expected at most "
                f"{LARGEST_CHAIN:.0e}; use rounder percents or fewer discounts"
            )


def too_fine_discounts(book: SourceBook) -> Iterator[Finding]:
    """Rates on whose events more discounts can meet than a BIGINT holds the product of, `discount_den` of a row."""
    common = denominators(book)
    for row in book.rows["rate"]:
        parts: int = common.discount ** most_discounts(book, row)
        if parts > BIGINT_MAX:
            yield row.finding(
                f"the {most_discounts(book, row)} discounts that can meet on one event keep shares of {parts:.1e} "
                "parts, more than a row holds; use rounder percents or fewer discounts"
            )


def most_discounts(book: SourceBook, rate: SourceRow) -> int:
    """How many discounts of the rating stage can act on one event of the rate, at any time."""
    acting = [row for row in discounts_of(book, "rating") if row["service"] in (ALL, rate["service"])]
    if not acting or not rate["discountable"]:
        return 0
    counts = [
        sum(row["plan_id"] in (ALL, plan) and row["zone_id"] in (ALL, zone) for row in acting)
        for plan in _reached(rate, acting, "plan_id")
        for zone in _reached(rate, acting, "zone_id")
    ]
    return max(counts)


def _reached(rate: SourceRow, discounts: list[SourceRow], cell: str) -> set[str]:
    """What an event of the rate can have in a cell, as far as discounts tell it apart."""
    return {rate[cell]} if rate[cell] != ALL else {ALL, *(row[cell] for row in discounts)}


def _retail_needs(book: SourceBook) -> Iterator[tuple[SourceRow, int]]:
    common = denominators(book)
    followed = {(own.row.line, after.row.line): after.row["price"] for own, after in followers(book)}
    for row in book.rows["rate"]:
        after = [price for (line, _), price in followed.items() if line == row.line]
        later = [other["price"] for other in (*tiers_of(book, row), *segments_of(book, row))]
        price = max(row["price"], *later, *after, 0)
        bands = [band for band in book.rows["time_band"] if band["band_set"] == row["band_set"]]
        # A flat rate is priced with the factor 1 over 1.
        factor_den = common.factor if bands else 1
        weighted = [_weighted(band, price, factor_den) for band in bands] or [price]
        charged = [largest_charged(row, *steps(row, band)) for band in (None, *bands)]
        fees = [row["connect_fee"] or 0, *(band["connect_fee"] or 0 for band in bands)]
        scale = row["block"] * factor_den
        usage = max(charged) * max(weighted) + max(fees) * scale
        bounded = max(usage, (row["minimum"] or 0) * scale, (row["maximum"] or 0) * scale)
        discounts: int = common.discount ** most_discounts(book, row)
        yield row, _need(bounded * discounts, scale * discounts, row["digits"])


def _weighted(band: SourceRow, price: int, factor_den: int) -> int:
    own = price if band["price"] is None else band["price"]
    return own * factor_numerator(band["factor"], factor_den)


def _wholesale_needs(book: SourceBook) -> Iterator[tuple[SourceRow, int]]:
    for row in book.rows["carrier_rate"]:
        cost = largest_charged(row, *steps(row)) * row["price"] + (row["connect_fee"] or 0) * row["block"]
        yield row, _need(cost, row["block"], row["digits"])
        if row["markup"] is not None:
            marked_up = cost * row["markup"].numerator, row["block"] * row["markup"].denominator
            yield row, _need(*marked_up, row["markup_digits"] or 0)


def _need(numerator: int, denominator: int, digits: int) -> int:
    """A bound of the largest integer on the way to the rounded amount: `money.py` divides twice the numerator, and what
    rounding adds, by twice the denominator x 10^(6 - digits)."""
    return 2 * numerator + 2 * denominator * 10 ** (6 - digits)


def _over(share: Fraction, denominator: int) -> int:
    scaled = share * denominator
    return scaled.numerator // scaled.denominator


def kept_numerator(percent: Fraction, denominator: int) -> int:
    """What a discount keeps, over the common denominator."""
    return _over(1 - percent, denominator)


def factor_numerator(factor: Fraction, denominator: int) -> int:
    """A band's factor over the common denominator."""
    return _over(factor, denominator)
