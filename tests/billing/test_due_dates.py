"""Due dates: counted from the cycle's end, and in the content hash only where there is one."""

from __future__ import annotations

import hashlib
import json
from datetime import date
from typing import Any

import pytest
from billing.small_month import account, bill_may, charge, fee
from pyspark.sql import SparkSession

HEAD = ["account_id", "customer_id", "cycle_start", "cycle_end", "invoice_kind", "sequence", "currency"]
LINE = [
    "line_no", "line_key", "kind", "description", "events", "units", "free_units", "unit", "exact_total", "amount",
    "tax_category", "tax_id", "tax_share",
]  # fmt: skip


def text(row: Any, names: list[str]) -> str:
    values = {name: None if row[name] is None else str(row[name]) for name in names}
    return json.dumps(values, separators=(",", ":"))


@pytest.mark.covers("BIL-08")
def test_an_invoice_is_due_days_after_its_cycle_and_without_a_term_it_has_the_hash_of_before(
    spark: SparkSession,
) -> None:
    accounts = [account("none"), account("two weeks", payment_term_days=14), account("at once", payment_term_days=0)]
    charges = [charge(f"c{number}", one["account_id"], "5.00", date(2025, 5, 31), tax_category="none")
               for number, one in enumerate(accounts)]  # fmt: skip
    book = {"fee": [fee("invoice_fee", "invoice", "*", 1, tax_category="none")], "tax": [], "allowance": []}
    bill = bill_may(spark, accounts, [], [], book, more={"adjustment": charges})
    invoices = {row.account_id: row for row in bill.invoice.collect()}
    assert {name: row.due_on for name, row in invoices.items()} == {
        "none": None, "two weeks": date(2025, 6, 15), "at once": date(2025, 6, 1),
    }  # fmt: skip
    lines = sorted(bill.invoice_line.collect(), key=lambda line: line.line_no)
    for name, row in invoices.items():
        head = text(row, HEAD if row.due_on is None else [*HEAD, "due_on"])
        said = "\n".join([head, *[text(line, LINE) for line in lines if line.account_id == name]])
        assert hashlib.sha256(said.encode()).hexdigest() == row.content_hash
