"""The `tollgate` command and the frame of a job."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from told import message

from generators import generate_usage, seed_crm
from jobs.list_tables import descriptions
from tollgate import cli, demo
from tollgate.cli import ALIASES, GROUPED, PASSED_ON
from tollgate.platform.errors import TollgateError, UsageError, nearest
from tollgate.platform.job import add_common, guarded, settings_from

ROOT = Path(__file__).resolve().parents[2]


def tollgate(*args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tollgate.cli", *args]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def test_help_lists_every_command_without_loading_spark() -> None:
    script = "import sys, tollgate.cli; sys.exit('pyspark' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False).returncode == 0
    started = time.monotonic()
    shown = tollgate("--help").stdout
    assert time.monotonic() - started < 5
    assert all(name in shown for name in [*PASSED_ON, "up", "down", "status", "clean", "sql", "pricebook"])


# One process for all, as each would load the same libraries again.
HELP = """
import contextlib, io, json, sys
from tollgate import cli

told = {}
for words in json.load(sys.stdin):
    sys.argv = ["tollgate", *words, "--help"]
    with contextlib.redirect_stdout(io.StringIO()) as out:
        try:
            cli.main()
            code = 0
        except SystemExit as ended:
            code = ended.code
    told[" ".join(words)] = (code or 0, out.getvalue())
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def helps() -> dict[str, tuple[int, str]]:
    """Exit code and output of the help of each command, where there is no Java."""
    words = [[name.replace("-", "_")] for name in PASSED_ON]
    words += [[group, name] for group, names in GROUPED.items() for name in names]
    done = subprocess.run(
        [sys.executable, "-c", HELP], cwd=ROOT, input=json.dumps(words), capture_output=True, text=True, timeout=120,
        check=False, env={**os.environ, "JAVA_HOME": "/nowhere"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", sorted(PASSED_ON))
def test_a_job_shows_its_help_by_either_spelling_without_starting_java(name: str, helps) -> None:
    code, shown = helps[name.replace("-", "_")]
    assert code == 0 and "usage: tollgate" in shown


@pytest.mark.parametrize(("group", "name"), [(group, name) for group, names in GROUPED.items() for name in names])
def test_a_command_of_a_group_shows_its_help_without_starting_java(group: str, name: str, helps) -> None:
    code, shown = helps[f"{group} {name}"]
    assert code == 0 and f"usage: tollgate {group} {name}" in shown


def test_an_unknown_command_is_answered_with_the_nearest() -> None:
    done = tollgate("mediate_usgae")
    assert done.returncode == 2
    assert "did you mean `tollgate mediate-usage`?" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["report", "nope"], "`tollgate report` lists them"),
        (["report", "revenue_by_dya"], "did you mean `tollgate report revenue_by_day`?"),
        (["report", "revenue_by_day", "--param", "from_day=soon"], "from_day: expected a day as 2026-10-31"),
        (["report", "revenue_by_day", "--param", "until"], "until: expected NAME=VALUE"),
        (["tables", "nope"], "no table or view nope\n  way out:  `tollgate tables` lists them"),
        (["tables", "invoise"], "did you mean invoice? `tollgate tables` lists them"),
        (["sql"], "no query"),
        (["sql", "SELECT 1", "--format", "parquet"], "name it with --out FOLDER"),
        (["generate", "--events", "10"], "--truth is missing"),
        (["generate", "--dry-run", "--month", "2026-13"], "month: expected YYYY-MM, found 2026-13"),
    ],
)
def test_wrong_use_ends_with_exit_code_2_before_spark_starts(
    argv: list[str], said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tollgate.platform.spark.spark_session", lambda *_: pytest.fail("Spark was started"))
    assert cli._pass_on(argv[0], argv[1:]) == 2
    told = capsys.readouterr()
    assert (told.out, said in message(told.err)) == ("", True)


@pytest.mark.parametrize(
    ("name", "known", "near"),
    [
        ("nope", descriptions(), None),
        ("status", descriptions(), None),
        ("usage_evnt", descriptions(), "usage_event"),
        ("cdr", descriptions(), "raw_cdr"),
        ("calls", [*PASSED_ON, *ALIASES], None),
        ("publish", [*PASSED_ON, *ALIASES], "publish-usage"),
        ("publish-price", [*PASSED_ON, *ALIASES], "publish-pricebook"),
        ("explian", [*PASSED_ON, *ALIASES], "explain"),
        ("n", ["night"], None),
        ("", ["night"], None),
    ],
)
def test_only_a_near_name_is_suggested(name: str, known: list[str], near: str | None) -> None:
    assert nearest(name, known) == near


def test_seed_generate_and_demo_take_the_same_population_when_nothing_is_said() -> None:
    taken = [module.parser().parse_args([]) for module in (seed_crm, generate_usage, demo)]
    assert len({(args.seed, args.subscribers) for args in taken}) == 1
    assert taken[1].events == taken[2].events


def test_a_wrong_setting_is_one_message_and_an_exit_code() -> None:
    done = tollgate("status", "--set", "lake.pth=/x")
    assert done.returncode == 1
    assert "unknown key lake.pth" in done.stderr and "Traceback" not in done.stderr


def test_common_arguments_become_settings() -> None:
    parser = add_common(argparse.ArgumentParser())
    args = parser.parse_args(["--set", "kafka.topic=t", "--lake", "/data/lake", "--master", "local[1]"])
    settings = settings_from(args)
    assert (settings.kafka.topic, settings.lake.root, settings.spark.master) == ("t", "/data/lake", "local[1]")
    with pytest.raises(UsageError, match="--set needs KEY=VALUE"):
        settings_from(parser.parse_args(["--set", "kafka.topic"]))


def test_a_failure_is_its_message_and_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise TollgateError("the tap drips", where="kitchen", expected="silence", found="drops", way_out="close it")

    def fill() -> None:
        raise RuntimeError("java.io.IOException: No space left on device")

    assert guarded(fail) == 1
    shown = "error: kitchen: the tap drips\n  expected: silence\n  found:    drops\n  way out:  close it\n"
    assert capsys.readouterr().err == shown
    assert guarded(fill) == 1
    assert "the disk is full" in capsys.readouterr().err


@pytest.mark.parametrize(("where", "passes"), [("here", 1), ("here:2", 2)])
def test_a_crash_point_kills_at_the_pass_that_was_asked_for(where: str, passes: int) -> None:
    script = (
        "from tollgate.platform.crash import crash_point\nfor n in (1, 2, 3): print(n, flush=True); crash_point('here')"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False,
        env={**os.environ, "TOLLGATE_CRASH_AT": where},
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL
    assert len(done.stdout.split()) == passes
