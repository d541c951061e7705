"""What a statement says of prepaid contracts: their balance, what was paid from it, top-ups, and how a contract ends.

Usage of prepaid contracts stands on usage lines like any other, tax included; these lines see to it that the amount due
asks for none of it again. Source: docs/billing.md, "Prepaid".
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from tollgate import money
from tollgate.billing.lines import USAGE_KINDS, is_prepaid
from tollgate.billing.tax import INCLUDED, UNTAXED, rules_of_accounts
from tollgate.billing.tax_status import with_exemption


def prepaid_lines(
    own: DataFrame, balances: DataFrame, accounts: DataFrame, taxes: DataFrame, exemptions: DataFrame | None = None
) -> list[DataFrame]:
    """Lines by contract: `prepaid_balance`, `prepaid_used`, `top_up`, `prepaid_forfeit`, `prepaid_settlement`; and by
    account `prepaid_tax`.

    own: the account's own lines, with the usage of prepaid contracts; balances: prepaid_balances; accounts: accounts to
    bill, with minor_digits; taxes: price_tax; exemptions: exemptions_in_force.
    """
    return [
        _balance_lines(balances),
        _used_lines(own),
        _line(balances.where("top_ups > 0"), "top_up", "topped_up", _top_up_text(), units=F.col("top_ups")),
        _line(balances.where("forfeited <> 0"), "prepaid_forfeit", "0", _forfeit_text()),
        _line(balances.where("settled <> 0"), "prepaid_settlement", "settled", _settlement_text()),
        _tax_lines(own, accounts, taxes, exemptions),
    ]


def _balance_lines(balances: DataFrame) -> DataFrame:
    first = F.when(F.col("is_first"), F.lit("opened with ")).otherwise(F.lit(""))
    said = F.concat(F.lit("Prepaid credit: "), first, _shown("opening"), F.lit(" before, "), _shown("closing"))
    return _line(balances, "prepaid_balance", "0", F.concat(said, F.lit(" after this statement")))


def _used_lines(own: DataFrame) -> DataFrame:
    """One line a contract: minus what its usage lines come to, since the credit has paid them."""
    usage = own.where(F.col("kind").isin(*USAGE_KINDS) & is_prepaid())
    contract = F.element_at(F.split("line_key", r"\|"), -1)
    return usage.groupBy("account_id", "subscription_id", contract.alias("ref")).agg(
        F.lit("prepaid_used").alias("kind"),
        F.lit("none").alias("tax_category"),
        F.lit("Paid from prepaid credit").alias("description"),
        (-F.sum("exact_total")).cast("decimal(38,6)").alias("exact_total"),
        (-F.sum("amount")).cast(money.LINE_AMOUNT).alias("amount"),
    )


def _tax_lines(own: DataFrame, accounts: DataFrame, taxes: DataFrame, exemptions: DataFrame | None) -> DataFrame:
    """One line a tax category: minus the tax that prepaid usage includes; its share of the tax is the same, positive.

    The base of a rule is the sum of the lines, and the tax inside it is rounded once an invoice, as other tax is.
    """
    account = accounts.where("NOT tax_exempt").select("account_id", "ends_at", "tax_jurisdiction", "minor_digits")
    usage = own.where(F.col("kind").isin(*USAGE_KINDS) & is_prepaid() & ~F.col("tax_category").isin(*UNTAXED))
    usage = usage.transform(with_exemption, exemptions, UNTAXED).where("exempt_reason IS NULL")
    base = usage.groupBy("account_id", "tax_category").agg(F.sum("amount").cast(money.LINE_AMOUNT).alias("base"))
    is_rule = F.expr("tax_jurisdiction = rule_jurisdiction AND ends_at = rule_ends_at AND tax_category = rule_category")
    tax = money.included_tax("base", "rate_ppm", "minor_digits")
    return (
        base.join(account, "account_id", how="inner")
        .join(F.broadcast(rules_of_accounts(accounts, taxes)), is_rule, how="inner")
        .withColumn("amount", F.expr(f"-({tax})").cast(money.LINE_AMOUNT))
        .where("amount IS NULL OR amount <> 0")
        .select(
            "account_id", F.lit(INCLUDED).alias("kind"), "tax_category",
            F.lit("Tax included in prepaid usage").alias("description"),
            F.col("amount").cast("decimal(38,6)").alias("exact_total"), "amount",
        )
    )  # fmt: skip


def _line(balances: DataFrame, kind: str, amount: str, text: Column, units: Column | None = None) -> DataFrame:
    """Untaxed lines of contracts; amount: a column of the balances in whole minor units, or 0."""
    return balances.select(
        "account_id", "subscription_id", F.col("contract_id").alias("ref"), F.lit(kind).alias("kind"),
        F.lit("none").alias("tax_category"), text.alias("description"),
        (F.lit(0) if units is None else units).cast("bigint").alias("units"),
        F.expr(f"CAST({amount} AS DECIMAL(38,6))").alias("exact_total"),
        F.expr(money.line_amount(amount, "minor_digits")).alias("amount"),
    )  # fmt: skip


def _top_up_text() -> Column:
    return F.concat(F.lit("Top-up of prepaid credit, "), F.col("top_ups").cast("string"), F.lit(" x "),
                    _shown("top_up_amount"))  # fmt: skip


def _forfeit_text() -> Column:
    taken = F.concat(F.lit("Prepaid credit forfeited: "), _shown("forfeited"))
    back = F.concat(F.lit("Forfeited prepaid credit used after all: "), _shown("-forfeited"))
    return F.when(F.col("forfeited") > 0, taken).otherwise(back)


def _settlement_text() -> Column:
    beyond = "Prepaid usage beyond the credit"
    return F.when(F.col("settled") > 0, F.lit(beyond)).otherwise(F.lit(f"{beyond}, given back"))


def _shown(amount: str) -> Column:
    """An amount as text with two decimals, and more where it has more."""
    return F.regexp_replace(F.expr(f"CAST({amount} AS STRING)"), r"(\.\d\d\d*?)0+$", "$1")
