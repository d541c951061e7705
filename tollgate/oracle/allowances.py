"""Free units and money, event by event: each takes what is left of those that cover it, the first ones first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from tollgate.oracle.book import ANY, PriceBook
from tollgate.oracle.cycles import Cycle, CycleCalendar, days_in_force
from tollgate.oracle.lines import BilledEvent, RatedEvent, Slice
from tollgate.oracle.month_rows import Allowance
from tollgate.oracle.pricing import HOME
from tollgate.oracle.rows import Account, Contract

CURRENCY = "currency"
Grant = tuple[str, date, str]
"""(line or account that has it, start of the cycle for which it was granted, allowance)."""
Use = tuple[str, date, str, date]
"""A grant, and the start of the cycle in which the usage began that took from it."""


class Allowances:
    """The allowances of one account while a bill is made: what was granted and what was used."""

    def __init__(
        self,
        account: Account,
        calendar: CycleCalendar,
        book: PriceBook,
        contracts: Sequence[Contract],
        used: Counter[Use],
    ) -> None:
        """used: units that posted runs took; it is read, not changed."""
        self._account, self._calendar, self._book, self._contracts = account, calendar, book, contracts
        self._used = Counter(used)
        self._granted: dict[Grant, tuple[int, bool]] = {}

    def free(self, event: RatedEvent, origin: Cycle) -> tuple[Slice, ...]:
        """What unit allowances free of the event; events must come in their order. origin: the event's cycle."""
        return self._take(event, origin, event.priced.charged_units or 0, is_money=False)

    def pay(self, event: RatedEvent, origin: Cycle, net: int) -> tuple[Slice, ...]:
        """What money allowances pay of the event's rounded net charge; both in millionths."""
        return self._take(event, origin, net, is_money=True)

    def settle(self, event: RatedEvent, origin: Cycle, slices: Sequence[Slice]) -> None:
        """Count slices of the event that are known before, in whatever order; negative ones are given back."""
        rows = {row.allowance_id: row for row in self._book.allowances}
        for one in slices:
            grant = (owner_of(rows[one.allowance_id], event), one.granted_on, one.allowance_id)
            self._used[_use(grant, origin.start)] += one.units

    def _take(self, event: RatedEvent, origin: Cycle, wanted: int, *, is_money: bool) -> tuple[Slice, ...]:
        slices = []
        for allowance, cycle in self._covering(event, origin):
            if (allowance.unit == CURRENCY) != is_money:
                continue
            grant = (owner_of(allowance, event), cycle.start, allowance.allowance_id)
            units = min(wanted, max(0, self._left(allowance, grant, cycle, origin)))
            if units:
                self._used[_use(grant, origin.start)] += units
                wanted -= units
                slices.append(Slice(allowance.allowance_id, cycle.start, units))
        return tuple(slices)

    def _left(self, allowance: Allowance, grant: Grant, cycle: Cycle, origin: Cycle) -> int:
        """What the grant of a cycle has left for usage of a cycle, the same or a later one."""
        if grant not in self._granted:
            units = granted(allowance, grant[0], self._contracts, cycle)
            self._granted[grant] = units, self._rolls_over(allowance, grant[0], cycle)
        units, rolls_over = self._granted[grant]
        left = units - self._used[_use(grant, cycle.start)]
        if origin.start > cycle.start:
            left = min(left, left if allowance.rollover_cap is None else allowance.rollover_cap) if rolls_over else 0
        later = [self._calendar.moved(cycle, age).start for age in range(1, allowance.rollover_cycles + 1)]
        return left - sum(self._used[_use(grant, start)] for start in later)

    def _rolls_over(self, allowance: Allowance, owner: str, cycle: Cycle) -> bool:
        """Whether there was such a grant: the account was billed, the plan was held, the allowance was on offer."""
        last_moment = cycle.end_us // 1_000_000 - 1
        has_plan = held_days(allowance, owner, self._contracts, cycle) > 0
        is_offered = allowance.valid_from <= last_moment < allowance.valid_to
        return has_plan and is_offered and cycle.start >= self._account.first_cycle_start

    def _covering(self, event: RatedEvent, origin: Cycle) -> list[tuple[Allowance, Cycle]]:
        """Allowances of home usage that is charged for, each with the cycles of its grants, in the order of use."""
        priced, at = event.priced, event.started_at // 1_000_000
        is_home = priced.retail_status == "rated" and priced.roaming_zone == HOME
        if not is_home or priced.rate is None or priced.holding is None:
            return []
        found = {row.allowance_id: row for row in self._book.allowances if _covers(row, event)}
        # The event's own cycle grants what is on offer when it starts; an older grant may outlast its row.
        first = {name: int(not row.valid_from <= at < row.valid_to) for name, row in found.items()}
        grants = [(row, -age) for name, row in found.items() for age in range(first[name], row.rollover_cycles + 1)]
        grants.sort(key=lambda one: (one[0].priority, one[0].rollover_cycles + one[1], one[0].allowance_id.encode()))
        return [(row, self._calendar.moved(origin, back)) for row, back in grants]


def uses_of(billed: BilledEvent, book: PriceBook) -> Iterator[tuple[Use, int]]:
    """Each grant that a billed event took from, and its units or millionths."""
    allowances = {row.allowance_id: row for row in book.allowances}
    for one in (*billed.slices, *billed.money_slices):
        owner = owner_of(allowances[one.allowance_id], billed.event)
        yield (owner, one.granted_on, one.allowance_id, billed.origin_cycle), one.units


def owner_of(allowance: Allowance, event: RatedEvent) -> str:
    """The account, where the allowance is shared by its lines, else the line."""
    holding = event.priced.holding
    assert holding is not None
    return holding.account_id if allowance.scope == "account" else holding.subscription_id


def granted(allowance: Allowance, owner: str, contracts: Sequence[Contract], cycle: Cycle) -> int:
    """Units of a cycle; by days, the share of the days on which the line, or a line of the account, had the plan."""
    if allowance.proration == "none":
        return allowance.quantity
    return allowance.quantity * held_days(allowance, owner, contracts, cycle) // cycle.days


def held_days(allowance: Allowance, owner: str, contracts: Sequence[Contract], cycle: Cycle) -> int:
    """Days of a cycle on which the line, or a line of the account, had the allowance's plan."""
    days: set[date] = set()
    for contract in contracts:
        owners = (contract.account_id if allowance.scope == "account" else contract.subscription_id, contract.plan_id)
        if owners == (owner, allowance.plan_id):
            first = max(contract.starts_on, cycle.start)
            days.update(first + timedelta(days=day) for day in range(days_in_force(contract, cycle)))
    return len(days)


def _use(grant: Grant, used_in: date) -> Use:
    return (*grant, used_in)


def _covers(row: Allowance, event: RatedEvent) -> bool:
    priced = event.priced
    assert priced.holding is not None
    return (
        row.plan_id == priced.holding.plan_id
        and row.unit in (CURRENCY, priced.unit)
        and row.service in (ANY, event.service)
        and row.zone_id in (ANY, priced.zone_id)
        and (row.band is None or (bool(priced.pieces) and priced.pieces[0].band_id == row.band))
    )
