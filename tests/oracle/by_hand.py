"""Small price books and the price of one event in them, for cases worked by hand; amounts in millionths."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from oracle.people import NUMBER, facts, local_us
from oracle.small_book import sheet, write_book

from tollgate.oracle.book import PriceBook
from tollgate.oracle.pricing import Priced, price_event
from tollgate.oracle.rows import Usage

TUESDAY_NOON = local_us(2026, 10, 6, 12)
PEAK = {"band_id": "peak", "priority": 1, "weekdays": "12345", "from": "08:00", "to": "20:00", "factor": "1.2"}
Row = dict[str, Any]


def book_of(folder: Path, *rates: Row, **sheets: list[Row]) -> PriceBook:
    """The small book with these rates, and rows of other sheets in the place of theirs."""
    texts = {name: sheet(name, *rows) for name, rows in sheets.items()}
    return PriceBook(write_book(folder, rate=sheet("rate", *rates), **texts))


def priced(book: PriceBook, usage: Usage) -> Priced:
    return price_event(usage, book, facts())


def pieces(book: PriceBook, usage: Usage) -> list[tuple[int, str, int]]:
    return [(piece.units, piece.band_id, piece.price) for piece in priced(book, usage).pieces]


def data(volume: int, **fields: Any) -> Usage:
    return Usage("s", "e", "data", TUESDAY_NOON, NUMBER, volume_bytes=volume, rating_group="web", **fields)


DATA: Row = {"rate_id": "d", "service": "data", "zone_id": "home", "rating_group": "*", "unit": "byte"}
