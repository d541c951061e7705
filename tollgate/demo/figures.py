"""The figures of the page, each read from the tables or the database; none is written here."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from tollgate.assurance.leakage import leakage_by_service
from tollgate.assurance.truth import by_class_and_claim, compared, misses
from tollgate.platform.lake import Lake
from tollgate.platform.reports import read_report
from tollgate.platform.settings import Settings

Row = dict[str, Any]

INVOICE_TOTALS = """
SELECT count(*) AS invoices, coalesce(sum(lines), 0) AS lines, coalesce(sum(net), 0) AS net, coalesce(sum(tax),
0) AS tax,
  coalesce(sum(total), 0) AS total, coalesce(min(currency), '') AS currency,
  (SELECT count(*) FROM ops.bill_account_park) AS parked
FROM billing.invoice
"""
LINES_BY_KIND = """
SELECT kind, count(*) AS lines, sum(events)::bigint AS events, sum(amount) AS amount, sum(tax_share) AS tax
FROM billing.invoice_line GROUP BY kind ORDER BY kind
"""
# The first account, by id, whose invoice has a recurring line, free units of an allowance and usage abroad.
TELLING_INVOICE = """
SELECT invoice_no FROM billing.invoice JOIN billing.invoice_line USING (invoice_no)
GROUP BY invoice_no, account_id
ORDER BY (count(*) FILTER (WHERE kind = 'recurring') > 0)::int + (sum(free_units) > 0)::int
  + (count(*) FILTER (WHERE roaming_zone <> 'home' AND amount > 0) > 0)::int DESC, account_id
LIMIT 1
"""
INVOICE_DOCUMENT = "SELECT document FROM billing.invoice_document WHERE invoice_no = %s"


# The reports that the page shows.
OF_USAGE = ("records_by_disposition", "records_by_code", "rating_by_reason", "revenue_by_service")
EXPLAINED = ("call_over_a_band_edge", "session_while_roaming")


def report(spark: SparkSession, name: str) -> list[Row]:
    """Rows of a report over the session's views; decimals become text."""
    return [as_plain(row.asDict()) for row in spark.sql(read_report(name).sql).collect()]


def records(spark: SparkSession) -> Row:
    """What came in, by disposition and by code."""
    dispositions = {row["disposition"]: row["records"] for row in report(spark, "records_by_disposition")}
    return {
        "received": sum(dispositions.values()),
        "by_disposition": dispositions,
        "by_code": report(spark, "records_by_code"),
    }


def truth_figures(usage_event: DataFrame, truth: DataFrame) -> Row:
    """Injected and found by class: recall of each class and precision of what mediation said of it."""
    comparison = compared(usage_event, truth)
    rows = by_class_and_claim(comparison).collect()
    classes = {row.dirt_class or "not injected" for row in rows} | {
        row.claimed_class for row in rows if row.claimed_class != "none"
    }
    figures = [_class_figures(name, rows) for name in sorted(classes, key=lambda name: (name != "clean", name))]
    differs = any(row.found < row.records or row.true_class != row.claimed_class for row in rows)
    missed = [_told_miss(row) for row in misses(comparison).collect()] if differs else []
    return {"classes": figures, "misses": missed}


def leakage(rated_usage: DataFrame, billed: DataFrame) -> list[Row]:
    """Where list charges stand, by service."""
    return [as_plain(row.asDict()) for row in leakage_by_service(rated_usage, billed).orderBy("service").collect()]


def preview(lines: DataFrame, cycle: str) -> Row:
    """Sums of the preview's lines."""
    is_late = F.col("kind") == "prior_period"
    row = lines.agg(
        F.count_distinct("account_id").alias("invoices"),
        F.count("*").alias("lines"),
        F.coalesce(F.sum("amount"), F.lit(0)).alias("net"),
        F.count_if(is_late).alias("prior_lines"),
        F.coalesce(F.sum(F.when(is_late, F.col("events"))), F.lit(0)).alias("prior_events"),
        F.coalesce(F.sum(F.when(is_late, F.col("amount"))), F.lit(0)).alias("prior_amount"),
    ).collect()[0]
    return {"cycle": cycle, **as_plain(row.asDict())}


def invoices(connection: Any) -> Row:
    """Totals of the posted invoices and of their lines by kind."""
    totals = asked(connection, INVOICE_TOTALS)[0]
    return {**totals, "by_kind": asked(connection, LINES_BY_KIND)}


def invoice_in_full(connection: Any) -> Row:
    """The document of one telling invoice; its number is left to the database's own order of accounts."""
    chosen = asked(connection, TELLING_INVOICE)
    if not chosen:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(INVOICE_DOCUMENT, (chosen[0]["invoice_no"],))
        document = cursor.fetchone()[0]
    return dict(document if isinstance(document, dict) else json.loads(document))


def charges_explained(spark: SparkSession, settings: Settings) -> list[Row]:
    """The first call over the edge of a time band and the first session abroad, as `tollgate explain` tells them."""
    return [
        _explained(spark, settings, "call_over_a_band_edge", "no call was priced in two time bands"),
        _explained(spark, settings, "session_while_roaming", "no data session abroad was charged"),
    ]


def _explained(spark: SparkSession, settings: Settings, name: str, none: str) -> Row:
    from jobs import explain_charge

    found = report(spark, name)
    if not found:
        return {"text": none}
    texts, _ = explain_charge.explained(spark, settings, found[0]["event_id"], found[0]["source"])
    return {**found[0], "text": "\n".join(texts)}


def posted_usage(lake: Lake, run_ids: Sequence[str]) -> DataFrame:
    """billed_usage of these runs."""
    return lake.read("billed_usage").where(F.col("run_id").isin(list(run_ids)))


def as_plain(row: Mapping[str, Any]) -> Row:
    """Decimals as text and nothing as an empty text, so that a page and a JSON file show the same digits."""
    return {
        name: value if isinstance(value, (int, bool)) else "" if value is None else str(value)
        for name, value in row.items()
    }


def _class_figures(name: str, rows: Sequence[Any]) -> Row:
    own = [row for row in rows if (row.dirt_class or "not injected") == name]
    said = [row for row in rows if row.claimed_class == name]
    return {
        "dirt_class": name,
        "injected": sum(row.records for row in own if row.dirt_class),
        "found": sum(row.found for row in own),
        "claimed": sum(row.records for row in said),
        "rightly": sum(row.records for row in said if row.true_class == name),
    }


def _told_miss(row: Any) -> str:
    wanted = f"{row.dirt_class} {row.dirt_kind}: {row.expected_disposition} {row.expected_code}".rstrip()
    found = f"{row.disposition} {', '.join(row.codes or [])}".rstrip()
    return f"{row.topic}-{row.kafka_partition}@{row.kafka_offset} {wanted}; found {found}"


def asked(connection: Any, query: str, *values: Any) -> list[Row]:
    """Rows of a question to PostgreSQL, by column. values: what stands for its %s."""
    with connection.cursor() as cursor:
        cursor.execute(query, values or None)
        names = [column.name for column in cursor.description]
        return [as_plain(dict(zip(names, row, strict=True))) for row in cursor.fetchall()]
