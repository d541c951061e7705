"""Maintenance between the batches of a running stream, and by itself; the route goes on as if nothing had happened."""

from __future__ import annotations

import json
import os
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from psycopg2 import DatabaseError
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from faults.route import Route, canonical_digest
from faults.stream import Stream, published
from generators.producer import produce
from jobs import legal_hold, maintain, reconcile
from jobs.table_upkeep import STREAM_TABLES, Upkeep, keep_up
from tollgate.assurance.retention import RULES, cutoffs
from tollgate.platform.errors import TollgateError, UsageError
from tollgate.platform.lake import Lake
from tollgate.platform.postgres import connect

AS_OF, LATER = "2027-02-10", "2028-06-01"
GONE = {rule.table: {name for one in RULES if one.table == rule.table for name in one.columns} for rule in RULES}


def held_account(route: Route) -> str:
    """The account of the number with the most accepted events."""
    usage = route.lake.read("usage_event").where("disposition = 'accepted'").groupBy("msisdn").count()
    owners = route.lake.read("ref_subscription").select("msisdn", "account_id").distinct()
    return usage.join(owners, "msisdn").orderBy(F.desc("count"), "account_id").first()["account_id"]


def hold(route: Route, *argv: str) -> dict[str, Any]:
    return legal_hold.run_cli(route.settings, legal_hold.parser().parse_args(list(argv)))


def stays(route: Route, table: str, to_batch: int) -> str:
    """Digest of what no retention takes, of the batches up to one."""
    rows = route.lake.read(table).where(F.col("batch_no") <= to_batch)
    return canonical_digest(rows.withColumns({name: F.lit(None) for name in GONE.get(table, ())}), table)


def places(rows: DataFrame) -> set[tuple[int, int]]:
    return {(row[0], row[1]) for row in rows.select("kafka_partition", "kafka_offset").collect()}


def payloads(route: Route) -> dict[tuple[int, int], bytes]:
    rows = route.lake.read("raw_cdr").where("payload IS NOT NULL").collect()
    return {(row["kafka_partition"], row["kafka_offset"]): bytes(row["payload"]) for row in rows}


def files(route: Route, table: str) -> int:
    return sum("_delta_log" not in file.parts for file in Path(route.lake.path(table)).rglob("*.parquet"))


def rated_row(lake: Lake, **values: Any) -> DataFrame:
    """One row of rated_usage; what is not given is NULL, or something of its type where it must not be."""
    fillers = {"string": "", "bigint": 1, "int": 1}
    row = [
        values.get(field.name, None if field.nullable else fillers.get(field.dataType.simpleString()))
        for field in lake.contract("rated_usage").fields
    ]
    return lake.frame([row], "rated_usage")


@pytest.fixture(scope="module")
def story(start_route, month_of_records) -> dict[str, Any]:
    """Records, a hold, maintenance through the stream, more records; what was seen on the way."""
    first, more, last = month_of_records[:700], month_of_records[700:900], month_of_records[900:1000]
    route = start_route("maintained", first)
    stream = Stream(route)
    seen: dict[str, Any] = {"route": route, "last": last, "records": len(first) + len(more) + len(last)}
    try:
        stream.wait_for(len(first))
        seen["account"] = held_account(route)
        seen["hold"] = hold(route, "add", "--account", seen["account"], "--reason", "court", "--by", "ann")
        seen["to_batch"] = route.lake.read("raw_cdr").agg(F.max("batch_no")).first()[0]
        seen["stays"] = {table: stays(route, table, seen["to_batch"]) for table in STREAM_TABLES}
        seen["payloads"], seen["files"] = payloads(route), files(route, "raw_cdr")
        seen["dry"] = route._run(maintain, "--as-of", AS_OF, "--force", "test", "--dry-run", "--tables", "raw_cdr")
        assert payloads(route) == seen["payloads"], "a dry run took something"
        seen["run"] = route._run(
            maintain, "--as-of", AS_OF, "--force", "test", "--only", "retention", "--only", "compact",
            "--tables", ",".join(STREAM_TABLES),
        )  # fmt: skip
        seen["payloads_after"] = payloads(route)
        produce(more, route.settings, Path(route.lake.root).parent / "maintained_more")
        stream.wait_for(len(first) + len(more))
    finally:
        stream.stop()
    return seen


