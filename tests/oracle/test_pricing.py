"""Prices of the demo's book, worked by hand."""

from __future__ import annotations

from datetime import date

import pytest
from oracle.people import DEMO_BOOK, NUMBER, account, call, charge_of, facts, local_us
from oracle.small_book import sheet, write_book

from tollgate.oracle.amounts import round_micros
from tollgate.oracle.book import PriceBook
from tollgate.oracle.pricing import price_event
from tollgate.oracle.quote import quote
from tollgate.oracle.rows import Usage
from tollgate.oracle.sheet import SheetError


@pytest.fixture(scope="module")
def book() -> PriceBook:
    return PriceBook(DEMO_BOOK)


def pieces(book: PriceBook, seconds: int, at: int) -> list[tuple[int, str]]:
    priced = price_event(call(seconds, at), book, facts())
    return [(piece.units, piece.band_id) for piece in priced.pieces]


@pytest.mark.covers("QUA-02")
def test_halves_go_away_from_zero_and_modes_differ():
    # 0.00005 is 50 millionths: exactly half of the fourth digit
    cases = [
        (50, 1, 100, 100, 0),
        (49, 1, 0, 100, 0),
        (150, 1, 200, 200, 100),
        (-50, 1, -100, -100, 0),
        (299, 2, 100, 200, 100),
    ]
    for numerator, denominator, half_up, up, down in cases:
        found = [round_micros(numerator, denominator, 4, mode) for mode in ("half_up", "up", "down")]
        assert found == [half_up, up, down], (numerator, denominator)


@pytest.mark.covers("QUA-02")
@pytest.mark.parametrize(
    ("seconds", "at", "expected"),
    [
        (60, local_us(2026, 10, 6, 19, 59), [(60, "peak")]),
        (61, local_us(2026, 10, 6, 19, 59), [(60, "peak"), (60, "off_peak")]),
        (90, local_us(2026, 10, 6, 7, 59, 30), [(30, "off_peak"), (90, "peak")]),
        # midnight from Friday to Saturday, and from Sunday to a holiday Monday
        (600, local_us(2026, 10, 9, 23, 55), [(300, "off_peak"), (300, "weekend")]),
        (600, local_us(2026, 10, 11, 23, 55), [(300, "weekend"), (300, "holiday")]),
        # all of the holiday is holiday, at noon too; the Tuesday after begins off peak
        (60, local_us(2026, 10, 12, 12), [(60, "holiday")]),
        (600, local_us(2026, 10, 12, 23, 55), [(300, "holiday"), (300, "off_peak")]),
        # Sunday 2026-11-01 has 25 hours, Sunday 2026-03-08 has 23
        (86_400, local_us(2026, 11, 1, 0), [(86_400, "weekend")]),
        (86_400, local_us(2026, 11, 1, 1, 30, fold=0), [(84_600, "weekend"), (1_800, "off_peak")]),
        (86_400, local_us(2026, 3, 8, 0), [(82_800, "weekend"), (3_600, "off_peak")]),
        # 24 hours from Tuesday 20:00
        (86_400, local_us(2026, 10, 6, 20), [(43_200, "off_peak"), (43_200, "peak")]),
        # a fraction of a second does not move a call into another second
        (60, local_us(2026, 10, 6, 19, 59, 30) + 999_999, [(30, "peak"), (30, "off_peak")]),
    ],
)
def test_a_call_is_cut_where_its_band_changes(book, seconds, at, expected):
    assert pieces(book, seconds, at) == expected


@pytest.mark.covers("QUA-02")
def test_both_passes_of_the_repeated_hour_are_banded_by_their_wall_time(tmp_path):
    half = {"band_id": "half", "priority": 1, "from": "01:30", "to": "02:00", "factor": 2}
    bands = sheet("time_band", {"band_id": "rest"}, half)
    book = PriceBook(write_book(tmp_path, time_band=bands, rate=sheet("rate", {"band_set": "b"})))
    found = pieces(book, 10_800, local_us(2026, 11, 1, 1, 0, fold=0))
    assert found == [(1800, "rest"), (1800, "half"), (1800, "rest"), (1800, "half"), (3600, "rest")]


@pytest.mark.covers("QUA-02")
def test_worked_numbers_of_the_price_book(book):
    tuesday, sunday = local_us(2026, 10, 6, 14, 3), local_us(2026, 10, 4, 14)
    student = facts("month_to_month", student=True, customer_since=date(2023, 9, 1))
    satellite = call(61, sunday, "+88161234567", destination_country="001")
    assert charge_of(call(317, tuesday), book, facts()) == ("rated", 720_000)
    assert charge_of(call(317, local_us(2026, 12, 25, 14)), book, facts()) == ("rated", 540_000)
    assert charge_of(call(120, local_us(2026, 10, 6, 7, 59, 30)), book, facts()) == ("rated", 230_000)
    assert charge_of(call(61, sunday, "+442071234567"), book, student) == ("rated", 384_800)
    assert charge_of(satellite, book, facts()) == ("rated", 240_000)
    assert charge_of(satellite._replace(service="sms"), book, facts()) == ("no_rate", None)
    assert charge_of(call(10_800, local_us(2026, 11, 1, 0, 30)), book, facts()) == ("rated", 16_200_000)
    data = Usage(
        "s", "e", "data", sunday, NUMBER, volume_bytes=12_345_678, rating_group="web", carrier_id="carrier_001"
    )
    assert charge_of(data, book, facts()) == ("rated", 123_500)
    assert charge_of(data._replace(rating_group="video"), book, facts()) == ("rated", 61_700)
    assert charge_of(data._replace(rating_group="games"), book, facts()) == ("no_rate", None)
    assert price_event(call(330, to="+442071234567"), book, facts()).wholesale.cost == 240_000


