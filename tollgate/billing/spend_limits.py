"""Spending caps and minimums: lines that bring what a cycle's usage costs down to a cap, or lift it to a minimum.

They act on the amounts of the usage lines of a line or account as printed, volume tiers included, before discounts and
tax. A cycle of which late usage arrives is reckoned again with all that is known of it, and what differs from the lines
posted is a line of the run that carries the usage. Source: docs/billing.md, "Spending caps and minimums".
"""

from __future__ import annotations

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from tollgate import money
from tollgate.billing.cycle_dates import cycle_end_of, local_midnight, overlap_days
from tollgate.billing.cycles import start_of_bill
from tollgate.billing.lines import CAP_KINDS, LATE_KINDS, USAGE_KINDS, VOLUME_KINDS, is_prepaid

MINIMUM_KINDS = ["minimum_spend", "prior_minimum_spend"]
CYCLE = ["account_id", "origin_cycle"]
# Whose usage a limit counts: the line's, or NULL for the account's.
SUBJECT = [*CYCLE, "ref", "subscription_id"]
# A cycle before the account's first is never billed, so nothing is lacking in it.
COVERS = """
limit_plan IN ('*', plan_id) AND (limit_service = '*' OR service IS NULL OR limit_service = service)
AND valid_from <= last_moment AND last_moment < valid_to
AND (limit_kind = 'cap' OR origin_cycle >= first_cycle_start)
"""


def spend_limit_lines(
    own: DataFrame,
    posted: DataFrame,
    contracts: DataFrame,
    accounts: DataFrame,
    limits: DataFrame,
    prepaid: DataFrame | None,
) -> DataFrame:
    """A `spend_cap` line for each cap and tax category of the cycle billed, a `minimum_spend` line for each minimum,
    and `prior_` ones for what late usage changes of an earlier cycle's; lines of 0 are left out.

    own: the lines that accounts have by themselves, posted: those of posted runs, each with the `cycle`, the key, of
    its bill; contracts: ref_contract; accounts: accounts to bill, with minor_digits; limits: price_spend_limit;
    prepaid: prepaid_contracts, None where the book has no such plan. The amount is NULL, which parks the account, where
    a sum is beyond a line's digits.
    """
    account = accounts.select("account_id", "calendar", "time_zone", "cycle_start", "first_cycle_start", "minor_digits")
    late = own.where(F.col("kind").isin(*LATE_KINDS)).select(*CYCLE).distinct()
    billed = account.select("account_id", F.col("cycle_start").alias("origin_cycle"))
    cycles = (
        billed.unionByName(late)
        .join(account, "account_id", how="inner")
        .withColumn("cycle_end", cycle_end_of(F.col("origin_cycle"), F.col("calendar")))
        .withColumn("last_moment", local_midnight(F.col("cycle_end"), F.col("time_zone")) - F.expr("INTERVAL 1 SECOND"))
    )
    before = _with_origin(posted, account).join(late, CYCLE, how="left_semi")
    usage = _usage(_with_origin(own, account)).unionByName(_usage(before))
    counted = _counted(usage, cycles, _with_is_invoiced(contracts, prepaid), limits)
    reckoned = counted.transform(_caps).unionByName(counted.transform(_minimums))
    # What a posted line took off, it has taken off: its amount is negative then.
    given = (
        before.where(F.col("kind").isin(*CAP_KINDS, *MINIMUM_KINDS))
        .groupBy(*CYCLE, "subscription_id", "tax_category", F.element_at(F.split("line_key", r"\|"), -1).alias("ref"))
        .agg(F.sum("amount").alias("amount"))
    )
    name = limits.select(F.col("limit_id").alias("ref"), "name", F.col("kind").alias("limit_kind"))
    key = [*SUBJECT, "tax_category"]
    return (
        reckoned.unionByName(given)
        .groupBy(*key)
        .agg(F.when(F.count_if(F.col("amount").isNull()) == 0, F.sum("amount")).alias("amount"))
        .join(F.broadcast(name), "ref", how="inner")
        .join(account.select("account_id", "cycle_start"), "account_id", how="inner")
        .transform(_as_lines)
    )


def _with_origin(lines: DataFrame, account: DataFrame) -> DataFrame:
    """Lines of the accounts; those without an `origin_cycle` get that of their bill."""
    columns = ["kind", "line_key", "subscription_id", "service", "origin_cycle", "tax_category", "amount", "cycle"]
    return (
        lines.select("account_id", *columns)
        .join(account.select("account_id", "calendar"), "account_id", how="inner")
        .withColumn("origin_cycle", F.coalesce("origin_cycle", start_of_bill()))
        .drop("calendar", "cycle")
    )


def _usage(lines: DataFrame) -> DataFrame:
    columns = [*CYCLE, "subscription_id", "service", "tax_category", "amount"]
    return lines.where(F.col("kind").isin(*USAGE_KINDS, *VOLUME_KINDS) & ~is_prepaid()).select(*columns)


def _with_is_invoiced(contracts: DataFrame, prepaid: DataFrame | None) -> DataFrame:
    """Add `is_invoiced`: false of prepaid contracts, which owe nothing beyond their usage; `prepaid` has each once."""
    if prepaid is None:
        return contracts.withColumn("is_invoiced", F.lit(True))
    of_credit = prepaid.select("account_id", "contract_id", F.lit(False).alias("is_invoiced"))
    return contracts.join(of_credit, ["account_id", "contract_id"], how="left").withColumn(
        "is_invoiced", F.coalesce("is_invoiced", F.lit(True))
    )


