"""Rounding against exact fractions, thousands of cases in one table."""

from __future__ import annotations

import random
from decimal import Decimal
from fractions import Fraction

import pytest
from frames import assert_rows, table

from tollgate.money import (
    included_tax,
    line_amount,
    margin,
    rounded_amount,
    rounded_exactly,
    rounded_micros,
    rounded_minor,
    tax_amount,
    tax_share,
    to_decimal,
    to_micros,
)

MODES = ("half_up", "up", "down")


def rounded(exact: Fraction, mode: str) -> int:
    """The rounding of the rule book, on a fraction."""
    whole, rest = divmod(abs(exact), 1)
    away = rest >= Fraction(1, 2) if mode == "half_up" else rest > 0 if mode == "up" else False
    return (int(whole) + away) * (-1 if exact < 0 else 1)


def rounding_cases(seed: int, many: int) -> list[tuple[int, int, int, int, str]]:
    """(id, numerator, denominator, digits, mode): random ones, exact halves and their neighbours, both signs."""
    draw = random.Random(seed)
    cases = []
    for number in range(many):
        digits, mode = draw.randrange(7), MODES[number % 3]
        denominator = draw.choice((1, 3, 60, 600, 24_000, draw.randrange(1, 10**6)))
        step = denominator * 10 ** (6 - digits)
        numerator = draw.choice(
            (draw.randrange(10**9), draw.randrange(10**6) * step, (2 * draw.randrange(10**6) + 1) * step // 2)
        )
        numerator = (numerator + draw.choice((-1, 0, 0, 1))) * draw.choice((1, -1))
        if abs(numerator) < 2**62:
            cases.append((number, numerator, denominator, digits, mode))
    return cases


@pytest.mark.covers("RAT-32", "QUA-02")
def test_one_rounding_equals_exact_fractions_in_both_types(spark):
    cases = rounding_cases(seed=7, many=4_000)
    frame = table(spark, "id INT, n BIGINT, d BIGINT, digits INT, mode STRING", *cases)
    found = frame.selectExpr(
        "id",
        rounded_micros("n", "d", "digits", "mode") + " AS checked",
        rounded_micros("n", "d", "digits", "mode", "BIGINT") + " AS narrow",
        rounded_micros("CAST(n AS DECIMAL(38,0))", "CAST(d AS DECIMAL(38,0))", "digits", "mode") + " AS wide",
    ).collect()
    expected = {}
    for number, n, d, digits, mode in cases:
        step = 10 ** (6 - digits)
        expected[number] = rounded(Fraction(n, d * step), mode) * step
    assert len(expected) > 3_500
    assert {case[0]: rounded_exactly(*case[1:]) for case in cases} == expected
    for form in ("checked", "narrow", "wide"):
        assert {row["id"]: row[form] for row in found} == expected, form


@pytest.mark.covers("RAT-32")
def test_halves_go_away_from_zero_and_what_does_not_fit_is_null(spark):
    nines = "99999999999999999999999999999999999999"
    frame = table(
        spark,
        "id STRING, n STRING, d BIGINT, digits INT, mode STRING",
        ("half", "384750", 1, 4, "half_up"),  # 0.38475 -> 0.3848
        ("half of a credit", "-384750", 1, 4, "half_up"),
        ("0.00005 is nothing downwards", "50", 1, 4, "down"),
        ("and a tenth of a cent upwards", "1", 1, 3, "up"),
        ("no such mode", "50", 1, 4, "half_even"),
        ("no such digits", "50", 1, 7, "half_up"),
        ("no denominator", "50", 0, 4, "half_up"),
        ("beyond BIGINT", nines, 1, 6, "half_up"),  # a plain div wraps to a wrong number here
        ("beyond DECIMAL(18,6)", "1000000000000000000", 1, 6, "half_up"),
        ("the largest", "999999999999999999", 1, 6, "half_up"),
    )
    found = frame.selectExpr("id", rounded_amount("CAST(n AS DECIMAL(38,0))", "d", "digits", "mode") + " AS amount")
    assert_rows(
        found,
        ("half", Decimal("0.384800")),
        ("half of a credit", Decimal("-0.384800")),
        ("0.00005 is nothing downwards", Decimal("0.000000")),
        ("and a tenth of a cent upwards", Decimal("0.001000")),
        ("no such mode", None),
        ("no such digits", None),
        ("no denominator", None),
        ("beyond BIGINT", None),
        ("beyond DECIMAL(18,6)", None),
        ("the largest", Decimal("999999999999.999999")),
    )


def test_a_line_is_rounded_once_to_its_currency(spark):
    frame = table(
        spark,
        "total DECIMAL(38,6), minor_digits INT, fee_micros BIGINT, days INT, cycle_days INT",
        (Decimal("0.384800"), 2, 20_000_000, 17, 31),  # 20.00 x 17 / 31 = 10.967…
        (Decimal("0.385000"), 2, 20_000_000, 31, 31),
        (Decimal("-0.385000"), 2, -300_000_000, 1, 1),
        (Decimal("1.0005"), 3, 1_500, 1, 3),
        (Decimal("0.5"), 0, 0, 1, 1),
        (Decimal("99999999999999999999999999999999.999999"), 2, 2, 1, 3),
    )
    found = frame.selectExpr(
        line_amount("total", "minor_digits") + " AS amount",
        rounded_minor("fee_micros * days", "cycle_days", "minor_digits") + " AS fee",
        to_micros("total") + " AS micros",
        to_decimal("fee_micros") + " AS fee_amount",
        margin("CAST(minor_digits AS DECIMAL(18,6))", "CAST(days AS DECIMAL(18,6))") + " AS margin",
    )
    assert_rows(
        found,
        (Decimal("0.380"), Decimal("10.970"), 384_800, Decimal("20.000000"), Decimal("-15.000000")),
        (Decimal("0.390"), Decimal("20.000"), 385_000, Decimal("20.000000"), Decimal("-29.000000")),
        (Decimal("-0.390"), Decimal("-300.000"), -385_000, Decimal("-300.000000"), Decimal("1.000000")),
        (Decimal("1.001"), Decimal("0.001"), 1_000_500, Decimal("0.001500"), Decimal("2.000000")),
        (Decimal("1.000"), Decimal("0.000"), 500_000, Decimal("0.000000"), Decimal("-1.000000")),
        (None, Decimal("0.000"), None, Decimal("0.000002"), Decimal("1.000000")),
    )


def shares_of(tax: int, weights: list[int]) -> list[int]:
    """Largest remainder in plain integers; ties to the earlier line."""
    base = sum(weights)
    if base == 0:
        return [0] * len(weights)
    exact = [Fraction(tax * weight, base) for weight in weights]
    floors = [part.numerator // part.denominator for part in exact]
    order = sorted(range(len(weights)), key=lambda line: (floors[line] - exact[line], line))
    for line in order[: tax - sum(floors)]:
        floors[line] += 1
    return floors


def test_tax_is_rounded_once_and_its_shares_sum_to_it(spark):
    draw = random.Random(11)
    invoices = [
        [draw.choice((0, 1, draw.randrange(2_000), -draw.randrange(300))) for _ in range(n % 7 + 1)] for n in range(150)
    ]
    invoices += [[1, 1, 1], [0, 0], [-500, -500, -1], [5, -5], [333, 333, 334]]
    lines, expected = [], []
    for number, amounts in enumerate(invoices):
        tax = rounded(Fraction(sum(amounts) * 130_000, 1_000_000), "half_up")
        for line, (amount, share) in enumerate(zip(amounts, shares_of(tax, amounts), strict=True), start=1):
            base = Decimal(sum(amounts)).scaleb(-2)
            lines.append((number, line, Decimal(amount).scaleb(-2), base))
            expected.append((number, line, Decimal(tax).scaleb(-2), Decimal(share).scaleb(-2)))
    frame = table(spark, "invoice INT, line_no INT, amount DECIMAL(18,3), base DECIMAL(18,3)", *lines)
    taxed = frame.selectExpr("*", tax_amount("base", "130000L", "2") + " AS tax")
    shared = taxed.selectExpr(
        "invoice", "line_no", "tax", tax_share("tax", "base", "amount", "2", ["invoice"], "line_no") + " AS share"
    )
    assert [tuple(row) for row in shared.orderBy("invoice", "line_no").collect()] == expected


def test_the_tax_inside_an_amount_is_rounded_once(spark):
    # 0.05 x 13 / 113 is 0.00575..., 113 yen hold 13; 0.0434... of a third digit stays
    cases = [("11.30", 2, "1.30"), ("0.05", 2, "0.01"), ("-0.05", 2, "-0.01"), ("0.04", 2, "0"), ("113", 0, "13"),
             ("0.378", 3, "0.043"), ("0", 2, "0")]  # fmt: skip
    given = table(spark, "gross DECIMAL(18,3), digits INT", *[(Decimal(gross), digits) for gross, digits, _ in cases])
    found = given.selectExpr(included_tax("gross", "130000L", "digits") + " AS tax").collect()
    assert [row.tax for row in found] == [Decimal(tax).quantize(Decimal("0.001")) for _, _, tax in cases]
