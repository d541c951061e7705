"""Profiles: each behaves in its own way, and the peak and the heavy line have the size that they say."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from dirty_usage import RATES, local

from generators.customers import Population, build_population
from generators.profiles import PROFILES
from generators.usage import plan_usage


@pytest.fixture(scope="module")
def population() -> Population:
    return build_population(7, 300)


@pytest.mark.covers("GEN-18")
def test_each_profile_behaves_in_its_own_way(population: Population) -> None:
    def usage(profile: str) -> list[dict[str, Any]]:
        return [
            json.loads(value or b"{}") for _, value, _, _ in plan_usage(population, 3, 2000, profile=profile).records()
        ]

    seen = {profile: usage(profile) for profile in PROFILES}
    roaming = {profile: sum(record["roaming"] for record in seen[profile]) for profile in seen}
    assert roaming["roamer"] > 1000 and roaming["simbox"] == 0
    night = {profile: sum(local(record).hour in (22, 23, 0, 1, 2, 3) for record in seen[profile]) for profile in seen}
    assert night["night"] > 1000 > 300 > night["normal"]
    machines = Counter(record["subscriber_id"] for record in seen["simbox"])
    assert machines.most_common(1)[0][1] > 1000
    assert {record["service_type"] for record in seen["simbox"]} == {"voice", "sms"}


@pytest.mark.covers("GEN-18", "PRF-10")
def test_at_the_peak_five_times_as_much_arrives_in_every_hour_of_the_day(population: Population) -> None:
    """Of each day of the month too, so that the busiest hour of all has five times the records."""
    hours: dict[str, Counter[int]] = {}
    for profile in ("normal", "peak"):
        plan = plan_usage(population, 3, 6000, profile=profile, rates=RATES)
        hours[profile] = Counter((plan.calls.start_ms // 3_600_000 % 24).tolist())
        hours[f"{profile} of all"] = Counter((plan.calls.start_ms // 3_600_000).tolist())
        assert len(plan) == {"normal": 6000, "peak": 30_000}[profile]
    for hour, records in hours["normal"].items():
        if records > 200:
            assert hours["peak"][hour] == pytest.approx(5 * records, rel=0.2), hour
    busiest = [sum(count for _, count in hours[f"{profile} of all"].most_common(50)) for profile in ("normal", "peak")]
    assert busiest[1] == pytest.approx(5 * busiest[0], rel=0.25)


@pytest.mark.covers("GEN-18", "GEN-03")
def test_one_subscriber_has_half_of_skewed_usage(population: Population) -> None:
    def shares(profile: str) -> list[int]:
        plan = plan_usage(population, 3, 10_000, profile=profile, rates=RATES)
        return [records for _, records in Counter(plan.calls.line.tolist()).most_common(2)]

    (heavy, next_one), (usual, _) = shares("skewed"), shares("normal")
    originals = 10_000 * (1 - (RATES.exact_copy + RATES.id_conflict) / 1_000_000)
    assert heavy == pytest.approx(originals / 2, rel=0.06)
    assert next_one < usual < originals / 10
