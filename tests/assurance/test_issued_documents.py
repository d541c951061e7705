"""One error in what PostgreSQL has issued: `reconcile`'s own questions find it, asked of PostgreSQL alone."""

from __future__ import annotations

from decimal import Decimal

import psycopg2
import pytest
from answers import ask
from reference.places import own_places

from jobs.corrected_lines import GIVEN_BACK_ONCE
from jobs.credit_notes import draft_credit, issue_credit
from jobs.later_documents import later_documents
from jobs.reconcile import _from_postgres
from tollgate.assurance.conservation import EQUATIONS, balances
from tollgate.platform.postgres import migrate
from tollgate.platform.settings import Settings

# May: A and B pay 10.00 of voice, 1.30 of tax, and a deposit, A of 300.00 and B of 200.00. June: both forfeit it, and
# TAKEN, whose deposit was paid before, forfeits 50.00.
ISSUED = """
INSERT INTO crm.customer VALUES ('C', 'n', 'a@b', '1980-01-01', 'x', '2020-01-01');
INSERT INTO crm.account SELECT id, 'C', 'CAD', 'America/Toronto', 1, '2025-05-01', NULL, 'CA-ON'
FROM unnest(ARRAY['A', 'B', 'TAKEN']) AS id;
INSERT INTO ops.bill_run (run_id, cycle, kind, sequence, as_of, rating_no, snapshot_id, pricebook_version, after_runs,
  started_by, status, content_hash, approved_by, approved_at, posted_at, accounts, invoices, lines, net, tax, total,
  parked, not_due, outliers)
SELECT 'r' || no, '2025-0' || no, 'regular', 1, '2025-07-01Z', 1, 1, 1, '{}', 'ann', 'posted', repeat('a', 64), 'bob',
  now(), now(), 3, 3, 3, 0, 0, 0, 0, 0, 0 FROM unnest(ARRAY[5, 6]) AS no;
INSERT INTO billing.invoice (invoice_no, run_id, account_id, customer_id, cycle_start, cycle_end, invoice_kind,
  sequence, currency, minor_digits, lines, net, tax, total, content_hash)
VALUES (1, 'r5', 'A', 'C', '2025-05-01', '2025-06-01', 'regular', 1, 'CAD', 2, 2, 310, 1.3, 311.3, repeat('a', 64)),
  (2, 'r5', 'B', 'C', '2025-05-01', '2025-06-01', 'regular', 1, 'CAD', 2, 2, 210, 1.3, 211.3, repeat('b', 64)),
  (3, 'r6', 'A', 'C', '2025-06-01', '2025-07-01', 'regular', 1, 'CAD', 2, 1, 0, 0, 0, repeat('a', 64)),
  (4, 'r6', 'B', 'C', '2025-06-01', '2025-07-01', 'regular', 1, 'CAD', 2, 1, 0, 0, 0, repeat('b', 64)),
  (5, 'r6', 'TAKEN', 'C', '2025-06-01', '2025-07-01', 'regular', 1, 'CAD', 2, 1, 0, 0, 0, repeat('c', 64));
INSERT INTO billing.invoice_line (invoice_no, line_no, line_key, kind, subscription_id, service, origin_cycle,
  description, events, units, free_units, exact_total, amount, tax_category, tax_id, tax_share)
SELECT no, 1, 'usage|S|voice|z|h|2025-05-01|standard|', 'usage', 'S', 'voice', date '2025-05-01', 'Voice', 3, 60, 0, 10,
  10, 'standard', 'hst_on', 1.3 FROM generate_series(1, 2) AS no
UNION ALL SELECT no, 2, 'deposit|S|||||none|K', 'deposit', 'S', NULL, NULL, 'Deposit', 0, 0, 0, 400 - 100 * no,
  400 - 100 * no, 'none', NULL, 0 FROM generate_series(1, 2) AS no
UNION ALL SELECT no, 1, 'deposit_forfeit|S|||||none|K', 'deposit_forfeit', 'S', NULL, NULL, 'Deposit forfeited', 0, 0,
  0, 0, 0, 'none', NULL, 0 FROM generate_series(3, 5) AS no;
INSERT INTO billing.journal (invoice_no, run_id, account_id, currency)
SELECT invoice_no, run_id, account_id, currency FROM billing.invoice ORDER BY 1;
INSERT INTO billing.posting (journal_no, posting_no, ledger_account, tax_id, amount)
SELECT journal_no, row_number() OVER (PARTITION BY journal_no), ledger_account, tax_id, amount
FROM billing.journal JOIN (VALUES
  (1, 'receivable', NULL, 311.3), (1, 'revenue_voice', NULL, -10), (1, 'tax_payable', 'hst_on', -1.3),
  (1, 'deposit_liability', NULL, -300), (2, 'receivable', NULL, 211.3), (2, 'revenue_voice', NULL, -10),
  (2, 'tax_payable', 'hst_on', -1.3), (2, 'deposit_liability', NULL, -200),
  (3, 'deposit_liability', NULL, 300), (3, 'revenue_deposit_forfeited', NULL, -300),
  (4, 'deposit_liability', NULL, 200), (4, 'revenue_deposit_forfeited', NULL, -200),
  (5, 'deposit_liability', NULL, 50), (5, 'revenue_deposit_forfeited', NULL, -50)
) AS p (invoice_no, ledger_account, tax_id, amount) USING (invoice_no);
UPDATE billing.invoice_counter SET last_no = 5 WHERE series = 'regular'
"""
NUMBERS = "numbers follow the accounts of their run"
JOURNALS = "every journal is that of its own invoice"
FORFEITS = "forfeited deposits are those that were held"
NOTES, OF_NOTES = "every credit note is the lines that it turns", "every journal is that of its own credit note"
# Questions that one row for each run answers beside the lake's; here the lake is left out.
ASKED = (NUMBERS, JOURNALS, FORFEITS, NOTES, OF_NOTES)
EXCHANGED = "UPDATE billing.journal SET account_id = translate(account_id, 'AB', 'BA') WHERE run_id = 'r5'"
RENAMED = "UPDATE billing.{} SET account_id = '0' WHERE account_id = 'B'"
OF_DOCUMENT = "USING billing.journal AS j WHERE j.journal_no = posting.journal_no AND invoice_no ="
OF_NOTE = "journal_no = (SELECT journal_no FROM billing.journal WHERE note_id = 1)"
PLANTED = {
    "numbers in another order": (f"{RENAMED.format('invoice')}; {RENAMED.format('journal')}", {NUMBERS}),
    "an invoice of another account": (
        "UPDATE billing.invoice SET account_id = 'TAKEN' WHERE invoice_no = 2", {JOURNALS, FORFEITS},
    ),
    "the accounts of two journals exchanged": (EXCHANGED, {JOURNALS}),
    "a journal in another currency": ("UPDATE billing.journal SET currency = 'USD' WHERE invoice_no = 2", {JOURNALS}),
    "half of a deposit forfeited": (
        f"UPDATE billing.posting SET amount = posting.amount / 2 {OF_DOCUMENT.replace('USING', 'FROM')} 4", {FORFEITS},
    ),
    "nothing forfeited of what was taken over": (
        f"DELETE FROM billing.posting {OF_DOCUMENT} 5", {FORFEITS},
    ),
    "a cent more on a note's line": (
        "UPDATE billing.credit_note_line SET amount = amount - 0.01; UPDATE billing.credit_note SET "
        "net = net - 0.01, total = total - 0.01", {NOTES, OF_NOTES},
    ),
    "a cent of a note's tax made net": (
        "UPDATE billing.credit_note_line SET amount = amount - 0.01, tax_share = tax_share + 0.01", {NOTES},
    ),
    "a note that takes another tax back": ("UPDATE billing.credit_note_line SET tax_id = 'gst'", {NOTES}),
    "a note of another account": (
        "UPDATE billing.credit_note SET account_id = 'B'; UPDATE billing.journal SET account_id = 'B' "
        "WHERE note_id = 1", {NOTES},
    ),
    "another revenue taken back": (
        f"UPDATE billing.posting SET ledger_account = 'revenue_data' WHERE {OF_NOTE} "
        "AND ledger_account = 'revenue_voice'", {OF_NOTES},
    ),
    "a note without its journal": (
        f"DELETE FROM billing.posting WHERE {OF_NOTE}; DELETE FROM billing.journal WHERE note_id = 1", {OF_NOTES},
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def issued(services: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    made = own_places(services, tmp_path_factory.mktemp("issued"))
    migrate(made)
    ask(made, f"SET LOCAL session_replication_role = replica; {ISSUED}")
    note = draft_credit(made, 1, [1], "wrong rate", "ann")
    assert issue_credit(made, note["note_id"], "bob")["total"] == "-11.300"
    return made


def broken(settings: Settings) -> set[str]:
    """Names of ASKED that do not hold. The lake would say how many invoices there are; PostgreSQL says it here."""
    _, of_runs = _from_postgres(settings)
    equations, of_notes = later_documents(settings)
    invoices = {("invoices", part): value for (name, part), value in of_runs.items() if name == "issued_invoices"}
    asked = [one for one in (*EQUATIONS, *equations) if one.name in ASKED]
    assert {one.name for one in asked} == {*ASKED}
    found = balances({**of_runs, **of_notes, **invoices}, asked)
    assert all(any(one.equation.name == name and one.left_side > 0 for one in found) for name in ASKED)
    return {one.equation.name for one in found if not one.holds}


@pytest.mark.covers("BIL-13", "BIL-18", "BIL-19", "BIL-23")
@pytest.mark.parametrize("planted", PLANTED)
def test_an_error_planted_in_issued_documents_is_found(issued: Settings, planted: str) -> None:
    assert broken(issued) == set()
    statement, found = PLANTED[planted]
    tables = ("invoice", "journal", "posting", "credit_note", "credit_note_line")
    kept = "; ".join(f"CREATE TABLE public.kept_{name} AS SELECT * FROM billing.{name}" for name in tables)
    back = "; ".join(
        f"DELETE FROM billing.{name}; INSERT INTO billing.{name} OVERRIDING SYSTEM VALUE SELECT * FROM "
        f"public.kept_{name}; DROP TABLE public.kept_{name}"
        for name in tables
    )
    ask(issued, f"SET LOCAL session_replication_role = replica; {kept}; {statement}")
    try:
        assert broken(issued) == found
    finally:
        ask(issued, f"SET LOCAL session_replication_role = replica; {back}")
    assert Decimal(ask(issued, "SELECT sum(amount) FROM billing.posting")[0][0]) == 0


def test_no_two_questions_of_reconcile_give_a_measure_of_one_name(issued: Settings) -> None:
    of_documents, facts = later_documents(issued)
    _, of_runs = _from_postgres(issued)
    named = {name for one in of_documents for name in (*one.left, *one.right)}
    of_notes = {name for name, _ in facts}
    assert named <= of_notes
    assert not of_notes & ({name for name, _ in of_runs} | {*GIVEN_BACK_ONCE.left, *GIVEN_BACK_ONCE.right})


@pytest.mark.covers("BIL-19", "CON-11")
def test_what_was_billed_keeps_its_currency_and_its_lines(issued: Settings) -> None:
    ask(issued, "INSERT INTO crm.account SELECT 'NEW', customer_id, 'USD', time_zone, 1, '2025-05-01', NULL, 'CA-ON' "
                "FROM crm.account WHERE account_id = 'A'; "
                "INSERT INTO crm.phone_line VALUES ('S', 'A'), ('N', 'NEW'), ('T', 'A'); "
                "INSERT INTO crm.contract (contract_id, subscription_id, plan_id, starts_on) "
                "VALUES ('K', 'S', 'term', '2025-05-01'), ('L', 'N', 'term', '2025-05-01')")  # fmt: skip
    again = ("UPDATE crm.contract SET superseded_at = now() WHERE contract_id = '{0}' AND superseded_at IS NULL; "
             "INSERT INTO crm.contract (contract_id, subscription_id, plan_id, starts_on, recorded_at) "
             "VALUES ('{0}', '{1}', 'term', '2025-05-01', now() + interval '1 second')")  # fmt: skip
    for statement, why in (
        ("UPDATE crm.account SET currency = 'USD' WHERE account_id = 'A'", "has been billed in CAD"),
        ("UPDATE crm.phone_line SET account_id = 'NEW' WHERE subscription_id = 'S'", "the line stays with it"),
        ("UPDATE crm.contract SET subscription_id = 'N' WHERE contract_id = 'K'", "the contract stays with it"),
        (again.format("K", "N"), "the contract stays with it"),
    ):
        with pytest.raises(psycopg2.Error, match=why) as refused:
            ask(issued, statement)
        assert refused.value.pgcode == "TG001"
    ask(issued, "UPDATE crm.account SET currency = 'CAD' WHERE account_id = 'NEW'")
    ask(issued, again.format("K", "T"))
    ask(issued, "UPDATE crm.phone_line SET account_id = 'A' WHERE subscription_id = 'N'")
