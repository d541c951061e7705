"""What must hold in a reference snapshot before it is visible, and the digest that says whether it is a new one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from typing import TYPE_CHECKING, Any

from pyspark.sql import Row, Window
from pyspark.sql import functions as F

from tollgate.reference.time_zones import zones_known_to

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

# 64 characters of SHA-256 as four numbers that fit a DECIMAL(20,0); their sums do not depend on the order of rows.
_WORDS = tuple(
    f"sum(CAST(conv(substr(row_hash, {first}, 16), 16, 10) AS DECIMAL(38,0))) AS word_{n}"
    for n, first in enumerate((1, 17, 33, 49))
)


def open_contracts(ref_account: DataFrame, ref_contract: DataFrame) -> DataFrame:
    """One row a mistake, `message`: a contract that outlasts its account, which has no bill after it is closed."""
    closed = ref_account.where("closed_on IS NOT NULL").select("account_id", "closed_on")
    text = "contract %s of account %s is in force after the account is closed on %s"
    return (
        ref_contract.join(closed, "account_id", how="inner")
        .where("coalesce(cancelled_on > closed_on, true)")
        .select(F.format_string(text, "contract_id", "account_id", F.col("closed_on").cast("string")).alias("message"))
    )


def unaligned_accounts(ref_account: DataFrame) -> DataFrame:
    """One row a mistake, `message`: an account with cycles of months whose first one does not begin on its anchor day.
    The days up to the next anchor day would be on no bill, and the cycle after them would wait for one that never was.
    """
    text = (
        "account %s has its first cycle from %s; expected a start on its anchor day, %d, or on the last day of a "
        "shorter month"
    )
    on_anchor = "day(first_cycle_start) = least(anchor_day, day(last_day(first_cycle_start)))"
    return ref_account.where(f"cycle_days IS NULL AND NOT {on_anchor}").select(
        F.format_string(text, "account_id", F.col("first_cycle_start").cast("string"), "anchor_day").alias("message")
    )


def unknown_zones(ref_account: DataFrame, ref_source: DataFrame) -> DataFrame:
    """One row a mistake, `message`: an account or a source whose time zone is none of `zones_known_to`."""
    whose = {"account": (ref_account, "account_id"), "source": (ref_source, "source")}
    text = "%s has time zone '%s'; expected an IANA time zone such as America/Toronto"
    return _not_among(zones_known_to(ref_source.sparkSession), whose, "time_zone", text)


def unknown_countries(ref_source: DataFrame, ref_cell: DataFrame, countries: Sequence[str]) -> DataFrame:
    """One row a mistake, `message`: a source or a cell in a country that has no numbering plan, by whose rules its
    numbers would be read. countries: the ISO codes of those that have one.
    """
    whose = {"source": (ref_source, "source"), "cell": (ref_cell, "cell_id")}
    text = "%s has country '%s'; expected an ISO code of two capital letters with a numbering plan, such as CA"
    return _not_among(countries, whose, "country", text)


def _not_among(known: Iterable[str], whose: Mapping[str, tuple[DataFrame, str]], column: str, text: str) -> DataFrame:
    """`message` of each row whose `column` is none of the known values; whose: by its name a table and its key."""
    named = [
        rows.select(F.concat(F.lit(f"{name} "), key).alias("whose"), column) for name, (rows, key) in whose.items()
    ]
    strange = reduce(lambda some, more: some.unionByName(more), named).where(~F.col(column).isin(*known))
    return strange.select(F.format_string(text, "whose", column).alias("message"))


def mistakes(
    ref_subscription: DataFrame, ref_customer_fact: DataFrame, ref_source: DataFrame, dialects: Sequence[str]
) -> DataFrame:
    """One row a mistake, `message` STRING: intervals of a number or customer that overlap, stretches without a state,
    sources of a dialect that mediation does not have.

    The frames as their contracts; line_state may be NULL here, which is one of the mistakes. No rows in sound master
    data. dialects: the names that mediation has.
    """
    speaks_another = ref_source.where(~F.col("dialect").isin(*dialects))
    known = ", ".join(dialects)
    return (
        _overlaps(ref_subscription, "msisdn", "number", "subscription_id")
        .unionByName(_overlaps(ref_customer_fact, "customer_id", "facts of customer", "customer_id"))
        .unionByName(
            ref_subscription.where("line_state IS NULL").select(
                F.format_string("line %s has no state from %s", "subscription_id", _shown("valid_from")).alias(
                    "message"
                )
            )
        )
        .unionByName(
            speaks_another.select(
                F.format_string(f"source %s has dialect %s; known are {known}", "source", "dialect").alias("message")
            )
        )
    )


def row_digests(frames: Mapping[str, DataFrame]) -> DataFrame:
    """One row a table: name, rows, and four words that change with any row and not with their order.

    frames: by table name, columns of the contracts without snapshot_id.
    """
    hashed = [
        frame.select(
            F.lit(name).alias("name"),
            F.sha2(F.to_json(F.struct(*frame.columns), {"ignoreNullFields": "false"}), 256).alias("row_hash"),
        )
        for name, frame in frames.items()
    ]
    every = reduce(lambda left, right: left.unionByName(right), hashed)
    return every.groupBy("name").agg(F.count(F.lit(1)).alias("rows"), *(F.expr(word) for word in _WORDS))


def plan_digest(name: str, rows: Iterable[Sequence[Any]]) -> Row:
    """As a row of `row_digests`, of rows that the driver has: name, number of rows, SHA-256 over them in any order."""
    lines = sorted(json.dumps(row) for row in rows)
    return Row(name=name, rows=len(lines), sha256=hashlib.sha256("\n".join(lines).encode()).hexdigest())


def snapshot_digest(digests: list[Row]) -> tuple[str, int]:
    """SHA-256 over the rows of `row_digests` and `plan_digest`, and the number of rows in all tables."""
    lines = sorted("|".join(str(value) for value in digest) for digest in digests)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest(), sum(digest["rows"] for digest in digests)


def _overlaps(intervals: DataFrame, key: str, noun: str, holder: str) -> DataFrame:
    order = Window.partitionBy(key).orderBy("valid_from", "valid_to", holder)
    before = order.rowsBetween(Window.unboundedPreceding, -1)
    text = f"{noun} %s: %s has it from %s, before the one before ends at %s"
    return (
        intervals.select(key, holder, "valid_from", "valid_to")
        .withColumn("taken_until", F.max("valid_to").over(before))
        .where("valid_from < taken_until OR valid_from >= valid_to")
        .select(F.format_string(text, key, holder, _shown("valid_from"), _shown("taken_until")).alias("message"))
    )


def _shown(instant: str) -> Column:
    return F.date_format(instant, "yyyy-MM-dd'T'HH:mm:ssXXX")
