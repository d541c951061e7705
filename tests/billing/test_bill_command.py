"""`tollgate bill` against PostgreSQL alone: what people decide, what they see, and what is refused without Spark."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from reference.places import own_places
from told import message

from jobs import bill, bill_runs
from jobs.bill_completion import complete
from tollgate import cli
from tollgate.platform.errors import TollgateError
from tollgate.platform.postgres import connect, migrate
from tollgate.platform.settings import PASSWORD_ENV, Settings

PINS = {"rating_no": 7, "snapshot_id": 3, "pricebook_version": 2}
AS_OF = datetime(2031, 2, 1, tzinfo=timezone.utc)
TOTALS = {
    "accounts": 4, "invoices": 3, "lines": 5, "net": Decimal(10), "tax": Decimal(1), "total": Decimal(11),
    "content_hash": "a" * 64, "parked": 1, "not_due": 2,
}  # fmt: skip
CUSTOMER = """INSERT INTO crm.customer (customer_id, name, email, birth_date, address, customer_since)
VALUES ('C', 'n', 'a@b', '1980-01-01', 'x', '2020-01-01')"""
ACCOUNT = """INSERT INTO crm.account (account_id, customer_id, currency, time_zone, anchor_day, first_cycle_start,
tax_jurisdiction) VALUES (%s, 'C', 'CAD', 'UTC', 1, '2025-05-01', 'X')"""
KINDS = [{"kind": "usage", "lines": 5, "events": 9, "amount": Decimal(10), "tax": Decimal(1)}]


@pytest.fixture(scope="module")
def desk(services: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A database of its own."""
    made = own_places(services, tmp_path_factory.mktemp("desk"))
    migrate(made)
    return made


Tollgate = Callable[..., dict[str, Any]]


