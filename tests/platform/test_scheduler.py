"""conf/scheduler.sh: the nights and months of docker compose, with a `tollgate` that only writes down its calls."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from container_commands import refused

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = "conf/scheduler.sh"
# Prints a summary, and ends as $FAILING says: a command and its exit code.
TOLLGATE = """#!/bin/sh
echo "$*" >>"$CALLS"
echo '{"command": "'"$1"'"}'
[ "$1" != "${FAILING% *}" ] || exit "${FAILING#* }"
"""
pytestmark = pytest.mark.skipif(
    not all(shutil.which(program) for program in ("flock", "timeout")), reason="the script runs in the image, on Debian"
)


@dataclass
class Desk:
    """A scheduler with its state, its calls and its clockwork."""

    folder: Path
    failing: str = ""
    hour: str = "0"

    def environment(self) -> dict[str, str]:
        programs = [str(self.folder / "bin"), str(Path(sys.executable).parent), "/usr/bin", "/bin"]
        return {
            "PATH": os.pathsep.join(programs), "CALLS": str(self.folder / "calls"), "FAILING": self.failing,
            "SCHEDULER_STATE": str(self.folder / "state"), "NIGHT_HOUR_UTC": self.hour, "BILLING_DAY": "2",
            "STEP_MINUTES": "1",
        }  # fmt: skip

    def run(self, *argv: str, **changed: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", SCRIPT, *argv], cwd=ROOT, env={**self.environment(), **changed}, capture_output=True, text=True,
            check=False, timeout=60,
        )  # fmt: skip

    def calls(self) -> list[str]:
        """The calls since the last time."""
        path = self.folder / "calls"
        found = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return found


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    program = tmp_path / "bin" / "tollgate"
    program.parent.mkdir()
    program.write_text(TOLLGATE, encoding="utf-8")
    program.chmod(0o755)
    return Desk(tmp_path)


def night(day: str) -> str:
    return f"night --date {day}"


def months(as_of: str, *cycles: str) -> list[str]:
    return [f"month --cycle {cycle} --as-of {as_of} --started-by scheduler" for cycle in cycles]


@pytest.mark.covers("OPS-02")
def test_every_call_of_a_night_and_a_month_is_one_that_tollgate_takes(desk: Desk) -> None:
    assert desk.run("once", "2026-11-01").returncode == 0
    calls = desk.calls()
    assert len(calls) == 3
    assert [refused(["tollgate", *call.split()]) for call in calls] == [""] * 3


@pytest.mark.covers("BIZ-03")
def test_drafts_are_made_once_a_month_for_the_cycles_that_have_ended(desk: Desk) -> None:
    done = desk.run("once", "2026-12-31")
    assert (done.returncode, desk.calls()) == (0, [night("2026-12-31")])
    assert "night of 2026-12-31 ended well" in done.stdout and '{"command": "night"}' in done.stdout
    # On the 2nd the night of the 1st is done, so everything that arrived by the instant is rated.
    desk.failing = "month 1"
    assert desk.run("once", "2027-01-01").returncode == 1
    drafts = months("2027-01-02T00:00:00Z", "2026-11", "2026-12")
    assert desk.calls() == [night("2027-01-01"), drafts[0]]
    desk.failing = ""
    # A day later it goes on with the same instant, so with the same draft.
    assert desk.run("once", "2027-01-02").returncode == 0
    assert desk.calls() == [night("2027-01-02"), *drafts]
    desk.run("once", "2027-01-03")
    assert desk.calls() == [night("2027-01-03")]


@pytest.mark.parametrize(("failing", "part"), [("night 1", "night"), ("month 2", "month")])
def test_a_failure_is_told_and_makes_the_scheduler_unwell(desk: Desk, failing: str, part: str) -> None:
    desk.failing = failing
    done = desk.run("once", "2026-11-01")
    assert done.returncode == 1
    assert f"FAILED with exit code {failing[-1]}: tollgate {part}" in done.stdout
    assert "the next try is tomorrow after 0:00 UTC" in done.stdout
    assert desk.calls()[-1].startswith(part)
    unwell = desk.run("health")
    assert (unwell.returncode, unwell.stdout) == (1, f"failed: {part} of 2026-11-01\n")


@pytest.mark.parametrize("part", ["night", "month"])
def test_a_run_elsewhere_is_no_failure_and_the_loop_tries_again(desk: Desk, part: str) -> None:
    desk.failing = f"{part} 75"
    done = desk.run("once", "2026-11-01")
    assert done.returncode == 75 and f"tollgate {part} waits" in done.stdout and "FAILED" not in done.stdout
    assert (desk.folder / "state" / "last").read_text().strip() == "begun"
    assert not (desk.folder / "state" / "billed").exists()


def test_a_step_that_hangs_ends_at_its_limit(desk: Desk) -> None:
    (desk.folder / "bin" / "timeout").write_text('#!/bin/sh\n[ "$1 $2" = "--foreground 1m" ] && exit 124\n')
    (desk.folder / "bin" / "timeout").chmod(0o755)
    assert "FAILED with exit code 124: tollgate night" in desk.run("once", "2026-11-01").stdout


def test_one_night_at_a_time(desk: Desk) -> None:
    (desk.folder / "state").mkdir()
    lock = str(desk.folder / "state" / "lock")
    with subprocess.Popen(["flock", lock, "sleep", "60"], start_new_session=True) as other:
        while subprocess.run(["flock", "--nonblock", lock, "true"], check=False).returncode == 0:
            time.sleep(0.05)
        done = desk.run("once", "2026-11-01")
        os.killpg(other.pid, signal.SIGTERM)
    assert done.returncode == 75 and "another night runs" in done.stdout
    assert desk.calls() == []


def started(desk: Desk) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        ["sh", SCRIPT], cwd=ROOT, env=desk.environment(), stdout=subprocess.DEVNULL, start_new_session=True
    )


def stopped(loop: subprocess.Popen[bytes]) -> int:
    """End the loop as tini does: the whole group at once."""
    os.killpg(loop.pid, signal.SIGTERM)
    return loop.wait(10)


def wait_for(path: Path, text: str) -> None:
    give_up = time.monotonic() + 20
    while not path.exists() or path.read_text(encoding="utf-8").strip() != text:
        assert time.monotonic() < give_up, f"{path.name} never became {text}"
        time.sleep(0.05)


def test_the_loop_runs_a_day_once_also_over_a_restart_and_takes_up_what_was_cut_off(desk: Desk) -> None:
    state = desk.folder / "state"
    loop = started(desk)
    wait_for(state / "now", "waiting")
    assert desk.run("health").returncode == 0
    assert stopped(loop) == 143
    assert desk.calls()[0].startswith("night --date ")
    for last, expected in (("well", 0), ("failed: night of yesterday", 0), ("begun", 1)):
        (state / "last").write_text(last, encoding="utf-8")
        (state / "now").unlink()
        loop = started(desk)
        wait_for(state / "now", "waiting")
        stopped(loop)
        assert len(desk.calls()[:1]) == expected, last
    os.utime(state / "now", (0, 0))
    assert desk.run("health").stdout == "the loop stands still\n"


@pytest.mark.parametrize(
    "changed", [{"NIGHT_HOUR_UTC": "24"}, {"BILLING_DAY": "1"}, {"STEP_MINUTES": "long"}, {"SCHEDULER_STATE": ""}]
)
def test_a_wrong_setting_and_a_wrong_word_end_it_at_once(desk: Desk, changed: dict[str, str]) -> None:
    assert desk.run(**changed).returncode != 0
    assert desk.calls() == []
    assert desk.run("twice").returncode == 2
