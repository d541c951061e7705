"""Every part of the tariff model on a small price book of its own, worked by hand; amounts in millionths."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from oracle.people import NUMBER, call, charge_of, facts, local_us
from oracle.small_book import SHEETS, sheet, write_book

from tollgate.oracle.billing import net_charge
from tollgate.oracle.book import PriceBook
from tollgate.oracle.pricing import Priced, price_event
from tollgate.oracle.rows import Usage
from tollgate.oracle.sheet import SheetError

TUESDAY_NOON = local_us(2026, 10, 6, 12)
PEAK = {"band_id": "peak", "priority": 1, "weekdays": "12345", "from": "08:00", "to": "20:00", "factor": "1.2"}
Row = dict[str, Any]


def book_of(folder: Path, *rates: Row, **sheets: list[Row]) -> PriceBook:
    """The small book with these rates, and rows of other sheets in the place of theirs."""
    texts = {name: sheet(name, *rows) for name, rows in sheets.items()}
    return PriceBook(write_book(folder, rate=sheet("rate", *rates), **texts))


def priced(book: PriceBook, usage: Usage) -> Priced:
    return price_event(usage, book, facts())


def pieces(book: PriceBook, usage: Usage) -> list[tuple[int, str, int]]:
    return [(piece.units, piece.band_id, piece.price) for piece in priced(book, usage).pieces]


def data(volume: int, **fields: Any) -> Usage:
    return Usage("s", "e", "data", TUESDAY_NOON, NUMBER, volume_bytes=volume, rating_group="web", **fields)


DATA: Row = {"rate_id": "d", "service": "data", "zone_id": "home", "rating_group": "*", "unit": "byte"}


@pytest.mark.parametrize(
    ("initial", "increment", "units"),
    [
        ("", 60, {0: 0, 1: 60, 60: 60, 61: 120, 317: 360}),  # 60/60
        (60, 1, {0: 0, 1: 60, 60: 60, 61: 61, 317: 317}),
        (30, 6, {0: 0, 1: 30, 29: 30, 30: 30, 31: 36, 36: 36, 37: 42, 86_400: 86_400}),
        (1, 1, {0: 0, 1: 1, 59: 59, 86_400: 86_400}),
    ],
)
def test_the_first_step_may_be_longer_than_the_others(tmp_path, initial, increment, units):
    book = book_of(tmp_path, {"initial": initial, "increment": increment, "price": "0.06"})
    found = {seconds: priced(book, call(seconds)) for seconds in units}
    assert {seconds: one.charged_units for seconds, one in found.items()} == units
    # 0.06 a minute is 1,000 millionths a second
    assert {seconds: one.charge for seconds, one in found.items()} == {
        seconds: count * 1_000 for seconds, count in units.items()
    }


def test_whole_packages_and_started_kilobytes(tmp_path):
    packages = book_of(tmp_path / "p", {**DATA, "price": "5.00", "block": 10**8, "increment": 10**8})
    # 5.00 per started 100 MB
    volumes = {0: 0, 1: 1, 10**8: 1, 10**8 + 1: 2, 250_000_000: 3}
    assert {volume: priced(packages, data(volume)).charge for volume in volumes} == {
        volume: count * 5_000_000 for volume, count in volumes.items()
    }
    kilobytes = book_of(tmp_path / "k", {**DATA, "price": "0.0002", "block": 1_000, "increment": 1_000})
    assert priced(kilobytes, data(2_001)).charge == 600  # 3 started KB x 0.0002
    binary = book_of(tmp_path / "b", {**DATA, "price": "0.0002", "block": 1_024, "increment": 1_024})
    assert priced(binary, data(2_001)).charge == 400  # 2 started KB of 1,024


SEGMENTS: list[Row] = [{"from_units": 300, "price": "0.05"}, {"from_units": 60, "price": "0.10"}]


def test_the_first_minute_costs_another_price_than_the_next(tmp_path):
    book = book_of(tmp_path, {"price": "0.20"}, segment=SEGMENTS)
    assert charge_of(call(1), book, facts()) == ("rated", 200_000)
    assert charge_of(call(60), book, facts()) == ("rated", 200_000)
    assert charge_of(call(61), book, facts()) == ("rated", 300_000)
    # 1 minute at 0.20, 4 at 0.10, 1 at 0.05
    assert charge_of(call(301), book, facts()) == ("rated", 650_000)
    assert pieces(book, call(301)) == [(60, "flat", 200_000), (240, "flat", 100_000), (60, "flat", 50_000)]


def test_segments_and_bands_cut_one_call(tmp_path):
    book = book_of(tmp_path, {"price": "0.20", "band_set": "b"}, segment=SEGMENTS, time_band=[{}, PEAK])
    usage = call(120, local_us(2026, 10, 6, 19, 59, 30))
    # 30 s at 0.20 x 1.2, 30 s at 0.20, 60 s at 0.10: 0.12 + 0.10 + 0.10
    assert pieces(book, usage) == [(30, "peak", 200_000), (30, "all", 200_000), (60, "all", 100_000)]
    assert priced(book, usage).charge == 320_000


def test_what_free_units_leave_keeps_its_place_in_the_call(tmp_path):
    row = {"price": "0.20", "connect_fee": "0.05", "minimum": "0.12", "discountable": "true"}
    book = book_of(tmp_path, row, segment=SEGMENTS, discount=[{}])
    found = priced(book, call(300))
    # (0.20 + 4 x 0.10 + 0.05) x 0.9
    assert found.charge == 585_000
    # freed: the 60 s at 0.20 and 30 s of the next; 210 s at 0.10 = 0.35, x 0.9
    assert net_charge(found, 90)[2] == 315_000
    # 60 s at 0.10 are raised to the minimum, 0.12, x 0.9
    assert net_charge(found, 240)[2] == 108_000
    assert net_charge(found, 300) == (0, 1, 0)


def test_segments_count_bytes_and_messages_too(tmp_path):
    mega = {**DATA, "price": "0.02", "block": 10**6, "increment": 1}
    segment = {"rate_id": "d", "from_units": 10**6, "price": "0.01"}
    book = book_of(tmp_path / "d", mega, segment=[segment])
    assert priced(book, data(1_500_000)).charge == 25_000  # 0.02 + 0.5 x 0.01
    assert priced(book, data(0)).pieces == ()
    message = {"rate_id": "s", "service": "sms", "unit": "message", "block": 1, "increment": 3}
    book = book_of(tmp_path / "s", message, segment=[{"rate_id": "s", "from_units": 1, "price": "0.01"}])
    # one message is rounded up to 3: 0.10 + 2 x 0.01
    assert priced(book, call(0)._replace(service="sms")).charge == 120_000


def test_a_band_has_its_own_price_fee_and_steps(tmp_path):
    night = {"band_id": "night", "priority": 1, "from": "00:00", "to": "06:00", "price": "0.03", "connect_fee": "0.01"}
    night |= {"initial": 30, "increment": 6}
    row = {"price": "0.12", "connect_fee": "0.02", "band_set": "b"}
    book = book_of(tmp_path, row, time_band=[{}, night])
    # from 05:59:40, 41 s: the night's steps give 42 s; 20 s at 0.03, 22 s at 0.12, fee of the night 0.01
    usage = call(41, local_us(2026, 10, 6, 5, 59, 40))
    found = priced(book, usage)
    assert pieces(book, usage) == [(20, "night", 30_000), (22, "all", 120_000)]
    assert (found.charged_units, found.charge) == (42, 10_000 + 10_000 + 44_000)
    assert found.rate is not None
    assert (found.rate.initial, found.rate.increment, found.rate.connect_fee) == (30, 6, 10_000)
    # from 23:59:50, 41 s: the day's steps give 60 s; 10 s at 0.12, 50 s at 0.03, fee of the day 0.02
    assert priced(book, call(41, local_us(2026, 10, 6, 23, 59, 50))).charge == 20_000 + 20_000 + 25_000


def test_a_band_of_dates_and_a_price_that_a_factor_multiplies(tmp_path):
    week = {"band_id": "week", "priority": 1, "from_date": "2026-12-24", "to_date": "2027-01-01", "factor": "0.5"}
    book = book_of(tmp_path, {"band_set": "b"}, time_band=[{}, {**week, "price": "0.01"}])
    for at, charge in [
        (local_us(2026, 12, 23, 23, 59), 100_000 + 5_000),
        (local_us(2026, 12, 24, 0), 10_000),
        (local_us(2026, 12, 31, 23, 59), 5_000 + 100_000),
        (local_us(2027, 1, 1, 0), 200_000),
    ]:
        assert priced(book, call(120, at)).charge == charge, at


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


def test_a_direction_comes_after_the_rating_group_and_data_is_out(tmp_path):
    cells = {**DATA, "block": 10**6, "increment": 1}
    rows = [{**cells, "rate_id": "group", "rating_group": "web"}, {**cells, "rate_id": "out", "direction": "out"}]
    book = book_of(tmp_path, *rows, {**cells, "rate_id": "in", "direction": "in", "slice": "x"})
    assert priced(book, data(1, direction="in")).rate.rate_id == "group"
    assert priced(book, data(1, direction="in", slice_id="x")._replace(rating_group="video")).rate.rate_id == "out"


GB: Row = {"call_type": "international", "country": "GB"}


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


def test_the_cost_has_a_first_step_and_a_fee_and_the_mark_up_takes_both(tmp_path):
    row = {**GB, "price": "0.03", "initial": 30, "increment": 6, "connect_fee": "0.011", "digits": 2}
    book = book_of(tmp_path, {}, carrier_rate=[{**row, "markup": "1.5", "markup_digits": 3}])
    found = priced(book, call(31, to="+442071234567"))
    # 36 s x 0.03 / 60 = 0.018, + 0.011 = 0.029: 0.03; x 1.5 from the exact sum = 0.0435: 0.044
    assert (found.wholesale.cost, found.price_source, found.charge) == (30_000, "markup", 44_000)
    assert (found.numerator, found.denominator) == ((36 * 30_000 + 11_000 * 60) * 3, 60 * 2)
    assert priced(book, call(0, to="+442071234567")).charge == 0


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


SPLIT: Row = {"rate_id": "old", "price": "0.06", "split_at_validity": "true", "valid_to": "2026-11-01"}


def test_a_call_over_the_end_of_a_row_is_split_where_the_row_says_so(tmp_path):
    midnight = local_us(2026, 11, 1)
    new = {"rate_id": "new", "price": "0.12", "valid_from": "2026-11-01"}
    book = book_of(tmp_path / "split", SPLIT, new)
    before = call(61, midnight - 30_000_000)
    # 120 s: 30 s at 0.06 and 90 s at 0.12
    assert pieces(book, before) == [(30, "flat", 60_000), (90, "flat", 120_000)]
    found = priced(book, before)
    assert found.rate is not None and (found.rate.rate_id, found.charge) == ("old", 30_000 + 180_000)
    assert pieces(book, call(60, midnight - 60_000_000)) == [(60, "flat", 60_000)]
    assert pieces(book, call(60, midnight - 1)) == [(1, "flat", 60_000), (59, "flat", 120_000)]
    assert pieces(book, call(60, midnight)) == [(60, "flat", 120_000)]
    whole = book_of(tmp_path / "whole", {**SPLIT, "split_at_validity": "false"}, new)
    assert pieces(whole, before) == [(120, "flat", 60_000)]
    alone = book_of(tmp_path / "alone", SPLIT)
    assert pieces(alone, before) == [(120, "flat", 60_000)]


def test_the_row_below_follows_and_a_more_special_row_that_begins_ends_no_row(tmp_path):
    general = {"rate_id": "general", "plan_id": "*", "price": "0.12"}
    book = book_of(tmp_path / "below", SPLIT, general)
    before = call(60, local_us(2026, 10, 31, 23, 59, 30))
    assert pieces(book, before) == [(30, "flat", 60_000), (30, "flat", 120_000)]
    special = {"rate_id": "special", "valid_from": "2026-11-01", "valid_to": "2026-12-01"}
    book = book_of(tmp_path / "above", {**general, "split_at_validity": "true"}, special)
    assert pieces(book, before) == [(60, "flat", 120_000)]
    both_end = {**general, "split_at_validity": "true", "valid_to": "2026-11-01T00:00:10-04:00"}
    book = book_of(tmp_path / "both", both_end, special)
    assert pieces(book, before) == [(60, "flat", 120_000)]


def test_a_split_call_keeps_its_bands_and_a_bands_own_price(tmp_path):
    rows = [{**SPLIT, "band_set": "b"}, {"rate_id": "new", "valid_from": "2026-11-01", "band_set": "b"}]
    early = {"band_id": "early", "priority": 1, "from": "00:01", "to": "00:02", "price": "0.6", "factor": 2}
    book = book_of(tmp_path / "own", *rows, time_band=[{}, early])
    found = pieces(book, call(180, local_us(2026, 10, 31, 23, 59, 30)))
    assert found == [(30, "all", 60_000), (60, "all", 100_000), (60, "early", 600_000), (30, "all", 100_000)]
    everywhere = book_of(tmp_path / "everywhere", *rows, time_band=[{"price": "0.5"}])
    assert pieces(everywhere, call(180, local_us(2026, 10, 31, 23, 59, 30))) == [(180, "all", 500_000)]


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
