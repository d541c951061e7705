"""Which row of a price book holds for an event, on a small one of its own, and what of a book is refused."""

from __future__ import annotations

import pytest
from oracle.by_hand import DATA, PEAK, TUESDAY_NOON, Row, book_of, data, priced
from oracle.people import call, facts, local_us
from oracle.small_book import SHEETS, sheet, write_book

from tollgate.oracle.book import PriceBook
from tollgate.oracle.pricing import price_event
from tollgate.oracle.sheet import SheetError


@pytest.mark.covers("QUA-02", "RAT-41")
def test_every_other_number_takes_the_catch_all_row_and_no_short_code_does(tmp_path):
    zones = [{}, *({"zone_id": name, "kind": "international"} for name in ("europe", "rest"))]
    every = {"prefix": "*", "match": "any", "zone_id": "rest"}
    rows = [{"prefix": 44, "zone_id": "europe", "valid_to": "2026-11-01"}, {**every, "valid_from": "2026-10-01"}]
    book = book_of(tmp_path, {"zone_id": "*"}, zone=zones, destination=rows)

    def zone(to: str, at: int = TUESDAY_NOON) -> tuple[str | None, str | None, str | None]:
        found = priced(book, call(60, at, to))
        return found.suspense_reason, found.zone_id, found.prefix

    assert zone("+442071234567") == (None, "europe", "44")
    assert zone("+442071234567", local_us(2026, 11, 1)) == (None, "rest", "*")
    assert zone("+9991234567") == (None, "rest", "*")
    assert zone("+9991234567", local_us(2026, 9, 30, 23, 59, 59)) == ("no_zone", None, None)
    assert zone("911") == ("no_zone", None, None)


@pytest.mark.covers("QUA-02", "RAT-41")
def test_direction_technology_and_slice_choose_the_row(tmp_path):
    rows = [
        {"rate_id": "any", "price": "0.01"},
        {"rate_id": "in", "direction": "in", "price": "0.02"},
        {"rate_id": "5g", "technology": "5G", "price": "0.03"},
        {"rate_id": "gold", "slice": "gold", "price": "0.04"},
        {"rate_id": "out_gold", "direction": "out", "slice": "gold", "price": "0.05"},
    ]
    book = book_of(tmp_path, *rows)

    def rate(**fields: str) -> str:
        found = priced(book, call(60, **fields)).rate
        assert found is not None
        return found.rate_id

    assert rate() == "any"
    assert rate(direction="in") == "in"
    assert rate(technology="4G") == "any"
    assert rate(technology="5G") == "5g"
    assert rate(direction="in", technology="5G") == "in"  # a literal direction before a literal technology
    assert rate(technology="5G", slice_id="gold") == "out_gold"  # no direction is out
    assert rate(direction="in", slice_id="gold") == "in"
    assert rate(slice_id="silver") == "any"


@pytest.mark.covers("QUA-02", "RAT-41")
def test_a_direction_comes_after_the_rating_group_and_data_is_out(tmp_path):
    cells = {**DATA, "block": 10**6, "increment": 1}
    rows = [{**cells, "rate_id": "group", "rating_group": "web"}, {**cells, "rate_id": "out", "direction": "out"}]
    book = book_of(tmp_path, *rows, {**cells, "rate_id": "in", "direction": "in", "slice": "x"})
    assert priced(book, data(1, direction="in")).rate.rate_id == "group"
    assert priced(book, data(1, direction="in", slice_id="x")._replace(rating_group="video")).rate.rate_id == "out"


GB: Row = {"call_type": "international", "country": "GB"}


@pytest.mark.covers("QUA-02", "RAT-41")
def test_the_longest_prefix_of_the_called_number_chooses_the_cost(tmp_path):
    rows = [
        {**GB, "cost_id": "country"},
        {**GB, "cost_id": "44", "prefix": 44},
        {"cost_id": "4420", "prefix": 4420},
        {**GB, "cost_id": "ended", "prefix": 44207, "valid_to": "2026-10-01"},
        {**GB, "cost_id": "every carrier", "carrier_id": "*", "prefix": 442071},
        {"cost_id": "other", "carrier_id": "carrier_002", "country": "GB"},
        {"cost_id": "data", "service": "data", "unit": "byte", "call_type": "*"},
        {"cost_id": "data of +1", "service": "data", "unit": "byte", "prefix": 1},
    ]
    book = book_of(tmp_path, {"zone_id": "*"}, carrier_rate=rows)

    def cost(to: str, carrier: str = "carrier_001") -> str | None:
        row = priced(book, call(60, to=to, carrier_id=carrier, destination_country="GB")).wholesale.row
        return row and row.cost_id

    assert cost("+442071234567") == "4420"  # a literal carrier before the longer prefix
    assert cost("+442071234567", "carrier_002") == "other"
    assert cost("+441611234567") == "44"
    assert cost("+4477") == "44"
    assert cost("+442") == "44"
    assert cost("+35312345678") == "country"
    row = price_event(data(1, carrier_id="carrier_001"), book, facts()).wholesale.row
    assert row is not None and row.cost_id == "data"


