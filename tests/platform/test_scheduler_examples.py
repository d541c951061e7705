"""The examples of docs/operations.md for cron, systemd and Airflow: what they call is run as they would run it, up to
a `tollgate` that writes down its arguments, and held against the real parsers."""

from __future__ import annotations

import configparser
import re
import shlex
import subprocess
import sys
import types
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import jinja2
import pytest
from container_commands import refused

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
STUB = '#!/bin/sh\necho "$*" >>"$(dirname "$0")/../../calls"\nexit "${ENDS:-0}"\n'


def blocks(language: str) -> list[str]:
    found = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return [text for name, text in found if name == language]


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """Stands for /opt/tollgate and the folders of the examples."""
    program = tmp_path / ".venv" / "bin" / "tollgate"
    program.parent.mkdir(parents=True)
    program.write_text(STUB, encoding="utf-8")
    program.chmod(0o755)
    (tmp_path / "environment").write_text("TOLLGATE_POSTGRES_PASSWORD=x\n", encoding="utf-8")
    return tmp_path


def called(installed: Path, command: str, ends: int = 0) -> tuple[list[str], subprocess.CompletedProcess[str]]:
    """What the shell passes to tollgate, and how the line ends."""
    for folder in ("/opt/tollgate", "/etc/tollgate", "/var/log/tollgate"):
        command = command.replace(folder, str(installed))
    environment = {"PATH": "/usr/bin:/bin", "ENDS": str(ends)}
    done = subprocess.run(
        ["sh", "-c", command], env=environment, capture_output=True, text=True, check=False, timeout=20
    )
    return (installed / "calls").read_text(encoding="utf-8").splitlines(), done


@pytest.mark.covers("BIZ-03")
def test_cron_calls_what_tollgate_takes_and_mails_failures_only(installed: Path) -> None:
    jobs = [line for line in blocks("cron")[0].splitlines() if not re.match(r"\w+=", line)]
    # A % ends the command of a crontab unless it is escaped.
    assert len(jobs) == 2 and not any(re.search(r"(?<!\\)%", job) for job in jobs)
    for job, command in zip(jobs, ("night", "month"), strict=True):
        *times, user, line = job.split(maxsplit=6)
        assert user == "tollgate" and all(re.fullmatch(r"[\d*]+", time) for time in times)
        line = line.replace("\\%", "%")
        for ends, mail in ((0, ""), (75, ""), (1, f"the {command} failed: tollgate runs --failed\n")):
            calls, done = called(installed, line, ends)
            assert (done.stdout, done.stderr) == (mail, "")
        assert calls[-1].startswith(command) and refused(["tollgate", *calls[-1].split()]) == ""


@pytest.mark.covers("BIZ-03")
def test_systemd_starts_what_tollgate_takes(installed: Path) -> None:
    units = re.split(r"^# tollgate-night\.(service|timer)\n", blocks("ini")[0], flags=re.MULTILINE)[1:]
    service, timer = (_unit(text) for text in units[1::2])
    program, *argv = shlex.split(service["Service"]["ExecStart"])
    assert program == "/opt/tollgate/.venv/bin/tollgate" and refused(["tollgate", *argv]) == ""
    assert service["Service"]["Type"] == "oneshot" and timer["Timer"]["OnCalendar"].endswith("UTC")


def _unit(text: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string(text)
    return parser


@pytest.mark.covers("BIZ-03")
def test_the_airflow_file_compiles_and_its_tasks_call_what_tollgate_takes(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks: list[dict[str, Any]] = []
    _stand_in_for_airflow(monkeypatch, tasks)
    exec(compile(blocks("python")[0], "tollgate_dag.py", "exec"), {})
    at = {"data_interval_start": datetime(2026, 11, 2, 4, 30, tzinfo=timezone.utc),
          "data_interval_end": datetime(2026, 12, 2, 4, 30, tzinfo=timezone.utc)}  # fmt: skip
    templates = jinja2.Environment(undefined=jinja2.StrictUndefined)
    templates.filters["ds"] = lambda instant: f"{instant:%Y-%m-%d}"
    for task in tasks:
        calls, done = called(installed, templates.from_string(task["bash_command"]).render(at), ends=75)
        assert done.returncode == 75, "Airflow sees the exit code"
    assert calls == [
        "night --date 2026-11-02", "month --cycle 2026-11 --as-of 2026-12-02T00:00:00Z --started-by airflow"
    ]  # fmt: skip
    assert [refused(["tollgate", *call.split()]) for call in calls] == ["", ""]


def _stand_in_for_airflow(monkeypatch: pytest.MonkeyPatch, tasks: list[dict[str, Any]]) -> None:
    class Dag:
        def __init__(self, dag_id: str, *, schedule: object, **options: Any) -> None:
            assert options["max_active_runs"] == 1 and options["default_args"]["retries"] > 0

        def __enter__(self) -> Dag:
            return self

        def __exit__(self, *_: object) -> None:
            return None

    names = {
        "airflow.providers.standard.operators.bash": {"BashOperator": lambda **options: tasks.append(options)},
        "airflow.sdk": {"DAG": Dag},
        "airflow.timetables.interval": {"CronDataIntervalTimetable": lambda cron, timezone: (cron, timezone)},
    }
    for name, content in names.items():
        for end in range(1, name.count(".") + 2):
            package = ".".join(name.split(".")[:end])
            monkeypatch.setitem(sys.modules, package, sys.modules.get(package) or types.ModuleType(package))
        for key, value in content.items():
            monkeypatch.setattr(sys.modules[name], key, value, raising=False)


def test_every_command_of_the_page_is_one_that_tollgate_takes() -> None:
    lines = [line.partition("#")[0] for text in blocks("") for line in text.splitlines()]
    told = [line[line.index("tollgate") :] for line in lines if re.search(r"(?<!\S)tollgate \w", line)]
    told += [text for text in re.findall(r"`(tollgate (?:night|month) [^`]*)`", PAGE) if "…" not in text]
    assert len(told) >= 12
    assert not [(line, reason) for line in told if (reason := refused(shlex.split(line)))]
