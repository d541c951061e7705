"""The sub-ledger of prepaid contracts: what usage took from a contract's credit, top-ups, and what its end forfeits.

A contract is prepaid when its plan has a row in top_up.csv. Credit is positive, what is owed negative. The sub-ledger
keeps six digits, so nothing is rounded here but what the end of a contract asks the customer for. Source:
docs/billing.md, "Prepaid".
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from tollgate import money
from tollgate.billing.cycle_dates import overlap_days
from tollgate.billing.fees import in_force

CONTRACT = ["account_id", "contract_id"]
UNSOUND = "prepaid balance does not add up"
GONE = "prepaid contract with a balance is gone or prepaid no more"
PREPAID_BALANCE = [
    "run_id", "account_id", "contract_id", "subscription_id", "plan_id", "cycle_start", "is_first", "opening",
    "top_ups", "topped_up", "debits", "forfeited", "settled", "closing", "is_closed",
]  # fmt: skip

# Millionths as DECIMAL(38,0): sums of eighteen digits cannot overflow in them.
LACKING = "below - opening_m + most_spent"
BY_EVENT = f"greatest(0L, ({LACKING} + top_up - 1) div top_up)"
TOP_UPS = f"""
CASE WHEN top_up = 0 OR was_closed THEN 0L
     WHEN moment = 'event' AND most_spent IS NOT NULL THEN {BY_EVENT}
     WHEN moment = 'month_start' AND goes_on AND opening_m - debits_m < below THEN 1L
     ELSE 0L END
