"""Money: its types and its one rounding door. No other file of the Spark side rounds an amount.

Inside a plan an amount is an integer of a millionth of the currency ("micros"), or an exact fraction of them: numerator
over denominator, both integers, BIGINT where the price book proves that it fits, else DECIMAL(38,0). Here alone it
becomes a DECIMAL.

Every function takes SQL texts (a column's name or an expression) and returns a SQL text for `F.expr` or `selectExpr`.
Give column names where you can: a text is repeated inside the result. What does not fit its type is NULL, never an
exception and never a wrong number. Worked numbers: docs/money.md.
"""

from __future__ import annotations

from collections.abc import Sequence

MICROS_PER_UNIT = 1_000_000
AMOUNT = "DECIMAL(18,6)"
LINE_AMOUNT = "DECIMAL(18,3)"
EXACT = "DECIMAL(38,0)"
# 10^(6 - digits) and 10^(3 - digits), NULL beyond; looked up, because pow() is a DOUBLE.
_STEP = "get(array(1000000L, 100000L, 10000L, 1000L, 100L, 10L, 1L), {})"
_THOUSANDTHS = "get(array(1000L, 100L, 10L, 1L), {})"


def rounded_micros(
    numerator: str, denominator: str, digits: str = "6", mode: str = "'half_up'", amount_type: str = EXACT
) -> str:
    """BIGINT micros: numerator / denominator (micros), rounded once to `digits` decimals of the currency.

    numerator, denominator: integers of amount_type or narrower, the denominator > 0; digits: 0 to 6; mode: a STRING
    expression, 'half_up' (halves away from zero), 'up' (away from zero) or 'down' (towards zero).
    NULL for NULL, an unknown mode or number of digits, a denominator of 0, and where
    2 x numerator + denominator x 10^(6 - digits) does not fit amount_type.
    """
    step = _STEP.format(digits)
    divisor = f"try_multiply({denominator}, {step})"
    return f"try_multiply({_rounded_quotient(numerator, divisor, mode, amount_type)}, {step})"


def to_decimal(micros: str) -> str:
    """DECIMAL(18,6) of BIGINT micros, exactly; NULL beyond twelve digits before the point."""
    return f"try_cast({micros} * 0.000001BD AS {AMOUNT})"


def rounded_amount(
    numerator: str, denominator: str, digits: str = "6", mode: str = "'half_up'", amount_type: str = EXACT
) -> str:
    """DECIMAL(18,6) of `rounded_micros`, as tables hold it. Each list charge, net charge and cost comes here once."""
    return to_decimal(rounded_micros(numerator, denominator, digits, mode, amount_type))


def to_micros(amount: str) -> str:
    """BIGINT micros of a DECIMAL with at most 6 decimals, exactly; NULL on overflow."""
    return f"try_cast({_decimal_micros(amount)} AS BIGINT)"


def rounded_minor(numerator: str, denominator: str, minor_digits: str) -> str:
    """DECIMAL(18,3): numerator / denominator (micros), rounded once, half up, to the currency's minor unit.

    For amounts that a price book states: the share of a monthly fee is
    `rounded_minor("amount_micros * active_days", "cycle_days", "minor_digits")`.
    minor_digits: 0 to 3. Halves go away from zero: a credit of 0.005 becomes one of 0.01.
    """
    divisor = f"try_multiply({denominator}, {_STEP.format(minor_digits)})"
    return _from_minor(_rounded_quotient(numerator, divisor, "'half_up'"), minor_digits)


def line_amount(exact_total: str, minor_digits: str) -> str:
    """DECIMAL(18,3): an invoice line's amount, rounded once, half up, to the minor unit.

    exact_total: DECIMAL(38,6), the sum of the line's net charges.
    """
    return rounded_minor(_decimal_micros(exact_total), f"CAST(1 AS {EXACT})", minor_digits)


def tax_amount(base: str, rate_ppm: str, minor_digits: str) -> str:
    """DECIMAL(18,3): base x rate, rounded once, half up, to the minor unit; once per tax rule and invoice.

    base: DECIMAL(18,3), the sum of the line amounts under the rule; rate_ppm: BIGINT millionths (13 % is 130000).
    """
    numerator = f"(CAST({base} * 1000 AS {EXACT}) * CAST({rate_ppm} AS {EXACT}))"
    denominator = f"CAST({MICROS_PER_UNIT} * {_THOUSANDTHS.format(minor_digits)} AS {EXACT})"
    return _from_minor(_rounded_quotient(numerator, denominator, "'half_up'"), minor_digits)


