"""One-off charges and credit notes in the equations of `reconcile`: asked of PostgreSQL, once there are any."""

from __future__ import annotations

from decimal import Decimal

from tollgate.assurance.conservation import NO_PART, Equation, Measures
from tollgate.assurance.journals import CHECKED_JOURNALS
from tollgate.platform.postgres import connect
from tollgate.platform.settings import Settings

_OF_CHARGES = tuple(
    Equation("billing", f"{what} are billed or awaited", (f"{name}_entered",), (f"{name}_billed", f"{name}_awaited"))
    for what, name in (("one-off charges", "one_off"), ("instalments", "instalments"))
)
# The instalments of each charge, split here once more: an invoice that had another share would not add up.
_CHARGES = """
WITH whole AS (
    SELECT *, power(10::numeric, minor_digits) AS coins FROM crm.adjustment
), part AS (
    SELECT adjustment_id || CASE WHEN instalments > 1 THEN '/' || n ELSE '' END AS ref,
           sign(amount) * (div(abs(amount) * coins, instalments)
             + (n <= mod(abs(amount) * coins, instalments))::int) / coins AS amount
    FROM whole, generate_series(1, instalments) AS n
), billed AS (
    SELECT split_part(line_key, '|', 8) AS ref, amount FROM billing.invoice_line
    WHERE kind IN ('one_off', 'one_off_credit')
)
SELECT 'one_off_entered', coalesce(sum(amount), 0) FROM crm.adjustment
UNION ALL SELECT 'one_off_billed', coalesce(sum(amount), 0) FROM billed
UNION ALL SELECT 'one_off_awaited', coalesce(sum(amount), 0) FROM part WHERE ref NOT IN (SELECT ref FROM billed)
UNION ALL SELECT 'instalments_entered', coalesce(sum(instalments), 0) FROM crm.adjustment
UNION ALL SELECT 'instalments_billed', count(*) FROM billed
UNION ALL SELECT 'instalments_awaited', count(*) FROM part WHERE ref NOT IN (SELECT ref FROM billed)
"""
_OF_CREDITS = (
    Equation("ledger", "credit notes turn their lines", ("credited_lines",), ("credited",)),
    Equation("ledger", "receivable is the sum of credit notes", ("credit_receivable",), ("credited",)),
    Equation("ledger", "debits of credit notes are credits", ("credit_debits",), ("credit_credits",)),
    Equation("ledger", "every credit note is the lines that it turns", ("credit_notes",), ("credit_notes_that_sum",)),
    Equation(
        "ledger", "every journal is that of its own credit note", ("credit_journals",), ("credit_journals_that_agree",)
    ),
)
# A note's journal asks for the turned lines as an invoice's for its own.
_CREDITS = f"""
WITH issued AS (SELECT * FROM billing.credit_note WHERE status = 'issued'),
posting AS (SELECT p.* FROM billing.posting AS p JOIN billing.journal USING (journal_no) JOIN issued USING (note_id)),
turned AS (
  SELECT c.note_id, l.kind, l.service, l.tax_id, -l.amount AS amount, -l.tax_share AS tax_share,
    (c.invoice_no, c.amount, c.tax_share) = (n.invoice_no, -l.amount, -l.tax_share)
      AND c.tax_id IS NOT DISTINCT FROM l.tax_id AS agrees
  FROM issued AS n JOIN billing.credit_note_line AS c USING (note_id)
  JOIN billing.invoice_line AS l ON l.invoice_no = c.invoice_no AND l.line_no = c.line_no
), summed AS (
  SELECT note_id, sum(amount) AS net, sum(tax_share) AS tax, bool_and(agrees) AS agrees FROM turned GROUP BY note_id
),
head AS (SELECT note_id AS document, 'all' AS part, tax, total FROM issued),
line AS (SELECT note_id AS document, kind, service, amount, tax_id, tax_share FROM turned),
booked AS (
  SELECT j.note_id AS document, p.ledger_account, p.tax_id, p.amount
  FROM billing.posting AS p JOIN billing.journal AS j USING (journal_no) JOIN issued AS n USING (note_id)
  WHERE (j.account_id, j.currency) = (n.account_id, n.currency)
),
{CHECKED_JOURNALS}
SELECT 'credited', coalesce(sum(total), 0) FROM issued
UNION ALL SELECT 'credited_lines', coalesce(-sum(l.amount + l.tax_share), 0) FROM issued
  JOIN billing.credit_note_line AS c USING (note_id) JOIN billing.invoice_line AS l
  ON l.invoice_no = c.invoice_no AND l.line_no = c.line_no
UNION ALL SELECT 'credit_receivable', coalesce(sum(amount), 0) FROM posting WHERE ledger_account = 'receivable'
UNION ALL SELECT 'credit_debits', coalesce(sum(amount) FILTER (WHERE amount > 0), 0) FROM posting
UNION ALL SELECT 'credit_credits', coalesce(-sum(amount) FILTER (WHERE amount < 0), 0) FROM posting
UNION ALL SELECT 'credit_notes', count(*) FROM issued
UNION ALL SELECT 'credit_notes_that_sum', count(*) FROM issued AS n JOIN summed AS s USING (note_id)
  JOIN billing.invoice AS i USING (invoice_no)
  WHERE s.agrees AND (n.net, n.tax, n.total, n.account_id, n.currency)
    = (s.net, s.tax, s.net + s.tax, i.account_id, i.currency)
UNION ALL SELECT 'credit_journals', count(*) FROM checked
UNION ALL SELECT 'credit_journals_that_agree', count(*) FILTER (WHERE agrees) FROM checked
"""
_KINDS = (("crm.adjustment", _OF_CHARGES, _CHARGES), ("billing.credit_note", _OF_CREDITS, _CREDITS))


def later_documents(settings: Settings) -> tuple[tuple[Equation, ...], Measures]:
    """The equations of one-off charges and credit notes with their measures; nothing of a kind that there is none
    of."""
    equations: tuple[Equation, ...] = ()
    facts: dict[tuple[str, str], Decimal] = {}
    connection = connect(settings)
    try:
        with connection.cursor() as cursor:
            for table, of_kind, query in _KINDS:
                cursor.execute("SELECT to_regclass(%s) IS NOT NULL", (table,))
                if cursor.fetchone() != (True,):
                    continue
                cursor.execute(f"SELECT EXISTS (SELECT FROM {table})")
                if cursor.fetchone() != (True,):
                    continue
                cursor.execute(query)
                equations += of_kind
                facts |= {(measure, NO_PART): Decimal(value) for measure, value in cursor.fetchall()}
    finally:
        connection.close()
    return equations, facts