"""
CREDIT = "opening_m + topped_m - debits_m"
# The credit had no end of the contract taken or asked for anything so far: what comes after the end, usage or what is
# taken back of it, is reckoned as if the end had known it.
WITHOUT_END = f"{CREDIT} + forfeited_before - settled_before"
FORFEITED = f"CASE WHEN is_closed THEN greatest({WITHOUT_END}, 0BD) - forfeited_before ELSE 0BD END"


def prepaid_contracts(contracts: DataFrame, accounts: DataFrame, top_ups: DataFrame) -> DataFrame:
    """Contracts of the accounts whose plan is prepaid, one row each, with the terms that hold just before the cycle's
    end.

    contracts: ref_contract; accounts: accounts to bill, with minor_digits; top_ups: price_top_up, whose rows of a plan
    do not overlap. `moment` is NULL and the amounts 0 where no row holds then. `was_in_force`: on a day of the cycle.
    """
    plans = top_ups.select("plan_id").distinct()
    terms = top_ups.select(
        F.col("plan_id").alias("of_plan"), "opening_credit_micros", "below_micros", "amount_micros", "moment",
        "valid_from", "valid_to",
    )  # fmt: skip
    account = accounts.select("account_id", "cycle_start", "cycle_end", "ends_at", "closed_on", "minor_digits")
    days = overlap_days(F.col("starts_on"), F.col("cancelled_on"), F.col("cycle_start"), F.col("cycle_end"))
    # The last bill of an account that closes as its cycle ends settles what ends with it.
    is_over = F.expr(
        "coalesce(cancelled_on < cycle_end OR (cancelled_on = cycle_end AND closed_on = cycle_end), false)"
    )
    return (
        contracts.drop("snapshot_id")
        .join(F.broadcast(plans), "plan_id", how="left_semi")
        .join(account, "account_id", how="inner")
        .join(F.broadcast(terms), (F.col("of_plan") == F.col("plan_id")) & in_force(), how="left")
        .withColumn("is_closed", is_over)
        .withColumn("goes_on", F.coalesce(F.col("cancelled_on") > F.col("cycle_end"), F.lit(True)))
        .withColumn("was_in_force", (days > 0) | (is_over & (F.col("cancelled_on") >= F.col("cycle_start"))))
        .drop("of_plan", "valid_from", "valid_to", "ends_at", "closed_on")
    )


def with_prepaid_contract(usage: DataFrame, prepaid: DataFrame | None) -> DataFrame:
    """Add `prepaid_contract_id`: the contract that pays a row from its credit; NULL for usage that is invoiced.

    usage: rows with the columns of rated_usage; prepaid: prepaid_contracts, None where the price book has no such plan.
    """
    if prepaid is None:
        return usage.withColumn("prepaid_contract_id", F.lit(None).cast("string"))
    payer = prepaid.select(*CONTRACT, F.col("contract_id").alias("prepaid_contract_id"))
    return usage.join(payer, CONTRACT, how="left")


def prepaid_balances(usage: DataFrame, prepaid: DataFrame, posted: DataFrame) -> DataFrame:
    """PREPAID_BALANCE without run_id, and the `minor_digits` and `top_up_amount` of the lines: one row a contract.

    usage: what the run carries, with `net_charge` and `prepaid_contract_id`; prepaid: prepaid_contracts; posted:
    prepaid_balance of posted runs, at most one row a contract and cycle. A contract has a row while it is in force, in
    the run that ends it, and whenever usage of it comes. What does not fit DECIMAL(18,6) is NULL and parks the account.
    """
    before = posted.groupBy(*CONTRACT).agg(
        F.max_by("closing", "cycle_start").alias("carried"),
        F.max_by("is_closed", "cycle_start").alias("closed_before"),
        F.sum("forfeited").alias("forfeited_so_far"),
        F.sum("settled").alias("settled_so_far"),
    )
    was_closed = F.col("is_closed") & F.coalesce("closed_before", F.lit(False))
    is_wanted = "has_usage OR (CASE WHEN carried IS NULL THEN was_in_force ELSE NOT was_closed END)"
    known = (
        prepaid.where("starts_on < cycle_end")
        .join(before, CONTRACT, how="left")
        .join(_charged(usage), CONTRACT, how="left")
        .withColumn("was_closed", was_closed)
        .withColumn("has_usage", F.col("debits").isNotNull())
        .where(is_wanted)
        .withColumn("is_first", F.col("carried").isNull())
        .withColumn("debits", F.coalesce("debits", F.lit(0)))
    )
    return known.transform(_with_movements).select(*PREPAID_BALANCE[1:], "minor_digits", "top_up_amount")


def unsound_accounts(balances: DataFrame, usage: DataFrame, posted: DataFrame, due: DataFrame) -> DataFrame:
    """(account_id, reason) of accounts with a contract whose balance does not add up, or is carried no further though
    nothing has ended it; once each.

    opening + topped_up + settled - debits - forfeited = closing; the opening is what the posted run before left, the
    debits are the net charges of the contract's own usage. All read from the frames again. due: accounts to bill.
    """
    own = (
        usage.where("prepaid_contract_id IS NOT NULL")
        .groupBy("account_id", F.col("prepaid_contract_id").alias("contract_id"))
        .agg(F.sum("net_charge").alias("own_debits"))
    )
    before = (
        posted.join(due.select("account_id"), "account_id", how="left_semi")
        .groupBy(*CONTRACT)
        .agg(
            F.max_by("closing", "cycle_start").alias("carried"),
            F.max_by("is_closed", "cycle_start").alias("was_closed"),
        )
    )
    adds_up = (
        F.expr("opening + topped_up + settled - debits - forfeited = closing")
        & (F.coalesce("own_debits", F.lit(0)) == F.col("debits"))
        & (F.coalesce("carried", "opening") == F.col("opening"))
    )
    is_absent = F.expr("is_told IS NULL AND own_debits IS NULL")
    reason = F.when(is_absent, F.when(~F.col("was_closed"), F.lit(GONE))).when(
        ~F.coalesce(adds_up, F.lit(False)), F.lit(UNSOUND)
    )
    return (
        balances.withColumn("is_told", F.lit(True))
        .join(own, CONTRACT, how="full")
        .join(before, CONTRACT, how="full")
        .groupBy("account_id")
        .agg(F.max(reason).alias("reason"))
        .where("reason IS NOT NULL")
    )


def prepaid_movements(balances: DataFrame) -> DataFrame:
    """(account_id, given, forfeited), DECIMAL(18,6): credit that contracts opened with, and credit that ends took; for
    the ledger. balances: prepaid_balance of a run."""
    given = F.sum(F.when(F.col("is_first"), F.col("opening")).otherwise(0))
    return balances.groupBy("account_id").agg(
        given.cast(money.AMOUNT).alias("given"), F.sum("forfeited").cast(money.AMOUNT).alias("forfeited")
    )


def _charged(usage: DataFrame) -> DataFrame:
    """What a contract's events took: `debits`, and `most_spent` (millionths), the most that a charge left it at.

    A charge of 0 does not look at the credit. What reversals give back is there before anything is charged.
    """
    contract = ["account_id", "prepaid_contract_id"]
    is_charge = F.col("kind") != "reversal"
    order = Window.partitionBy(*contract).orderBy(is_charge, "started_at", "source", "event_id", "revision")
    so_far = F.sum("net_charge").over(order.rowsBetween(Window.unboundedPreceding, Window.currentRow))
    return (
        usage.where("prepaid_contract_id IS NOT NULL")
        .withColumn("spent", F.when(is_charge & (F.col("net_charge") != 0), so_far))
        .groupBy("account_id", F.col("prepaid_contract_id").alias("contract_id"))
        .agg(
            F.coalesce(F.sum("net_charge"), F.lit(0)).alias("debits"),
            _micros(F.max("spent")).alias("most_spent"),
        )
    )


def _with_movements(known: DataFrame) -> DataFrame:
    exact = {
        "below": "below_micros",
        "top_up": "amount_micros",
        "opened_with": "opening_credit_micros",
    }
    in_micros = known.withColumns(
        {name: F.coalesce(F.col(column), F.lit(0)).cast(money.EXACT) for name, column in exact.items()}
        | {
            "debits_m": _micros(F.col("debits")),
            "forfeited_before": F.coalesce(_micros(F.col("forfeited_so_far")), F.lit(0).cast(money.EXACT)),
            "settled_before": F.coalesce(_micros(F.col("settled_so_far")), F.lit(0).cast(money.EXACT)),
        }
    )
    moved = (
        in_micros.withColumn("opening_m", F.coalesce(_micros(F.col("carried")), F.col("opened_with")))
        .withColumn("top_ups", F.expr(TOP_UPS))
        .withColumn("topped_m", F.expr(f"CAST(top_ups * top_up AS {money.EXACT})"))
        .withColumn("forfeited_m", F.expr(f"CAST({FORFEITED} AS {money.EXACT})"))
        .withColumn("owed_m", F.expr(f"CAST(greatest(-({WITHOUT_END}), 0BD) AS {money.EXACT})"))
        .withColumn("owed", F.expr(money.rounded_minor("owed_m", "1L", "minor_digits")))
        .withColumn("settled", F.expr("CASE WHEN is_closed THEN owed - coalesce(settled_so_far, 0) ELSE 0 END"))
        .withColumn("closing_m", F.expr(f"{CREDIT} - forfeited_m") + _micros(F.col("settled")))
    )
    amounts = {"opening": "opening_m", "topped_up": "topped_m", "debits": "debits_m", "closing": "closing_m"}
    amounts |= {"forfeited": "forfeited_m", "top_up_amount": "top_up"}
    return moved.withColumns(
        {name: F.expr(_amount(micros)) for name, micros in amounts.items()}
        | {"settled": F.col("settled").cast(money.AMOUNT)}
    )


def _micros(amount: Column) -> Column:
    """DECIMAL(38,0) millionths of an amount with at most six decimals, exactly."""
    return (amount.cast("decimal(30,6)") * money.MICROS_PER_UNIT).cast(money.EXACT)


def _amount(micros: str) -> str:
    return money.to_decimal(f"try_cast({micros} AS BIGINT)")
