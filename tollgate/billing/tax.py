"""Tax: once per rule and invoice, on the sum of its lines; each line's share by largest remainder."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from tollgate import money
from tollgate.billing.fees import in_force
from tollgate.billing.lines import is_prepaid

UNTAXED = ["none", "exempt"]
# The line that takes the tax out of prepaid usage, whose prices include it.
INCLUDED = "prepaid_tax"
RULE_OF_INVOICE = ["account_id", "tax_id"]


def with_tax(lines: DataFrame, accounts: DataFrame, taxes: DataFrame) -> DataFrame:
    """Add `tax_id` (NULL untaxed), `tax_share` DECIMAL(18,3) and `lacks_tax_rule` to numbered lines.

    accounts: accounts to bill, with minor_digits; taxes: price_tax. The rule that holds just before the cycle's end
    counts, for late usage too. A taxable category without a rule in the account's jurisdiction is `lacks_tax_rule`,
    which parks the account: it is never taxed 0 for lack of a rule. Two rules for one category stop the run, for a
    line names one. Prepaid usage names its rule and adds nothing to its base; the tax inside it is the share of
    the line `prepaid_tax`.
    """
    account = accounts.select("account_id", "ends_at", "tax_jurisdiction", "tax_exempt", "minor_digits")
    taxed = F.when(is_prepaid(), F.lit(0)).otherwise(F.col("amount")).cast(money.LINE_AMOUNT)
    base = F.sum("taxed").over(Window.partitionBy(*RULE_OF_INVOICE))
    share = money.tax_share("tax", "base", "taxed", "minor_digits", RULE_OF_INVOICE, "line_no")
    nothing = f"CAST(0 AS {money.LINE_AMOUNT})"
    found = f"CASE WHEN tax_id IS NULL THEN {nothing} WHEN kind = '{INCLUDED}' THEN -amount ELSE {share} END"
    is_taxable = ~F.col("tax_exempt") & ~F.col("tax_category").isin(*UNTAXED)
    return (
        lines.join(account, "account_id", how="inner")
        .join(F.broadcast(rules_of_accounts(accounts, taxes)), _same_rule(), how="left")
        .drop("rule_jurisdiction", "rule_category", "rule_ends_at")
        .withColumn("lacks_tax_rule", is_taxable & F.col("tax_id").isNull())
        .withColumn("taxed", taxed)
        .withColumn("base", base.cast(money.LINE_AMOUNT))
        .withColumn("tax", F.expr(money.tax_amount("base", "rate_ppm", "minor_digits")))
        .withColumn("tax_share", F.expr(found))
        .drop("taxed", "base", "tax", "rate_ppm", "ends_at", "tax_jurisdiction", "tax_exempt", "minor_digits")
    )


def rules_of_accounts(accounts: DataFrame, taxes: DataFrame) -> DataFrame:
    """The tax rule of each jurisdiction, category and cycle end; few rows. Two rules for one of them raise."""
    ends = accounts.select(F.col("tax_jurisdiction").alias("rule_jurisdiction"), "ends_at").distinct()
    found = ends.join(F.broadcast(taxes), F.expr("rule_jurisdiction = jurisdiction") & in_force(), how="inner")
    two = F.raise_error(F.concat(
        F.lit("two tax rules hold for category "), "rule_category", F.lit(" in "), "rule_jurisdiction",
        F.lit("; a line has one: mend tax.csv and publish"),
    ))  # fmt: skip
    return (
        found.groupBy(
            "rule_jurisdiction", F.col("ends_at").alias("rule_ends_at"), F.col("tax_category").alias("rule_category")
        )
        .agg(F.min("tax_id").alias("one"), F.max("rate_ppm").alias("rate_ppm"), F.count("*").alias("rules"))
        .withColumn("tax_id", F.when(F.col("rules") == 1, F.col("one")).otherwise(two))
        .drop("one", "rules")
    )


def _same_rule() -> Column:
    return (
        (F.col("tax_jurisdiction") == F.col("rule_jurisdiction"))
        & (F.col("ends_at") == F.col("rule_ends_at"))
        & (F.col("tax_category") == F.col("rule_category"))
        & ~F.col("tax_exempt")
    )
