"""When: the day of time bands in which an event starts, and the band that holds then."""

from __future__ import annotations

from pyspark.sql import DataFrame

from tollgate.rating.as_of import book_rows, with_row_in_force
from tollgate.reference.book_features import BAND_PRICES, BAND_TERMS
from tollgate.reference.frames import PriceBook

_DAY = ["edge_s", "band_id", "factor_num"]
# What a band says beside its factor, where the book makes use of it.
_DAY_OF_FEATURE = {
    BAND_PRICES: ["price_micros"],
    BAND_TERMS: ["connect_fee_micros", "initial_units", "increment_units"],
}


def with_band_day(events: DataFrame, book: PriceBook) -> DataFrame:
    """Add `is_zero`, `is_banded`, `band_day` (STRUCT, the local day of the start), `start_s` and `start_slot`.

    start_s: the whole second of the start, epoch seconds; start_slot: the interval of `band_day` that holds it.
    Nothing has bands that is charged 0. band_day is NULL where the book publishes no such day.
    """
    more = [name for feature, names in _DAY_OF_FEATURE.items() if feature in book.features for name in names]
    is_zero = "is_zero_by_outcome OR coalesce(rate.is_zero_rated, false)"
    events = with_row_in_force(
        events.selectExpr(
            "*",
            f"{is_zero} AS is_zero",
            f"CASE WHEN NOT ({is_zero}) THEN rate.band_set END AS band_set",
            "unix_seconds(started_at) AS start_s",
        ),
        book_rows(book.table("price_band_day")),
        same={"band_set": "band_set", "local_date": "local_date"},
        take=[*_DAY, *more],
        into="band_day",
        is_timed=False,
    )
    slots = range(book.band_slots)
    before = " + ".join(f"CASE WHEN get(band_day.edge_s, {k + 1}) <= start_s THEN 1 ELSE 0 END" for k in slots)
    return events.selectExpr("* EXCEPT (band_set)", "band_set IS NOT NULL AS is_banded", f"{before} AS start_slot")
