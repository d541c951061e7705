"""Past months through Spark's Kafka sink, mediated: what was counted is what is found, also after a run that died."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import Any

import pytest
from faults.route import Route
from pyspark.sql import functions as F

from generators.moved_month import in_slices, moved
from jobs import backfill
from tollgate.platform.errors import TollgateError, UsageError
from tollgate.platform.kafka import end_offsets, ensure_topic
from tollgate.platform.kafka_sink import write_records

# January to March 2026; the lines are those of the routes.
ARGUMENTS = ["--months", "3", "--before", "2026-04", "--events", "1500", "--seed", "20261", "--subscribers", "120"]
PLACE = {"topic", "batch_no", "kafka_offset", "first_batch_no", "first_offset"}


def accepted(route: Route) -> str:
    """SHA-256 of all accepted events, whatever their place in the topic; their arrival is in it."""
    rows = route.lake.read("usage_event").where("disposition = 'accepted'")
    columns = [name for name in rows.columns if name not in PLACE]
    texts = rows.select(F.to_json(F.struct(*columns), {"ignoreNullFields": "false"}).alias("row")).collect()
    return hashlib.sha256("\n".join(sorted(row.row for row in texts)).encode()).hexdigest()


@pytest.fixture(scope="module")
def filled(start_route) -> tuple[Route, dict[str, Any]]:
    """A route that nothing happens to."""
    route = start_route("backfill", [])
    summary = route._run(backfill, *ARGUMENTS)
    route.mediate(10_000)
    return route, summary


@pytest.mark.long
@pytest.mark.covers("GEN-15", "GEN-08")
def test_mediation_finds_in_each_class_what_was_counted(filled):
    route, summary = filled
    assert [line["month"] for line in summary["months"]] == ["2026-01", "2026-02", "2026-03"]
    january, february, march = (line["records"] for line in summary["months"])
    assert january == march == 1500 > february > 1200
    assert summary["records"] == january + february + march == sum(summary["by_class"].values())
    assert summary["records_of_others"] == 0
    assert sum(end - start for start, end in summary["offsets"].values()) == summary["records"]
    expected, codes = Counter(), Counter()
    for kind in summary["by_kind"]:
        expected[kind["expected_disposition"]] += kind["records"]
        if kind["expected_disposition"] == "quarantined" or kind["expected_code"] == "LATE":
            codes[kind["expected_code"]] += kind["records"]
    usage = route.lake.read("usage_event")
    assert dict(usage.groupBy("disposition").count().collect()) == expected
    # A copy may come days after its original; the class speaks of originals only.
    late = F.when(F.col("disposition") == "accepted", F.array_intersect("flags", F.array(F.lit("LATE"))))
    told = usage.select(F.explode(F.concat("reasons", F.coalesce(late, F.array()))).alias("code"))
    assert dict(told.groupBy("code").count().collect()) == codes
    assert codes.keys() > {"ID_CONFLICT", "LATE", "MSISDN_MALFORMED", "PAYLOAD_UNPARSEABLE", "END_BEFORE_START"}


@pytest.mark.long
@pytest.mark.covers("GEN-15")
def test_start_and_arrival_of_an_event_move_by_the_same_days(filled):
    """By serial number: an event of January, its twins in February and March."""
    route, _ = filled
    usage = route.lake.read("usage_event").where("disposition = 'accepted'")
    rows = usage.selectExpr(
        "substr(event_id, 1, 6) AS month", "substr(event_id, 8) AS serial", "unix_micros(started_at) AS started",
        "unix_micros(arrived_at) AS arrived", "unix_micros(ended_at) AS ended", "msisdn", "destination",
        "duration_s", "volume_bytes",
    ).collect()  # fmt: skip
    months: dict[str, dict[str, Any]] = {}
    for row in rows:
        months.setdefault(row.month, {})[row.serial] = row
    assert set(months) == {"202601", "202602", "202603"}
    for month, days in (("202602", 31), ("202603", 59)):
        assert set(months[month]) <= set(months["202601"])
        for serial, row in months[month].items():
            twin, shift = months["202601"][serial], days * 86_400_000_000
            assert (row.started, row.arrived) == (twin.started + shift, twin.arrived + shift)
            assert row.ended is None or row.ended == twin.ended + shift
            assert row[5:] == twin[5:]
    assert set(months["202603"]) == set(months["202601"]) > set(months["202602"])


@pytest.mark.long
@pytest.mark.covers("GEN-15", "MED-14")
def test_a_run_that_died_and_the_whole_run_after_it_leave_the_same_accepted_events(filled, start_route):
    """Killed between two months; then a part of the third month arrives, as of a run that died in the middle."""
    whole, summary = filled
    route = start_route("backfill_killed", [])
    route.killed("backfill.after_month:2", "backfill", *ARGUMENTS)
    before = sum(end_offsets(route.settings).values())
    assert before == sum(line["records"] for line in summary["months"][:2])
    assert route.lake.spark.read.parquet(route.lake.path("_staging/backfill")).count() == 1500
    args = backfill.parser().parse_args(ARGUMENTS)
    plan, first = backfill._planned(route.settings, args, backfill._months(args)[0])
    with backfill._staged(route.spark, route.settings, plan, first) as (template, rows):
        part = in_slices(rows.where("arrival_no < 700"), 2)
        write_records(moved(part, template, backfill._months(args)[2], route.settings.kafka.partitions), route.settings)
    assert sum(end_offsets(route.settings).values()) == before + 700
    again = route._run(backfill, *ARGUMENTS)
    assert again["records"] == summary["records"]
    mediated = route.mediate(3_000)
    assert mediated["received"] == before + 700 + summary["records"]
    assert accepted(route) == accepted(whole)
    assert not route.lake.spark._jvm.java.io.File(route.lake.path("_staging/backfill")).exists()


@pytest.mark.long
def test_a_dry_run_counts_the_same_and_sends_nothing(filled):
    route, summary = filled
    before = end_offsets(route.settings)
    planned = route._run(backfill, *ARGUMENTS, "--dry-run")
    assert planned == {name: summary[name] for name in planned if name != "dry_run"} | {"dry_run": True}
    assert end_offsets(route.settings) == before


def test_what_cannot_be_filled_is_said(settings):
    for argv, message in (
        (["--months", "0"], "--months is out of range"),
        (["--months", "121"], "--months is out of range"),
        (["--before", "October"], "--before cannot be read"),
        (["--before", "0001-01"], "--before cannot be read"),
    ):
        with pytest.raises(UsageError, match=message):
            backfill.check_args(backfill.parser().parse_args(argv))
    args = backfill.parser().parse_args(["--months", "120", "--subscribers", "10"])
    backfill.check_args(args)
    with pytest.raises(TollgateError, match="cannot be planned: population: expected at least one line"):
        backfill._planned(settings, args, backfill._months(args)[0])


def test_a_topic_that_lost_records_and_a_broker_that_is_gone_are_noticed(spark, services, tmp_path):
    own = services.model_copy(update={"kafka": services.kafka.model_copy(update={"topic": "backfill_lost"})})
    ensure_topic(own)
    with pytest.raises(TollgateError, match="has not grown by what was sent"):
        backfill._arrived(own, {0: 0, 1: 0}, 5)
    gone = own.model_copy(update={"kafka": own.kafka.model_copy(update={"bootstrap": "127.0.0.1:9"})})
    row = "CAST('k' AS BINARY) AS key, CAST('v' AS BINARY) AS value, 0 AS partition, 0L AS created_ms"
    quick = {"kafka.max.block.ms": "2000"}
    with pytest.raises(TollgateError, match="did not take the records"):
        write_records(spark.sql(f"SELECT {row}"), gone, quick)
