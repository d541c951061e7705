from __future__ import annotations

import copy
import json

import pytest

from tollgate.demo.layout import amount, grid, percent
from tollgate.demo.page import page

SUMMARY = {
    "parameters": {"subscribers": 2000, "events": 200000, "seed": 42, "cycle": "2026-10", "preview_cycle": "2026-11"},
    "records": {
        "received": 1234,
        "by_disposition": {"accepted": 1200, "duplicate": 4, "quarantined": 30},
        "by_code": [{"disposition": "quarantined", "kind": "reason", "code": "SERVICE_UNKNOWN", "records": 30}],
    },
    "truth": {
        "classes": [
            {"dirt_class": "clean", "injected": 1200, "found": 1200, "claimed": 1200, "rightly": 1200},
            {"dirt_class": "unknown_type", "injected": 30, "found": 29, "claimed": 30, "rightly": 29},
        ],
        "misses": ["cdr.raw-0@17 unknown_type : quarantined SERVICE_UNKNOWN; found accepted"],
    },
    "gates": [
        {"suite": "invoice", "from_no": 4, "to_no": 4, "rows_checked": 1164, "warnings": []},
        {"suite": "usage_event", "from_no": 0, "to_no": 1, "rows_checked": 7, "warnings": ["is_in_time: 3 of 7 rows"]},
    ],
    "rating": [{"retail_status": "suspended", "suspense_reason": "no_zone", "events": 3}],
    "services": [
        {"service": "voice", "rated": 10, "zero_rated": 1, "suspended": 3, "list_charge": "1234.567800",
        "cost": "1.000000",
         "margin": "1233.567800", "cost_unknown": 0},
    ],
    "invoices": {
        "invoices": 1, "lines": 2, "net": "20.150", "tax": "2.620", "total": "22.770", "currency": "CAD", "parked": 0,
        "by_kind": [{"kind": "recurring", "lines": 1, "events": 0, "amount": "20.000", "tax": "2.600"}],
    },
    "bill_run": {
        "run_id": "2026-10/regular/1", "cycle": "2026-10", "as_of": "2026-11-01T04:00:00Z", "accounts": 1164,
        "invoices": 1163, "outliers": 14, "parked": 1, "approved": "auto: 14 outliers accepted",
        "outlier_kinds": [
            {"kind": "negative", "invoices": 13, "account_id": "acc-8", "total": "-1234.50", "compared_with": "0.00",
             "limit_percent": 100, "largest_line": "Deposit returned", "line_amount": "-300.00"},
            {"kind": "over_run", "invoices": 1, "account_id": "acc-9", "total": "999.99", "compared_with": "333.32",
             "limit_percent": 300, "largest_line": "Voice, Satellite", "line_amount": "700.01"},
        ],
        "parked_accounts": [{"account_id": "acc-5", "reason": "no tax rule for a taxable line", "taxed_in": "CA-QC",
                             "events": 1077, "charge": "41.230000"}],
        "jurisdictions": "CA-ON, GB",
        "ended_early": {
            "invoice_no": 21, "contract_id": "con-4", "subscription_id": "sub-4", "plan_id": "term",
            "starts_on": "2026-03-02", "term_ends_on": "2027-03-02", "cancelled_on": "2026-10-12",
            "account_id": "acc-4", "cycle_start": "2026-10-01", "cycle_end": "2026-11-01", "currency": "CAD",
            "net": "8.10", "tax": "1.05", "total": "9.15",
            "lines": [{"what": "Term, deposit forfeited", "subscription_id": "sub-4", "lines": 1, "events": 0,
                       "amount": "0.00", "tax": "0.00"}],
            "deposit": [{"ledger_account": "revenue_deposit_forfeited", "amount": "-300.00"}],
        },
        "statement": {
            "invoice_no": 22, "account_id": "acc-6", "cycle_start": "2026-10-01", "cycle_end": "2026-11-01",
            "currency": "CAD", "net": "22.12", "tax": "2.88", "total": "25.00",
            "lines": [{"what": "Top-up of it, 1 x 25.00", "subscription_id": "sub-6", "lines": 1,
                       "events": 0, "amount": "25.00", "tax": "0.00"}],
        },
    },
    "verified": {"run_id": "2026-10/regular/1", "invoices": 1163, "content_hash": "a1" * 32, "rebuilt": "b2" * 32,
                 "lake": "c3" * 32, "postgres": "d4" * 32, "verified": True},
    "preview": {"cycle": "2026-11", "invoices": 5, "lines": 9, "net": "1.500", "prior_lines": 2, "prior_events": 3,
    "prior_amount": "0.250"},
    "leakage": [
        {"service": "voice", "billed_events": 9, "unbilled_events": 2, "suspended_events": 3,
        "billed_charge": "1.200000",
         "unbilled_charge": "0.100000", "cost_unknown_events": 0},
    ],
    "equations": [
        {"stage": "mediation", "equation": "one disposition a record", "part": "cdr.raw-0", "left": {"raw_rows": "7"},
         "right": {"accepted": "4", "quarantined": "2", "duplicate": "1"}, "holds": True},
        {"stage": "billing", "equation": "prepaid usage is taken from the credit", "part": "all",
         "left": {"billed_prepaid": "0"}, "right": {"prepaid_debits": "0"}, "holds": True},
        {"stage": "ledger", "equation": "debits are credits", "part": "2026-10", "left": {"debits": "1"},
        "right": {"credits": "2"},
         "holds": False},
    ],
    "invoice_in_full": {
        "invoice_no": 7, "account_id": "acc-7", "cycle_start": "2026-10-01", "cycle_end": "2026-11-01",
        "currency": "CAD", "net": "20.15",
        "tax": "2.62", "total": "22.77", "taxes": [{"tax_id": "hst", "net": "20.15", "tax": "2.62"}],
        "lines": [
            {"line_no": 1, "description": "Monthly fee", "subscription_id": "sub-1", "events": 0, "units": "1",
            "free_units": "0",
             "unit": "month", "amount": "20.00", "tax_share": "2.60"},
        ],
    },
    "charges_explained": [{"text": "voice call\n60 s in peak"}, {"text": "data session\n3 blocks abroad"}],
    "second_opinion": {"equal": True, "compared": {"rated_usage": 1200}, "different": {"rated_usage": 0}},
    "places": {"lake": ".tollgate/lake"},
    "times": [{"step": "mediate", "seconds": 1.2}, {"step": "rate", "seconds": 0.4}, {"step": "all", "seconds": 1.4}],
}  # fmt: skip


