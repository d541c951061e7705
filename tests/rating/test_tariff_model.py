"""The whole tariff model on one table of events, with the arithmetic beside the expected charge."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from jobs.explain_charge import explain_text, is_equal, readable
from rating import sheet, tariff
from rating.sheet import PLAIN, STUDENT, event, local
from tollgate.rating.rate import rate_events
from tollgate.reference.frames import reference

PROMO = "+14165550099"
NOON, NIGHT = local(5, 12), local(5, 21)


def call(name, zone, used=60, at=NOON, **other):
    """A call to a number of a zone, on Monday 5 October at noon."""
    number = other.pop("destination", f"+{tariff.ZONES.get(zone, '999')}000000")
    return event(name, other.pop("service", "voice"), used, at, destination=number, **other)


def data(name, used, group, **other):
    return event(name, "data", used, NOON, rating_group=group, **other)


# event, expected charge, charged units, pieces as "units band price"
PRICED = {
    "RAT-26": [
        (call("60/60", "s60_60", 61), "1.2", 120, "120 flat 0.6"),
        (call("60/1, less than a minute", "s60_1", 1), "0.6", 60, "60 flat 0.6"),
        (call("60/1, a minute", "s60_1", 60), "0.6", 60, "60 flat 0.6"),
        (call("60/1, a second more", "s60_1", 61), "0.61", 61, "61 flat 0.6"),
        (call("30/6, 29 s", "s30_6", 29), "0.3", 30, "30 flat 0.6"),
        (call("30/6, 31 s", "s30_6", 31), "0.36", 36, "36 flat 0.6"),
        (call("30/6, 37 s", "s30_6", 37), "0.42", 42, "42 flat 0.6"),
        (call("1/1", "s1_1", 61), "0.61", 61, "61 flat 0.6"),
    ],
    "RAT-03": [
        # the first minute costs 0.20, each further one 0.10
        (call("one minute", "first_minute", 60), "0.2", 60, "60 flat 0.2"),
        (call("a second more", "first_minute", 61), "0.3", 120, "60 flat 0.2, 60 flat 0.1"),
        # 30 s x 0.20 + 30 s x 0.20 x 1.2 + 60 s x 0.10 x 1.2 = 0.10 + 0.12 + 0.12
        (call("edge in the first minute", "banded", 120, local(5, 7, 59, 30)), "0.34", 120,
         "30 off 0.2, 30 peak 0.2, 60 peak 0.1"),
        # 60 s x 0.20 + 30 s x 0.10 + 30 s x 0.10 x 1.2 = 0.20 + 0.05 + 0.06
        (call("edge in the second minute", "banded", 120, local(5, 7, 58, 30)), "0.31", 120,
         "60 off 0.2, 30 off 0.1, 30 peak 0.1"),
        # 24 h from noon: 1 min x 0.24 + 479 x 0.12 + 720 x 0.10 + 240 x 0.12
        (call("a whole day", "banded", 86_400), "158.52", 86_400,
         "60 peak 0.2, 28740 peak 0.1, 43200 off 0.1, 14400 peak 0.1"),
        # a band with a price, a fee and a step of its own: 61 s x 0.05 / 60 + 0.03 = 0.080833
        (call("in the night", "own_terms", 61, NIGHT), "0.0808", 61, "61 night 0.05"),
        # by day the rate's own: 2 x 0.20 + 0.10
        (call("by day", "own_terms", 61), "0.5", 120, "120 day 0.2"),
        # the band at the start decides step and fee: 30 s x 0.20 + 90 s x 0.05 + 0.10 = 0.10 + 0.075 + 0.10
        (call("into the night", "own_terms", 61, local(5, 19, 59, 30)), "0.275", 120, "30 day 0.2, 90 night 0.05"),
        # the night's price holds on both sides of the first minute: 30 s x 0.20 + 150 s x 0.05
        (call("night over the first minute", "own_and_first", 180, local(5, 19, 59, 30)), "0.225", 180,
         "30 day 0.2, 150 night 0.05"),
        # and uses up places: 60 s x 0.05 + 120 s x 0.10 + 0.03
        (call("out of the night", "own_and_first", 180, local(5, 7, 59)), "0.28", 180, "60 night 0.05, 120 day 0.1"),
        # half price on 10 and 11 October
        (call("fair", "dated", 60, local(10)), "0.3", 60, "60 fair 0.6"),
        (call("into the fair", "dated", 120, local(9, 23, 59)), "0.9", 120, "60 any 0.6, 60 fair 0.6"),
        (call("out of the fair", "dated", 120, local(11, 23, 59)), "0.9", 120, "60 fair 0.6, 60 any 0.6"),
        # double in the last week of October: over the month's end 1.20 + 0.60
        (call("month end", "dated", 120, local(31, 23, 59)), "1.8", 120, "60 last_week 0.6, 60 any 0.6"),
        # half price until 3:00 of the 25-hour day; three hours from 0:30 summer time end at 2:30 winter time
        (call("clock change", "night", 10_800, local(1, 0, 30, month=11)), "54", 10_800, "10800 night 0.6"),
        # the first minute, 179 more: 0.20 + 17.90
        (call("clock change, first minute", "banded", 10_800, local(1, 0, 30, month=11)), "18.1", 10_800,
         "60 off 0.2, 10740 off 0.1"),
    ],
    "RAT-08": [
        (call("minimum", "bounded", 60), "0.25", 60, "60 flat 0.2"),
        (call("between", "bounded", 120), "0.3", 120, "60 flat 0.2, 60 flat 0.1"),
        (call("maximum", "bounded", 3_600), "1", 3_600, "60 flat 0.2, 3540 flat 0.1"),
        (call("up", "up"), "0.01", 60, "60 flat 0.005"),
        (call("down", "down"), "0", 60, "60 flat 0.005"),
        (call("half up", "half_up"), "0.01", 60, "60 flat 0.005"),
    ],
    "RAT-02": [
        # 30 s at 0.60 and, from midnight on, 90 s at 1.20 a minute
        (call("split", "split", 120, local(20, 23, 59, 30)), "2.1", 120, "30 flat 0.6, 90 flat 1.2"),
        (call("from the split on", "split", 120, local(21)), "2.4", 120, "120 flat 1.2"),
        # noon to noon: 720 x 0.60 + 720 x 1.20
        (call("split day", "split", 86_400, local(20, 12)), "1296", 86_400, "43200 flat 0.6, 43200 flat 1.2"),
        (call("not split", "no_split", 120, local(20, 23, 59, 30)), "1.2", 120, "120 flat 0.6"),
        (call("nothing follows", "ends", 120, local(20, 23, 59, 30)), "1.2", 120, "120 flat 0.6"),
        (call("the same follows", "same_price", 120, local(20, 23, 59, 30)), "1.2", 120, "120 flat 0.6"),
        # 19:59 to 0:01 the next day: 1 x 0.60 x 1.2 + 240 x 0.60 + 1 x 1.20
        (call("split beside a band", "split_banded", 14_520, local(20, 19, 59)), "145.92", 14_520,
         "60 peak 0.6, 14400 off 0.6, 60 off 1.2"),
        # the night's own price is not split: 120 s x 0.05 + 0.03
        (call("split at a band's price", "split_own", 120, local(20, 23, 59, 30)), "0.13", 120, "120 night 0.05"),
    ],
    "RAT-29": [
        (data("a byte of a package", 1, "web"), "5", 100_000_000, "100000000 flat 5"),
        (data("two packages", 100_000_001, "web"), "10", 200_000_000, "200000000 flat 5"),
        (data("a package of the slice", 1, "web", slice_id="s1"), "7", 100_000_000, "100000000 flat 7"),
        (data("another slice", 1, "web", slice_id="s2"), "5", 100_000_000, "100000000 flat 5"),
        (data("kilobytes", 1_001, "video", direction="in"), "0.002", 2_000, "2000 flat 0.001"),
        (data("of 1,024", 1_025, "games"), "0.002", 2_048, "2048 flat 0.001"),
        # 0.02 + 0.01 + 500,000 x 0.005 / 1,000,000
        (data("dear megabyte first", 2_500_000, "music"), "0.0325", 2_500_000,
         "1000000 flat 0.02, 1000000 flat 0.01, 500000 flat 0.005"),
        (data("nothing of it", 0, "music"), "0", 0, ""),
    ],
    "RAT-28": [
        (call("sms out", "s60_60", service="sms"), "0.05", 1, "1 flat 0.05"),
        (call("sms in", "s60_60", service="sms", direction="in"), "0.02", 1, "1 flat 0.02"),
    ],
    "RAT-42": [
        (call("no technology", "tech"), "0.1", 60, "60 flat 0.1"),
        (call("4G", "tech", technology="4G"), "0.1", 60, "60 flat 0.1"),
        (call("5G", "tech", technology="5G"), "0.2", 60, "60 flat 0.2"),
        (call("direction first", "tech", technology="5G", direction="in"), "0.3", 60, "60 flat 0.3"),
        (call("out", "tech", direction="out", slice_id="s2"), "0.1", 60, "60 flat 0.1"),
        (call("slice last", "tech", technology="5G", slice_id="s1"), "0.2", 60, "60 flat 0.2"),
        (call("slice", "tech", technology="4G", slice_id="s1"), "0.4", 60, "60 flat 0.4"),
    ],
    "RAT-04": [
        (call("anywhere", "other"), "1", 60, "60 flat 1"),
    ],
    "RAT-05": [
        # 10 % off in this zone; 5 % more for the plan; half of an SMS before them
        (call("zone", "disc"), "0.9", 60, "60 flat 1"),
        (call("zone and plan", "disc", msisdn=PROMO), "0.855", 60, "60 flat 1"),
        (call("service and zone", "disc", service="sms"), "0.45", 1, "1 flat 1"),
        (call("all three", "disc", service="sms", msisdn=PROMO), "0.4275", 1, "1 flat 1"),
        # the student's does not stack: alone it applies, after another it does not
        (call("alone", "student", msisdn=STUDENT), "0.7", 60, "60 flat 1"),
        (call("after another", "disc", msisdn=STUDENT), "0.9", 60, "60 flat 1"),
        (call("none", "student"), "1", 60, "60 flat 1"),
    ],
    "RAT-46": [
        # (120 s x 0.04 / 60 + 0.01) x 1.5
        (call("marked up", "marked_up", 61), "0.135", 120, "120 markup 0.04"),
    ],
}  # fmt: skip
COSTED = [
    # 36 s x 0.04 / 60 + 0.01
    (call("prefix", "s60_60", 31, destination="+2001000000"), "s60_60", "0.034"),
    (call("longest prefix", "s60_60", 60, destination="+2001557000"), "longer", "0.02"),
    (call("longer from November on", "s60_60", 60, local(1, 12, month=11), destination="+2001557000"), "late", "0.01"),
    (call("prefix before country", "s60_60", 60, destination="+2001000000", destination_country="GB"), "s60_60",
     "0.05"),
    (call("country", "s60_1", 60, destination_country="GB"), "gb", "0.07"),
    (call("carrier before prefix", "s60_1", 60, destination_country="FR"), "default", "0.08"),
    (call("the cost of the mark-up", "marked_up", 61), "marked_up", "0.09"),
]  # fmt: skip


def of_all() -> list[dict]:
    return [case[0] for cases in PRICED.values() for case in cases] + [case[0] for case in COSTED]


def customers(spark):
    lines = [sheet.line(PLAIN, "plain"), sheet.line(STUDENT, "student"), sheet.line(PROMO, "promo", plan_id="promo")]
    names = ("plain", "student", "promo")
    facts = [sheet.fact(name, name == "student", date(2026, 9, 30)) for name in names]
    frames = {
        "ref_subscription": sheet.rows(spark, "ref_subscription", *lines),
        "ref_account": sheet.rows(spark, "ref_account", *(sheet.account(name) for name in names)),
        "ref_customer_fact": sheet.rows(spark, "ref_customer_fact", *facts),
    }
    return reference(frames, sheet.PINS["snapshot_id"])


def pieces(row) -> str:
    prices = (f"{Decimal(price).scaleb(-6).normalize():f}" for price in row["piece_price_micros"])
    parts = zip(row["piece_units"], row["piece_band"], prices, strict=True)
    return ", ".join(f"{units} {band} {price}" for units, band, price in parts)


@pytest.fixture(scope="module")
def book(spark, tmp_path_factory):
    folder = tariff.written(tmp_path_factory.mktemp("tariff") / "model", tariff.MODEL)
    return tariff.frames_of(spark, tariff.compiled(folder))


@pytest.fixture(scope="module")
def rated(spark, book):
    rows = readable(
        rate_events(sheet.rows(spark, "usage_event", *of_all()), book, customers(spark), rating_no=5)
    ).collect()
    assert len(rows) == len(of_all())
    return {row["event_id"]: row.asDict() for row in rows}


@pytest.mark.covers(
    "RAT-01", "RAT-02", "RAT-03", "RAT-04", "RAT-05", "RAT-08", "RAT-26", "RAT-28", "RAT-29", "RAT-42", "RAT-46"
)
def test_every_feature_charges_what_the_sheet_says(rated):
    cases = [case for of_id in PRICED.values() for case in of_id]
    expected = {case["event_id"]: (Decimal(charge), units, text) for case, charge, units, text in cases}
    found = {name: (rated[name]["charge"], rated[name]["charged_units"], pieces(rated[name])) for name in expected}
    assert found == expected


@pytest.mark.covers("RAT-46", "RAT-50")
def test_costs_follow_carrier_prefix_country(rated):
    expected = {case["event_id"]: (cost_id, Decimal(cost)) for case, cost_id, cost in COSTED}
    assert {name: (rated[name]["cost_id"], rated[name]["cost"]) for name in expected} == expected
    marked_up = rated["marked up"]
    assert (marked_up["price_source"], marked_up["connect_fee_micros"], marked_up["margin"]) == (
        "markup", 10_000, Decimal("0.045")
    )  # fmt: skip


@pytest.mark.covers("RAT-08")
def test_each_row_explains_and_recomputes_itself(rated):
    not_equal = [name for name, row in rated.items() if not is_equal(row)]
    assert not_equal == []
    assert {"pieces do not sum up": [n for n, r in rated.items() if sum(r["piece_units"]) != r["charged_units"]]} == {
        "pieces do not sum up": []
    }
    assert "units      120 s charged = 30 s off x 1 at 0.20 + 30 s peak x 1.2 at 0.20 + 60 s peak x 1.2 at 0.10\n" in (
        explain_text(rated["edge in the first minute"])
    )
    assert "in steps of 60 s, then 1 s (rate s60_1)\n" in explain_text(rated["60/1, a second more"])


def test_the_row_keeps_what_held_at_the_start(rated):
    kept = ("initial_units", "increment_units", "connect_fee_micros", "direction", "slice_id", "prefix", "technology")
    assert {name: tuple(rated[name][column] for column in kept) for name in
            ("30/6, 31 s", "in the night", "into the night", "anywhere", "direction first", "slice")} == {
        "30/6, 31 s": (30, 6, 0, None, None, "2003", None),
        "in the night": (1, 1, 30_000, None, None, "2007", None),
        "into the night": (60, 60, 100_000, None, None, "2007", None),
        "anywhere": (60, 60, 0, None, None, "*", None),
        "direction first": (60, 60, 0, "in", None, "2011", "5G"),
        "slice": (60, 60, 0, None, "s1", "2011", "4G"),
    }  # fmt: skip


def test_a_short_code_never_takes_the_catch_all(spark, book):
    usage = sheet.rows(spark, "usage_event", call("code", "other", destination="912"))
    (row,) = rate_events(usage, book, customers(spark), rating_no=1).collect()
    assert (row["retail_status"], row["suspense_reason"]) == ("suspended", "no_zone")


@pytest.mark.covers("RAT-01")
def test_both_types_give_the_same_amounts(spark, book, rated):
    # The largest event that could come needs the wide type; those of the sheet are small.
    assert book.amount_type == "DECIMAL(38,0)"
    narrow = replace(book, amount_type="BIGINT")
    rows = rate_events(sheet.rows(spark, "usage_event", *of_all()), narrow, customers(spark), rating_no=5).collect()
    exact = ("charge", "numerator", "denominator", "cost", "cost_numerator")
    assert {row["event_id"]: [row[name] for name in exact] for row in rows} == {
        name: [row[column] for column in exact] for name, row in rated.items()
    }
