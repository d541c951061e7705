"""Bills one account and cycle: allowances in event order, net charges, lines, fees, deposits and tax."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from fractions import Fraction

from tollgate.oracle.account_rows import Adjustment, Exemption, Jurisdiction
from tollgate.oracle.advance import advance_lines
from tollgate.oracle.allowances import Allowances, Use
from tollgate.oracle.amounts import round_micros, round_to_minor
from tollgate.oracle.bill_discounts import PostedLine, discount_lines
from tollgate.oracle.book import PriceBook
from tollgate.oracle.charge import Piece, exact_charge
from tollgate.oracle.corrected_usage import (
    PostedVersions,
    given_back,
    keeps_places,
    keeps_slices,
    line_kind,
    settle_places,
    settled_before,
)
from tollgate.oracle.cycles import Cycle, CycleCalendar, days_in_force
from tollgate.oracle.deposits import deposit_lines
from tollgate.oracle.lines import Bill, BilledEvent, Line, Place, RatedEvent
from tollgate.oracle.one_off import one_off_lines
from tollgate.oracle.prepaid import Purse, balances, is_prepaid, is_prepaid_contract, prepaid_lines
from tollgate.oracle.pricing import Priced
from tollgate.oracle.rows import Account, Contract, Fee
from tollgate.oracle.spend_limits import spend_limit_lines
from tollgate.oracle.tax import add_tax, exempt_categories, tax_rules
from tollgate.oracle.tiers import Counts, tier_charge, tier_counter
from tollgate.oracle.volume_tiers import volume_lines


def bill_cycle(
    account: Account,
    cycle: Cycle,
    calendar: CycleCalendar,
    events: list[RatedEvent],
    contracts: list[Contract],
    book: PriceBook,
    used: Counter[Use] | None = None,
    posted: Sequence[PostedLine] = (),
    earlier: Sequence[BilledEvent] = (),
    purses: dict[str, Purse] | None = None,
    adjustments: Sequence[Adjustment] = (),
    jurisdictions: Sequence[Jurisdiction] = (),
    exemptions: Sequence[Exemption] = (),
) -> Bill | None:
    """The invoice of an account for a cycle, or None when there is nothing on it.

    events: rated and zero-rated events of the account that no posted run carries, begun before the cycle's end.
    used: units that posted runs took of each grant; the slices of this bill come on top and are not added to it.
    posted, earlier: lines and events of the account's posted bills.
    purses: by prepaid contract, what posted runs left of its credit. adjustments: one-off charges and credits of the
    account; jurisdictions, exemptions: where it is taxed and what of it is not. A bill that `lacks_tax_rule` must not
    be issued.
    """
    bill = Bill(
        account.account_id,
        account.customer_id,
        cycle.start,
        cycle.end,
        account.currency,
        book.minor_digits[account.currency],
        None if account.payment_term_days is None else cycle.end + timedelta(days=account.payment_term_days),
        "supplementary" if is_closed(account, cycle) else "regular",
    )
    free = Allowances(account, calendar, book, contracts, Counter(used or ()))
    prepaid = {one.contract_id for one in contracts if is_prepaid_contract(one, book)}
    lines = _usage_lines(bill, cycle, calendar, events, free, prepaid, PostedVersions(earlier))
    lines += _lines_without_usage(account, cycle, calendar, contracts, book, bill.minor_digits, posted, adjustments)
    bill.prepaid = balances(contracts, bill.billed, cycle, book, bill.minor_digits, purses or {}, account.closed_on)
    for line in lines:
        line.amount = round_to_minor(line.exact_total, bill.minor_digits)
    lines += volume_lines(bill.billed, earlier, cycle, bill.minor_digits, posted)
    since = account.first_cycle_start
    lines += spend_limit_lines(lines, cycle, calendar, contracts, book, bill.minor_digits, posted, since)
    if not lines and not bill.prepaid:
        return None
    lines += _invoice_fees(lines, cycle, book, bill.minor_digits)
    rules = tax_rules(account, book, cycle, jurisdictions)
    free_of_tax = exempt_categories(account, rules, cycle, exemptions)
    taxing = [rule for rule in rules if rule.tax_category not in free_of_tax]
    lines += prepaid_lines(lines, bill.prepaid, bill.minor_digits, taxing)
    lines += discount_lines(lines, cycle, calendar, contracts, book, bill.minor_digits, posted)
    for number, line in enumerate(sorted(lines, key=lambda one: one.line_key.encode()), start=1):
        line.line_no = number
        bill.lines.append(line)
    bill.net = sum(line.amount for line in bill.lines)
    add_tax(bill, account, rules, exemptions)
    return bill


def _invoice_fees(lines: list[Line], cycle: Cycle, book: PriceBook, minor_digits: int) -> list[Line]:
    """The fees of an invoice; a statement of prepaid contracts alone has none."""
    if all(is_prepaid(line) for line in lines):
        return []
    fees = _fees(book, "invoice", "*", cycle.end_us // 1_000_000 - 1)
    found = [Line("invoice_fee", fee.tax_category, fee.fee_id, exact_total=fee.amount) for fee in fees]
    for line in found:
        line.amount = round_to_minor(line.exact_total, minor_digits)
    return found


def is_closed(account: Account, cycle: Cycle) -> bool:
    """Whether the account has had its last bill before the cycle."""
    return account.closed_on is not None and account.closed_on <= cycle.start


def is_too_little(bill: Bill, book: PriceBook, cycle: Cycle) -> bool:
    """Whether it is a supplementary bill whose net charges stay below what the book invoices to a closed account."""
    if bill.kind == "regular":
        return False
    late = sum(one.net_charge for one in bill.billed)
    return late >= 0 and any(
        late < row.amount for row in _fees(book, "late_minimum", "*", cycle.end_us // 1_000_000 - 1)
    )


def _lines_without_usage(
    account: Account,
    cycle: Cycle,
    calendar: CycleCalendar,
    contracts: list[Contract],
    book: PriceBook,
    minor_digits: int,
    posted: Sequence[PostedLine],
    adjustments: Sequence[Adjustment],
) -> list[Line]:
    """Fees, in arrears and in advance, deposits, and one-off charges."""
    is_last = account.closed_on is not None and account.closed_on <= cycle.end
    return [
        *_recurring_lines(contracts, cycle, book, calendar.unit),
        *deposit_lines(contracts, account, cycle, calendar, book, minor_digits, posted),
        *advance_lines(contracts, cycle, calendar, book, minor_digits, posted),
        *one_off_lines(adjustments, cycle, calendar, minor_digits, posted, is_last=is_last),
    ]


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
    posted: PostedVersions,
) -> list[Line]:
    """Lines of usage, and `bill.billed`: by start, each event takes what is left of its own cycle's allowances.

    prepaid: the contracts that pay for their usage from credit. posted: what is billed of events that are corrected.
    """
    lines: dict[str, Line] = {}
    for event, slices in settled_before(events, posted):
        allowances.settle(event, calendar.containing(event.started_at), slices)
    counts = Counts(posted.standing())
    settle_places(events, posted, counts)
    for event in sorted(events, key=_order):
        origin = calendar.containing(event.started_at)
        priced, was = event.priced, posted.of(event)
        assert priced.holding is not None
        line = Line(
            line_kind(event, was, origin.start, cycle.start),
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
        if event.kind == "reversal":
            assert was is not None
            billed = given_back(event, was, line.line_key, origin.start)
        else:
            billed = _charged(event, origin, line.line_key, allowances, counts, was)
        line.events += 1
        line.units += priced.charged_units or 0
        line.free_units += abs(billed.free_units)
        line.exact_total += billed.net_charge
        bill.billed.append(billed)
    return list(lines.values())


def _charged(
    event: RatedEvent, origin: Cycle, line_key: str, allowances: Allowances, counts: Counts, was: BilledEvent | None
) -> BilledEvent:
    """What an event pays. was: what is billed of one that is corrected, of which it may keep free units and places."""
    priced = event.priced
    slices = was.slices if was is not None and keeps_slices(event, was) else allowances.free(event, origin)
    free = sum(one.units for one in slices)
    numerator, denominator, net = net_charge(priced, free)
    counter = tier_counter(event, origin.start)
    places: tuple[Place, ...] = ()
    if counter is not None:
        if was is not None and keeps_places(event, was):
            places = was.tier_places
        else:
            places = counts.take(counter, (priced.charged_units or 0) - free)
        numerator, denominator, net = tier_charge(priced, places)
    paid = allowances.pay(event, origin, net)
    net -= sum(one.units for one in paid)
    return BilledEvent(event, line_key, origin.start, slices, numerator, denominator, net, paid, places)


def _order(event: RatedEvent) -> tuple[int, bytes, bytes, int]:
    return event.started_at, event.source.encode(), event.event_id.encode(), event.revision


def _recurring_lines(contracts: list[Contract], cycle: Cycle, book: PriceBook, unit: str) -> list[Line]:
    """Recurring fees, in arrears, of contracts in force."""
    lines = []
    at = cycle.end_us // 1_000_000 - 1
    for contract in contracts:
        ref, line_of = contract.contract_id, contract.subscription_id
        days = days_in_force(contract, cycle)
        monthly = [fee for fee in _fees(book, "recurring", contract.plan_id, at) if not fee.in_advance]
        of_category = Counter(fee.tax_category for fee in monthly)
        for fee in monthly if days else ():
            share = Fraction(days, cycle.days) if fee.proration == "days" else 1
            name = f"{ref}/{fee.fee_id}" if of_category[fee.tax_category] > 1 else ref
            exact = fee.amount * share
            lines.append(Line("recurring", fee.tax_category, name, line_of, unit=unit, units=1, exact_total=exact))
    return lines


def _fees(book: PriceBook, kind: str, plan_id: str, at: int) -> list[Fee]:
    return [
        fee
        for fee in book.fees
        if fee.kind == kind and fee.plan_id in ("*", plan_id) and fee.valid_from <= at < fee.valid_to
    ]
