"""A cut month as another one: the same bytes in its own month, and nothing but days and ids differ elsewhere."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from dirty_usage import RATES
from pyspark.sql import DataFrame

from generators.cdr import GeneratedRecord
from generators.customers import build_population
from generators.month_template import Template, cut, template_month
from generators.moved_month import days_of, in_slices, moved
from generators.producer import partition_of
from generators.usage import UsagePlan, plan_usage

JANUARY, FEBRUARY, MARCH, APRIL = (date(2026, month, 1) for month in (1, 2, 3, 4))
PARTITIONS = 3


@pytest.fixture(scope="module")
def plan() -> UsagePlan:
    return plan_usage(build_population(7, 200), 7, 4000, "2026-01", rates=RATES)


@pytest.fixture(scope="module")
def records(plan: UsagePlan) -> list[GeneratedRecord]:
    return list(plan.records())


@pytest.fixture(scope="module")
def template(plan: UsagePlan, tmp_path_factory: pytest.TempPathFactory) -> tuple[Template, str]:
    file = tmp_path_factory.mktemp("template") / "month.parquet"
    return cut(plan, JANUARY, file, lambda reached: None), str(file)


def rows_of(spark: Any, template: tuple[Template, str], month: date) -> list[Any]:
    found, file = template
    rows: DataFrame = in_slices(spark.read.parquet(file), 2)
    return moved(rows, found, month, PARTITIONS).collect()


def as_bytes(value: Any) -> bytes | None:
    return None if value is None else bytes(value)


def test_moved_to_its_own_month_every_record_is_what_the_generator_wrote(spark, template, records):
    expected = Counter(
        (key, value, partition_of(key, truth.number, PARTITIONS), arrival_ms)
        for key, value, arrival_ms, truth in records
    )
    rows = rows_of(spark, template, JANUARY)
    assert Counter((as_bytes(r.key), as_bytes(r.value), r.partition, r.created_ms) for r in rows) == expected


@pytest.mark.covers("GEN-15")
def test_in_another_month_each_time_has_moved_by_the_same_days_and_the_rest_stays(spark, template, records):
    """Reckoned a second time, on the whole text; 29 to 31 January have no day in February."""
    found, _ = template
    shift = timedelta(days=31)

    def later(text: re.Match[bytes]) -> bytes:
        return str(date.fromisoformat(text[0].decode()) + shift).encode()

    def in_february(key: bytes | None, value: bytes | None, arrival_ms: int) -> tuple[Any, ...]:
        old, new = found.prefix.encode(), f"202602{found.prefix[6:]}".encode()
        key, value = (text and text.replace(old, new) for text in (key, value))
        return key, value and re.sub(rb"\d{4}-\d\d-\d\d(?=T)", later, value), arrival_ms + 31 * 86_400_000

    days = {}
    for _, value, _, truth in records:
        if value and truth.kind.dirt_class in ("clean", "late"):
            record = json.loads(value)
            if not record["roaming"]:
                days[truth.event_id] = int(record["timestamp"][8:10])
    rows = rows_of(spark, template, FEBRUARY)
    got = {(as_bytes(row.key), as_bytes(row.value), row.created_ms) for row in rows}
    kept = [record for record in records if days.get(record[3].event_id, 1) <= 28]
    certain = [in_february(*record[:3]) for record in kept if record[3].event_id in days]
    assert len(certain) > 3000 and set(certain) <= got
    # Of the others (damaged, or abroad where the day may be another one) those that came are moved alike.
    assert got <= {in_february(*record[:3]) for record in kept}
    assert len(rows) == found.counts(28).total() < found.counts(31).total() == len(records)
    # A record that was cut off inside its date keeps what is left of it.
    assert not [row for row in rows if row.value and re.search(rb'"2026-01-\d\d', bytes(row.value))]


def test_a_call_over_the_end_of_the_month_ends_in_the_month_after_it(spark, template):
    """Whatever the lengths: 31 January goes to 31 March, and its end to 1 April."""
    ends = []
    for row in rows_of(spark, template, MARCH):
        if row.value and b'"timestamp":"2026-03-31T23' in bytes(row.value) and b'"end_time"' in bytes(row.value):
            record = json.loads(bytes(row.value))
            begun, ended = (datetime.fromisoformat(record[name]) for name in ("timestamp", "end_time"))
            if ended > begun:
                assert (ended - begun).total_seconds() == int(record["duration_seconds"])
                ends.append(record["end_time"][:10])
    assert set(ends) <= {"2026-03-31", "2026-04-01"} and ends


def test_copies_follow_their_original_in_one_slice_and_partition(spark, template, records):
    found, file = template
    slices = in_slices(spark.read.parquet(file), 2)
    rows = moved(slices, found, JANUARY, PARTITIONS).selectExpr("spark_partition_id() AS slice", "*").collect()
    seen: dict[bytes, set[tuple[int, int]]] = {}
    arrivals: dict[int, list[int]] = {}
    for row in rows:
        arrivals.setdefault(row.slice, []).append(row.created_ms)
        if row.key is not None:
            seen.setdefault(bytes(row.key), set()).add((row.slice, row.partition))
    assert all(len(places) == 1 for places in seen.values())
    assert sum(truth.copy_of is not None for *_, truth in records) > 50
    assert len(arrivals) == 2 and all(times == sorted(times) for times in arrivals.values())


def test_the_month_that_is_planned_has_31_days_and_is_not_later():
    planned = {month: template_month(date(2026, month, 1)).month for month in range(1, 13)}
    assert planned == {1: 1, 2: 1, 3: 3, 4: 3, 5: 5, 6: 5, 7: 7, 8: 8, 9: 8, 10: 10, 11: 10, 12: 12}
    assert [days_of(month) for month in (JANUARY, FEBRUARY, date(2024, 2, 1), APRIL)] == [31, 28, 29, 30]


def test_a_day_is_that_of_the_operators_clock_also_after_the_clocks_have_changed(tmp_path: Path):
    """8 March 2026 has 23 hours in Toronto; what starts later still falls on its own day."""
    plan = plan_usage(build_population(7, 200), 5, 4000, "2026-03")
    template = cut(plan, MARCH, None, lambda reached: None)
    told = Counter()
    for _, value, _, _ in plan.records():
        record = json.loads(value)
        if not record["roaming"]:
            told[int(record["timestamp"][8:10])] += 1
    counted = Counter()
    for (day, _), number in template.records.items():
        counted[day] += number
    assert sum(counted.values()) == 4000
    assert all(told[day] <= counted[day] < told[day] + 40 for day in range(1, 32))
