"""`tollgate bill credit` on an invoice by hand, against PostgreSQL alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg2
import pytest
from answers import ask
from reference.places import own_places

from jobs import bill, credit_notes
from jobs.later_documents import later_documents
from tollgate.assurance.conservation import balances
from tollgate.platform.errors import TollgateError
from tollgate.platform.postgres import migrate
from tollgate.platform.settings import Settings

# 1: a fee of 20.00, tax 2.60; 2: usage 10.00, tax 1.30; 3: 10 % off it, tax -0.13; 4: a deposit; 5: one forfeited, 0
INVOICE = """
INSERT INTO crm.customer VALUES ('C', 'n', 'a@b', '1980-01-01', 'x', '2020-01-01');
INSERT INTO crm.account VALUES ('A', 'C', 'CAD', 'America/Toronto', 1, '2025-05-01', NULL, 'CA-ON');
INSERT INTO ops.bill_run (run_id, cycle, kind, sequence, as_of, rating_no, snapshot_id, pricebook_version, after_runs,
  started_by)
VALUES ('r', '2025-05', 'regular', 1, '2025-06-01Z', 1, 1, 1, '{}', 'ann');
INSERT INTO billing.invoice (invoice_no, run_id, account_id, customer_id, cycle_start, cycle_end, invoice_kind,
  sequence, currency, minor_digits, lines, net, tax, total, content_hash)
VALUES (7, 'r', 'A', 'C', '2025-05-01', '2025-06-01', 'regular', 1, 'CAD', 2, 5, 329, 3.77, 332.77, repeat('a', 64));
INSERT INTO billing.invoice_line (invoice_no, line_no, line_key, kind, service, origin_cycle, description, events,
  units, free_units, exact_total, amount, tax_category, tax_id, tax_share)
VALUES (7, 1, 'a', 'recurring', NULL, NULL, 'Fee', 0, 1, 0, 20, 20, 'standard', 'hst_on', 2.6),
  (7, 2, 'b', 'usage', 'voice', '2025-05-01', 'Voice', 3, 60, 0, 10, 10, 'standard', 'hst_on', 1.3),
  (7, 3, 'c', 'discount', NULL, '2025-05-01', 'Spring', 0, 0, 0, -1, -1, 'standard', 'hst_on', -0.13),
  (7, 4, 'd', 'deposit', NULL, NULL, 'Deposit', 0, 0, 0, 300, 300, 'none', NULL, 0),
  (7, 5, 'e', 'deposit_forfeit', NULL, NULL, 'Deposit forfeited', 0, 0, 0, 0, 0, 'none', NULL, 0)
