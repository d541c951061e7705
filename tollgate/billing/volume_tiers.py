"""Volume tiers: every unit of a cycle costs what the tier says that all of them together reach.

Usage is billed at the rate's own price. What all known usage of a cycle comes to at the tier that it reaches, less
that, is a line of its own. When late usage changes it, the difference from the lines posted is one. Source:
docs/billing.md, "Volume tiers".
"""

from __future__ import annotations

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from tollgate import money
from tollgate.billing.carried import EVENT_KEY
from tollgate.billing.lines import VOLUME_KINDS
from tollgate.billing.tier_places import COUNTER
from tollgate.billing.tiers import IS_PRICED, RATE, counter, left_units, of_rates

KEY = ["account_id", "origin_cycle", "subscription_id", "ref", "tax_category"]
# The tier in which the last unit of the cycle lies.
OWN_PRICE = "get(filter(tiers, t -> t.from_units = 0), 0).unit_price_micros"
REACHED = "t.from_units < units_of_cycle AND units_of_cycle <= coalesce(t.to_units, units_of_cycle)"
PRICE = f"coalesce(get(filter(tiers, t -> {REACHED}), 0).unit_price_micros, {OWN_PRICE})"


def volume_lines(
    now: DataFrame, posted: DataFrame, posted_lines: DataFrame, rated: DataFrame, accounts: DataFrame, tiers: DataFrame
) -> DataFrame:
    """A `volume_tier` line for each line, rate and tax category of the cycle billed, a `prior_volume_tier` line for
    what late usage changes of an earlier cycle's; lines of 0 are left out.

    now, posted: billed_usage of this run and of posted ones; posted_lines: invoice_line of posted runs with the
    `cycle` of the bill; rated: rated_usage; accounts: accounts to bill, with minor_digits; tiers: price_tier of
    volume rates, of all versions. The amount is NULL, which parks the account, where it cannot be known.
    """
    columns = [*EVENT_KEY, "origin_cycle", "free_units"]
    # Usage that a prepaid contract pays, by the last part of its line's key, is settled as it happens.
    now, posted = (billed.where(F.endswith("line_key", F.lit("|"))) for billed in (now, posted))
    reckoned = now.select("account_id", "origin_cycle").distinct()
    before = posted.join(reckoned, ["account_id", "origin_cycle"], how="left_semi").select(*columns)
    tier = F.broadcast(of_rates(tiers))
    of_cycle = Window.partitionBy(*COUNTER)
    events = (
        rated.where(IS_PRICED)
        .join(tier, RATE, how="inner")
        .join(now.select(*columns).unionByName(before), EVENT_KEY, how="inner")
        .withColumns({"counter_id": counter(), "left_units": left_units()})
        .withColumn("units_of_cycle", F.sum("left_units").over(of_cycle))
        .withColumns({"price": F.expr(PRICE), "own_price": F.expr(OWN_PRICE)})
        .withColumn("change", F.expr(f"{_charge('price')} - {_charge('own_price')}"))
        .withColumns({"ref": F.col("rate_id"), "tax_category": F.coalesce("tax_category", F.lit("none"))})
    )
    is_known = F.count_if(F.col("change").isNull()) == 0
    changes = events.groupBy(*KEY, "service").agg(F.when(is_known, F.sum("change")).alias("change"))
    given = (
        posted_lines.where(F.col("kind").isin(VOLUME_KINDS))
        .join(accounts.select("account_id"), "account_id", how="inner")
        .withColumn("ref", F.element_at(F.split("line_key", r"\|"), -1))
        .groupBy(*KEY).agg(F.sum("amount").alias("given"))
    )  # fmt: skip
    return (
        changes.join(given, KEY, how="left")
        .join(accounts.select("account_id", "cycle_start", "minor_digits"), "account_id", how="inner")
        .transform(_as_lines)
    )


def _charge(price: str) -> str:
    """DECIMAL(18,6): what the units left cost at a price, with the discounts of the rated row, rounded once."""
    units = f"CAST(left_units AS {money.EXACT})"
    numerator = f"CAST(try_multiply(try_multiply({units}, {price}), discount_num) AS {money.EXACT})"
    denominator = f"CAST(try_multiply(CAST(block_units AS {money.EXACT}), discount_den) AS {money.EXACT})"
    return money.rounded_amount(numerator, denominator, "digits", "rounding")


def _as_lines(changes: DataFrame) -> DataFrame:
    late = "CASE WHEN is_prior THEN concat(', late usage of the cycle from ', origin_cycle) ELSE '' END"
    exact = "CAST(change AS DECIMAL(38,6))"
    return (
        changes.withColumn("is_prior", F.expr("origin_cycle < cycle_start"))
        .withColumn("reckoned", F.expr(money.line_amount(exact, "minor_digits")))
        .withColumn("amount", F.expr(f"try_cast(reckoned - coalesce(given, 0) AS {money.LINE_AMOUNT})"))
        .where("amount IS NULL OR amount <> 0")
        .select(
            "account_id", F.expr("CASE WHEN is_prior THEN 'prior_volume_tier' ELSE 'volume_tier' END").alias("kind"),
            "subscription_id", "service", "origin_cycle", "tax_category", "ref",
            F.expr(f"concat('Volume price of ', ref, {late})").alias("description"),
            F.expr(f"CASE WHEN given IS NULL THEN {exact} ELSE CAST(amount AS DECIMAL(38,6)) END").alias("exact_total"),
            "amount",
        )
    )  # fmt: skip
