"""A cycle priced a second time: what was rated right is found so, one charge that is wrong is found and told."""

from __future__ import annotations

import shutil
from decimal import Decimal
from random import Random

import pytest
from delta.tables import DeltaTable
from properties.draw import draw_population, draw_usage, instant_us
from properties.frames_of_draws import DEMO_BOOK, book_frames, reference_frames, usage_frame
from pyspark.sql import functions as F

from jobs import second_rating
from tollgate import cli
from tollgate.assurance.current_rating import current_rating
from tollgate.assurance.situations import SITUATION
from tollgate.platform.errors import TollgateError
from tollgate.platform.lake import Lake
from tollgate.rating.rate import rate_events
from tollgate.reference.pricebook_files import read_source_book

EVENTS, LINES = 400, 20
# From peak into off-peak, a weekend, a roaming month's first second.
STARTS = tuple(instant_us(2026, 10, day, hour, 59, 30) for day in (5, 10, 31) for hour in (7, 12, 19))


@pytest.fixture(scope="module")
def rated(spark, settings, tmp_path_factory):
    """A lake whose October was rated by the plan itself."""
    lake = Lake(spark, str(tmp_path_factory.mktemp("second") / "lake"))
    book, reference = book_frames(spark), reference_frames(spark, draw_population(LINES))
    usage = usage_frame(spark, draw_usage(Random(7), EVENTS, LINES, STARTS))
    lake.append(usage, "usage_event", "test", 1)
    lake.append(rate_events(usage, book, reference, 1), "rated_usage", "test", 1)
    for table in ("ref_account", "ref_subscription", "ref_customer_fact"):
        lake.append(reference.table(table), table, "test", 1)
    lake.append(lake.frame([(1, "digest", 0)], "control_snapshot"), "control_snapshot", "test", 1)
    source, _ = read_source_book(DEMO_BOOK)
    version = {"pricebook_version": 1, "digest": source.digest(), "author": "a", "reason": "r", "name": "n"}
    version |= {"currency": "CAD", "time_zone": "America/Toronto", "factor_den": 10, "discount_den": 20}
    version |= {"band_slots": 5, "amount_type": "BIGINT"}
    row = tuple(version.get(name) for name in lake.contract("price_version").names)
    lake.append(lake.frame([row], "price_version"), "price_version", "test", 1)
    own = settings.model_copy(update={"lake": settings.lake.model_copy(update={"root": lake.root})})
    return lake, own


def run(rated, *argv: str):
    lake, settings = rated
    args = second_rating.parser().parse_args(["--cycle", "2026-10", *argv])
    return second_rating.run(lake.spark, settings, args)


@pytest.fixture
def copy(rated, tmp_path):
    """The lake for a test that writes into it."""
    lake, settings = rated
    shutil.copytree(lake.root, tmp_path / "lake")
    own = Lake(lake.spark, str(tmp_path / "lake"))
    return own, settings.model_copy(update={"lake": settings.lake.model_copy(update={"root": own.root})})


def situations_of(lake):
    return current_rating(lake.read("rated_usage")).select(*SITUATION).distinct().count()


@pytest.mark.long
@pytest.mark.covers("RAT-08", "RAT-46", "OPS-16")
def test_every_situation_and_a_sample_are_priced_again(copy):
    rated, (lake, _) = copy, copy
    current = current_rating(lake.read("rated_usage"))
    situations = situations_of(lake)
    assert situations > 50
    few = run(rated, "--sample", "0")
    assert (few["events"], few["situations"], few["situations_checked"]) == (EVENTS, situations, situations)
    assert (few["checked"], few["different"], few["holds"]) == (situations, 0, True)
    every = run(rated, "--sample", str(EVENTS))
    total = current.agg(F.sum("charge")).collect()[0][0]
    assert (every["run_no"], every["checked"]) == (2, EVENTS)
    assert {Decimal(amount) for amount in every["totals"]["charge"].values()} == {total}
    bounded = run(rated, "--situations", "10", "--sample", "5")
    assert (bounded["situations"], bounded["situations_checked"]) == (situations, 10)
    assert 10 <= bounded["checked"] <= 15
    assert run(rated, "--sample", "5", "--situations", "10")["checked"] == bounded["checked"]
    without_events = run(rated, "--cycle", "2027-03")
    assert [without_events[name] for name in ("events", "situations", "checked", "holds")] == [0, 0, 0, True]


@pytest.mark.covers("RAT-08", "RAT-46", "OPS-16")
def test_a_few_situations_are_priced_again_and_a_wrong_digit_is_told(copy):
    rated, (lake, _) = copy, copy
    current = current_rating(lake.read("rated_usage"))
    bounded = run(rated, "--situations", "10", "--sample", "5")
    assert (bounded["situations"], bounded["situations_checked"]) == (situations_of(lake), 10)
    assert 10 <= bounded["checked"] <= 15 and bounded["holds"]

    total = current.agg(F.sum("charge")).collect()[0][0]
    path = lake.path("rated_usage")
    event_id = current.where("retail_status = 'rated'").agg(F.min("event_id")).collect()[0][0]
    DeltaTable.forPath(lake.spark, path).update(
        F.col("event_id") == event_id, {"charge": F.expr("CAST(charge + 0.0001 AS DECIMAL(18,6))")}
    )
    with pytest.raises(TollgateError) as refused:
        run(rated, "--sample", str(EVENTS))
    assert f"1 of {EVENTS} events have another outcome by the oracle" in refused.value.what
    assert "'charge': {'oracle':" in refused.value.what
    assert refused.value.expected.startswith(f"charge {total}, ")
    assert refused.value.found.startswith(f"charge {total + Decimal('0.0001')}, ")
    kept = lake.read("control_second_rating").orderBy("run_no").select("run_no", "checked", "different", "holds")
    assert [tuple(row) for row in kept.collect()][-1] == (2, EVENTS, 1, False)
    oracle, table = (
        lake.read("control_second_rating").where("NOT holds").select("charge_oracle", "charge_table").first()
    )
    assert table - oracle == Decimal("0.0001")


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--cycle", "October"], "a bill cycle is a month such as 2026-10"),
        (["--cycle", "2026-10", "--situations", "0"], "1 or more"),
        (["--cycle", "2026-10.2"], "all cycles that start in a month are looked at together"),
    ],
)
def test_wrong_use_is_told_before_spark_starts(argv, said, capsys, monkeypatch):
    monkeypatch.setattr("tollgate.platform.spark.spark_session", lambda *_: pytest.fail("Spark was started"))
    assert cli._pass_on("second-rating", argv, "assure") == 2
    assert said in capsys.readouterr().err
