"""Accepted usage leaves the lake once: to a real PostgreSQL and to JSON lines, whatever interrupts it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from assurance.copier import Copier
from assurance.small_usage import LONG_CARRIER, LONG_ID, ODD_TEXT, write_usage
from delta.tables import DeltaTable
from faults.route import Route
from pyspark.sql import functions as F

from jobs import export_usage, reconcile, usage_as_json, usage_in_postgres
from tollgate.assurance.usage_copy import copied
from tollgate.platform.errors import TollgateError
from tollgate.platform.lake import Lake
from tollgate.platform.postgres import migrate

MONTHS = {"late": "2026-09", "a": "2026-10", "b": "2026-10", "odd": "2026-10", LONG_ID: "2026-11"}
POINTS = {
    "postgres": (usage_in_postgres, "export.after_staging", "export.after_commit"),
    "json": (usage_as_json, "export.after_files", "export.after_move", "export.after_manifest"),
}


@pytest.fixture(scope="module")
def small_usage(spark, tmp_path_factory) -> Path:
    """The lake that each test starts from."""
    root = tmp_path_factory.mktemp("small_usage") / "lake"
    write_usage(Lake(spark, str(root)))
    return root


@pytest.fixture
def copier(spark, services, tmp_path, small_usage) -> Copier:
    """Nothing is exported yet."""
    return Copier.at(tmp_path, spark, services, small_usage)


@pytest.fixture(scope="module")
def exported(spark, services, tmp_path_factory, small_usage) -> Copier:
    """Both copies in two exports each; only the last test changes them."""
    made = Copier.at(tmp_path_factory.mktemp("exported"), spark, services, small_usage)
    assert made.export("--to", "postgres", "--to-batch", "0")["events"] == 2
    later = made.export("--to", "postgres")["exports"]
    assert [(one["from_batch_no"], one["to_batch_no"], one["events"], one["duration_s"]) for one in later] == [
        (1, 2, 4, 240)
    ]
    made.export("--to", "json", "--to-batch", "1")
    assert made.export("--to", "json", "--gzip")["events"] == 2
    return made


@pytest.mark.covers("MED-04", "MED-05", "PRF-12")
def test_postgres_gets_each_accepted_event_once_in_the_partition_of_its_month(exported):
    rows = exported.ask(
        "SELECT event_id, tableoid::regclass::text, started_at AT TIME ZONE 'UTC', duration_s, volume_bytes, cause,"
        " subscriber_id, flags, destination FROM rating.normalized_cdr ORDER BY kafka_offset"
    )
    assert [row[1].removeprefix("rating.normalized_cdr_").replace("_", "-") for row in rows[:4]] == [
        MONTHS[row[0]] for row in rows[:4]
    ]
    shown = [(row[0], row[2].isoformat(), row[3], row[4], *row[5:]) for row in rows[:4]]
    assert shown == [
        ("a", "2026-10-05T12:00:00.250000", 60, 0, None, None, ["LONG_CALL", "LATE"], "+442071234567"),
        ("b", "2026-10-31T23:59:59.999999", None, 5_000_000, None, None, [], None),
        ("late", "2026-09-30T23:00:00", 60, 0, None, None, ["LATE"], "+442071234567"),
        ("odd", "2026-10-05T12:00:00.250000", 60, 0, ODD_TEXT, "", [], "+442071234567"),
    ]
    # Two ids that only differ beyond what an index holds stay two, and so does what PostgreSQL cannot store.
    long_ids = [row[0] for row in rows[4:]]
    assert len(set(long_ids)) == 2 and {len(one) for one in long_ids} == {500}
    assert {one[:467] for one in long_ids} == {LONG_ID[:467]}
    odd = exported.ask(
        "SELECT cause, left(carrier_id, 467) FROM rating.normalized_cdr WHERE started_at >= '2026-11-01Z'"
    )
    assert ("nul\ufffdinside~" + hashlib.md5(b"nul\0inside").hexdigest(), "carrier_001") in odd
    assert (None, LONG_CARRIER[:467]) in odd

    written = "SELECT xmin, exported_at FROM rating.export_run ORDER BY from_batch_no"
    before = exported.ask(written), exported.table()
    assert exported.export("--to", "postgres", "--from-batch", "0", "--to-batch", "2")["exports"] == []
    assert (exported.ask(written), exported.table()) == before
    wanted = [
        field.name for field in copied(Lake(exported.spark, exported.settings.lake.root).contract("usage_event")).fields
    ]
    columns = exported.ask(
        "SELECT attname, col_description(attrelid, attnum) IS NOT NULL FROM pg_attribute"
        " WHERE attrelid = 'rating.normalized_cdr'::regclass AND attnum > 0"
    )
    assert sorted(columns) == sorted((name, True) for name in wanted)


FILTERS = {
    "event_id = 'a'": "pkey",
    "started_at >= '2026-10-05Z' AND started_at < '2026-10-06Z' ORDER BY started_at, event_id": "started_at_event_id",
    "msisdn = '+14165550100' AND started_at >= '2026-10-05Z' ORDER BY started_at": "msisdn_started_at",
    "destination_country = 'GB' ORDER BY started_at": "destination_country_started_at",
    "carrier_id = 'carrier_001' ORDER BY started_at": "carrier_id_started_at",
    "batch_no BETWEEN 0 AND 1": "batch_no_idx",
}


@pytest.mark.covers("PRF-12")
def test_each_filter_has_its_index_a_time_reads_its_months_only_and_no_month_is_caught_by_a_default(copier):
    migrate(copier.settings)
    for month in ("2026-09-01", "2026-10-01", "2026-10-01", "2026-11-01"):
        copier.ask(f"SELECT rating.add_month('{month}')")
    for condition, index in FILTERS.items():
        plan = copier.ask(f"SET enable_seqscan = off; EXPLAIN SELECT * FROM rating.normalized_cdr WHERE {condition}")
        assert f"normalized_cdr_2026_10_{index}" in str(plan), (condition, plan)
    day = "started_at >= '2026-10-05Z' AND started_at < '2026-10-06Z'"
    plan = str(copier.ask(f"EXPLAIN SELECT * FROM rating.normalized_cdr WHERE {day}"))
    assert "2026_10" in plan and "2026_09" not in plan and "2026_11" not in plan
    copier.ask("CREATE TABLE rating.anything PARTITION OF rating.normalized_cdr DEFAULT")
    with pytest.raises(Exception, match="has a default partition"):
        copier.ask("SELECT rating.add_month('2026-12-01')")


@pytest.mark.covers("MED-04")
def test_json_gets_each_accepted_event_once_with_exact_text_and_a_manifest(exported, tmp_path):
    lines = exported.lines()
    assert [(folder, line["event_id"]) for folder, line in lines[:4]] == [
        (f"event_month={MONTHS[one]}", one) for one in ("a", "b", "late", "odd")
    ]
    first, data, odd, nul, far = (lines[at][1] for at in (0, 1, 3, 4, 5))
    contract = Lake(exported.spark, exported.settings.lake.root).contract("usage_event")
    assert {tuple(line) for _, line in lines} == {tuple(copied(contract).names)}
    assert (first["started_at"], first["ended_at"]) == ("2026-10-05T12:00:00.250000Z", "2026-10-05T12:01:00.250000Z")
    assert (first["duration_s"], first["source_offset_s"], first["roaming"]) == ("60", "-14400", False)
    assert (data["started_at"], data["duration_s"], data["volume_bytes"]) == (
        "2026-10-31T23:59:59.999999Z",
        None,
        "5000000",
    )
    assert (odd["cause"], odd["subscriber_id"], nul["cause"]) == (ODD_TEXT, "", "nul\0inside")
    assert (nul["event_id"], far["event_id"], far["carrier_id"]) == (LONG_ID, LONG_ID + "x", LONG_CARRIER)

    said = json.loads((exported.json / "_manifest" / "2-2.json").read_text())
    assert (said["events"], said["duration_s"], said["months"], said["files"]) == (2, "120", ["2026-11"], 1)
    (file,) = (exported.json / "batches=2-2").glob("*/part-*.json.gz")
    listed = f"{hashlib.sha256(file.read_bytes()).hexdigest()}  event_month=2026-11/{file.name}\n"
    assert said["sha256"] == hashlib.sha256(listed.encode()).hexdigest()
    files = {file: file.stat().st_mtime_ns for file in exported.json.rglob("part-*")}
    assert exported.export("--to", "json")["exports"] == []
    assert {file: file.stat().st_mtime_ns for file in exported.json.rglob("part-*")} == files
    assert exported.export("--to", "json", "--out", str(tmp_path / "other"), "--dry-run")["events"] == 6
    assert not (tmp_path / "other").exists()
    sound = file.read_bytes()
    file.write_bytes(b"no gzip")
    try:
        with pytest.raises(TollgateError, match="the JSON copy cannot be read"):
            exported.broken()
    finally:
        file.write_bytes(sound)
    manifest = exported.json / "_manifest" / "9-9.json"
    manifest.write_text('{"from_batch_no": 9, ')
    with pytest.raises(TollgateError, match=r"manifests .* cannot be read"):
        exported.export("--to", "json")
    manifest.unlink()


def stopped_at(point: str) -> Any:
    def stop(name: str) -> None:
        if name == point:
            raise KeyboardInterrupt

    return stop


@pytest.mark.covers("MED-04", "MED-05", "MED-29")
@pytest.mark.parametrize("how", ["it is interrupted", pytest.param("it is killed", marks=pytest.mark.long)])
def test_an_export_that_dies_anywhere_and_runs_again_leaves_the_same_copy(copier, exported, monkeypatch, how):
    before_commit = "export.before_commit"
    if how == "it is killed":
        Route(copier.spark, copier.settings).killed(before_commit, "export_usage", "--to", "postgres")
    else:
        with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
            patched.setattr(usage_in_postgres, "crash_point", stopped_at(before_commit))
            copier.export("--to", "postgres")
    assert copier.exports() == []
    for to, (module, *points) in POINTS.items():
        for point in points:
            with monkeypatch.context() as patched:
                patched.setattr(module, "crash_point", stopped_at(point))
                with pytest.raises(KeyboardInterrupt):
                    copier.export("--to", to, "--to-batch", "1" if point == points[0] else "2")
        assert copier.export("--to", to)["exports"] == []
    assert copier.exports() == [(0, 2, 6)]
    assert copier.table() == exported.table()
    assert copier.ask("SELECT count(*) FROM rating.staging_normalized_cdr") == [(0,)]
    assert copier.lines() == exported.lines()
    assert [path.name for path in copier.json.glob("batches=*")] == ["batches=0-2"]
    assert copier.broken() == set()


def test_what_would_leave_a_hole_or_is_no_export_is_refused_and_nothing_is_written(copier, capsys):
    dry = copier.export("--to", "postgres", "--dry-run")
    assert (dry["events"], dry["exports"][0]["months"]) == (6, ["2026-09", "2026-10", "2026-11"])
    assert copier.ask("SELECT to_regclass('rating.export_run')") == [(None,)]
    for argv, said in (
        (("--from-batch", "1"), "batches 0-2 before it are not exported"),
        (("--to-batch", "3"), r"batch 3 is not published(?s:.*)--to-batch of at most 2"),
        (
            ("--from-batch", "3"),
            r"batch 3 is not published(?s:.*)--from-batch of at most 2(?s:.*)leave --from-batch out",
        ),
        (("--again", "--from-batch", "0", "--to-batch", "1"), "are no export that could be made again"),
        (("--most-months", "2"), "are of 3 months"),
    ):
        with pytest.raises(TollgateError, match=said):
            copier.export("--to", "json", *argv)
    assert copier.lines() == []
    for argv in (
        ["--again"],
        ["--from-batch", "2", "--to-batch", "1"],
        ["--gzip"],
        ["--to-batch", "-1"],
        ["--changed", "--to-batch", "1"],
    ):
        with pytest.raises(SystemExit):
            export_usage.parser().parse_args(["--to", "postgres", *argv])
    assert "--again needs --from-batch and --to-batch" in capsys.readouterr().err


@pytest.mark.long
@pytest.mark.covers("MED-04", "MED-05", "MED-14")
def test_a_row_that_was_changed_is_found_with_its_batches_and_made_again(exported):
    exported.ask("UPDATE rating.normalized_cdr SET msisdn = '+14165550199' WHERE event_id = 'a'")
    exported.ask("UPDATE rating.normalized_cdr SET batch_no = 77 WHERE event_id = 'odd'")
    (file,) = (exported.json / "batches=0-1" / "event_month=2026-09").glob("part-*.json")
    (file.parent / f".{file.name}.crc").unlink()
    file.write_text(file.read_text().replace('"duration_s":"60"', '"duration_s":"6"'))
    with pytest.raises(TollgateError) as refused:
        reconcile.run(exported.spark, exported.settings, reconcile.parser().parse_args([]))
    message = str(refused.value)
    for said in ("contents in PostgreSQL [batches 0-0]", "accepted is in PostgreSQL or not exported yet [batches 1-2]",
                 "[no export]", "seconds in JSON [batches 0-1]"):  # fmt: skip
        assert said in message, said
    assert "bill nothing" not in message
    # Night and month go on.
    assert reconcile.run_beside(exported.spark, exported.settings)["of_copies_broken"] > 0
    ways = [
        way.split("`")[0] for way in message.partition("make the copy again: ")[2].split("`tollgate export-usage ")[1:]
    ]
    assert len(ways) == 3
    for way in ways:
        exported.export(*way.split())
    assert exported.broken() == set()

    # What leaves the lake leaves the copy.
    usage = DeltaTable.forPath(exported.spark, f"{exported.settings.lake.root}/usage_event")
    usage.update("event_id = 'late'", {"msisdn": F.lit(None)})
    again = exported.export("--to", "postgres", "--changed")["exports"]
    assert [(one["from_batch_no"], one["to_batch_no"]) for one in again] == [(1, 2)]
    assert exported.ask("SELECT event_id FROM rating.normalized_cdr WHERE msisdn IS NULL") == [("late",)]
    assert exported.broken() == {("contents in JSON", "batches 0-1")}


@pytest.mark.covers("MED-04")
def test_a_field_without_a_column_is_refused_by_the_export_and_by_the_comparison(copier):
    copier.export("--to", "postgres", "--to-batch", "0")
    copier.ask("ALTER TABLE rating.staging_normalized_cdr DROP COLUMN cause")
    for work in (lambda: copier.export("--to", "postgres"), copier.broken):
        with pytest.raises(TollgateError, match=r"rating\.staging_normalized_cdr has no column cause"):
            work()
    assert copier.exports() == [(0, 0, 2)]
