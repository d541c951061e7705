"""Discounts on a bill: what each takes off every line of a cycle, in fractions; their sums, rounded once, are lines."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from fractions import Fraction
from typing import NamedTuple

from tollgate.oracle.amounts import round_to_minor
from tollgate.oracle.book import PriceBook
from tollgate.oracle.cycles import Cycle, CycleCalendar
from tollgate.oracle.lines import LATE_USAGE, USAGE, Line
from tollgate.oracle.prepaid import is_prepaid
from tollgate.oracle.rows import Contract, Discount

COST_OF_USAGE = (*USAGE, "volume_tier", "prior_volume_tier")
CAPPED = (*COST_OF_USAGE, "spend_cap", "prior_spend_cap")
PARTS = {"usage": CAPPED, "recurring": ("recurring",), "all": (*CAPPED, "recurring")}
GIVEN = ("discount", "prior_discount")
TakenOff = dict[tuple[str, str], Fraction]
"""What a discount takes off a tax category: by (discount, tax category), exact millionths."""


class PostedLine(NamedTuple):
    """A line of a posted run and the start of the cycle that it is about: that of its usage, else that of its bill."""

    origin: date
    line: Line


def cycle_of(line: Line, bill_start: date) -> date:
    """The cycle that a line is discounted with: that of its usage or discount; a fee in advance with its bill."""
    return bill_start if line.kind == "recurring" else line.origin_cycle or bill_start


def discount_lines(
    lines: list[Line],
    cycle: Cycle,
    calendar: CycleCalendar,
    contracts: list[Contract],
    book: PriceBook,
    minor_digits: int,
    posted: Sequence[PostedLine],
) -> list[Line]:
    """Discount lines of a bill: of its own cycle, and of each earlier cycle whose usage is on it what has changed.

    lines: those of the bill with their amounts; posted: those of the account's earlier bills.
    """
    now = [PostedLine(cycle_of(line, cycle.start), line) for line in lines if not is_prepaid(line)]
    origins = {cycle.start, *(one.origin for one in now if one.line.kind in LATE_USAGE)}
    found = []
    for origin in sorted(origins):
        of_cycle = calendar.of_day(origin)
        known = [one.line for one in (*now, *posted) if one.origin == origin and not is_prepaid(one.line)]
        for (ref, category), exact in _taken_off(known, of_cycle, contracts, book).items():
            before = sum(
                line.amount for line in known if line.kind in GIVEN and (line.ref, line.tax_category) == (ref, category)
            )
            kind = "discount" if origin == cycle.start else "prior_discount"
            amount = round_to_minor(-exact, minor_digits) - before
            if amount:
                found.append(Line(kind, category, ref, origin_cycle=origin, exact_total=amount, amount=amount))
    return found


def _taken_off(lines: list[Line], cycle: Cycle, contracts: list[Contract], book: PriceBook) -> TakenOff:
    """Every discount of the book on the lines of one cycle; 0 where it does not apply."""
    at = cycle.end_us // 1_000_000 - 1
    discounts = [row for row in book.discounts if row.stage == "billing"]
    plan_of = {line.subscription_id: plan_in_cycle(line.subscription_id, contracts, cycle) for line in lines}
    base = [line for line in lines if line.kind in PARTS["all"]]
    off = {(one.discount_id, line.tax_category): Fraction(0) for one in discounts for line in base}
    for line in base:
        left, has_acted = Fraction(line.amount), False
        for discount in discounts:
            if (
                line.kind not in PARTS[discount.applies_to]
                or not discount.valid_from <= at < discount.valid_to
                or discount.plan_id not in ("*", plan_of[line.subscription_id])
                or not _is_reached(discount, base, plan_of)
                or (has_acted and not discount.stacks)
            ):
                continue
            share = left * (1 - discount.keep)
            off[discount.discount_id, line.tax_category] += share
            left, has_acted = left - share, True
            if not discount.stacks:
                break
    return off


def _is_reached(discount: Discount, base: list[Line], plan_of: dict[str | None, str | None]) -> bool:
    """Whether the net charges of the cycle's usage, of the discount's plan where it names one, reach its threshold."""
    if discount.fact == "everyone":
        return True
    net = sum(
        line.exact_total
        for line in base
        if line.kind in COST_OF_USAGE and discount.plan_id in ("*", plan_of[line.subscription_id])
    )
    return net >= discount.threshold


def plan_in_cycle(subscription: str | None, contracts: list[Contract], cycle: Cycle) -> str | None:
    """The plan of the line's last contract in force on a day of the cycle."""
    held = [
        contract
        for contract in contracts
        if contract.subscription_id == subscription
        and contract.starts_on < cycle.end
        and (contract.cancelled_on is None or contract.cancelled_on > max(cycle.start, contract.starts_on))
    ]
    return max(held, key=lambda one: (one.starts_on, one.contract_id)).plan_id if held else None
