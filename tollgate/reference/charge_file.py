"""A CSV file of one-off charges and credits: read whole, every mistake said with its line."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

COLUMNS = ("adjustment_id", "account_id", "subscription_id", "description", "amount", "tax_category", "effective_on",
           "instalments")  # fmt: skip
OPTIONAL = ("subscription_id", "instalments")
UNTAXED = ("none", "exempt")
MOST_INSTALMENTS = 60
MOST_CHARGES = 10_000
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")
_AMOUNT = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,3})?")
_DAY = re.compile(r"2[01][0-9]{2}-[0-9]{2}-[0-9]{2}")


class Charge(NamedTuple):
    """A line of the file; amount in the account's currency, below 0 a credit."""

    line: int
    adjustment_id: str
    account_id: str
    subscription_id: str | None
    description: str
    amount: Decimal
    tax_category: str
    effective_on: date
    instalments: int


@dataclass(frozen=True)
class Known:
    """What the file is held against.

    accounts: currency by account; jurisdictions: where an account is taxed on a day; owners: account by line;
    minor_digits: by currency; taxed: the (jurisdiction, category) that have a tax rule.
    """

    accounts: Mapping[str, str]
    jurisdictions: Mapping[tuple[str, date], str]
    owners: Mapping[str, str]
    minor_digits: Mapping[str, int]
    taxed: frozenset[tuple[str, str]]


def read_charges(file: Path) -> tuple[list[Charge], list[str]]:
    """The lines that can be read, and the findings as `file:line: what`; OSError when the file cannot be opened."""
    with file.open(encoding="utf-8-sig", newline="") as text:
        try:
            rows = csv.DictReader(text, strict=True)
            head = list(rows.fieldnames or [])
            missing = [name for name in COLUMNS if name not in head and name not in OPTIONAL]
            unknown = [name for name in head if name not in COLUMNS]
            if missing or unknown or len(set(head)) < len(head):
                return [], [f"{file.name}:1: expected the columns {','.join(COLUMNS)}, found {','.join(head)}"]
            return _read(file.name, rows)
        except (csv.Error, UnicodeDecodeError) as error:
            return [], [f"{file.name}: not a CSV file in UTF-8: {error}"]


def refused(charges: list[Charge], known: Known, file: str) -> list[str]:
    """A finding for every charge that cannot be billed: of nobody known, finer than a coin, taxed by no rule."""
    return [f"{file}:{charge.line}: {what}" for charge in charges for what in _mistakes(charge, known)]


def _read(name: str, rows: csv.DictReader[str]) -> tuple[list[Charge], list[str]]:
    charges: list[Charge] = []
    findings: list[str] = []
    first: dict[str, int] = {}
    for row in rows:
        line, cells = rows.line_num, {column: (row.get(column) or "").strip() for column in COLUMNS}
        wrong = [f"{name}:{line}: {what}" for what in _unreadable(cells, is_whole=None not in row)]
        before = first.setdefault(cells["adjustment_id"], line)
        if before != line:
            wrong.append(f"{name}:{line}: adjustment_id {cells['adjustment_id']} stands in line {before} too")
        if len(charges) == MOST_CHARGES:
            return [], [f"{name}:{line}: a file has at most {MOST_CHARGES:,} charges; load it in parts"]
        findings += wrong
        if not wrong:
            charges.append(_charge(line, cells))
    if not charges and not findings:
        findings.append(f"{name}: no charge in it")
    return charges, findings


def _unreadable(cells: dict[str, str], *, is_whole: bool) -> list[str]:
    found = [] if is_whole else ["more cells than columns"]
    found += [f"{column} is missing" for column in COLUMNS if column not in OPTIONAL and not cells[column]]
    if cells["adjustment_id"] and not _ID.fullmatch(cells["adjustment_id"]):
        found.append(f"adjustment_id {cells['adjustment_id']!r}: up to 64 letters, digits, and . _ : -")
    if cells["amount"] and not _AMOUNT.fullmatch(cells["amount"]):
        found.append(f"amount {cells['amount']!r}: expected such as 12.50, or -12.50 for a credit")
    elif cells["amount"] and not Decimal(cells["amount"]):
        found.append("amount is 0")
    if cells["tax_category"] and not re.fullmatch(r"[a-z][a-z0-9_]*", cells["tax_category"]):
        found.append(f"tax_category {cells['tax_category']!r}: expected such as standard, or none")
    if cells["effective_on"] and not _is_day(cells["effective_on"]):
        found.append(f"effective_on {cells['effective_on']!r}: expected a date such as 2026-10-31")
    number = cells["instalments"] or "1"
    if not re.fullmatch("[0-9]{1,3}", number) or not 1 <= int(number) <= MOST_INSTALMENTS:
        found.append(f"instalments {number!r}: expected 1 to {MOST_INSTALMENTS}")
    return found


def _is_day(text: str) -> bool:
    try:
        return bool(_DAY.fullmatch(text)) and bool(date.fromisoformat(text))
    except ValueError:
        return False


def _charge(line: int, cells: dict[str, str]) -> Charge:
    return Charge(
        line, cells["adjustment_id"], cells["account_id"], cells["subscription_id"] or None, cells["description"],
        Decimal(cells["amount"]), cells["tax_category"], date.fromisoformat(cells["effective_on"]),
        int(cells["instalments"] or 1),
    )  # fmt: skip


def _mistakes(charge: Charge, known: Known) -> list[str]:
    if charge.account_id not in known.accounts:
        return [f"account {charge.account_id} is unknown"]
    currency = known.accounts[charge.account_id]
    jurisdiction = known.jurisdictions[charge.account_id, charge.effective_on]
    found = []
    if charge.subscription_id is not None and known.owners.get(charge.subscription_id) != charge.account_id:
        found.append(f"line {charge.subscription_id} is not one of account {charge.account_id}")
    digits = known.minor_digits.get(currency)
    if digits is None:
        found.append(f"the price book has no currency {currency}, which account {charge.account_id} has")
    elif charge.amount.scaleb(digits) % 1:
        found.append(f"amount {charge.amount}: {currency} has {digits} digits")
    elif abs(charge.amount).scaleb(digits) < charge.instalments:
        found.append(f"amount {charge.amount} does not fill {charge.instalments} instalments")
    if charge.tax_category not in UNTAXED and (jurisdiction, charge.tax_category) not in known.taxed:
        found.append(f"no tax rule for category {charge.tax_category} in {jurisdiction}")
    return found
