"""Invoices that a person should look at before a run is approved: unlike the account's own bills, or unlike the run's.

Nothing is held back by this; it says where to look. Source: docs/billing.md, "Outliers".
"""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

OUTLIER = ["run_id", "account_id", "kind", "currency", "total", "compared_with", "limit_percent"]
HISTORY = ["account_id", "currency", "cycle_start", "run_id", "total"]


@dataclass(frozen=True)
class Limits:
    """From where on an invoice is an outlier; percents of what it is compared with.

    history_bills: how many of the account's last bills make its median; rank_percent: the place of the run's high
    total among its totals, 99 for the one that 99 % of them do not exceed.
    """

    history_bills: int
    history_percent: int
    maximum_percent: int
    rank_percent: int
    run_percent: int


def outliers(invoice: DataFrame, history: DataFrame, limits: Limits) -> DataFrame:
    """The columns of `bill_outlier`: one row an invoice and kind of outlier.

    invoice: the run's invoices; history: those of the runs posted before it, HISTORY, of any accounts. Amounts are
    compared in one currency only, and exactly.
    """
    own = history.join(invoice.select("account_id"), "account_id", how="left_semi")
    seen = (
        invoice.select("run_id", "account_id", "currency", "total")
        .join(_past(own, limits.history_bills), ["account_id", "currency"], how="left")
        .join(_high_totals(invoice, limits.rank_percent), "currency", how="left")
    )
    found = F.explode(F.array(*[F.when(is_one, said) for is_one, said in _kinds(limits)]))
    return seen.withColumn("found", found).where("found IS NOT NULL").select(*OUTLIER[:2], "found.kind", "currency",
        "total", "found.compared_with", "found.limit_percent")  # fmt: skip


def without_statements(found: DataFrame, lines: DataFrame) -> DataFrame:
    """The outliers without statements of 0: a month of a prepaid contract asks for nothing, as a rule.

    lines: invoice_line of the run.
    """
    prepaid = lines.where("kind = 'prepaid_balance'").select("account_id", F.lit("zero").alias("kind")).distinct()
    return found.join(prepaid, ["account_id", "kind"], how="left_anti").select(*OUTLIER)


def _past(history: DataFrame, bills: int) -> DataFrame:
    """(account_id, currency, median, largest) of an account's bills; of an even number the lower middle one."""
    newest_first = Window.partitionBy("account_id", "currency").orderBy(F.desc("cycle_start"), F.desc("run_id"))
    is_last = F.row_number().over(newest_first) <= bills
    totals = (
        history.withColumn("last_total", F.when(is_last, F.col("total")))
        .groupBy("account_id", "currency")
        .agg(F.max("total").alias("largest"), F.sort_array(F.collect_list("last_total")).alias("last_totals"))
    )
    middle = F.element_at("last_totals", F.expr("CAST((size(last_totals) + 1) div 2 AS INT)"))
    return totals.select("account_id", "currency", middle.alias("median"), "largest")


def _high_totals(invoice: DataFrame, rank_percent: int) -> DataFrame:
    """(currency, high): the least total that at least `rank_percent` of a currency's totals do not exceed.

    Counted over the different amounts, which are far fewer than the invoices.
    """
    upwards = Window.partitionBy("currency").orderBy("total").rowsBetween(Window.unboundedPreceding, Window.currentRow)
    amounts = invoice.groupBy("currency", "total").agg(F.count("*").alias("bills"))
    counted = amounts.withColumn("up_to", F.sum("bills").over(upwards)).withColumn(
        "all_bills", F.sum("bills").over(Window.partitionBy("currency"))
    )
    reached = counted.where(F.col("up_to") * 100 >= F.col("all_bills") * rank_percent)
    return reached.groupBy("currency").agg(F.min("total").alias("high"))


def _kinds(limits: Limits) -> list[tuple[Column, Column]]:
    """Each kind of outlier: when it is one, and (kind, compared_with, limit_percent)."""

    def beyond(compared: str, percent: int) -> Column:
        return (F.col(compared) > 0) & (F.col("total") * 100 > F.col(compared) * percent)

    def said(kind: str, compared: Column, percent: int) -> Column:
        amount = compared.cast("decimal(18,3)").alias("compared_with")
        return F.struct(F.lit(kind).alias("kind"), amount, F.lit(percent).alias("limit_percent"))

    nothing = F.lit(0)
    return [
        (F.col("total") < 0, said("negative", nothing, 100)),
        (F.col("total") == 0, said("zero", nothing, 100)),
        (
            beyond("median", limits.history_percent),
            said("over_history", F.col("median"), limits.history_percent),
        ),
        (
            beyond("largest", limits.maximum_percent),
            said("new_maximum", F.col("largest"), limits.maximum_percent),
        ),
        (F.col("largest").isNull() & beyond("high", 100), said("first_bill", F.col("high"), 100)),
        (beyond("high", limits.run_percent), said("over_run", F.col("high"), limits.run_percent)),
    ]
