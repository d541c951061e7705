"""Monthly fees in advance: each bill asks for the next cycle's fee, and sets its own cycle's right by the day.

What a contract owes for a cycle follows from its days in it as they are known now; what posted lines asked for that
cycle is taken off. So a contract that starts in mid-cycle pays the rest of it, one that was cancelled gets back what is
left, and a repeat asks for nothing twice. Source: docs/billing.md, "Fees in advance".
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from tollgate import money
from tollgate.billing.cycle_dates import cycle_end_of, local_midnight, overlap_days, unit_of_fee
from tollgate.billing.lines import line_key

KEY = ["account_id", "line_key"]


def advance_lines(contracts: DataFrame, accounts: DataFrame, fees: DataFrame, posted_lines: DataFrame) -> DataFrame:
    """Lines of kind `recurring` with `origin_cycle`, the cycle that they pay for, and their line_key; below 0 what is
    given back. One row a contract, fee and cycle of which something is owed.

    contracts: ref_contract; accounts: accounts to bill, with minor_digits; fees: the rows of price_fee in advance, of
    which those count that hold when the cycle paid for begins; posted_lines: invoice_line of posted runs.
    """
    reckoned = (
        contracts.join(_cycles(accounts), "account_id", how="inner")
        .join(F.broadcast(_of_plan(fees)), F.expr(f"fee_plan IN ('*', plan_id) AND {BEGINS} BETWEEN since AND till"),
              how="inner")
        .withColumn("days", overlap_days(*[F.col(n) for n in ("starts_on", "cancelled_on", "origin_cycle", "ends")]))
        .withColumn("kind", F.lit("recurring"))
        .withColumn("ref", F.concat_ws("/", "contract_id", "fee_id"))
        .withColumns({name: F.lit(None).cast("string") for name in ("service", "zone_id", "roaming_zone")})
        .withColumn("line_key", line_key())
    )  # fmt: skip
    asked = (
        posted_lines.where("kind = 'recurring' AND origin_cycle IS NOT NULL")
        .groupBy(*KEY)
        .agg(F.sum("amount").alias("asked"))
    )
    return (
        reckoned.join(asked, KEY, how="left")
        .withColumn("amount", F.expr(_owed()).cast("decimal(18,3)"))
        .where("amount IS NULL OR amount <> 0")
        .select(
            *KEY, "kind", "subscription_id", "origin_cycle", "ref", "tax_category", _text().alias("description"),
            F.lit(1).cast("bigint").alias("units"), unit_of_fee().alias("unit"),
            F.col("amount").cast("decimal(38,6)").alias("exact_total"), "amount",
        )
    )  # fmt: skip


BEGINS = "unix_micros(begins_at)"


def _cycles(accounts: DataFrame) -> DataFrame:
    """Two rows an account: the cycle billed and the next, with `origin_cycle`, `ends` (DATE) and `begins_at`."""
    both = F.explode(F.array("cycle_start", "cycle_end")).alias("origin_cycle")
    return (
        accounts.select("account_id", "calendar", "time_zone", "minor_digits", "cycle_end", both)
        .withColumn("ends", cycle_end_of(F.col("origin_cycle"), F.col("calendar")))
        .withColumn("begins_at", local_midnight(F.col("origin_cycle"), F.col("time_zone")))
    )


def _of_plan(fees: DataFrame) -> DataFrame:
    return fees.select(
        F.col("plan_id").alias("fee_plan"), "fee_id", F.col("name").alias("fee_name"), "amount_micros", "proration",
        "tax_category",
        F.unix_micros("valid_from").alias("since"), (F.unix_micros("valid_to") - 1).alias("till"),
    )  # fmt: skip


def _owed() -> str:
    """DECIMAL: the cycle's fee for the days in force, rounded once, less what posted lines asked for it."""
    share = "CASE WHEN proration = 'days' THEN CAST(days AS BIGINT) WHEN days > 0 THEN 1L ELSE 0L END"
    whole = "CASE WHEN proration = 'days' THEN CAST(datediff(ends, origin_cycle) AS BIGINT) ELSE 1L END"
    numerator = f"CAST(amount_micros AS {money.EXACT}) * {share}"
    return f"{money.rounded_minor(numerator, whole, 'minor_digits')} - coalesce(asked, 0)"


def _text() -> Column:
    counted = "CASE WHEN proration = 'days' AND days < datediff(ends, origin_cycle) THEN concat(', ', days, ' of ', " \
              "datediff(ends, origin_cycle), ' days') ELSE '' END"  # fmt: skip
    return F.expr(
        "concat(fee_name, CASE WHEN origin_cycle = cycle_end THEN ', in advance' ELSE '' END, "
        f"', cycle from ', origin_cycle, {counted}, "
        "CASE WHEN asked IS NULL THEN '' WHEN amount < 0 THEN ', given back' ELSE ', the rest' END)"
    )
