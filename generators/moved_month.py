"""A cut month as the records of another one, in native expressions: no record passes through Python."""

from __future__ import annotations

from datetime import date, timedelta

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from generators.customers import months_later
from generators.month_template import Template

DAY_MS = 86_400_000
_EVE = timedelta(days=2)  # abroad a month begins before it does at home


def days_of(month: date) -> int:
    """How many days the month of this first day has."""
    return (months_later(month, 1) - month).days


def in_slices(template: DataFrame, slices: int) -> DataFrame:
    """The template in `slices` partitions, each in the order of arrival: copies follow their event in one of them."""
    slice_no = (F.col("event_no") % slices).cast("INT")
    return template.repartitionById(slices, slice_no).sortWithinPartitions("arrival_no")


def moved(template: DataFrame, cut: Template, month: date, partitions: int) -> DataFrame:
    """The records of `month`: `key` and `value` BINARY, `partition` INT, `created_ms` BIGINT; order kept.

    template: rows of the cut month (`month_template.SCHEMA`). Every time moves by the same whole number of days, so the
    day of the month, the time of day and the offset stay; days that `month` lacks are left out. The event id names
    `month`. Moved to its own month, a record is what it was. partitions: of the topic; chosen by the key as by
    `producer.partition_of`.
    """
    shift = (month - cut.month).days
    prefix = f"{month:%Y%m}{cut.prefix[6:]}"
    key = F.concat("key_source", F.lit(f"|{prefix}-"), "serial")
    value = F.concat(
        "head", F.when(F.col("has_id"), _bytes(F.lit(prefix))).otherwise(_bytes(F.lit(""))), "after_id",
        _day("first_on", cut.month, month), "after_first", _day("second_on", cut.month, month), "after_second",
    )  # fmt: skip
    by_key = F.coalesce(F.crc32(_bytes(key)), F.col("event_no")) % partitions
    return template.where(F.col("day") <= days_of(month)).select(
        _bytes(key).alias("key"),
        value.alias("value"),
        by_key.cast("INT").alias("partition"),
        (F.col("arrival_ms") + shift * DAY_MS).alias("created_ms"),
    )


def _day(day: str, cut: date, month: date) -> Column:
    """The text of a day as far after `month` as it was after the month `cut`; nothing for NULL."""
    since = F.datediff(F.col(day), F.lit(cut - _EVE))
    # Nearly every day is one of these, and looking a text up costs less than writing a date out.
    usual = F.get(F.array(*[_bytes(F.lit(str(month + timedelta(days=at)))) for at in range(-_EVE.days, 40)]), since)
    other = F.date_add(F.lit(month - _EVE), since).cast("STRING")
    return F.coalesce(usual, _bytes(other), _bytes(F.lit("")))


def _bytes(text: Column) -> Column:
    return text.cast("BINARY")
