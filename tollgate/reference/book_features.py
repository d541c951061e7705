"""What of the tariff model a price book makes use of: its version says so, and pricing plans for nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tollgate.reference.cells import ALL
from tollgate.reference.charged_steps import steps
from tollgate.reference.pricebook_files import SourceBook, SourceRow
from tollgate.reference.rate_keys import event_values

# A first step of charging that differs from the further ones, of a rate, a cost or a band.
INITIAL = "initial"
# Bands with a connect fee or steps of their own, and with a price of their own.
BAND_TERMS, BAND_PRICES = "band_terms", "band_prices"
# Prices by the moment inside the event, and by the row that follows at midnight.
SEGMENTS, SPLITS = "segments", "splits"
# Allowances whose grants outlast their cycle.
ROLLOVER = "rollover"
SPEND_LIMITS = "spend_limits"
CATCH_ALL = "catch_all"
CARRIER_PREFIXES, CARRIER_FEES = "carrier_prefixes", "carrier_fees"


def features(book: SourceBook, splits: bool) -> list[str]:
    """The features of the book in order of name. splits: whether a row hands a call over to one of another price."""
    rows, bands = book.rows, book.rows["time_band"]
    costs = rows["carrier_rate"]
    terms = ("connect_fee", "initial", "increment")
    used = {
        INITIAL: any(row["initial"] is not None and steps(row)[0] != steps(row)[1] for row in (*rows["rate"], *costs))
        or any(row["initial"] or row["increment"] for row in bands),
        BAND_TERMS: any(row[column] is not None for row in bands for column in terms),
        BAND_PRICES: any(row["price"] is not None for row in bands),
        SEGMENTS: bool(rows["segment"]),
        SPLITS: splits,
        ROLLOVER: any(row["rollover_cycles"] for row in rows["allowance"]),
        SPEND_LIMITS: bool(rows["spend_limit"]),
        CATCH_ALL: any(row["match"] == "any" for row in rows["destination"]),
        CARRIER_PREFIXES: any(row["prefix"] != ALL for row in costs),
        CARRIER_FEES: any(row["connect_fee"] for row in costs),
    }
    return sorted(name for name, is_used in used.items() if is_used)


def rate_values(book: SourceBook) -> list[str]:
    """What rows of rate.csv name beyond plan, zones and group, as texts such as `voice direction in`."""
    return [f"{service} {cell} {value}" for (service, cell), values in event_values(book).items() for value in values]


def price_steps(rate: SourceRow, segments: Sequence[SourceRow], after: SourceRow | None) -> list[tuple[int, int]]:
    """(units before it, micros) of each price inside an event, the rate's own first; equal neighbours are one.

    after: the row that follows at the end of the rate's validity, where a call is split; its price is the second.
    """
    return list(_joined([(0, rate["price"]), *_later(segments, after)]))


def _later(segments: Sequence[SourceRow], after: SourceRow | None) -> Iterator[tuple[int, int]]:
    yield from ((row["from_units"], row["price"]) for row in segments)
    if after is not None:
        # Where it begins depends on the event's start.
        yield NO_EVENT_IS_SO_LONG, after["price"]


def _joined(prices: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    last: int | None = None
    for start, price in prices:
        if price != last:
            yield start, price
        last = price


NO_EVENT_IS_SO_LONG = 1 << 62
