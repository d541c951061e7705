"""Nights by their dates and the month after them, on a real broker and database: the tables of the jobs one by one."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from faults.route import AS_OF, CYCLE, Route
from faults.test_kills import issued
from jobs import month, night
from jobs.bill_runs import open_run
from tollgate import cli
from tollgate.platform.postgres import connect
from tollgate.platform.run_history import last_runs

MEDIATED = ("raw_cdr", "usage_event", "control_mediation")


def versions(route: Route) -> dict[str, int]:
    """Commits of every table of the lake, and rows of the history."""
    logs = Path(route.settings.lake.root).glob("*/_delta_log")
    found = {log.parent.name: len(list(log.glob("*.json"))) for log in logs}
    session = connect(route.settings)
    with session, session.cursor() as cursor:
        cursor.execute("SELECT (SELECT count(*) FROM ops.job_run), (SELECT count(*) FROM ops.bill_run)")
        found |= dict(zip(("job_run", "bill_run"), *cursor.fetchall(), strict=True))
    session.close()
    return found


@pytest.fixture
def nightly(start_route, undisturbed, request) -> Route:
    """The mediated usage of the undisturbed route, and no night yet."""
    route = start_route("killed_night" if "killed" in request.node.name else "nightly", [])
    for table in MEDIATED:
        shutil.copytree(undisturbed.lake.path(table), route.lake.path(table))
    return route


@pytest.fixture
def tollgate(nightly, monkeypatch, capsys) -> Callable[..., dict[str, Any]]:
    """A command by its arguments, in the session of the tests; gives its one line, whose exit code is its own."""
    for name, value in nightly.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(nightly.spark, "stop", lambda: None)

    def call(*argv: str) -> dict[str, Any]:
        capsys.readouterr()
        code = cli._pass_on(argv[0], list(argv[1:]))
        (line,) = capsys.readouterr().out.splitlines()
        told = json.loads(line)
        assert told["exit_code"] == code
        return told

    return call


@pytest.mark.long
@pytest.mark.covers("RAT-01", "OPS-01", "OPS-17")
def test_a_night_that_is_killed_in_its_third_step_is_mended_by_the_next_start(nightly, undisturbed):
    last = ["--date", "2026-11-01"]
    nightly.killed("rate.after_rated", "night", *last)
    assert last_runs(nightly.settings, 1)[0]["status"] == "stopped"
    night.run(nightly.spark, nightly.settings, night.parser().parse_args(last))
    assert last_runs(nightly.settings, 1)[0]["status"] == "done"
    assert nightly.digest("rated_usage") == undisturbed.digest("rated_usage")


@pytest.mark.covers("BIZ-03", "RAT-01", "RAT-09", "BIL-19", "OPS-17")
@pytest.mark.long
def test_nights_and_a_month_by_their_commands_leave_the_tables_of_the_jobs(tollgate, nightly, undisturbed, monkeypatch):
    *early, late = nightly.lake.read("control_mediation").orderBy("batch_no").collect()
    assert late.recorded_at.date() == date(2026, 11, 1) > early[-1].recorded_at.date()
    both = ("--from", "2026-10-31", "--to", "2026-11-01")
    bill = ("--cycle", CYCLE, "--as-of", AS_OF)

    before = versions(nightly)
    dry = tollgate("night", *both, "--dry-run")
    assert [(told.get("batches"), told.get("accepted")) for told in dry["steps"]] == [
        (len(early), sum(mark.accepted for mark in early)), (1, late.accepted), (None, None)
    ]  # fmt: skip
    assert [dry["totals"][name] for name in ("gate", "suspended", "unchecked")] == ["not asked yet", 0, len(early) + 1]
    missing = tollgate("month", *bill)
    assert (missing["status"], missing["exit_code"], missing["step"]) == ("failed", 1, "check_nights")
    assert missing["next"].startswith("run `tollgate night --date 2026-11-01`; then `tollgate month")
    assert versions(nightly) == {**before, "job_run": 1}

    first = tollgate("night", "--date", "2026-10-31")
    assert first["totals"]["batches"] == len(early) and first["totals"]["rated"] > 0
    waits = f"batch {late.batch_no} arrived up to 2026-11-01: `tollgate night --date 2026-11-01` takes it"
    assert first["next"].endswith(waits)
    # A date that is rated has nothing left; the one after it follows.
    second = tollgate("night", *both)
    nights = [told for told in second["steps"] if told["step"] == "rate_usage"]
    assert [(told["date"], told["from_batch_no"], told["to_batch_no"]) for told in nights] == [
        ("2026-10-31", None, None), ("2026-11-01", late.batch_no, late.batch_no)
    ]  # fmt: skip
    assert "arrived up to" not in second["next"]
    assert nights[0]["rated"] == 0 and second["totals"]["rated"] == nights[1]["rated"] > 0
    assert nightly.digest("rated_usage") == undisturbed.digest("rated_usage")

    before = versions(nightly)
    preview = tollgate("month", *bill, "--dry-run")
    assert versions(nightly) == before
    with monkeypatch.context() as dies, pytest.raises(InterruptedError):
        dies.setattr(month, "crash_point", _dies_after_the_draft)
        tollgate("month", *bill)
    draft = open_run(nightly.settings, CYCLE)
    assert draft is not None and draft.status == "draft"
    posted = tollgate("month", *bill, "--post")
    assert (posted["bill_run"], posted["bill_status"], posted["next"]) == (draft.run_id, "posted", "nothing")
    assert posted["totals"] == preview["totals"] and posted["totals"]["invoices"] > 50
    assert issued(nightly) == issued(undisturbed)
    assert tollgate("month", *bill, "--post")["next"].startswith("nothing: the cycle is posted")
    assert [told["status"] for told in last_runs(nightly.settings, 9)] == [
        "done", "done", "failed", "done", "done", "failed"
    ]  # fmt: skip


def _dies_after_the_draft(point: str) -> None:
    if point == "month.after_draft":
        raise InterruptedError(point)
