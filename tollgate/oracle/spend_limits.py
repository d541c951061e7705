"""Spending caps and minimums: what the usage lines of a line or account come to at most, and at least."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date

from tollgate.oracle.amounts import round_to_minor, share_out
from tollgate.oracle.bill_discounts import COST_OF_USAGE, PostedLine, plan_in_cycle
from tollgate.oracle.book import ANY, PriceBook
from tollgate.oracle.cycles import Cycle, CycleCalendar, days_in_force
from tollgate.oracle.lines import LATE_USAGE, Line
from tollgate.oracle.month_rows import SpendLimit
from tollgate.oracle.prepaid import is_prepaid, is_prepaid_contract
from tollgate.oracle.rows import Contract

KIND = {"cap": "spend_cap", "minimum": "minimum_spend"}
Place = tuple[str, str | None, str]
"""Where a limit acts: (limit, line or None for the account, tax category)."""


def spend_limit_lines(
    lines: Sequence[Line],
    cycle: Cycle,
    calendar: CycleCalendar,
    contracts: list[Contract],
    book: PriceBook,
    minor_digits: int,
    posted: Sequence[PostedLine],
    billed_since: date,
) -> list[Line]:
    """Lines of caps and minimums of a bill: of its own cycle, and of each earlier cycle whose usage is on it what has
    changed.

    lines: those of the bill with their amounts; posted: those of the account's earlier bills; billed_since: start of
    the account's first cycle. No minimum is asked for an earlier one, which has no bill.
    """
    now = [PostedLine(line.origin_cycle or cycle.start, line) for line in lines]
    found = []
    for origin in sorted({cycle.start, *(one.origin for one in now if one.line.kind in LATE_USAGE)}):
        prior = "prior_" if origin < cycle.start else ""
        known = [one.line for one in (*now, *posted) if one.origin == origin]
        usage = [line for line in known if line.kind in COST_OF_USAGE and not is_prepaid(line)]
        for limit in book.spend_limits:
            kind = KIND[limit.kind]
            change: Counter[Place] = Counter()
            for line in known:
                if line.kind in (kind, f"prior_{kind}") and line.ref == limit.limit_id:
                    change[limit.limit_id, line.subscription_id, line.tax_category] -= line.amount
            if limit.kind == "cap" or origin >= billed_since:
                subjects = _subjects(limit, usage, calendar.of_day(origin), contracts, book)
                for place, amount in _reckoned(limit, subjects, minor_digits):
                    change[place] += amount
            for (ref, owner, category), amount in change.items():
                if amount:
                    made = Line(prior + kind, category, ref, owner, origin_cycle=origin, exact_total=amount)
                    made.amount = amount
                    found.append(made)
    return found


def _subjects(
    limit: SpendLimit, usage: list[Line], cycle: Cycle, contracts: list[Contract], book: PriceBook
) -> dict[str | None, list[Line]]:
    """The lines, or None for the account, that a limit holds for in a cycle, each with the usage that it counts: those
    with such usage, or with a contract in force that is not prepaid, which owes nothing beyond its usage."""
    subjects: dict[str | None, list[Line]] = {}
    if not limit.valid_from <= cycle.end_us // 1_000_000 - 1 < limit.valid_to:
        return subjects
    for contract in contracts:
        plan = plan_in_cycle(contract.subscription_id, contracts, cycle)
        is_invoiced = days_in_force(contract, cycle) > 0 and not is_prepaid_contract(contract, book)
        if is_invoiced and limit.plan_id in (ANY, plan):
            subjects.setdefault(contract.subscription_id if limit.scope == "line" else None, [])
    for line in usage:
        plan = plan_in_cycle(line.subscription_id, contracts, cycle)
        if limit.plan_id in (ANY, plan) and limit.service in (ANY, line.service):
            subjects.setdefault(line.subscription_id if limit.scope == "line" else None, []).append(line)
    return subjects


def _reckoned(
    limit: SpendLimit, subjects: dict[str | None, list[Line]], minor_digits: int
) -> Iterator[tuple[Place, int]]:
    """What the limit's lines of a cycle come to, signed, with all usage that is known of it."""
    amount = round_to_minor(limit.amount, minor_digits)
    for owner, counted in subjects.items():
        total = sum(line.amount for line in counted)
        if limit.kind == "minimum":
            yield (limit.limit_id, owner, limit.tax_category or ""), max(0, amount - total)
            continue
        sums = Counter[str]()
        for line in counted:
            sums[line.tax_category] += line.amount
        categories = sorted(sums)
        shares = share_out(max(0, total - amount), [sums[name] for name in categories], minor_digits)
        for name, share in zip(categories, shares, strict=True):
            yield (limit.limit_id, owner, name), -share
