"""What the sub-ledgers of prepaid contracts say, as measures for the equations of conservation."""

from __future__ import annotations

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from tollgate import money
from tollgate.assurance.measured import measured


def prepaid_credit(balances: DataFrame, billed: DataFrame) -> DataFrame:
    """Sub-ledgers of a run's prepaid contracts: sums of each movement, and how many balances add up by themselves, open
    with what the run before left and take the net charges of their own events; sums alone could hide two errors."""
    own = _prepaid_usage(billed).groupBy("run_id", "account_id", "contract_id").agg(F.sum("net_charge").alias("own"))
    before = F.lag("closing").over(Window.partitionBy("account_id", "contract_id").orderBy("cycle_start", "run_id"))
    adds_up = F.expr("opening + topped_up + settled - debits - forfeited = closing") & (
        F.coalesce("own", F.lit(0)) == F.col("debits")
    )
    is_carried = F.when(F.col("is_first"), F.col("before").isNull()).otherwise(F.col("before") == F.col("opening"))
    amounts = ("opening", "topped_up", "settled", "debits", "forfeited", "closing")
    return measured(
        balances.withColumn("before", before).join(own, ["run_id", "account_id", "contract_id"], how="left"),
        F.col("part"),
        prepaid_balances=F.count("*"),
        prepaid_balances_that_add_up=F.count_if(adds_up & is_carried),
        **{f"prepaid_{amount}": F.sum(amount) for amount in amounts},
    ).unionByName(measured(_prepaid_usage(billed), F.col("part"), billed_prepaid=F.sum("net_charge")))


def prepaid_in_ledger(balances: DataFrame, invoices: DataFrame) -> DataFrame:
    """What a run's prepaid contracts bring into the ledger beside their lines, a sum of each account in minor units:
    `credit_given`, that contracts opened with, and `credit_taken`, that their ends forfeited.

    balances: prepaid_balance, invoices: invoice of the same runs, with `part`.
    """
    moved = balances.groupBy("run_id", "account_id").agg(
        F.sum(F.when(F.col("is_first"), F.col("opening")).otherwise(0)).alias("given"),
        F.sum("forfeited").alias("taken"),
    )
    head = invoices.select("run_id", "account_id", "part", "minor_digits")
    # An invoice an account and run; without one nothing of the account is booked.
    return measured(
        moved.join(head, ["run_id", "account_id"], how="inner"),
        F.col("part"),
        credit_given=F.sum(F.expr(money.line_amount("given", "minor_digits"))),
        credit_taken=F.sum(F.expr(money.line_amount("taken", "minor_digits"))),
    )


def _prepaid_usage(billed: DataFrame) -> DataFrame:
    """Events that a prepaid contract pays: the key of their line ends with it."""
    contract = F.element_at(F.split("line_key", r"\|"), -1)
    return billed.withColumn("contract_id", contract).where("contract_id <> ''")
