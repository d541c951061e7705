"""Jobs submitted to a standalone cluster leave the tables and invoices of local mode, byte for byte."""

from __future__ import annotations

import contextlib
import hashlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from faults.route import AS_OF, CYCLE, Route
from faults.test_kills import TABLES, issued

from cluster.standalone import QUICK, Cluster, Submitted, running_cluster
from tollgate.platform.settings import PASSWORD_ENV
from tollgate.platform.shipping import write_zip
from tollgate.reference.frames import PRICE_TABLES, REFERENCE_TABLES

EXECUTORS = {"0", "1"}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running_cluster(tmp_path_factory.mktemp("cluster")) as started:
        yield started


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `tollgate package` writes."""
    target = tmp_path_factory.mktemp("package") / "tollgate.zip"
    write_zip(target)
    return target


def settings_of(route: Route) -> dict[str, str]:
    """The route as environment over conf/cluster.toml, with no way to the source tree."""
    found = {**route.environment(), "TOLLGATE_SPARK__SHUFFLE_PARTITIONS": "2"}
    del found["PYTHONPATH"]
    return found


def was_distributed(done: Submitted) -> bool:
    """Both executors have worked, and nothing else has."""
    return set(done.tasks) == EXECUTORS


def assert_shipped_and_silent(cluster: Cluster, package: Path, password: str) -> None:
    """Every executor got the zip, and nobody wrote the password down."""
    digest = hashlib.sha256(package.read_bytes()).hexdigest()
    folders = cluster.executor_folders()
    assert len(folders) >= 2
    for folder in folders:
        assert hashlib.sha256((folder / package.name).read_bytes()).hexdigest() == digest, folder
    written = list(cluster.written())
    assert len(written) > 4
    assert not [path for path in written if password.encode() in path.read_bytes()]


@pytest.mark.long
@pytest.mark.covers("OPS-13", "OPS-16")
def test_mediation_on_a_cluster_leaves_the_tables_of_local_mode(
    undisturbed: Route, start_route, month_of_records, cluster: Cluster, package: Path
) -> None:
    route = start_route("cluster", month_of_records)
    settings = settings_of(route)
    mediated = cluster.submit("mediate_usage", "--once", settings=settings, package=package, spark=QUICK)
    assert mediated.summary["received"] == len(month_of_records)
    assert was_distributed(mediated), mediated.tasks
    tables = ("raw_cdr", "usage_event")
    assert route.digest(*tables) == undisturbed.digest(*tables)
    assert_shipped_and_silent(cluster, package, settings[PASSWORD_ENV])


def kill_an_executor(cluster: Cluster, route: Route, killed: list[int]) -> None:
    """Once the first bytes stand in raw_cdr, so in the middle of a batch."""
    give_up = time.monotonic() + 120
    while not killed and time.monotonic() < give_up:
        time.sleep(0.1)
        if not route.lake.exists("raw_cdr"):
            continue
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                is_ours = process.cwd().startswith(str(cluster.folder)) and process.name() == "java"
                if is_ours and any("CoarseGrainedExecutorBackend" in word for word in process.cmdline()):
                    process.kill()
                    killed.append(process.pid)
                    break


@pytest.mark.long
@pytest.mark.covers("OPS-13", "MED-29")
def test_an_executor_that_is_killed_costs_time_and_nothing_else(
    undisturbed: Route, start_route, month_of_records, cluster: Cluster, package: Path
) -> None:
    route = start_route("executor", month_of_records)
    killed: list[int] = []
    killer = threading.Thread(target=kill_an_executor, args=(cluster, route, killed))
    killer.start()
    mediated = cluster.submit("mediate_usage", "--once", settings=settings_of(route), package=package, spark=QUICK)
    killer.join()
    assert len(killed) == 1
    assert mediated.summary["received"] == len(month_of_records)
    # A third one has taken the place of the one that is gone.
    assert "2" in mediated.tasks
    assert route.records() == undisturbed.records()


@pytest.mark.long
@pytest.mark.covers("OPS-13", "OPS-16", "OPS-17", "BIL-19")
def test_every_job_on_a_cluster_leaves_the_tables_and_invoices_of_local_mode(
    undisturbed: Route, start_route, month_of_records, cluster: Cluster, package: Path
) -> None:
    route = start_route("cluster_route", month_of_records, from_nothing=True)
    settings = settings_of(route)
    assert not route.lake.exists("price_version")
    without = cluster.submit(
        "publish_pricebook", "--author", "ann", "--reason", "none", settings=settings, package=None
    )
    assert without.code == 1 and "ModuleNotFoundError: No module named" in without.shown

    def submit(spark: dict[str, str], job: str, *argv: str) -> Submitted:
        done = cluster.submit(job, *argv, settings=settings, package=package, spark=spark)
        assert done.code == 0, done.shown[-4000:]
        return done

    published = submit(QUICK, "publish_pricebook", "--author", "ann", "--reason", "first tariff")
    snapshot = submit(QUICK, "snapshot_reference")
    # These three compute what is on a bill: with generated code and adaptive plans, which local mode does without.
    mediated = submit({}, "mediate_usage", "--once")
    checked = submit(QUICK, "check_quality")
    rated = submit({}, "rate_usage")
    submit(QUICK, "check_quality", "--table", "rated_usage")
    run = submit({}, "bill_accounts", "--cycle", CYCLE, "--as-of", AS_OF, "--started-by", "ann")
    submit(QUICK, "check_quality", "--table", "invoice")
    approved = submit(
        QUICK, "bill_accounts", "--cycle", CYCLE, "--action", "approve", "--approver", "ben", "--accept-outliers"
    )
    posted = submit(QUICK, "bill_accounts", "--cycle", CYCLE, "--action", "post")
    reconciled = submit(QUICK, "reconcile")

    assert [done.summary["status"] for done in (run, approved, posted)] == ["draft", "approved", "posted"]
    assert reconciled.summary["holds"]
    for done in (mediated, rated, run):
        assert was_distributed(done), done.tasks
    for done in (published, snapshot, checked, posted, reconciled):
        assert done.tasks and set(done.tasks) <= EXECUTORS, done.tasks
    tables = (*TABLES, *(name for name in PRICE_TABLES if name != "price_version"), *REFERENCE_TABLES)
    assert route.digest(*tables) == undisturbed.digest(*tables)
    assert len(issued(route)) > 50
    assert issued(route) == issued(undisturbed)
    assert_shipped_and_silent(cluster, package, settings[PASSWORD_ENV])
