"""Each feature of rating on one table of events, with the arithmetic beside the expected charge."""

from __future__ import annotations

from decimal import Decimal

import pytest
from pyspark.sql import functions as F

from rating import sheet
from rating.sheet import BOTH, EURO, HELD, MOVED, NO_PLAN, STUDENT, event, local
from tollgate.rating.rate import rate_events

GB, FEE, SECOND, CHANGING, HUGE, SAT = (
    "+4420000000",
    "+4410000000",
    "+4500000000",
    "+4600000000",
    "+4700000000",
    "+8700000000",
)
OWN = "+14162000001"


def us(**other):
    return {"roaming": True, "roaming_country": "US", **other}


# event, expected (charge, charged units, pieces as text)
PRICED = {
    "RAT-26": [
        (event("1 s", used=1, destination=GB), "0.25", 60, "60 flat"),
        (event("59 s", used=59, destination=GB), "0.25", 60, "60 flat"),
        (event("60 s", used=60, destination=GB), "0.25", 60, "60 flat"),
        (event("61 s", used=61, destination=GB), "0.5", 120, "120 flat"),
        (event("119 s", used=119, destination=GB), "0.5", 120, "120 flat"),
        (event("120 s", used=120, destination=GB), "0.5", 120, "120 flat"),
    ],
    "RAT-03": [
        # 0.10 a minute; peak x 1.2, weekend and holiday x 0.9
        (event("before 8", used=60, at=local(5, 7, 59)), "0.1", 60, "60 off_peak"),
        (event("from 8", used=60, at=local(5, 8)), "0.12", 60, "60 peak"),
        # 30 s x 1 + 90 s x 1.2 = 138 s of 0.10 / 60
        (event("over 8", used=120, at=local(5, 7, 59, 30)), "0.23", 120, "30 off_peak, 90 peak"),
        # the increment is rounded up first: 61 s are 120 s, and the band cuts those: 20 x 1.2 + 100 = 124
        (event("increments first", used=61, at=local(5, 19, 59, 40)), "0.2067", 120, "20 peak, 100 off_peak"),
        # Friday to Saturday: 60 s x 1 + 120 s x 0.9 = 168 s
        (event("midnight", used=180, at=local(9, 23, 59)), "0.28", 180, "60 off_peak, 120 weekend"),
        # a holiday on a Monday is weekend all day, and ends at its midnight: 60 x 0.9 + 60 = 114
        (event("holiday", used=60, at=local(12, 10)), "0.09", 60, "60 weekend"),
        (event("end of holiday", used=120, at=local(12, 23, 59)), "0.19", 120, "60 weekend, 60 off_peak"),
        # 24 hours from Monday 12:00: 8 h peak, 12 h off, 4 h peak: 43200 x 1.2 + 43200 = 95040 s of 0.10 / 60
        (event("a whole day", used=86_400, at=local(5, 12)), "158.4", 86_400, "28800 peak, 43200 off_peak, 14400 peak"),
        # 1 November: from 00:30, three hours of real time end at 02:30 winter time
        (event("25 hour day", used=10_800, at=local(1, 0, 30, month=11)), "16.2", 10_800, "10800 weekend"),
        # from 23:30 of the 25-hour day: 1800 x 0.9 + 1800 = 3420 s
        (event("out of it", used=3_600, at=local(1, 23, 30, month=11)), "5.7", 3_600, "1800 weekend, 1800 off_peak"),
    ],
    "RAT-05": [
        (event("student", at=local(5, 7), msisdn=STUDENT, destination=GB), "0.225", 60, "60 flat"),
        (event("no longer", at=local(9, 0), msisdn=STUDENT, destination=GB), "0.25", 60, "60 flat"),
        (event("until then", at=local(8, 23, 59, 59), msisdn=STUDENT, destination=GB), "0.225", 60, "60 flat"),
    ],
    "RAT-06": [
        # customer since 9 October 2025: twelve months are full on 9 October 2026, local
        (event("day before", at=local(8, 23, 59, 59), msisdn=BOTH, destination=GB), "0.225", 60, "60 flat"),
        # 0.25 x 0.9 x 0.95 = 0.21375
        (event("on the day", at=local(9), msisdn=BOTH, destination=GB), "0.2138", 60, "60 flat"),
    ],
    "RAT-08": [
        # 0.10 + 0.05 = 0.15, at least 0.40
        (event("minimum", used=60, destination=FEE), "0.4", 60, "60 flat"),
        # 5 x 0.10 + 0.05
        (event("between", used=300, destination=FEE), "0.55", 300, "300 flat"),
        (event("maximum", used=3_600, destination=FEE), "1", 3_600, "3600 flat"),
        # discounts come after the minimum: 0.40 x 0.855
        (event("discounted minimum", at=local(9), destination=FEE, msisdn=BOTH), "0.342", 60, "60 flat"),
        # 13 x 0.007777 / 60 = 0.00168…
        (event("up", used=13, destination=SECOND), "0.01", 13, "13 flat"),
        (event("down", used=13, destination=SECOND, **us()), "0", 13, "13 flat"),
    ],
    "RAT-02": [
        (event("old price", used=600, at=local(5, 23, 59, 59), destination=CHANGING), "1", 600, "600 flat"),
        (event("new price", used=600, at=local(6), destination=CHANGING), "2", 600, "600 flat"),
    ],
    "RAT-27": [(event("roaming voice", destination=GB, **us()), "0.3", 60, "60 flat"),
               (event("roaming at home", destination=GB, roaming=True, roaming_country="CA"), "0.25", 60, "60 flat")],
    "RAT-28": [(event("sms", "sms"), "0.05", 1, "1 flat")],
    "RAT-30": [(event("mms", "mms"), "0.3", 1, "1 flat")],
    "RAT-29": [
        # 12,345,678 bytes x 0.010 / 1,000,000 = 0.12345678
        (event("data", "data", 12_345_678), "0.1235", 12_345_678, "12345678 flat"),
        (event("video", "data", 12_345_678, rating_group="video"), "0.0617", 12_345_678, "12345678 flat"),
        (event("data abroad", "data", 1_000_001, **us()), "0.05", 1_000_001, "1000001 flat"),
        (event("no bytes", "data", 0), "0", 0, ""),
        (event("a TiB", "data", 2**40), "10995.1163", 2**40, f"{2**40} flat"),
    ],
    "RAT-46": [
        # G-24: 330 s are 6 minutes of 0.04 x 1.5 where only the cost is known; G-23 by the second, 0.99 x 1.5 = 1.485
        (event("G-24", used=330, destination=SAT), "0.36", 360, "360 markup"),
        (event("G-23", used=330, destination=SAT, carrier_id="g23"), "1.49", 330, "330 markup"),
    ],
    "RAT-31": [
        (event("0 s", used=0), "0", 0, ""),
        (event("busy", used=60, call_outcome="busy"), "0", 0, ""),
        (event("dropped", used=60, call_outcome="dropped", destination=GB), "0.25", 60, "60 flat"),
        (event("outcome not given", used=60, call_outcome=None, destination=GB), "0.25", 60, "60 flat"),
        (event("outcome of a message", used=60, call_outcome="delivered", destination=GB), "0.25", 60, "60 flat"),
        (event("failed message", "sms", call_outcome="failed"), "0", 0, ""),
        (event("failed without a rate", "sms", call_outcome="failed", destination=SAT), "0", 0, ""),
        (event("emergency", used=61, destination="911"), "0", 120, "120 flat"),
    ],
}  # fmt: skip
ZERO_RATED = {"0 s", "busy", "failed message", "failed without a rate", "emergency"}

