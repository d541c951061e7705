"""One-off charges and credits of an account: each instalment from its cycle on, until a bill has had it."""

from __future__ import annotations

from collections.abc import Sequence

from tollgate.oracle.account_rows import Adjustment
from tollgate.oracle.amounts import round_to_minor
from tollgate.oracle.bill_discounts import PostedLine
from tollgate.oracle.cycles import Cycle, CycleCalendar
from tollgate.oracle.lines import Line


def one_off_lines(
    adjustments: Sequence[Adjustment],
    cycle: Cycle,
    calendar: CycleCalendar,
    minor_digits: int,
    posted: Sequence[PostedLine],
    *,
    is_last: bool = False,
) -> list[Line]:
    """The lines that this bill owes; posted: lines of the account's earlier bills, none of which comes again.

    is_last: the account's last bill, which has all that is left.
    """
    had = {one.line.line_key for one in posted}
    lines = []
    for adjustment in adjustments:
        kind = "one_off_credit" if adjustment.amount < 0 else "one_off"
        first = calendar.of_day(adjustment.effective_on)
        for number, amount in enumerate(split(adjustment.amount, adjustment.instalments, minor_digits)):
            ref = adjustment.adjustment_id + (f"/{number + 1}" if adjustment.instalments > 1 else "")
            line = Line(kind, adjustment.tax_category, ref, adjustment.subscription_id, exact_total=amount)
            if (is_last or calendar.moved(first, number).start <= cycle.start) and line.line_key not in had:
                lines.append(line)
    return lines


def split(amount: int, parts: int, minor_digits: int) -> list[int]:
    """An amount in millionths as so many shares in whole minor units; what does not divide goes to the first ones."""
    step = 10 ** (6 - minor_digits)
    whole, spare = divmod(abs(round_to_minor(amount, minor_digits)) // step, parts)
    sign = -1 if amount < 0 else 1
    return [sign * step * (whole + (number < spare)) for number in range(parts)]