@pytest.mark.long
@pytest.mark.covers("PRF-13", "OPS-22")
def test_the_running_stream_maintains_its_tables_between_two_batches(story):
    route = story["route"]
    lines = {line["table"]: line for line in story["run"]["tables"]}
    assert {table: line["by"] for table, line in lines.items()} == dict.fromkeys(STREAM_TABLES, "stream")
    assert story["files"] >= 2 and lines["raw_cdr"]["files_after"] == 1
    assert lines["usage_event"]["files_after"] == lines["usage_event"]["partitions_after"]
    for table, digest in story["stays"].items():
        assert stays(route, table, story["to_batch"]) == digest, table
    row = route.lake.read("control_maintenance").where("table_name = 'raw_cdr'").first()
    taken = (row["maintenance_no"], row["blanked_rows"], row["held_rows"], row["files_after"], row["forced_because"])
    assert taken == (1, lines["raw_cdr"]["blanked_rows"], lines["raw_cdr"]["held_rows"], 1, "test")


@pytest.mark.long
@pytest.mark.covers("CMP-03")
def test_payload_and_location_leave_and_a_hold_keeps_what_it_reaches(story):
    route = story["route"]
    usage = route.lake.read("usage_event").where(F.col("batch_no") <= story["to_batch"])
    numbers = route.lake.read("ref_subscription").where(F.col("account_id") == story["account"]).select("msisdn")
    of_account = places(usage.join(numbers.distinct(), "msisdn", how="left_semi"))
    kept = story["payloads_after"]
    assert of_account and of_account <= set(kept) and len(kept) < len(story["payloads"]) // 2
    assert all(story["payloads"][place] == payload for place, payload in kept.items())
    line = story["run"]["tables"][0]
    assert line["retention"]["payload"] == {"blanked": len(story["payloads"]) - len(kept), "held": len(kept)}
    assert story["dry"]["tables"][0]["retention"] == line["retention"]
    raw = route.lake.read("raw_cdr").where(F.col("batch_no") <= story["to_batch"])
    assert places(raw.where("headers IS NOT NULL")) <= set(kept)
    located = places(usage.where("cell_id IS NOT NULL OR cell_region IS NOT NULL"))
    assert located and located <= set(kept)
    # 18 months have not passed: the numbers are there.
    assert usage.where("msisdn IS NOT NULL").count() > len(kept)


@pytest.mark.long
@pytest.mark.covers("PRF-13", "MED-24")
def test_a_stream_goes_on_when_the_log_that_maintenance_left_has_expired(story):
    route, lake = story["route"], story["route"].lake
    for table in STREAM_TABLES:
        log = Path(lake.path(table)) / "_delta_log"
        before = len(list(log.glob("*.json")))
        for file in log.glob("*.json"):
            os.utime(file, (time.time() - 60 * 86_400,) * 2)
        lake.snapshot(table).deltaLog().checkpoint()
        assert len(list(log.glob("*.json"))) < before, "the log was not cleaned"
    route.spark._jvm.org.apache.spark.sql.delta.DeltaLog.clearCache()
    # A batch that Spark replays writes nothing.
    for table in STREAM_TABLES:
        rows = lake.read(table).count()
        lake.append(lake.read(table), table, "mediate_usage/1", story["to_batch"])
        assert lake.read(table).count() == rows
    produce(story["last"], route.settings, Path(lake.root).parent / "maintained_last")
    assert route.mediate()["received"] == len(story["last"])
    assert stays(route, "raw_cdr", story["to_batch"]) == story["stays"]["raw_cdr"]


