"""JSON lines where nobody sits at a terminal: one a step, and nothing in them but what FIELDS names."""

from __future__ import annotations

import argparse
import ast
import json
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from told import lines_of, message

from tollgate.platform import watching
from tollgate.platform.errors import TollgateError, UsageError
from tollgate.platform.job import add_common, main_without_spark
from tollgate.platform.log_lines import FIELDS, MESSAGE, known
from tollgate.platform.progress import is_watched, remark, say, step

ROOT = Path(__file__).resolve().parents[2]


def played(
    capsys: pytest.CaptureFixture[str], work: Callable[[], object], *argv: str
) -> tuple[int, list[dict[str, Any]], str, str]:
    """Exit code, lines, the rest of stderr, and stdout of a command that does `work`."""
    parser = add_common(argparse.ArgumentParser(prog="tollgate small-job"))
    code = main_without_spark(parser, lambda settings, args: work(), list(argv))
    told = capsys.readouterr()
    lines = [json.loads(line) for line in told.err.splitlines() if line.startswith("{")]
    return code, lines, "\n".join(line for line in told.err.splitlines() if not line.startswith("{")), told.out


def rate() -> dict[str, Any]:
    with step("rate", rating_no=7), step("append rated_usage", level="debug"):
        print("the answer")
    return {"rating_no": 7, "suspended": {"no_rate": 2}, "run_id": "2026-10/1", "customer": "Ann", "late": "Ann"}


@pytest.mark.covers("OPS-20")
def test_a_step_is_one_line_and_stdout_is_left_to_the_answer(monkeypatch, capsys) -> None:
    monkeypatch.setenv("TOLLGATE_RUN_ID", "manual__2026-10-09")
    code, lines, rest, out = played(capsys, rate)
    assert (code, rest, out) == (0, "", "the answer\n")
    assert [(line["event"], line["job"]) for line in lines] == [
        (event, "small_job") for event in ("job started", "step done", "job done")
    ]
    assert {(line["run_id"], line["level"]) for line in lines} == {("manual__2026-10-09", "info")}
    assert all(list(line) == [name for name in FIELDS if name in line] for line in lines), "the order of FIELDS"
    assert (lines[1]["step"], lines[1]["rating_no"]) == ("rate", 7) and 0 <= lines[1]["seconds"] < 5
    # A name that no line may hold, and a text where a number belongs, are left out.
    figures = {name: lines[2].get(name) for name in ("rating_no", "suspended", "bill_run_id", "late")}
    assert figures == {"rating_no": 7, "suspended": {"no_rate": 2}, "bill_run_id": "2026-10/1", "late": None}
    assert "Ann" not in json.dumps(lines)
    assert not is_watched(), "nobody looks on any more"


@pytest.mark.covers("OPS-20")
def test_a_run_has_an_id_of_its_own_and_levels_choose_lines(monkeypatch, capsys) -> None:
    monkeypatch.delenv("TOLLGATE_RUN_ID", raising=False)
    _, every, _, _ = played(capsys, rate, "--log-level", "debug")
    assert [line["event"] for line in every] == [
        "job started", "step started", "step started", "step done", "step done", "job done"
    ]  # fmt: skip
    _, again, _, _ = played(capsys, rate)
    assert len({line["run_id"] for line in every}) == 1 and every[0]["run_id"] != again[0]["run_id"]
    assert played(capsys, rate, "--quiet")[1] == []


@pytest.mark.covers("OPS-20")
def test_a_failure_names_its_step_and_not_the_record(capsys) -> None:
    def refuse() -> None:
        with step("check"):
            raise TollgateError("the master data contradict themselves\n  number 14165550100: two holders", where="crm")

    def break_down() -> None:
        with step("check"):
            raise ValueError("14165550100 is not a number")

    code, lines, rest, _ = played(capsys, refuse, "--quiet")
    assert (code, rest) == (1, "")
    *lines, last = lines
    assert [(line["event"], line.get("step"), line["level"]) for line in lines] == [
        ("step failed", "check", "error"), ("job failed", None, "error")
    ]  # fmt: skip
    assert {line["error"] for line in lines} == {"the master data contradict themselves"}
    assert last["error"].endswith("number 14165550100: two holders"), "whoever started it is told all"
    with pytest.raises(ValueError, match="is not a number"):
        played(capsys, break_down)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["error"] for line in lines if line["level"] == "error"] == ["ValueError", "ValueError"]


def refuse_all() -> None:
    raise UsageError("no such tap\n  - 'hot'", where="kitchen", expected="cold", found='"hot"', way_out="close it")


