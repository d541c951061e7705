"""When: the charged time of an event, cut where the time band changes."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import DataFrame

from tollgate.rating.as_of import book_rows, with_row_in_force
from tollgate.reference.frames import PriceBook

FLAT = "flat"
MARKUP = "markup"


def with_pieces(events: DataFrame, book: PriceBook) -> DataFrame:
    """Add the pieces of `charged_units`: `piece_units`, `piece_band`, `piece_factor_num` over `factor_den`; their sum
    `weighted_units` (units x factor_num, of the book's amount type); and `is_cut`, false where a band is missing.

    Seconds from the whole second of the start are cut at the band edges of the local day in the tariff's zone.
    Without bands there is one piece of factor 1/1, and for a mark-up one piece of the mark-up's factor.
    Unrolled over the book's slots, because functions over arrays cost several times as much an event.
    """
    slots = range(book.band_slots)
    events = with_row_in_force(
        events.selectExpr("*", "CASE WHEN NOT is_zero THEN rate.band_set END AS band_set"),
        book_rows(book.table("price_band_day")),
        same={"band_set": "band_set", "local_date": "local_date"},
        take=["edge_s", "band_id", "factor_num"],
        into="band_day",
        is_timed=False,
    )
    events = events.selectExpr(
        "* EXCEPT (band_set)",
        "band_set IS NOT NULL AS is_banded",
        "unix_seconds(started_at) AS start_s",
        "unix_seconds(started_at) + charged_units AS end_s",
    )
    events = events.selectExpr("*", *(f"{_inside(k)} AS units_{k}" for k in slots))
    total = " + ".join(f"units_{k}" for k in slots)
    before = " + ".join(f"CASE WHEN get(band_day.edge_s, {k + 1}) <= start_s THEN 1 ELSE 0 END" for k in slots)
    events = events.selectExpr(
        "* EXCEPT (start_s, end_s)",
        f"NOT is_banded OR (band_day IS NOT NULL AND {total} = charged_units) AS is_cut",
        f"1 + {before} AS first_piece",
        " + ".join(f"CASE WHEN units_{k} > 0 THEN 1 ELSE 0 END" for k in slots) + " AS pieces",
        f"{_factor(book)} AS factor_den",
        "CASE WHEN is_marked_up THEN cost_row.markup_num ELSE 1L END AS one_factor",
    )
    banded = weighted(
        [f"units_{k}" for k in slots], [f"get(band_day.factor_num, {k})" for k in slots], book.amount_type
    )
    flat = f"try_multiply(CAST(charged_units AS {book.amount_type}), one_factor)"
    units = f"array({', '.join(f'units_{k}' for k in slots)})"
    one_band = f"CASE WHEN is_marked_up THEN '{MARKUP}' ELSE '{FLAT}' END"
    names = ", ".join(f"units_{k}" for k in slots)
    return events.selectExpr(
        f"* EXCEPT (band_day, is_banded, first_piece, pieces, one_factor, {names})",
        f"CASE WHEN is_banded THEN {banded} ELSE {flat} END AS weighted_units",
        f"{_pieces(units, 'charged_units')} AS piece_units",
        f"{_pieces('band_day.band_id', one_band)} AS piece_band",
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


def _factor(book: PriceBook) -> str:
    return f"CASE WHEN is_banded THEN {book.factor_den}L WHEN is_marked_up THEN cost_row.markup_den ELSE 1L END"


def _pieces(banded: str, flat: str) -> str:
    """The slots that hold units, or the one piece of a flat price, or none of no units."""
    return f"slice(CASE WHEN is_banded THEN {banded} ELSE array({flat}) END, " + (
        "CASE WHEN is_banded THEN first_piece ELSE 1 END, "
        "CASE WHEN is_banded THEN pieces WHEN charged_units > 0 THEN 1 WHEN charged_units = 0 THEN 0 END)"
    )
