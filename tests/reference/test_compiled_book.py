"""The rows that the demo operator's book becomes."""

from __future__ import annotations

from datetime import date, datetime, timezone
from pathlib import Path

import pytest

from tollgate.reference.catalog_rows import CATALOG_COLUMNS, catalog_rows
from tollgate.reference.compiled_book import CompiledBook, compile_price_book
from tollgate.reference.pricebook_checks import check_price_book
from tollgate.reference.pricebook_files import SourceBook

DEMO = Path(__file__).resolve().parents[2] / "conf" / "pricebook"
SINCE = datetime(2024, 1, 1, 5, tzinfo=timezone.utc)
NOVEMBER = datetime(2026, 11, 1, 4, tzinfo=timezone.utc)
OPEN = datetime(9999, 12, 31, tzinfo=timezone.utc)


@pytest.fixture(scope="module")
def source() -> SourceBook:
    book, findings = check_price_book(DEMO)
    assert book is not None and findings == []
    return book


@pytest.fixture(scope="module")
def compiled(source: SourceBook) -> CompiledBook:
    return compile_price_book(source)


@pytest.mark.covers("RAT-05", "RAT-06", "RAT-07", "BIL-02", "BIL-04")
@pytest.mark.covers("CON-04", "CON-06", "CON-09", "CON-10")
def test_discounts_fees_allowances_and_taxes(compiled):
    assert compiled.tables["price_discount"] == [
        ("loyalty", "rating", 2, True, "tenure_months", 12, 19, SINCE, OPEN, "*", "*", "*"),
        ("student", "rating", 1, True, "student", 0, 18, SINCE, OPEN, "*", "*", "*"),
    ]
    assert [row[:7] for row in compiled.tables["price_fee"]] == [
        ("invoice_fee", "invoice", "*", "Invoice fee", 1_000_000, "none", "standard"),
        ("month_to_month_monthly", "recurring", "month_to_month", "Month-to-month, monthly fee", 50_000_000, "days",
         "standard"),
        ("term_deposit", "deposit", "term", "Term, deposit", 300_000_000, "none", "none"),
        ("term_monthly", "recurring", "term", "Term, monthly fee", 20_000_000, "days", "standard"),
    ]  # fmt: skip
    assert compiled.allowance_slots == 1
    free = [(allowance, plan, service, zone, quantity) for allowance, plan, _, service, zone, _, quantity, *_ in
            compiled.tables["price_allowance"]]  # fmt: skip
    assert free == [
        ("month_to_month_sms", "month_to_month", "sms", "national", 50),
        ("term_data", "term", "data", "home", 2_000_000_000),
        ("term_sms", "term", "sms", "national", 50),
        ("term_voice", "term", "voice", "national", 6_000),
    ]
    assert [(tax, place, ppm) for tax, place, _, _, ppm, *_ in compiled.tables["price_tax"]] == [
        ("hst_on", "CA-ON", 130_000), ("vat_gb", "GB", 200_000), ("vat_ma", "MA", 200_000)
    ]  # fmt: skip


@pytest.mark.covers("RAT-02", "RAT-28")
def test_a_price_holds_for_its_time(compiled):
    key = ("month_to_month", "sms", "national", "europe", "none")
    rows = [row for row in compiled.tables["price_rate_key"] if row[:5] == key]
    assert [(row[5], row[6], row[7], row[9]) for row in rows] == [
        (SINCE, NOVEMBER, "roaming_sms_europe_2024", 300_000),
        (NOVEMBER, OPEN, "roaming_sms_europe_2026_11", 250_000),
    ]


@pytest.mark.covers("RAT-03")
def test_a_band_day_is_padded_to_the_slots_of_the_book(compiled):
    (row,) = [row for row in compiled.tables["price_band_day"] if row[1] == date(2026, 10, 9)]
    midnight = int(datetime(2026, 10, 9, 4, tzinfo=timezone.utc).timestamp())
    assert row == (
        "voice_bands",
        date(2026, 10, 9),
        [midnight + 3600 * hours for hours in (0, 8, 20, 24, 48, 48)],
        ["off_peak", "peak", "off_peak", "weekend", "weekend"],
        [10, 12, 10, 9, 9],
        *[None] * 4,
    )
    assert (compiled.band_slots, compiled.factor_den, compiled.amount_type) == (5, 10, "BIGINT")


@pytest.mark.covers("RAT-46")
def test_a_mark_up_is_a_fraction(compiled):
    key = ("carrier_001", "voice", "international", "*")
    (row,) = [row for row in compiled.tables["price_carrier_key"] if row[:4] == key]
    assert row[6:] == ("c1_voice_international", "second", 80_000, 60, 60, 4, "half_up", 3, 2, 4, "*", 60, 0)


def test_the_digest_does_not_depend_on_the_order_of_lines(source, tmp_path):
    for file in DEMO.glob("*.csv"):
        header, *lines = file.read_text().splitlines()
        (tmp_path / file.name).write_text("\n".join([header, *reversed(lines)]) + "\n")
    turned, _ = check_price_book(tmp_path)
    assert turned is not None and turned.digest() == source.digest()
    assert compile_price_book(turned).tables == compile_price_book(source).tables


def test_the_catalog_gets_decimals_and_ranges(source):
    rates = {row[0]: dict(zip(CATALOG_COLUMNS["rate"], row, strict=True)) for row in catalog_rows(source, "rate")}
    row = rates["roaming_sms_europe_2024"]
    assert (str(row["price"]), str(row["connect_fee"]), row["minimum"]) == ("0.3", "0", None)
    assert row["valid"] == "[2024-01-01T05:00:00+00:00,2026-11-01T04:00:00+00:00)"
    assert rates["mms"]["valid"] == "[2024-01-01T05:00:00+00:00,)"
