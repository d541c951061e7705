"""The demo operator's book against its sources: numbering plan, holidays, stated prices."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import holidays
import phonenumbers
import pytest

from tollgate.reference.numbering import country_prefixes
from tollgate.reference.pricebook_checks import check_price_book
from tollgate.reference.pricebook_files import SourceBook

DEMO = Path(__file__).resolve().parents[2] / "conf" / "pricebook"
YEARS = range(2024, 2032)


@pytest.fixture(scope="module")
def book() -> SourceBook:
    found, _ = check_price_book(DEMO)
    assert found is not None
    return found


@pytest.mark.covers("RAT-04")
def test_every_assigned_code_has_a_zone_and_no_other(book):
    zones = {row["prefix"]: row["zone_id"] for row in book.rows["destination"] if row["match"] == "prefix"}
    assigned = {str(code) for code in phonenumbers.COUNTRY_CODE_TO_REGION_CODE}
    assert assigned <= set(zones)
    assert all(any(prefix.startswith(code) for code in assigned) for prefix in zones)
    canada = {prefix for prefix, country in country_prefixes().items() if country == "CA"}
    assert {prefix for prefix, zone in zones.items() if zone == "national"} == canada
    islands = {"BS", "BB", "AI", "AG", "VG", "KY", "BM", "GD", "TC"} | {
        "JM",
        "MS",
        "SX",
        "LC",
        "DM",
        "VC",
        "DO",
        "TT",
        "KN",
    }
    caribbean = {prefix for prefix, country in country_prefixes().items() if country in islands}
    assert {prefix for prefix, zone in zones.items() if zone == "rest" and prefix.startswith("1")} == caribbean


@pytest.mark.covers("RAT-04")
def test_codes_whose_numbers_are_valid_in_canada_alone_are_national(book):
    zones = {row["prefix"]: row["zone_id"] for row in book.rows["destination"] if row["match"] == "prefix"}
    for area in range(200, 1000):
        numbers = [phonenumbers.parse(f"+1{area}{exchange}5678") for exchange in (234, 345, 456, 555, 678)]
        in_canada = any(phonenumbers.is_valid_number_for_region(number, "CA") for number in numbers)
        in_the_states = any(phonenumbers.is_valid_number_for_region(number, "US") for number in numbers)
        is_national = zones.get(f"1{area}") == "national"
        assert is_national == (in_canada and not in_the_states), area


@pytest.mark.covers("RAT-03")
def test_the_holidays_are_those_of_ontario(book):
    dates = {row["date"] for row in book.rows["holiday"]}
    expected = set(holidays.country_holidays("CA", subdiv="ON", years=YEARS))
    # Legislation Act of Ontario, section 88 (4): when 1 July is a Sunday, Canada Day falls on 2 July.
    expected |= {date(year, 7, 2) for year in YEARS if date(year, 7, 1).isoweekday() == 7}
    assert dates == expected and date(2029, 7, 2) in dates


@pytest.mark.covers("RAT-27", "RAT-28", "RAT-29", "RAT-30")
def test_prepaid_roaming_is_dearer_by_a_fifth(book):
    prices = {row["rate_id"]: row["price"] for row in book.rows["rate"]}
    roaming = {rate: price for rate, price in prices.items() if rate.startswith("roaming") and "prepaid" not in rate}
    assert len(roaming) == 13
    for rate, price in roaming.items():
        service, zone, *since = rate.removeprefix("roaming_").split("_", 2)
        twin = "_".join(["roaming", service, zone, "prepaid", *since])
        assert Decimal(prices[twin]) == Decimal(price) * Decimal("1.2"), rate


@pytest.mark.covers("RAT-46")
def test_carrier_prices_are_those_stated(book):
    voice = {row["cost_id"]: row["price"] for row in book.rows["carrier_rate"] if row["service"] == "voice"}
    kinds = ("local", "national", "international")
    assert [[voice[f"c{n}_voice_{kind}"] for kind in kinds] for n in (1, 2, 3)] == [
        [10_000, 20_000, 80_000], [8_000, 15_000, 70_000], [9_000, 18_000, 75_000]
    ]  # fmt: skip
    by_country = [price for cost, price in voice.items() if cost.rpartition("_")[2] not in kinds]
    assert voice["c1_voice_gb"] == 40_000 and min(by_country) == 25_000 and max(by_country) == 70_000
