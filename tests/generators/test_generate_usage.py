"""The command: arguments, counts, and what it says when it cannot go on."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from generators.customers import build_population
from generators.generate_usage import parser, run_cli
from generators.producer import rehearse
from generators.usage import plan_usage
from tollgate.platform.errors import TollgateError

SMALL = ["--dry-run", "--events", "1000", "--subscribers", "50"]


def run(settings: Any, *argv: str) -> dict[str, Any]:
    return run_cli(settings, parser().parse_args([*argv]))


@pytest.mark.covers("GEN-16", "GEN-18")
def test_a_dry_run_counts_every_class_and_sends_nothing(settings: Any, capsys: pytest.CaptureFixture[str]) -> None:
    summary = run(settings, *SMALL, "--profile", "roamer", "--seed", "3", "--month", "2026-11", "--until", "2026-11-06")
    assert json.loads(capsys.readouterr().out) == summary
    assert summary["records"] == sum(summary["by_class"].values()) == sum(row["records"] for row in summary["by_kind"])
    assert summary["by_class"]["late"] == 100
    assert summary["offsets"] == {}


def test_the_cut_by_arrival_takes_each_record_once(settings: Any) -> None:
    cut = "2026-10-15T12:00:00-04:00"
    before, after = run(settings, *SMALL, "--to", cut), run(settings, *SMALL, "--from", cut)
    assert before["records"] + after["records"] == 1000
    assert before == run(settings, *SMALL, "--to", "2026-10-15T12:00:00") | {
        name: before[name] for name in ("seconds", "records_per_second")
    }


def test_what_is_wrong_is_said(settings: Any) -> None:
    for argv, message in (
        (["--events", "10"], "--truth is missing"),
        ([*SMALL, "--rate", "0"], "--rate must be above 0"),
        ([*SMALL, "--month", "2026-13"], "month: expected YYYY-MM, found 2026-13"),
    ):
        with pytest.raises(TollgateError, match=message):
            run(settings, *argv)


@pytest.mark.covers("GEN-16")
def test_the_rate_is_kept() -> None:
    plan = plan_usage(build_population(1, 50), 1, 4000)
    started = time.perf_counter()
    report = rehearse(plan.records(), rate=8000)
    assert time.perf_counter() - started >= 0.5
    assert report.records_per_second <= 8000
