"""When: the charged time of an event, cut where the time band changes."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from tollgate.rating.as_of import book_rows, with_row_in_force
from tollgate.reference.frames import PriceBook

FLAT = "flat"
MARKUP = "markup"


def with_pieces(events: DataFrame, book: PriceBook) -> DataFrame:
    """Add the pieces of `charged_units`, twice: `piece_units`, `piece_band`, `piece_factor_num` and `factor_den` for
    the row, and `units_0`, `factor_0`, … (one pair a slot of the book) for pricing; and `is_cut`, false where a band
    is missing.

    Seconds from the whole second of the start are cut at the band edges of the local day in the tariff's zone.
    Without bands there is one piece of factor 1/1, and for a mark-up one piece of the mark-up's factor.
    Unrolled over the slots, because arrays and functions over them cost several times as much an event.
    """
    slots = range(book.band_slots)
    events = with_row_in_force(
        events,
        book_rows(book.table("price_band_day")),
        same={"band_set": "band_set", "local_date": "local_date"},
        take={"edge_s": "edge_s", "band_id": "slot_band", "factor_num": "slot_factor"},
        is_timed=False,
    )
    events = events.selectExpr(
        "*",
        "band_set IS NOT NULL AND NOT is_zero AS is_banded",
        "unix_seconds(started_at) AS start_s",
        "unix_seconds(started_at) + charged_units AS end_s",
    )
    events = events.withColumns(
        {
            f"units_{k}": F.expr(
                f"CASE WHEN is_banded THEN {_inside(k)} ELSE {'charged_units' if k == 0 else '0L'} END"
            )
            for k in slots
        }
        | {
            f"factor_{k}": F.expr(f"CASE WHEN is_banded THEN get(slot_factor, {k}) ELSE {_flat_factor(k)} END")
            for k in slots
        }
    )
    total = " + ".join(f"units_{k}" for k in slots)
    before = " + ".join(f"CASE WHEN get(edge_s, {k + 1}) <= start_s THEN 1 ELSE 0 END" for k in slots)
    events = events.selectExpr(
        "*",
        f"NOT is_banded OR coalesce({total} = charged_units, false) AS is_cut",
        f"CASE WHEN is_banded THEN {before} ELSE 0 END + 1 AS first_piece",
        " + ".join(f"CASE WHEN units_{k} > 0 THEN 1 ELSE 0 END" for k in slots) + " AS pieces",
    )
    units, factors = (", ".join(f"{name}_{k}" for k in slots) for name in ("units", "factor"))
    bands = f"CASE WHEN is_banded THEN slot_band WHEN is_marked_up THEN array('{MARKUP}') ELSE array('{FLAT}') END"
    return events.selectExpr(
        "* EXCEPT (edge_s, slot_band, slot_factor, start_s, end_s, first_piece, pieces, is_banded)",
        f"slice(array({units}), first_piece, pieces) AS piece_units",
        f"slice({bands}, first_piece, pieces) AS piece_band",
        f"slice(array({factors}), first_piece, pieces) AS piece_factor_num",
        f"""CASE WHEN is_banded THEN {book.factor_den}L WHEN is_marked_up THEN cost_row.markup_den ELSE 1L END
            AS factor_den""",
    )


def _inside(slot: int) -> str:
    """Seconds of [start_s, end_s) in a slot; NULL when the day has no bands."""
    until, since = f"least(end_s, get(edge_s, {slot + 1}))", f"greatest(start_s, get(edge_s, {slot}))"
    return f"CASE WHEN edge_s IS NOT NULL THEN greatest(0L, {until} - {since}) END"


def _flat_factor(slot: int) -> str:
    return "CASE WHEN is_marked_up THEN cost_row.markup_num ELSE 1L END" if slot == 0 else "1L"
