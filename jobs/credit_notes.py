"""Credit notes against posted invoices, in PostgreSQL alone: drafted by one person, issued by another.

A note takes back whole lines of one invoice, with their shares of tax; the database copies the amounts from the invoice
with the sign turned, lets no line be taken back twice, also not by a correction of its usage, and no notes be more than
their invoice. Issuing numbers the note and reverses the ledger's postings of its lines in one transaction.
Source: docs/billing.md, "Credit notes".
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

SHOWN, LINES_SHOWN = 200, 10
NOTE = """note_id, invoice_no, account_id, cycle_start, currency, status, credit_no, sequence, net, tax, total, reason,
drafted_by, decided_by, void_reason"""
# What is not for a note (billing.obstacle_to_credit), why, and what there is instead.
NOT_BY_NOTE = {
    "corrected": (
        "a correction takes usage of it back",
        "correct the rest too (`tollgate correct-usage`), or give a one-off credit of `tollgate charges`",
    ),
    "follows": (
        "it follows from usage that a correction takes back, and is reckoned again with it",
        "what is still wrong is a one-off charge or credit of `tollgate charges`",
    ),
    "minimum": ("later bills lower it by late usage", "give a one-off credit of `tollgate charges`"),
    "prepaid": (
        "it is of prepaid credit, which no note gives back",
        "correct the usage (`tollgate correct-usage`), or give a one-off credit of `tollgate charges`",
    ),
}
# What asks for something; of a forfeited deposit the line itself asks for nothing.
CREDITABLE = """
SELECT invoice_no, line_no, amount + tax_share AS asked, billing.obstacle_to_credit(invoice_no, line_no) AS obstacle
FROM billing.invoice_line WHERE invoice_no = %(invoice_no)s AND (amount <> 0 OR tax_share <> 0)
"""
OPEN = f"""
WITH creditable AS ({CREDITABLE})
SELECT line_no, asked, obstacle FROM creditable AS l
WHERE (%(lines)s::integer[] IS NULL OR line_no = ANY (%(lines)s))
  AND NOT EXISTS (SELECT FROM billing.credit_note_line AS c
                  WHERE c.invoice_no = l.invoice_no AND c.line_no = l.line_no AND NOT c.is_void)
