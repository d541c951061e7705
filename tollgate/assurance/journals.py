"""Whether each journal is the one that its own document asks for: SQL for rows in staging and for rows as issued."""

from __future__ import annotations

from tollgate.billing.ledger import LEDGER_ACCOUNT

# What no line tells, deposits and prepaid credit, moves between one of these and the account of the lines: beside it,
# it comes to nothing.
OF_LINES = """
CASE ledger_account WHEN 'revenue_deposit_forfeited' THEN 'deposit_liability'
     WHEN 'prepaid_credit_given' THEN 'prepaid_liability'
     WHEN 'revenue_prepaid_forfeited' THEN 'prepaid_liability' ELSE ledger_account END
"""
# Further parts of a WITH that has head (document, part, tax, total), line (document, kind, service, amount, tax_id,
# tax_share) and booked (document, ledger_account, tax_id, amount). The last one, checked (document, part, agrees), has
# a row a document: whether its receivable is its total, its tax payable its tax, and each account the sum of its lines.
CHECKED_JOURNALS = f"""
entry AS (
  SELECT document, 'receivable' AS ledger_account, NULL::text AS tax_id, amount + tax_share AS amount FROM line
  UNION ALL SELECT document, {LEDGER_ACCOUNT}, NULL, -amount FROM line
  UNION ALL SELECT document, 'tax_payable', tax_id, -tax_share FROM line
  UNION ALL SELECT document, {OF_LINES}, tax_id, -amount FROM booked
), differing AS (
  SELECT document, count(*) AS accounts
  FROM (SELECT document FROM entry GROUP BY document, ledger_account, tax_id HAVING sum(amount) <> 0) AS account
  GROUP BY document
), own AS (
  SELECT document, coalesce(sum(amount) FILTER (WHERE ledger_account = 'receivable'), 0) AS receivable,
    coalesce(-sum(amount) FILTER (WHERE ledger_account = 'tax_payable'), 0) AS tax FROM booked GROUP BY document
), checked AS (
  SELECT document, head.part, coalesce(coalesce(own.receivable, 0) = head.total AND coalesce(own.tax, 0) = head.tax
      AND differing.accounts IS NULL, false) AS agrees
  FROM head FULL JOIN own USING (document) LEFT JOIN differing USING (document)
)
"""
# The last part of the same WITH: forfeit (document, agrees), a row for each document that forfeits a deposit or books
# one as forfeited: whether what it books is what the account's lines up to it have left of those deposits. Of one that
# was taken over no line tells what was held; something is booked then.
FORFEITS = """
deposit AS (
  SELECT i.account_id, i.invoice_no, l.kind, l.amount,
    substr(l.line_key, length(concat_ws('|', l.kind, l.subscription_id, '', '', '', '', l.tax_category, '')) + 1) AS ref
  FROM billing.invoice_line AS l JOIN billing.invoice AS i USING (invoice_no) WHERE l.kind LIKE 'deposit%'
), held AS (
  SELECT f.invoice_no AS document, f.ref, sum(d.amount) AS amount
  FROM deposit AS f LEFT JOIN deposit AS d ON (d.account_id, d.ref) = (f.account_id, f.ref)
    AND d.kind <> 'deposit_forfeit' AND d.invoice_no <= f.invoice_no
  WHERE f.kind = 'deposit_forfeit' GROUP BY f.invoice_no, f.ref
), lost AS (
  SELECT document, sum(coalesce(amount, 0)) AS amount, count(*) = count(amount) AS is_told FROM held GROUP BY document
), taken AS (
  SELECT document, -sum(amount) AS amount FROM booked WHERE ledger_account = 'revenue_deposit_forfeited'
  GROUP BY document
), forfeit AS (
  SELECT document, coalesce(CASE WHEN lost.is_told THEN taken.amount = lost.amount
                                 ELSE taken.amount > lost.amount END, false) AS agrees
  FROM lost FULL JOIN taken USING (document)
)
"""
