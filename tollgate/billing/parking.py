"""The equations of an account: when one fails, the account is parked with its reason and the others are billed."""

from __future__ import annotations

from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from tollgate.billing.lines import USAGE_KINDS

WAITING = "earlier cycle not posted"
FOREIGN = "account in another currency than the price book"
REASONS = {
    "events": "events on lines differ from events carried",
    "net": "lines differ from the sum of net charges",
    "charge": "net charge unknown",
    "currency": "usage in another currency than the account",
    "amount": "amount too large or unknown",
    "tax": "no tax rule for a taxable line",
    "key": "two lines with one key",
}


def failing_accounts(
    carried: DataFrame, billed: DataFrame, lines: DataFrame, unsound: DataFrame | None = None
) -> DataFrame:
    """(account_id, reason) of the accounts whose equations do not hold; one row each, the first reason of REASONS.

    Events carried = events on usage lines, and the sum of billed net charges = the sum of those lines' exact totals;
    every amount, charge and tax rule known. carried: carried_usage, read from the tables again so that a join that
    multiplies rows is seen; lines: with_tax; unsound: (account_id, reason) of accounts whose prepaid balances fail.
    """
    went_in = carried.groupBy("account_id").agg(F.count("*").alias("events_in"))
    charged = billed.groupBy("account_id").agg(F.sum("net_charge").alias("net_in"))
    on_lines = lines.groupBy("account_id").agg(*_sums_of_lines())
    checked = on_lines.join(went_in, "account_id", how="full").join(charged, "account_id", how="left")
    failing = checked.withColumn("reason", _first_reason()).where("reason IS NOT NULL").select("account_id", "reason")
    if unsound is None:
        return failing
    return failing.unionByName(unsound.join(failing, "account_id", how="left_anti"))


def set_aside(accounts: DataFrame, currency: str) -> DataFrame:
    """(account_id, reason) of due accounts that are not billed at all: one that has an earlier cycle to post first, and
    one in another currency than the book's, for no amount of the book is one of theirs."""
    is_foreign = F.col("currency") != currency
    reason = F.when(F.col("is_waiting"), F.lit(WAITING)).when(is_foreign, F.lit(FOREIGN))
    return accounts.where("is_due").select("account_id", reason.alias("reason")).where("reason IS NOT NULL")


def _sums_of_lines() -> list[Column]:
    is_usage = F.col("kind").isin(*USAGE_KINDS)
    return [
        F.sum(F.when(is_usage, F.col("events"))).alias("events_out"),
        F.sum(F.when(is_usage, F.col("exact_total"))).alias("net_out"),
        F.sum("unknown_charges").alias("unknown_charges"),
        F.sum("strange_currency").alias("strange_currency"),
        F.count_if(F.col("amount").isNull() | F.col("exact_total").isNull() | F.col("tax_share").isNull()).alias(
            "unknown_amounts"
        ),
        F.count_if("lacks_tax_rule").alias("without_rule"),
        (F.count("*") - F.count_distinct("line_key")).alias("repeated_keys"),
    ]


def _first_reason() -> Column:
    def number(name: str) -> Column:
        return F.coalesce(F.col(name), F.lit(0))

    failed = {
        "events": number("events_in") != number("events_out"),
        "charge": number("unknown_charges") > 0,
        "currency": number("strange_currency") > 0,
        "amount": number("unknown_amounts") > 0,
        "net": number("net_in") != number("net_out"),
        "tax": number("without_rule") > 0,
        "key": number("repeated_keys") > 0,
    }
    found = [F.when(condition, F.lit(REASONS[name])) for name, condition in failed.items()]
    return reduce(lambda first, then: F.coalesce(first, then), found)