@pytest.mark.long
@pytest.mark.covers("CMP-03", "CMP-04", "OPS-22")
def test_a_run_that_died_is_told_by_the_next_and_a_release_lets_go_down_to_the_disk(story):
    route, lake = story["route"], story["route"].lake
    rated = {"started_at": datetime(2026, 10, 5), "event_month": "2026-10", "msisdn": "+14165550123"}
    lake.append(rated_row(lake, **rated, destination="911"), "rated_usage", "rate_usage", 1)
    lake.append(lake.read("control_rating"), "control_rating", "rate_usage", 1)
    until = cutoffs(datetime(2028, 6, 1, tzinfo=timezone.utc), **route.settings.retention.model_dump())
    dead = Upkeep("usage_event", 2, ("retention",), f"{LATER}T00:00:00+00:00",
                  {name: at.isoformat() for name, at in until.items()}, 168)  # fmt: skip
    taken = keep_up(lake, route.settings, dead)["retention"]
    assert taken["itemised"]["blanked"] > 0 and taken["itemised"]["held"] > 0
    # The same run again, as who asked a stream that then died would have it: its commits stand and are told once more.
    assert keep_up(lake, route.settings, dead)["retention"] == taken
    assert hold(route, "release", str(story["hold"]["hold_id"]), "--reason", "settled", "--by", "bob")["released_at"]
    run = route._run(maintain, "--as-of", LATER, "--force", "no job runs", "--vacuum-hours", "0",
                     "--tables", ",".join(GONE))  # fmt: skip
    assert (run["maintenance_no"], run["repaired"], run["held_rows"]) == (3, 1, 0)
    assert {line["by"] for line in run["tables"]} == {"self"}
    marks = lake.read("control_maintenance").where("table_name = 'usage_event' AND maintenance_no > 1")
    held, blanked = (sum(one[name] for one in taken.values()) for name in ("held", "blanked"))
    told = [(row["maintenance_no"], row["blanked_rows"]) for row in marks.orderBy("maintenance_no").collect()]
    assert told == [(2, blanked), (3, held)]
    for rule in RULES:
        on_disk = route.spark.read.option("recursiveFileLookup", "true").option("pathGlobFilter", "part-*.parquet")
        left = on_disk.parquet(lake.path(rule.table)).where(" OR ".join(f"{n} IS NOT NULL" for n in rule.columns))
        assert left.isEmpty(), f"{rule.table} still has {rule.columns} in a file"
    assert published(route) == story["records"] == lake.read("raw_cdr").count()
    balances = reconcile.check(route.spark, route.settings)["equations"]
    assert all(one["holds"] for one in balances if one["stage"] == "mediation")
    version = lake.snapshot("usage_event").version()
    again = route._run(maintain, "--as-of", LATER, "--force", "x", "--only", "retention", "--only", "compact",
                       "--tables", "usage_event")  # fmt: skip
    assert (again["blanked_rows"], again["maintenance_no"]) == (0, 4)
    assert lake.snapshot("usage_event").version() == version, "a repeat commits nothing"


@pytest.mark.long
def test_maintenance_waits_for_the_mark_of_an_open_batch(story, monkeypatch):
    monkeypatch.setattr("jobs.table_upkeep.last_batch", lambda lake: 99)
    with pytest.raises(TollgateError, match="no mark that balances"):
        story["route"]._run(maintain, "--only", "compact", "--tables", "raw_cdr")


@pytest.mark.long
@pytest.mark.covers("CMP-03")
def test_a_hold_is_signed_names_somebody_known_and_never_vanishes(story, capsys):
    route = story["route"]
    placed = hold(route, "add", "--number", "+14165550123", "--from", "2026-10-01", "--reason", "fraud", "--by", "eve")
    assert json.loads(capsys.readouterr().out)["held_from"] == "2026-10-01T00:00:00+00:00"
    assert placed["hold_id"] in [one["hold_id"] for one in hold(route, "list")["holds"]]
    for argv, said in (
        (("--account", "nobody"), "somebody unknown"),
        (("--number", "911"), "not a number"),
        (("--from", "2026-10-01"), "both ends of a time"),
        (("--from", "2026-10-02", "--to", "2026-10-01"), "ends before it begins"),
    ):
        with pytest.raises(TollgateError, match=said):
            hold(route, "add", *argv, "--reason", "x", "--by", "eve")
    hold(route, "release", str(placed["hold_id"]), "--reason", "over", "--by", "eve")
    assert placed["hold_id"] not in [one["hold_id"] for one in hold(route, "list")["holds"]]
    with pytest.raises(TollgateError, match="was released before"):
        hold(route, "release", str(placed["hold_id"]), "--reason", "over", "--by", "eve")
    session = connect(route.settings)
    try:
        for statement, said in (
            ("DELETE FROM ops.legal_hold", "cannot be deleted"),
            (f"UPDATE ops.legal_hold SET reason = 'y' WHERE hold_id = {placed['hold_id']}", "is released and cannot"),
            ("TRUNCATE ops.legal_hold", "cannot be truncated"),
        ):
            with pytest.raises(DatabaseError, match=said), session, session.cursor() as cursor:
                cursor.execute(statement)
    finally:
        session.close()


@pytest.mark.parametrize(
    ("argv", "said"),
    [(["--as-of", "2999-01-01"], "a time to come"), (["--vacuum-hours", "24"], "may lose its files")],
)
def test_what_cannot_come_back_needs_a_reason(argv, said):
    with pytest.raises(UsageError, match=said):
        maintain.check_args(maintain.parser().parse_args(argv))
    maintain.check_args(maintain.parser().parse_args([*argv, "--force", "why"]))
    for wrong in (["--tables", "raw_cdrs"], ["--as-of", "yesterday"], ["--vacuum-hours", "200"]):
        with pytest.raises(SystemExit):
            maintain.parser().parse_args(wrong)
