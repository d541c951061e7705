"""One error in the journal of a document: that document disagrees, and no other one."""

from __future__ import annotations

import pytest

from tollgate.assurance.journals import CHECKED_JOURNALS
from tollgate.platform.postgres import connect
from tollgate.platform.settings import Settings

# A: 1.00 of voice and 0.30 of a fee, tax 0.13, and a deposit of 300.00 that is forfeited. B: 2.00 of data, tax 0.26.
# C: the statement of a prepaid contract that opens with 100.00.
HEAD = [("A", "p", "0.13", "1.43"), ("B", "p", "0.26", "2.26"), ("C", "p", "0", "0")]
LINE = [
    ("A", "usage", "voice", "1.00", "hst", "0.13"), ("A", "deposit_forfeit", None, "0", None, "0"),
    ("A", "recurring", None, "0.30", None, "0"), ("B", "usage", "data", "2.00", "hst", "0.26"),
    ("C", "prepaid_balance", None, "0", None, "0"),
]  # fmt: skip
BOOKED = [
    ("A", "receivable", None, "1.43"), ("A", "revenue_voice", None, "-1.00"), ("A", "revenue_recurring", None, "-0.30"),
    ("A", "tax_payable", "hst", "-0.13"), ("A", "deposit_liability", None, "300"),
    ("A", "revenue_deposit_forfeited", None, "-300"), ("B", "receivable", None, "2.26"),
    ("B", "revenue_data", None, "-2.00"), ("B", "tax_payable", "hst", "-0.26"),
    ("C", "prepaid_credit_given", None, "100"), ("C", "prepaid_liability", None, "-100"),
]  # fmt: skip
OTHER = {"A": "B", "B": "A"}


def changed(*new: tuple[str | None, ...]) -> list[tuple[str | None, ...]]:
    """BOOKED with other postings of A in place of those to the same ledger accounts, or beside them."""
    named = {row[1]: row for row in new}
    kept = [named.pop(row[1], row) if row[0] == "A" else row for row in BOOKED]
    return [*kept, *named.values()]


PLANTED = {
    "nothing": (BOOKED, []),
    "a cent between tax and revenue": (
        changed(("A", "tax_payable", "hst", "-0.12"), ("A", "revenue_voice", None, "-1.01")), ["A"],
    ),
    "another tax": (changed(("A", "tax_payable", "gst", "-0.13")), ["A"]),
    "another revenue": (
        [("A", "revenue_data", None, "-1.00") if row[1] == "revenue_voice" else row for row in BOOKED], ["A"],
    ),
    "the postings of two accounts exchanged": (
        [(OTHER.get(str(row[0]), row[0]), *row[1:]) for row in BOOKED], ["A", "B"],
    ),
    "a deposit that only left": (changed(("A", "deposit_liability", None, "299.99")), ["A"]),
    "a posting missing": ([row for row in BOOKED if row[1] != "revenue_recurring"], ["A"]),
    "postings of nobody": ([*BOOKED, ("Z", "receivable", None, "1"), ("Z", "revenue_sms", None, "-1")], ["Z"]),
}  # fmt: skip


@pytest.mark.covers("BIL-13", "BIL-18", "BIL-23")
@pytest.mark.parametrize("planted", PLANTED)
def test_a_journal_is_that_of_its_own_document(services: Settings, planted: str) -> None:
    booked, disagreeing = PLANTED[planted]
    session = connect(services)
    with session, session.cursor() as cursor:
        for table, columns, rows in (
            ("head", "document text, part text, tax numeric(18,3), total numeric(18,3)", HEAD),
            ("line", "document text, kind text, service text, amount numeric(18,3), tax_id text, "
             "tax_share numeric(18,3)", LINE),
            ("booked", "document text, ledger_account text, tax_id text, amount numeric(18,3)", booked),
        ):  # fmt: skip
            cursor.execute(f"CREATE TEMP TABLE {table} ({columns}) ON COMMIT DROP")
            for row in rows:
                cursor.execute(f"INSERT INTO {table} VALUES ({', '.join(['%s'] * len(row))})", row)
        cursor.execute(f"WITH {CHECKED_JOURNALS} SELECT document FROM checked WHERE NOT agrees ORDER BY 1")
        assert [document for (document,) in cursor.fetchall()] == disagreeing
    session.close()
