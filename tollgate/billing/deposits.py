"""Deposits: charged on a contract's first bill; once it has ended, what is held of them is credited or forfeited.

What is held follows from posted lines, not from the rows that the price book has now: those may have changed since, and
a contract or its end may be entered after the cycle's run was posted. Source: docs/billing.md, "Fees and deposits".
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from tollgate import money
from tollgate.billing.cycle_dates import cycle_end_of, cycle_of_day, local_midnight
from tollgate.billing.fees import contract_fees, contracts_to_bill

CHARGED, CREDITED, FORFEITED = KINDS = ("deposit", "deposit_credit", "deposit_forfeit")
CONTRACT = ["account_id", "contract_id"]
# The part of a posted line's key that comes after its kind, line and tax category.
REF = "substr(line_key, length(concat_ws('|', kind, subscription_id, '', '', '', '', tax_category, '')) + 1)"
# One that starts before the account's first cycle was taken over, with what had been paid; one that ended before it too
# was settled elsewhere.
IS_OWED = """
CASE WHEN is_charged THEN starts_on < cycle_end AND coalesce(cancelled_on > cycle_start, true)
     ELSE coalesce(cancelled_on >= first_cycle_start, true) END
"""
# The last bill of an account that closes as its cycle ends has the contracts that end with it, and none comes after it.
FATE = f"""
CASE WHEN coalesce(cycle_start < closed_on, true)
      AND (cancelled_on < cycle_end OR (cancelled_on = cycle_end AND closed_on = cycle_end))
     THEN CASE WHEN cancelled_on < term_ends_on THEN '{FORFEITED}' ELSE '{CREDITED}' END END
"""
TEXT = f"""
concat(description, CASE kind WHEN '{CREDITED}' THEN ' returned' WHEN '{FORFEITED}' THEN ' forfeited' ELSE '' END)
"""
AMOUNT = f"CAST(CASE kind WHEN '{CHARGED}' THEN held WHEN '{CREDITED}' THEN -held ELSE 0 END AS {money.LINE_AMOUNT})"


def deposit_lines(contracts: DataFrame, accounts: DataFrame, fees: DataFrame, posted_lines: DataFrame) -> DataFrame:
    """Lines of the kinds deposit, deposit_credit (below 0) and deposit_forfeit (0: the ledger makes it revenue).

    contracts: ref_contract; accounts: accounts to bill, with minor_digits; fees: price_fee; posted_lines: invoice_line
    of posted runs.
    """
    kinds = F.array_compact(F.array(F.expr(f"CASE WHEN is_charged THEN '{CHARGED}' END"), F.col("fate")))
    return (
        _deposits(contracts, accounts, fees, posted_lines)
        .withColumn("kind", F.explode(kinds))
        .withColumn("amount", F.expr(AMOUNT))
        .select(
            "account_id", "kind", "subscription_id", "ref", "tax_category", F.expr(TEXT).alias("description"),
            F.col("amount").cast("decimal(38,6)").alias("exact_total"), "amount",
        )
    )  # fmt: skip


def forfeited_deposits(
    contracts: DataFrame, accounts: DataFrame, fees: DataFrame, posted_lines: DataFrame
) -> DataFrame:
    """(account_id, amount DECIMAL(18,3)) of the deposits that become revenue in the cycle; for the ledger. The
    arguments are those of deposit_lines."""
    deposits = _deposits(contracts, accounts, fees, posted_lines)
    return deposits.where(F.col("fate") == FORFEITED).select("account_id", F.col("held").alias("amount"))


def _deposits(contracts: DataFrame, accounts: DataFrame, fees: DataFrame, posted_lines: DataFrame) -> DataFrame:
    """What is held of each contract after its charge: account_id, subscription_id, ref, tax_category, description,
    `held` (DECIMAL(18,3), above 0), is_charged (now) and `fate`, the kind of the line that settles it, NULL while the
    contract goes on. What posted lines say of a contract goes before what its fee rows ask."""
    of_contract = Window.partitionBy(*CONTRACT)
    name = "CASE WHEN is_posted OR fees = 1 THEN ref ELSE concat(contract_id, '/', fee_id) END"
    return (
        _asked(contracts, accounts, fees)
        .unionByName(_paid(contracts, accounts, posted_lines))
        .withColumn("has_posted", F.max("is_posted").over(of_contract))
        .withColumn("fees", F.count("fee_id").over(of_contract))
        .where("is_posted = has_posted AND held > 0")
        .withColumn("ref", F.expr(name))
    )


def _asked(contracts: DataFrame, accounts: DataFrame, fees: DataFrame) -> DataFrame:
    """A row a contract and deposit fee that counts as charged now, or as paid where the contract was taken over, unless
    a line of it is posted."""
    return (
        contract_fees(contracts, accounts, fees, "deposit", _fee_at())
        .withColumn("is_charged", F.col("starts_on") >= F.col("first_cycle_start"))
        .where(IS_OWED)
        .select(
            *CONTRACT, "subscription_id", F.col("contract_id").alias("ref"), "fee_id", "tax_category",
            F.col("fee_name").alias("description"),
            F.expr(money.rounded_minor("amount_micros", "1L", "minor_digits")).alias("held"), "is_charged",
            F.lit(False).alias("is_posted"), F.expr(FATE).alias("fate"),
        )
    )  # fmt: skip


def _fee_at() -> Column:
    """TIMESTAMP: just before the end of the cycle in which the contract starts, on whichever bill it is charged; of one
    that was taken over, the start of its first local day."""
    ends_on = cycle_end_of(cycle_of_day(F.col("starts_on"), F.col("calendar")), F.col("calendar"))
    just_before = local_midnight(ends_on, F.col("time_zone")) - F.expr("INTERVAL 1 SECOND")
    begins_at = local_midnight(F.col("starts_on"), F.col("time_zone"))
    return F.when(F.col("starts_on") < F.col("first_cycle_start"), begins_at).otherwise(just_before)


def _paid(contracts: DataFrame, accounts: DataFrame, posted_lines: DataFrame) -> DataFrame:
    """A row a contract and ref of its posted lines, with what is left: the sum, and nothing of what was forfeited."""
    # A ref is the contract, or contract/fee; a fee has no slash, a contract may have some.
    contract = F.explode(F.array_distinct(F.array("ref", F.regexp_replace("ref", "/[^/]*$", ""))))
    is_name = F.max(F.expr("ref = contract_id")).over(Window.partitionBy("account_id", "ref"))
    sums = (
        posted_lines.where(F.col("kind").isin(*KINDS))
        .withColumn("ref", F.expr(REF))
        .groupBy("account_id", "ref", "tax_category")
        .agg(
            F.sum("amount").cast(money.LINE_AMOUNT).alias("sum"),
            F.max(F.col("kind") == FORFEITED).alias("is_forfeited"),
            F.max(F.when(F.col("kind") == CHARGED, F.col("description"))).alias("description"),
        )
    )
    return (
        sums.withColumn("contract_id", contract)
        .join(contracts_to_bill(contracts, accounts), CONTRACT, how="inner")
        .withColumn("is_name", is_name)
        .where("ref = contract_id OR NOT is_name")
        .select(
            *CONTRACT, "subscription_id", "ref", F.lit(None).cast("string").alias("fee_id"), "tax_category",
            "description",
            F.expr(f"CAST(CASE WHEN is_forfeited THEN 0 ELSE sum END AS {money.LINE_AMOUNT})").alias("held"),
            F.lit(False).alias("is_charged"), F.lit(True).alias("is_posted"), F.expr(FATE).alias("fate"),
        )
    )  # fmt: skip
