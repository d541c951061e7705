"""Customers, lines and contracts of one reference snapshot, as the oracle looks them up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from functools import cache
from itertools import chain

from tollgate.oracle.account_rows import Adjustment, Exemption, Jurisdiction
from tollgate.oracle.rows import Account, Contract, CustomerFact, Holding


class Facts:
    """One snapshot in memory; instants in epoch microseconds."""

    def __init__(
        self,
        accounts: Iterable[Account],
        holdings: Iterable[Holding],
        facts: Iterable[CustomerFact],
        contracts: Iterable[Contract] = (),
        adjustments: Iterable[Adjustment] = (),
        jurisdictions: Iterable[Jurisdiction] = (),
        exemptions: Iterable[Exemption] = (),
    ) -> None:
        self.accounts = {account.account_id: account for account in accounts}
        self._holdings: dict[str, list[Holding]] = defaultdict(list)
        for holding in holdings:
            self._holdings[holding.msisdn].append(holding)
        self._facts: dict[str, list[CustomerFact]] = defaultdict(list)
        for fact in facts:
            self._facts[fact.customer_id].append(fact)
        self.contracts: dict[str, list[Contract]] = defaultdict(list)
        for contract in contracts:
            self.contracts[contract.account_id].append(contract)
        self.adjustments: dict[str, list[Adjustment]] = defaultdict(list)
        for adjustment in adjustments:
            self.adjustments[adjustment.account_id].append(adjustment)
        self.jurisdictions: dict[str, list[Jurisdiction]] = defaultdict(list)
        for jurisdiction in jurisdictions:
            self.jurisdictions[jurisdiction.account_id].append(jurisdiction)
        self.exemptions: dict[str, list[Exemption]] = defaultdict(list)
        for exemption in exemptions:
            self.exemptions[exemption.account_id].append(exemption)

    def holdings(self) -> Iterator[Holding]:
        """All holdings of numbers."""
        return chain.from_iterable(self._holdings.values())

    def customer_facts(self) -> Iterator[CustomerFact]:
        """All discount facts of customers."""
        return chain.from_iterable(self._facts.values())

    def holder(self, msisdn: str | None, at_us: int) -> Holding | None:
        """The line that held the number at an instant."""
        for holding in self._holdings.get(msisdn or "", ()):
            if holding.valid_from <= at_us < holding.valid_to:
                return holding
        return None

    def customer_fact(self, customer_id: str, at_us: int) -> CustomerFact | None:
        """The discount facts of a customer at an instant."""
        for fact in self._facts.get(customer_id, ()):
            if fact.valid_from <= at_us < fact.valid_to:
                return fact
        return None


@cache
def months_later(start: date, months: int) -> date:
    """The same day so many months later, or that month's last day when it is shorter."""
    month = start.month - 1 + months
    year, month = start.year + month // 12, month % 12 + 1
    next_month = date(year + month // 12, month % 12 + 1, 1)
    return min(date(year, month, 1) + timedelta(days=start.day - 1), next_month - timedelta(days=1))
