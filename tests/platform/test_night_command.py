"""The arguments of night, month and bill-accounts: what is wrong is refused by exit code 2 before anything starts."""

from __future__ import annotations

import argparse
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from jobs import bill_accounts, month, night
from jobs.awaiting_usage import Awaiting
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
    assert (code, told.out) == (2, "") and said in told.err


def test_actions_on_a_run_that_is_named_need_no_cycle() -> None:
    for argv in (["--action", "list"], ["--action", "post", "--run-id", "2026-10/regular/1"], BILL):
        bill_accounts.check_args(bill_accounts.parser().parse_args(argv))


def test_the_clock_is_read_by_the_command_alone_and_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[argparse.Namespace] = []
    monkeypatch.setattr(night, "_play", lambda settings, args, session: seen.append(args))
    assert job.main_without_spark(night.parser(), night.run_cli, []) == 0
    assert f"night of {seen[0].date}: yesterday by the clock of this machine, UTC" in capsys.readouterr().err
    assert job.main_without_spark(night.parser(), night.run_cli, ["--date", "2026-10-10"]) == 0
    assert "yesterday" not in capsys.readouterr().err


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
