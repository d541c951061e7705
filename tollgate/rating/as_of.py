"""The row in force: what the price book or the reference data said when the event started."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as F


def with_row_in_force(
    events: DataFrame,
    rows: DataFrame,
    same: Mapping[str, str],
    take: Mapping[str, str] | Sequence[str],
    within: str | None = None,
    is_timed: bool = True,
) -> DataFrame:
    """Add columns of the one row of `rows` that fits each event; NULL where none does. No event is lost or doubled.

    same: key column of `rows` -> the event's column that must equal it. take: column of `rows` -> name to add it as
    (or the names to add). within: an event's column that must lie in the row's [lo, hi). is_timed: the event's
    started_at must lie in the row's [valid_from, valid_to).
    At most one row fits because intervals of one key are disjoint, which publishing and the snapshot check.
    """
    taken = take if isinstance(take, Mapping) else {name: name for name in take}
    bounds = (["lo", "hi"] if within else []) + (["valid_from", "valid_to"] if is_timed else [])
    row = rows.select(
        *(F.col(name).alias(f"row_{name}") for name in dict.fromkeys([*same, *bounds])),
        *(F.col(name).alias(alias) for name, alias in taken.items()),
    )
    fits = [f"row_{key} = {column}" for key, column in same.items()]
    if within:
        fits.append(f"row_lo <= {within} AND {within} < row_hi")
    if is_timed:
        fits.append("row_valid_from <= started_at AND started_at < row_valid_to")
    return events.join(row, F.expr(" AND ".join(fits)), how="left").select(*events.columns, *taken.values())


def book_rows(rows: DataFrame) -> DataFrame:
    """`rows` of a price book, broadcast: a book is small beside a night's usage."""
    return F.broadcast(rows)