@pytest.fixture
def tollgate(desk: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Tollgate:
    """A command of the group by its arguments; what it printed, or its message and exit code. Spark stays off."""
    monkeypatch.setattr("tollgate.platform.spark.spark_session", lambda *_: pytest.fail("Spark was started"))
    monkeypatch.setenv("TOLLGATE_POSTGRES__URL", desk.postgres.url)
    monkeypatch.setenv(PASSWORD_ENV, desk.postgres.password.get_secret_value())

    def call(*argv: str) -> dict[str, Any]:
        capsys.readouterr()
        code = cli._pass_on("bill", list(argv))
        told = capsys.readouterr()
        return json.loads(told.out) if code == 0 else {"exit_code": code, "error": message(told.err)}

    return call


def change(settings: Settings, sql: str, *values: Any) -> None:
    session = connect(settings)
    with session, session.cursor() as cursor:
        cursor.execute(sql, values)
    session.close()


def begun(desk: Settings, cycle: str, accounts: list[str] | None = None) -> bill_runs.BillRun:
    return bill_runs.begin(desk, cycle, AS_OF, PINS, [], "ann", accounts)


def stage(desk: Settings, run: bill_runs.BillRun, reason: str = "no tax rule", outliers: int = 0) -> None:
    change(desk, "INSERT INTO ops.staging_bill_account_park VALUES (%s, %s, 'P', %s)", run.run_id, run.fencing, reason)
    for number in range(outliers):
        change(
            desk, "INSERT INTO ops.staging_bill_outlier VALUES (%s, %s, %s, 'new_maximum', 'CAD', 90, 30, 150)",
            run.run_id, run.fencing, f"O{number}",
        )  # fmt: skip


def drafted(desk: Settings, cycle: str, outliers: int = 0) -> bill_runs.BillRun:
    run = begun(desk, cycle)
    stage(desk, run, outliers=outliers)
    return complete(desk, run, TOTALS, KINDS, "ann")


@pytest.mark.covers("BIL-19")
def test_of_two_runs_at_once_the_second_is_refused(desk: Settings, tollgate: Tollgate) -> None:
    first = begun(desk, "2031-01")
    with pytest.raises(TollgateError, match="another process has just opened a run of this cycle"):
        begun(desk, "2031-01")
    again = ["run", "--cycle", "2031-01", "--as-of", "2031-02-01T00:00:00Z"]
    refused = tollgate(*again)
    assert refused["exit_code"] == 1 and "a draft that is not complete" in refused["error"]
    assert f"tollgate bill resume --run-id {first.run_id}" in refused["error"]
    assert "another --as-of" in tollgate(*again[:-1], "2031-02-02T00:00:00Z")["error"]
    assert [run.run_id for run in bill_runs.all_runs(desk) if run.cycle == "2031-01"] == [first.run_id]


@pytest.mark.covers("BIL-19", "BIL-22")
def test_who_started_a_run_cannot_approve_it_and_nobody_unseen(desk: Settings) -> None:
    run = drafted(desk, "2031-02", outliers=2)
    outside = desk.model_copy(update={"profile": "cluster"})

    def approve(settings: Settings, *argv: str) -> dict[str, Any]:
        args = bill.parser().parse_args(["approve", "--run-id", run.run_id, *argv])
        return bill.done(settings, args, lambda _: pytest.fail("Spark was started"))

    for argv, why in {
        ("--approver", "ann", "--accept-outliers"): "who started a run cannot approve it",
        ("--approver", " Ann", "--accept-outliers"): "who started a run cannot approve it",
        ("--approver", " ", "--accept-outliers"): "outside profile local a person approves a run",
        (): "outside profile local a person approves a run",
        ("--approver", "ben"): "invoices of this run are unlike others",
    }.items():
        with pytest.raises(TollgateError, match=why):
            approve(outside, *argv)
    assert bill_runs.find_run(desk, run.run_id).status == "draft"
    assert approve(outside, "--approver", "ben", "--accept-outliers")["note"] == "2 outliers accepted"
    assert approve(outside, "--approver", "ben")["note"] == "approved before; nothing was changed"


def test_what_the_status_of_a_run_tells_needs_no_spark(desk: Settings, tollgate: Tollgate) -> None:
    run = drafted(desk, "2031-10")
    assert tollgate("resume", "--cycle", "2031-10")["note"] == "this run was complete before; nothing was changed"
    assert "approve it first" in tollgate("post", "--cycle", "2031-10")["error"]
    tollgate("approve", "--run-id", run.run_id)
    change(desk, "UPDATE ops.bill_run SET status = 'posted', posted_at = now() WHERE run_id = %s", run.run_id)
    assert tollgate("post", "--cycle", "2031-10")["note"] == "posted before; nothing was changed"
    for wrong in ("99999999999", "0", "-1", "two"):
        with pytest.raises(SystemExit):
            tollgate("credit", "--invoice", "1", "--reason", "x", f"--line={wrong}")


def test_the_automatic_approver_of_a_laptop_accepts_outliers_and_says_so(desk: Settings, tollgate: Tollgate) -> None:
    run = drafted(desk, "2031-03", outliers=1)
    assert tollgate("approve", "--cycle", "2031-03")["note"] == "1 outliers accepted by the automatic approver"
    assert tollgate("show", run.run_id)["steps"][-1]["note"] == "1 outliers accepted by the automatic approver"


@pytest.mark.covers("BIL-19")
def test_a_void_run_cannot_be_finished_and_the_next_one_has_the_next_sequence(
    desk: Settings, tollgate: Tollgate
) -> None:
    asleep = begun(desk, "2031-04")
    stage(desk, asleep)
    assert tollgate("void", "--cycle", "2031-04", "--by", "ben", "--reason", "wrong book")["status"] == "void"
    with pytest.raises(TollgateError, match="this run has been voided meanwhile"):
        complete(desk, asleep, TOTALS, KINDS, "ann")
    with pytest.raises(TollgateError, match="this run has been voided meanwhile") as refused:
        bill_runs.take_over(desk, asleep, "ann")
    assert (refused.value.found, refused.value.way_out[:19]) == ("status void", "run the cycle again")
    with pytest.raises(SystemExit):
        tollgate("void", "--cycle", "2031-04")
    for action, told in {
        ("approve",): "cannot approve this run", ("void", "--reason", "again"): "cannot void this run",
        ("post",): "cannot post this run", ("verify",): "only a posted run can be verified",
        ("resume",): "this run is void",
    }.items():  # fmt: skip
        assert told in tollgate(*action, "--run-id", asleep.run_id)["error"]
    assert begun(desk, "2031-04").run_id == "2031-04/regular/2"
    (*_, last) = tollgate("show", asleep.run_id)["steps"]
    assert (last["action"], last["person"], last["note"]) == ("voided", "ben", "wrong book")


@pytest.mark.covers("BIL-19")
def test_a_process_that_slept_while_another_took_its_run_over_changes_nothing(desk: Settings) -> None:
    asleep = begun(desk, "2031-05")
    stage(desk, asleep, "what the sleeper found", outliers=3)
    awake = bill_runs.take_over(desk, asleep, "ben")
    stage(desk, awake, "no tax rule", outliers=1)
    with pytest.raises(TollgateError, match="another process has taken this run over"):
        complete(desk, asleep, TOTALS, KINDS, "ann")
    done = complete(desk, awake, TOTALS, KINDS, "ben")
    assert (done.parked, done.outliers) == (1, 1)
    for late in (asleep, awake):
        with pytest.raises(TollgateError, match="another process has taken this run over"):
            complete(desk, late, {**TOTALS, "total": Decimal(12)}, KINDS, "ann")
    assert bill_runs.find_run(desk, awake.run_id) == done
    run = begun(desk, "2031-06")
    with pytest.raises(TollgateError, match="the parked accounts differ from the draft"):
        complete(desk, run, TOTALS, KINDS, "ann")
    assert not bill_runs.find_run(desk, run.run_id).is_complete


@pytest.mark.covers("BIL-19")
def test_whom_a_complete_run_parked_stays_as_it_is(desk: Settings) -> None:
    """Every later draft and `verify` read them, as they read the pins."""
    run = drafted(desk, "2031-09")
    of_run = f"run_id = '{run.run_id}'"
    for statement, told in (
        (f"UPDATE ops.bill_account_park SET reason = 'account_closed' WHERE {of_run}", "cannot change: UPDATE refused"),
        (f"DELETE FROM ops.bill_account_park WHERE {of_run}", "cannot change: DELETE refused"),
        (f"INSERT INTO ops.bill_account_park VALUES ('{run.run_id}', 'Q', 'late')", "cannot change: INSERT refused"),
        ("TRUNCATE ops.bill_account_park", "cannot be truncated"),
    ):
        with pytest.raises(Exception, match=told):
            change(desk, statement)
    # What a draft that died left behind goes when it is completed; a void one is as closed as a complete one.
    died = begun(desk, "2031-10")
    left = f"INSERT INTO ops.bill_account_park VALUES ('{died.run_id}', '{{}}', 'left behind')"
    change(desk, left.format("L"))
    stage(desk, died)
    assert complete(desk, died, TOTALS, KINDS, "ann").parked == 1
    void = begun(desk, "2031-11")
    change(desk, "UPDATE ops.bill_run SET status = 'void' WHERE run_id = %s", void.run_id)
    with pytest.raises(Exception, match="cannot change: INSERT refused"):
        change(desk, left.replace(died.run_id, void.run_id).format("V"))


@pytest.mark.covers("BIL-22")
def test_a_run_is_shown_in_full_and_listed(desk: Settings, tollgate: Tollgate) -> None:
    run = drafted(desk, "2031-07", outliers=25)
    shown = tollgate("show", run.run_id)
    assert shown["pins"] == {**PINS, "as_of": AS_OF.isoformat(), "after_runs": [], "only_accounts": None}
    assert (shown["total"], shown["outliers"], len(shown["outlier_invoices"])) == ("11.000", 25, 20)
    assert shown["outlier_invoices"][0] == {
        "account_id": "O0", "kind": "new_maximum", "currency": "CAD", "total": "90.000", "compared_with": "30.000",
        "limit_percent": 150,
    }  # fmt: skip
    assert shown["parked_reasons"] == [{"reason": "no tax rule", "accounts": 1}]
    assert shown["line_kinds"] == [{"kind": "usage", "lines": 5, "events": 9, "amount": "10.000", "tax": "1.000"}]
    assert [(step["action"], step["person"]) for step in shown["steps"]] == [("begun", "ann"), ("drafted", "ann")]
    text = bill._as_text("show", shown)
    for part in (
        "rating run 7, snapshot 3, book 2", "P  no tax rule", "25 new_maximum", "10.000, 1.000, 11.000",
        "O0   new_maximum: 90.000 CAD, compared with 150 % of 30.000", "drafted by ann",
    ):  # fmt: skip
        assert part in text
    found = {one["run_id"]: one for one in tollgate("list")["runs"]}
    assert found[run.run_id]["started_by"] == "ann"
    row = next(line for line in bill._as_text("list", tollgate("list")).splitlines() if line.startswith(run.run_id))
    assert row.split() == [run.run_id, "draft", "3", "1", "25", "11.000", "ann"]
    assert "no such bill run" in tollgate("show", "2031-07/regular/9")["error"]


def test_accounts_by_name_are_known_once_and_kept_with_the_run(
    desk: Settings, tollgate: Tollgate, tmp_path: Path
) -> None:
    change(desk, CUSTOMER)
    for name in ("A1", "A2"):
        change(desk, ACCOUNT, name)
    run = begun(desk, "2031-08", ["A1", "A2"])
    file = tmp_path / "accounts"
    again = ["run", "--cycle", "2031-08", "--as-of", AS_OF.isoformat(), "--accounts", str(file)]
    for text, code, why in (
        ("A2\n# a remark\n\nA1  # twice\nA1\n", 1, "a draft that is not complete"),
        ("A1\n", 1, "the cycle has an open run of other accounts"),
        ("A1\nA3\n", 1, "there is no such account"),
        ("# nobody\n", 2, "the file names no account"),
        ("\n".join(f"A{number}" for number in range(10_001)), 2, "too many accounts by name"),
    ):
        file.write_text(text)
        refused = tollgate(*again)
        assert (refused["exit_code"], why in refused["error"]) == (code, True), refused
    file.unlink()
    assert "cannot read the accounts" in tollgate(*again)["error"]
    assert tollgate("show", run.run_id)["pins"]["only_accounts"] == ["A1", "A2"]
    with pytest.raises(Exception, match="the pins of bill run"):
        change(desk, "UPDATE ops.bill_run SET only_accounts = NULL WHERE run_id = %s", run.run_id)
    with pytest.raises(Exception, match="append-only"):
        change(desk, "DELETE FROM ops.bill_run_step")


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["run", "--cycle", "2031-13", "--as-of", "2031-02-01T00:00:00Z"], "a month such as"),
        (["run", "--cycle", "2031-01.1", "--as-of", "2031-02-01T00:00:00Z"], "2026-10.2 for second cycles"),
        (["preview", "--cycle", "2031-01", "--as-of", "soon"], "not an instant with its offset"),
        (["run", "--cycle", "2031-01", "--as-of", "2031-02-01T00:00:00Z", "--account", ""], "no account"),
    ],
)
def test_wrong_use_ends_with_exit_code_2(tollgate: Tollgate, argv: list[str], said: str) -> None:
    refused = tollgate(*argv)
    assert (refused["exit_code"], said in refused["error"]) == (2, True)
