"""The demo book has no finding; each small mistake in it is found, in its line, with a message that says what to do."""

from __future__ import annotations

import shutil

import pytest
from reference.edits import DEMO, Edit, both, cell, copy_of, findings_of

from tollgate.reference.pricebook_checks import check_price_book

# (what the case is, file, edit, the whole of the findings)
MISTAKES: list[tuple[str, str, Edit, list[str]]] = [
    (
        "overlap", "rate", copy_of("voice_europe", rate_id="again", valid_from="2026-01-01", valid_to="2026-02-01"),
        ["rate.csv:71: overlap with line 7 for voice * europe home none * * *: both valid 2026-01-01T05:00:00Z to "
         "2026-02-01T05:00:00Z"],
    ),
    (
        "a gap, said once for all its keys", "rate", cell("roaming_sms_europe_2026_11", "valid_from", "2026-11-02"),
        ["rate.csv:51: gap after line 50 for sms month_to_month national europe none * * * and 15 more keys: no row "
         "2026-11-01T04:00:00Z to 2026-11-02T05:00:00Z"],
    ),
    (
        "a gap of a carrier", "carrier_rate",
        both(
            cell("sms", "valid_to", "2026-01-01"),
            copy_of("sms", cost_id="sms_2", valid_from="2026-01-02", valid_to=""),
        ),
        ["carrier_rate.csv:86: gap after line 83 for sms carrier_001 * * local and 8 more keys: no row "
         "2026-01-01T05:00:00Z to 2026-01-02T05:00:00Z"],
    ),
    (
        "a gap of a prefix", "destination",
        both(cell("44", "valid_to", "2026-01-01"), copy_of("44", valid_from="2026-01-03", valid_to="")),
        ["destination.csv:320: gap after line 102 for prefix 44: no row 2026-01-01T05:00:00Z to 2026-01-03T05:00:00Z"],
    ),
    (
        "unknown plan", "rate", cell("voice_national_term", "plan_id", "tern"),
        ["rate.csv:2: plan_id tern is unknown; expected one that plan.csv declares"],
    ),
    (
        "unknown zone", "destination", cell("44", "zone_id", "europa"),
        ["destination.csv:102: zone_id europa is unknown; expected one that zone.csv declares"],
    ),
    (
        "unknown rating group", "rate", cell("data_video_term", "rating_group", "games"),
        ["rate.csv:40: rating_group games is unknown; operator.csv has web video"],
    ),
    (
        "unknown band set and tax category", "rate",
        both(cell("voice_europe", "band_set", "night"), cell("sms_rest", "tax_category", "reduced")),
        ["rate.csv:7: band_set night is unknown; expected one that time_band.csv declares",
         "rate.csv:33: tax_category reduced is unknown; expected one that tax.csv declares"],
    ),
    (
        "unknown currency", "operator", cell("currency", "value", "CHF"),
        ["operator.csv: currency CHF is unknown; expected a row of currency.csv"],
    ),
    (
        "bad numbers, both at once", "rate",
        both(cell("mms", "price", "0,30"), cell("sms_rest", "price", "1e3")),
        ["rate.csv:33: price: expected a plain decimal such as 1.2, without sign or exponent, found '1e3'",
         "rate.csv:37: price: expected a plain decimal such as 1.2, without sign or exponent, found '0,30'"],
    ),
    (
        "an amount finer than a millionth", "fee", cell("invoice_fee", "amount", "1.0000001"),
        ["fee.csv:5: amount: expected an amount with at most 6 decimals, found '1.0000001'"],
    ),
    (
        "bad date", "tax", cell("vat_gb", "valid_from", "2026-02-30"),
        ["tax.csv:3: valid_from: expected a date such as 2026-11-01, found '2026-02-30'"],
    ),
    (
        "an instant without offset", "tax", cell("vat_gb", "valid_from", "2026-02-03T00:00:00"),
        ["tax.csv:3: valid_from: expected a date such as 2026-11-01 or an instant such as "
         "2026-11-01T00:00:00-04:00, found '2026-02-03T00:00:00'"],
    ),
    (
        "instants outside the calendar", "tax",
        both(cell("hst_on", "valid_from", "0001-01-01"), cell("vat_gb", "valid_to", "9999-12-31T23:00:00-05:00")),
        ["tax.csv:2: valid_from: expected a time within the years 1 to 9999 of UTC, found '0001-01-01'",
         "tax.csv:3: valid_to: expected a time within the years 1 to 9999 of UTC, found '9999-12-31T23:00:00-05:00'"],
    ),
    (
        "an end before the start", "discount", cell("student", "valid_to", "2023-01-01"),
        ["discount.csv:2: valid_to must be after valid_from"],
    ),
    (
        "duplicate id", "rate", copy_of("voice_europe", valid_from="2020-01-01", valid_to="2024-01-01"),
        ["rate.csv:71: duplicate rate_id voice_europe, first in line 7"],
    ),
    (
        "duplicate order of discounts", "discount", cell("loyalty", "apply_order", "1"),
        ["discount.csv:3: duplicate stage and apply_order rating 1, first in line 2"],
    ),
    (
        "discounts of the wrong stage, and of a plan that is none", "discount",
        both(cell("student", "fact", "usage_net"), cell("loyalty", "applies_to", "all"),
             copy_of("volume", discount_id="again", apply_order="2", fact="student", threshold="0"),
             cell("volume", "plan_id", "tern")),
        ["discount.csv:2: stage rating knows the facts student, tenure_months, everyone, found usage_net",
         "discount.csv:2: threshold of usage_net is an amount above 0; a discount without one has the fact everyone",
         "discount.csv:3: stage rating discounts usage: applies_to is usage",
         "discount.csv:4: plan_id tern is unknown; expected one that plan.csv declares",
         "discount.csv:5: stage billing knows the facts everyone, usage_net, found student"],
    ),
    (
        "thresholds that their facts do not have", "discount",
        both(cell("student", "threshold", "1"), cell("loyalty", "threshold", "12.5"), cell("volume", "threshold", "0"),
             copy_of("volume", discount_id="again", apply_order="2", fact="everyone", percent="0")),
        ["discount.csv:2: threshold is 0 for student",
         "discount.csv:3: threshold of tenure_months is a whole number of months from 1 to 1200",
         "discount.csv:4: threshold of usage_net is an amount above 0; a discount without one has the fact everyone",
         "discount.csv:5: percent is above 0"],
    ),
    (
        "bill discounts too fine to be exact together", "discount",
        both(cell("volume", "percent", "0.0001"),
             copy_of("volume", discount_id="b", apply_order="2", percent="0.00001"),
             copy_of("volume", discount_id="c", apply_order="3", percent="0.0000001", valid_from="2026-01-01"),
             cell("volume", "valid_to", "2026-01-01")),
        ["discount.csv:6: the 2 bill discounts of this time keep shares of 1.0e+16 parts, expected at most 1e+15; use "
         "rounder percents or fewer discounts"],
    ),
    (
        "tiers of a rate that has more than a price, of none, and twice", "tier",
        lambda lines: lines.extend([
            ["voice_europe", "line", "600", "0.20"], ["data_tern", "line", "1000000", "0.005"],
            ["mms", "line", "10", "0.25"], ["mms", "account", "10", "0.20"], ["sms_special", "line", "1", "0.01"],
        ]),
        ["tier.csv:2: a rate with tiers has a price alone; voice_europe, line 7, has band_set",
         "tier.csv:3: rate_id data_tern is unknown; expected one that rate.csv declares",
         "tier.csv:5: duplicate rate_id and from_units mms 10, first in line 4",
         "tier.csv:5: tiers of mms count alike; see line 4",
         "tier.csv:6: a rate with tiers has a price alone; sms_special, line 18, has zero_rated"],
    ),
    (
        "top-ups in mills, of an invoiced plan and of none, twice, and with a gap", "top_up",
        lambda lines: lines.__setitem__(slice(1, None), [
            ["prepaid", "100.005", "10", "25", "event", "2024-01-01", "2025-01-01"],
            ["prepaid", "100", "10.001", "2.499", "event", "2024-07-01", "2025-01-01"],
            ["prepaid", "100", "10", "0", "month_start", "2025-02-01", ""],
            ["term", "0", "0", "0", "event", "2024-01-01", ""], ["prepay", "0", "0", "1", "event", "2024-01-01", ""],
        ]),
        ["top_up.csv:2: opening_credit: expected whole minor units of CAD",
         "top_up.csv:3: amount: expected whole minor units of CAD",
         "top_up.csv:3: overlap with line 2 for prepaid: both valid 2024-07-01T04:00:00Z to 2025-01-01T05:00:00Z",
         "top_up.csv:4: gap after line 3 for prepaid: no row in between",
         "top_up.csv:5: plan_id term is postpaid in plan.csv; expected charge_type prepaid",
         "top_up.csv:6: plan_id prepay is unknown; expected one that plan.csv declares"],
    ),
    (
        "cells of a top-up that cannot be read", "top_up",
        lambda lines: lines.__setitem__(1, ["prepaid", "-1", "ten", "0.0000001", "weekly", "soon", ""]),
        ["top_up.csv:2: amount: expected an amount with at most 6 decimals, found '0.0000001'",
         "top_up.csv:2: below: expected a plain decimal such as 1.2, without sign or exponent, found 'ten'",
         "top_up.csv:2: moment: expected one of event, month_start, found 'weekly'",
         "top_up.csv:2: opening_credit: expected a plain decimal such as 1.2, without sign or exponent, found '-1'",
         "top_up.csv:2: valid_from: expected a date such as 2026-11-01 or an instant such as "
         "2026-11-01T00:00:00-04:00, found 'soon'"],
    ),
    (
        "a free row with a price, a unit of another service", "rate",
        both(cell("voice_special", "price", "0.01"), cell("mms", "unit", "second")),
        ["rate.csv:17: zero_rated contradicts a price, connect fee or minimum above 0",
         "rate.csv:37: unit of mms is message, found second"],
    ),
    (
        "minimum above maximum", "rate", both(cell("mms", "minimum", "2"), cell("mms", "maximum", "1")),
        ["rate.csv:37: minimum is above maximum"],
    ),
    (
        "a banded increment that could outlast the day", "rate", cell("voice_europe", "increment", "7"),
        ["rate.csv:7: a banded rate's increment must divide 86,400 s, found 7"],
    ),
    (
        "hours without a band", "time_band", lambda lines: lines.pop(),
        ["time_band.csv:2: band set voice_bands has no band on weekday "
         f"{day} {span}" for day in range(1, 6) for span in ("00:00 to 08:00", "20:00 to 24:00")],
    ),
    (
        "years without holidays", "holiday", lambda lines: [lines.pop() for _ in range(9)],
        ["holiday.csv: calendar ontario has no holiday in 2031"],
    ),
    (
        "a mark-up without digits", "carrier_rate", cell("c1_voice_gb", "markup_digits", ""),
        ["carrier_rate.csv:6: markup and markup_digits stand together or are both empty"],
    ),
    (
        "a range inside another", "own_range", lambda lines: lines.append(["1416207"]),
        ["own_range.csv:32: 1416207 lies inside 141620, line 2"],
    ),
    ("missing column", "plan", lambda lines: lines[0].__setitem__(1, "title"), [
        "plan.csv:1: expected the columns plan_id, name, contract_type, charge_type, term_months; the header lacks "
        "'name'; has unknown 'title'"]),
    ("a line with too few cells", "own_range", lambda lines: lines.append(["1", "2"]), [
        "own_range.csv:32: expected 1 cells, found 2"]),
    ("unknown key", "operator", cell("currency", "key", "curency"), [
        "operator.csv: missing keys: currency",
        "operator.csv:3: key 'curency': expected one of name, currency, time_zone, holiday_calendar, rating_groups, "
        "bands_from, bands_to"]),
    ("no such time zone", "operator", cell("time_zone", "value", "America/Toronta"), [
        "operator.csv:4: time_zone: expected an IANA time zone such as America/Toronto, found "
        "'America/Toronta'"]),
]  # fmt: skip


