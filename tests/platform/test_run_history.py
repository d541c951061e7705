"""Night and month run one at a time in a database, across processes, and leave what happened; no Spark."""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import date, datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from reference.places import own_places
from told import lines_of, message

from tollgate import cli
from tollgate.platform.errors import TollgateError
from tollgate.platform.job import add_common, guarded, main_without_spark
from tollgate.platform.postgres import connect
from tollgate.platform.run_history import LockedError, as_json, find_run, last_runs, one_at_a_time
from tollgate.platform.settings import PASSWORD_ENV, Settings
from tollgate.platform.unattended import Steps, unattended

ROOT = Path(__file__).resolve().parents[2]
TENTH = {"from_date": date(2026, 10, 10), "to_date": date(2026, 10, 10)}
OCTOBER = {"cycle": "2026-10", "as_of": datetime(2026, 11, 1, 4, tzinfo=timezone.utc)}
AGAIN = "tollgate night --date 2026-10-10"
HOLDER = """
import sys, time
from contextlib import nullcontext
from datetime import date
from tollgate.platform.job import guarded
from tollgate.platform.settings import load_settings
from tollgate.platform.unattended import unattended

def work(steps, spark):
    steps.run("wait", lambda: print("waiting", file=sys.stderr, flush=True) or time.sleep(60) or {})

day = {"from_date": date(2026, 10, 9), "to_date": date(2026, 10, 9)}
sys.exit(guarded(lambda: unattended(load_settings(), "night", day, nullcontext(), work, resume="again") and None))
"""


