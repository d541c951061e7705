"""The process that makes the demo's usage: night by night, the same records as in this process, and its errors told."""

from __future__ import annotations

import argparse
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from generators.customers import build_population
from tollgate.demo.arrivals import arriving
from tollgate.demo.given import NIGHTS, planned
from tollgate.platform.errors import TollgateError
from tollgate.platform.kafka import end_offsets, recreate_topic
from tollgate.platform.settings import Settings

SMALL = argparse.Namespace(seed=7, subscribers=40, events=400)


def of_topic(settings: Settings, **kafka: str) -> Settings:
    return settings.model_copy(update={"kafka": settings.kafka.model_copy(update=kafka)})


@pytest.mark.covers("GEN-16")
def test_each_night_has_its_own_records_in_the_order_of_their_plan(services: Settings, tmp_path: Path) -> None:
    own = of_topic(services, topic="arrivals_of_a_demo")
    recreate_topic(own)
    expected = [
        [truth.event_id for *_, truth in records]
        for records in planned(own, build_population(SMALL.seed, SMALL.subscribers), SMALL.seed, SMALL.events)
    ]
    assert len(expected) == NIGHTS and all(expected)
    seen: set[Path] = set()
    with arriving(own, SMALL, tmp_path) as usage:
        for night in expected:
            usage.arrive()
            (file,) = set(tmp_path.glob("*.parquet")) - seen
            seen.add(file)
            assert pq.read_table(file)["event_id"].to_pylist() == night
        assert sum(end_offsets(own).values()) == sum(map(len, expected))
        # There is no sixth night.
        with pytest.raises(TollgateError, match="the usage could not be made"):
            usage.arrive()


def test_what_keeps_the_usage_from_the_broker_is_told_as_in_this_process(settings: Settings, tmp_path: Path) -> None:
    with arriving(of_topic(settings, bootstrap="127.0.0.1:1"), SMALL, tmp_path) as usage:
        with pytest.raises(TollgateError, match="broker does not answer") as refused:
            usage.arrive()
        assert "127.0.0.1:1" in str(refused.value) and refused.value.way_out
        with pytest.raises(TollgateError, match="the usage could not be made"):
            usage.arrive()
    assert not list(tmp_path.glob("*.parquet"))
