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
  (7, 2, 'b|', 'usage', 'voice', '2025-05-01', 'Voice', 3, 60, 0, 10, 10, 'standard', 'hst_on', 1.3),
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
        (("--void", "99"), "says why"),
        (("--issue", "99", "--line", "3"), "issued or made void as it is"),
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
    with pytest.raises(TollgateError, match=r"lines 2 \(on credit note 1\)"):
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
        "debits of credit notes are credits": True, "every credit note is the lines that it turns": True,
        "every journal is that of its own credit note": True,
    }  # fmt: skip
    assert (facts["credit_notes", "all"], facts["credit_journals", "all"]) == (2, 2)
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


# The same lines on invoice 8, of June: with their tax 22.60, 11.30, -1.13 and 300.00, in all 332.77.
IN_JUNE = """
INSERT INTO billing.invoice SELECT 8, run_id, account_id, customer_id, '2025-06-01', '2025-07-01', invoice_kind,
  sequence, currency, minor_digits, lines, net, tax, total, content_hash, posted_at
FROM billing.invoice WHERE invoice_no = 7;
INSERT INTO billing.invoice_line (invoice_no, line_no, line_key, kind, service, origin_cycle, description, events,
  units, free_units, exact_total, amount, tax_category, tax_id, tax_share)
SELECT 8, line_no, line_key, kind, service, origin_cycle, description, events, units, free_units, exact_total, amount,
  tax_category, tax_id, tax_share
FROM billing.invoice_line WHERE invoice_no = 7
"""
BY_HAND = """
INSERT INTO billing.credit_note (invoice_no, account_id, cycle_start, currency, reason, drafted_by)
VALUES (8, 'A', '2025-06-01', 'CAD', 'by hand', 'ann');
INSERT INTO billing.credit_note_line (note_id, line_no)
SELECT (SELECT max(note_id) FROM billing.credit_note), unnest('{}'::integer[])
"""


@pytest.mark.covers("BIL-16", "BIL-19")
def test_notes_give_back_and_are_never_more_than_their_invoice(desk: Settings) -> None:
    credit = command(desk)
    ask(desk, IN_JUNE)
    june = ("--invoice", "8", "--reason", "x", "--by", "ann")
    # Without the discount of 1.13 the other lines are 333.90; the discount alone would charge 1.13.
    more, charges = ("--line", "1", "--line", "2", "--line", "4"), ("--line", "3")
    for lines, why, found in ((more, "more than the invoice", "333.900"), (charges, "or charge", "-1.130")):
        with pytest.raises(TollgateError, match=why) as refused:
            credit("credit", *june, *lines)
        assert refused.value.found.startswith(found)
    for lines, why in (("{1,2,4}", "333.900 together, expected at most its total 332.770"),
                       ("{3}", "total 1.130, expected one below 0"), ("{}", "total 0.000, expected one")):  # fmt: skip
        with pytest.raises(psycopg2.Error, match=why):
            ask(desk, BY_HAND.format(lines))
    # Drafts count: after 300.00 there are 32.77 left, which the fee and the usage are more than by the discount.
    deposit = credit("credit", *june, "--line", "4")
    with pytest.raises(TollgateError, match="more than the invoice") as refused:
        credit("credit", *june, "--line", "1", "--line", "2")
    assert refused.value.found == "33.900, after 300.000 on other notes"
    rest = credit("credit", *june)
    assert (rest["total"], deposit["total"]) == ("-32.770", "-300.000")
    for note in (rest, deposit):
        assert credit("credit", "--issue", str(note["note_id"]), "--approver", "bob")["status"] == "issued"


def test_a_draft_of_an_older_release_that_would_charge_can_only_be_made_void(desk: Settings) -> None:
    credit = command(desk)
    ask(desk, IN_JUNE.replace("SELECT 8", "SELECT 9").replace("2025-06-01', '2025-07-01", "2025-07-01', '2025-08-01"))
    switch = "ALTER TABLE billing.credit_note {} TRIGGER never_more_than_the_invoice"
    for statement in (switch.format("DISABLE"), BY_HAND.format("{3}").replace("(8", "(9"), switch.format("ENABLE")):
        ask(desk, statement)
    (note,) = (one for one in credit("credits", "--invoice", "9")["credit_notes"] if one["status"] == "draft")
    with pytest.raises(TollgateError, match="would give nothing or charge") as refused:
        credit("credit", "--issue", str(note["note_id"]), "--approver", "bob")
    assert f"--void {note['note_id']}" in refused.value.way_out
    assert credit("credit", "--void", str(note["note_id"]), "--reason", "wrong")["status"] == "void"


