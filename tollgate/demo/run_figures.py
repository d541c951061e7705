"""What the page tells of a posted bill run: outliers, parked accounts, a contract that ended early, a prepaid
statement. Read from PostgreSQL; the usage that waits for a parked account from the lake."""

from __future__ import annotations

from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from tollgate.demo.figures import Row, as_plain, asked

RUN = """
SELECT run_id, cycle, accounts, invoices, outliers, parked,
  to_char(as_of AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS as_of,
  (SELECT person || ': ' || note FROM ops.bill_run_step AS s WHERE s.run_id = r.run_id AND action = 'approved')
  AS approved
FROM ops.bill_run AS r WHERE run_id = %s
"""
# Of each kind of outlier the one that is farthest from 0, and the line of its invoice that tells why.
OUTLIERS = """
SELECT DISTINCT ON (o.kind) o.kind, count(*) OVER (PARTITION BY o.kind) AS invoices, o.account_id,
  round(o.total, i.minor_digits) AS total, round(o.compared_with, i.minor_digits) AS compared_with, o.limit_percent,
  most.description AS largest_line, round(most.amount, i.minor_digits) AS line_amount
FROM ops.bill_outlier AS o JOIN billing.invoice AS i USING (run_id, account_id)
CROSS JOIN LATERAL (SELECT description, amount FROM billing.invoice_line AS l WHERE l.invoice_no = i.invoice_no
                    ORDER BY abs(amount) DESC, line_no LIMIT 1) AS most
WHERE o.run_id = %s ORDER BY o.kind, abs(o.total) DESC, o.account_id
"""
# Taxed where it is on the last day of the month; the demo's accounts have months that begin on the first.
PARKED = """
SELECT p.account_id, p.reason, coalesce(m.tax_jurisdiction, a.tax_jurisdiction) AS taxed_in
FROM ops.bill_account_park AS p JOIN ops.bill_run AS r USING (run_id) JOIN crm.account AS a USING (account_id)
LEFT JOIN crm.account_jurisdiction AS m ON m.account_id = p.account_id AND m.superseded_at IS NULL
  AND m.valid @> (to_date(substr(r.cycle, 1, 7), 'YYYY-MM') + interval '1 month' - interval '1 day')::date
WHERE p.run_id = %s ORDER BY p.account_id LIMIT 5
"""
TAXED = """
SELECT string_agg(DISTINCT jurisdiction, ', ' ORDER BY jurisdiction) AS taxed FROM catalog.tax
WHERE version = (SELECT pricebook_version FROM ops.bill_run WHERE run_id = %s)
"""
# The last part of a deposit line's key is its contract. An invoice of few lines of service is the easiest to read.
ENDED_EARLY = """
SELECT i.invoice_no, c.contract_id, c.subscription_id, c.plan_id, c.starts_on, c.term_ends_on, c.cancelled_on
FROM billing.invoice AS i JOIN billing.invoice_line AS l USING (invoice_no)
JOIN crm.contract AS c ON c.contract_id = split_part(l.line_key, '|', 8) AND c.superseded_at IS NULL
WHERE l.kind = 'deposit_forfeit' AND i.run_id = %s
ORDER BY (SELECT count(DISTINCT subscription_id) FROM billing.invoice_line AS o WHERE o.invoice_no = i.invoice_no),
  i.account_id, l.line_no LIMIT 1
"""
DEPOSIT = """
SELECT ledger_account, round(sum(p.amount), i.minor_digits) AS amount
FROM billing.posting AS p JOIN billing.journal AS j USING (journal_no) JOIN billing.invoice AS i USING (invoice_no)
WHERE i.invoice_no = %s AND ledger_account IN ('deposit_liability', 'revenue_deposit_forfeited')
GROUP BY ledger_account, i.minor_digits ORDER BY ledger_account
"""
# A statement without other lines first, and one that asks for a top-up.
STATEMENT = """
SELECT invoice_no FROM billing.invoice JOIN billing.invoice_line USING (invoice_no) WHERE run_id = %s
GROUP BY invoice_no, account_id HAVING count(*) FILTER (WHERE kind = 'prepaid_balance') > 0
ORDER BY count(*) FILTER (WHERE kind = 'invoice_fee'), (count(*) FILTER (WHERE kind = 'top_up') = 0)::int, account_id
LIMIT 1
"""
HEAD = """
SELECT invoice_no, account_id, cycle_start, cycle_end, currency, round(net, minor_digits) AS net,
  round(tax, minor_digits) AS tax, round(total, minor_digits) AS total
FROM billing.invoice WHERE invoice_no = %s
"""
# An invoice in short: its usage lines are one.
LINES = """
SELECT coalesce(subscription_id, '') AS subscription_id,
  CASE WHEN kind IN ('usage', 'prior_period') THEN 'Usage' ELSE description END AS what, count(*) AS lines,
  sum(events)::bigint AS events, round(sum(amount), minor_digits) AS amount,
  round(sum(tax_share), minor_digits) AS tax
FROM billing.invoice_line JOIN billing.invoice USING (invoice_no) WHERE invoice_no = %s
GROUP BY 1, 2, minor_digits ORDER BY min(line_no)
"""


def bill_run(connection: Any, rated_usage: DataFrame, run_id: str) -> Row:
    """Figures of the run: itself, its outliers by kind, parked accounts, and two telling documents ({} for none).

    rated_usage: the whole table, of which nothing is on an invoice of a parked account.
    """
    parked = asked(connection, PARKED, run_id)
    waiting = waiting_usage(rated_usage, [row["account_id"] for row in parked]) if parked else {}
    nothing = {"events": 0, "charge": "0"}
    return {
        **asked(connection, RUN, run_id)[0],
        "outlier_kinds": asked(connection, OUTLIERS, run_id),
        "parked_accounts": [{**row, **waiting.get(row["account_id"], nothing)} for row in parked],
        "jurisdictions": asked(connection, TAXED, run_id)[0]["taxed"],
        "ended_early": _ended_early(connection, run_id),
        "statement": _in_short(connection, asked(connection, STATEMENT, run_id)),
    }


def waiting_usage(rated_usage: DataFrame, accounts: list[str]) -> dict[str, Row]:
    """By account, how many priced events it has and what they cost by list."""
    priced = rated_usage.where(F.col("account_id").isin(accounts) & (F.col("retail_status") != "suspended"))
    sums = priced.groupBy("account_id").agg(F.count("*").alias("events"), F.sum("charge").alias("charge"))
    return {row.account_id: as_plain({"events": row.events, "charge": row.charge}) for row in sums.collect()}


def _ended_early(connection: Any, run_id: str) -> Row:
    found = asked(connection, ENDED_EARLY, run_id)
    if not found:
        return {}
    deposit = asked(connection, DEPOSIT, found[0]["invoice_no"])
    return {**found[0], **_in_short(connection, found), "deposit": deposit}


def _in_short(connection: Any, found: list[Row]) -> Row:
    """Head and lines of the first invoice found."""
    if not found:
        return {}
    number = found[0]["invoice_no"]
    return {**asked(connection, HEAD, number)[0], "lines": asked(connection, LINES, number)}
