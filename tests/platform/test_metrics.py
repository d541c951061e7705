"""Metrics: where they go, how they go on from run to run, and that dashboard, alerts and page name them all."""

from __future__ import annotations

import argparse
import json
import re
import socket
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from told import lines_of, message

from tollgate.platform import job, spark
from tollgate.platform.errors import TollgateError
from tollgate.platform.log_lines import FIELDS, MESSAGE
from tollgate.platform.metrics import METRICS
from tollgate.platform.progress import step
from tollgate.platform.run_history import LockedError
from tollgate.platform.unattended import Steps

ROOT = Path(__file__).resolve().parents[2]
DASHBOARD, ALERTS = ROOT / "conf/grafana/tollgate.json", ROOT / "conf/prometheus/alerts.yml"


def night(argv: list[str], error: Exception | None = None) -> int:
    """A job that rates nine events, suspends one and may fail after its step."""

    def work(settings: Any, args: argparse.Namespace) -> dict[str, Any]:
        with step("rate"):
            pass
        if error is not None:
            raise error
        return {"rating_no": 7, "rated": 8, "zero_rated": 1, "suspended": {"no_rate": 1}}

    return job.main_without_spark(job.add_common(argparse.ArgumentParser(prog="rate_usage")), work, argv)


def values(path: Path) -> dict[tuple[str, ...], Any]:
    """Value by name and labels."""
    families = text_string_to_metric_families(path.read_text(encoding="utf-8"))
    return {(s.name, *s.labels.values()): s.value for family in families for s in family.samples}


@pytest.mark.covers("OPS-20", "OPS-19")
def test_a_short_job_leaves_a_file_whose_counters_go_on(tmp_path: Path, capsys) -> None:
    file = tmp_path / "rate_usage.prom"
    argv = ["--metrics-file", str(file)]
    assert night(argv) == 0
    first = values(file)
    assert first["tollgate_rated_total", "rated"] == 8 and first["tollgate_suspended_total", "no_rate"] == 1
    assert first["tollgate_job_runs_total", "rate_usage", "failed"] == 0, "a first failure is a rise, no new series"
    assert ("tollgate_job_step_seconds", "rate_usage", "rate") in first
    assert not [name for name, *_ in first if "batch" in name or "lag" in name], "a night knows nothing of the stream"
    assert night(argv) == 0 and night(argv, TollgateError("no book is published")) == 1
    with pytest.raises(ZeroDivisionError):
        night(argv, ZeroDivisionError())
    last = values(file)
    assert (last["tollgate_rated_total", "rated"], last["tollgate_rated_total", "zero_rated"]) == (16, 2)
    assert [last["tollgate_job_runs_total", "rate_usage", outcome] for outcome in ("done", "failed")] == [2, 2]
    success = ("tollgate_job_last_success_timestamp_seconds", "rate_usage")
    assert first[success] < last[success], "a failed night does not wipe when the last good one was"
    assert file.stat().st_mode & 0o777 == 0o644
    assert [path.name for path in tmp_path.iterdir()] == [file.name]
    dry = {"rating_no": 7, "rated": 8, "zero_rated": 1, "suspended": {"no_rate": 1}, "dry_run": True}
    parser = job.add_common(argparse.ArgumentParser(prog="rate_usage"))
    assert job.main_without_spark(parser, lambda settings, args: dry, argv) == 0
    assert values(file)["tollgate_rated_total", "rated"] == 16


@pytest.mark.covers("OPS-20")
def test_a_night_that_another_one_kept_from_starting_is_no_failure(tmp_path: Path, capsys) -> None:
    file = tmp_path / "night.prom"
    argv = ["--metrics-file", str(file)]
    assert night(argv) == 0
    before = values(file)
    assert night(argv, LockedError(None)) == 75
    job_ended, told = lines_of(capsys.readouterr().err)[-2:]
    assert (job_ended["event"], job_ended["level"], told["exit_code"]) == ("job locked", "warning", 75)
    runs = ("tollgate_job_runs_total", "rate_usage")
    after = values(file)
    assert [after[(*runs, outcome)] for outcome in ("done", "failed", "locked")] == [1, 0, 1]
    kept = [("tollgate_job_seconds", "rate_usage"), ("tollgate_job_last_success_timestamp_seconds", "rate_usage")]
    assert [after[name] for name in kept] == [before[name] for name in kept], "nothing was started"


