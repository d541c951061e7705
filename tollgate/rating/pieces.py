"""In what pieces: the charged units of an event, cut where its time band or its price changes."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import DataFrame

from tollgate.rating.price_grid import with_grid_pieces
from tollgate.reference.book_features import BAND_PRICES
from tollgate.reference.frames import PriceBook

NEEDED = ("is_banded", "is_marked_up", "band_day", "start_s", "start_slot", "charged_units", "rate", "cost_row")
# What nothing reads afterwards.
ENDS = ("is_banded", "band_day", "start_s", "start_slot")
FLAT = "flat"
MARKUP = "markup"


def with_pieces(events: DataFrame, book: PriceBook) -> DataFrame:
    """Add the pieces of `charged_units` in time order: `piece_units`, `piece_band`, `piece_price_micros` and
    `piece_factor_num` over `factor_den`; their sum `usage_micros` (units x price x factor_num, of the book's amount
    type); and `is_cut`, false where a band is missing.

    Seconds from the whole second of the start are cut at the band edges of the local day in the tariff's zone.
    Without bands there is one piece of factor 1/1, and for a mark-up one piece of the mark-up's factor.
    Needs `with_band_day` and `with_charged_units`.
    """
    events = events.selectExpr(
        "*",
        f"CASE WHEN is_banded THEN {book.factor_den}L WHEN is_marked_up THEN cost_row.markup_den ELSE 1L END"
        " AS factor_den",
        "CASE WHEN is_marked_up THEN cost_row.markup_num ELSE 1L END AS one_factor",
        f"CASE WHEN is_marked_up THEN '{MARKUP}' ELSE '{FLAT}' END AS one_band",
    )
    has_prices = book.segment_slots > 1 or BAND_PRICES in book.features
    cut = with_grid_pieces(events, book) if has_prices else _with_band_pieces(events, book)
    return cut.drop("one_factor", "one_band")


def _with_band_pieces(events: DataFrame, book: PriceBook) -> DataFrame:
    """The pieces of events that have one price all along.

    Unrolled over the book's slots, because functions over arrays cost several times as much an event.
    """
    slots = range(book.band_slots)
    events = events.selectExpr("*", "start_s + charged_units AS end_s")
    events = events.selectExpr("*", *(f"{_inside(k)} AS units_{k}" for k in slots))
    banded_pieces = " + ".join(f"CASE WHEN units_{k} > 0 THEN 1 ELSE 0 END" for k in slots)
    events = events.selectExpr(
        "* EXCEPT (end_s)",
        f"NOT is_banded OR (band_day IS NOT NULL AND {' + '.join(f'units_{k}' for k in slots)} = charged_units)"
        " AS is_cut",
        f"CASE WHEN is_banded THEN {banded_pieces} WHEN charged_units > 0 THEN 1 WHEN charged_units = 0 THEN 0 END"
        " AS pieces",
    )
    units = [f"units_{k}" for k in slots]
    banded = weighted(units, [f"get(band_day.factor_num, {k})" for k in slots], book.amount_type)
    flat = f"try_multiply(CAST(charged_units AS {book.amount_type}), one_factor)"
    return events.selectExpr(
        f"* EXCEPT (pieces, {', '.join(units)})",
        f"try_multiply(CASE WHEN is_banded THEN {banded} ELSE {flat} END, rate.unit_price_micros) AS usage_micros",
        f"{_pieces(f'array({chr(44).join(units)})', 'charged_units')} AS piece_units",
        f"{_pieces('band_day.band_id', 'one_band')} AS piece_band",
        "array_repeat(rate.unit_price_micros, pieces) AS piece_price_micros",
        f"{_pieces('band_day.factor_num', 'one_factor')} AS piece_factor_num",
    )


def weighted(units: Sequence[str], factors: Sequence[str], amount_type: str) -> str:
    """SQL text of amount_type: the sum of units x factor over the pieces; NULL on overflow."""
    total = ""
    for unit, factor in zip(units, factors, strict=True):
        term = f"try_multiply(CAST({unit} AS {amount_type}), {factor})"
        total = f"try_add({total}, {term})" if total else term
    return total


def _inside(slot: int) -> str:
    """Seconds of [start_s, end_s) in a slot of `band_day`."""
    opens, closes = f"get(band_day.edge_s, {slot})", f"get(band_day.edge_s, {slot + 1})"
    return f"greatest(0L, least(end_s, {closes}) - greatest(start_s, {opens}))"


def _pieces(banded: str, flat: str) -> str:
    """The slots that hold units, or the one piece of a flat price, or none of no units."""
    return (
        f"slice(CASE WHEN is_banded THEN {banded} ELSE array({flat}) END, "
        "CASE WHEN is_banded THEN 1 + start_slot ELSE 1 END, pieces)"
    )
