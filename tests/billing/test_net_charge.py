"""What an allowance leaves to pay: the rest keeps its bands; fee, minimum, discounts and rounding come after."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from billing.small_month import at, frame, usage
from billing.small_operator import BOOK
from frames import assert_rows
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from jobs.pinned import load_price_book
from tollgate.billing.net_charge import with_net_charge
from tollgate.platform.errors import TollgateError
from tollgate.platform.lake import Lake

BANDS: dict[str, Any] = {"piece_units": [60, 120, 60], "piece_factor_num": [10, 12, 9]}
# name, units, free, fields, net charge
CASES: list[tuple[str, int, int, dict[str, Any], str | None]] = [
    ("nothing freed", 660, 0, {}, "1.1"),
    ("half free", 660, 600, {}, "0.1"),
    ("all free", 660, 660, {}, "0"),
    ("first band free", 240, 60, BANDS, "0.33"),
    ("inside the second band", 240, 90, BANDS, "0.27"),
    ("two bands free", 240, 180, BANDS, "0.09"),
    ("connect fee goes with the first unit", 120, 60, {"connect_fee_micros": 50_000}, "0.1"),
    ("connect fee stays when nothing is freed", 120, 0, {"connect_fee_micros": 50_000}, "0.25"),
    ("minimum holds again", 120, 60, {"minimum_micros": 150_000}, "0.15"),
    ("maximum holds again", 600, 60, {"maximum_micros": 500_000}, "0.5"),
    ("discount on the rest", 120, 60, {"discount_num": 342, "discount_den": 400}, "0.0855"),
    ("rounded once, half up", 120, 60, {"unit_price_micros": 12_350, "digits": 3}, "0.012"),
    ("rounded up", 120, 60, {"unit_price_micros": 12_350, "digits": 3, "rounding": "up"}, "0.013"),
    ("more pieces than the book has", 240, 60, {"piece_units": [60] * 4, "piece_factor_num": [10] * 4}, None),
    ("zero-rated", 60, 0, {"retail_status": "zero_rated", "numerator": Decimal(0), "charge": Decimal(0)}, "0"),
]


@pytest.mark.covers("CON-18", "CON-19")
def test_the_net_charge_of_what_an_allowance_leaves(spark: SparkSession) -> None:
    rated = frame(
        spark, "rated_usage", [usage("A", name, at("2025-05-02T16:00"), n, **fields) for name, n, _, fields, _ in CASES]
    )
    free = F.create_map(*[F.lit(part) for name, _, freed, _, _ in CASES for part in (name, freed)])
    net = with_net_charge(rated.withColumn("free_units", free[F.col("event_id")].cast("bigint")), 3)
    is_exact = F.col("net_numerator").isNotNull() & (F.col("net_denominator") > 0)
    assert_rows(
        net.select("event_id", "net_charge", is_exact),
        *[(name, None if due is None else Decimal(due).quantize(Decimal("0.000001")), due is not None)
          for name, _, _, _, due in CASES],
    )  # fmt: skip


@pytest.mark.covers("CON-18", "CON-19")
def test_a_row_of_a_banded_book_is_priced_again_under_a_newer_flat_one(spark: SparkSession, lake: Lake) -> None:
    # Version 1 has bands, and prices that end inside a call; 2 is flat; 3 died; 4 has more bands than all before.
    for version, bands, prices in ((1, 2, 2), (2, 1, None), (4, 5, 1)):
        row = {**BOOK["version"][0], "pricebook_version": version, "band_slots": bands, "segment_slots": prices}
        lake.append(frame(spark, "price_version", [row]), "price_version", "test", version)
    slots = {version: load_price_book(lake, version).piece_slots for version in (1, 2, 4)}
    assert slots == {1: 3, 2: 3, 4: 5}
    newest = load_price_book(lake)
    assert (newest.version, newest.piece_slots, newest.band_slots) == (4, 5, 5)
    with pytest.raises(TollgateError, match="price book 3 is not published"):
        load_price_book(lake, 3)
    # 60 of 240 s are free: 120 s at 0.10 x 1.2 and 60 s at 0.10 x 0.9 a minute are left.
    rated = frame(spark, "rated_usage", [usage("A", "evening", at("2025-05-02T16:00"), 240, **BANDS)])
    net = with_net_charge(rated.withColumn("free_units", F.lit(60).cast("bigint")), slots[2])
    assert_rows(net.select("event_id", "net_charge"), ("evening", Decimal("0.330000")))
