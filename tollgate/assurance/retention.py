"""Retention: which columns leave which table, when, and which rows a legal hold keeps whole.

What leaves becomes NULL. Rows, counts, positions and digests stay, so every equation of conservation holds for ever.
A period is counted back from an instant that is given, never from a clock.
"""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce
from operator import or_

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

LEAVES, HELD = "leaves", "held"
# A holder of no number, account or source: everything of the time.
EVERYTHING = "everything"
HOLD_COLUMNS = (
    "account_id STRING, subscription_id STRING, msisdn STRING, source STRING, held_from TIMESTAMP, held_to TIMESTAMP"
)
BEGINNING, END = "TIMESTAMP '0001-01-01 00:00:00Z'", "TIMESTAMP '9999-12-31 00:00:00Z'"


@dataclass(frozen=True)
class Rule:
    """`columns` of `table` leave when `since` is a period back. key: identity of a row, the number of its run first."""

    name: str
    table: str
    columns: tuple[str, ...]
    since: str
    key: tuple[str, ...]

    @property
    def number(self) -> str:
        """The column that counts the batches or rating runs of the table."""
        return self.key[0]


_RECORD = ("batch_no", "kafka_partition", "kafka_offset")
_NUMBERS = ("msisdn", "msisdn_received", "destination", "destination_received", "subscriber_id")
RULES = (
    Rule("payload", "raw_cdr", ("payload", "headers"), "arrived_at", _RECORD),
    Rule("location", "usage_event", ("cell_id", "cell_region"), "arrived_at", _RECORD),
    Rule("itemised", "usage_event", _NUMBERS, "arrived_at", _RECORD),
    Rule("itemised", "rated_usage", ("msisdn", "destination"), "started_at",
         ("rating_no", "source", "event_id", "event_month", "revision")),
)  # fmt: skip


def cutoffs(as_of: datetime, payload_days: int, location_days: int, itemised_months: int) -> dict[str, datetime]:
    """Rule name to the instant before which its columns leave; `as_of` has an offset."""
    return {
        "payload": as_of - timedelta(days=payload_days),
        "location": as_of - timedelta(days=location_days),
        "itemised": _months_before(as_of, itemised_months),
    }


def due(rows: DataFrame, rule: Rule, cutoff: datetime) -> DataFrame:
    """The rows of which something is to leave, a hold aside."""
    found = rows.where(_is_due(rule, cutoff))
    # The partition is the month of the start, so that later months are left unread.
    is_by_start = rule.since == "started_at"
    return found.where(F.col("event_month") <= f"{cutoff:%Y-%m}") if is_by_start else found


def reach(holds: DataFrame, subscription: DataFrame | None) -> DataFrame:
    """What legal holds take hold of: (kind, value, since, until), half-open in time.

    holds: HOLD_COLUMNS, at most one of the first four given. An account or line holds the numbers that it had, each
    while it had it. subscription: ref_subscription of one snapshot; None when no hold names an account or line.
    """
    since, until = F.expr(f"coalesce(held_from, {BEGINNING})"), F.expr(f"coalesce(held_to, {END})")
    spans = holds.withColumns({"since": since, "until": until})
    named = spans.where("account_id IS NULL AND subscription_id IS NULL").selectExpr(
        f"CASE WHEN msisdn IS NOT NULL THEN 'msisdn' WHEN source IS NOT NULL THEN 'source' ELSE '{EVERYTHING}' END "
        "AS kind",
        "coalesce(msisdn, source, '') AS value", "since", "until",
    )  # fmt: skip
    if subscription is None:
        return named
    owned = subscription.select("account_id", "subscription_id", "msisdn", "valid_from", "valid_to")
    of_line = spans.select("account_id", "subscription_id", "since", "until").alias("hold")
    is_owner = F.expr(
        "(hold.account_id = owned.account_id OR hold.subscription_id = owned.subscription_id) "
        "AND valid_from < until AND valid_to > since"
    )
    # A line has several numbers over time and an account several lines: a row for each.
    numbers = owned.alias("owned").join(F.broadcast(of_line), is_owner, how="inner")
    return named.unionByName(
        numbers.selectExpr(
            "'msisdn' AS kind", "msisdn AS value", "greatest(since, valid_from) AS since",
            "least(until, valid_to) AS until",
        )
    )  # fmt: skip


