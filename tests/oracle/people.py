"""Lines, customers and events by hand, for tests of the oracle."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from tollgate.oracle.book import PriceBook
from tollgate.oracle.facts import Facts
from tollgate.oracle.pricing import price_event
from tollgate.oracle.rows import OPEN_END_S, Account, Contract, CustomerFact, Holding, Usage

DEMO_BOOK = Path(__file__).resolve().parents[2] / "conf" / "pricebook"
TORONTO = ZoneInfo("America/Toronto")
ALWAYS = (0, OPEN_END_S * 1_000_000)
NUMBER = "+14162000001"


def local_us(*moment: int, fold: int = 0) -> int:
    """A Toronto wall time as epoch microseconds."""
    return int(datetime(*moment, tzinfo=TORONTO, fold=fold).timestamp()) * 1_000_000


def account(
    currency: str = "CAD", anchor_day: int = 1, jurisdiction: str = "CA-ON", is_exempt: bool = False
) -> Account:
    """The one account of these tests."""
    since = date(2024, 1, 1)
    return Account("A1", "C1", currency, "America/Toronto", anchor_day, since, None, jurisdiction, is_exempt)


def facts(
    plan_id: str | None = "term",
    line_state: str = "active",
    student: bool = False,
    customer_since: date = date(2026, 9, 1),
    of: Account | None = None,
    contracts: Sequence[Contract] = (),
) -> Facts:
    """A snapshot with one line, which holds NUMBER."""
    holding = Holding(NUMBER, "S1", "A1", "K1", plan_id, line_state, *ALWAYS)
    fact = CustomerFact("C1", student, customer_since, *ALWAYS)
    return Facts([of or account()], [holding], [fact], contracts)


def call(seconds: int, at: int | None = None, to: str = "+16045550100", **fields: object) -> Usage:
    """A voice call of NUMBER, to Vancouver on a Tuesday at noon unless said otherwise."""
    country = {"+1": "CA", "+44": "GB"}.get(to[:2] if to.startswith("+1") else to[:3])
    values = {"call_outcome": "answered", "carrier_id": "carrier_001", "destination_country": country, **fields}
    start = local_us(2026, 10, 6, 12) if at is None else at
    return Usage("switch", f"e{start}-{seconds}", "voice", start, NUMBER, to, duration_s=seconds, **values)


def charge_of(usage: Usage, book: PriceBook, of: Facts) -> tuple[str | None, int | None]:
    """Status (or the reason of suspense) and charge in millionths."""
    priced = price_event(usage, book, of)
    return priced.suspense_reason or priced.retail_status, priced.charge
