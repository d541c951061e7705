"""Less: the discounts of the billing stage, on the lines of a cycle, one after the other, each a line of its own.

The base is what usage and monthly fees of one cycle come to on the lines, before tax; those lines never change. A cycle
of which late usage arrives is reckoned again with all that is known of it, and what differs from the discounts posted
is a line of the run that carries the usage. Source: docs/billing.md, "Discounts".
"""

from __future__ import annotations

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from tollgate import money
from tollgate.billing.cycle_dates import cycle_end_of, local_midnight, overlap_days
from tollgate.billing.cycles import start_of_bill
from tollgate.billing.lines import CAP_KINDS, LATE_KINDS, USAGE_KINDS, VOLUME_KINDS, is_prepaid

DISCOUNT_KINDS = ["discount", "prior_discount"]
CYCLE = ["account_id", "origin_cycle"]
# Sums of lines beyond a line's own 18 digits are NULL; exactness.py proves that smaller ones fit with every discount.
THOUSANDTHS = f"CAST(amount * 1000 AS {money.EXACT})"
LARGEST_BASE = 10**18

IN_FORCE = "filter(rules, rule -> cycle_end_s - 1 BETWEEN rule.valid_from_s AND rule.valid_to_s - 1)"
ELIGIBLE = """
filter(in_force, rule -> rule.applies_to IN ('all', part) AND (rule.plan_id = '*' OR rule.plan_id <=> plan_id)
  AND (rule.fact = 'everyone' OR CASE WHEN rule.plan_id = '*' THEN usage_net ELSE usage_net_of_plan END
       >= rule.threshold_micros * 0.000001BD))
"""
# One that does not stack ends the chain as its first, and is skipped as any later one.
ACTING = """
CASE WHEN get(eligible, 0).stacks THEN filter(eligible, rule -> rule.stacks) ELSE slice(eligible, 1, 1) END
"""
PRODUCT = "aggregate({rules}, 1L, (product, rule) -> product * rule.{share})"


def discount_lines(
    own: DataFrame, posted: DataFrame, contracts: DataFrame, accounts: DataFrame, discounts: DataFrame
) -> DataFrame:
    """A `discount` line for each discount and tax category of the cycle billed, a `prior_discount` line for what late
    usage changes of an earlier cycle's; lines of 0 are left out.

    own: the lines that accounts have by themselves, posted: those of posted runs, each with the `cycle`, the key, of
    its bill; contracts: ref_contract; accounts: accounts to bill, with minor_digits; discounts: price_bill_discount.
    The amount is NULL, which parks the account, where the base has more than 18 digits.
    """
    account = accounts.select("account_id", "calendar", "time_zone")
    now = _with_origin(own, account)
    late = now.where(F.col("kind").isin(*LATE_KINDS)).select(*CYCLE).distinct()
    before = _with_origin(posted, account).join(late, CYCLE, how="left_semi")
    base = _bases(now).unionByName(_bases(before))
    off = base.transform(_with_plan, contracts).transform(_summed).transform(_taken_off, discounts)
    given = (
        before.where(F.col("kind").isin(DISCOUNT_KINDS))
        .groupBy(*CYCLE, "tax_category", F.element_at(F.split("line_key", r"\|"), -1).alias("ref"))
        .agg(F.sum("amount").alias("given"))
    )
    name = discounts.select(F.col("discount_id").alias("ref"), "name")
    return (
        off.join(given, [*CYCLE, "tax_category", "ref"], how="full")
        .join(F.broadcast(name), "ref", how="inner")
        .join(accounts.select("account_id", "cycle_start", "minor_digits"), "account_id", how="inner")
        .transform(_as_lines)
    )


def _with_origin(lines: DataFrame, account: DataFrame) -> DataFrame:
    """Lines of the accounts but those of prepaid contracts; fees, which have no `origin_cycle`, get that of their bill,
    and all get `cycle_end_s`, the epoch second at which it ends."""
    # A fee in advance names the cycle that it pays for; it is discounted with the bill that asks for it.
    of_own_cycle = F.col("origin_cycle").isNotNull() & (F.col("kind") != "recurring")
    ends_at = local_midnight(cycle_end_of(F.col("origin_cycle"), F.col("calendar")), F.col("time_zone"))
    return (
        lines.where(~is_prepaid())
        .select(
            "account_id", "kind", "line_key", "subscription_id", "origin_cycle", "tax_category", "exact_total",
            "amount", "cycle",
        )
        .join(account, "account_id", how="inner")
        .withColumn("origin_cycle", F.when(of_own_cycle, F.col("origin_cycle")).otherwise(start_of_bill()))
        .withColumn("cycle_end_s", F.unix_seconds(ends_at))
    )  # fmt: skip


def _bases(lines: DataFrame) -> DataFrame:
    """What can be discounted: usage, late usage too, less what caps took off, and monthly fees; `part` says which."""
    part = F.when(F.col("kind").isin(*USAGE_KINDS, *VOLUME_KINDS, *CAP_KINDS), "usage").when(
        F.col("kind") == "recurring", "recurring"
    )
    return lines.withColumn("part", part).where("part IS NOT NULL").select(
        *CYCLE, "cycle_end_s", "calendar", "subscription_id", "tax_category", "part", "amount",
        F.when(F.col("kind").isin(*USAGE_KINDS, *VOLUME_KINDS), F.col("exact_total")).alias("usage_total"),
    )  # fmt: skip


