"""Late usage after an account's last bill: an invoice of kind `supplementary`, or where it is too little, a listed sum.

A closed account is billed in a later cycle only for usage that no posted run carries; it has no fee of a plan there.
Source: docs/billing.md, "Supplementary invoices".
"""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from tollgate.billing.carried import carried_usage
from tollgate.billing.fees import in_force
from tollgate.billing.lines import USAGE_KINDS
from tollgate.money import to_decimal

ACCOUNT_CLOSED = "account_closed"


def with_late_closed(
    candidates: DataFrame,
    rated: DataFrame,
    rating_no: int,
    posted_usage: DataFrame,
    taken_back: DataFrame | None = None,
) -> DataFrame:
    """Candidates of a run without the closed ones that have nothing to bill; those that wait for their last bill stay.

    candidates: accounts_to_bill; rated: rated_usage up to the pinned rating_no; posted_usage: billed_usage of posted
    runs; taken_back: of `reversals_of`.
    """
    late = carried_usage(rated, rating_no, posted_usage, candidates.where("is_closed"), taken_back)
    with_usage = late.select("account_id").distinct().withColumn("has_usage", F.lit(True))
    return (
        candidates.join(with_usage, "account_id", how="left")
        .where("NOT is_closed OR is_waiting OR has_usage")
        .drop("has_usage")
    )


def too_little(lines: DataFrame, accounts: DataFrame, fees: DataFrame) -> DataFrame:
    """(account_id, reason) of closed accounts whose late net charges do not reach the price book's minimum; what is
    given back is invoiced however little it is.

    lines: the run's lines; accounts: accounts to bill, with ends_at and is_closed; fees: price_fee, whose row of kind
    `late_minimum` in force at the cycle's end says the minimum; without one everything is invoiced.
    """
    minimum = fees.where("kind = 'late_minimum'").select(
        F.expr(to_decimal("amount_micros")).alias("minimum"), "valid_from", "valid_to"
    )
    late = lines.where(F.col("kind").isin(*USAGE_KINDS)).groupBy("account_id").agg(F.sum("exact_total").alias("late"))
    return (
        accounts.where("is_closed")
        .join(F.broadcast(minimum), in_force(), how="inner")
        .join(late, "account_id", how="inner")
        .where("late >= 0 AND late < minimum")
        .select("account_id", F.lit(ACCOUNT_CLOSED).alias("reason"))
        .distinct()
    )
