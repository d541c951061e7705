"""The contest's price book as dictionaries of plain values, for the Python function."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

Table = dict[Any, list[tuple[int, int, Any]]]


def tables(folder: Path, version: dict[str, Any]) -> dict[str, Any]:
    """The book as dictionaries of plain values: key to its rows by validity in epoch microseconds."""
    import pyarrow.parquet as pq

    def rows(name: str) -> list[dict[str, Any]]:
        table = pq.read_table(folder / "book" / f"{name}.parquet")
        for column in ("valid_from", "valid_to"):
            if column in table.column_names:
                at = table.column_names.index(column)
                table = table.set_column(at, column, table.column(column).cast("int64"))
        found: list[dict[str, Any]] = table.to_pylist()
        return found

    def timed(name: str, *key: str) -> Table:
        found: Table = defaultdict(list)
        for row in rows(name):
            found[tuple(row[column] for column in key)].append((row["valid_from"], row["valid_to"], row))
        return dict(found)

    places: Table = defaultdict(list)
    for row in rows("price_destination"):
        place = (row["valid_from"], row["valid_to"], row["zone_id"])
        if place not in places[row["prefix"]]:
            places[row["prefix"]].append(place)
    return {
        "places": dict(places), "lengths": sorted({len(prefix) for prefix in places}, reverse=True),
        "own": [(row["lo"], row["hi"]) for row in rows("price_own_range")],
        "visited": {row["country"]: row["roaming_zone"] for row in rows("price_roaming_zone")},
        "kinds": {row["zone_id"]: row["kind"] for row in rows("price_zone")},
        "plans": {row["plan_id"] for row in rows("price_plan")},
        "rates": timed("price_rate_key", "plan_id", "service", "zone_id", "roaming_zone", "rating_group"),
        "costs": timed("price_carrier_key", "carrier_id", "service", "call_type", "country"),
        "days": {(row["band_set"], str(row["local_date"])): row for row in rows("price_band_day")},
        "discounts": [
            (row["discount_id"], row["fact"], row["keep_num"])
            for row in sorted(rows("price_discount"), key=lambda row: row["apply_order"])
        ],
        **{name: version[name] for name in ("currency", "factor_den", "discount_den")},
    }  # fmt: skip