@pytest.mark.covers("QUA-02", "RAT-41")
def test_the_cost_has_a_first_step_and_a_fee_and_the_mark_up_takes_both(tmp_path):
    row = {**GB, "price": "0.03", "initial": 30, "increment": 6, "connect_fee": "0.011", "digits": 2}
    book = book_of(tmp_path, {}, carrier_rate=[{**row, "markup": "1.5", "markup_digits": 3}])
    found = priced(book, call(31, to="+442071234567"))
    # 36 s x 0.03 / 60 = 0.018, + 0.011 = 0.029: 0.03; x 1.5 from the exact sum = 0.0435: 0.044
    assert (found.wholesale.cost, found.price_source, found.charge) == (30_000, "markup", 44_000)
    assert (found.numerator, found.denominator) == ((36 * 30_000 + 11_000 * 60) * 3, 60 * 2)
    assert priced(book, call(0, to="+442071234567")).charge == 0


@pytest.mark.covers("QUA-02", "RAT-41")
def test_a_discount_acts_on_its_plan_service_and_zone(tmp_path):
    row = {"zone_id": "*", "discountable": "true", "price": "1"}
    message = {"rate_id": "s", "service": "sms", "unit": "message", "block": 1, "increment": 1}
    discounts = [
        {"discount_id": "promotion", "apply_order": 1, "zone_id": "europe", "percent": 50},
        {"discount_id": "voice", "apply_order": 2, "service": "voice", "fact": "student"},
        {"discount_id": "mtm", "apply_order": 3, "plan_id": "month_to_month", "percent": 20},
        {"discount_id": "alone", "apply_order": 4, "stacks": "false", "percent": 1},
    ]
    both = [{**row, "plan_id": "*"}, {**row, **message, "plan_id": "*"}]
    book = book_of(tmp_path, *both, discount=discounts)

    def kept(plan: str, to: str, student: bool = False, service: str = "voice") -> tuple[tuple[str, ...], int | None]:
        found = price_event(call(60, to=to)._replace(service=service), book, facts(plan, student=student))
        return found.discount_ids, found.charge

    assert kept("term", "+16045550100") == (("alone",), 990_000)
    assert kept("term", "+442071234567") == (("promotion",), 500_000)
    assert kept("term", "+442071234567", student=True) == (("promotion", "voice"), 450_000)
    assert kept("term", "+442071234567", student=True, service="sms") == (("promotion",), 500_000)
    assert kept("month_to_month", "+16045550100", student=True) == (("voice", "mtm"), 720_000)  # 0.9 x 0.8


@pytest.mark.covers("QUA-02", "RAT-41")
def test_what_contradicts_itself_is_refused_with_every_finding(tmp_path):
    rates = [{"rate_id": "a"}, {"rate_id": "b", "valid_from": "2026-10-01"}, {**DATA, "split_at_validity": "true"}]
    segments = [{"rate_id": "x", "from_units": 1, "price": 1}, {"rate_id": "d", "from_units": 0, "price": 1}]
    texts = {
        "rate": sheet("rate", *rates, {"rate_id": "c", "zone_id": "europe", "price": "x", "block": "-1"}),
        "segment": sheet("segment", *segments),
        "time_band": sheet("time_band", {"to_date": "2026-10-01"}, {**PEAK, "weekdays": "1234567"}),
        "carrier_rate": SHEETS["carrier_rate"].replace(",prefix,", ",begins,"),
    }
    with pytest.raises(SheetError) as refused:
        PriceBook(write_book(tmp_path, **texts))
    found = [finding.replace(f"{tmp_path}/", "") for finding in refused.value.findings]
    assert found == [
        "rate.csv line 5: 'x' is not a decimal amount",
        "rate.csv: two rows of term voice national home none * * * are valid at the same time: a, b",
        "segment.csv: d: from_units must be 1 or more, and another one in each row",
        "segment.csv: d: a rate with segments has no tiers, no split_at_validity and a price",
        "rate.csv: d: split_at_validity is for seconds, found byte",
        "segment.csv: x is no rate of rate.csv",
        "carrier_rate.csv: the column prefix is missing",
        "time_band.csv: band_set b: no band at 00:00 of 2026-10-01",
    ]
