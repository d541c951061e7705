"""Seeded draws of what a correction finds changed: prices, steps, costs and shares of a book, owners and plans."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path
from random import Random

from tollgate.oracle.facts import Facts

PRICES = ("0.07", "0.12", "0.333333", "0.01")


def draw_changed_book(random: Random, given: Path, folder: Path) -> Path:
    """A copy of the book in which some rates and carrier rates cost otherwise, one discount and one zone differ and a
    rate is missing."""
    shutil.copytree(given, folder)
    rates = _rows(folder / "rate.csv")
    for row in rates:
        if row["zero_rated"] == "false" and random.random() < 0.4:
            row["price"] = random.choice(PRICES)
        if row["unit"] == "second" and not row["band_set"] and random.random() < 0.3:
            row["increment"], row["initial"] = "1", "30"
    _write(folder / "rate.csv", [row for row in rates if row["rate_id"] != "mms_prepaid"])
    costs = _rows(folder / "carrier_rate.csv")
    for row in costs:
        if random.random() < 0.4:
            row["price"] = random.choice(PRICES)
    _write(folder / "carrier_rate.csv", costs)
    discounts = _rows(folder / "discount.csv")
    for row in discounts:
        if row["discount_id"] == "loyalty":
            row["percent"] = "7"
    _write(folder / "discount.csv", discounts)
    return folder


def draw_changed_facts(random: Random, facts: Facts) -> Facts:
    """The population with some numbers held by another account, some on another plan, and a few by nobody."""
    held = list(facts.holdings())
    changed = []
    for holding in held:
        chance = random.random()
        if chance < 0.15:
            other = random.choice([one for one in held if one.plan_id])
            holding = holding._replace(
                account_id=other.account_id, subscription_id=other.subscription_id, contract_id=other.contract_id,
                plan_id=other.plan_id,
            )  # fmt: skip
        elif chance < 0.2 and holding.plan_id:
            holding = holding._replace(plan_id=random.choice(("term", "month_to_month")))
        if chance < 0.97:
            changed.append(holding)
    contracts = [one for of_account in facts.contracts.values() for one in of_account]
    return Facts(facts.accounts.values(), changed, facts.customer_facts(), contracts)


def _rows(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8") as sheet:
        return list(csv.DictReader(sheet))


def _write(file: Path, rows: list[dict[str, str]]) -> None:
    with file.open("w", encoding="utf-8", newline="") as sheet:
        writer = csv.DictWriter(sheet, rows[0])
        writer.writeheader()
        writer.writerows(rows)
