"""The explanation of a charge reads from the row alone, and finds a row that was tampered with."""

from __future__ import annotations

from decimal import Decimal

import pytest

from jobs.explain_charge import explain_text, is_equal, parser

ROW = {
    "event_id": "e1", "service": "voice", "duration_s": 100, "volume_bytes": 0, "destination": "+14165559999",
    "roaming_country": None, "rating_group": None, "direction": None, "slice_id": None,
    "started_at": "2026-10-05 11:59:30", "subscription_id": "s1",
    "account_id": "a1", "plan_id": "term", "zone_id": "national", "prefix": "1416", "roaming_zone": "home",
    "retail_status": "rated", "suspense_reason": None, "wholesale_status": "costed", "price_source": "rate",
    "rate_id": "voice_national", "currency": "CAD", "charged_units": 120, "unit": "second", "block_units": 60,
    "initial_units": 60, "increment_units": 60, "unit_price_micros": 100_000, "connect_fee_micros": 50_000,
    "minimum_micros": None,
    "maximum_micros": 250_000, "piece_units": [30, 90], "piece_band": ["off_peak", "peak"],
    "piece_price_micros": [100_000, 100_000], "piece_factor_num": [10, 12], "factor_den": 10,
    "discount_ids": ["student", "loyalty"], "discount_num": 342, "discount_den": 400,
    "list_price": Decimal("0.250000"), "numerator": Decimal(250_000 * 600 * 342), "denominator": Decimal(600 * 400),
    "digits": 4, "rounding": "half_up", "charge": Decimal("0.213800"), "call_outcome": "answered",
    "cost": Decimal("0.040000"), "cost_id": "c1_national", "carrier_id": "c1", "pricebook_version": 7,
    "snapshot_id": 3, "rating_no": 5,
}  # fmt: skip
TEXT = """\
event      voice, 100 s to +14165559999, started 2026-10-05 11:59:30 UTC, id e1
line       s1 of account a1, plan term
zone       national by prefix 1416, roaming zone home
price      0.10 CAD for 60 s, in steps of 60 s (rate voice_national)
units      120 s charged = 30 s off_peak x 1 + 90 s peak x 1.2
sum        138 x price / 60 = 0.23
connect    + 0.05 = 0.28
maximum    0.25: 0.25
discounts  student, loyalty: x 342/400 of 0.25
charge     0.21375 rounded half up to 4 digits = 0.2138 CAD
reckoned   again from this row: equal
cost       0.04 CAD to c1 by c1_national
pins       price book 7, snapshot 3, rating run 5
"""


@pytest.mark.covers("RAT-08")
def test_a_customer_can_follow_the_arithmetic():
    assert explain_text(ROW) == TEXT
    without = explain_text(
        {**ROW, "billed": [], "billed_unknown": "unknown: no PostgreSQL is running; run `tollgate up`"}
    )
    assert without == TEXT + "billed     unknown: no PostgreSQL is running; run `tollgate up`\n"


@pytest.mark.covers("RAT-08")
def test_who_called_and_the_slice_are_told():
    received = {**ROW, "direction": "in", "roaming_country": "US", "slice_id": "fast"}
    said = "event      voice, 100 s received from +14165559999 (slice fast) in US, started"
    assert explain_text(received).startswith(said)
    data = {"service": "data", "destination": None, "volume_bytes": 7, "rating_group": "web"}
    assert explain_text({**received, **data}).startswith("event      data, 7 bytes (web, slice fast) from US, started")


@pytest.mark.covers("RAT-08")
def test_prices_of_pieces_and_a_mark_up_on_the_fee_are_shown():
    dear_first = {
        "piece_units": [60, 60], "piece_band": ["flat", "flat"], "piece_price_micros": [200_000, 100_000],
        "piece_factor_num": [1, 1], "factor_den": 1, "initial_units": 30, "increment_units": 6, "maximum_micros": None,
        "discount_ids": [], "discount_num": 1, "discount_den": 1, "unit_price_micros": 200_000,
        "numerator": Decimal(350_000 * 60), "denominator": Decimal(60), "charge": Decimal("0.350000"),
    }  # fmt: skip
    text = explain_text({**ROW, **dear_first})
    assert "price      0.20 CAD for 60 s, in steps of 30 s, then 6 s (rate voice_national)\n" in text
    assert "units      120 s charged = 60 s flat x 1 at 0.20 + 60 s flat x 1 at 0.10\n" in text
    assert "sum        units x factor x price, together / 60 = 0.3\n" in text
    assert "connect    + 0.05 = 0.35\n" in text and "from this row: equal\n" in text
    # (120 x 0.10 / 60 + 0.05) x 3/2
    marked_up = {
        **dear_first, "price_source": "markup", "piece_units": [120], "piece_band": ["markup"],
        "piece_price_micros": [100_000], "piece_factor_num": [3], "factor_den": 2, "unit_price_micros": 100_000,
        "numerator": Decimal(375_000 * 120), "denominator": Decimal(120), "charge": Decimal("0.375000"),
    }  # fmt: skip
    assert "connect    + 0.05 x 1.5 = 0.375\n" in explain_text({**ROW, **marked_up})
    assert is_equal({**ROW, **marked_up}) and not is_equal({**ROW, **marked_up, "price_source": "rate"})


@pytest.mark.covers("RAT-08")
@pytest.mark.parametrize(
    "changed",
    [
        {"charge": Decimal("0.213700")},
        {"piece_price_micros": [50_000, 50_000], "connect_fee_micros": 0},
        {"piece_price_micros": None, "unit_price_micros": 50_000, "connect_fee_micros": 0},
        {"piece_units": [90, 30], "maximum_micros": None},
        {"discount_num": 380},
    ],
)
def test_a_row_that_does_not_give_its_charge_is_told(changed):
    assert not is_equal({**ROW, **changed})
    assert "NOT EQUAL" in explain_text({**ROW, **changed})


def test_what_is_not_charged_says_why():
    nothing = {"charge": None, "cost": None, "wholesale_status": "no_carrier_rate"}
    held = explain_text({**ROW, **nothing, "retail_status": "suspended", "suspense_reason": "no_zone"})
    assert "suspended  no_zone: the price book has no zone" in held
    assert "cost       no carrier rate" in held
    free = {"retail_status": "zero_rated", "charged_units": 0, "charge": Decimal("0.000000"), "call_outcome": "busy"}
    assert "charge     0.00 CAD: zero-rated (busy)" in explain_text({**ROW, **free})
    slice_ = {"run_id": "r1", "allowance_id": "free_minutes", "free_units": 60, "net_charge": Decimal("0.100000")}
    assert "billed     0.10 CAD net, 60 units free by free_minutes, run r1" in explain_text({**ROW, "billed": [slice_]})
    assert parser().parse_args(["e1", "--source", "sw1"]).source == "sw1"
