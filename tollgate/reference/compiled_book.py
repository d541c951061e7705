"""A checked price book as the rows of its tables: fallback resolved, prefixes cut, bands laid out as instants."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any, NamedTuple

from tollgate.reference.band_checks import bands_of
from tollgate.reference.book_features import NO_EVENT_IS_SO_LONG, features, price_steps, rate_values
from tollgate.reference.bucket_digits import as_list, bucket_digits
from tollgate.reference.cells import ALL, MICROS
from tollgate.reference.charged_steps import steps
from tollgate.reference.exactness import (
    amount_type,
    denominators,
    discounts_of,
    factor_numerator,
    kept_numerator,
    segments_of,
    tiers_of,
)
from tollgate.reference.prefix_intervals import WIDTH, Interval, disjoint_intervals
from tollgate.reference.pricebook_files import SourceBook, SourceRow
from tollgate.reference.rate_keys import (
    COST_CELLS,
    RATE_CELLS,
    Key,
    KeyInterval,
    carrier_prefixes,
    cost_keys,
    followers,
    rate_keys,
    resolve,
)
from tollgate.reference.time_bands import BandDay, band_days

Rows = list[tuple[Any, ...]]
_VALID = ("valid_from", "valid_to")


@dataclass(frozen=True)
class CompiledBook:
    """Facts of the version, and per table the rows in the contract's column order without pricebook_version."""

    digest: str
    name: str
    currency: str
    time_zone: str
    factor_den: int
    discount_den: int
    band_slots: int
    amount_type: str
    segment_slots: int
    features: list[str]
    rate_values: list[str]
    destination_digits: list[int] | None
    tables: dict[str, Rows]

    def numbered(self, table: str, version: int) -> Rows:
        """Rows of a price_* table under a version number."""
        return [(version, *row) for row in self.tables[table]]


def compile_price_book(book: SourceBook) -> CompiledBook:
    """Rows of every price_* table but price_version; the same book gives the same rows in the same order.

    book: without findings (pricebook_checks.check_price_book), else the result means nothing.
    """
    common = denominators(book)
    days = _band_days(book)
    slots = max((len(day.pieces) for _, day in days), default=1)
    kind, _ = amount_type(book)
    rates = _rates_of_keys(book)
    segment_slots = max((len(rate.prices) for rate in rates), default=1)
    used = features(book, splits=any(rate.split_at for rate in rates))
    rows = book.rows
    digits = bucket_digits({row["prefix"] for row in rows["destination"] if row["match"] == "prefix"})
    tables: dict[str, Rows] = {
        "price_plan": _columns(rows["plan"], "plan_id", "name", "contract_type", "charge_type", "term_months"),
        "price_zone": _columns(rows["zone"], "zone_id", "name", "kind"),
        "price_currency": [(row["currency"], int(row["minor_digits"])) for row in rows["currency"]],
        "price_roaming_zone": _columns(rows["roaming_zone"], "country", "roaming_zone"),
        "price_destination": list(_destinations(rows["destination"], digits)),
        "price_own_range": [(i.bucket, i.lo, i.hi) for i in disjoint_intervals(r["prefix"] for r in rows["own_range"])],
        "price_rate_key": list(_rate_rows(rates, segment_slots)),
        "price_tier": list(_tiers(book)),
        "price_carrier_key": list(_cost_rows(book)),
        "price_carrier_prefix": list(_carrier_prefixes(book)),
        "price_band_day": [_band_row(band_set, day, slots, common.factor) for band_set, day in days],
        "price_discount": list(_rating_discounts(book, common.discount)),
        "price_bill_discount": list(_bill_discounts(book)),
        "price_fee": _columns(
            rows["fee"], "fee_id", "kind", "plan_id", "name", "amount", "proration", "tax_category", *_VALID,
            "in_advance",
        ),
        "price_allowance": _columns(
            rows["allowance"], "allowance_id", "plan_id", "name", "service", "zone_id", "unit", "quantity",
            "proration", *_VALID,
        ),
        "price_tax": _columns(rows["tax"], "tax_id", "jurisdiction", "tax_category", "name", "percent", *_VALID),
    }  # fmt: skip
    operator = book.operator
    return CompiledBook(
        book.digest(), operator.name, operator.currency, operator.zone.key,
        common.factor, common.discount, slots, kind, segment_slots, used, rate_values(book),
        as_list(digits),
        {name: sorted(table, key=repr) for name, table in tables.items()},
    )  # fmt: skip


