"""One-off charges and credit notes in the equations of `reconcile`: asked of PostgreSQL, once there are any."""

from __future__ import annotations

from decimal import Decimal

from tollgate.assurance.conservation import NO_PART, Equation, Measures
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
)
_CREDITS = """
WITH issued AS (SELECT * FROM billing.credit_note WHERE status = 'issued'),
posting AS (SELECT p.* FROM billing.posting AS p JOIN billing.journal USING (journal_no) JOIN issued USING (note_id))
SELECT 'credited', coalesce(sum(total), 0) FROM issued
UNION ALL SELECT 'credited_lines', coalesce(-sum(l.amount + l.tax_share), 0) FROM issued
  JOIN billing.credit_note_line AS c USING (note_id) JOIN billing.invoice_line AS l
  ON l.invoice_no = c.invoice_no AND l.line_no = c.line_no
UNION ALL SELECT 'credit_receivable', coalesce(sum(amount), 0) FROM posting WHERE ledger_account = 'receivable'
UNION ALL SELECT 'credit_debits', coalesce(sum(amount) FILTER (WHERE amount > 0), 0) FROM posting
UNION ALL SELECT 'credit_credits', coalesce(-sum(amount) FILTER (WHERE amount < 0), 0) FROM posting
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