def _counted(usage: DataFrame, cycles: DataFrame, contracts: DataFrame, limits: DataFrame) -> DataFrame:
    """What each limit counts: one row a subject and tax category with its `sum`, and for a subject without usage, which
    has a minimum too where a contract of it is invoiced, one of 0 without a category."""
    line = ["account_id", "subscription_id", "origin_cycle"]
    days = overlap_days(F.col("starts_on"), F.col("cancelled_on"), F.col("origin_cycle"), F.col("cycle_end"))
    plans = (
        contracts.select(
            "account_id", "subscription_id", "contract_id", "plan_id", "starts_on", "cancelled_on", "is_invoiced"
        )
        .join(cycles, "account_id", how="inner")
        .where(days > 0)
        .groupBy(*line)
        .agg(
            F.max_by("plan_id", F.struct("starts_on", "contract_id")).alias("plan_id"),
            F.bool_or("is_invoiced").alias("is_invoiced"),
        )
    )
    of_none = {name: F.lit(None).cast("string") for name in ("service", "tax_category")}
    nothing = plans.where("is_invoiced").withColumns({"amount": F.lit(0).cast(money.LINE_AMOUNT), **of_none})
    limit = limits.select(
        F.col("limit_id").alias("ref"), F.col("kind").alias("limit_kind"), F.col("plan_id").alias("limit_plan"),
        F.col("service").alias("limit_service"), F.col("tax_category").alias("limit_category"), "scope",
        "amount_micros", "valid_from", "valid_to",
    )  # fmt: skip
    is_known = F.count_if(F.col("amount").isNull()) == 0
    return (
        usage.join(plans, line, how="left").unionByName(nothing)
        .join(cycles.select(*CYCLE, "last_moment", "first_cycle_start", "minor_digits"), CYCLE, how="inner")
        .join(F.broadcast(limit), F.expr(COVERS), how="inner")
        .withColumn("subscription_id", F.expr("CASE WHEN scope = 'line' THEN subscription_id END"))
        .groupBy(*SUBJECT, "tax_category", "limit_kind", "limit_category", "amount_micros", "minor_digits")
        .agg(F.when(is_known, F.sum("amount")).alias("sum"))
    )  # fmt: skip


def _caps(counted: DataFrame) -> DataFrame:
    """What caps take off: `amount` of each tax category, in proportion to its usage, whole minor units that sum up."""
    subject = Window.partitionBy(*SUBJECT)
    total = F.when(F.count_if(F.col("sum").isNull()).over(subject) == 0, F.sum("sum").over(subject))
    cap = money.rounded_minor("amount_micros", "1L", "minor_digits")
    share = money.tax_share("beyond", "total", "sum", "minor_digits", SUBJECT, "tax_category")
    return (
        counted.where("limit_kind = 'cap' AND tax_category IS NOT NULL")
        .withColumn("total", total.try_cast(money.LINE_AMOUNT))
        .withColumn("sum", F.col("sum").try_cast(money.LINE_AMOUNT))
        .withColumn("beyond", F.expr(f"CAST(greatest(total - {cap}, 0) AS {money.LINE_AMOUNT})"))
        .withColumn("beyond", F.expr("CASE WHEN total IS NOT NULL THEN beyond END"))
        .select(*SUBJECT, "tax_category", F.expr(f"CASE WHEN beyond IS NOT NULL THEN {share} END").alias("amount"))
    )


def _minimums(counted: DataFrame) -> DataFrame:
    """What is lacking of minimums, as a negative `amount`: it is charged, not taken off."""
    least = money.rounded_minor("amount_micros", "1L", "minor_digits")
    return (
        counted.where("limit_kind = 'minimum'")
        .groupBy(*SUBJECT, "limit_category", "amount_micros", "minor_digits")
        .agg(F.when(F.count_if(F.col("sum").isNull()) == 0, F.sum("sum")).alias("total"))
        .withColumn("lacking", F.expr(f"CASE WHEN total IS NOT NULL THEN greatest({least} - total, 0) END"))
        .select(*SUBJECT, F.col("limit_category").alias("tax_category"),
                F.expr(f"try_cast(-lacking AS {money.LINE_AMOUNT})").alias("amount"))
    )  # fmt: skip


def _as_lines(changes: DataFrame) -> DataFrame:
    """Lines of what is taken off or charged now and was not by posted lines."""
    kind = "CASE WHEN limit_kind = 'cap' THEN 'spend_cap' ELSE 'minimum_spend' END"
    late = "CASE WHEN is_prior THEN concat(name, ', late usage of the cycle from ', origin_cycle) ELSE name END"
    return (
        changes.withColumn("is_prior", F.expr("origin_cycle < cycle_start"))
        .withColumn("amount", F.expr(f"try_cast(-amount AS {money.LINE_AMOUNT})"))
        .where("amount IS NULL OR amount <> 0")
        .select(
            "account_id", F.expr(f"concat(CASE WHEN is_prior THEN 'prior_' ELSE '' END, {kind})").alias("kind"),
            "subscription_id", "origin_cycle", "tax_category", "ref", F.expr(late).alias("description"),
            F.col("amount").cast("decimal(38,6)").alias("exact_total"), "amount",
        )
    )  # fmt: skip