"""
DOCUMENT = """SELECT jsonb_array_length(document->'lines'), document->>'net', document->>'total'
FROM billing.invoice_document"""


@pytest.fixture(scope="module")
def desk(services: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    made = own_places(services, tmp_path_factory.mktemp("credits"))
    migrate(made)
    ask(made, INVOICE)
    return made


def command(settings: Settings) -> Callable[..., dict[str, Any]]:
    def call(*argv: str) -> dict[str, Any]:
        return bill.done(settings, bill.parser().parse_args(list(argv)), lambda _: pytest.fail("Spark was started"))

    return call


def test_what_cannot_be_taken_back_is_refused(desk: Settings) -> None:
    credit = command(desk)
    assert later_documents(desk) == ((), {})
    for wrong, told in (
        (("--invoice", "8", "--reason", "x"), "no such invoice"),
        (("--invoice", "7"), "says why"),
        (("--invoice", "7", "--line", "5", "--line", "9", "--reason", "x"), "lines 5, 9"),
        (("--issue", "99",), "no such credit note"),
    ):  # fmt: skip
        with pytest.raises(TollgateError, match=told):
            credit("credit", *wrong)


@pytest.mark.covers("BIL-19", "BIL-16")
def test_lines_are_taken_back_once_by_two_people(desk: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    credit = command(desk)
    first = credit("credit", "--invoice", "7", "--line", "3", "--line", "2", "--reason", "wrong rate", "--by", "ann")
    assert [first[name] for name in ("status", "credit_no", "net", "tax", "total")] == [
        "draft", None, "-9.000", "-1.170", "-10.170",
    ]  # fmt: skip
    with pytest.raises(TollgateError, match="lines 2"):
        credit("credit", "--invoice", "7", "--line", "2", "--reason", "again")
    note = str(first["note_id"])
    abroad = desk.model_copy(update={"profile": "one-server"})
    with pytest.raises(TollgateError, match="cannot approve it"):
        credit_notes.issue_credit(abroad, first["note_id"], "ann")

    # Killed before the commit nothing of it stands, and it is done again whole.
    def dies(point: str) -> None:
        if point == "credit.before_commit":
            raise KeyboardInterrupt(point)

    monkeypatch.setattr(credit_notes, "crash_point", dies)
    with pytest.raises(KeyboardInterrupt):
        credit("credit", "--issue", note, "--approver", "bob")
    monkeypatch.undo()
    assert ask(desk, "SELECT count(*) FROM billing.journal") == [(0,)]
    issued = credit("credit", "--issue", note, "--approver", "bob")
    assert [issued[name] for name in ("status", "credit_no", "sequence", "decided_by")] == ["issued", 1, 1, "bob"]
    assert credit("credit", "--issue", note, "--approver", "eve")["note"] == "issued before; nothing was changed"
    entries = (
        "SELECT ledger_account, tax_id, amount::text FROM billing.posting JOIN billing.journal USING (journal_no) "
    )
    assert ask(desk, entries + f"WHERE note_id = {note} ORDER BY 1") == [
        ("receivable", None, "-10.170"), ("revenue_discount", None, "-1.000"), ("revenue_voice", None, "10.000"),
        ("tax_payable", "hst_on", "1.170"),
    ]  # fmt: skip


def test_what_is_left_can_be_taken_back_and_a_void_draft_lets_go(desk: Settings) -> None:
    credit = command(desk)
    # All that is left: the fee and the deposit. A draft that is void lets go of them.
    void = credit("credit", "--invoice", "7", "--reason", "all")
    assert void["total"] == "-322.600"
    assert credit("credit", "--void", str(void["note_id"]), "--reason", "not so", "--by", "ann")["status"] == "void"
    rest = credit("credit", "--invoice", "7", "--reason", "all of it", "--by", "ann")
    last = credit("credit", "--issue", str(rest["note_id"]), "--approver", "bob")
    assert [last[name] for name in ("credit_no", "sequence", "total")] == [2, 2, "-322.600"]
    with pytest.raises(TollgateError, match="nothing of this invoice is left"):
        credit("credit", "--invoice", "7", "--reason", "more")
    with pytest.raises(TollgateError, match="status issued"):
        credit("credit", "--void", "1", "--reason", "late")


@pytest.mark.covers("BIL-23")
def test_notes_are_the_whole_invoice_which_stays_as_it_was(desk: Settings) -> None:
    equations, facts = later_documents(desk)
    assert {balance.equation.name: balance.holds for balance in balances(facts, equations)} == {
        "credit notes turn their lines": True, "receivable is the sum of credit notes": True,
        "debits of credit notes are credits": True,
    }  # fmt: skip
    # 10.17 and 322.60 are all of 332.77
    assert f"{facts['credited', 'all']:.2f}" == "-332.77"
    assert ask(desk, DOCUMENT) == [(5, "329.00", "332.77")]
    listed = command(desk)("credits", "--invoice", "7")["credit_notes"]
    assert [(one["status"], one["lines"]) for one in listed] == [
        ("issued", [1, 4]),
        ("void", [1, 4]),
        ("issued", [2, 3]),
    ]
    documents = ask(
        desk, "SELECT document->>'invoice_kind', document->>'total' FROM billing.credit_note_document ORDER BY 2"
    )
    assert documents == [("credit_note", "-10.17"), ("credit_note", "-322.60")]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE billing.credit_note SET total = 0, net = 0, tax = 0 WHERE credit_no = 1",
        "DELETE FROM billing.credit_note WHERE credit_no = 1",
        "UPDATE billing.credit_note_line SET is_void = true",
        "INSERT INTO billing.credit_note_line (note_id, line_no) VALUES (1, 5)",
        "TRUNCATE billing.credit_note_line",
    ],
)
def test_an_issued_note_does_not_change(desk: Settings, statement: str) -> None:
    with pytest.raises(psycopg2.Error, match=r"refused|no line can be added"):
        ask(desk, statement)