@pytest.mark.covers("RAT-41")
def test_the_demo_book_has_no_finding():
    book, findings = check_price_book(DEMO)
    assert findings == []
    assert book is not None and book.operator.currency == "CAD"


@pytest.mark.covers("RAT-02", "RAT-41")
@pytest.mark.parametrize(("file", "edit", "expected"), [case[1:] for case in MISTAKES], ids=[c[0] for c in MISTAKES])
def test_a_mistake_is_found_in_its_line(tmp_path, file, edit, expected):
    assert findings_of(tmp_path, file, edit) == expected


@pytest.mark.covers("RAT-41")
def test_a_new_plan_is_rows_alone(tmp_path):
    shutil.copytree(DEMO, tmp_path / "book")
    with (tmp_path / "book" / "plan.csv").open("a") as plans:
        plans.write("night_owl,Night Owl,month_to_month,postpaid,\n")
    with (tmp_path / "book" / "rate.csv").open("a") as rates:
        rates.write(
            "owl,night_owl,voice,national,home,none,*,*,*,0.01,second,60,,1,,,,,false,true,false,4,half_up,standard,"
            "2026-01-01,\n"
        )
    book, findings = check_price_book(tmp_path / "book")
    assert findings == [] and book is not None
    assert [row["rate_id"] for row in book.rows["rate"] if row["plan_id"] == "night_owl"] == ["owl"]


def test_a_missing_file_and_foreign_bytes_are_named(tmp_path):
    shutil.copytree(DEMO, tmp_path / "book")
    (tmp_path / "book" / "tax.csv").unlink()
    (tmp_path / "book" / "fee.csv").write_bytes(b"fee_id,\xff")
    (tmp_path / "book" / "top_up.csv").unlink()
    assert [str(finding) for finding in check_price_book(tmp_path / "book")[1]] == [
        "fee.csv:1: expected UTF-8, found byte 0xff",
        "tax.csv: the file is missing; a file with nothing to say holds its header",
    ]


def test_a_book_without_the_sheet_of_top_ups_is_the_book_with_its_header_alone(tmp_path):
    shutil.copytree(DEMO, tmp_path / "book")
    file = tmp_path / "book" / "top_up.csv"
    file.write_text(file.read_text().splitlines()[0] + "\n")
    with_header, _ = check_price_book(tmp_path / "book")
    file.unlink()
    without, findings = check_price_book(tmp_path / "book")
    assert findings == [] and without is not None and with_header is not None
    assert without.digest() == with_header.digest()
