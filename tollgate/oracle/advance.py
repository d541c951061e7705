"""Monthly fees in advance: what each contract owes for this cycle and the next, less what earlier bills asked for."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from tollgate.oracle.amounts import round_to_minor
from tollgate.oracle.bill_discounts import PostedLine
from tollgate.oracle.book import PriceBook
from tollgate.oracle.cycles import Cycle, CycleCalendar, days_in_force
from tollgate.oracle.lines import Line
from tollgate.oracle.rows import Contract


def advance_lines(
    contracts: Sequence[Contract],
    cycle: Cycle,
    calendar: CycleCalendar,
    book: PriceBook,
    minor_digits: int,
    posted: Sequence[PostedLine],
) -> list[Line]:
    """Lines of the fees in advance; below 0 where a contract ended before what it has paid for.

    A cycle's fee is that of the rows which hold when it begins.
    """
    lines = []
    for paid_for in (cycle, calendar.moved(cycle, 1)):
        at = paid_for.start_us // 1_000_000
        for contract in contracts:
            days = days_in_force(contract, paid_for)
            for fee in book.fees:
                if not (
                    fee.in_advance and fee.plan_id in ("*", contract.plan_id) and fee.valid_from <= at < fee.valid_to
                ):
                    continue
                share = Fraction(days, paid_for.days) if fee.proration == "days" else Fraction(days > 0)
                ref = f"{contract.contract_id}/{fee.fee_id}"
                line = Line("recurring", fee.tax_category, ref, contract.subscription_id, origin_cycle=paid_for.start,
                            unit=calendar.unit, units=1)  # fmt: skip
                asked = sum(one.line.amount for one in posted if one.line.line_key == line.line_key)
                line.exact_total = round_to_minor(fee.amount * share, minor_digits) - asked
                if line.exact_total:
                    lines.append(line)
    return lines