def held(rows: DataFrame, reached: DataFrame, key: tuple[str, ...]) -> DataFrame:
    """`key` of the rows that a hold keeps, once each: its number called or was called, or its source sent the record.

    rows: need `key`, source, msisdn, destination, started_at and, where the table has it, arrived_at; either time
    inside the hold is enough, because the start of a record that could not be read is no fact.
    """
    times = [name for name in ("started_at", "arrived_at") if name in rows.columns]
    offers = F.expr(
        "array(struct('msisdn' AS kind, msisdn AS value), struct('msisdn' AS kind, destination AS value), "
        f"struct('source' AS kind, source AS value), struct('{EVERYTHING}' AS kind, '' AS value))"
    )
    offered = rows.select(*key, *times, F.inline(offers).alias("kind", "value"))
    in_time = reduce(or_, [F.expr(f"{name} >= since AND {name} < until") for name in times])
    same = (offered["kind"] == reached["kind"]) & (offered["value"] == reached["value"])
    return offered.join(F.broadcast(reached), same & in_time, how="left_semi").select(*key).distinct()


def with_fate(rows: DataFrame, rule: Rule, cutoff: datetime, kept: DataFrame | None) -> DataFrame:
    """Add `fate`: leaves, held, or NULL for rows of which nothing is due. kept: of `held`; None without holds."""
    is_due = _is_due(rule, cutoff)
    if kept is None:
        return rows.withColumn("fate", F.when(is_due, LEAVES))
    marked = kept.select(*rule.key, F.lit(True).alias("is_kept"))
    # The keys of `held` are unique, so a row stays one row.
    joined = rows.join(marked, list(rule.key), how="left")
    fate = F.when(is_due & F.col("is_kept"), HELD).when(is_due, LEAVES)
    return joined.withColumn("fate", fate).select(*rows.columns, "fate")


def blanked(rows: DataFrame, rule: Rule, cutoff: datetime, kept: DataFrame | None) -> DataFrame:
    """The rows with what is due and not held gone from them; the same columns in the same order."""
    empty = {
        name: F.when(F.col("fate") == LEAVES, F.lit(None)).otherwise(F.col(name)).cast(rows.schema[name].dataType)
        for name in rule.columns
    }
    return with_fate(rows, rule, cutoff, kept).withColumns(empty).select(*rows.columns)


def fates(rows: DataFrame, rule: Rule, cutoff: datetime, kept: DataFrame | None) -> DataFrame:
    """One row: `leaves` and `held` BIGINT, and the first and last number of the rows that leave; NULL without any."""
    leaves = F.col("fate") == LEAVES
    return with_fate(rows, rule, cutoff, kept).agg(
        F.count_if(leaves).alias(LEAVES),
        F.count_if(F.col("fate") == HELD).alias(HELD),
        F.min(F.when(leaves, F.col(rule.number))).alias("first"),
        F.max(F.when(leaves, F.col(rule.number))).alias("last"),
    )


def what_stays(rows: DataFrame, rule: Rule) -> DataFrame:
    """One row: `rows` BIGINT and `digest` DECIMAL(38,0), a sum over every column that no rule of the table takes."""
    taken = {name for one in rules_of(rule.table) for name in one.columns}
    staying = [name for name in rows.columns if name not in taken]
    digest = F.sum(F.xxhash64(*staying).cast("DECIMAL(38,0)"))
    return rows.agg(F.count("*").alias("rows"), F.coalesce(digest, F.lit(0)).cast("DECIMAL(38,0)").alias("digest"))


def rules_of(table: str) -> list[Rule]:
    """The rules of a table, in the order in which they are applied."""
    return [rule for rule in RULES if rule.table == table]


def _is_due(rule: Rule, cutoff: datetime) -> Column:
    is_there = reduce(or_, [F.col(name).isNotNull() for name in rule.columns])
    return F.expr(f"{rule.since} < TIMESTAMP '{cutoff.isoformat(sep=' ')}'") & is_there


def _months_before(instant: datetime, months: int) -> datetime:
    """The same day and time of an earlier month, or that month's last day."""
    year, month = divmod(instant.year * 12 + instant.month - 1 - months, 12)
    day = min(instant.day, calendar.monthrange(year, month + 1)[1])
    return instant.replace(year=year, month=month + 1, day=day)
