"""The plan of pricing: native expressions in one pass, and the identity check beside it."""

from __future__ import annotations

import functools
import re
from contextlib import redirect_stdout
from decimal import Decimal
from io import StringIO

import pytest
from frames import COMPILED, assert_rows, table

from rating import sheet, tariff
from tollgate.rating.id_check import with_id_conflicts
from tollgate.rating.rate import rate_events
from tollgate.reference.frames import reference

BANNED = ("Python", "Window", "lambda", "SortMergeJoin", "CartesianProduct", "NestedLoop", "hashpartitioning")


@pytest.fixture(scope="module")
def model(spark, tmp_path_factory):
    """A book that uses all of the tariff model."""
    return tariff.frames_of(spark, tariff.compiled(tariff.written(tmp_path_factory.mktemp("plan") / "m", tariff.MODEL)))


# From the owner to the charge, and the outcome.
STEPS = 9
USES = ("a price and bands", "the whole model")


@pytest.fixture(scope="module")
def plan_of(spark, model, tmp_path_factory):
    """The executed plan, as text, of rating stored events and customers by the book that uses so much of the model."""
    folder = tmp_path_factory.mktemp("stored")

    def stored(frame, name):
        frame.write.parquet(str(folder / name))
        return spark.read.parquet(str(folder / name))

    small = sheet.small_reference(spark)
    lines = ("ref_subscription", "ref_account", "ref_customer_fact")
    customers = reference({name: stored(small.table(name), name) for name in lines}, small.snapshot_id)
    usage = stored(sheet.rows(spark, "usage_event", sheet.event("a")), "usage_event")

    @functools.cache
    def plan_of(uses):
        book = sheet.small_book(spark) if uses == USES[0] else model
        rated = rate_events(usage, book, customers, rating_no=1)
        # A plan is told in full, not its first columns alone.
        spark.conf.set("spark.sql.debug.maxToStringFields", "100000")
        try:
            return rated._jdf.queryExecution().executedPlan().toString()
        finally:
            spark.conf.unset("spark.sql.debug.maxToStringFields")

    return plan_of


@pytest.mark.covers("RAT-01")
@pytest.mark.parametrize("uses", USES)
def test_the_plan_has_no_python_no_window_no_shuffle_and_no_lambda(plan_of, uses):
    plan = plan_of(uses)
    assert [banned for banned in BANNED if banned in plan] == []
    assert plan.count("FileScan parquet [batch_no") == 1
    assert plan.count("BroadcastHashJoin") == plan.count("LeftOuter")


@pytest.mark.covers("RAT-01")
def test_a_book_pays_for_what_it_uses_alone(plan_of):
    plain, whole = map(plan_of, USES)
    # Owner 3; zones 4; plan and rate; country and default of the carrier; day of bands.
    assert plain.count("BroadcastHashJoin") == 12
    # The catch-all, and the carrier's prefix.
    assert whole.count("BroadcastHashJoin") == 14
    # The grid, the keys of what the event says, the prefix of the cost. (Scans name columns that nothing reads.)
    of_the_model = ("named_struct(place", "rate_direction", "cost_prefix")
    assert [part for part in of_the_model if part in plain] == []


@pytest.mark.covers("RAT-01")
def test_the_jvm_compiles_each_step_of_pricing(spark):
    usage = sheet.rows(spark, "usage_event", sheet.event("a"))
    rated = rate_events(usage, sheet.small_book(spark), sheet.small_reference(spark), rating_no=1)
    settings = {**COMPILED, "spark.sql.adaptive.enabled": "false"}
    before = {name: spark.conf.get(name) for name in settings}
    for name, value in settings.items():
        spark.conf.set(name, value)
    try:
        with redirect_stdout(StringIO()) as told:
            rated.explain("codegen")
    finally:
        for name, value in before.items():
            spark.conf.set(name, value)
    sizes = [int(size) for size in re.findall(r"maxMethodCodeSize:(\d+)", told.getvalue())]
    assert len(sizes) >= STEPS and max(sizes) < int(spark.conf.get("spark.sql.codegen.hugeMethodLimit"))


def test_rated_rows_have_the_columns_of_the_contract(spark):
    from tollgate.platform.lake import contract

    usage = sheet.rows(spark, "usage_event", sheet.event("a"))
    rated = rate_events(usage, sheet.small_book(spark, "DECIMAL(38,0)"), sheet.small_reference(spark), rating_no=1)
    wanted = [(field.name, field.dataType.simpleString()) for field in contract("rated_usage").fields]
    assert [(field.name, field.dataType.simpleString()) for field in rated.schema.fields] == wanted


@pytest.mark.covers("RAT-38")
def test_the_first_record_owns_its_id_whatever_month_the_second_names(spark):
    columns = (
        "source STRING, event_id STRING, event_hash BIGINT, batch_no BIGINT, kafka_partition INT, kafka_offset BIGINT"
    )
    history = [
        ("sw1", "a", 1, 1, 0, 5),
        ("sw1", "a", 1, 4, 0, 9),  # another month, a later batch
        ("sw2", "a", 1, 4, 0, 10),  # another source with the same hash
        ("sw1", "b", 1, 4, 0, 11),  # another id with the same hash
        ("sw1", "c", 2, 5, 0, 12),
        ("sw1", "c", 2, 5, 0, 13),  # two in one batch: the lower offset owns it
    ]
    accepted = table(spark, columns, *history)
    events = accepted.where("batch_no >= 4")
    found = with_id_conflicts(events, accepted).select("source", "event_id", "kafka_offset", "is_id_conflict")
    assert_rows(
        found,
        ("sw1", "a", 9, True),
        ("sw2", "a", 10, False),
        ("sw1", "b", 11, False),
        ("sw1", "c", 12, False),
        ("sw1", "c", 13, True),
    )


@pytest.mark.covers("RAT-01")
@pytest.mark.parametrize("uses", [pytest.param(USES[0], marks=pytest.mark.long), USES[1]])
def test_the_generated_code_of_pricing_compiles(spark, model, uses):
    usage = sheet.rows(spark, "usage_event", sheet.event("a"), sheet.event("b", "data", 1))
    book = sheet.small_book(spark) if uses == USES[0] else model
    rated = rate_events(usage, book, sheet.small_reference(spark), rating_no=1)
    # As by spark-submit: local sessions turn code off. Without the fallback, too much code is an error and no slow
    # plan.
    before = {name: spark.conf.get(name) for name in COMPILED}
    for name, value in COMPILED.items():
        spark.conf.set(name, value)
    spark.conf.set("spark.sql.codegen.fallback", "false")
    try:
        # The model's book leads a national number to its catch-all, and sells data in packages.
        expected = {"0.1", "0"} if uses == USES[0] else {"1", "5"}
        assert {row["charge"] for row in rated.collect()} == {Decimal(charge) for charge in expected}
    finally:
        spark.conf.unset("spark.sql.codegen.fallback")
        for name, value in before.items():
            spark.conf.set(name, value)
