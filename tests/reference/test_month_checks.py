"""Mistakes in the files that the month reads, each found in its line; columns and files that a book may leave out."""

from __future__ import annotations

import pytest
from reference.edits import DEMO, Edit, Lines, both, cell, copy_of, findings_of

from tollgate.reference.pricebook_checks import check_price_book

# (what the case is, file, edit, the whole of the findings)
MISTAKES: list[tuple[str, str, Edit, list[str]]] = [
    (
        "allowances that cannot be meant", "allowance",
        both(cell("term_voice", "unit", "message"), copy_of("term_data", zone_id="*", allowance_id="more"),
             copy_of("term_sms", zone_id="*"), copy_of("term_sms", service="mms", quantity="51"),
             copy_of("term_sms", service="*", zone_id="home", quantity="1.5", allowance_id="at_home"),
             copy_of("term_sms", service="fax", allowance_id="by_fax"),
             copy_of("term_sms", zone_id="france", allowance_id="abroad"), copy_of("term_sms"),
             copy_of("term_sms", unit="currency", quantity="0.0000001", allowance_id="too_fine"),
             copy_of("term_sms", unit="currency", quantity="1000000001", allowance_id="too_much"),
             copy_of("term_sms", unit="currency", quantity="2.50", service="*", zone_id="home", allowance_id="sound")),
        ["allowance.csv:2: unit of voice is second, found message",
         "allowance.csv:7: term_sms covers the same usage in line 3 already",
         "allowance.csv:8: rows of term_sms agree in plan_id, name, unit, quantity, proration, valid_from, valid_to, "
         "priority, scope, rollover_cycles, rollover_cap; see line 3",
         "allowance.csv:9: data is free in zone home, other services in a destination zone",
         "allowance.csv:9: quantity of a message allowance is a whole number up to 1000000000000000000",
         "allowance.csv:10: service: expected one of voice, sms, mms, data, *, found 'fax'",
         "allowance.csv:11: zone_id france is unknown; expected one that zone.csv declares",
         "allowance.csv:12: duplicate allowance_id and service and zone_id and band term_sms sms national None, first "
         "in line 3",
         "allowance.csv:12: term_sms covers the same usage in line 7 already",
         *[f"allowance.csv:{line}: quantity of a currency allowance is an amount with at most 6 decimals, up to "
           "1,000,000,000" for line in (13, 14)]],
    ),
    (
        "columns of allowances that a book may leave out", "allowance",
        both(lambda lines: [line.extend([""] * 5) for line in lines],
             lambda lines: lines[0].__setitem__(
                 slice(-5, None), ["priority", "scope", "band", "rollover_cycles", "rollover_cap"]),
             cell("term_voice", "rollover_cycles", "25"), cell("term_sms", "rollover_cycles", "1"),
             cell("term_sms", "rollover_cap", "0"), copy_of("term_data", rollover_cap="5", allowance_id="x", band=""),
             cell("term_voice", "priority", "0"), cell("term_sms", "scope", "family"),
             cell("month_to_month_sms", "band", "night"), cell("term_data", "band", "?")),
        ["allowance.csv:2: priority: expected a whole number from 1 to 1000000, found '0'",
         "allowance.csv:2: rollover_cycles: expected a whole number from 1 to 24, found '25'",
         "allowance.csv:3: rollover_cap: expected a decimal above 0, found '0'",
         "allowance.csv:3: scope: expected one of line, account, found 'family'",
         "allowance.csv:4: band night is unknown; expected one that time_band.csv declares",
         "allowance.csv:5: band: expected an id of letters, digits, _ and - (1 to 64), found '?'",
         "allowance.csv:6: rollover_cap is of an allowance that rolls over: rollover_cycles says how often"],
    ),
    (
        "limits that cannot be meant", "spend_limit",
        lambda lines: lines.extend([cells.split(",") for cells in (
            "limit_id,kind,plan_id,name,scope,service,amount,tax_category,valid_from,valid_to",
            "a,cap,*,A,line,voice,5,,2024-01-01,", "b,cap,term,B,account,*,5,standard,2024-01-01,",
            "c,minimum,term,C,line,*,0,,2024-01-01,", "a,minimum,tern,D,line,sms,1,vat,2024-01-01,2023-01-01",
            "e,floor,*,E,house,fax,-1,,2024-01-01,", "f,cap,term,F,line,data,1,,2020-01-01,2024-01-01")]),
        ["spend_limit.csv:3: b and line 2 are a cap of the same usage",
         "spend_limit.csv:3: tax_category is that of what a minimum charges; a cap has that of the usage, and is empty",
         "spend_limit.csv:4: a minimum is above 0",
         "spend_limit.csv:4: tax_category is that of what a minimum charges; a cap has that of the usage, and is empty",
         "spend_limit.csv:5: duplicate limit_id a, first in line 2",
         "spend_limit.csv:5: plan_id tern is unknown; expected one that plan.csv declares",
         "spend_limit.csv:5: tax_category vat is unknown; expected one that tax.csv declares",
         "spend_limit.csv:5: valid_to must be after valid_from",
         "spend_limit.csv:6: amount: expected a plain decimal such as 1.2, without sign or exponent, found '-1'",
         "spend_limit.csv:6: kind: expected one of cap, minimum, found 'floor'",
         "spend_limit.csv:6: scope: expected one of line, account, found 'house'",
         "spend_limit.csv:6: service: expected one of voice, sms, mms, data, *, found 'fax'"],
    ),
    (
        "modes of tiers", "tier",
        lambda lines: [lines[0].append("mode"), lines.extend([["mms", "line", "10", "0.2", "volume"],
                       ["mms", "line", "20", "0.1", ""], ["sms_rest", "line", "5", "0.1", "steps"]])],
        ["tier.csv:3: tiers of mms have one mode; see line 2",
         "tier.csv:4: mode: expected one of graduated, volume, found 'steps'"],
    ),
]  # fmt: skip


@pytest.mark.covers("RAT-02", "RAT-41")
@pytest.mark.parametrize(("file", "edit", "expected"), [case[1:] for case in MISTAKES], ids=[c[0] for c in MISTAKES])
def test_a_mistake_is_found_in_its_line(tmp_path, file, edit, expected):
    assert findings_of(tmp_path, file, edit) == expected


@pytest.mark.covers("RAT-02", "RAT-41")
def test_a_book_that_leaves_optional_columns_out_is_the_book_that_leaves_them_empty(tmp_path):
    def with_columns(lines: Lines) -> None:
        for line, cells in zip(lines, [["band", "scope", "priority"], *[["", "", ""]] * 4], strict=True):
            line.extend(cells)

    before, _ = check_price_book(DEMO)
    assert findings_of(tmp_path / "empty", "allowance", with_columns) == []
    after, _ = check_price_book(tmp_path / "empty" / "book")
    assert before is not None and after is not None and before.digest() == after.digest()
    assert findings_of(tmp_path / "told", "allowance", both(with_columns, cell("term_sms", "priority", "2"))) == []
    told, _ = check_price_book(tmp_path / "told" / "book")
    assert told is not None and told.digest() != before.digest()
    assert findings_of(tmp_path / "twice", "allowance", both(with_columns, lambda lines: lines[0].append("band"))) == [
        "allowance.csv:1: expected the columns allowance_id, plan_id, name, service, zone_id, unit, quantity, "
        "proration, valid_from, valid_to, priority, scope, band, rollover_cycles, rollover_cap; "
        "the header has twice 'band'"
    ]
