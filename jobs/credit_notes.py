"""Credit notes against posted invoices, in PostgreSQL alone: drafted by one person, issued by another.

A note takes back whole lines of one invoice, with their shares of tax; the database copies the amounts from the invoice
with the sign turned, lets no line be taken back twice and no notes be more than their invoice. Issuing numbers the note
and reverses the ledger's postings of its lines in one transaction. Source: docs/billing.md, "Credit notes".
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from jobs.bill_decisions import refuse_approver
from jobs.bill_runs import transaction
from tollgate.billing.ledger import LEDGER_ACCOUNT
from tollgate.platform.crash import crash_point
from tollgate.platform.errors import TollgateError
from tollgate.platform.settings import Settings

SHOWN = 200
NOTE = """note_id, invoice_no, account_id, cycle_start, currency, status, credit_no, sequence, net, tax, total, reason,
drafted_by, decided_by, void_reason"""
# What can be taken back: a line that asks for something; of a forfeited deposit the line itself asks for nothing.
OPEN = """
SELECT l.line_no, l.amount + l.tax_share FROM billing.invoice_line AS l
WHERE l.invoice_no = %(invoice_no)s AND (l.amount <> 0 OR l.tax_share <> 0)
  AND (%(lines)s::integer[] IS NULL OR l.line_no = ANY (%(lines)s))
  AND NOT EXISTS (SELECT FROM billing.credit_note_line AS c
                  WHERE c.invoice_no = l.invoice_no AND c.line_no = l.line_no AND NOT c.is_void)
ORDER BY l.line_no
"""
# Two drafts of one invoice wait for each other here. The invoice itself cannot be locked: it never changes.
LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('credit of invoice', %s))"
BOUND = """
SELECT i.total, coalesce((SELECT -sum(n.total) FROM billing.credit_note AS n WHERE n.invoice_no = i.invoice_no
                          AND n.status <> 'void' AND n.note_id IS DISTINCT FROM %s), 0)
FROM billing.invoice AS i WHERE i.invoice_no = %s
"""
ISSUE = f"""
UPDATE billing.invoice_counter SET last_no = last_no + 1 WHERE series = 'credit_note';

UPDATE billing.credit_note SET status = 'issued', decided_by = %(person)s, decided_at = now(),
  credit_no = (SELECT last_no FROM billing.invoice_counter WHERE series = 'credit_note'),
  sequence = 1 + (SELECT coalesce(max(o.sequence), 0) FROM billing.credit_note AS o
                  WHERE o.account_id = credit_note.account_id AND o.cycle_start = credit_note.cycle_start)
WHERE note_id = %(note_id)s;

INSERT INTO billing.journal (note_id, account_id, currency)
SELECT note_id, account_id, currency FROM billing.credit_note WHERE note_id = %(note_id)s;

INSERT INTO billing.posting (journal_no, posting_no, ledger_account, tax_id, amount)
WITH line AS (
  SELECT l.kind, l.service, c.tax_id, c.amount, c.tax_share
  FROM billing.credit_note_line AS c JOIN billing.invoice_line AS l USING (invoice_no, line_no)
  WHERE c.note_id = %(note_id)s
), entry AS (
  SELECT 'receivable' AS ledger_account, NULL AS tax_id, amount + tax_share AS amount FROM line
  UNION ALL SELECT {LEDGER_ACCOUNT.replace("%", "%%")}, NULL, -amount FROM line
  UNION ALL SELECT 'tax_payable', tax_id, -tax_share FROM line
), summed AS (
  SELECT ledger_account, tax_id, sum(amount) AS amount FROM entry GROUP BY ledger_account, tax_id
  HAVING sum(amount) <> 0
)
SELECT (SELECT journal_no FROM billing.journal WHERE note_id = %(note_id)s),
  row_number() OVER (ORDER BY ledger_account, tax_id), ledger_account, tax_id, amount
