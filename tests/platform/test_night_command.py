"""The arguments of night, month and bill-accounts: what is wrong is refused by exit code 2 before anything starts."""

from __future__ import annotations

import argparse
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from typing import Any

import pytest
from told import lines_of, message

from jobs import bill_accounts, month, night
from jobs.awaiting_usage import Awaiting, Later
from tollgate import cli
from tollgate.platform import job
from tollgate.platform.errors import TollgateError
from tollgate.platform.settings import load_settings

BILL = ["--cycle", "2026-10", "--as-of", "2026-11-01T04:00:00Z"]
WRONG = [
    ("night", ["--date", "2026-13-01"], "expected a date such as 2026-10-31"),
    ("night", ["--date", "9999-12-31"], "expected a date such as 2026-10-31"),
    ("night", ["--from", "2026-10-01"], "a night has a date or a range"),
    ("night", ["--to", "2026-10-01"], "a night has a date or a range"),
    ("night", ["--date", "2026-10-01", "--from", "2026-10-01", "--to", "2026-10-02"], "a night has a date or a range"),
    ("night", ["--from", "2026-10-02", "--to", "2026-10-01"], "ends before it begins"),
    ("month", ["--cycle", "2026-10"], "required: --as-of"),
    ("month", ["--cycle", "2026-1", *BILL[2:]], "a bill cycle is a month"),
    ("month", [*BILL[:2], "--as-of", "2026-11-01"], "not an instant with its offset"),
    ("month", [*BILL, "--approver", "ann"], "belongs to --post"),
    ("month", [*BILL, "--post", "--dry-run"], "a dry run posts nothing"),
    ("bill-accounts", BILL[:2], "not an instant with its offset"),
    ("bill-accounts", BILL[2:], "a bill cycle is a month"),
    ("bill-accounts", ["--cycle", "0000-10", *BILL[2:]], "--cycle: "),
    ("bill-accounts", ["--action", "approve"], "a bill cycle is a month"),
    ("bill-accounts", [*BILL, "--set", "lake.root"], "--set needs KEY=VALUE"),
]


@pytest.fixture(autouse=True)
def _nothing_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise AssertionError("it started")

    monkeypatch.setattr("tollgate.platform.spark.spark_session", fail)
    monkeypatch.setattr("tollgate.platform.unattended.one_at_a_time", fail)


@pytest.mark.parametrize(("command", "argv", "said"), WRONG)
def test_wrong_arguments_end_with_exit_code_2_before_anything_starts(
    command: str, argv: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code: Any = cli._pass_on(command, argv)
    except SystemExit as ended:
        code = ended.code
    told = capsys.readouterr()
    # What argparse finds is its own text; the rest is the message of the last line.
    err = told.err if told.err.startswith("usage:") else message(told.err)
    assert (code, told.out) == (2, "") and said in err


def test_actions_on_a_run_that_is_named_need_no_cycle() -> None:
    for argv in (["--action", "list"], ["--action", "post", "--run-id", "2026-10/regular/1"], BILL):
        bill_accounts.check_args(bill_accounts.parser().parse_args(argv))


def test_the_clock_is_read_by_the_command_alone_and_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[tuple[argparse.Namespace, list[str]]] = []
    monkeypatch.setattr(night, "_play", lambda settings, args, session, warnings: seen.append((args, warnings)))
    assert job.main_without_spark(night.parser(), night.run_cli, []) == 0
    told = [line["event"] for line in lines_of(capsys.readouterr().err)]
    assert f"night of {seen[0][0].date}: yesterday by the clock of this machine, UTC" in told
    assert seen[0][1] == []
    assert job.main_without_spark(night.parser(), night.run_cli, ["--date", "2026-10-10"]) == 0
    assert "yesterday" not in capsys.readouterr().err
    to_come = datetime.now(timezone.utc).date() + timedelta(days=400)
    for argv in (["--date", f"{to_come}"], ["--from", "2026-10-10", "--to", f"{to_come}"]):
        assert job.main_without_spark(night.parser(), night.run_cli, argv) == 0
        assert seen[-1][1][0].startswith(f"{to_come} has not ended by the clock of this machine")


def test_a_date_has_ended_at_its_midnight_of_utc() -> None:
    day, midnight = date(2026, 12, 15), datetime(2026, 12, 16, tzinfo=timezone.utc)
    assert night.unfinished(day, midnight) == []
    (warning,) = night.unfinished(day, midnight - timedelta(minutes=1))
    assert warning.startswith("2026-12-15 has not ended by the clock of this machine (2026-12-15 23:59 UTC)")


def test_what_comes_next_names_the_date_that_later_batches_wait_for(monkeypatch: pytest.MonkeyPatch) -> None:
    later: dict[int, Later | None] = {7: None, 6: Later(7, 7, "2026-12-15"), 4: Later(5, 7, "2026-12-15")}
    monkeypatch.setattr(night, "later_than", lambda lake, after: later[after])
    one = "batch 7 arrived up to 2026-12-15: `tollgate night --date 2026-12-15` takes it"
    assert [night._next([], None, 7), night._next([], None, 6)] == ["nothing", one]
    assert night._next(["mend it"], None, 7) == "mend it"
    assert night._next(["mend it"], None, 4) == f"mend it; {one}".replace("batch 7", "batches 5 to 7")[:-2] + "them"


def test_the_night_that_a_month_waits_for_is_the_one_of_the_last_moment_before_its_instant() -> None:
    waits = Awaiting(3, 4, records=9, accepted=8, unchecked=2, refused=())
    midnight = datetime(2026, 11, 1, tzinfo=timezone.utc)
    assert month._missing(waits, midnight) == "run `tollgate night --date 2026-10-31`"
    assert month._missing(waits, midnight + timedelta(hours=4)) == "run `tollgate night --date 2026-11-01`"
    shut = replace(waits, refused=("volume_bytes: 1 of 2 rows",))
    assert month._missing(shut, midnight).startswith("mend what the gate found, then run `tollgate night")
    assert month._missing(replace(waits, to_batch_no=2), midnight) == ""


@pytest.mark.covers("BIZ-03")
def test_outside_profile_local_four_eyes_are_asked_for_before_a_month_is_computed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = load_settings().model_copy(update={"profile": "cluster"})
    bill_accounts.refuse_approver(settings, "scheduler", "ann")
    with pytest.raises(TollgateError, match="who started a run cannot approve it"):
        bill_accounts.refuse_approver(settings, "ann", "ann")
    with pytest.raises(TollgateError, match="a person approves a run"):
        bill_accounts.refuse_approver(settings, "scheduler", "auto")
    bill_accounts.refuse_approver(load_settings(), "ann", "ann")
    monkeypatch.setattr(month.bill_runs, "open_run", lambda *_: None)
    args = month.parser().parse_args([*BILL, "--post", "--approver", "ann", "--started-by", "ann"])
    with pytest.raises(TollgateError, match="who started a run cannot approve it"):
        month._month(settings, args, None, None)
