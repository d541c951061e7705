"""Prices that the demo operator states by zone and service, worked by hand."""

from __future__ import annotations

from datetime import date

import pytest
from oracle.people import DEMO_BOOK, NUMBER, call, charge_of, facts, local_us

from tollgate.oracle.book import PriceBook
from tollgate.oracle.pricing import price_event
from tollgate.oracle.rows import Usage


@pytest.fixture(scope="module")
def book() -> PriceBook:
    return PriceBook(DEMO_BOOK)


@pytest.mark.covers("RAT-03", "RAT-05", "RAT-06")
@pytest.mark.parametrize("plan", ["term", "month_to_month", "prepaid"])
def test_premium_numbers_cost_what_international_ones_do_by_band_and_discount(book, plan):
    # 61 s are two minutes of 2.00: peak × 1.2, over 20:00 one minute of each, weekend and holiday × 0.9
    tuesday = local_us(2026, 10, 6, 14)
    for at, charge in [
        (tuesday, 4_800_000),
        (local_us(2026, 10, 6, 19, 59), 4_400_000),
        (local_us(2026, 10, 6, 22), 4_000_000),
        (local_us(2026, 10, 4, 14), 3_600_000),
        (local_us(2026, 10, 12, 14), 3_600_000),
    ]:
        assert charge_of(call(61, at, "+19005550100"), book, facts(plan)) == ("rated", charge)
    # 4.80 × 0.9 × 0.95 = 4.104; messages have no discount
    student = facts(plan, student=True, customer_since=date(2023, 9, 1))
    assert charge_of(call(61, tuesday, "+19005550100"), book, student) == ("rated", 4_104_000)
    message = Usage("s", "e", "sms", tuesday, NUMBER, "+19005550100", "US")
    assert charge_of(message, book, student) == ("rated", 250_000)


@pytest.mark.covers("RAT-28", "RAT-30")
@pytest.mark.parametrize(("plan", "mms"), [("term", 300_000), ("month_to_month", 300_000), ("prepaid", 400_000)])
def test_what_is_free_to_call_is_free_to_write_to(book, plan, mms):
    for service in ("sms", "mms"):
        for number in ("+18005550100", "311", "911"):
            message = Usage("s", "e", service, local_us(2026, 10, 6, 14), NUMBER, number)
            priced = price_event(message, book, facts(plan))
            assert (priced.retail_status, priced.charge) == ("zero_rated", 0), (service, number)
            assert priced.wholesale.status == "not_applicable"
    paid = Usage("s", "e", "mms", local_us(2026, 10, 6, 14), NUMBER, "+16045550100", "CA")
    assert charge_of(paid, book, facts(plan)) == ("rated", mms)


@pytest.mark.covers("RAT-04")
def test_numbers_of_canada_without_an_area_are_national(book):
    for number in ("+16005550100", "+16225550100", "+16335550100"):
        priced = price_event(call(317, local_us(2026, 10, 6, 14), number), book, facts())
        # 360 s of 0.10 at peak; the carrier's national 0.02
        found = (priced.zone_id, priced.call_type, priced.charge, priced.wholesale.cost)
        assert found == ("national", "national", 720_000, 120_000)


@pytest.mark.covers("RAT-03")
def test_canada_day_on_a_sunday_is_monday(book):
    # 360 s of 0.10: × 0.9 on Monday 2 July 2029, × 1.2 on the Tuesday
    new = facts(customer_since=date(2029, 6, 1))
    assert charge_of(call(317, local_us(2029, 7, 2, 14)), book, new) == ("rated", 540_000)
    assert charge_of(call(317, local_us(2029, 7, 3, 14)), book, new) == ("rated", 720_000)
