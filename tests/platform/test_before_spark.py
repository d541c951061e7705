"""What a job can tell without Spark it tells before Spark starts: a database that is down or behind, a book that is
wrong, a bill run that there is not."""

from __future__ import annotations

import shutil
import socket
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from reference.places import own_places
from told import message

from jobs import bill_runs, usage_in_postgres
from jobs.explain_charge import posted_runs
from tollgate import cli
from tollgate.platform.errors import TollgateError
from tollgate.platform.postgres import UnreachableError, connect, is_migrated, migrate
from tollgate.platform.settings import PASSWORD_ENV, Settings

BOOK = Path(__file__).resolve().parents[2] / "conf" / "pricebook"
PUBLISH = ["publish-pricebook", "--author", "ann", "--reason", "test"]
PINS = {"rating_no": 1, "snapshot_id": 1, "pricebook_version": 1}
AS_OF = datetime(2026, 11, 2, tzinfo=timezone.utc)


@pytest.fixture(autouse=True)
def _spark_stays_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tollgate.platform.spark.spark_session", lambda *_: pytest.fail("Spark was started"))


@pytest.fixture(scope="module")
def places(services: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A database with nothing in it."""
    return own_places(services, tmp_path_factory.mktemp("before_spark"))


@pytest.fixture
def own(places: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The same for commands."""
    monkeypatch.setenv("TOLLGATE_POSTGRES__URL", places.postgres.url)
    monkeypatch.setenv(PASSWORD_ENV, places.postgres.password.get_secret_value())
    return places


def change(settings: Settings, sql: str) -> None:
    session = connect(settings)
    with session, session.cursor() as cursor:
        cursor.execute(sql)
    session.close()


def refused(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    """The message with which a command ends."""
    capsys.readouterr()
    assert cli._pass_on(argv[0], list(argv[1:])) == 1
    told = capsys.readouterr()
    assert told.out == ""
    return message(told.err)


@pytest.mark.parametrize(
    "argv",
    [
        ["export-usage", "--to", "postgres"],
        ["export-usage", "--to", "postgres", "--dry-run"],
        PUBLISH,
        ["bill-accounts", "--cycle", "2026-10", "--as-of", "2026-11-02T00:00:00Z"],
        ["bill-accounts", "--cycle", "2026-10", "--as-of", "2026-11-02T00:00:00Z", "--dry-run"],
        ["bill-accounts", "--action", "list"],
        ["correct-usage", "--from", "2026-10-01", "--to", "2026-11-01"],
    ],
)
def test_a_database_that_is_down_is_told(
    argv: list[str], capsys: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TOLLGATE_STATE", str(tmp_path))  # Other tests may have started the local server.
    assert "no PostgreSQL is running" in refused(capsys, *argv, "--set", "postgres.url=")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"postgresql://a@127.0.0.1:{free.getsockname()[1]}/b"
    monkeypatch.setenv("TOLLGATE_POSTGRES__URL", url)
    assert "PostgreSQL does not answer" in refused(capsys, *argv)


@pytest.mark.covers("RAT-41")
def test_a_book_with_findings_is_told(tmp_path: Path, capsys: Any) -> None:
    shutil.copytree(BOOK, tmp_path / "book")
    rates = tmp_path / "book" / "rate.csv"
    rates.write_text(rates.read_text().replace("sms,rest,home", "sms,best,home"))
    for mode in ([], ["--dry-run"]):
        said = refused(capsys, *PUBLISH, "--dir", str(tmp_path / "book"), *mode)
        assert "nothing is published" in said and "rate.csv:33: zone_id best is unknown" in said


def test_a_column_that_no_migration_has_made_is_named_with_its_tables(own: Settings, capsys: Any) -> None:
    usage_in_postgres.check_database(own)
    assert not is_migrated(own), "an export brings it up to date first"
    migrate(own)
    assert is_migrated(own)
    usage_in_postgres.check_database(own)
    change(own, "ALTER TABLE rating.staging_normalized_cdr DROP COLUMN cause")
    for mode in ([], ["--dry-run"]):
        said = refused(capsys, "export-usage", "--to", "postgres", *mode)
        assert said.startswith("PostgreSQL: rating.staging_normalized_cdr has no column cause\n")
        assert "add a migration in sql/migrations/ that adds it to both tables" in said
    change(own, "ALTER TABLE rating.normalized_cdr DROP COLUMN cause, DROP COLUMN flags")
    said = refused(capsys, "export-usage", "--to", "postgres")
    assert "rating.normalized_cdr has no column flags, cause; rating.staging_normalized_cdr has no column cause" in said
    types = "ADD COLUMN cause text"
    change(own, f"ALTER TABLE rating.normalized_cdr {types}, ADD COLUMN flags text[]")
    change(own, f"ALTER TABLE rating.staging_normalized_cdr {types}")
    usage_in_postgres.check_database(own)


def test_a_bill_run_that_there_is_not_or_with_another_instant_is_told(own: Settings, capsys: Any) -> None:
    migrate(own)
    for action in ("approve", "post", "void"):
        assert "2031-01: the cycle has no open run" in refused(
            capsys, "bill-accounts", "--action", action, "--cycle", "2031-01"
        )
    assert "no such bill run" in refused(capsys, "bill-accounts", "--action", "post", "--run-id", "2031-01/regular/1")
    bill_runs.begin(own, "2026-10", AS_OF, PINS, [], "ann")
    again = ["bill-accounts", "--cycle", "2026-10", "--as-of"]
    said = refused(capsys, *again, "2026-11-03T00:00:00Z")
    assert said.startswith("2026-10/regular/1: the cycle has an open run with another --as-of")
    said = refused(capsys, "correct-usage", "--from", "2026-10-01", "--to", "2026-11-01")
    assert said.startswith("2026-10/regular/1: a bill run is open, and would not have the correction")


def test_an_unmigrated_database_and_a_server_that_refuses_are_not_taken_for_one_that_is_down(
    services: Settings, tmp_path: Path
) -> None:
    with pytest.raises(TollgateError, match=r"lacks a table or column(?s:.*)tollgate migrate") as lacking:
        posted_runs(own_places(services, tmp_path))
    url = services.postgres.url.rpartition("/")[0] + "/no_such_database"
    elsewhere = services.model_copy(update={"postgres": services.postgres.model_copy(update={"url": url})})
    with pytest.raises(TollgateError, match="PostgreSQL refuses") as refusing:
        connect(elsewhere)
    assert not isinstance(lacking.value, UnreachableError) and not isinstance(refusing.value, UnreachableError)
    assert "no_such_database" in refusing.value.found
    down = services.model_copy(
        update={"postgres": services.postgres.model_copy(update={"url": "postgresql://a@h.invalid/b"})}
    )
    with pytest.raises(UnreachableError, match="does not answer"):
        connect(down)
