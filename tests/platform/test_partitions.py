"""Shuffles have more partitions once many rows are known to come, and never fewer than the settings say."""

from __future__ import annotations

import pytest
from billing.small_month import frame
from billing.small_operator import rating

from jobs.bill_inputs import spread_usage
from tollgate.platform.partitions import PARTITIONS, ROWS_A_PARTITION, spread


@pytest.fixture
def session(spark):
    """The session of the run with two partitions, which it has again afterwards."""
    before = spark.conf.get(PARTITIONS)
    spark.conf.set(PARTITIONS, "2")
    yield spark
    spark.conf.set(PARTITIONS, before)


def test_partitions_follow_the_rows_up_and_never_down(session):
    for rows, partitions in ((0, 2), (2 * ROWS_A_PARTITION, 2), (2 * ROWS_A_PARTITION + 1, 3), (1, 3)):
        spread(session, rows)
        assert session.conf.get(PARTITIONS) == str(partitions)
    spread(session, 10_000_000)
    assert session.conf.get(PARTITIONS) == "40"


@pytest.mark.covers("QUA-05")
def test_a_bill_run_counts_all_that_the_nights_have_rated(session, lake):
    spread_usage(lake)
    assert session.conf.get(PARTITIONS) == "2"
    marks = [rating(number, 4 * ROWS_A_PARTITION) for number in (1, 2)]
    lake.append(frame(session, "control_rating", marks), "control_rating", "test", 1)
    spread_usage(lake)
    assert session.conf.get(PARTITIONS) == "8"