SUSPENDED = [
    (event("twice", is_id_conflict=True), "id_conflict"),
    (event("nobody", msisdn="+14165551111"), "no_subscriber"),
    (event("before its line", at=local(5, 7).replace(year=2023)), "no_subscriber"),
    (event("held line", msisdn=HELD), "suspended_line"),
    (event("no plan", msisdn=NO_PLAN), "no_plan"),
    (event("nowhere", destination="+9990000000"), "no_zone"),
    (event("not a code", destination="912"), "no_zone"),
    (event("visits nowhere", destination=GB, roaming=True, roaming_country=None), "no_zone"),
    (event("unanswered nowhere", destination="+9990000000", call_outcome="busy"), "no_zone"),
    (event("no calendar", at=local(20, 7)), "no_band"),
    (event("longer than its day", used=86_400 * 2, at=local(5, 7)), "no_band"),
    (event("no rate, no mark-up", "sms", destination=SAT), "no_rate"),
    (event("no rate, no carrier", destination=SAT, carrier_id="c9"), "no_rate"),
    (event("no rate abroad", destination=SAT, **us()), "no_rate"),
    (event("no such group", "data", 1, rating_group="games"), "no_rate"),
    (event("other currency", msisdn=EURO), "currency_mismatch"),
    (event("too much", used=86_400, destination=HUGE), "amount_overflow"),
]


def frame(spark, events):
    usage = sheet.rows(spark, "usage_event", *events)
    conflicts = [row["event_id"] for row in events if row.get("is_id_conflict")]
    return usage.withColumn("is_id_conflict", F.col("event_id").isin(conflicts))


@pytest.fixture(scope="module")
def rated(spark):
    events = [case[0] for cases in PRICED.values() for case in cases] + [case[0] for case in SUSPENDED]
    events += [event("own", destination=OWN), event("moved before", msisdn=MOVED, at=local(5, 11, 59, 59)),
               event("moved after", msisdn=MOVED, at=local(5, 12)), event("uk", used=330, destination=GB)]  # fmt: skip
    found = rate_events(frame(spark, events), sheet.small_book(spark), sheet.small_reference(spark), rating_no=5)
    rows = found.collect()
    assert len(rows) == len(events)
    return {row["event_id"]: row.asDict() for row in rows}