FROM summed;
"""


def draft_credit(
    settings: Settings, invoice_no: int, lines: Sequence[int] | None, reason: str, person: str
) -> dict[str, Any]:
    """A draft that takes back these lines of an invoice, None for all that no other note has; nothing is booked yet.

    Raises TollgateError for an invoice or line that there is not, for one that is taken back already, for lines that
    would charge, and for more than the invoice.
    """
    if not reason.strip():
        raise TollgateError("a credit note says why", way_out="give --reason TEXT")
    with transaction(settings) as cursor:
        cursor.execute(
            "SELECT account_id, cycle_start, currency FROM billing.invoice WHERE invoice_no = %s", (invoice_no,)
        )
        head = cursor.fetchone()
        if head is None:
            raise TollgateError("no such invoice", found=str(invoice_no), way_out="look for its number in its run")
        cursor.execute(LOCK, (invoice_no,))
        wanted = None if lines is None else sorted(set(lines))
        cursor.execute(OPEN, {"invoice_no": invoice_no, "lines": wanted})
        found = dict(cursor.fetchall())
        missing = [line for line in wanted or () if line not in found]
        if missing or not found:
            raise TollgateError(
                "these lines cannot be taken back" if missing else "nothing of this invoice is left to take back",
                where=f"invoice {invoice_no}",
                expected="lines of the invoice that ask for something and that no other credit note has",
                found=f"lines {', '.join(map(str, missing))}" if missing else "none",
                way_out=f"see `tollgate bill credits --invoice {invoice_no}`",
            )
        _refuse_unbounded(cursor, invoice_no, sum(found.values(), Decimal(0)))
        cursor.execute(
            "INSERT INTO billing.credit_note (invoice_no, account_id, cycle_start, currency, reason, drafted_by) "
            "VALUES (%s, %s, %s, %s, %s, %s) RETURNING note_id",
            (invoice_no, *head, reason, person),
        )
        note_id = cursor.fetchone()[0]
        cursor.execute(
            "INSERT INTO billing.credit_note_line (note_id, line_no) SELECT %s, unnest(%s::integer[])",
            (note_id, list(found)),
        )
        return _note(cursor, note_id)


def issue_credit(settings: Settings, note_id: int, approver: str) -> dict[str, Any]:
    """draft -> issued: number, sequence and ledger postings in one transaction; an issued note is left as it is.

    Raises TollgateError for a void note, for one that would charge, for more than the invoice and, outside profile
    local, for who drafted it.
    """
    with transaction(settings) as cursor:
        cursor.execute("SELECT last_no FROM billing.invoice_counter WHERE series = 'credit_note' FOR UPDATE")
        note = _note(cursor, note_id)
        if note["status"] == "issued":
            return {**note, "note": "issued before; nothing was changed"}
        _expect_draft(note, "issue")
        refuse_approver(settings, note["drafted_by"], approver)
        # A draft of an older release may be either.
        cursor.execute(LOCK, (note["invoice_no"],))
        _refuse_unbounded(cursor, note["invoice_no"], -Decimal(note["total"]), note_id)
        cursor.execute(ISSUE, {"note_id": note_id, "person": approver})
        crash_point("credit.before_commit")
        issued = _note(cursor, note_id)
    crash_point("credit.after_commit")
    return issued


def void_credit(settings: Settings, note_id: int, person: str, reason: str) -> dict[str, Any]:
    """draft -> void: its lines can be taken back by another note; a void note is left as it is."""
    with transaction(settings) as cursor:
        note = _note(cursor, note_id)
        if note["status"] == "void":
            return {**note, "note": "void before; nothing was changed"}
        _expect_draft(note, "void")
        cursor.execute(
            "UPDATE billing.credit_note SET status = 'void', decided_by = %s, decided_at = now(), void_reason = %s "
            "WHERE note_id = %s",
            (person, reason, note_id),
        )
        cursor.execute("UPDATE billing.credit_note_line SET is_void = true WHERE note_id = %s", (note_id,))
        return _note(cursor, note_id)


def credits_of(settings: Settings, invoice_no: int | None = None) -> dict[str, Any]:
    """The newest credit notes, of an invoice or of all, with the numbers of the lines that each takes back."""
    query = f"""SELECT {NOTE}, (SELECT array_agg(line_no ORDER BY line_no) FROM billing.credit_note_line AS c
    WHERE c.note_id = n.note_id) AS lines FROM billing.credit_note AS n
    WHERE %s::bigint IS NULL OR invoice_no = %s ORDER BY note_id DESC LIMIT {SHOWN}"""
    with transaction(settings) as cursor:
        cursor.execute(query, (invoice_no, invoice_no))
        return {"credit_notes": [_plain(cursor, row) for row in cursor.fetchall()]}


def _refuse_unbounded(cursor: Any, invoice_no: int, credit: Decimal, note_id: int | None = None) -> None:
    """TollgateError for a note that gives nothing back, and where all notes would be more than their invoice.

    credit: what the note takes off, tax included, above 0; note_id: its number once it is a draft.
    """
    drop = "" if note_id is None else f", or void it: `tollgate bill credit --void {note_id} --reason TEXT`"
    if credit <= 0:
        raise TollgateError(
            "a credit note gives back, and this one would give nothing or charge", where=f"invoice {invoice_no}",
            expected="lines of more than 0 together, tax included", found=str(credit),
            way_out=f"take a discount back with the lines that it was on{drop}; what is to be paid is a charge of "
            "`tollgate charges`",
        )  # fmt: skip
    cursor.execute(BOUND, (note_id, invoice_no))
    invoiced, before = cursor.fetchone()
    if before + credit > invoiced:
        raise TollgateError(
            "the credit notes of this invoice would be more than the invoice", where=f"invoice {invoice_no}",
            expected=f"at most {invoiced} together, tax included", found=f"{credit}, after {before} on other notes",
            way_out=f"take its discounts and other credits back with these lines{drop}; what is due beyond it is a "
            "one-off credit of `tollgate charges`",
        )  # fmt: skip


def _note(cursor: Any, note_id: int) -> dict[str, Any]:
    cursor.execute(f"SELECT {NOTE} FROM billing.credit_note WHERE note_id = %s FOR UPDATE", (note_id,))
    row = cursor.fetchone()
    if row is None:
        raise TollgateError("no such credit note", found=str(note_id), way_out="see `tollgate bill credits`")
    return _plain(cursor, row)


def _expect_draft(note: dict[str, Any], action: str) -> None:
    if note["status"] != "draft":
        raise TollgateError(
            f"cannot {action} this credit note", where=f"credit note {note['note_id']}", expected="status draft",
            found=f"status {note['status']}",
        )  # fmt: skip


def _plain(cursor: Any, row: tuple[Any, ...]) -> dict[str, Any]:
    named = zip((column.name for column in cursor.description), row, strict=True)
    return {name: value if value is None or isinstance(value, (int, list)) else str(value) for name, value in named}