@pytest.mark.covers("OPS-20")
@pytest.mark.parametrize(
    ("work", "argv", "code", "said"),
    [
        (
            refuse_all,
            [],
            2,
            "kitchen: no such tap\n  - 'hot'\n  expected: cold\n  found:    \"hot\"\n  way out:  close it",
        ),
        (rate, ["--set", "lake.rot=x"], 1, "--set lake.rot: unknown key lake.rot; did you mean lake.root?"),
        (rate, ["--set", "lake"], 2, "--set needs KEY=VALUE"),
        (rate, ["--metrics-file", "night.txt"], 1, "a name that ends in .prom"),
    ],
)
def test_an_error_is_the_last_line_in_a_pipe_and_text_on_a_terminal(
    monkeypatch, capsys, work, argv, code, said
) -> None:
    parser = add_common(argparse.ArgumentParser(prog="tollgate small-job"))
    assert main_without_spark(parser, lambda settings, args: work(), argv) == code
    err = capsys.readouterr().err
    assert said in message(err) and lines_of(err)[-1]["exit_code"] == code
    assert len({line["run_id"] for line in lines_of(err)}) == 1
    assert set(lines_of(err)[-1]) - set(FIELDS) <= set(MESSAGE)

    for name in ("CI", "TERM"):
        monkeypatch.setenv(name, "")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert main_without_spark(parser, lambda settings, args: work(), argv) == code
    err = capsys.readouterr().err
    assert err.startswith("error: ") and said in err and '"level"' not in err


def test_what_only_the_last_line_may_hold_is_left_out_of_the_others(capsys) -> None:
    _, lines, _, _ = played(capsys, lambda: say("a number was ported", found="14165550100", way_out="14165550100"))
    assert lines[1]["event"] == "a number was ported" and "14165550100" not in json.dumps(lines)


@pytest.mark.covers("OPS-20")
def test_a_remark_for_people_is_one_of_the_lines_where_there_are_lines(capsys) -> None:
    _, lines, rest, _ = played(capsys, lambda: remark("the disk is nearly full", level="warning"))
    assert rest == ""
    assert [(line["event"], line["level"]) for line in lines][1] == ("the disk is nearly full", "warning")
    remark("the disk is nearly full", level="warning")
    remark("3 rows in a.csv")
    assert capsys.readouterr().err == "warning: the disk is nearly full\n3 rows in a.csv\n"


@pytest.mark.covers("OPS-20")
def test_a_terminal_has_bars_and_a_build_server_has_lines(settings, monkeypatch) -> None:
    for environment, argv, expected in (
        ({}, [], "Bars"),
        ({"CI": "true"}, [], "LogLines"),
        ({"TERM": "dumb"}, [], "LogLines"),
        ({}, ["--log-level", "warning"], "LogLines"),
        ({}, ["--quiet"], None),
    ):
        for name in ("CI", "TERM"):
            monkeypatch.setenv(name, environment.get(name, ""))
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
        looking: list[str] = []
        monkeypatch.setattr(watching, "watched_by", lambda one, to=looking: nullcontext(to.append(type(one).__name__)))
        args = add_common(argparse.ArgumentParser()).parse_args(argv)
        with watching.watching(settings, args, watching.lines_of(args)):
            assert looking == ([expected] if expected else [])
        looking.clear()
        with watching.shown("up"):
            assert looking == ([] if environment else ["Bars"]), "a command that only has a name shows a bar or nothing"


def test_a_closed_stream_does_not_end_the_work(monkeypatch, capsys) -> None:
    class Full:
        def isatty(self) -> bool:
            return False

        def write(self, text: str) -> int:
            raise OSError("no space")

        flush = write

    monkeypatch.setattr(sys, "stderr", Full())
    assert played(capsys, rate)[0] == 0


@pytest.mark.covers("OPS-20")
def test_all_that_jobs_tell_is_known_to_the_lines() -> None:
    """A field that is not in FIELDS would be left out without a word."""
    about_the_step = {"kind", "total", "unit", "level"}
    unknown = set()
    for path in [*ROOT.glob("jobs/*.py"), *ROOT.glob("generators/*.py"), *ROOT.glob("tollgate/platform/*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
                if name in ("step", "say", "note"):
                    given = {keyword.arg for keyword in node.keywords if keyword.arg}
                    unknown |= {(path.name, field) for field in given - about_the_step - set(FIELDS)}
    assert not unknown
    line = {
        "passed": True,
        "received": 3,
        "lag": 1.23456,
        "batch_no": True,
        "by_reason": {"A": 1, "B": "x"},
        "cycle": 7,
    }
    assert known(line) == {"received": 3, "by_reason": {"A": 1}, "lag": 1.235, "passed": True}
