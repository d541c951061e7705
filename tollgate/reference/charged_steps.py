"""The steps in which a row of rate.csv or carrier_rate.csv charges usage. Source: docs/pricebook.md, `initial`."""

from __future__ import annotations

from tollgate.reference.pricebook_files import SourceRow
from tollgate.reference.time_bands import DAY_S

LARGEST_USAGE = {"second": DAY_S, "message": 1, "byte": 1 << 40}


def steps(row: SourceRow, band: SourceRow | None = None) -> tuple[int, int]:
    """Units of the first step and of each further one; those of the row where the band names none."""
    initial, increment = row["initial"] or row["increment"], row["increment"]
    return (initial, increment) if band is None else (band["initial"] or initial, band["increment"] or increment)


def charged_units(used: int, initial: int, increment: int) -> int:
    """Usage rounded up: nothing of nothing, the first step, and then whole increments."""
    return initial + max(0, -(-(used - initial) // increment)) * increment if used else 0


def largest_charged(row: SourceRow, initial: int, increment: int) -> int:
    """Charged units of the largest usage that mediation lets through."""
    return charged_units(LARGEST_USAGE[row["unit"]], initial, increment)


def is_whole_day(initial: int, increment: int) -> bool:
    """Whether no call of at most 24 hours is charged longer than that."""
    return initial <= DAY_S and (DAY_S - initial) % increment == 0
