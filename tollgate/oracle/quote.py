"""What one event of somebody would cost: priced by the book alone, with the steps of the reckoning in words."""

from __future__ import annotations

from typing import NamedTuple

from tollgate.oracle.book import PriceBook
from tollgate.oracle.clock import EPOCH
from tollgate.oracle.explanation import Step, explain
from tollgate.oracle.facts import Facts
from tollgate.oracle.pricing import Priced, price_event
from tollgate.oracle.rows import OPEN_END_S, Account, CustomerFact, Holding, Usage

ANYBODY = "anybody"


class Quote(NamedTuple):
    """A price and how it came about."""

    priced: Priced
    steps: tuple[Step, ...]


def quote(
    book: PriceBook, plan_id: str, usage: Usage, customer: CustomerFact | None = None, currency: str | None = None
) -> Quote:
    """Price one event of a line on `plan_id`, which must stand in the book (else ValueError).

    customer: discount facts; without them nobody's student and nobody's tenure. currency: of the account, the book's
    unless given. A number that nobody holds may be left out of the usage.
    """
    if plan_id not in book.plans:
        raise ValueError(f"plan_id: expected one of {', '.join(sorted(book.plans))}, found {plan_id}")
    usage = usage._replace(msisdn=usage.msisdn or ANYBODY)
    priced = price_event(usage, book, _facts(book, plan_id, usage.msisdn or "", customer, currency or book.currency))
    return Quote(priced, tuple(explain(usage, priced, book)))


def _facts(book: PriceBook, plan_id: str, msisdn: str, customer: CustomerFact | None, currency: str) -> Facts:
    """A snapshot of one line on the plan, held by the given customer for ever."""
    owner = customer.customer_id if customer else ANYBODY
    account = Account(ANYBODY, owner, currency, str(book.clock.zone), 1, EPOCH.date(), None, "", True)
    holding = Holding(msisdn, ANYBODY, ANYBODY, ANYBODY, plan_id, "active", 0, OPEN_END_S * 1_000_000)
    return Facts([account], [holding], [customer] if customer else [])