def _columns(rows: Sequence[SourceRow], *columns: str) -> Rows:
    return [tuple(row[column] for column in columns) for row in rows]


class _RateOfKey(NamedTuple):
    """A key's interval, its prices inside an event (units before it, micros), and the instant of a split."""

    interval: KeyInterval
    prices: list[tuple[int, int]]
    split_at: datetime | None


def _rates_of_keys(book: SourceBook) -> list[_RateOfKey]:
    after = {(own.key, own.valid_from): following.row for own, following in followers(book)}
    segments = {row["rate_id"]: segments_of(book, row) for row in book.rows["rate"]}
    found = []
    for interval in resolve(book.rows["rate"], RATE_CELLS, rate_keys(book))[0]:
        following = after.get((interval.key, interval.valid_from))
        prices = price_steps(interval.row, segments[interval.row["rate_id"]], following)
        split_at = interval.valid_to if following is not None and len(prices) > 1 else None
        found.append(_RateOfKey(interval, prices, split_at))
    return found


def _rate_rows(rates: Sequence[_RateOfKey], slots: int) -> Iterator[tuple[Any, ...]]:
    priced = ("unit", "price", "block", "increment")
    terms = ("minimum", "maximum", "band_set", "discountable", "zero_rated", "digits", "rounding", "tax_category")
    for (key, start, end, row), prices, split_at in rates:
        service, plan, zone, roaming_zone, group, *of_event = key
        padded = [*prices, *[(NO_EVENT_IS_SO_LONG, prices[-1][1])] * (slots - len(prices))]
        segments = ([units for units, _ in padded], [price for _, price in padded]) if slots > 1 else (None, None)
        yield (
            plan, service, zone, roaming_zone, group, start, end, row["rate_id"], *(row[c] for c in priced),
            row["connect_fee"] or 0, *(row[c] for c in terms),
            *of_event, steps(row)[0], split_at, *segments,
        )  # fmt: skip


def _tiers(book: SourceBook) -> Iterator[tuple[Any, ...]]:
    for rate in book.rows["rate"]:
        rows = sorted(tiers_of(book, rate), key=lambda row: row["from_units"])
        for number, row in enumerate([rate, *rows] if rows else []):
            start = row["from_units"] if number else 0
            end = rows[number]["from_units"] if number < len(rows) else None
            yield rate["rate_id"], rows[0]["counts"], start, end, row["price"]


def _cost_rows(book: SourceBook) -> Iterator[tuple[Any, ...]]:
    columns = ("cost_id", "unit", "price", "block", "increment", "digits", "rounding")
    by_key: dict[Key, list[KeyInterval]] = defaultdict(list)
    for interval in resolve(book.rows["carrier_rate"], COST_CELLS, cost_keys(book))[0]:
        by_key[interval.key].append(interval)
    for (service, carrier, prefix, country, call_type), intervals in by_key.items():
        default = by_key.get((service, carrier, prefix, ALL, call_type), [])
        # A prefix lies in one country as a rule, so that most countries would say what the default says.
        if ALL not in (prefix, country) and [i[1:] for i in intervals] == [i[1:] for i in default]:
            continue
        for _, start, end, row in intervals:
            markup = row["markup"]
            shares = (None, None) if markup is None else (markup.numerator, markup.denominator)
            priced = (row[column] for column in columns)
            new = (prefix, steps(row)[0], row["connect_fee"] or 0)
            yield carrier, service, call_type, country, start, end, *priced, *shares, row["markup_digits"], *new


