"""Invoices: totals of their lines and a digest of what they say, which number, run and time stand outside of."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

KIND, SEQUENCE = "CASE WHEN is_closed THEN 'supplementary' ELSE 'regular' END", 1
HEAD = ["account_id", "customer_id", "cycle_start", "cycle_end", "invoice_kind", "sequence", "currency"]
# Counted from the cycle's end and not from the day of posting, so that a run done again says the same.
DUE_ON = "date_add(cycle_end, payment_term_days)"
HASHED = [
    "line_no", "line_key", "kind", "description", "events", "units", "free_units", "unit", "exact_total", "amount",
    "tax_category", "tax_id",
    "tax_share",
]  # fmt: skip


def invoices(lines: DataFrame, accounts: DataFrame) -> DataFrame:
    """One row an account with lines: the columns of `invoice` without run_id.

    lines: with_tax, unique by (account_id, line_no); accounts: accounts to bill, with minor_digits and is_closed.
    """
    heads = accounts.withColumns({"invoice_kind": F.expr(KIND), "sequence": F.lit(SEQUENCE), "due_on": F.expr(DUE_ON)})
    return summed_up(heads, lines)


def summed_up(heads: DataFrame, lines: DataFrame) -> DataFrame:
    """The columns of `invoice` without run_id, as the lines make them; an invoice without lines is left out.

    heads: one row an invoice: HEAD, minor_digits and due_on; what else it has is not looked at. lines: HASHED and
    exempt_reason by account_id.
    content_hash: SHA-256 of the invoice's head and its lines in order, each as JSON with every amount a string. The
    head names due_on and a line exempt_reason where there is one: without it the text is that of invoices before there
    were any.
    """
    said = F.struct(F.col("line_no"), _with_given(HASHED, "exempt_reason").alias("text"))
    totals = lines.groupBy("account_id").agg(
        F.count("*").cast("int").alias("lines"),
        F.sum("amount").cast("decimal(18,3)").alias("net"),
        F.sum("tax_share").cast("decimal(18,3)").alias("tax"),
        F.array_join(F.sort_array(F.collect_list(said)).getField("text"), "\n").alias("said"),
    )
    return (
        heads.select(*HEAD, "minor_digits", "due_on")
        .join(totals, "account_id", how="inner")
        .withColumn("total", (F.col("net") + F.col("tax")).cast("decimal(18,3)"))
        .withColumn("content_hash", F.sha2(F.concat_ws("\n", _with_given(HEAD, "due_on"), "said"), 256))
        .select(*HEAD, "minor_digits", "lines", "net", "tax", "total", "content_hash", "due_on")
    )


def run_totals(invoice: DataFrame) -> DataFrame:
    """One row: invoices, lines, net, tax, total and content_hash over the whole canonical set of invoices.

    The set is hashed in two levels, by the first three digits of the account's own hash, so that no row holds all
    accounts.
    """
    canonical = F.concat_ws(":", "account_id", F.col("cycle_start").cast("string"), "content_hash")
    in_buckets = invoice.groupBy(F.substring(F.sha2("account_id", 256), 1, 3).alias("bucket")).agg(
        F.count("*").alias("invoices"),
        *[F.sum(name).alias(name) for name in ("lines", "net", "tax", "total")],
        F.sha2(F.array_join(F.sort_array(F.collect_list(canonical)), "\n"), 256).alias("hash"),
    )
    named = F.concat_ws(":", "bucket", "hash")
    return in_buckets.agg(
        F.coalesce(F.sum("invoices"), F.lit(0)).alias("invoices"),
        F.coalesce(F.sum("lines"), F.lit(0)).alias("lines"),
        *[F.coalesce(F.sum(name), F.lit(0)).cast("decimal(18,3)").alias(name) for name in ("net", "tax", "total")],
        F.sha2(F.array_join(F.sort_array(F.collect_list(named)), "\n"), 256).alias("content_hash"),
    )


def _with_given(names: list[str], later: str) -> Column:
    """The columns as `_as_json`, and one that came to be later where it has a value."""
    return F.when(F.col(later).isNull(), _as_json(names)).otherwise(_as_json([*names, later]))


def _as_json(names: list[str]) -> Column:
    """STRING: the columns as one JSON object of strings; NULL is kept, so that no two contents read the same."""
    return F.to_json(
        F.struct(*[F.col(name).cast("string").alias(name) for name in names]), {"ignoreNullFields": "false"}
    )
