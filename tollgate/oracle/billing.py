"""Bills one account and cycle: allowances in event order, net charges, lines, fees, deposits and tax."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction

from tollgate.oracle.allowances import Allowances, Use, days_in_force
from tollgate.oracle.amounts import round_micros, round_to_minor, share_out
from tollgate.oracle.bill_discounts import PostedLine, discount_lines
from tollgate.oracle.book import PriceBook
from tollgate.oracle.charge import Piece, exact_charge
from tollgate.oracle.cycles import Cycle, CycleCalendar
from tollgate.oracle.lines import Bill, BilledEvent, Line, RatedEvent
from tollgate.oracle.prepaid import Purse, balances, is_prepaid, is_prepaid_contract, prepaid_lines
from tollgate.oracle.pricing import Priced
from tollgate.oracle.rows import Account, Contract, Fee, Tax
from tollgate.oracle.spend_limits import spend_limit_lines
from tollgate.oracle.tiers import TierCounter, tier_charge, tier_counter
from tollgate.oracle.volume_tiers import volume_lines


def bill_cycle(
    account: Account,
    cycle: Cycle,
    calendar: CycleCalendar,
    events: list[RatedEvent],
    contracts: list[Contract],
    book: PriceBook,
    used: Counter[Use] | None = None,
    counted: Counter[TierCounter] | None = None,
    posted: Sequence[PostedLine] = (),
    earlier: Sequence[BilledEvent] = (),
    purses: dict[str, Purse] | None = None,
) -> Bill | None:
    """The invoice of an account for a cycle, or None when there is nothing on it.

    events: rated and zero-rated events of the account that no posted run carries, begun before the cycle's end.
    used: units that posted runs took of each grant; the slices of this bill come on top and are not added to it.
    counted: units of rates with tiers that posted runs billed. posted, earlier: lines and events of the account's
    posted bills.
    purses: by prepaid contract, what posted runs left of its credit.
    Source: semantics of billing; docs/oracle.md.
    """
    bill = Bill(
        account.account_id,
        account.customer_id,
        cycle.start,
        cycle.end,
        account.currency,
        book.minor_digits[account.currency],
    )
    free = Allowances(account, calendar, book, contracts, Counter(used or ()))
    prepaid = {one.contract_id for one in contracts if is_prepaid_contract(one, book)}
    lines = _usage_lines(bill, cycle, calendar, events, free, prepaid, Counter(counted or ()))
    lines += _contract_lines(contracts, cycle, book)
    bill.prepaid = balances(contracts, bill.billed, cycle, book, bill.minor_digits, purses or {})
    if not lines and not bill.prepaid:
        return None
    at = cycle.end_us // 1_000_000 - 1
    for fee in _fees(book, "invoice", "*", at):
        if any(not is_prepaid(line) for line in lines):
            lines.append(Line("invoice_fee", fee.tax_category, fee.fee_id, exact_total=fee.amount))
    for line in lines:
        line.amount = round_to_minor(line.exact_total, bill.minor_digits)
    lines += volume_lines(bill.billed, earlier, cycle, bill.minor_digits, posted)
    lines += spend_limit_lines(lines, cycle, calendar, contracts, book, bill.minor_digits, posted)
    rules = _tax_rules(account, book, at)
    lines += prepaid_lines(lines, bill.prepaid, bill.minor_digits, rules)
    lines += discount_lines(lines, cycle, calendar, contracts, book, bill.minor_digits, posted)
    for number, line in enumerate(sorted(lines, key=lambda one: one.line_key.encode()), start=1):
        line.line_no = number
        bill.lines.append(line)
    bill.net = sum(line.amount for line in bill.lines)
    _add_tax(bill, rules)
    return bill


def net_charge(priced: Priced, free_units: int) -> tuple[int, int, int]:
    """What an allowance leaves to pay of an event: exact (numerator, denominator) in millionths, and rounded once.

    The freed units are the event's first ones, what is left keeps bands and prices; the connect fee is free with the
    first unit, minimum and maximum hold again for what remains. Nothing freed: the list charge.
    """
    assert priced.numerator is not None and priced.denominator is not None and priced.charge is not None
    if free_units == 0 or priced.rate is None:
        return priced.numerator, priced.denominator, priced.charge
    left = _without_first(priced.pieces, free_units)
    if not left:
        return 0, 1, 0
    rate = priced.rate._replace(connect_fee=0)
    numerator, denominator = exact_charge(rate, left, priced.keep)
    return numerator, denominator, round_micros(numerator, denominator, rate.digits, rate.rounding)


def _without_first(pieces: tuple[Piece, ...], units: int) -> tuple[Piece, ...]:
    left = []
    for piece in pieces:
        freed = min(units, piece.units)
        units -= freed
        if piece.units > freed:
            left.append(piece._replace(units=piece.units - freed))
    return tuple(left)


def _usage_lines(
    bill: Bill,
    cycle: Cycle,
    calendar: CycleCalendar,
    events: list[RatedEvent],
    allowances: Allowances,
    prepaid: set[str],
    counted: Counter[TierCounter],
) -> list[Line]:
    """Lines of usage, and `bill.billed`: by start, each event takes what is left of its own cycle's allowances.

    prepaid: the contracts that pay for their usage from credit.
    """
    lines: dict[str, Line] = {}
    for event in sorted(events, key=lambda one: (one.started_at, one.source.encode(), one.event_id.encode())):
        origin = calendar.containing(event.started_at)
        priced = event.priced
        assert priced.holding is not None
        slices = allowances.free(event, origin)
        free = sum(one.units for one in slices)
        numerator, denominator, net = net_charge(priced, free)
        counter = tier_counter(event, origin.start)
        if counter is not None:
            left = (priced.charged_units or 0) - free
            numerator, denominator, net = tier_charge(priced, counted[counter], left)
            counted[counter] += left
        paid = allowances.pay(event, origin, net)
        net -= sum(one.units for one in paid)
        line = Line(
            "usage" if origin.start == cycle.start else "prior_period",
            priced.tax_category or "none",
            priced.holding.contract_id or "" if priced.holding.contract_id in prepaid else "",
            subscription_id=priced.holding.subscription_id,
            service=event.service,
            zone_id=priced.zone_id,
            roaming_zone=priced.roaming_zone,
            origin_cycle=origin.start,
            unit=priced.unit,
        )
        line = lines.setdefault(line.line_key, line)
        line.events += 1
        line.units += priced.charged_units or 0
        line.free_units += free
        line.exact_total += net
        billed = BilledEvent(event, line.line_key, origin.start, slices, numerator, denominator, net, paid)
        bill.billed.append(billed)
    return list(lines.values())


def _contract_lines(contracts: list[Contract], cycle: Cycle, book: PriceBook) -> list[Line]:
    """Recurring fees of contracts in force, deposits of contracts that start, and deposits settled at cancellation."""
    lines = []
    at = cycle.end_us // 1_000_000 - 1
    for contract in contracts:
        ref, line_of = contract.contract_id, contract.subscription_id
        days = days_in_force(contract, cycle)
        for fee in _fees(book, "recurring", contract.plan_id, at) if days else ():
            share = Fraction(days, cycle.days) if fee.proration == "days" else 1
            exact = fee.amount * share
            lines.append(Line("recurring", fee.tax_category, ref, line_of, unit="month", units=1, exact_total=exact))
        for deposit in _fees(book, "deposit", contract.plan_id, at):
            if cycle.start <= contract.starts_on < cycle.end:
                lines.append(Line("deposit", deposit.tax_category, ref, line_of, exact_total=deposit.amount))
            if contract.cancelled_on and cycle.start <= contract.cancelled_on < cycle.end:
                is_early = contract.term_ends_on is not None and contract.cancelled_on < contract.term_ends_on
                kind, amount = ("deposit_forfeit", 0) if is_early else ("deposit_credit", -deposit.amount)
                lines.append(Line(kind, deposit.tax_category, ref, line_of, exact_total=amount))
    return lines


def _fees(book: PriceBook, kind: str, plan_id: str, at: int) -> list[Fee]:
    return [
        fee
        for fee in book.fees
        if fee.kind == kind and fee.plan_id in ("*", plan_id) and fee.valid_from <= at < fee.valid_to
    ]


def _tax_rules(account: Account, book: PriceBook, at: int) -> list[Tax]:
    """The rules of the account's jurisdiction at an instant; none for an exempt account."""
    return [
        tax
        for tax in book.taxes
        if not account.tax_exempt
        and tax.jurisdiction == account.tax_jurisdiction
        and tax.valid_from <= at < tax.valid_to
    ]


def _add_tax(bill: Bill, rules: list[Tax]) -> None:
    """Tax once per rule and invoice, and each line's share of it by largest remainder, ties by line number.

    Prices of prepaid usage include it: those lines name the rule, and the tax inside them stands on a line of its own.
    """
    for tax in rules:
        of_rule = [line for line in bill.lines if line.tax_category == tax.tax_category]
        for line in of_rule:
            if is_prepaid(line):
                line.tax_id = tax.tax_id
                line.tax_share = -line.amount if line.kind == "prepaid_tax" else 0
                bill.tax += line.tax_share
        taxed = [line for line in of_rule if not is_prepaid(line)]
        amount = round_to_minor(sum(line.amount for line in taxed) * tax.rate, bill.minor_digits)
        shares = share_out(amount, [line.amount for line in taxed], bill.minor_digits)
        for line, share in zip(taxed, shares, strict=True):
            line.tax_id = tax.tax_id
            line.tax_share += share
        bill.tax += amount
