"""Deposits: asked for by a contract's first bill; when it has ended, what is held of them goes back or is lost."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from tollgate.oracle.amounts import round_to_minor
from tollgate.oracle.bill_discounts import PostedLine
from tollgate.oracle.book import PriceBook
from tollgate.oracle.clock import LocalClock
from tollgate.oracle.cycles import Cycle, CycleCalendar
from tollgate.oracle.lines import Line
from tollgate.oracle.rows import Account, Contract

KINDS = ("deposit", "deposit_credit", "deposit_forfeit")


def deposit_lines(
    contracts: Sequence[Contract],
    account: Account,
    cycle: Cycle,
    calendar: CycleCalendar,
    book: PriceBook,
    minor_digits: int,
    posted: Sequence[PostedLine],
) -> list[Line]:
    """The lines of deposits on a bill; posted: the lines of the account's earlier bills.

    The last bill of an account that closes as its cycle ends settles the contracts that end with it, and none comes
    after it.
    """
    has_had_its_last = account.closed_on is not None and account.closed_on <= cycle.start
    settled_to = cycle.end + timedelta(days=account.closed_on == cycle.end)
    paid = paid_deposits(contracts, posted)
    lines = []
    for contract in contracts:
        ends_on, line_of = contract.cancelled_on, contract.subscription_id
        held = paid.get(contract.contract_id)
        if held is None:
            held = _first_deposits(contract, account, cycle, calendar, book, minor_digits)
            if contract.starts_on >= account.first_cycle_start:
                lines += [Line("deposit", "none", ref, line_of, exact_total=of) for ref, of in held.items() if of]
        if ends_on is None or ends_on >= settled_to or has_had_its_last:
            continue
        is_early = contract.term_ends_on is not None and ends_on < contract.term_ends_on
        for ref, of in held.items():
            if of > 0:
                kind, amount = ("deposit_forfeit", 0) if is_early else ("deposit_credit", -of)
                lines.append(Line(kind, "none", ref, line_of, exact_total=amount))
    return lines


def paid_deposits(contracts: Sequence[Contract], posted: Sequence[PostedLine]) -> dict[str, dict[str, int]]:
    """What posted lines leave of the deposits of each contract that has some, by ref; nothing of one forfeited."""
    names = {contract.contract_id for contract in contracts}
    lines = [one.line for one in posted if one.line.kind in KINDS]
    lost = {line.ref for line in lines if line.kind == "deposit_forfeit"}
    paid: dict[str, dict[str, int]] = {}
    for line in lines:
        # A ref is the contract, or contract/fee; a contract may have slashes of its own.
        contract_id = line.ref if line.ref in names else line.ref.rpartition("/")[0]
        of_contract = paid.setdefault(contract_id, {})
        of_contract[line.ref] = 0 if line.ref in lost else of_contract.get(line.ref, 0) + line.amount
    return paid


def _first_deposits(
    contract: Contract, account: Account, cycle: Cycle, calendar: CycleCalendar, book: PriceBook, minor_digits: int
) -> dict[str, int]:
    """By ref, the deposits of a contract of which no line is posted: those to charge now, by the rows that hold just
    before the end of the cycle in which it starts. One that began before the account's first cycle was taken over, and
    has paid those of its first moment; none where it had ended by then."""
    clock, ends_on = LocalClock(account.time_zone), contract.cancelled_on
    if contract.starts_on < account.first_cycle_start:
        has_none = ends_on is not None and ends_on < account.first_cycle_start
        at = clock.midnight_of(contract.starts_on)
    else:
        has_none = contract.starts_on >= cycle.end or (ends_on is not None and ends_on <= cycle.start)
        at = calendar.of_day(contract.starts_on).end_us // 1_000_000 - 1
    fees = [
        fee
        for fee in book.fees
        if fee.kind == "deposit" and fee.plan_id in ("*", contract.plan_id) and fee.valid_from <= at < fee.valid_to
    ]
    if has_none:
        return {}
    refs = [contract.contract_id + (f"/{fee.fee_id}" if len(fees) > 1 else "") for fee in fees]
    return {ref: round_to_minor(fee.amount, minor_digits) for ref, fee in zip(refs, fees, strict=True)}
