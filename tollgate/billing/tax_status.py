"""Where an account is taxed and what of it is exempt, on the last local day of the cycle billed.

Source: docs/billing.md, "Tax".
"""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

LAST_DAY = "date_sub(cycle_end, 1)"
IN_FORCE = f"starts_on <= {LAST_DAY} AND {LAST_DAY} < ends_on"


def with_jurisdiction(accounts: DataFrame, jurisdictions: DataFrame) -> DataFrame:
    """`tax_jurisdiction` of the row in force where the account has one, else its own.

    accounts: accounts to bill; jurisdictions: ref_account_jurisdiction, the intervals of an account disjoint, so that
    at most one row is in force.
    """
    moved = jurisdictions.withColumnRenamed("tax_jurisdiction", "moved_to")
    found = (
        moved.join(accounts.select("account_id", "cycle_end"), "account_id", how="inner")
        .where(IN_FORCE)
        .select("account_id", "moved_to")
    )
    return (
        accounts.join(found, "account_id", how="left")
        .withColumn("tax_jurisdiction", F.coalesce("moved_to", "tax_jurisdiction"))
        .drop("moved_to")
    )


def exemptions_in_force(accounts: DataFrame, exemptions: DataFrame) -> DataFrame:
    """(account_id, exempt_category, exempt_reason) of the accounts to bill; unique by the first two.

    exemptions: ref_tax_exemption; exempt_category is * for all categories.
    """
    ends = accounts.select("account_id", "cycle_end")
    return (
        exemptions.join(ends, "account_id", how="inner")
        .where(IN_FORCE)
        .select("account_id", F.col("tax_category").alias("exempt_category"), F.col("reason").alias("exempt_reason"))
    )


def with_exemption(lines: DataFrame, exemptions: DataFrame | None, untaxed: list[str]) -> DataFrame:
    """Add `exempt_reason`: that of the line's tax category before that of all; NULL where nothing is exempt, and on
    lines of the categories `untaxed`, which need no exemption.

    exemptions: exemptions_in_force, None where there are none at all.
    """
    if exemptions is None:
        return lines.withColumn("exempt_reason", F.lit(None).cast("string"))
    of_all = exemptions.where("exempt_category = '*'").select(
        "account_id", F.col("exempt_reason").alias("reason_of_all")
    )
    own = exemptions.withColumnsRenamed({"exempt_category": "tax_category", "exempt_reason": "own_reason"})
    reason = F.when(~F.col("tax_category").isin(*untaxed), F.coalesce("own_reason", "reason_of_all"))
    return (
        lines.join(own, ["account_id", "tax_category"], how="left")
        .join(of_all, "account_id", how="left")
        .withColumn("exempt_reason", reason)
        .drop("own_reason", "reason_of_all")
    )