def _with_plan(base: DataFrame, contracts: DataFrame) -> DataFrame:
    """Add `plan_id`: of the line's last contract in force on a local day of the cycle; NULL without one."""
    line = ["account_id", "subscription_id", "origin_cycle"]
    days = overlap_days(F.col("starts_on"), F.col("cancelled_on"), F.col("origin_cycle"), F.col("origin_end"))
    ends = cycle_end_of(F.col("origin_cycle"), F.col("calendar")).alias("origin_end")
    plans = (
        base.select(*line, ends).distinct()
        .join(contracts, ["account_id", "subscription_id"], how="inner")
        .where(days > 0)
        .groupBy(*line)
        .agg(F.max_by("plan_id", F.struct("starts_on", "contract_id")).alias("plan_id"))
    )  # fmt: skip
    return base.join(plans, line, how="left")


def _summed(base: DataFrame) -> DataFrame:
    """One row a cycle, tax category, plan and part: `base`, its amounts in thousandths as DECIMAL(38,0), and of the
    cycle, all together and by plan, the net charges of usage, `usage_net` and `usage_net_of_plan`."""
    net = F.sum("usage_total")
    cycle, plan = Window.partitionBy(*CYCLE), Window.partitionBy(*CYCLE, "plan_id")
    return (
        base.groupBy(*CYCLE, "cycle_end_s", "tax_category", "plan_id", "part")
        .agg(
            F.sum(F.expr(THOUSANDTHS)).alias("sum"),
            net.alias("net"),
            F.count_if(F.col("amount").isNull()).alias("lost"),
        )
        .withColumn("base", F.expr(f"CASE WHEN lost = 0 AND abs(sum) < {LARGEST_BASE}BD THEN sum END"))
        .withColumn("usage_net", F.coalesce(F.sum("net").over(cycle), F.lit(0)))
        .withColumn("usage_net_of_plan", F.coalesce(F.sum("net").over(plan), F.lit(0)))
    )  # fmt: skip


def _taken_off(sums: DataFrame, discounts: DataFrame) -> DataFrame:
    """What each discount takes off a tax category of a cycle: columns ref, off_num (thousandths) over off_den, both
    DECIMAL(38,0), since rounding multiplies them; no row where it does not act.

    The numerators of a cycle stand over one denominator, the product of keep_den of all its discounts in force.
    """
    columns = ["discount_id", "stacks", "fact", "threshold_micros", "plan_id", "applies_to", "keep_num", "keep_den"]
    span = [F.unix_seconds(end).alias(f"{end}_s") for end in ("valid_from", "valid_to")]
    in_order = F.sort_array(F.collect_list(F.struct("apply_order", *columns, *span)))
    rules = discounts.agg(in_order.alias("rules"))
    kept_before = PRODUCT.format(rules="slice(acting, 1, place)", share="keep_num")
    den_so_far = PRODUCT.format(rules="slice(acting, 1, place + 1)", share="keep_den")
    share = f"{kept_before} * (rule.keep_den - rule.keep_num) * (off_den div {den_so_far})"
    is_known = F.count_if(F.col("off_num").isNull()) == 0
    return (
        sums.crossJoin(F.broadcast(rules))
        .withColumn("in_force", F.expr(IN_FORCE))
        .withColumn("off_den", F.expr(PRODUCT.format(rules="in_force", share="keep_den")))
        .withColumn("eligible", F.expr(ELIGIBLE))
        .withColumn("acting", F.expr(ACTING))
        .select(*CYCLE, "tax_category", "base", "off_den", "acting", F.posexplode("acting").alias("place", "rule"))
        .withColumn("off_num", F.expr(f"CAST(try_multiply(base, {share}) AS {money.EXACT})"))
        .groupBy(*CYCLE, "tax_category", F.col("rule.discount_id").alias("ref"))
        .agg(F.when(is_known, F.try_sum("off_num")).alias("off_num"),
             F.max("off_den").cast(money.EXACT).alias("off_den"), F.lit(True).alias("is_acting"))
    )  # fmt: skip


def _as_lines(off: DataFrame) -> DataFrame:
    """Lines of what each discount takes off, or of what it takes off more or less than was `given` by posted lines."""
    is_prior = "origin_cycle < cycle_start"
    exact, minor = (
        money.rounded_amount("micros", "off_den"),
        money.rounded_minor("micros", "off_den", "minor_digits"),
    )
    late = "CASE WHEN is_prior THEN concat(name, ', late usage of the cycle from ', origin_cycle) ELSE name END"
    return (
        off.withColumn("is_prior", F.expr(is_prior))
        .withColumn("micros", F.expr(f"CAST(try_multiply(off_num, -1000) AS {money.EXACT})"))
        .withColumn("reckoned", F.expr(f"CASE WHEN is_acting THEN {minor} ELSE 0 END"))
        .withColumn("amount", F.expr(f"try_cast(reckoned - coalesce(given, 0) AS {money.LINE_AMOUNT})"))
        .where("amount IS NULL OR amount <> 0")
        .select(
            "account_id", F.expr("CASE WHEN is_prior THEN 'prior_discount' ELSE 'discount' END").alias("kind"),
            "origin_cycle", "tax_category", "ref", F.expr(late).alias("description"),
            F.expr(f"CAST(CASE WHEN is_prior THEN amount ELSE {exact} END AS DECIMAL(38,6))").alias("exact_total"),
            "amount",
        )
    )  # fmt: skip