@pytest.mark.covers("OPS-20")
def test_the_jobs_of_a_night_count_under_their_own_names(tmp_path: Path, capsys) -> None:
    file = tmp_path / "night.prom"
    parser = job.add_common(argparse.ArgumentParser(prog="tollgate night"))

    def work(settings: Any, args: argparse.Namespace) -> None:
        steps = Steps("again")
        steps.run("check_quality", lambda: {"passed": True, "rows_checked": 9}, "2026-10-10")
        rated = {"rating_no": 7, "rated": 8, "zero_rated": 1, "suspended": {"no_rate": 1}}
        assert steps.run("rate_usage", lambda: rated, "2026-10-10") == rated

    assert job.main_without_spark(parser, work, ["--metrics-file", str(file)]) == 0
    found = values(file)
    assert {key[1] for key in found if key[0] == "tollgate_job_runs_total"} == {"night", "check_quality", "rate_usage"}
    assert ("tollgate_job_last_success_timestamp_seconds", "rate_usage") in found, (
        "what the alert NightMissing asks for"
    )
    assert found["tollgate_rated_total", "rated"] == 8, "once, for the night itself has rated nothing"


@pytest.mark.covers("OPS-20")
def test_a_port_or_file_that_cannot_be_had_is_said_before_spark_starts(tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.setattr(spark, "spark_session", lambda *args: pytest.fail("Spark was started"))
    foreign = tmp_path / "foreign.prom"
    foreign.write_text("node_load1 0.5\n", encoding="utf-8")
    broken = tmp_path / "broken.prom"
    broken.write_text("tollgate_late_total three\n", encoding="utf-8")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        for argv, said in (
            (["--metrics-port", port], f"127.0.0.1:{port}: metrics cannot be served there"),
            (["--metrics-port", port, "--set", "metrics.host=256.0.0.1"], f"256.0.0.1:{port}: metrics cannot be"),
            (["--metrics-port", "99999"], "metrics.port: input should be less than or equal to 65535"),
            (["--metrics-file", str(tmp_path / "night.txt")], "a name that ends in .prom"),
            (["--metrics-file", str(tmp_path / "none" / "night.prom")], "the folder of the metrics file is not there"),
            (["--metrics-file", str(foreign)], "belongs to something else"),
            (["--metrics-file", str(broken)], "the metrics file cannot be read"),
        ):
            parser = job.add_common(argparse.ArgumentParser(prog="rate_usage"))
            assert job.main(parser, lambda *args: pytest.fail("the job ran"), argv) == 1
            told = message(capsys.readouterr().err)
            assert said in told and "way out:" in told
    assert foreign.read_text(encoding="utf-8") == "node_load1 0.5\n"


def expressions() -> dict[str, list[str]]:
    """Every expression by where it stands."""
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    rules = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]
    return {
        "dashboard": [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]],
        "alerts": [rule["expr"] for group in rules for rule in group["rules"]],
    }


def named(texts: list[str]) -> set[str]:
    found = {name for text in texts for name in re.findall(r"\btollgate_\w+", text)}
    return {name.removesuffix("_bucket") for name in found}


@pytest.mark.covers("OPS-20", "OPS-19")
def test_dashboard_and_alerts_name_the_metrics_that_there_are() -> None:
    found = expressions()
    assert named(found["dashboard"]) == set(METRICS), "every metric is on the dashboard, and no other"
    assert named(found["alerts"]) <= set(METRICS)
    labels = {label for _, names, _ in METRICS.values() for label in names} | {"le"}
    for text in [*found["dashboard"], *found["alerts"]]:
        used = {name for group in re.findall(r"by \(([^)]*)\)", text) for name in re.split(r", *", group)}
        used |= set(re.findall(r"[{,](\w+)=", text.replace('up{job="tollgate"}', "")))
        assert used <= labels, text
        assert text.count("(") == text.count(")") and text.count("{") == text.count("}"), text


@pytest.mark.covers("OPS-20")
def test_the_dashboard_asks_the_source_that_its_user_chooses_and_nobody_else() -> None:
    text = DASHBOARD.read_text(encoding="utf-8")
    dashboard = json.loads(text)
    chosen = {"type": "prometheus", "uid": "${datasource}"}
    source = dashboard["templating"]["list"][0]
    assert (source["name"], source["type"], source["query"]) == ("datasource", "datasource", "prometheus")
    for panel in dashboard["panels"]:
        assert panel["datasource"] == chosen and all(target["datasource"] == chosen for target in panel["targets"])
    places = [tuple(panel["gridPos"].values()) for panel in dashboard["panels"]]
    cells = [(x + i, y + j) for x, y, w, h in places for i in range(w) for j in range(h)]
    assert len(cells) == len(set(cells)) and max(x for x, _ in cells) < 24, "no panel covers another"
    assert "://" not in text + ALERTS.read_text(encoding="utf-8")
    for group in yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]:
        for rule in group["rules"]:
            assert {"alert", "expr", "labels", "annotations"} <= set(rule) and "way_out" in rule["annotations"]


@pytest.mark.covers("OPS-20")
def test_the_page_lists_every_metric_and_every_field() -> None:
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    rows = [f"| `{name}` | {kind} | {', '.join(labels)} | {told} |" for name, (kind, labels, told) in METRICS.items()]
    rows += [f"| `{name}` | {kind} | {told} |" for part in (FIELDS, MESSAGE) for name, (kind, told) in part.items()]
    assert [row for row in rows if row not in page.splitlines()] == []
