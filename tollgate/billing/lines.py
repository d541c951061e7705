"""Invoice lines before tax: usage by line, service, zone and origin cycle, fees, deposits; numbered by their keys."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from tollgate import money
from tollgate.billing import fees
from tollgate.billing.deposits import deposit_lines

KEY_PARTS = ["kind", "subscription_id", "service", "zone_id", "roaming_zone", "origin_cycle", "tax_category", "ref"]
# Usage of an earlier cycle than that of the bill: late, taken back, or charged again.
LATE_KINDS = ["prior_period", "usage_reversal", "usage_correction"]
USAGE_KINDS = ["usage", *LATE_KINDS]
# What volume tiers change of it.
VOLUME_KINDS = ["volume_tier", "prior_volume_tier"]
# What spending caps take off usage.
CAP_KINDS = ["spend_cap", "prior_spend_cap"]
PREPAID_KINDS = [
    "prepaid_balance", "prepaid_used", "prepaid_tax", "top_up", "prepaid_forfeit", "prepaid_settlement",
]  # fmt: skip
LINE_COLUMNS = {
    "account_id": "string", "line_key": "string", "kind": "string", "subscription_id": "string", "service": "string",
    "zone_id": "string",
    "roaming_zone": "string", "origin_cycle": "date", "tax_category": "string", "ref": "string",
    "description": "string", "events": "bigint",
    "units": "bigint", "free_units": "bigint", "unit": "string", "exact_total": "decimal(38,6)",
    "amount": "decimal(18,3)",
    "unknown_charges": "bigint", "strange_currency": "bigint",
}  # fmt: skip
USAGE_NAME = "CASE service WHEN 'voice' THEN 'Voice' WHEN 'sms' THEN 'SMS' WHEN 'mms' THEN 'MMS' ELSE 'Data' END"


def line_key() -> Column:
    """STRING: kind|subscription|service|zone|roaming zone|origin cycle|tax category|ref; absent parts are empty."""
    return F.concat_ws("|", *[F.coalesce(F.col(part).cast("string"), F.lit("")) for part in KEY_PARTS])


def is_prepaid() -> Column:
    """BOOLEAN: a line of a prepaid contract. Of usage lines those whose key ends with the contract that pays."""
    return F.col("kind").isin(*PREPAID_KINDS) | (F.col("kind").isin(*USAGE_KINDS) & ~F.endswith("line_key", F.lit("|")))


def with_usage_key(usage: DataFrame) -> DataFrame:
    """Add `line_kind` and `line_key` of the line that carries a row; usage of an earlier cycle is `prior_period`, or
    of an event that was billed before (`is_corrected`, absent where none is) `usage_reversal` or `usage_correction`.

    Usage that a prepaid contract pays (`prepaid_contract_id`) stands on lines of that contract.
    """
    late: Column = F.lit("prior_period")
    if "is_corrected" in usage.columns:
        late = F.when(F.col("is_corrected"), F.concat(F.lit("usage_"), "kind")).otherwise(late)
    kind = F.when(F.col("origin_cycle") == F.col("cycle_start"), "usage").otherwise(late)
    part = {
        "kind": kind,
        "tax_category": F.coalesce("tax_category", F.lit("none")),
        "ref": F.coalesce("prepaid_contract_id", F.lit("")),
    }
    columns = [part.get(name, F.coalesce(F.col(name).cast("string"), F.lit(""))) for name in KEY_PARTS]
    return usage.withColumn("line_kind", kind).withColumn("line_key", F.concat_ws("|", *columns))


def usage_lines(usage: DataFrame, zones: DataFrame, accounts: DataFrame) -> DataFrame:
    """One line an account and line_key; the amount is the sum of the net charges rounded once to the minor unit.

    usage: with_usage_key after with_net_charge; zones: price_zone; accounts: with minor_digits. Events charged 0 are
    on a line too. `unknown_charges` counts rows without a net charge, `strange_currency` rows in another currency
    than the account's; both park it.
    """
    is_strange = F.coalesce(F.col("currency") != F.col("account_currency"), F.lit(False))
    zone = zones.select("zone_id", F.col("name").alias("zone_name"))
    taxed = usage.withColumn("tax_category", F.coalesce("tax_category", F.lit("none")))
    grouped = taxed.groupBy("account_id", "line_key").agg(
        *[F.first(name).alias(name) for name in
          ("subscription_id", "service", "zone_id", "roaming_zone", "origin_cycle", "tax_category")],
        F.first("line_kind").alias("kind"),
        F.count("*").alias("events"),
        # Of a reversal they are negative; the line says how much was taken back.
        F.abs(F.sum(F.coalesce("charged_units", F.lit(0)))).alias("units"),
        F.abs(F.sum("free_units")).alias("free_units"),
        F.max("unit").alias("unit"),
        F.coalesce(F.sum("net_charge"), F.lit(0)).cast("decimal(38,6)").alias("exact_total"),
        F.count_if(F.col("net_charge").isNull()).alias("unknown_charges"),
        F.count_if(is_strange).alias("strange_currency"),
    )  # fmt: skip
    minor = accounts.select("account_id", "minor_digits")
    return (
        grouped.join(minor, "account_id", how="inner")
        .join(F.broadcast(zone), "zone_id", how="left")
        .withColumn("amount", F.expr(money.line_amount("exact_total", "minor_digits")))
        .withColumn("description", _usage_text())
    )


def all_lines(own: DataFrame, more: list[DataFrame], accounts: DataFrame, price_fees: DataFrame) -> DataFrame:
    """The lines `own` of the accounts with `more` of theirs and the invoice's fees, numbered 1, 2, ... in the binary
    order of line_key.

    more: discounts, lines of prepaid contracts; columns that they lack are filled. An account with a line gets the
    invoice's fees, one whose lines are all prepaid gets a statement without; one without lines has no invoice.
    """
    with_a_line = accounts.join(own.where(~is_prepaid()).select("account_id"), "account_id", how="left_semi")
    order = Window.partitionBy("account_id").orderBy("line_key")
    added = [*more, fees.invoice_fee_lines(with_a_line, price_fees)]
    return reduce(lambda lines, other: lines.unionByName(completed(other)), added, own).withColumn(
        "line_no", F.row_number().over(order)
    )


def lines_of_contracts_and_usage(
    usage: DataFrame,
    contracts: DataFrame,
    accounts: DataFrame,
    zones: DataFrame,
    price_fees: DataFrame,
    posted_lines: DataFrame,
    more: Sequence[DataFrame] = (),
) -> DataFrame:
    """Lines that an account has by itself: usage, monthly fees, deposits, and `more`; all LINE_COLUMNS, not yet
    numbered. posted_lines: invoice_line of posted runs."""
    own = [
        usage_lines(usage, zones, accounts),
        fees.recurring_lines(contracts, accounts, price_fees),
        deposit_lines(contracts, accounts, price_fees, posted_lines),
        *more,
    ]
    return reduce(DataFrame.unionByName, [completed(lines) for lines in own])


def completed(lines: DataFrame) -> DataFrame:
    """All LINE_COLUMNS: absent ones are NULL, absent counts 0, and the key of lines that have none yet."""
    for name, kind in LINE_COLUMNS.items():
        if name not in lines.columns and name != "line_key":
            lines = lines.withColumn(name, F.lit(0 if kind == "bigint" else None).cast(kind))
    if "line_key" not in lines.columns:
        lines = lines.withColumn("line_key", line_key())
    return lines.select(*LINE_COLUMNS)


def _usage_text() -> Column:
    """What the customer reads: the service, where to or where, and for late usage its own cycle."""
    abroad = "CASE WHEN roaming_zone <> 'home' THEN concat(' roaming in zone ', roaming_zone) ELSE '' END"
    # Data goes nowhere, so abroad it has no second place.
    has_place = "roaming_zone = 'home' OR service <> 'data'"
    to = f"CASE WHEN {has_place} THEN concat(', ', coalesce(zone_name, zone_id, 'no zone')) ELSE '' END"
    late = """CASE kind WHEN 'prior_period' THEN concat(', late usage of the cycle from ', origin_cycle)
      WHEN 'usage_reversal' THEN concat(', taken back of the cycle from ', origin_cycle)
      WHEN 'usage_correction' THEN concat(', corrected usage of the cycle from ', origin_cycle) ELSE '' END"""
    return F.expr(f"concat({USAGE_NAME}, {abroad}, {to}, {late})")
