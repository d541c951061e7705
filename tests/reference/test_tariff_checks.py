"""Each mistake in the columns of the tariff model is found in its line, with a message that says what to do."""

from __future__ import annotations

import pytest
from reference.edits import Edit, both, cell, copy_of, findings_of, with_line

STAYS = {"valid_from": "2026-12-01", "valid_to": ""}
ENDS = both(cell("voice_europe", "valid_to", "2026-12-01"), cell("voice_europe", "split_at_validity", "true"))
FOLLOWS = "rate.csv:7: split_at_validity: the row that follows at its end, line 71, "


def again(**changes: str) -> Edit:
    """Line 65: the row that follows voice_europe, which is split at its end."""
    return both(ENDS, copy_of("voice_europe", **{"rate_id": "again", "split_at_validity": "false", **STAYS, **changes}))


def carrier_again(**changes: str) -> Edit:
    """Line 86: a second row for a carrier."""
    return copy_of("c1_voice_national", **{"cost_id": "again", **changes})


# (what the case is, file, edit, the whole of the findings)
MISTAKES: list[tuple[str, str, Edit, list[str]]] = [
    (
        "cells of rate.csv", "rate",
        both(cell("mms", "direction", "both"), cell("mms", "technology", "6G"), cell("mms", "slice", "a b"),
             cell("mms", "initial", "0"), cell("mms", "split_at_validity", "")),
        ["rate.csv:37: direction: expected one of out, in, *, found 'both'",
         "rate.csv:37: initial: expected a whole number from 1 to 1000000000000, found '0'",
         "rate.csv:37: slice: expected an id of letters, digits, _ and - (1 to 64), found 'a b'",
         "rate.csv:37: split_at_validity: expected true or false, found ''",
         "rate.csv:37: technology: expected one of 2G, 3G, 4G, 5G, FIXED, *, found '6G'"],
    ),
    (
        "the same direction, technology and slice twice", "rate",
        both(copy_of("voice_europe", rate_id="a", direction="in", technology="5G", slice="s1"),
             copy_of("voice_europe", rate_id="b", direction="in", technology="5G", slice="s1")),
        ["rate.csv:72: overlap with line 71 for voice * europe home none in 5G s1: both valid 2024-01-01T05:00:00Z to "
         "9999-12-31T00:00:00Z"],
    ),
    (
        "a gap for a direction alone", "rate",
        both(copy_of("voice_europe", rate_id="a", direction="in", valid_to="2026-01-01"),
             copy_of("voice_europe", rate_id="b", direction="in", valid_from="2026-02-01"),
             cell("voice_europe", "direction", "out")),
        ["rate.csv:72: gap after line 71 for voice month_to_month europe home none in * * and 1 more keys: no row "
         "2026-01-01T05:00:00Z to 2026-02-01T05:00:00Z"],
    ),
    (
        "data that is received", "rate", cell("data_term", "direction", "in"),
        ["rate.csv:39: data is out: direction must be out or *, found in"],
    ),
    (
        "a banded call that could be charged longer than a day", "rate",
        both(cell("voice_europe", "initial", "50"), cell("voice_rest", "initial", "90000")),
        ["rate.csv:7: a banded rate's 86,400 s less the initial 50 must be whole increments of 60",
         "rate.csv:9: a banded rate's 86,400 s less the initial 90000 must be whole increments of 60"],
    ),
    (
        "a message that is split", "rate", cell("mms", "split_at_validity", "true"),
        ["rate.csv:37: split_at_validity is for unit second alone, found message"],
    ),
    (
        "a split into a row of other terms", "rate",
        again(initial="120", connect_fee="0.1", maximum="5", digits="2", rounding="up", tax_category="none",
              discountable="false", band_set=""),
        [f"{FOLLOWS}has another {column}" for column in
         ("band_set", "connect_fee", "digits", "discountable", "initial", "maximum", "rounding", "tax_category")],
    ),
    (
        "a split into a row of a few hours", "rate",
        both(again(valid_to="2026-12-01T12:00:00-05:00"),
             copy_of("voice_europe", rate_id="third", split_at_validity="false",
                     valid_from="2026-12-01T12:00:00-05:00", valid_to="")),
        [f"{FOLLOWS}must hold for 24 hours at least"],
    ),
    ("a split into a row that says the same in other words", "rate",
     again(initial="60", connect_fee="0", price="0.5"), []),
    (
        "segments of none, twice, of a free rate", "segment",
        both(with_line("voice_europa", "60", "0.1"), with_line("mms", "1", "0.1"), with_line("mms", "1", "0.2"),
             with_line("voice_special", "60", "0"), with_line("mms", "0", "x")),
        ["segment.csv:2: rate_id voice_europa is unknown; expected one that rate.csv declares",
         "segment.csv:4: duplicate rate_id and from_units mms 1, first in line 3",
         "segment.csv:5: a rate with segments is not zero_rated; voice_special, line 17, is",
         "segment.csv:6: from_units: expected a whole number from 1 to 1000000000000000000, found '0'",
         "segment.csv:6: price: expected a plain decimal such as 1.2, without sign or exponent, found 'x'"],
    ),
    (
        "a band's dates", "time_band",
        both(copy_of("voice_bands", priority="50", from_date="2026-07-01", to_date="2026-07-01"),
             copy_of("voice_bands", priority="51", from_date="2026-7-1")),
        ["time_band.csv:6: from_date must be before to_date",
         "time_band.csv:7: from_date: expected a date such as 2026-11-01, found '2026-7-1'"],
    ),
    (
        "a band of two meanings", "time_band",
        copy_of("voice_bands", priority="50", factor="1", price="0.1", connect_fee="0", initial="60", increment="1"),
        [f"time_band.csv:6: band holiday has another {column} in line 2" for column in
         ("connect_fee", "factor", "increment", "initial", "price")],
    ),
    (
        "days without a band", "time_band", lambda lines: lines[4].__setitem__(6, "2030-12-31"),
        ["time_band.csv:2: band set voice_bands has no band on 2030-12-31 and 254 more days, "
         f"{span}" for span in ("00:00 to 08:00", "20:00 to 24:00")],
    ),
    (
        "steps of a band that do not fill a day", "time_band",
        lambda lines: [lines[2].__setitem__(12, "7"), lines[3].__setitem__(13, "7")],
        [f"time_band.csv:{line}: with rate voice_national_term, line 2 and 10 more, 86,400 s less the initial "
         f"{initial} must be whole increments of {increment}" for line, initial, increment in ((3, 7, 60), (4, 60, 7))],
    ),
    (
        "two catch-alls, and half ones", "destination",
        both(with_line("*", "any", "rest", "2024-01-01", ""), with_line("*", "any", "premium", "2025-01-01", ""),
             with_line("*", "prefix", "rest", "2024-01-01", ""), with_line("49", "any", "rest", "2024-01-01", "")),
        ["destination.csv:321: overlap with line 320 for any *: both valid 2025-01-01T05:00:00Z to "
         "9999-12-31T00:00:00Z",
         "destination.csv:322: the catch-all has match any and prefix *, and no other row has one of them",
         "destination.csv:323: the catch-all has match any and prefix *, and no other row has one of them"],
    ),
    (
        "carriers' prefixes", "carrier_rate",
        both(carrier_again(prefix="+44"), cell("data", "prefix", "44"), carrier_again(cost_id="x", prefix="1416"),
             copy_of("c1_voice_national", cost_id="y", prefix="1416"), cell("mms", "connect_fee", "free")),
        ["carrier_rate.csv:84: connect_fee: expected a plain decimal such as 1.2, without sign or exponent, found "
         "'free'",
         "carrier_rate.csv:85: data has no destination: prefix must be *",
         "carrier_rate.csv:86: prefix: expected 1 to 15 digits without + that do not start with 0, or *, found '+44'",
         "carrier_rate.csv:88: overlap with line 87 for voice carrier_001 1416 * national: both valid "
         "2024-01-01T05:00:00Z to 9999-12-31T00:00:00Z"],
    ),
    (
        "discounts of a service and zone", "discount",
        both(cell("student", "zone_id", "home"), cell("student", "service", "voice"),
             cell("loyalty", "zone_id", "mars"), cell("volume", "service", "sms")),
        ["discount.csv:2: data has zone home, and it alone: no usage of voice is in zone home",
         "discount.csv:3: zone_id mars is unknown; expected one that zone.csv declares",
         "discount.csv:4: stage billing discounts lines of every service and zone: service and zone_id are *"],
    ),
    ("a discount of an unknown service", "discount", cell("student", "service", "fax"),
     ["discount.csv:2: service: expected one of voice, sms, mms, data, *, found 'fax'"]),
    ("a discount of a plan", "discount", both(cell("student", "fact", "everyone"), cell("student", "plan_id", "term")),
     []),
]  # fmt: skip


@pytest.mark.covers("RAT-02", "RAT-41")
@pytest.mark.parametrize(("file", "edit", "expected"), [case[1:] for case in MISTAKES], ids=[c[0] for c in MISTAKES])
def test_a_mistake_is_found_in_its_line(tmp_path, file, edit, expected):
    assert findings_of(tmp_path, file, edit) == expected