@pytest.fixture(scope="module")
def own(services: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return own_places(services, tmp_path_factory.mktemp("history"))


def played(own: Settings, work: Any, command: str = "night", **options: Any) -> dict[str, Any]:
    subject = TENTH if command == "night" else OCTOBER
    return unattended(own, command, subject, nullcontext(), work, resume=AGAIN, **options)


def nothing(steps: Steps, spark: object) -> dict[str, Any]:
    steps.run("snapshot_reference", lambda: {"snapshot_id": 4})
    print("a job prints for people")
    steps.run("rate_usage", lambda: {"rated": 7}, "2026-10-10")
    return {"totals": {"rated": 7}, "next": "nothing"}


@pytest.fixture
def holder(own: Settings) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock."""
    environment = {**os.environ, "TOLLGATE_POSTGRES__URL": own.postgres.url, "PYTHONPATH": str(ROOT)}
    environment[PASSWORD_ENV] = own.postgres.password.get_secret_value()
    command = [sys.executable, "-c", HOLDER]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stderr is not None and process.stderr.readline() == "waiting\n"
        yield process
        process.kill()


@pytest.mark.covers("BIZ-03")
def test_a_second_start_ends_at_once_and_says_who_holds_the_lock(
    own: Settings, holder: subprocess.Popen[str], capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
) -> None:  # fmt: skip
    ran = []
    assert guarded(lambda: played(own, lambda *_: ran.append(1), "month") and None) == 75
    told = capsys.readouterr()
    said = json.loads(told.out)
    by = said["held_by"]
    assert (said["status"], said["exit_code"], said["run_id"], ran) == ("locked", 75, None, [])
    assert (by["host"], by["pid"], by["step"], by["status"]) == (socket.gethostname(), holder.pid, "wait", "running")
    assert f"run {by['run_id']} (night) on {by['host']}, pid {holder.pid}, since 20" in told.err
    assert find_run(own, by["run_id"])["status"] == "running"

    # The command itself: its message is the last line, and its metrics tell no failure.
    file = tmp_path / "night.prom"
    monkeypatch.setenv("TOLLGATE_POSTGRES__URL", own.postgres.url)
    monkeypatch.setenv(PASSWORD_ENV, own.postgres.password.get_secret_value())
    monkeypatch.setattr("tollgate.platform.spark.spark_session", lambda *_: pytest.fail("Spark was started"))
    assert cli._pass_on("night", ["--date", "2026-10-10", "--metrics-file", str(file)]) == 75
    assert f"run {by['run_id']} (night)" in message(capsys.readouterr().err)
    families = text_string_to_metric_families(file.read_text(encoding="utf-8"))
    ended = {s.labels["outcome"]: s.value for family in families for s in family.samples if "outcome" in s.labels}
    assert ended == {"done": 0, "failed": 0, "stopped": 0, "locked": 1}

    # SIGTERM, as systemd and containers send it: an end in order, told and recorded.
    holder.send_signal(signal.SIGTERM)
    out, err = holder.communicate(timeout=20)
    assert holder.returncode == 130 and "`again` goes on where this one ended" in err
    row = find_run(own, by["run_id"])
    assert (row["status"], row["exit_code"], row["error"]) == ("stopped", 130, "interrupted by a signal")
    assert json.loads(out)["status"] == "stopped" and row["ended_at"] is not None


def test_a_run_whose_process_was_killed_is_stopped_and_holds_nobody_up(
    own: Settings, holder: subprocess.Popen[str], capsys: pytest.CaptureFixture[str]
) -> None:
    killed = last_runs(own, 1)[0]["run_id"]
    holder.send_signal(signal.SIGKILL)
    holder.wait(20)
    # The server sees the closed connection a moment after the process is gone.
    for _ in range(100):
        if last_runs(own, 1)[0]["status"] == "stopped":
            break
    assert (last_runs(own, 1)[0]["status"], stored(own, killed)) == ("stopped", ("running", None))
    assert played(own, nothing)["status"] == "done"
    assert stored(own, killed) == ("stopped", "its process ended without a word")
    assert last_runs(own, 1, only_failed=True)[0]["run_id"] == killed


def stored(own: Settings, run_id: int) -> tuple[Any, ...]:
    session = connect(own)
    with session, session.cursor() as cursor:
        cursor.execute("SELECT status, error FROM ops.job_run WHERE run_id = %s", (run_id,))
        (row,) = cursor.fetchall()
    session.close()
    return row


def test_a_run_is_one_line_on_stdout_and_one_row(own: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    summary = played(own, nothing)
    told = capsys.readouterr()
    said = json.loads(told.out)
    assert said == json.loads(as_json(summary)) and "a job prints for people" in told.err
    assert [(step["step"], step.get("date")) for step in said["steps"]] == [
        ("snapshot_reference", None), ("rate_usage", "2026-10-10")
    ]  # fmt: skip
    assert said["steps"][1]["rated"] == 7 and all(step["seconds"] >= 0 for step in said["steps"])
    row = find_run(own, said["run_id"])
    assert (row["status"], row["exit_code"], row["step"], row["summary"]) == ("done", 0, "rate_usage", said)
    assert (row["from_date"], row["cycle"], row["pid"]) == (date(2026, 10, 10), None, os.getpid())

    before = last_runs(own, 1)
    dry = played(own, nothing, writes=False)
    assert (dry["status"], dry["run_id"], dry["dry_run"]) == ("done", None, True)
    assert last_runs(own, 1) == before


@pytest.mark.covers("OPS-20")
def test_off_a_terminal_stderr_has_json_lines_only_and_a_warning_stands_in_the_summary(
    own: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    parser = add_common(argparse.ArgumentParser(prog="night"))

    def command(settings: Settings, args: argparse.Namespace) -> None:
        played(own, nothing, warnings=["2026-10-10 has not ended"])

    assert main_without_spark(parser, command, []) == 0
    told = capsys.readouterr()
    (summary,) = map(json.loads, told.out.splitlines())
    assert summary["warnings"] == ["2026-10-10 has not ended"]
    assert find_run(own, summary["run_id"])["summary"]["warnings"] == summary["warnings"]
    lines = lines_of(told.err)
    assert ("warning", "2026-10-10 has not ended") in [(line["level"], line["event"]) for line in lines]
    assert [(line["job"], line.get("date")) for line in lines if line["event"] == "job done"] == [
        ("snapshot_reference", None), ("rate_usage", "2026-10-10"), ("night", None)
    ]  # fmt: skip
    # What a job prints for people is for those who want to know everything.
    assert "a job prints for people" not in told.err
    assert main_without_spark(parser, command, ["--log-level", "debug"]) == 0
    assert "a job prints for people" in [line["event"] for line in lines_of(capsys.readouterr().err)]


def refused() -> dict[str, Any]:
    raise TollgateError("the gate is shut", where="quality_result", way_out="mend the feed")


@pytest.mark.parametrize(
    ("step", "code", "status", "error", "way_on"),
    [
        (refused, 1, "failed", "quality_result: the gate is shut\n", "mend the feed; then `{}` goes on where"),
        (lambda: {}["x"], None, "failed", "KeyError: 'x'", "mend the cause; then `{}` goes on where"),
        (lambda: signal.raise_signal(signal.SIGINT), 130, "stopped", "interrupted by a signal", "`{}` goes on where"),
    ],
)
def test_a_failure_is_told_and_kept_with_the_step_and_the_way_on(
    own: Settings, capsys: pytest.CaptureFixture[str], step: Any, code: int | None, status: str, error: str, way_on: str
) -> None:
    def work(steps: Steps, spark: object) -> dict[str, Any]:
        steps.run("snapshot_reference", dict)
        steps.resume = "tollgate night --from 2026-10-10 --to 2026-10-12"
        steps.run("check_quality", step, "2026-10-10")
        raise AssertionError

    if code is None:
        with pytest.raises(KeyError):
            played(own, work)
    else:
        assert guarded(lambda: played(own, work) and None) == code
    told = capsys.readouterr()
    said = json.loads(told.out)
    assert (said["status"], said["exit_code"], said["step"], said["date"]) == (
        status, code or 1, "check_quality", "2026-10-10"
    )  # fmt: skip
    assert said["next"].startswith(way_on.format("tollgate night --from 2026-10-10 --to 2026-10-12"))
    assert said["error"].startswith(error) and len(said["steps"]) == 1
    row = find_run(own, said["run_id"])
    assert (row["status"], row["exit_code"], row["error"]) == (status, code or 1, said["error"])


def test_a_run_that_lost_its_session_begins_no_further_step(own: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    ran = []

    def work(steps: Steps, spark: object) -> dict[str, Any]:
        steps.run("check_quality", lambda: lose(own) or {})
        steps.run("rate_usage", lambda: ran.append(1) or {})
        return {}

    with pytest.raises(TollgateError, match="holds the lock is gone"):
        played(own, work)
    assert not ran and json.loads(capsys.readouterr().out)["status"] == "failed"
    # The session lives and another run has taken the place: the same.
    with one_at_a_time(own, "night", TENTH) as row:
        session = connect(own)
        with session, session.cursor() as cursor:
            cursor.execute("UPDATE ops.job_run SET status = 'stopped', error = '-' WHERE status = 'running'")
        session.close()
        with pytest.raises(TollgateError, match="another run has taken its place"):
            row.at("reconcile", {})


def lose(own: Settings) -> None:
    session = connect(own)
    with session, session.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = 7414002")
    session.close()


def test_runs_are_listed_and_shown_without_spark(
    own: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(LockedError), one_at_a_time(own, "month", OCTOBER):
        played(own, nothing)
    done = played(own, nothing)["run_id"]
    with pytest.raises(TollgateError):
        played(own, lambda steps, spark: steps.run("check_nights", refused), "month")
    capsys.readouterr()
    monkeypatch.setenv("TOLLGATE_POSTGRES__URL", own.postgres.url)
    monkeypatch.setenv(PASSWORD_ENV, own.postgres.password.get_secret_value())
    monkeypatch.setattr("tollgate.platform.spark.spark_session", None)

    def runs(*argv: str) -> str:
        assert cli._pass_on("runs", list(argv)) == 0
        return capsys.readouterr().out

    shown = runs("--last", "2").splitlines()
    assert [line.split()[:4] for line in shown[2::2]] == [
        [str(done + 1), "month", "2026-10", "by"], [str(done), "night", "2026-10-10", "done"]
    ]  # fmt: skip
    assert "snapshot_reference 0.0 s, rate_usage 2026-10-10 0.0 s" in shown[5] and "check_nights: failed" in shown[3]
    assert [json.loads(line)["run_id"] for line in runs("--failed", "--last", "1", "--json").splitlines()] == [done + 1]
    assert '"rated": 7' in runs(str(done)) and "the gate is shut" in runs(str(done + 1))
    assert cli._pass_on("runs", ["99999"]) == 1 and "no such run" in capsys.readouterr().err
    assert cli._pass_on("runs", ["--last", "0"]) == 2
