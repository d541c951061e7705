"""A posted call of the night's lake: on line 2 of invoice 7, 10.00 of usage; 1 is a fee."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from answers import ask
from billing.test_credit_notes import INVOICE

from rating import sheet
from tollgate.platform.postgres import migrate
from tollgate.platform.settings import Settings

D = Decimal
BILLED = {
    "run_id": "posted", "source": "sw1", "event_id": "national", "revision": 1, "rating_no": 1,
    "account_id": "a_plain", "subscription_id": "s_plain", "started_at": sheet.local(5, 7), "free_units": 0,
    "origin_cycle": date(2026, 10, 1), "line_key": "k|", "net_numerator": D(3), "net_denominator": D(10),
    "list_charge": D("0.3"), "net_charge": D("0.3"),
}  # fmt: skip
POSTED = """
SET LOCAL session_replication_role = replica;
UPDATE ops.bill_run SET status = 'posted', accounts = 1, invoices = 1, lines = 5, net = 329, tax = 3.77, total = 332.77,
  content_hash = repeat('a', 64), parked = 0, not_due = 0, approved_by = 'bob', approved_at = now(), posted_at = now()
"""


def post_the_call(lakeside: Any, desk: Settings) -> None:
    """Put the call on a posted invoice, in an empty database and in the lake. lakeside: with `put`."""
    migrate(desk)
    ask(desk, INVOICE.replace("'A'", "'a_plain'").replace("'r'", "'posted'").replace("'b|'", "'k|'"))
    ask(desk, POSTED)
    lakeside.put("billed_usage", 1, BILLED)
