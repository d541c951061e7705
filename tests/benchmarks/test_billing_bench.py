"""The billing bench on a few hundred accounts: what it bills is whole, and all ways of loading leave the same rows."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from reference.places import own_places

from benchmarks import billing, billing_load
from benchmarks.__main__ import main
from benchmarks.billing_input import drawn_lines
from benchmarks.route import Bench
from benchmarks.traffic import traffic_of
from tollgate.platform.errors import TollgateError
from tollgate.platform.postgres import migrate
from tollgate.platform.settings import Settings

ACCOUNTS, EVENTS, LINES = 150, 2_000, 1_000


@pytest.fixture(scope="module")
def found(spark: SparkSession, services: Settings, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    folder: Path = tmp_path_factory.mktemp("billing_bench")
    made = Bench(spark, own_places(services, folder), folder)
    migrate(made.settings)
    return made


@pytest.mark.long
@pytest.mark.covers("QUA-05")
def test_a_drawn_month_is_billed_whole_by_as_many_jobs_at_each_size(found: Bench) -> None:
    sizes = {"small": (EVENTS, ACCOUNTS), "large": (EVENTS * 3, ACCOUNTS * 3)}
    drafts = {}
    for name, (events, accounts) in sizes.items():
        drafts[name] = billing.drafted(billing.with_lake(found, name, events, accounts), events)
    small, large = drafts["small"], drafts["large"]
    assert (small.invoices, large.invoices) == (ACCOUNTS, ACCOUNTS * 3), "every account of the draw has usage or a fee"
    assert small.lines > 2 * ACCOUNTS
    assert small.traffic.jobs == large.traffic.jobs > 10
    # Accounts as few as these are a broadcast table, so they do reach it; each such table has at most Spark's 10 MB.
    assert large.traffic.driver_bytes < 10 * 2**20


@pytest.mark.covers("QUA-05")
def test_all_ways_of_loading_leave_the_same_lines_and_another_one_is_seen(spark: SparkSession, found: Bench) -> None:
    rows = drawn_lines(spark, LINES, seed=3)
    ways = billing_load.ways(found, rows)
    assert set(billing_load.loaded(found, rows, ways, turns=1)) == {"copy", "pages_of_100", "pages_of_1000"}
    # One digit of one line.
    off = rows.selectExpr("* EXCEPT (units)", "if(line_key LIKE 'usage|7|%', units + 1, units) AS units")
    ways["off"] = billing_load.ways(found, off)["copy"]
    with pytest.raises(TollgateError, match="do not load the same rows"):
        billing_load.loaded(found, rows, ways, turns=1)
    for name in ("copy", "pages_of_100"):
        with pytest.raises(Exception, match=r"did not take the rows|duplicate key"):
            ways[name]()


def test_what_reaches_the_driver_is_counted(spark: SparkSession) -> None:
    texts = spark.range(0, 2_000, 1, 2).selectExpr("sha2(CAST(id AS STRING), 256) AS text")
    few = traffic_of(spark, lambda: texts.limit(10).collect())
    many = traffic_of(spark, lambda: [texts.collect(), texts.collect()])
    assert many.jobs == 2
    assert many.driver_bytes - few.driver_bytes > 2 * 1_900 * 32


def test_a_part_of_another_stage_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--stage", "billing", "--only", "waits"])
    assert "no part of billing" in capsys.readouterr().err
