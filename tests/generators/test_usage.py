"""A month of usage: the same for the same seed, as dirty as asked, and clean where it says clean."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from datetime import date, datetime, timezone
from typing import Any

import phonenumbers
import pytest
from dirty_usage import RATES, local
from faker import Faker

from generators.cdr import GeneratedRecord
from generators.customers import Population, build_population, local_midnight_ms
from generators.destinations import countries_called
from generators.network import OWN_PREFIXES, cells
from generators.usage import UsagePlan, plan_usage

EVENTS = 30_000
# SHA-256 over keys, values, arrivals and truth of 3,000 records; it changes only when the records do.
RECORDED = "438acb76fc81e0eccfe6cf318fca2091ffeabf5d3915e9d5016a5f85cae97272"


@pytest.fixture(scope="module")
def population() -> Population:
    return build_population(7, 300)


@pytest.fixture(scope="module")
def plan(population: Population) -> UsagePlan:
    return plan_usage(population, 7, EVENTS, rates=RATES)


@pytest.fixture(scope="module")
def records(plan: UsagePlan) -> list[GeneratedRecord]:
    return list(plan.records())


@pytest.fixture(scope="module")
def clean(records: list[GeneratedRecord]) -> list[dict[str, Any]]:
    return [json.loads(value) for _, value, _, truth in records if truth.kind.dirt_class == "clean" and value]


def digest(records: list[GeneratedRecord]) -> str:
    told = hashlib.sha256()
    for key, value, arrival_ms, truth in records:
        told.update(repr((key, value, arrival_ms, truth.event_id, truth.kind[:4], truth.copy_of)).encode())
    return told.hexdigest()


@pytest.mark.covers("GEN-01", "GEN-20")
def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(population: Population) -> None:
    first = list(plan_usage(population, 7, 3000, rates=RATES).records())
    assert digest(first) == RECORDED
    assert digest(list(plan_usage(build_population(7, 300), 7, 3000, rates=RATES).records())) == RECORDED
    other = list(plan_usage(population, 8, 3000, rates=RATES).records())
    assert not {truth.event_id for *_, truth in first} & {truth.event_id for *_, truth in other}


def test_event_ids_never_meet_between_months(population: Population) -> None:
    ids = [
        {truth.event_id for *_, truth in plan_usage(population, 7, 500, month, until=until).records()}
        for month, until in (("2026-10", None), ("2026-11", None), ("2026-11", date(2026, 11, 6)))
    ]
    assert [len(each) for each in ids] == [500, 500, 500]
    assert len(set.union(*ids)) == 1500


@pytest.mark.covers("GEN-20")
def test_a_record_never_costs_a_call_of_faker(population: Population, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("Faker was asked")

    monkeypatch.setattr(Faker, "__getattr__", refuse)
    monkeypatch.setattr(Faker, "__init__", refuse)
    assert len(list(plan_usage(population, 1, 2000, rates=RATES).records())) == 2000


def test_every_class_has_the_share_that_the_settings_ask_for(records: list[GeneratedRecord]) -> None:
    found = Counter(truth.kind.dirt_class for *_, truth in records)
    assert found == {
        "missing_field": 1500, "negative_duration": 300, "malformed_number": 450, "unknown_type": 300,
        "exact_copy": 450, "id_conflict": 150, "late": 3000, "unparseable": 150, "clean": 23_700,
    }  # fmt: skip


def test_records_come_in_the_order_of_arrival_and_a_cut_loses_none(
    plan: UsagePlan, records: list[GeneratedRecord]
) -> None:
    arrivals = [arrival_ms for _, _, arrival_ms, _ in records]
    assert arrivals == sorted(arrivals)
    cut = int(datetime(2026, 10, 15, tzinfo=timezone.utc).timestamp() * 1000)
    halves = [*plan.records(None, cut), *plan.records(cut, None)]
    assert halves == records
    assert 0 < plan.count(None, cut) == sum(arrival_ms < cut for arrival_ms in arrivals)


@pytest.mark.covers("GEN-06")
def test_late_records_come_minutes_to_weeks_late_and_some_after_their_month(records: list[GeneratedRecord]) -> None:
    kinds, after_month = Counter(), 0
    month_end = local_midnight_ms(date(2026, 11, 1))
    for _, value, arrival_ms, truth in records:
        if truth.kind.dirt_class not in ("clean", "late") or value is None:
            continue
        record = json.loads(value)
        start_ms = datetime.fromisoformat(record["timestamp"]).timestamp() * 1000
        late_s = (arrival_ms - start_ms) / 1000 - int(record.get("duration_seconds", 0))
        assert (truth.kind.code == "LATE") == (late_s > 86_400), (truth, late_s)
        if truth.kind.dirt_class == "late":
            kinds[truth.kind.name] += 1
            after_month += arrival_ms >= month_end
            assert 300 <= late_s <= 1_814_400
        else:
            assert 0 < late_s < 100
    assert set(kinds) == {"minutes", "hours", "days", "weeks"}
    assert after_month > 50


@pytest.mark.covers("GEN-01", "GEN-09", "GEN-10", "GEN-02", "GEN-11")
def test_a_clean_record_has_the_fields_of_its_service(clean: list[dict[str, Any]]) -> None:
    shared = {"event_id", "source", "subscriber_id", "msisdn", "service_type", "timestamp", "cell_id", "roaming",
              "carrier_id",
              "technology"}  # fmt: skip
    own = {
        "voice": {"destination", "duration_seconds", "call_outcome", "cause"},
        "sms": {"destination", "call_outcome", "cause"},
        "mms": {"destination", "call_outcome", "cause"},
        "data": {"duration_seconds", "data_volume_mb", "rating_group"},
    }
    for record in clean:
        fields = set(record) - {"end_time", "roaming_country"}
        assert fields == shared | own[record["service_type"]]
        assert ("roaming_country" in record) == record["roaming"]
        if "end_time" in record:
            started, ended = (datetime.fromisoformat(record[name]) for name in ("timestamp", "end_time"))
            assert (ended - started).total_seconds() == int(record["duration_seconds"])
    services = Counter(record["service_type"] for record in clean)
    shares = {service: records / len(clean) for service, records in services.items()}
    assert shares == pytest.approx({"voice": 0.5, "data": 0.3, "sms": 0.18, "mms": 0.02}, abs=0.02)
    assert {record.get("rating_group") for record in clean} == {"web", "video", None}
    assert {record["technology"] for record in clean} == {"2G", "3G", "4G", "5G", "GSM", "UMTS", "LTE", "NR"}


def test_boundary_durations_and_unanswered_calls_are_there(clean: list[dict[str, Any]]) -> None:
    voice = [record for record in clean if record["service_type"] == "voice"]
    assert {"0", "59", "60", "61"} <= {
        record["duration_seconds"] for record in voice if record["call_outcome"] == "answered"
    }
    assert {record["call_outcome"] for record in voice} == {"answered", "dropped", "no_answer", "busy", "failed"}
    assert {r["duration_seconds"] for r in voice if r["call_outcome"] not in ("answered", "dropped")} == {"0"}


@pytest.mark.covers("GEN-01")
def test_clean_numbers_are_valid_numbers_of_at_least_forty_countries(records: list[GeneratedRecord]) -> None:
    called = set()
    for _, value, _, truth in records:
        if truth.kind.dirt_class == "clean" and truth.kind.name != "unassigned" and value:
            record = json.loads(value)
            assert record["msisdn"][1:7] in OWN_PREFIXES
            called.add(record.get("destination", record["msisdn"]))
    short = {number for number in called if not number.startswith("+")}
    assert short <= {"911", "112", "211", "311", "411", "611", "711", "811"}
    for number in called - short:
        parsed = phonenumbers.parse(number, None)
        assert phonenumbers.is_valid_number(parsed) or parsed.country_code in (870, 881), number
        assert phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164) == number
    countries = {phonenumbers.region_code_for_number(phonenumbers.parse(number, None)) for number in called - short}
    assert len(countries) >= 40
    assert countries_called(sorted(called)) <= countries


def test_clean_records_bring_what_rating_must_tell_apart(records: list[GeneratedRecord]) -> None:
    scenarios = {truth.kind.name for *_, truth in records if truth.kind.dirt_class == "clean"}
    assert scenarios == {
        "", "no_subscriber", "suspended_line", "no_plan", "long_call", "unassigned", "premium", "toll_free",
        "emergency", "special",
        "satellite", "band_edge", "technology_alias",
    }  # fmt: skip


def test_the_scenario_is_what_the_population_says(population: Population, records: list[GeneratedRecord]) -> None:
    held = [(number, line) for line in population.lines for number in line.numbers]
    holders: dict[str, list[Any]] = {}
    for number, line in held:
        holders.setdefault(number.msisdn, []).append((number.from_ms, number.to_ms or 2**62, line))
    for _, value, _, truth in records:
        if truth.kind.dirt_class != "clean" or value is None:
            continue
        record = json.loads(value)
        at_ms = datetime.fromisoformat(record["timestamp"]).timestamp() * 1000
        owners = [line for lo, hi, line in holders.get(record["msisdn"], []) if lo <= at_ms < hi]
        assert len(owners) == (truth.kind.name != "no_subscriber")
        if owners:
            (line,) = owners
            assert line.subscription_id == record["subscriber_id"]
            suspended = [s for s in line.states if s.state == "suspended" and s.from_ms <= at_ms < s.to_ms]
            assert bool(suspended) == (truth.kind.name == "suspended_line")
            gone = line.contracts[-1].cancelled_on
            assert (gone is not None and at_ms >= local_midnight_ms(gone)) == (truth.kind.name == "no_plan")


@pytest.mark.covers("GEN-03")
def test_some_subscribers_use_far_more_than_others(clean: list[dict[str, Any]]) -> None:
    by_line = Counter(record["subscriber_id"] for record in clean).most_common()
    assert len(by_line) > 250
    assert sum(count for _, count in by_line[:30]) > 0.3 * len(clean)
    assert by_line[0][1] < 0.1 * len(clean)


def test_days_and_weeks_have_a_rhythm(clean: list[dict[str, Any]]) -> None:
    hours = Counter(local(record).hour for record in clean)
    assert hours[18] > 10 * hours[3] > 0
    days = Counter(local(record).weekday() for record in clean)
    assert days[6] < days[2]
    assert {local(record).strftime("%Y-%m") for record in clean} == {"2026-10"}


@pytest.mark.covers("GEN-22")
def test_cells_are_those_of_the_network_and_roaming_is_in_eight_countries_or_more(clean: list[dict[str, Any]]) -> None:
    network = {cell.cell_id: cell for cell in cells()}
    for record in clean:
        cell = network[record["cell_id"]]
        assert cell.country == record.get("roaming_country", "CA")
    assert len({record["roaming_country"] for record in clean if record["roaming"]}) >= 8
    assert len({record["cell_id"] for record in clean if not record["roaming"]}) > 150


def test_what_cannot_be_planned_says_why(population: Population) -> None:
    for arguments, message in (
        ({"profile": "lunar"}, "profile: expected one of normal, peak, night, roamer, skewed, simbox, found lunar"),
        ({"month": "October"}, "month: expected YYYY-MM, found October"),
        ({"until": date(2026, 10, 1)}, "until: expected a day after 2026-10-01, found 2026-10-01"),
        ({"events": 0}, "events: expected at least 1, found 0"),
    ):
        with pytest.raises(ValueError, match=message):
            plan_usage(population, 1, **{"events": 10, **arguments})
    with pytest.raises(ValueError, match="subscribers"):
        build_population(1, 0)