@pytest.mark.covers("OPS-17", "QUA-11")
def test_every_figure_of_the_summary_is_on_the_page():
    told = page(SUMMARY)
    assert "prepaid usage is taken" not in told
    for figure in (
        "1,234 received: accepted 1,200, duplicate 4, quarantined 30", "SERVICE_UNKNOWN", "96.66 %", "100.00 %",
        "cdr.raw-0@17", "no_zone",
        "1,164", "usage_event 0 to 1: is_in_time: 3 of 7 rows",
        "1,234.567800", "total 22.770 CAD", "2 prior-period lines for 3 late events, 0.250",
        "[ok] one disposition a record (cdr.raw-0): raw rows 7 = accepted 4 + quarantined 2 + duplicate 1",
        "[FAILS] debits are credits (2026-10): debits 1 = credits 2", "Monthly fee", "tax hst on 20.15: 2.62",
        "60 s in peak\n\ndata session\n3 blocks abroad",
        "equal to the last digit", ".tollgate/lake", "1.4 s",
        "negative        13  acc-8    -1,234.50             0.00  Deposit returned -300.00", "300 % of 333.32",
        "acc-5    no tax rule for a taxable line  CA-QC                      1,077     41.230000",
        "1 of 1,164 due accounts", "tax rules for CA-ON, GB", "a row for CA-QC in conf/pricebook/tax.csv",
        "tollgate bill run --cycle 2026-10 --as-of 2026-11-01T04:00:00Z", "tollgate bill show 2026-10/regular/1",
        "1,163 invoices, computed again from", *(part * 32 for part in ("a1", "b2", "c3", "d4")),
        "DIFFERENT. The same at any later time: tollgate bill verify --run-id 2026-10/regular/1",
        "began 2026-03-02, bound until 2027-03-02, cancelled on 2026-10-12", "Term, deposit forfeited",
        "net 8.10 + tax 1.05 = 9.15 CAD", "revenue_deposit_forfeited -300.00",
        "Invoice 22 of account acc-6", "Top-up of it, 1 x 25.00", "net 22.12 + tax 2.88 = 25.00 CAD",
    ):  # fmt: skip
        assert figure in told, figure
    assert max(len(line) for line in told.splitlines()) <= 160


def test_one_hash_is_told_as_equal():
    same = {**SUMMARY, "verified": {**SUMMARY["verified"], **dict.fromkeys(("rebuilt", "lake", "postgres"), "a1" * 32)}}
    assert "Equal. The same" in page(same) and "DIFFERENT" not in page(same)


def test_a_month_without_them_says_so():
    bare = copy.deepcopy(SUMMARY)
    bare["bill_run"] |= {"outlier_kinds": [], "parked_accounts": [], "ended_early": {}, "statement": {}}
    told = page(bare)
    for said in ("no invoice was unlike the others", "no account is parked", "no prepaid contract had a statement",
                 "no invoice of a contract that was cancelled"):  # fmt: skip
        assert said in told
    bare["bill_run"]["parked_accounts"] = [
        {**SUMMARY["bill_run"]["parked_accounts"][0], "reason": "net charge unknown"}
    ]
    assert "The way on, once the reason is mended" in page(bare) and "tax.csv" not in page(bare)


def test_what_varies_from_run_to_run_stands_at_the_end():
    other = copy.deepcopy(SUMMARY)
    other["times"] = [{"step": "mediate", "seconds": 99.9}]
    before, after = page(SUMMARY).splitlines(), page(other).splitlines()
    at = before.index("Times of this run")
    assert before[:at] == after[:at]
    assert before[at:] != after[at:]
    assert json.loads(json.dumps(SUMMARY)) == SUMMARY


def test_a_share_is_never_rounded_up_and_numbers_keep_their_digits():
    assert [percent(199_999, 200_000), percent(3, 3), percent(0, 0), percent(None, 3)] == [
        "99.99 %",
        "100.00 %",
        "-",
        "-",
    ]
    assert [amount(value) for value in ("-1234.50", 1234, "0.000100", None, "sms", "007")] == [
        "-1,234.50", "1,234", "0.000100", "", "sms", "007",
    ]  # fmt: skip


def test_columns_are_as_wide_as_their_widest_text():
    assert grid(["a", "n"], [["wide", "1"], ["b", "100"]], "lr") == ["a       n", "----  ---", "wide    1", "b     100"]