def pieces(row):
    return ", ".join(f"{units} {band}" for units, band in zip(row["piece_units"], row["piece_band"], strict=True))


@pytest.mark.covers(
    "RAT-01", "RAT-02", "RAT-03", "RAT-05", "RAT-06", "RAT-08", "RAT-26", "RAT-27", "RAT-28", "RAT-29", "RAT-30",
    "RAT-31", "RAT-32", "RAT-42", "RAT-47",
)  # fmt: skip
def test_every_feature_charges_what_the_sheet_says(rated):
    expected = {
        case["event_id"]: (Decimal(charge), units, text)
        for cases in PRICED.values()
        for case, charge, units, text in cases
    }
    found = {name: (rated[name]["charge"], rated[name]["charged_units"], pieces(rated[name])) for name in expected}
    assert found == expected
    assert {name for name in expected if rated[name]["retail_status"] == "zero_rated"} == ZERO_RATED
    assert {rated[name]["retail_status"] for name in expected.keys() - ZERO_RATED} == {"rated"}


@pytest.mark.covers("RAT-08")
def test_a_rated_row_recomputes_its_own_charge(rated):
    for name, row in rated.items():
        if row["retail_status"] != "rated":
            continue
        factors = zip(row["piece_units"], row["piece_factor_num"], strict=True)
        scale = row["block_units"] * row["factor_den"]
        exact = sum(units * factor for units, factor in factors) * row["unit_price_micros"]
        exact += row["connect_fee_micros"] * scale
        exact = max(exact, (row["minimum_micros"] or 0) * scale)
        exact = min(exact, row["maximum_micros"] * scale) if row["maximum_micros"] else exact
        assert (row["numerator"], row["denominator"]) == (exact * row["discount_num"], scale * row["discount_den"]), (
            name
        )
        assert sum(row["piece_units"]) == row["charged_units"], name


@pytest.mark.covers("RAT-09")
def test_what_has_no_certain_price_is_suspended_with_its_first_reason(rated):
    found = {name: (row["retail_status"], row["suspense_reason"]) for name, row in rated.items()}
    assert {case["event_id"]: found[case["event_id"]] for case, _ in SUSPENDED} == {
        case["event_id"]: ("suspended", reason) for case, reason in SUSPENDED
    }
    for case, _ in SUSPENDED:
        row = rated[case["event_id"]]
        assert (row["charge"], row["numerator"], row["rate_id"], row["piece_units"]) == (None, None, None, None)


@pytest.mark.covers("RAT-46", "RAT-50")
def test_the_carrier_is_a_second_leg(rated):
    legs = {
        name: (rated[name]["wholesale_status"], rated[name]["cost"], rated[name]["margin"])
        for name in (
            "uk",
            "own",
            "emergency",
            "busy",
            "roaming voice",
            "data",
            "no rate, no mark-up",
            "nobody",
            "mms",
            "G-24",
            "G-23",
        )
    }
    assert legs == {
        "uk": ("costed", Decimal("0.24"), Decimal("1.26")),  # 6 x 0.04 of 6 x 0.25: the country before the default
        "own": ("not_applicable", None, None),
        "emergency": ("not_applicable", None, None),
        "busy": ("not_applicable", None, None),
        "roaming voice": ("no_carrier_rate", None, None),
        "data": ("costed", Decimal("0.0123"), Decimal("0.1112")),
        "no rate, no mark-up": ("costed", Decimal("0.004"), None),
        "nobody": ("costed", Decimal("0.02"), None),
        "mms": ("no_carrier_rate", None, None),
        "G-24": ("costed", Decimal("0.24"), Decimal("0.12")),
        "G-23": ("costed", Decimal("0.99"), Decimal("0.5")),
    }
    assert (rated["own"]["call_type"], rated["uk"]["call_type"], rated["data"]["call_type"]) == (
        "on_net",
        "international",
        None,
    )


@pytest.mark.covers("RAT-04", "RAT-16")
def test_owner_and_zone_are_those_of_the_start(rated):
    places = {name: (rated[name]["zone_id"], rated[name]["roaming_zone"], rated[name]["prefix"]) for name in
              ("uk", "minimum", "emergency", "data", "roaming voice")}  # fmt: skip
    assert places == {
        "uk": ("europe", "home", "44"),
        "minimum": ("fee", "home", "441"),
        "emergency": ("emergency", "home", "911"),
        "data": ("home", "home", None),
        "roaming voice": ("europe", "us", "44"),
    }
    assert [rated[name]["subscription_id"] for name in ("moved before", "moved after")] == ["s_first", "s_second"]
    assert [rated["on the day"]["discount_ids"], rated["student"]["discount_ids"]] == [
        ["student", "loyalty"],
        ["student"],
    ]
    assert (rated["G-24"]["price_source"], rated["G-24"]["rate_id"], rated["G-24"]["tax_category"]) == (
        "markup",
        None,
        "standard",
    )
