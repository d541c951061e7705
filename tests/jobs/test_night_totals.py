"""What several nights come to, without Spark."""

from __future__ import annotations

from decimal import Decimal

from jobs.night import _add


def night(suspended: dict[str, int], **more: int) -> dict[str, object]:
    amounts = {"charge": {"CAD": Decimal("1.5")}, "cost": {}}
    return {"batches": 1, "rated": 2, "zero_rated": 0, "suspended": suspended, **amounts, **more}


def test_what_stands_suspended_is_what_the_last_night_left():
    totals = {"batches": 0, "rated": 0, "zero_rated": 0, "suspended": 0, "charge": Decimal(0), "cost": Decimal(0)}
    _add(totals, night({"no_zone": 3}))
    assert (totals["suspended"], totals["left_suspended"]) == (3, 3)
    # One of three has a zone now; one more is new.
    _add(totals, night({"no_rate": 1}, still_suspended=2))
    assert (totals["suspended"], totals["left_suspended"]) == (4, 3)
    # Nothing came, and what was held is held.
    _add(totals, night({}, still_suspended=3))
    assert (totals["suspended"], totals["left_suspended"]) == (4, 3)
    assert (totals["batches"], totals["rated"], totals["charge"]) == (3, 6, Decimal("4.5"))
