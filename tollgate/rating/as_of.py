"""The row in force: what the price book or the reference data said when the event started."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as F


def with_row_in_force(
    events: DataFrame,
    rows: DataFrame,
    same: Mapping[str, str],
    take: str | Sequence[str],
    into: str,
    within: str | None = None,
    is_timed: bool = True,
) -> DataFrame:
    """Add the column `into`: what the one fitting row of `rows` says; NULL where none fits. Events stay as many.

    same: key column of `rows` -> the event's column that must equal it. take: one column of `rows`, or several, which
    make a STRUCT (a plan that carries them one by one grows beyond what the JVM compiles). within: an event's column
    that must lie in the row's [lo, hi). is_timed: started_at must lie in its [valid_from, valid_to).
    At most one row fits because intervals of one key are disjoint, which publishing and the snapshot check.
    """
    bounds = (["lo", "hi"] if within else []) + (["valid_from", "valid_to"] if is_timed else [])
    names = [*same, *bounds]
    taken = take if isinstance(take, str) else f"struct({', '.join(take)})"
    row = rows.selectExpr(*(f"{name} AS row_{name}" for name in names), f"{taken} AS {into}")
    fits = [f"row_{key} = {column}" for key, column in same.items()]
    if within:
        fits.append(f"row_lo <= {within} AND {within} < row_hi")
    if is_timed:
        fits.append("row_valid_from <= started_at AND started_at < row_valid_to")
    joined = events.join(row, F.expr(" AND ".join(fits)), how="left")
    return joined.selectExpr(f"* EXCEPT ({', '.join(f'row_{name}' for name in names)})")


def book_rows(rows: DataFrame) -> DataFrame:
    """`rows` of a price book, broadcast: a book is small beside a night's usage."""
    return F.broadcast(rows)
