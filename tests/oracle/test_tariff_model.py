"""What happens inside an event, on a small price book of its own, worked by hand: steps, prices, bands, splits."""

from __future__ import annotations

import pytest
from oracle.by_hand import DATA, PEAK, Row, book_of, data, pieces, priced
from oracle.people import call, charge_of, facts, local_us

from tollgate.oracle.billing import net_charge


@pytest.mark.covers("QUA-02", "RAT-44")
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


@pytest.mark.covers("QUA-02", "RAT-44")
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


@pytest.mark.covers("QUA-02", "RAT-44")
def test_the_first_minute_costs_another_price_than_the_next(tmp_path):
    book = book_of(tmp_path, {"price": "0.20"}, segment=SEGMENTS)
    assert charge_of(call(1), book, facts()) == ("rated", 200_000)
    assert charge_of(call(60), book, facts()) == ("rated", 200_000)
    assert charge_of(call(61), book, facts()) == ("rated", 300_000)
    # 1 minute at 0.20, 4 at 0.10, 1 at 0.05
    assert charge_of(call(301), book, facts()) == ("rated", 650_000)
    assert pieces(book, call(301)) == [(60, "flat", 200_000), (240, "flat", 100_000), (60, "flat", 50_000)]


@pytest.mark.covers("QUA-02", "RAT-44")
def test_segments_and_bands_cut_one_call(tmp_path):
    book = book_of(tmp_path, {"price": "0.20", "band_set": "b"}, segment=SEGMENTS, time_band=[{}, PEAK])
    usage = call(120, local_us(2026, 10, 6, 19, 59, 30))
    # 30 s at 0.20 x 1.2, 30 s at 0.20, 60 s at 0.10: 0.12 + 0.10 + 0.10
    assert pieces(book, usage) == [(30, "peak", 200_000), (30, "all", 200_000), (60, "all", 100_000)]
    assert priced(book, usage).charge == 320_000


@pytest.mark.covers("QUA-02", "RAT-44")
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


@pytest.mark.covers("QUA-02", "RAT-44")
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


@pytest.mark.covers("QUA-02", "RAT-44")
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


@pytest.mark.covers("QUA-02", "RAT-44")
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


SPLIT: Row = {"rate_id": "old", "price": "0.06", "split_at_validity": "true", "valid_to": "2026-11-01"}


@pytest.mark.covers("QUA-02", "RAT-44")
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


@pytest.mark.covers("QUA-02", "RAT-44")
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


@pytest.mark.covers("QUA-02", "RAT-44")
def test_a_split_call_keeps_its_bands_and_a_bands_own_price(tmp_path):
    rows = [{**SPLIT, "band_set": "b"}, {"rate_id": "new", "valid_from": "2026-11-01", "band_set": "b"}]
    early = {"band_id": "early", "priority": 1, "from": "00:01", "to": "00:02", "price": "0.6", "factor": 2}
    book = book_of(tmp_path / "own", *rows, time_band=[{}, early])
    found = pieces(book, call(180, local_us(2026, 10, 31, 23, 59, 30)))
    assert found == [(30, "all", 60_000), (60, "all", 100_000), (60, "early", 600_000), (30, "all", 100_000)]
    everywhere = book_of(tmp_path / "everywhere", *rows, time_band=[{"price": "0.5"}])
    assert pieces(everywhere, call(180, local_us(2026, 10, 31, 23, 59, 30))) == [(180, "all", 500_000)]
