"""Ledger postings of invoices: double entry, debit positive and credit negative, one journal an invoice.

The receivable is debited with the total; revenue by service, monthly fees, one-off charges, minimum spends, invoice
fees, tax payable and the deposits held are credited, what discounts and spending caps take off is debited. A forfeited
deposit moves from the liability to revenue. Prepaid usage is revenue that the liability for prepaid credit pays.
Source: docs/billing.md, "Ledger".
"""

from __future__ import annotations

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from tollgate import money

LEDGER_ACCOUNT = """
CASE WHEN kind IN ('usage', 'prior_period', 'usage_reversal', 'usage_correction', 'volume_tier', 'prior_volume_tier')
       THEN concat('revenue_', service)
     WHEN kind IN ('discount', 'prior_discount', 'spend_cap', 'prior_spend_cap') THEN 'revenue_discount'
     WHEN kind IN ('minimum_spend', 'prior_minimum_spend') THEN 'revenue_minimum'
     WHEN kind = 'recurring' THEN 'revenue_recurring'
     WHEN kind IN ('one_off', 'one_off_credit') THEN 'revenue_one_off'
     WHEN kind = 'invoice_fee' THEN 'revenue_fee'
     WHEN kind = 'prepaid_tax' THEN 'revenue_tax_included'
     WHEN kind LIKE 'prepaid%' OR kind = 'top_up' THEN 'prepaid_liability'
     WHEN kind LIKE 'deposit%' THEN 'deposit_liability' END
"""
AMOUNT, WIDE = "decimal(18,3)", "DECIMAL(19,3)"


def postings(lines: DataFrame, forfeited: DataFrame, prepaid: DataFrame | None = None) -> DataFrame:
    """(account_id, posting_no, ledger_account, tax_id, amount) of a run's invoices; amounts of an account sum to 0.

    lines: columns of invoice_line; forfeited: forfeited_deposits of the same accounts; prepaid: prepaid_movements with
    minor_digits, None where no line is prepaid. Accounts with nothing to post have no row.
    """
    of_lines = lines.selectExpr(
        "account_id",
        f"stack(3, 'receivable', CAST(NULL AS STRING), CAST(amount + tax_share AS {WIDE}), "
        f"{LEDGER_ACCOUNT}, CAST(NULL AS STRING), CAST(-amount AS {WIDE}), "
        f"'tax_payable', tax_id, CAST(-tax_share AS {WIDE})) AS (ledger_account, tax_id, amount)",
    )
    of_forfeits = forfeited.selectExpr(
        "account_id",
        f"stack(2, 'deposit_liability', CAST(NULL AS STRING), CAST(amount AS {WIDE}), "
        f"'revenue_deposit_forfeited', CAST(NULL AS STRING), CAST(-amount AS {WIDE})) "
        "AS (ledger_account, tax_id, amount)",
    )
    entries = of_lines.unionByName(of_forfeits)
    if prepaid is not None:
        entries = entries.unionByName(_of_prepaid(prepaid))
    order = Window.partitionBy("account_id").orderBy("ledger_account", "tax_id")
    return (
        entries.groupBy("account_id", "ledger_account", "tax_id")
        .agg(F.sum("amount").cast(AMOUNT).alias("amount"))
        .where("amount <> 0")
        .withColumn("posting_no", F.row_number().over(order))
        .select("account_id", "posting_no", "ledger_account", "tax_id", "amount")
    )


def _of_prepaid(prepaid: DataFrame) -> DataFrame:
    """Credit that contracts opened with, given to the customer, and credit that ends took, each a sum of its account in
    minor units. What that rounds off stays in the sub-ledger's six digits."""
    minor = prepaid.withColumns(
        {name: F.expr(money.line_amount(name, "minor_digits")) for name in ("given", "forfeited")}
    )
    return minor.selectExpr(
        "account_id",
        f"stack(4, 'prepaid_credit_given', CAST(NULL AS STRING), CAST(given AS {WIDE}), "
        f"'prepaid_liability', CAST(NULL AS STRING), CAST(-given AS {WIDE}), "
        f"'prepaid_liability', CAST(NULL AS STRING), CAST(forfeited AS {WIDE}), "
        f"'revenue_prepaid_forfeited', CAST(NULL AS STRING), CAST(-forfeited AS {WIDE})) "
        "AS (ledger_account, tax_id, amount)",
    )
