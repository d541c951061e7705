"""What an allowance leaves to pay: the rest keeps its bands; fee, minimum, discounts and rounding come after."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from billing.small_month import at, frame, usage
from frames import assert_rows
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from tollgate.billing.net_charge import with_net_charge

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
