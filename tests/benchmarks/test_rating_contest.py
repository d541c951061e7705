"""The rating contest on a few thousand events: its input has every kind of event, and all contenders write the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import rating_duckdb, rating_native, rating_udf
from benchmarks.rating import agreeing, fingerprint
from benchmarks.rating_input import write_input
from tollgate.platform.errors import TollgateError

EVENTS, LINES, PREFIXES = 4_000, 1_000, 2_000


@pytest.fixture
def folder(spark, tmp_path: Path) -> Iterator[Path]:
    """An input; the session's settings are put back."""
    before = spark.conf.get("spark.sql.shuffle.partitions")
    write_input(spark, tmp_path / "input", EVENTS, LINES, PREFIXES, seed=3)
    yield tmp_path
    spark.conf.set("spark.sql.shuffle.partitions", before)


@pytest.mark.long
@pytest.mark.covers("QUA-05")
def test_all_contenders_rate_the_same_and_another_row_is_seen(spark, folder):
    source = folder / "input"
    for name, rate in (
        ("native", rating_native.rate), ("duckdb", rating_duckdb.rate), ("python_udf", rating_udf.rate),
    ):  # fmt: skip
        rate(source, str(folder / name))
    agreeing(folder, "native", "duckdb")
    agreeing(folder, "native", "python_udf")
    rated = spark.read.parquet(str(folder / "native"))
    found = {tuple(row) for row in rated.select("retail_status", "suspense_reason").distinct().collect()}
    reasons = ("suspended_line", "no_plan", "no_zone", "no_rate", "currency_mismatch")
    assert found >= {("rated", None), ("zero_rated", None), *(("suspended", reason) for reason in reasons)}
    kinds = {tuple(row) for row in rated.select("price_source", "wholesale_status").distinct().collect()}
    assert kinds >= {("markup", "costed"), ("rate", "costed"), ("rate", "no_carrier_rate")}
    many = rated.selectExpr("max(size(piece_units)) AS pieces", "max(size(discount_ids)) AS discounts").collect()[0]
    assert tuple(many) == (2, 2)
    assert fingerprint(folder / "native")["events"] == EVENTS

    # One digit of one row.
    off = "if(event_id = 'e100', event_hash + 1, event_hash)"
    rated.selectExpr("* EXCEPT (event_hash)", f"{off} AS event_hash").write.parquet(str(folder / "off"))
    with pytest.raises(TollgateError, match="rate otherwise"):
        agreeing(folder, "native", "off")
