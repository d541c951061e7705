"""Free units, event by event: each takes what is left of the allowances that cover it, the first ones first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from tollgate.oracle.book import ANY, PriceBook
from tollgate.oracle.cycles import Cycle
from tollgate.oracle.lines import RatedEvent, Slice
from tollgate.oracle.pricing import HOME
from tollgate.oracle.rows import Allowance, Contract

Bucket = tuple[str, date, str]
"""A grant: (line or account that has it, start of the cycle for which it was granted, allowance)."""


class FreeUnits:
    """The allowances of one account while a bill is made: what was granted and what was used."""

    def __init__(self, book: PriceBook, contracts: Sequence[Contract], used: Counter[Bucket]) -> None:
        """used: units that posted runs took; it is read, not changed."""
        self._book, self._contracts = book, contracts
        self._used = Counter(used)
        self._granted: dict[Bucket, int] = {}

    def take(self, event: RatedEvent, origin: Cycle) -> tuple[Slice, ...]:
        """What the allowances free of the event; events must come in their order. origin: the event's cycle."""
        wanted = event.priced.charged_units or 0
        slices = []
        for allowance in self._covering(event):
            bucket = (owner_of(allowance, event), origin.start, allowance.allowance_id)
            if bucket not in self._granted:
                self._granted[bucket] = granted(allowance, bucket[0], self._contracts, origin)
            units = min(wanted, max(0, self._granted[bucket] - self._used[bucket]))
            if units:
                self._used[bucket] += units
                wanted -= units
                slices.append(Slice(allowance.allowance_id, origin.start, units))
        return tuple(slices)

    def _covering(self, event: RatedEvent) -> list[Allowance]:
        """Allowances of home usage that is charged for, in the order of their use."""
        priced = event.priced
        is_home = priced.retail_status == "rated" and priced.roaming_zone == HOME
        if not is_home or priced.rate is None or priced.holding is None:
            return []
        found = {row.allowance_id: row for row in self._book.allowances if _covers(row, event)}
        return sorted(found.values(), key=lambda row: (row.priority, row.allowance_id.encode()))


def buckets_of(event: RatedEvent, slices: Sequence[Slice], book: PriceBook) -> Iterator[tuple[Bucket, int]]:
    """Each bucket that a billed event took from, and its units."""
    scope = {row.allowance_id: row for row in book.allowances}
    for one in slices:
        yield (owner_of(scope[one.allowance_id], event), one.granted_on, one.allowance_id), one.units


def owner_of(allowance: Allowance, event: RatedEvent) -> str:
    """The account, where the allowance is shared by its lines, else the line."""
    holding = event.priced.holding
    assert holding is not None
    return holding.account_id if allowance.scope == "account" else holding.subscription_id


def granted(allowance: Allowance, owner: str, contracts: Sequence[Contract], cycle: Cycle) -> int:
    """Units of a cycle; by days, the share of the days on which the line, or a line of the account, had the plan."""
    if allowance.proration == "none":
        return allowance.quantity
    days: set[date] = set()
    for contract in contracts:
        owners = (contract.account_id if allowance.scope == "account" else contract.subscription_id, contract.plan_id)
        if owners == (owner, allowance.plan_id):
            first = max(contract.starts_on, cycle.start)
            days.update(first + timedelta(days=day) for day in range(days_in_force(contract, cycle)))
    return allowance.quantity * len(days) // cycle.days


def days_in_force(contract: Contract, cycle: Cycle) -> int:
    """Local days of the cycle on which the contract is in force; the day of cancellation is the first without it."""
    end = min(contract.cancelled_on or cycle.end, cycle.end)
    return max(0, (end - max(contract.starts_on, cycle.start)).days)


def _covers(row: Allowance, event: RatedEvent) -> bool:
    priced = event.priced
    assert priced.holding is not None
    return (
        row.plan_id == priced.holding.plan_id
        and row.unit == priced.unit
        and row.service in (ANY, event.service)
        and row.zone_id in (ANY, priced.zone_id)
        and (row.band is None or (bool(priced.pieces) and priced.pieces[0].band_id == row.band))
        and row.valid_from <= event.started_at // 1_000_000 < row.valid_to
    )
