"""The demo's book and rows: a plan, a zone, a rating group, a service of a zone, and a use of each price model."""

from __future__ import annotations

import csv
import shutil
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from rating import sheet, tariff
from rating.sheet import event, local
from rating.tariff import COST, DATA, DISCOUNT, RATE, SMS
from tollgate.rating.rate import rate_events
from tollgate.reference.frames import reference

DEMO = Path(__file__).resolve().parents[2] / "conf" / "pricebook"
OWL = "+14165550077"
OF_OWL = {**RATE, "plan_id": "owl", "tax_category": "standard"}
MOON = {**OF_OWL, "zone_id": "moon"}
SUMMER = {"band_set": "summer", "weekdays": "1234567", "day_type": "any", "from": "00:00", "to": "24:00"}
ROWS = {
    "plan": [{"plan_id": "owl", "name": "Night Owl", "contract_type": "month_to_month", "charge_type": "postpaid"}],
    "zone": [{"zone_id": "moon", "name": "Moon", "kind": "international"},
             {"zone_id": "anywhere", "name": "Anywhere", "kind": "international"}],
    "destination": [
        {"prefix": "8789", "match": "prefix", "zone_id": "moon", "valid_from": "2024-01-01"},
        {"prefix": "*", "match": "any", "zone_id": "anywhere", "valid_from": "2024-01-01"},
    ],
    "rate": [
        {**MOON, "rate_id": "owl_moon", "price": "0.30", "initial": "60", "increment": "1", "discountable": "true"},
        {**MOON, **SMS, "rate_id": "owl_moon_sms", "price": "0.40"},
        {**MOON, **SMS, "rate_id": "owl_moon_sms_in", "price": "0.10", "direction": "in"},
        {**MOON, "rate_id": "owl_moon_5g", "price": "0.90", "technology": "5G"},
        {**OF_OWL, "rate_id": "owl_national", "zone_id": "national", "price": "0.20", "band_set": "summer",
         "minimum": "0.15"},
        {**OF_OWL, "rate_id": "owl_europe_1", "zone_id": "europe", "price": "0.60", "split_at_validity": "true",
         "valid_to": "2026-10-21"},
        {**OF_OWL, "rate_id": "owl_europe_2", "zone_id": "europe", "price": "1.20", "valid_from": "2026-10-21"},
        {**OF_OWL, "rate_id": "owl_anywhere", "zone_id": "anywhere", "price": "2.00", "connect_fee": "0.50"},
        {**OF_OWL, **DATA, "rate_id": "owl_games", "rating_group": "games", "price": "5.00", "block": "100000000",
         "increment": "100000000"},
        {**OF_OWL, **DATA, "rate_id": "owl_games_slice", "rating_group": "games", "price": "6.00", "slice": "fast",
         "block": "100000000", "increment": "100000000"},
        {**OF_OWL, **SMS, "rate_id": "owl_sms_tiered", "zone_id": "national", "price": "0.07"},
    ],
    "tier": [{"rate_id": "owl_sms_tiered", "counts": "line", "from_units": "100", "price": "0.03"}],
    "segment": [{"rate_id": "owl_national", "from_units": "60", "price": "0.10"}],
    "time_band": [
        {**SUMMER, "band_id": "fair", "priority": "1", "from_date": "2026-10-05", "to_date": "2026-10-06",
         "factor": "0.5", "connect_fee": "0.02"},
        {**SUMMER, "band_id": "usual", "priority": "0", "factor": "1"},
    ],
    "discount": [{**DISCOUNT, "discount_id": "moon_week", "name": "Moon week", "apply_order": "3", "percent": "20",
                  "zone_id": "moon", "plan_id": "owl", "service": "voice"}],
    "carrier_rate": [{**COST, "cost_id": "c1_moon", "carrier_id": "carrier_001", "price": "0.04", "prefix": "8789",
                      "connect_fee": "0.01"}],
}  # fmt: skip
MOON_NUMBER, EUROPE, ANYWHERE = "+878900000001", "+442000000001", "+999000000001"
# event, charge
CHARGES = [
    (event("60/1 and 20 % off", used=61, destination=MOON_NUMBER), "0.244"),  # 61 x 0.30 / 60 x 0.8
    (event("by technology", used=60, destination=MOON_NUMBER, technology="5G"), "0.9"),
    (event("a service of the zone", "sms", destination=MOON_NUMBER), "0.4"),
    (event("half price, fee of the band", used=61), "0.17"),  # (0.20 + 0.10) x 0.5 + 0.02
    (event("at least", used=60), "0.15"),  # 0.20 x 0.5 + 0.02 = 0.12
    (event("split", used=120, at=local(20, 23, 59), destination=EUROPE), "1.8"),  # 0.60 + 1.20
    (event("anywhere", used=60, destination=ANYWHERE), "2.5"),
    (event("package of a new group", "data", 1, rating_group="games"), "5"),
    (event("first tier", "sms"), "0.07"),
]


def with_rows(folder: Path) -> Path:
    """The demo's book with ROWS at the end of its files and one more rating group."""
    shutil.copytree(DEMO, folder)
    for file, lines in ROWS.items():
        path = folder / f"{file}.csv"
        with path.open(newline="") as stream:
            header = next(csv.reader(stream))
        with path.open("a", newline="") as stream:
            csv.DictWriter(stream, header, restval="", lineterminator="\n").writerows(lines)
    operator = folder / "operator.csv"
    operator.write_text(operator.read_text().replace("web video", "web video games"))
    return folder


@pytest.mark.covers("RAT-02", "RAT-41", "RAT-42")
def test_a_plan_a_zone_a_group_and_each_price_model_are_rows(spark, tmp_path):
    book = tariff.frames_of(spark, tariff.compiled(with_rows(tmp_path / "book")))
    customers = reference(
        {
            "ref_subscription": sheet.rows(spark, "ref_subscription", sheet.line(OWL, "owl", plan_id="owl")),
            "ref_account": sheet.rows(spark, "ref_account", sheet.account("owl")),
            "ref_customer_fact": sheet.rows(spark, "ref_customer_fact", sheet.fact("owl", False, date(2026, 9, 1))),
        },
        sheet.PINS["snapshot_id"],
    )
    events = [{**case, "msisdn": OWL, "carrier_id": "carrier_001"} for case, _ in CHARGES]
    usage = sheet.rows(spark, "usage_event", *events)
    found = {row["event_id"]: row for row in rate_events(usage, book, customers, rating_no=1).collect()}
    reasons = {name: row["suspense_reason"] for name, row in found.items() if row["suspense_reason"]}
    assert reasons == {}
    assert {name: row["charge"] for name, row in found.items()} == {
        case["event_id"]: Decimal(charge) for case, charge in CHARGES
    }
    moon = found["60/1 and 20 % off"]
    # 120 x 0.04 / 60 + 0.01
    assert (moon["cost_id"], moon["cost"], moon["discount_ids"]) == ("c1_moon", Decimal("0.09"), ["moon_week"])
