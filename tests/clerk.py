"""Invoices that a billing clerk can check with a pencil: the folders of tests/golden/invoices.

Each folder is an account in October 2026 by the price book beside it: `account.toml` says what it has and used,
`by_hand.md` reckons its invoice, and `invoice.csv` is that invoice. Some go on: `november.csv` is the invoice of the
month after, of which [[later]] is the usage: that of November, and what of October was not known when it was posted.
[corrected] is what was wrong in October, as it is known in November.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from datetime import date, datetime, time
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from oracle.people import ALWAYS, TORONTO

from tollgate.oracle.account_rows import Adjustment, Exemption, Jurisdiction
from tollgate.oracle.facts import Facts
from tollgate.oracle.rows import Account, Contract, CustomerFact, Holding, Usage
from tollgate.platform.settings import tomllib

FOLDER = Path(__file__).resolve().parent / "golden" / "invoices"
BOOK = FOLDER / "pricebook"
OCTOBER = date(2026, 10, 1)
SHEETS = {"2026-10": "invoice.csv", "2026-11": "november.csv"}
VANCOUVER = "+16045550100"
COUNTRIES = {"+1": "CA", "+44": "GB"}
COLUMNS = ("kind", "line", "service", "events", "units", "free_units", "amount", "tax_share")
NO_INVOICE = ",".join(COLUMNS) + "\n"


class Case(NamedTuple):
    """A folder: its account, customer, lines, contracts, one-off charges, where it is taxed and what is exempt, usage,
    and what is known after October."""

    name: str
    account: Account
    customer: CustomerFact
    holdings: list[Holding]
    contracts: list[Contract]
    adjustments: list[Adjustment]
    jurisdictions: list[Jurisdiction]
    exemptions: list[Exemption]
    usage: list[Usage]
    later: list[Usage]

    @property
    def months(self) -> list[str]:
        """The months of which the folder has an invoice: October, and November where the account goes on."""
        october, november = SHEETS
        return [october, *([november] if (FOLDER / self.name / SHEETS[november]).exists() else [])]

    def issued(self, month: str) -> str:
        """The text of the sheet of a month."""
        return (FOLDER / self.name / SHEETS[month]).read_text(encoding="utf-8")


def cases(*, is_corrected: bool = False) -> list[Case]:
    """All folders, each with numbers of its own, as October was billed; is_corrected: as they are known in November."""
    names = sorted(path.parent.name for path in FOLDER.glob("*/account.toml"))
    return [_case(name, 100 * place, _told(name, is_corrected)) for place, name in enumerate(names)]


def facts_of(all_cases: Iterable[Case]) -> Facts:
    """The customers of all cases as one snapshot."""
    found = list(all_cases)
    return Facts(
        [one.account for one in found],
        [holding for one in found for holding in one.holdings],
        [one.customer for one in found],
        [contract for one in found for contract in one.contracts],
        [adjustment for one in found for adjustment in one.adjustments],
        [move for one in found for move in one.jurisdictions],
        [exemption for one in found for exemption in one.exemptions],
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


def _told(name: str, is_corrected: bool) -> dict[str, Any]:
    """What an account.toml says, with or without its corrections."""
    told = tomllib.loads((FOLDER / name / "account.toml").read_text(encoding="utf-8"))
    corrected = told.pop("corrected", {})
    return told | corrected if is_corrected else told


def _case(name: str, number: int, told: dict[str, Any]) -> Case:
    """The folder of what is told; what is left out is usual: one line since January, no student, taxed in Ontario."""
    lines = range(1, told.get("lines", 1) + 1)
    account = Account(
        name, f"C-{name}", "CAD", "America/Toronto", 1, told.get("first_cycle_start", OCTOBER), told.get("closed_on"),
        "CA-ON", told.get("tax_exempt", False), cycle_days=told.get("cycle_days"),
    )  # fmt: skip
    since = told.get("customer_since", OCTOBER)
    numbers = {line: f"+1416200{number + line:04d}" for line in lines}
    contracts = {line: _contracts(name, line, told) for line in lines}
    usage, later = (
        [
            _usage(f"{name}-{known}-{place}", numbers[one.get("line", 1)], one)
            for place, one in enumerate(told.get(known, ()), start=1)
        ]
        for known in ("usage", "later")
    )
    return Case(
        name,
        account,
        CustomerFact(account.customer_id, told.get("student", False), since, *ALWAYS),
        [holding for line in lines for holding in _holdings(numbers[line], contracts[line])],
        [contract for line in lines for contract in contracts[line]],
        [
            Adjustment(one["id"], name, None, int(Decimal(one["amount"]) * 1_000_000), one["tax_category"],
                       one["effective_on"], one["instalments"])
            for one in told.get("one_off", ())
        ],
        [Jurisdiction(name, **{"ends_on": date.max, **one}) for one in told.get("jurisdiction", ())],
        [Exemption(name, **{"ends_on": date.max, **one}) for one in told.get("exemption", ())],
        usage,
        later,
    )  # fmt: skip


def _contracts(name: str, line: int, told: dict[str, Any]) -> list[Contract]:
    """The contract of a line; where the plan changes, one until that day and another from it on."""
    first = Contract(
        f"{name}-contract-{line}", f"{name}-{line}", name, told["plan"], told.get("starts_on", date(2026, 1, 1)),
        told.get("term_ends_on"), told.get("cancelled_on"),
    )  # fmt: skip
    change = told.get("change")
    if change is None:
        return [first]
    second = first._replace(contract_id=f"{first.contract_id}-changed", plan_id=change["plan"], starts_on=change["on"])
    return [first._replace(cancelled_on=change["on"]), second]


def _holdings(number: str, contracts: list[Contract]) -> list[Holding]:
    """A line has its number always, on the plan of each of its contracts in turn."""
    midnights = [_toronto_us(datetime.combine(one.starts_on, time())) for one in contracts[1:]]
    return [
        Holding(number, one.subscription_id, one.account_id, one.contract_id, one.plan_id, "active", since, till)
        for one, (since, till) in zip(contracts, pairwise((ALWAYS[0], *midnights, ALWAYS[1])), strict=True)
    ]


def _usage(event_id: str, number: str, told: dict[str, Any]) -> Usage:
    """A call of `seconds`, a data session of `bytes`, or a message whose `service` is told, at a wall time of Toronto.

    to: the other number, in Vancouver if it is not told. group: the rating group of data, web if it is not told.
    visited: the country in which the line is a guest. outcome: of a call that was not answered.
    """
    service = told.get("service") or ("data" if "bytes" in told else "voice")
    visited = told.get("visited")
    event = Usage(
        "switch", event_id, service, _toronto_us(datetime.fromisoformat(told["at"])), number,
        roaming=visited is not None, roaming_country=visited,
    )  # fmt: skip
    if service == "data":
        return event._replace(volume_bytes=told["bytes"], rating_group=told.get("group", "web"))
    to = told.get("to", VANCOUVER)
    country = next(country for code, country in COUNTRIES.items() if to.startswith(code))
    event = event._replace(destination=to, destination_country=country, carrier_id="carrier_001")
    if service == "voice":
        return event._replace(duration_s=told["seconds"], call_outcome=told.get("outcome", "answered"))
    return event


def _toronto_us(wall: datetime) -> int:
    return int(wall.replace(tzinfo=TORONTO).timestamp()) * 1_000_000
