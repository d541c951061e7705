"""Every kind of dirt is there and is truly dirty; what can be mended still says the same."""

from __future__ import annotations

import json
import re
from typing import Any

import phonenumbers
import pytest

from generators.cdr import GeneratedRecord
from generators.customers import build_population
from generators.dirt import KINDS, LATE_KINDS, DirtRates, Kind
from generators.producer import partition_of
from generators.usage import plan_usage

E164 = re.compile(r"\+[1-9][0-9]{6,14}")
SHORT_CODES = {"911", "112", "211", "311", "411", "611", "711", "811"}
# An exit prefix before another one; no area code begins with 0 or 1, so +1001 and 0011 show one as well.
DOUBLE_PREFIX = re.compile(r"\+\+|\+00|\+1\+|\+100|00\+|0011")
EVENLY = DirtRates(
    missing_field=120_000, negative_duration=60_000, malformed_number=200_000, unknown_type=30_000, exact_copy=50_000,
    id_conflict=50_000, late=50_000, unparseable=50_000,
)  # fmt: skip


@pytest.fixture(scope="module")
def records() -> list[GeneratedRecord]:
    return list(plan_usage(build_population(5, 200), 5, 20_000, rates=EVENLY).records())


def of(records: list[GeneratedRecord], dirt_class: str) -> list[tuple[Kind, bytes | None, bytes | None]]:
    return [(truth.kind, key, value) for key, value, _, truth in records if truth.kind.dirt_class == dirt_class]


def parsed(value: bytes | None) -> dict[str, Any]:
    return json.loads(value or b"")


def test_every_kind_is_there(records: list[GeneratedRecord]) -> None:
    found = {truth.kind[:4] for *_, truth in records}
    assert {kind[:4] for kind in (*KINDS, *LATE_KINDS)} <= found
    assert {kind.disposition for kind in KINDS} == {"accepted", "quarantined"}


def test_the_truth_stands_nowhere_in_a_record(records: list[GeneratedRecord]) -> None:
    told = re.compile(rb"clean|dirt|truth|expected|quarantined|duplicate|conflict")
    assert not [value for _, value, _, _ in records if value and told.search(value)]


@pytest.mark.covers("GEN-04")
def test_a_missing_field_is_missing(records: list[GeneratedRecord]) -> None:
    forms = set()
    for kind, key, value in of(records, "missing_field"):
        record = parsed(value)
        assert record.get(kind.name) is None
        forms.add(kind.name in record)
        assert (key is None) == (kind.name in ("event_id", "source"))
    assert forms == {True, False}


@pytest.mark.covers("GEN-05")
def test_negative_quantities_are_negative(records: list[GeneratedRecord]) -> None:
    for kind, _, value in of(records, "negative_duration"):
        record = parsed(value)
        if kind.name == "duration":
            assert int(record["duration_seconds"]) < 0
        elif kind.name == "volume":
            assert record["data_volume_mb"].startswith("-") and re.fullmatch(r"-\d+\.\d{6}", record["data_volume_mb"])
        else:
            assert record["end_time"] < record["timestamp"]


@pytest.mark.covers("GEN-07")
def test_malformed_numbers_are_beyond_repair_or_can_be_mended_to_a_valid_one(records: list[GeneratedRecord]) -> None:
    forms: dict[str, set[str]] = {}
    for kind, _, value in of(records, "malformed_number"):
        record = parsed(value)
        field = "msisdn" if kind.code.startswith("MSISDN") else "destination"
        number, other = record[field], record.get("destination" if field == "msisdn" else "msisdn", "+14162000000")
        forms.setdefault(kind.name, set()).add(field)
        prefixed = DOUBLE_PREFIX.match(number)
        assert prefixed or not E164.fullmatch(number)
        assert E164.fullmatch(other) or other in SHORT_CODES
        if kind.disposition == "accepted":
            mended = {"double_zero": "+" + number[2:], "local_form": "+1" + number, "no_plus": "+" + number}
            mended["spaces"] = "+" + re.sub(r"[^0-9]", "", number)
            e164 = phonenumbers.parse(mended[kind.name], None)
            assert phonenumbers.is_valid_number(e164) or e164.country_code in (870, 881)
            assert kind.name != "no_plus" or 11 <= len(number) <= 15
        else:
            digits = re.sub(r"[^0-9]", "", number)
            assert re.search(r"[A-Za-z]|[^\x00-\x7f]", number) or len(digits) < 7 or len(digits) > 15 or prefixed
    assert forms == {
        name: {"msisdn", "destination"}
        for name in (
            "letters",
            "non_ascii_digits",
            "short",
            "long",
            "double_prefix",
            "double_zero",
            "spaces",
            "local_form",
            "no_plus",
        )
    }


def test_an_unknown_type_is_not_one_of_the_four(records: list[GeneratedRecord]) -> None:
    types = {parsed(value)["service_type"] for _, _, value in of(records, "unknown_type")}
    assert len(types) >= 5 and not types & {"voice", "sms", "mms", "data"}


def test_unparseable_bytes_are_no_json_object(records: list[GeneratedRecord]) -> None:
    for kind, key, value in of(records, "unparseable"):
        assert (key is None) == (kind.name != "empty")
        if kind.name == "empty":
            assert value is None
            continue
        assert value
        if kind.name == "not_utf8":
            with pytest.raises(UnicodeDecodeError):
                value.decode()
        else:
            with pytest.raises(json.JSONDecodeError):
                json.loads(value.decode())


@pytest.mark.covers("GEN-08")
def test_copies_follow_their_original_under_one_key_and_partition(records: list[GeneratedRecord]) -> None:
    originals: dict[str, GeneratedRecord] = {}
    copies = conflicts = 0
    for record in records:
        key, value, arrival_ms, truth = record
        if truth.copy_of is None:
            assert truth.event_id not in originals
            originals[truth.event_id] = record
            continue
        first_key, first_value, first_arrival_ms, first = originals[truth.copy_of]
        assert first.kind.dirt_class == "clean" and truth.event_id == first.event_id
        assert key == first_key is not None and arrival_ms > first_arrival_ms
        assert partition_of(key, truth.number, 2) == partition_of(first_key, first.number, 2)
        if truth.kind.dirt_class == "exact_copy":
            copies += 1
            assert value == first_value
        else:
            conflicts += 1
            assert parsed(value) != parsed(first_value)
            same = ("event_id", "source", "timestamp", "service_type", "msisdn")
            assert [parsed(value)[name] for name in same] == [parsed(first_value)[name] for name in same]
    assert (copies, conflicts) == (1000, 1000)


def test_rates_come_from_the_settings_in_millionths(settings: Any) -> None:
    rates = DirtRates.from_settings(settings.generator)
    assert rates.late == settings.generator.late_ppm == 100_000
    assert rates.exact_copy + rates.id_conflict == 20_000
