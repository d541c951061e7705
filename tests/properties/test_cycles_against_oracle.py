"""Dates of bill cycles: Spark's integer arithmetic and the oracle's counting agree on drawn calendars and instants."""

from __future__ import annotations

from datetime import date, timedelta
from random import Random

import pytest
from frames import small_frame
from properties.frames_of_draws import moment
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from tollgate.billing.cycle_dates import (
    calendar_of_account,
    cycle_after,
    cycle_end_of,
    cycle_start_of,
    cycles_between,
    key_of,
    local_midnight,
    start_of_key,
)
from tollgate.billing.cycles import month_of, number_of
from tollgate.oracle.cycles import CycleCalendar

SEED, DRAWS = 20261128, 3_000
# Clocks change by an hour, by half an hour, at midnight, by a whole day that is left out, and never.
ZONES = ("America/Toronto", "Australia/Lord_Howe", "America/Santiago", "Pacific/Apia", "Asia/Kathmandu", "UTC")
COLUMNS = "cycle_days INT, anchor_day INT, first_cycle_start DATE, time_zone STRING, at TIMESTAMP, moved INT, "
COLUMNS += "month DATE, number INT"
DAY_US = 86_400_000_000


def draw(random: Random) -> tuple[int | None, int, date, str, int, int, date, int]:
    """A calendar, an instant near the edge of one of its cycles or anywhere, a number of cycles, and a key."""
    days = random.choice((None, 7, 14, 28, 29, 30, 30, 31, 45, 90, 365, 366, random.randrange(7, 367)))
    anchor_day = random.choice((1, 15, 28, 29, 30, 31))
    since = date(2011, 1, 1) + timedelta(days=random.randrange(9_000))
    since = random.choice((since, date(2024, 2, 29), date(2026, 1, 31), date(2027, 12, 31)))
    zone = random.choice(ZONES)
    on = since + timedelta(days=random.randrange(-400, 1_500))
    calendar = CycleCalendar(zone, anchor_day, days, since)
    edge = random.choice((calendar.of_day(on).start_us, calendar.of_day(on).end_us))
    at = random.choice((edge, edge - 1, edge + 1, edge + random.randrange(-400 * DAY_US, 400 * DAY_US)))
    return days, anchor_day, since, zone, at, random.randrange(-15, 16), on.replace(day=1), random.randrange(1, 6)


@pytest.mark.covers("CON-19", "CON-21", "BIL-08", "QUA-02")
def test_dates_and_keys_of_cycles_are_those_of_the_oracle(spark: SparkSession) -> None:
    random = Random(SEED)
    drawn = [draw(random) for _ in range(DRAWS)]
    rows = [(*one[:4], moment(one[4]), *one[5:]) for one in drawn]
    calendar, start, zone = F.col("calendar"), F.col("start"), F.col("time_zone")
    found = (
        small_frame(spark, rows, COLUMNS)
        .withColumn("calendar", calendar_of_account())
        .withColumn("start", cycle_start_of(F.col("at"), zone, calendar))
        .withColumn("end", cycle_end_of(start, calendar))
        .withColumn("other", cycle_after(start, F.col("moved"), calendar))
        .select(
            "start", "end",
            *[F.unix_micros(local_midnight(day, zone)) for day in (start, F.col("end"))],
            "other", cycles_between(start, F.col("other"), calendar), key_of(start, calendar),
            start_of_key(F.col("month"), F.col("number"), calendar),
        )
        .collect()
    )  # fmt: skip
    wrong = [
        f"{one}:\n  expected {of_oracle}\n  found    {tuple(row)}"
        for one, row in zip(drawn, found, strict=True)
        if (of_oracle := expected(one, row[6])) != tuple(row)
    ]
    assert wrong == []
    keys = {row[6][8:] for row in found}
    assert keys == {"", "2", "3", "4", "5"}, "every number of a key"
    assert {row[7] is None for row in found} == {True, False}


def expected(one: tuple, key: str) -> tuple:
    """The same by the oracle. key: as Spark has it; it must name the cycle, or one before the account's first."""
    days, anchor_day, since, zone, at, moved, month, number = one
    calendar = CycleCalendar(zone, anchor_day, days, since)
    cycle = calendar.containing(at)
    if days is None or cycle.start >= since:
        named = calendar.starting_in(month_of(key), number_of(key))
        key = key if named == cycle else f"the key of {named}"
    else:
        key = f"{cycle.start:%Y-%m}"
    of_key, other = calendar.find(month, number), calendar.moved(cycle, moved)
    of_days = (cycle.start, cycle.end, cycle.start_us, cycle.end_us, other.start, moved)
    return *of_days, key, None if of_key is None else of_key.start