def _carrier_prefixes(book: SourceBook) -> Iterator[tuple[Any, ...]]:
    for (carrier, service), prefixes in carrier_prefixes(book).items():
        yield from ((carrier, service, *interval) for interval in disjoint_intervals(prefixes))


def _destinations(rows: Sequence[SourceRow], digits: Mapping[str, int]) -> Iterator[tuple[Any, ...]]:
    for row in rows:
        if row["match"] == "exact":
            code = int(row["prefix"])
            yield "S" + row["prefix"], code, code + 1, row["prefix"], row["zone_id"], row["valid_from"], row["valid_to"]
        if row["match"] == "any":
            yield ALL, 0, 10**WIDTH, ALL, row["zone_id"], row["valid_from"], row["valid_to"]
    prefixed = [row for row in rows if row["match"] == "prefix"]
    edges = sorted({row[edge] for row in prefixed for edge in _VALID})
    open_since: dict[tuple[Interval, str], datetime] = {}
    # A number's longest prefix changes only at these edges; what stays the same over one is one row.
    for start, _end in [*pairwise(edges), (None, None)]:
        valid = {} if start is None else _valid_zones(prefixed, start)
        now = {(interval, valid[interval.prefix]) for interval in disjoint_intervals(valid, digits)}
        for gone in [piece for piece in open_since if piece not in now]:
            interval, zone = gone
            until = start or edges[-1]
            yield "E" + interval.bucket, interval.lo, interval.hi, interval.prefix, zone, open_since.pop(gone), until
        for piece in now:
            open_since.setdefault(piece, start)


def _valid_zones(rows: Sequence[SourceRow], at: datetime) -> dict[str, str]:
    return {row["prefix"]: row["zone_id"] for row in rows if row["valid_from"] <= at < row["valid_to"]}


def _band_days(book: SourceBook) -> list[tuple[str, BandDay]]:
    operator = book.operator
    holidays = {row["date"] for row in book.rows["holiday"] if row["calendar"] == operator.holiday_calendar}
    return [
        (band_set, day)
        for band_set, bands in bands_of(book.rows["time_band"]).items()
        for day in band_days(bands, holidays, operator.zone, operator.bands_from, operator.bands_to)
    ]


def _band_row(band_set: str, day: BandDay, slots: int, factor_den: int) -> tuple[Any, ...]:
    pieces = [*day.pieces, *[day.pieces[-1]] * (slots - len(day.pieces))]
    edges = [day.pieces[0].start, *(piece.end for piece in pieces)]
    bands = [piece.band for piece in pieces]
    factors = [factor_numerator(band.factor, factor_den) for band in bands]
    own = [
        terms if any(term is not None for term in terms) else None
        for terms in (
            [band.price for band in bands],
            [band.connect_fee for band in bands],
            [band.initial for band in bands],
            [band.increment for band in bands],
        )
    ]
    return band_set, day.local_date, edges, [band.band_id for band in bands], factors, *own


def _rating_discounts(book: SourceBook, discount_den: int) -> Iterator[tuple[Any, ...]]:
    for row in discounts_of(book, "rating"):
        facts = (row[column] for column in ("discount_id", "stage", "apply_order", "stacks", "fact"))
        narrowed = (row[column] for column in ("plan_id", "service", "zone_id"))
        kept = kept_numerator(row["percent"], discount_den)
        yield *facts, row["threshold"] // MICROS, kept, *_validity(row), *narrowed


def _bill_discounts(book: SourceBook) -> Iterator[tuple[Any, ...]]:
    columns = ("discount_id", "name", "apply_order", "stacks", "fact", "threshold", "plan_id", "applies_to")
    for row in discounts_of(book, "billing"):
        kept = 1 - row["percent"]
        yield *(row[column] for column in columns), kept.numerator, kept.denominator, *_validity(row)


def _validity(row: SourceRow) -> tuple[datetime, datetime]:
    return row["valid_from"], row["valid_to"]
