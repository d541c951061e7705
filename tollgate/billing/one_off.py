"""One-off charges and credits: a line for each instalment that is due and that no posted run has billed.

What is billed follows from tables and pins alone: the snapshot's adjustments less the lines of posted runs. So a charge
that was entered late is on the next bill, and a repeat bills nothing twice. Source: docs/billing.md, "One-off charges".
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from tollgate import money
from tollgate.billing.cycle_dates import cycle_after, cycle_of_day
from tollgate.billing.lines import line_key

KINDS = ["one_off", "one_off_credit"]


def one_off_lines(adjustments: DataFrame, accounts: DataFrame, posted_lines: DataFrame) -> DataFrame:
    """Lines of kind `one_off` or `one_off_credit` with their line_key; one row an instalment. An account's last
    bill has all that is left.

    adjustments: ref_adjustment; accounts: accounts to bill, with minor_digits, unique by account_id; posted_lines:
    invoice_line of posted runs.
    """
    is_last = F.coalesce(F.col("closed_on") <= F.col("cycle_end"), F.lit(False)).alias("is_last")
    account = accounts.select("account_id", "calendar", "cycle_start", "minor_digits", is_last)
    ref = F.when(F.col("instalments") == 1, F.col("adjustment_id")).otherwise(
        F.concat_ws("/", "adjustment_id", F.col("instalment_no").cast("string"))
    )
    amount = money.instalment("total", "instalments", "instalment_no", "minor_digits")
    billed = posted_lines.where(F.col("kind").isin(*KINDS)).select("account_id", "line_key")
    return (
        adjustments.withColumnRenamed("amount", "total")
        .join(account, "account_id", how="inner")
        .withColumn("instalment_no", F.explode(F.sequence(F.lit(1), F.col("instalments"))))
        .where(F.col("is_last") | (_due_cycle() <= F.col("cycle_start")))
        .withColumn("kind", F.when(F.col("total") < 0, F.lit(KINDS[1])).otherwise(F.lit(KINDS[0])))
        .withColumn("ref", ref)
        .withColumn("amount", F.expr(amount))
        .select(
            "account_id", "kind", "subscription_id", "ref", "tax_category", _text().alias("description"),
            F.col("amount").cast("decimal(38,6)").alias("exact_total"), "amount",
            *[F.lit(None).cast("string").alias(name) for name in ("service", "zone_id", "roaming_zone")],
            F.lit(None).cast("date").alias("origin_cycle"),
        )
        .withColumn("line_key", line_key())
        .join(billed, ["account_id", "line_key"], how="left_anti")
    )  # fmt: skip


def _due_cycle() -> Column:
    """DATE: start of the cycle in which an instalment is due: the first one in that which contains `effective_on`, each
    other a cycle later."""
    first = cycle_of_day(F.col("effective_on"), F.col("calendar"))
    return cycle_after(first, F.col("instalment_no") - 1, F.col("calendar"))


def _text() -> Column:
    part = F.format_string("%s, instalment %d of %d", "description", "instalment_no", "instalments")
    return F.when(F.col("instalments") == 1, F.col("description")).otherwise(part)