def included_tax(gross: str, rate_ppm: str, minor_digits: str) -> str:
    """DECIMAL(18,3): the tax inside an amount that includes it, gross x rate / (1 + rate), rounded once, half up, to
    the minor unit; once per tax rule and invoice.

    gross: DECIMAL(18,3), the sum of the lines under the rule; rate_ppm: BIGINT millionths.
    """
    numerator = f"(CAST({gross} * 1000 AS {EXACT}) * CAST({rate_ppm} AS {EXACT}))"
    denominator = f"CAST(({MICROS_PER_UNIT} + {rate_ppm}) * {_THOUSANDTHS.format(minor_digits)} AS {EXACT})"
    return _from_minor(_rounded_quotient(numerator, denominator, "'half_up'"), minor_digits)


def tax_share(tax: str, base: str, amount: str, minor_digits: str, invoice_tax: Sequence[str], line_no: str) -> str:
    """DECIMAL(18,3): a line's share of its invoice's tax by largest remainder; a window expression.

    Each line first gets the floor of tax x amount / base in minor units. What then lacks of `tax` goes, one unit each,
    to the lines with the largest fraction cut off, ties to the lowest line_no. The shares of a window sum to `tax`;
    a line of amount 0 gets 0, and so does every line where base is 0.
    tax, base, amount: DECIMAL(18,3); base: the window's sum of amounts; tax: its `tax_amount`; invoice_tax: the
    columns that name one tax rule on one invoice (the window); line_no: unique in it.
    """
    units = f"(CAST({tax} * 1000 AS BIGINT) div {_THOUSANDTHS.format(minor_digits)})"
    numerator = f"({units} * CAST({amount} * CASE WHEN {base} < 0 THEN -1000 ELSE 1000 END AS {EXACT}))"
    denominator = f"nullif(CAST(abs({base}) * 1000 AS {EXACT}), 0)"
    rest = f"pmod({numerator}, {denominator})"
    floor = f"(({numerator} - {rest}) div {denominator})"
    window = f"PARTITION BY {', '.join(invoice_tax)}"
    spare = f"({units} - sum({floor}) OVER ({window}))"
    place = f"row_number() OVER ({window} ORDER BY {rest} DESC, {line_no})"
    return _from_minor(f"coalesce({floor} + CASE WHEN {place} <= {spare} THEN 1 ELSE 0 END, 0)", minor_digits)


def margin(charge: str, cost: str) -> str:
    """DECIMAL(18,6): charge - cost; NULL where either is unknown."""
    return f"try_cast({charge} - {cost} AS {AMOUNT})"


def _rounded_quotient(numerator: str, divisor: str, mode: str, amount_type: str = EXACT) -> str:
    """BIGINT numerator / divisor, rounded: (2 |n| + what the mode adds) div 2 d, with the sign of n."""
    n, d = f"({numerator})", f"nullif({divisor}, 0)"
    twice = f"try_multiply({d}, 2)"
    added = f"CASE {mode} WHEN 'half_up' THEN {d} WHEN 'up' THEN {twice} - 2 WHEN 'down' THEN 0 END"
    size = f"try_add(try_multiply({n}, CASE WHEN {n} < 0 THEN -2 ELSE 2 END), {added})"
    quotient = f"({size} div {twice})"
    if amount_type != "BIGINT":
        # `div` of decimals returns BIGINT and wraps at 2^63 without a word; a charge has at most 18 digits.
        fits = f"coalesce({size} < try_multiply(CAST({twice} AS {EXACT}), 1000000000000000000BD), true)"
        quotient = f"(CASE WHEN {fits} THEN {quotient} END)"
    return f"{quotient} * CASE WHEN {n} < 0 THEN -1 ELSE 1 END"


def _decimal_micros(amount: str) -> str:
    """DECIMAL(38,0) micros of a DECIMAL with at most 6 decimals, exactly; NULL on overflow."""
    return f"CAST(try_multiply(CAST({amount} AS DECIMAL(38,6)), {MICROS_PER_UNIT}) AS {EXACT})"


def _from_minor(minor_units: str, minor_digits: str) -> str:
    """DECIMAL(18,3) of a BIGINT count of minor units, exactly; NULL on overflow."""
    thousandths = f"try_multiply({minor_units}, {_THOUSANDTHS.format(minor_digits)})"
    return f"try_cast({thousandths} * 0.001BD AS {LINE_AMOUNT})"


def rounded_exactly(numerator: int, denominator: int, digits: int, mode: str) -> int:
    """The micros of `rounded_micros` for one amount in plain Python, to check a row by; ValueError: no such mode."""
    if mode not in ("half_up", "up", "down"):
        raise ValueError(f"rounding mode {mode!r}: expected half_up, up or down")
    step = 10 ** (6 - digits)
    whole, rest = divmod(abs(numerator), denominator * step)
    is_away = rest > 0 if mode == "up" else mode == "half_up" and 2 * rest >= denominator * step
    return (whole + is_away) * step * (-1 if numerator < 0 else 1)