@pytest.mark.covers("BIL-19", "BIL-11")
def test_usage_that_is_corrected_and_prepaid_credit_are_given_back_by_no_note(desk: Settings) -> None:
    credit = command(desk)
    # In August the usage stands under a key of its own, and a top-up is in the place of the deposit.
    august = IN_JUNE.replace("SELECT 8", "SELECT 10").replace("2025-06-01', '2025-07-01", "2025-08-01', '2025-09-01")
    ask(desk, august.replace("line_key, kind, service, origin_cycle, description, events, units, free_units, exact",
        "CASE WHEN line_no = 2 THEN 'fixed|' ELSE line_key END, CASE WHEN line_no = 4 THEN 'top_up' ELSE kind END, "
        "service, origin_cycle, description, events, units, free_units, exact"))  # fmt: skip
    purse = [
        ("usage", "usage|S|voice|K"),
        ("usage_correction", "k|K"),
        ("prepaid_used", "p|"),
        ("usage", "usage|S|"),
    ]
    asked = ", ".join(f"billing.is_of_prepaid_credit('{kind}', '{key}')" for kind, key in purse)
    assert ask(desk, f"SELECT {asked}") == [(True, True, True, False)]
    august = ("--invoice", "10", "--reason", "x", "--by", "ann")
    before = credit("credit", *august, "--line", "2")
    ask(desk, "INSERT INTO billing.corrected_line VALUES ('r', 'A', 'fixed|', 3)")
    # A draft that was there before the release which announces corrections cannot be issued either.
    with pytest.raises(TollgateError, match="no credit note takes these lines back") as refused:
        credit("credit", "--issue", str(before["note_id"]), "--approver", "bob")
    assert refused.value.found == "line 2: a correction takes usage of it back"
    assert f"--void {before['note_id']}" in refused.value.way_out
    credit("credit", "--void", str(before["note_id"]), "--reason", "corrected")
    with pytest.raises(TollgateError, match="no credit note") as refused:
        credit("credit", *august, "--line", "2", "--line", "4")
    assert refused.value.found == (
        "line 2: a correction takes usage of it back; line 4: it is of prepaid credit, which no note gives back"
    )
    by_hand = BY_HAND.replace("(8", "(10").replace("2025-06-01", "2025-08-01")
    for line, why in ((2, "a correction takes usage of it back"), (4, "it is of prepaid credit"),
                      (3, "it follows from usage that a correction takes back")):  # fmt: skip
        with pytest.raises(psycopg2.Error, match=f"line {line}: no credit note takes it back: {why}"):
            ask(desk, by_hand.format(f"{{1,{line}}}"))
    # All that is left is the fee: the discount is reckoned again with the usage that it was on.
    rest = credit("credit", *august)
    assert rest["total"] == "-22.600"
    assert rest["left_out"].split("; ")[1] == (
        "line 3: it follows from usage that a correction takes back, and is reckoned again with it"
    )


@pytest.mark.covers("BIL-19")
def test_a_minimum_that_later_bills_lower_is_given_back_by_no_note(desk: Settings) -> None:
    september = IN_JUNE.replace("SELECT 8", "SELECT 11").replace("2025-06-01', '2025-07-01", "2025-09-01', '2025-10-01")
    kinds = "line_key, kind, service, origin_cycle, description, events, units, free_units, exact"
    ask(
        desk,
        september.replace(kinds, kinds.replace("kind,", "CASE WHEN line_no = 4 THEN 'minimum_spend' ELSE kind END,")),
    )
    with pytest.raises(TollgateError, match="no credit note takes these lines back") as refused:
        command(desk)("credit", "--invoice", "11", "--reason", "x", "--line", "4")
    assert refused.value.found == "line 4: later bills lower it by late usage"