ORDER BY line_no
"""
ON_NOTES = """
SELECT line_no, note_id FROM billing.credit_note_line WHERE invoice_no = %s AND line_no = ANY (%s::integer[])
AND NOT is_void
"""
# A draft of an older release may have such lines.
OBSTACLES = f"""
WITH creditable AS ({CREDITABLE})
SELECT line_no, obstacle FROM creditable JOIN billing.credit_note_line USING (invoice_no, line_no)
WHERE note_id = %(note_id)s AND obstacle IS NOT NULL ORDER BY line_no
"""
# Of a note and a correction of its lines that come at once, the second one waits here and sees the first.
UNCORRECTED = "LOCK TABLE billing.corrected_line IN SHARE MODE"
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
    """A draft that takes back these lines of an invoice, None for all that are left; nothing is booked yet. `left_out`
    tells which of all lines no note takes back, and why.

    Raises TollgateError for an invoice or line that there is not, for one that is taken back already, by a note or a
    correction, for prepaid credit, for lines that would charge, and for more than the invoice.
    """
    _refuse_without_reason(reason)
    with transaction(settings) as cursor:
        cursor.execute(
            "SELECT account_id, cycle_start, currency FROM billing.invoice WHERE invoice_no = %s", (invoice_no,)
        )
        head = cursor.fetchone()
        if head is None:
            raise TollgateError("no such invoice", found=str(invoice_no), way_out="look for its number in its run")
        cursor.execute(UNCORRECTED)
        cursor.execute(LOCK, (invoice_no,))
        wanted = None if lines is None else sorted(set(lines))
        cursor.execute(OPEN, {"invoice_no": invoice_no, "lines": wanted})
        asked = cursor.fetchall()
        found = {line: amount for line, amount, obstacle in asked if obstacle is None}
        obstacles = [(line, obstacle) for line, _, obstacle in asked if obstacle is not None]
        if obstacles and (wanted is not None or not found):
            raise _not_by_note(f"invoice {invoice_no}", obstacles)
        missing = [line for line in wanted or () if line not in found]
        if missing or not found:
            cursor.execute(ON_NOTES, (invoice_no, missing))
            noted = dict(cursor.fetchall())
            told = [f"{line}{f' (on credit note {noted[line]})' if line in noted else ''}" for line in missing]
            raise TollgateError(
                "these lines cannot be taken back" if missing else "nothing of this invoice is left to take back",
                where=f"invoice {invoice_no}",
                expected="lines of the invoice that ask for something and that no other credit note has",
                found=f"lines {', '.join(told)}" if missing else "none",
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
        left = {"left_out": _obstacles_told(obstacles)} if obstacles else {}
        return {**_note(cursor, note_id), **left}


def issue_credit(settings: Settings, note_id: int, approver: str) -> dict[str, Any]:
    """draft -> issued: number, sequence and ledger postings in one transaction; an issued note is left as it is.

    Raises TollgateError for a void note, for one that would charge, for more than the invoice, for lines that no note
    gives back and, outside profile local, for who drafted it.
    """
    with transaction(settings) as cursor:
        cursor.execute("SELECT last_no FROM billing.invoice_counter WHERE series = 'credit_note' FOR UPDATE")
        note = _note(cursor, note_id)
        if note["status"] == "issued":
            return {**note, "note": "issued before; nothing was changed"}
        _expect_draft(note, "issue")
        refuse_approver(settings, note["drafted_by"], approver)
        # A draft of an older release may be any of these.
        cursor.execute(UNCORRECTED)
        cursor.execute(LOCK, (note["invoice_no"],))
        cursor.execute(OBSTACLES, {"invoice_no": note["invoice_no"], "note_id": note_id})
        obstacles = cursor.fetchall()
        if obstacles:
            raise _not_by_note(f"credit note {note_id} of invoice {note['invoice_no']}", obstacles, note_id)
        _refuse_unbounded(cursor, note["invoice_no"], -Decimal(note["total"]), note_id)
        cursor.execute(ISSUE, {"note_id": note_id, "person": approver})
        crash_point("credit.before_commit")
        issued = _note(cursor, note_id)
    crash_point("credit.after_commit")
    return issued


def void_credit(settings: Settings, note_id: int, person: str, reason: str) -> dict[str, Any]:
    """draft -> void: its lines can be taken back by another note; a void note is left as it is."""
    _refuse_without_reason(reason)
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


def _refuse_without_reason(reason: str) -> None:
    if not reason.strip():
        raise TollgateError("a credit note says why, and so does who makes one void", way_out="give --reason TEXT")


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


def _not_by_note(where: str, obstacles: Sequence[tuple[int, str]], note_id: int | None = None) -> TollgateError:
    """The error of lines that no note gives back: why each, by its number, and what there is instead."""
    drop = [] if note_id is None else [f"void the draft: `tollgate bill credit --void {note_id} --reason TEXT`"]
    instead = dict.fromkeys(NOT_BY_NOTE[obstacle][1] for _, obstacle in obstacles)
    return TollgateError(
        "no credit note takes these lines back", where=where, found=_obstacles_told(obstacles),
        way_out="; ".join([*drop, *instead]),
    )  # fmt: skip


def _obstacles_told(obstacles: Sequence[tuple[int, str]]) -> str:
    told = [f"line {line}: {NOT_BY_NOTE[obstacle][0]}" for line, obstacle in obstacles[:LINES_SHOWN]]
    return "; ".join([*told, *([f"{len(obstacles) - LINES_SHOWN} more"] if len(obstacles) > LINES_SHOWN else [])])


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
            way_out="draft another one; what an issued one gave too much is a one-off charge of `tollgate charges`",
        )  # fmt: skip


def _plain(cursor: Any, row: tuple[Any, ...]) -> dict[str, Any]:
    named = zip((column.name for column in cursor.description), row, strict=True)
    return {name: value if value is None or isinstance(value, (int, list)) else str(value) for name, value in named}
