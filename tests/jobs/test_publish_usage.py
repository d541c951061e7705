"""Files of usage records through Kafka and mediation: known by their digest, resumed, never judged on the way."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from faults.route import ROOT, Route
from pyspark.sql import functions as F

from generators.usage import plan_usage
from jobs import publish_usage, snapshot_reference
from jobs.usage_files import LONGEST_LINE, read_through
from tollgate.platform.errors import TollgateError, UsageError
from tollgate.platform.kafka import end_offsets
from tollgate.platform.postgres import connect

GOLDEN = ROOT / "tests" / "golden"
DIALECTS = {"msc": "native_json", "softswitch": "voip_json", "archive": "history_json"}
EVENTS = 600
# What a copy's arrival may change without changing the event.
PLACE = ("topic", "batch_no", "kafka_partition", "kafka_offset", "arrived_at", "rule_version", "snapshot_id")


def publish(route: Route, *argv: str | Path) -> dict[str, Any]:
    return publish_usage.run_cli(route.settings, publish_usage.parser().parse_args([str(word) for word in argv]))


def manifest(route: Route) -> list[tuple[Any, ...]]:
    session = connect(route.settings)
    try:
        with session.cursor() as cursor:
            cursor.execute(
                "SELECT name, sha256, records, bytes, sent, ended_at IS NOT NULL FROM ops.usage_file ORDER BY upload_id"
            )
            return cursor.fetchall()
    finally:
        session.close()


def in_topic(route: Route) -> int:
    return sum(end_offsets(route.settings).values())


def accepted(route: Route) -> list[tuple[Any, ...]]:
    rows = route.lake.read("usage_event").where("disposition = 'accepted'")
    return sorted(rows.select("source", "event_id", "content_digest", "started_at", "duration_s").collect())


def headers_of(route: Route) -> list[tuple[str, ...]]:
    values = [F.expr(f"CAST(headers[{number}].value AS STRING)") for number in range(4)]
    names = F.expr("array_join(array(headers[0].key, headers[1].key, headers[2].key, headers[3].key), ' ')")
    return [tuple(row) for row in route.lake.read("raw_cdr").select(names, *values).collect()]


@pytest.fixture(scope="module")
def usage_lines(population) -> list[bytes]:
    """Generated records, dirt included, one a line."""
    return [value for _, value, _, _ in plan_usage(population, 20261, EVENTS, "2026-10").records() if value is not None]


@pytest.fixture(scope="module")
def usage_file(usage_lines, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("usage") / "october.jsonl"
    file.write_bytes(b"".join(line + b"\n" for line in usage_lines))
    return file


@pytest.fixture(scope="module")
def published(start_route, usage_file: Path) -> tuple[Route, dict[str, Any]]:
    """A route with the file in it."""
    route = start_route("published", [])
    summary = publish(route, usage_file)
    route.mediate(10_000)
    return route, summary


@pytest.mark.covers("GEN-17")
def test_each_line_is_a_record_of_source_bulk_with_its_place_in_the_file(published, usage_file, usage_lines):
    route, summary = published
    whole = usage_file.read_bytes()
    digest = hashlib.sha256(whole).hexdigest()
    assert manifest(route) == [("october.jsonl", digest, len(usage_lines), len(whole), len(usage_lines), True)]
    assert summary["records"] == len(usage_lines) == in_topic(route)
    expected = {
        ("source file line sha256", "bulk", "october.jsonl", str(number), digest)
        for number in range(1, len(usage_lines) + 1)
    }
    assert set(headers_of(route)) == expected
    payloads = [bytes(row.payload) for row in route.lake.read("raw_cdr").select("payload").collect()]
    assert sorted(payloads) == sorted(usage_lines)


@pytest.mark.covers("GEN-17", "MED-14")
def test_a_published_file_gives_the_events_that_the_same_records_give_by_themselves(published, start_route, population):
    records = list(plan_usage(population, 20261, EVENTS, "2026-10").records())
    route = start_route("published_directly", records)
    route.mediate(10_000)
    assert len(accepted(route)) > 400
    assert accepted(published[0]) == accepted(route)


@pytest.mark.covers("GEN-17")
def test_the_same_records_under_another_name_are_refused_until_asked_for_again(published, usage_file, tmp_path):
    route, _ = published
    before, events = in_topic(route), accepted(route)
    renamed = tmp_path / "november.jsonl.gz"
    renamed.write_bytes(gzip.compress(usage_file.read_bytes()))
    with pytest.raises(TollgateError, match="these records are published already") as refused:
        publish(route, renamed)
    assert "october.jsonl" in str(refused.value) and "--again" in str(refused.value)
    assert in_topic(route) == before and len(manifest(route)) == 1
    assert publish(route, renamed, "--again")["records"] == in_topic(route) - before
    mediated = route.mediate(10_000)
    assert (mediated["accepted"], mediated["duplicate"] > 400) == (0, True)
    assert accepted(route) == events
    assert [row[0] for row in manifest(route)] == ["october.jsonl", "november.jsonl.gz"]


def killed_and_gone_on(route: Route, usage_file: Path) -> None:
    """The file is published, by a process that dies and one that goes on."""
    script = "import sys; from jobs import publish_usage as p; p.NOTE_EVERY = 100;"
    script += "from tollgate.platform.job import main_without_spark as m; sys.exit(m(p.parser(), p.run_cli))"
    environment = {**os.environ, **route.environment(), "TOLLGATE_CRASH_AT": "publish.after_note:3"}
    done = subprocess.run(
        [sys.executable, "-c", script, str(usage_file)], env=environment, cwd=ROOT, capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert [row[4:] for row in manifest(route)] == [(300, False)]
    summary = publish(route, usage_file)
    assert summary["files"][0]["sent_before"] == 300
    total = read_through(usage_file).records
    assert in_topic(route) == total and [row[4:] for row in manifest(route)] == [(total, True)]


@pytest.mark.covers("GEN-17", "MED-14")
def test_an_upload_that_was_killed_goes_on_and_sends_no_record_twice(start_route, usage_file):
    killed_and_gone_on(start_route("published_killed", []), usage_file)


@pytest.mark.long
@pytest.mark.covers("GEN-17", "MED-14")
def test_an_upload_that_was_killed_ends_in_the_events_of_one_that_was_not(published, start_route, usage_file):
    route = start_route("published_killed_mediated", [])
    killed_and_gone_on(route, usage_file)
    route.mediate(10_000)
    assert accepted(route) == accepted(published[0])
    assert sorted(int(row[3]) for row in headers_of(route)) == list(range(1, in_topic(route) + 1))


def with_sources(route: Route) -> Route:
    with connect(route.settings) as session, session.cursor() as cursor:
        for source, dialect in DIALECTS.items():
            cursor.execute("INSERT INTO crm.source VALUES (%s, %s, 'CA', 'America/Toronto')", (source, dialect))
    session.close()
    return route


def files_of_each_dialect(route: Route, tmp_path: Path) -> None:
    """The native record names its source, the others take the one that is given; what is no record goes on as it is."""
    with pytest.raises(TollgateError, match="source pbx is not registered"):
        publish(route, GOLDEN / "voip_json" / "records.jsonl", "--source", "pbx")
    with pytest.raises(TollgateError, match="records of source msc name it themselves"):
        publish(route, GOLDEN / "native_json" / "records.jsonl", "--source", "msc")
    sent = 0
    for source, dialect in DIALECTS.items():
        named = [] if source == "msc" else ["--source", source]
        lines = GOLDEN.joinpath(dialect, "records.jsonl").read_bytes().splitlines()
        file = tmp_path / f"{dialect}.jsonl"
        file.write_bytes(b"\r\n".join([*lines, b"", b"  ", b"no json"]))
        sent += publish(route, file, *named)["records"]
        assert manifest(route)[-1][2] == len(lines) + 3
    assert sent == in_topic(route)


@pytest.mark.covers("GEN-17", "GEN-12", "GEN-13")
def test_every_source_of_the_register_has_files_of_its_dialect(start_route, tmp_path):
    files_of_each_dialect(with_sources(start_route("published_dialects", [])), tmp_path)


@pytest.mark.long
@pytest.mark.covers("GEN-17", "GEN-12", "GEN-13", "MED-22")
def test_every_source_of_the_register_is_fed_by_files_of_its_dialect(start_route, tmp_path):
    route = with_sources(start_route("published_dialects_mediated", []))
    route._run(snapshot_reference)
    files_of_each_dialect(route, tmp_path)
    mediated = route.mediate(10_000)
    assert mediated["received"] == in_topic(route)
    usage = route.lake.read("usage_event")
    by_source = dict(usage.where("source IS NOT NULL").groupBy("source").count().collect())
    golden = [line for dialect in DIALECTS.values() for line in GOLDEN.joinpath(dialect, "usage_event.jsonl").open()]
    assert by_source == Counter(json.loads(line)["source"] for line in golden)
    assert mediated["by_reason"]["PAYLOAD_UNPARSEABLE"] >= 6


def test_the_manifest_can_only_go_on(published):
    route, _ = published
    for statement in (
        "DELETE FROM ops.usage_file",
        "UPDATE ops.usage_file SET records = 1",
        "UPDATE ops.usage_file SET sent = sent - 1",
        "TRUNCATE ops.usage_file",
    ):
        with pytest.raises(psycopg2.Error), connect(route.settings) as session, session.cursor() as cursor:
            cursor.execute(statement)


def test_a_dry_run_reads_and_says_what_would_be_sent(published, usage_file, tmp_path):
    route, _ = published
    before = in_topic(route)
    other = tmp_path / "other.jsonl"
    other.write_bytes(b"{}\n{}")
    told = publish(route, other, "--dry-run")
    assert (told["records"], told["dry_run"], in_topic(route)) == (2, True, before)
    with pytest.raises(TollgateError, match="published already"):
        publish(route, usage_file, "--dry-run")
    assert all(row[0] != "other.jsonl" for row in manifest(route))


def test_a_file_that_changes_while_it_is_sent_is_noticed(published, tmp_path, monkeypatch):
    route, _ = published
    file = tmp_path / "growing.jsonl"
    file.write_bytes(b'{"a": "1"}\n')
    read = publish_usage._read_all

    def then_grows(paths: list[Path]) -> Any:
        found = read(paths)
        file.write_bytes(b'{"a": "2"}\n')
        return found

    monkeypatch.setattr(publish_usage, "_read_all", then_grows)
    with pytest.raises(TollgateError, match="changed while it was sent"):
        publish(route, file)
    assert manifest(route)[-1][0] == "growing.jsonl" and not manifest(route)[-1][5]


def test_what_cannot_be_published_is_said_at_once_before_anything_is_sent(settings, tmp_path):
    (tmp_path / "long.jsonl").write_bytes(b"{}\n" + b"x" * (LONGEST_LINE + 1) + b"\n")
    (tmp_path / "cut.jsonl.gz").write_bytes(gzip.compress(os.urandom(5000))[:-20])
    (tmp_path / "plain.jsonl.gz").write_bytes(b"{}\n")
    (tmp_path / "one.jsonl").write_bytes(b"{}\n")
    (tmp_path / "two.jsonl").write_bytes(b"{}\n")
    names = ["long.jsonl", "cut.jsonl.gz", "plain.jsonl.gz", "one.jsonl", "two.jsonl"]
    args = publish_usage.parser().parse_args([str(tmp_path / name) for name in names])
    with pytest.raises(TollgateError) as refused:
        publish_usage.run_cli(settings, args)
    told = str(refused.value)
    assert "4 file(s) cannot be published" in told
    for line in (
        r"long.jsonl:2: this line is longer",
        r"cut.jsonl.gz.*: the file cannot be read",
        r"plain.jsonl.gz: the file cannot be read",
        r"two.jsonl: it holds the same records as .*one.jsonl",
    ):
        assert re.search(line, told), line
    with pytest.raises(UsageError, match="not a file of JSON lines"):
        publish_usage.run_cli(settings, publish_usage.parser().parse_args(["usage.csv"]))
    with pytest.raises(UsageError, match=r"no such file\n.*\n  found:    gone.jsonl, lost.jsonl"):
        publish_usage.run_cli(settings, publish_usage.parser().parse_args(["gone.jsonl", "lost.jsonl"]))
