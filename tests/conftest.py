"""One Spark session, one broker and one database for the whole run, each the real thing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from frames import COMPILED
from pyspark.sql import SparkSession
from xdist.scheduler import LoadScopeScheduling

from tollgate.platform.lake import Lake
from tollgate.platform.settings import Settings, load_settings
from tollgate.platform.spark import spark_session

ROOT = Path(__file__).resolve().parents[1]
pytest_plugins = ["faults.fixtures"]


# These follow one route through the system, which is prepared once; all of them belong in one process.
ON_ONE_ROUTE = ("faults", "jobs", "cluster", "notebooks")


class _ByRoute(LoadScopeScheduling):
    """What may run beside what when `make test` spreads the tests over processes: file by file, the route as one."""

    def _split_scope(self, nodeid: str) -> str:
        return _unit(nodeid.partition("::")[0].removeprefix("tests/"))


def _unit(file: str) -> str:
    return "route" if file.partition("/")[0] in ON_ONE_ROUTE else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    return _ByRoute(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The route takes longest, so it begins first."""
    items.sort(key=lambda item: _unit(item.path.relative_to(ROOT / "tests").as_posix()) != "route")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--payloads", type=int, default=100_000, help="damaged payloads to mediate (`make fuzz`: 5 million)"
    )
    parser.addoption("--events", type=int, default=1_000_000, help="drawn events that `make prove` prices twice")
    operator = parser.getgroup("operator", "the simulated operator of `make prove`")
    operator.addoption("--months", type=int, default=24, help="months whose cycles it bills (default 24)")
    operator.addoption(
        "--first-month", default="2027-07", metavar="YYYY-MM", help="the first of them (default 2027-07)"
    )
    operator.addoption("--accounts", type=int, default=60, help="its accounts (default 60)")
    operator.addoption("--usage", type=int, default=600, help="records that start in each month (default 600)")
    operator.addoption(
        "--lives-seed", type=int, default=20270701, help="what its customers, usage and prices are drawn from"
    )
    operator.addoption(
        "--other-orders", default="all", help="runs to compare with the first: of all, cut, doubled (default all)"
    )


@pytest.fixture(scope="session", autouse=True)
def state_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Own state for the run, so that a broker or lake of the user is never touched."""
    folder = tmp_path_factory.mktemp("state")
    before = dict(os.environ)
    os.environ.update(
        TOLLGATE_STATE=str(folder), TOLLGATE_PG_FSYNC="off", TOLLGATE_LAKE__ROOT=str(folder / "lake"),
        TOLLGATE_SPARK__MASTER="local[2]", TOLLGATE_SPARK__DRIVER_MEMORY="3g",
    )  # fmt: skip
    yield folder
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="session")
def settings(state_folder: Path) -> Settings:
    """Settings of profile local, with lake and state under a temporary folder."""
    return load_settings(str(ROOT / "conf" / "local.toml"))


@pytest.fixture(scope="session")
def spark(settings: Settings) -> Iterator[SparkSession]:
    """The session of the whole run: Delta and Kafka, UTC, two shuffle partitions."""
    session = spark_session(settings, "tests")
    # Tables of a few rows are done before a compiler has started on them.
    session.conf.set("spark.sql.codegen.wholeStage", "false")
    session.conf.set("spark.sql.codegen.factoryMode", "NO_CODEGEN")
    session.conf.set("spark.sql.lightweightPlanChangeValidation", "true")
    # Rows by hand go through the plan; the optimizer would otherwise compute their result and leave no plan to look at.
    folding = "org.apache.spark.sql.catalyst.optimizer.ConvertToLocalRelation"
    session.conf.set("spark.sql.optimizer.excludedRules", folding)
    yield session
    session.stop()


@pytest.fixture
def one_partition(spark: SparkSession) -> Iterator[None]:
    """Shuffles of the session in one partition: in unions of a dozen kinds of few lines each further one is a task."""
    before = spark.conf.get("spark.sql.shuffle.partitions")
    spark.conf.set("spark.sql.shuffle.partitions", "1")
    yield
    spark.conf.set("spark.sql.shuffle.partitions", before or "")


@pytest.fixture
def compiled(spark) -> Iterator[SparkSession]:
    """The session of the run with plans compiled, as rows are many here."""
    before = {name: spark.conf.get(name) for name in COMPILED}
    for name, value in COMPILED.items():
        spark.conf.set(name, value)
    yield spark
    for name, value in before.items():
        spark.conf.set(name, value)


@pytest.fixture
def lake(spark: SparkSession, tmp_path: Path) -> Lake:
    """An empty lake for one test."""
    return Lake(spark, str(tmp_path / "lake"))


@pytest.fixture(scope="session")
def services(settings: Settings) -> Iterator[Settings]:
    """A broker and a database started once for the run and stopped at its end; gives settings with their addresses."""
    from tollgate.platform import local_postgres
    from tollgate.platform.local_services import reached, running

    with running(settings):
        yield reached(settings)
    # As root its folder stands outside the one that pytest removes.
    local_postgres.remove_data()
