"""Rating by Spark beside rating by the oracle: drawn books, drawn events, and every difference between the two."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from properties.draw import draw_population
from properties.draw_book import draw_book
from properties.draw_events import TENURES, boundaries, draw_events
from properties.frames_of_draws import book_frames, reference_frames, usage_files
from pyspark.sql import SparkSession

from tollgate.oracle.book import PriceBook
from tollgate.oracle.facts import Facts
from tollgate.oracle.lake import rows_of
from tollgate.oracle.pricing import Priced, price_event
from tollgate.oracle.rating_check import COLUMNS, expected_fields, found_fields
from tollgate.oracle.report import Comparison
from tollgate.oracle.rows import Usage
from tollgate.rating.rate import rate_events

LINES = 66
CHANGE = int(datetime(2028, 7, 1, 8, tzinfo=ZoneInfo("America/Toronto")).timestamp()) * 1_000_000
RECKONED = (*COLUMNS, "minimum_micros", "maximum_micros")


@dataclass
class SecondRating:
    """What was compared, what differs, and what the drawn events met."""

    comparison: Comparison = field(default_factory=Comparison)
    met: Counter[str] = field(default_factory=Counter)
    missing: int = 0
    amount_types: Counter[str] = field(default_factory=Counter)
    seconds: Counter[str] = field(default_factory=Counter)

    def as_json(self) -> dict[str, Any]:
        """For JSON: counts, the first differences, seconds by side."""
        return {
            **self.comparison.as_json(),
            "not_in_order": self.missing,
            "books": dict(self.amount_types),
            "met": dict(sorted(self.met.items())),
            "seconds": {name: f"{seconds:.1f}" for name, seconds in self.seconds.items()},
        }


def compare_rating(spark: SparkSession, folder: Path, seed: int, events: int, books: int) -> SecondRating:
    """Draw so many books, and so many events over all of them; price each by both sides and compare every field."""
    result = SecondRating()
    facts = draw_population(LINES, change=CHANGE, tenures=TENURES)
    reference = reference_frames(spark, facts)
    for number in range(books):
        random = Random(f"{seed}-{number}")
        clock = time.perf_counter()
        book_folder = draw_book(random, folder / f"book{number}")
        usage = list(draw_events(random, events // books, LINES, boundaries(book_folder)))
        clock = _spent(result, "drawing", clock)
        book = book_frames(spark, book_folder)
        result.amount_types[book.amount_type] += 1
        clock = _spent(result, "compiling the book", clock)
        files = usage_files(spark, folder / f"usage{number}.parquet", usage)
        rated = rate_events(files, book, reference, 1).select(*RECKONED).toArrow()
        clock = _spent(result, "rating by Spark", clock)
        compare_rows(result, f"book {number}", rows_of(rated, RECKONED), usage, PriceBook(book_folder), facts)
        _spent(result, "rating by the oracle, and comparing", clock)
    return result


def compare_rows(
    result: SecondRating, name: str, rows: Iterable[tuple[Any, ...]], usage: list[Usage], book: PriceBook, facts: Facts
) -> None:
    """Compare rows of RECKONED with what the oracle makes of the usage, and each row with its own reckoning."""
    place = RECKONED.index("event_id")
    found = {row[place]: row for row in rows}
    for event in usage:
        priced = price_event(event, book, facts)
        values = found.pop(event.event_id, None)
        expected = expected_fields(event, priced)
        if priced.retail_status == "rated":
            expected["reckoned_again"] = expected["exact_charge"]
        row = None if values is None else dict(zip(RECKONED, values, strict=True))
        if row is not None:
            result.met["pieces to merge"] += len(row["piece_units"] or ()) != len(found_fields(row)["pieces"])
            row = found_fields(row) | {"reckoned_again": reckoned(row)}
        result.comparison.compare(f"{name}: {event} on {priced.rate}", expected, row)
        result.met.update(features_met(event, priced))
    result.missing += len(found)


def reckoned(row: dict[str, Any]) -> tuple[int, int] | None:
    """The exact charge of a rated row from its own columns, in lowest terms: docs/pricebook.md, "Exactness"."""
    if row["retail_status"] != "rated":
        return None
    block, factor_den, fee = row["block_units"], row["factor_den"], row["connect_fee_micros"]
    pieces = zip(row["piece_units"], row["piece_price_micros"], row["piece_factor_num"], strict=True)
    # A mark-up multiplies the fee too.
    fee_factor = row["piece_factor_num"][0] if row["price_source"] == "markup" else factor_den
    exact = Fraction(sum(units * price * factor for units, price, factor in pieces) + fee * block * fee_factor)
    exact /= block * factor_den
    for bound, choose in ((row["minimum_micros"], max), (row["maximum_micros"], min)):
        exact = exact if bound is None else Fraction(choose(exact, bound))
    exact *= Fraction(int(row["discount_num"]), int(row["discount_den"]))
    return exact.numerator, exact.denominator


def features_met(event: Usage, priced: Priced) -> set[str]:
    """What of the tariff model an event met; a test asks that each was met."""
    rate, cost = priced.rate, priced.wholesale.row
    found = {priced.suspense_reason or priced.retail_status, priced.wholesale.status}
    if priced.prefix == "*":
        found.add("catch_all")
    if cost is not None:
        found |= {name for name in ("prefix", "country", "call_type", "carrier_id") if getattr(cost, name) != "*"}
        found |= {"cost_fee"} if cost.connect_fee else set()
    if priced.price_source == "markup" and priced.retail_status == "rated":
        found |= {"markup", *({"markup_of_fee"} if cost and cost.connect_fee else ())}
    if rate is None or priced.retail_status != "rated":
        return found
    found |= {f"literal {name}" for name in ("direction", "technology", "slice") if getattr(rate, name) != "*"}
    found |= {f"{len(priced.discount_ids)} discounts"}
    prices, bands = {piece.price for piece in priced.pieces}, {piece.band_id for piece in priced.pieces}
    if rate.segments and len(prices) > 1:
        found.add("segments and bands" if len(bands) > 1 else "segments")
    if rate.split_at_validity and len(prices) > 1 and len(bands) == 1:
        found.add("split")
    if len(bands) > 1:
        found.add("bands")
    if rate.initial != rate.increment:
        found.add("first step")
    if rate.minimum is not None or rate.maximum is not None:
        found.add("bounds")
    if event.duration_s == 86_400:
        found.add("24 hours")
    return found


def _spent(result: SecondRating, name: str, since: float) -> float:
    now = time.perf_counter()
    result.seconds[name] += now - since  # type: ignore[assignment]
    return now
