"""Invoices that a billing clerk can check with a pencil: the folders of tests/golden/invoices.

Each folder is an account in October 2026 by the price book beside it: `account.toml` says what it has and used,
`by_hand.md` reckons its invoice, and `invoice.csv` is that invoice.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from oracle.people import ALWAYS, TORONTO

from tollgate.oracle.account_rows import Adjustment
from tollgate.oracle.facts import Facts
from tollgate.oracle.rows import Account, Contract, CustomerFact, Holding, Usage
from tollgate.platform.settings import tomllib

FOLDER = Path(__file__).resolve().parent / "golden" / "invoices"
BOOK = FOLDER / "pricebook"
OCTOBER = date(2026, 10, 1)
COLUMNS = ("kind", "line", "service", "events", "units", "free_units", "amount", "tax_share")


class Case(NamedTuple):
    """A folder: its account, lines, contracts, one-off charges and usage."""

    name: str
    account: Account
    holdings: list[Holding]
    contracts: list[Contract]
    adjustments: list[Adjustment]
    usage: list[Usage]


def cases() -> list[Case]:
    """All folders, each with numbers of its own."""
    names = sorted(path.parent.name for path in FOLDER.glob("*/account.toml"))
    return [_case(name, 100 * place) for place, name in enumerate(names)]


def facts_of(all_cases: Iterable[Case]) -> Facts:
    """The customers of all cases as one snapshot."""
    found = list(all_cases)
    return Facts(
        [one.account for one in found],
        [holding for one in found for holding in one.holdings],
        [CustomerFact(one.account.customer_id, False, OCTOBER, *ALWAYS) for one in found],
        [contract for one in found for contract in one.contracts],
        [adjustment for one in found for adjustment in one.adjustments],
    )


def as_sheet(lines: Iterable[tuple[Any, ...]], net: Decimal, tax: Decimal) -> str:
    """The text of an invoice.csv. lines: kind, subscription_id, service, events, units, free units, amount, tax share,
    in the order of the invoice; None and 0 are empty where nothing is counted."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for kind, line, service, *counts, amount, tax_share in lines:
        number = (line or "").rpartition("-")[2]
        writer.writerow(
            [kind, number, service, *(count or "" for count in counts), f"{amount:.2f}", f"{tax_share:.2f}"]
        )
    for name, value in (("net", net), ("tax", tax), ("total", net + tax)):
        writer.writerow([name, *[""] * 5, f"{value:.2f}", ""])
    return out.getvalue()


def _case(name: str, number: int) -> Case:
    told = tomllib.loads((FOLDER / name / "account.toml").read_text(encoding="utf-8"))
    lines = range(1, told.get("lines", 1) + 1)
    starts_on = told.get("starts_on", date(2026, 1, 1))
    account = Account(
        name, f"C-{name}", "CAD", "America/Toronto", 1, OCTOBER, None, "CA-ON", told.get("tax_exempt", False),
        cycle_days=told.get("cycle_days"),
    )  # fmt: skip
    numbers = {line: f"+1416200{number + line:04d}" for line in lines}
    ids = {line: (f"{name}-{line}", f"{name}-contract-{line}") for line in lines}
    return Case(
        name,
        account,
        [Holding(numbers[line], ids[line][0], name, ids[line][1], told["plan"], "active", *ALWAYS) for line in lines],
        [
            Contract(ids[line][1], ids[line][0], name, told["plan"], starts_on, told.get("term_ends_on"),
                     told.get("cancelled_on"))
            for line in lines
        ],
        [
            Adjustment(one["id"], name, None, int(Decimal(one["amount"]) * 1_000_000), one["tax_category"],
                       one["effective_on"], one["instalments"])
            for one in told.get("one_off", ())
        ],
        [_usage(f"{name}-{place}", numbers[one.get("line", 1)], one)
         for place, one in enumerate(told.get("usage", ()), start=1)],
    )  # fmt: skip


def _usage(event_id: str, number: str, told: dict[str, Any]) -> Usage:
    """A call to Vancouver, or a data session on the web, at a wall time of Toronto."""
    started_at = int(datetime.fromisoformat(told["at"]).replace(tzinfo=TORONTO).timestamp()) * 1_000_000
    if "bytes" in told:
        return Usage("switch", event_id, "data", started_at, number, volume_bytes=told["bytes"], rating_group="web")
    return Usage(
        "switch", event_id, "voice", started_at, number, "+16045550100", "CA", told["seconds"],
        carrier_id="carrier_001", call_outcome="answered",
    )  # fmt: skip
