"""What contracts owe in a cycle apart from usage and deposits: monthly fees; and the fees of an invoice.

Fee rows that hold just before the cycle's end count. Source: docs/billing.md, "Fees and deposits".
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from tollgate import money
from tollgate.billing.cycle_dates import overlap_days, unit_of_fee

JUST_BEFORE_END = "ends_at - INTERVAL 1 SECOND"
# Whether the contract owes another monthly fee of this tax category.
HAS_ANOTHER = f"""
exists(others, other -> other.fee_id <> fee_id AND other.plan_id IN ('*', plan_id)
  AND other.valid_from <= {JUST_BEFORE_END} AND {JUST_BEFORE_END} < other.valid_to)
"""
REF = f"CASE WHEN {HAS_ANOTHER} THEN concat(contract_id, '/', fee_id) ELSE contract_id END"


def contract_fees(
    contracts: DataFrame, accounts: DataFrame, fees: DataFrame, kind: str, at: Column | None = None
) -> DataFrame:
    """Contracts of the accounts to bill with each fee row of `kind` that their plan has; one row a contract and fee.

    contracts: ref_contract; accounts: accounts to bill, with minor_digits; fees: price_fee; at: TIMESTAMP, the instant
    at which a row must hold, just before the cycle's end unless given.
    Adds `active_days` and `cycle_days` of the cycle billed, and the account's and the fee's columns.
    """
    fee = fees.where(F.col("kind") == kind).select(
        F.col("plan_id").alias("fee_plan"), "fee_id", F.col("name").alias("fee_name"), "amount_micros", "proration",
        "tax_category",
        "valid_from", "valid_to",
    )  # fmt: skip
    days = overlap_days(F.col("starts_on"), F.col("cancelled_on"), F.col("cycle_start"), F.col("cycle_end"))
    return (
        contracts_to_bill(contracts, accounts)
        .withColumn("active_days", days)
        .withColumn("cycle_days", F.date_diff("cycle_end", "cycle_start"))
        .withColumn("fee_at", F.expr(JUST_BEFORE_END) if at is None else at)
        .join(F.broadcast(fee), F.expr("fee_plan IN ('*', plan_id)") & in_force("fee_at"), how="inner")
    )


def contracts_to_bill(contracts: DataFrame, accounts: DataFrame) -> DataFrame:
    """The contracts of the accounts to bill, with their accounts' dates and minor_digits."""
    account = accounts.select(
        "account_id", "calendar", "time_zone", "first_cycle_start", "cycle_start", "cycle_end", "ends_at", "closed_on",
        "minor_digits",
    )  # fmt: skip
    return contracts.join(account, "account_id", how="inner")


def in_force(at: str = JUST_BEFORE_END) -> Column:
    """BOOLEAN: a price book row, by valid_from and valid_to, holds at an instant (SQL text), unless given just before
    the cycle's end, `ends_at`."""
    return F.expr(f"valid_from <= {at} AND {at} < valid_to")


def recurring_lines(contracts: DataFrame, accounts: DataFrame, fees: DataFrame) -> DataFrame:
    """A `recurring` line for each contract in force on a local day of the cycle and each monthly fee of its plan that
    is not in advance.

    Its key names the contract, and the fee too where the plan has several of one tax category at the time.
    """
    others = (
        fees.where("kind = 'recurring' AND NOT coalesce(in_advance, false)")
        .groupBy("tax_category")
        .agg(F.collect_list(F.struct("fee_id", "plan_id", "valid_from", "valid_to")).alias("others"))
    )
    arrears = fees.where("NOT coalesce(in_advance, false)")
    is_prorated = "proration = 'days'"
    share = f"CASE WHEN {is_prorated} THEN CAST(active_days AS BIGINT) ELSE 1L END"
    whole = f"CASE WHEN {is_prorated} THEN CAST(cycle_days AS BIGINT) ELSE 1L END"
    counted = F.expr(
        f"CASE WHEN {is_prorated} AND active_days < cycle_days "
        "THEN concat(fee_name, ', ', active_days, ' of ', cycle_days, ' days') "
        "ELSE fee_name END"
    )
    return (
        contract_fees(contracts, accounts, arrears, "recurring")
        .where("active_days > 0")
        .join(F.broadcast(others), "tax_category", how="inner")
        .withColumn("ref", F.expr(REF))
        .withColumn("share", F.expr(share))
        .withColumn("whole", F.expr(whole))
        .withColumn("numerator", F.expr(f"CAST(amount_micros AS {money.EXACT}) * share"))
        .select(
            "account_id", F.lit("recurring").alias("kind"), "subscription_id", "ref", "tax_category",
            counted.alias("description"), F.lit(1).cast("bigint").alias("units"), unit_of_fee().alias("unit"),
            F.expr(f"CAST({money.rounded_amount('numerator', 'whole')} AS DECIMAL(38,6))").alias("exact_total"),
            F.expr(money.rounded_minor("numerator", "whole", "minor_digits")).alias("amount"),
        )
    )  # fmt: skip


def invoice_fee_lines(accounts: DataFrame, fees: DataFrame) -> DataFrame:
    """The fees of an invoice for every account given; accounts: those with another line, one row each."""
    fee = fees.where("kind = 'invoice' AND plan_id = '*'")
    return accounts.join(F.broadcast(fee), in_force(), how="inner").select(
        "account_id", F.lit("invoice_fee").alias("kind"), F.col("fee_id").alias("ref"), "tax_category",
        F.col("name").alias("description"),
        F.expr(f"CAST({money.to_decimal('amount_micros')} AS DECIMAL(38,6))").alias("exact_total"),
        F.expr(money.rounded_minor("amount_micros", "1L", "minor_digits")).alias("amount"),
    )  # fmt: skip
