"""Pieces of events whose price changes on the way: a grid of time bands and of prices inside the event.

A cell of the grid is what lies in one interval of the day's bands and at one price of the rate, as counted from the
event's start. In the order (band, price) the cells that hold units are the pieces in time order.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from pyspark.sql import DataFrame

from tollgate.reference.book_features import BAND_PRICES, NO_EVENT_IS_SO_LONG, SPLITS
from tollgate.reference.frames import PriceBook

_PIECE = "STRUCT<place: INT, units: BIGINT, band: STRING, price: BIGINT, factor: BIGINT>"
_NEVER = f"{NO_EVENT_IS_SO_LONG}L"


class _Cell(NamedTuple):
    band: int
    price: int

    def __str__(self) -> str:
        return f"{self.band}_{self.price}"


def with_grid_pieces(events: DataFrame, book: PriceBook) -> DataFrame:
    """The columns of `with_pieces`, for a book with segments, splits or prices of bands.

    All edges are units after the start. A band with a price of its own has it at each place of the event: its interval
    is one cell. Unrolled, and without functions over the elements of arrays.
    """
    bands, prices = range(book.band_slots), range(book.segment_slots)
    cells = [_Cell(band, price) for band in bands for price in prices]
    has_band_prices = BAND_PRICES in book.features
    events = events.selectExpr(
        "*",
        *(f"{_band_edge(k)} AS edge_{k}" for k in range(1, book.band_slots + 1)),
        *(f"{_price_edge(s, book)} AS from_{s}" for s in prices if s),
        *(f"{_price(s, book)} AS price_{s}" for s in prices),
        *(f"{_of_band('factor_num', k, 'one_factor')} AS factor_{k}" for k in bands),
        *(f"{_of_band('band_id', k, 'one_band')} AS band_{k}" for k in bands),
        *(f"get(band_day.price_micros, {k}) AS own_price_{k}" for k in bands if has_band_prices),
    )
    events = events.selectExpr("*", *(f"{_inside(cell, book)} AS units_{cell}" for cell in cells))
    total = " + ".join(f"units_{cell}" for cell in cells)
    events = events.selectExpr(
        "*",
        f"NOT is_banded OR (band_day IS NOT NULL AND {total} = charged_units) AS is_cut",
        f"{_usage(cells, book)} AS usage_micros",
        f"array_except(array({', '.join(_piece(cell, book) for cell in cells)}), array(CAST(NULL AS {_PIECE})))"
        " AS pieces",
    )
    return events.selectExpr(
        f"* EXCEPT ({', '.join(['pieces', *_made(cells, book)])})",
        "pieces.units AS piece_units",
        "pieces.band AS piece_band",
        "pieces.price AS piece_price_micros",
        "pieces.factor AS piece_factor_num",
    )


def _made(cells: list[_Cell], book: PriceBook) -> Iterator[str]:
    yield from (f"units_{cell}" for cell in cells)
    yield from (f"from_{s}" for s in range(1, book.segment_slots))
    yield from (f"price_{s}" for s in range(book.segment_slots))
    for k in range(book.band_slots):
        yield from (f"edge_{k + 1}", f"factor_{k}", f"band_{k}")
        if BAND_PRICES in book.features:
            yield f"own_price_{k}"


def _band_edge(slot: int) -> str:
    return f"CASE WHEN is_banded THEN get(band_day.edge_s, {slot}) - start_s ELSE {_NEVER} END"


def _price_edge(slot: int, book: PriceBook) -> str:
    after = f"coalesce(get(rate.segment_units, {slot}), {_NEVER})"
    if slot == 1 and SPLITS in book.features:
        return f"coalesce(unix_seconds(rate.split_at) - start_s, {after})"
    return after


def _price(slot: int, book: PriceBook) -> str:
    if book.segment_slots == 1:
        return "rate.unit_price_micros"
    return f"coalesce(get(rate.segment_price_micros, {slot}), rate.unit_price_micros)"


def _of_band(column: str, slot: int, one: str) -> str:
    return f"CASE WHEN is_banded THEN get(band_day.{column}, {slot}) ELSE {one} END"


def _inside(cell: _Cell, book: PriceBook) -> str:
    """Units of [0, charged_units) in the cell."""
    opens = ["0L"] + ([f"edge_{cell.band}"] if cell.band else [])
    closes = ["charged_units", f"edge_{cell.band + 1}"]
    whole = _between(opens, closes)
    at_price = _between(
        opens + ([f"from_{cell.price}"] if cell.price else []),
        closes + ([f"from_{cell.price + 1}"] if cell.price + 1 < book.segment_slots else []),
    )
    if BAND_PRICES not in book.features or book.segment_slots == 1:
        return at_price
    return f"CASE WHEN own_price_{cell.band} IS NULL THEN {at_price} ELSE {'0L' if cell.price else whole} END"


def _between(opens: list[str], closes: list[str]) -> str:
    after = f"greatest({', '.join(opens)})" if len(opens) > 1 else opens[0]
    return f"greatest(0L, least({', '.join(closes)}) - {after})"


def _price_in(cell: _Cell, book: PriceBook) -> str:
    price = f"price_{cell.price}"
    return f"coalesce(own_price_{cell.band}, {price})" if BAND_PRICES in book.features else price


def _usage(cells: list[_Cell], book: PriceBook) -> str:
    total = ""
    for cell in cells:
        priced = f"try_multiply(CAST(units_{cell} AS {book.amount_type}), {_price_in(cell, book)})"
        # A slot that the day does not have holds no units and has no factor.
        term = f"try_multiply({priced}, coalesce(factor_{cell.band}, 0L))"
        total = f"try_add({total}, {term})" if total else term
    return total


def _piece(cell: _Cell, book: PriceBook) -> str:
    # The place makes them differ: array_except keeps one of each.
    fields = (
        f"'place', {cell.band * book.segment_slots + cell.price}, 'units', units_{cell}, 'band', band_{cell.band}, "
        f"'price', {_price_in(cell, book)}, 'factor', factor_{cell.band}"
    )
    return f"CASE WHEN units_{cell} > 0 THEN CAST(named_struct({fields}) AS {_PIECE}) END"