@pytest.mark.covers("QUA-02")
def test_a_rate_ends_at_local_midnight_and_the_next_begins(book):
    last, first = local_us(2026, 10, 31, 23, 59, 59), local_us(2026, 11, 1, 0)
    message = Usage("s", "e", "sms", last, NUMBER, "+442071234567", "GB", roaming=True, roaming_country="FR")
    assert charge_of(message, book, facts("prepaid")) == ("rated", 360_000)
    assert charge_of(message._replace(started_at=last + 999_999), book, facts("prepaid")) == ("rated", 360_000)
    assert charge_of(message._replace(started_at=first), book, facts("prepaid")) == ("rated", 300_000)


@pytest.mark.covers("QUA-02")
def test_loyalty_counts_full_months_to_the_local_date_and_clips_to_the_month(book):
    peak_minute = 120_000
    for since, at, is_loyal in [
        (date(2025, 10, 6), local_us(2026, 10, 6, 12), True),
        (date(2025, 10, 7), local_us(2026, 10, 6, 12), False),
        (date(2024, 2, 29), local_us(2025, 2, 27, 12), False),
        (date(2024, 2, 29), local_us(2025, 2, 28, 12), True),
        (date(2027, 2, 28), local_us(2028, 2, 28, 12), True),
    ]:
        found = charge_of(call(60, at), book, facts(customer_since=since))
        assert found == ("rated", peak_minute * 95 // 100 if is_loyal else peak_minute), (since, at)
    # 23:59 in Toronto is still the day before
    eve = local_us(2026, 10, 5, 23, 59)
    assert charge_of(call(60, eve), book, facts(customer_since=date(2025, 10, 6))) == ("rated", 100_000)


@pytest.mark.covers("QUA-02")
def test_the_first_reason_of_suspense_wins(book):
    nobody = call(60)._replace(msisdn="+14165550199")
    unknown_zone = call(60, to="+9991234567")
    late = local_us(2032, 1, 1)
    cases = [
        (price_event(nobody, book, facts(), is_id_conflict=True), "id_conflict"),
        (price_event(nobody, book, facts()), "no_subscriber"),
        (price_event(unknown_zone, book, facts(None, "suspended")), "suspended_line"),
        (price_event(unknown_zone, book, facts(None)), "no_plan"),
        (price_event(call(60, to="+442071234567"), book, facts("gold")), "no_plan"),
        (price_event(unknown_zone, book, facts()), "no_zone"),
        (price_event(call(60, roaming=True), book, facts()), "no_zone"),
        (price_event(call(60, roaming=True, roaming_country="ZZ"), book, facts()), "no_zone"),
        (price_event(call(60, late), book, facts(of=account("EUR"))), "no_band"),
        (price_event(call(60, to="+88161234567", carrier_id=None), book, facts(of=account("EUR"))), "no_rate"),
        (price_event(call(60), book, facts(of=account("EUR"))), "currency_mismatch"),
    ]
    assert [priced.suspense_reason for priced, _ in cases] == [reason for _, reason in cases]
    assert {priced.charge for priced, _ in cases} == {None}
    # The owner of the id has the cost too; any other reason leaves it.
    twice = price_event(call(60), book, facts(), is_id_conflict=True)
    assert (twice.wholesale.status, cases[-1][0].wholesale.status) == ("not_applicable", "costed")


@pytest.mark.covers("QUA-02")
def test_nothing_took_place_or_the_row_says_so_is_zero_rated(book):
    message = Usage("s", "e", "sms", local_us(2026, 10, 6, 12), NUMBER, "+16045550100", "CA", call_outcome="failed")
    for usage in (
        call(0),
        call(30, call_outcome="busy"),
        message,
        call(61, to="911"),
        call(61, to="911", roaming=True, roaming_country="DE"),
        call(61, to="+18005550100"),
        call(61, to="311"),
    ):
        assert charge_of(usage, book, facts()) == ("zero_rated", 0), usage
    # what did not take place needs no price, but an owner and a zone
    assert charge_of(call(0, local_us(2032, 1, 1)), book, facts()) == ("zero_rated", 0)
    assert charge_of(message._replace(destination="+88161234567"), book, facts()) == ("zero_rated", 0)
    assert charge_of(call(0, to="+9991234567"), book, facts()) == ("no_zone", None)
    assert price_event(call(30, call_outcome="busy"), book, facts()).wholesale.status == "not_applicable"
    assert charge_of(call(60, call_outcome=None), book, facts()) == ("rated", 120_000)
    # `delivered` is no outcome of a call, and says nothing against it.
    for outcome in ("dropped", "delivered"):
        assert charge_of(call(60, call_outcome=outcome), book, facts()) == ("rated", 120_000)


@pytest.mark.covers("QUA-02")
def test_connect_fee_minimum_and_maximum_come_before_discounts(tmp_path):
    row = {"connect_fee": "0.05", "minimum": "0.20", "maximum": "0.50", "discountable": "true"}
    loyalty = {"discount_id": "loyalty", "apply_order": 2, "fact": "tenure_months", "threshold": 12, "percent": 5}
    discounts = sheet("discount", {"discount_id": "student", "fact": "student"}, loyalty)
    book = PriceBook(write_book(tmp_path, rate=sheet("rate", row), discount=discounts))
    assert charge_of(call(60), book, facts()) == ("rated", 200_000)
    assert charge_of(call(120), book, facts()) == ("rated", 250_000)
    assert charge_of(call(3600), book, facts()) == ("rated", 500_000)
    assert charge_of(call(0), book, facts()) == ("zero_rated", 0)
    loyal_student = facts(student=True, customer_since=date(2020, 1, 1))
    assert charge_of(call(60), book, loyal_student) == ("rated", 171_000)
    assert charge_of(call(120), book, loyal_student) == ("rated", 213_800)  # 0.21375


@pytest.mark.covers("QUA-02")
def test_call_types_and_the_statuses_of_the_wholesale_leg(book):
    def leg(usage: Usage) -> tuple[str | None, str, int | None]:
        priced = price_event(usage, book, facts())
        return priced.call_type, priced.wholesale.status, priced.wholesale.cost

    assert leg(call(60, to="+14162000009")) == ("on_net", "not_applicable", None)
    assert leg(call(60, to="+14165550100")) == ("local", "costed", 10_000)
    assert leg(call(61)) == ("national", "costed", 40_000)
    assert leg(call(61, to="+442071234567", carrier_id="carrier_002")) == ("international", "costed", 76_000)
    assert leg(call(61, to="+3531234567", destination_country="IE")) == ("international", "costed", 96_000)
    assert leg(call(61, to="+9991234567", destination_country=None)) == (None, "no_carrier_rate", None)
    assert leg(call(61, to="+18005550100")) == ("national", "not_applicable", None)
    assert leg(call(61, to="911")) == (None, "not_applicable", None)
    assert leg(call(61, carrier_id="carrier_009")) == ("national", "no_carrier_rate", None)
    assert leg(call(61, roaming=True, roaming_country="US")) == (None, "no_carrier_rate", None)


def test_a_quote_says_how_the_charge_came_about(book):
    found = quote(book, "term", call(61, local_us(2026, 10, 6, 19, 59)))
    assert found.priced.charge == 220_000
    assert [f"{step.name}: {step.text}" for step in found.steps] == [
        "zone: national, by the prefix 1604",
        "row: voice_national_term, for term voice national home none * * *",
        "price: 0.10 CAD for 60 s",
        "units: 61 s are charged as 60 + 1 × 60 = 120",
        "piece: peak: 60 × 0.10 ÷ 60 × 1.2 = 0.12",
        "piece: off_peak: 60 × 0.10 ÷ 60 × 1 = 0.10",
        "sum: 0.12 + 0.10 = 0.22",
        "rounding: 0.22, half up to 4 digits",
        "charge: 0.2200 CAD",
        "cost: c1_voice_national, 61 s are charged as 60 + 1 × 60 = 120",
        ": 120 × 0.02 ÷ 60 = 0.04, half up to 4 digits: 0.0400 CAD",
        "margin: 0.18 CAD",
    ]
    with pytest.raises(ValueError, match="expected one of month_to_month, prepaid, term, found gold"):
        quote(book, "gold", call(61))


def test_a_bad_cell_is_named_with_file_and_line(tmp_path):
    bad = write_book(
        tmp_path,
        tax=sheet("tax", {"percent": "x"}),
    )
    with pytest.raises(SheetError, match=r"tax\.csv line 2"):
        PriceBook(bad)


@pytest.mark.covers("QUA-09")
def test_the_sample_call_costs_five_minutes_to_great_britain_and_waits_for_a_subscriber(book):
    sample = call(300, to="+442071234567")._replace(event_id="test_001", msisdn="+14155551234")
    priced = price_event(sample, book, facts())
    assert (priced.retail_status, priced.suspense_reason, priced.charge) == ("suspended", "no_subscriber", None)
    assert (priced.wholesale.status, priced.wholesale.cost, priced.call_type) == ("costed", 200_000, "international")
