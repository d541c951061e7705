"""What an allowance leaves to pay: the first units are free, the rest keeps its place and its bands."""

from __future__ import annotations

from decimal import Decimal

import pytest
from frames import assert_rows, table

from tollgate.rating.price import with_net_charge

COLUMNS = """id STRING, retail_status STRING, price_source STRING, piece_price_micros ARRAY<BIGINT>,
charged_units BIGINT, free_units BIGINT, piece_units ARRAY<BIGINT>,
piece_factor_num ARRAY<BIGINT>, factor_den BIGINT, block_units BIGINT, unit_price_micros BIGINT,
connect_fee_micros BIGINT, minimum_micros BIGINT, maximum_micros BIGINT, discount_num BIGINT, discount_den BIGINT,
digits INT, rounding STRING"""
FLAT, BANDED = ([1], 1), ([10, 12], 10)


def usage(
    name, units, free, factors=FLAT, fee=0, minimum=None, maximum=None, keep=(1, 1), status="rated", source="rate",
    prices=None,
):  # fmt: skip
    """0.10 per 60 s, four digits, half up; prices: of the pieces, where they have their own."""
    charged, (numbers, scale) = sum(units), factors
    bounds = (fee, minimum, maximum)
    return (
        name,
        status,
        source,
        prices,
        charged,
        free,
        units,
        numbers,
        scale,
        60,
        100_000,
        *bounds,
        *keep,
        4,
        "half_up",
    )


@pytest.mark.covers("RAT-07", "RAT-08")
def test_what_is_left_is_priced_again_from_its_exact_parts(spark):
    rated = table(
        spark,
        COLUMNS,
        usage("eleven minutes, ten free", [660], 600),
        usage("the first minute over two bands", [30, 90], 60, BANDED),  # 60 s peak: 60 x 1.2
        usage("a third of a piece", [30, 90], 10, BANDED),  # 20 + 90 x 1.2 = 128
        usage("nothing free", [30, 90], 0, BANDED, keep=(342, 400)),  # 138 x 0.1 / 60 = 0.23 x 0.855
        usage("the fee goes with the first unit", [120], 1, fee=50_000),  # 119 s
        usage("the minimum holds for the rest", [120], 60, fee=50_000, minimum=400_000),
        usage("the maximum too", [3_600], 60, maximum=1_000_000),
        usage("all free", [60], 60, fee=50_000, minimum=400_000),
        # 0.20 in the first minute, 0.10 after it: what is left keeps its place and so its price
        usage("the dear minute free", [60, 60], 60, ([1, 1], 1), prices=[200_000, 100_000]),
        usage("half of it free", [60, 60], 30, ([1, 1], 1), prices=[200_000, 100_000]),  # 30 x 0.20 + 60 x 0.10
        # (60 x 0.10 / 60 + 0.05) x 12/10: of a mark-up the factor is on the fee too
        usage("a mark-up with a fee", [60], 0, ([12], 10), fee=50_000, source="markup"),
        usage("zero by outcome", [], 0, ([], 1), status="zero_rated"),
        usage("more pieces than slots", [60, 60, 60], 60, ([10, 12, 9], 10)),
    )
    assert_rows(
        with_net_charge(rated, slots=2).selectExpr("id", "net_charge", "net_numerator IS NOT NULL"),
        ("eleven minutes, ten free", Decimal("0.1"), True),
        ("the first minute over two bands", Decimal("0.12"), True),
        ("a third of a piece", Decimal("0.2133"), True),
        ("nothing free", Decimal("0.1967"), True),
        ("the fee goes with the first unit", Decimal("0.1983"), True),
        ("the minimum holds for the rest", Decimal("0.4"), True),
        ("the maximum too", Decimal("1"), True),
        ("all free", Decimal("0"), True),
        ("the dear minute free", Decimal("0.1"), True),
        ("half of it free", Decimal("0.2"), True),
        ("a mark-up with a fee", Decimal("0.18"), True),
        ("zero by outcome", Decimal("0"), True),
        ("more pieces than slots", None, False),
    )
