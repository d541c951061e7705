from __future__ import annotations

from decimal import Decimal

import pytest

from tollgate.assurance.conservation import EQUATIONS, balances

HELD = {
    ("span", "t-0"): 7, ("received", "t-0"): 7, ("raw_rows", "t-0"): 7, ("raw_offsets", "t-0"): 21,
    ("received_offsets", "t-0"): 21, ("raw_places", "t-0"): -5, ("mediated_places", "t-0"): -5,
    ("accepted", "t-0"): 4, ("quarantined", "t-0"): 2, ("duplicate", "t-0"): 1, ("marked_rows", "all"): 7,
    ("accepted_events", "voice"): 4, ("rated", "voice"): 2, ("zero_rated", "voice"): 1, ("suspended", "voice"): 1,
    ("accepted_contents", "voice"): -9, ("rated_contents", "voice"): -9,
    ("usage_days", "msc"): 3, ("usage_days_that_balance", "msc"): 3,
    ("total_of_currency", "CAD"): "22.83", ("issued_of_currency", "CAD"): "22.83",
    ("awaiting_rating", "voice"): 0, ("rated_charge", "voice"): "0.30", ("marked_charge", "all"): "0.30",
    ("table_charge", "all"): "0.30",
    ("marked_cost", "all"): "0.05", ("table_cost", "all"): "0.05",
    ("billed", "voice"): 2, ("carried_late", "voice"): 1, ("billed_list_charge", "voice"): "0.20", ("carried_charge",
    "voice"): "0.10",
    ("billed_events", "2026-10"): 2, ("line_events", "2026-10"): 2, ("billed_net", "2026-10"): "0.2049",
    ("line_exact", "2026-10"): "0.2049",
    ("line_amount", "2026-10"): "20.20", ("invoice_net", "2026-10"): "20.20", ("line_tax", "2026-10"): "2.63",
    ("invoice_tax", "2026-10"): "2.63",
    ("invoice_total", "2026-10"): "22.83", ("invoices", "2026-10"): 1, ("billed_accounts", "2026-10"): 1,
    ("invoices_that_sum", "2026-10"): 1, ("usage_lines", "2026-10"): 2, ("usage_lines_that_sum", "2026-10"): 2,
    ("invoice_digest", "2026-10"): 77, ("issued_digest", "2026-10"): 77,
    ("rated_owners", "voice"): 5, ("billed_owners", "voice"): 3, ("carried_owners", "voice"): 2,
    ("line_digest", "2026-10"): 55, ("issued_line_digest", "2026-10"): 55, ("line_count", "2026-10"): 3,
    ("issued_invoices", "2026-10"): 1, ("issued_lines", "2026-10"): 3, ("issued_net", "2026-10"): "20.20",
    ("issued_tax", "2026-10"): "2.63",
    ("issued_total", "2026-10"): "22.83", ("debits", "2026-10"): "22.83", ("credits", "2026-10"): "22.83",
    ("receivable", "2026-10"): "22.83",
    ("prepaid_opening", "2026-10"): "100", ("prepaid_topped_up", "2026-10"): "25", ("prepaid_settled", "2026-10"): 0,
    ("prepaid_debits", "2026-10"): "0.175", ("prepaid_forfeited", "2026-10"): "99.825",
    ("prepaid_closing", "2026-10"): "25", ("billed_prepaid", "2026-10"): "0.175", ("prepaid_balances", "2026-10"): 2,
    ("prepaid_balances_that_add_up", "2026-10"): 2,
    ("sliced_events", "2026-10"): 2, ("paid_events", "2026-10"): 2,
    ("journals", "2026-10"): 1, ("journals_that_agree", "2026-10"): 1,
    ("forfeits", "2026-10"): 1, ("forfeits_as_held", "2026-10"): 1, ("numbered_in_order", "2026-10"): 1,
    ("credit_given", "2026-10"): "100", ("booked_given", "2026-10"): "100",
    ("credit_taken", "2026-10"): "99.83", ("booked_taken", "2026-10"): "99.83",
    ("numbered", "regular"): 1, ("highest_no", "regular"): 1, ("last_no", "regular"): 1,
}  # fmt: skip
FACTS = {key: Decimal(value) for key, value in HELD.items()}


def broken(**changes: str) -> list[str]:
    changed = {key: Decimal(changes.get(key[0], value)) for key, value in FACTS.items()}
    return [balance.equation.name for balance in balances(changed) if not balance.holds]


@pytest.mark.covers("BIL-13", "BIL-23", "MED-14", "QUA-02")
def test_every_equation_holds_where_nothing_was_lost_and_each_stands_at_least_once():
    held = balances(FACTS)
    assert [balance for balance in held if not balance.holds] == []
    assert {balance.equation for balance in held} == set(EQUATIONS)


@pytest.mark.covers("BIL-13", "BIL-23", "MED-14")
@pytest.mark.parametrize(
    ("planted", "fails"),
    [
        ({"span": "8"}, {"offsets without a hole"}),
        ({"received": "8"}, {"offsets without a hole", "everything received is kept"}),
        ({"raw_rows": "6"}, {"everything received is kept", "one disposition a record"}),
        ({"duplicate": "2"}, {"one disposition a record", "the marks of the batches"}),
        ({"raw_offsets": "20"}, {"the offsets received are the offsets kept"}),
        ({"mediated_places": "5"}, {"the same records, by their places"}),
        ({"suspended": "0"}, {"accepted is rated or held with a reason"}),
        ({"usage_days_that_balance": "2"}, {"every source, service and day is rated or held"}),
        ({"issued_of_currency": "22.82"}, {"total in PostgreSQL by currency"}),
        ({"carried_late": "0"}, {"rated is billed or carried over"}),
        ({"billed": "3"}, {"rated is billed or carried over"}),
        ({"rated_charge": "0.300001"}, {"charges are billed or carried over"}),
        ({"table_cost": "0.050001"}, {"the costs the nights marked"}),
        ({"line_exact": "0.204901"}, {"net charges on usage lines"}),
        ({"line_events": "1"}, {"events on lines"}),
        ({"line_amount": "20.21"}, {"lines make the invoices"}),
        ({"line_tax": "2.64"}, {"tax shares make the tax"}),
        ({"invoices_that_sum": "0"}, {"every invoice equals its own lines"}),
        ({"usage_lines_that_sum": "1"}, {"every usage line equals its own events"}),
        ({"billed_owners": "4"}, {"events keep account, time and charge"}),
        ({"rated_contents": "9"}, {"rated events keep their time and amounts"}),
        ({"issued_digest": "76"}, {"the same invoices in PostgreSQL"}),
        ({"issued_line_digest": "56"}, {"the same lines in PostgreSQL"}),
        ({"issued_total": "22.84"}, {"total in PostgreSQL"}),
        ({"issued_lines": "2"}, {"lines in PostgreSQL"}),
        ({"credits": "22.82"}, {"debits are credits"}),
        ({"receivable": "22.82"}, {"receivable is the sum of totals"}),
        ({"prepaid_closing": "25.000001"}, {"prepaid credit is carried, topped up, used or forfeited"}),
        ({"billed_prepaid": "0.174999"}, {"prepaid usage is taken from the credit"}),
        ({"prepaid_balances_that_add_up": "1"}, {"every prepaid balance adds up"}),
        ({"sliced_events": "1"}, {"free units are those of their slices"}),
        ({"paid_events": "1"}, {"net charges are exact charges less what allowances paid"}),
        ({"journals_that_agree": "0"}, {"every journal is that of its own invoice"}),
        ({"forfeits_as_held": "0"}, {"forfeited deposits are those that were held"}),
        ({"numbered_in_order": "0"}, {"numbers follow the accounts of their run"}),
        ({"booked_given": "99.99"}, {"credit given to prepaid contracts is booked"}),
        ({"booked_taken": "99.82"}, {"credit that contracts forfeited is booked"}),
        ({"numbered": "0"}, {"numbers without a gap"}),
        ({"highest_no": "2"}, {"the highest number is the last one given"}),
        ({"last_no": "2"}, {"numbers without a gap", "the highest number is the last one given"}),
    ],
)
def test_one_row_or_one_minor_unit_too_many_or_too_few_is_found(planted, fails):
    assert set(broken(**planted)) == fails


def test_a_part_that_stands_on_one_side_only_fails():
    lost = {key: value for key, value in FACTS.items() if key != ("raw_rows", "t-0")}
    extra = {**FACTS, ("raw_rows", "t-1"): Decimal(1)}
    assert "everything received is kept" in {b.equation.name for b in balances(lost) if not b.holds}
    assert [
        (b.part, b.left_side, b.right_side) for b in balances(extra) if b.equation.name == "everything received is kept"
    ] == [
        ("t-0", 7, 7),
        ("t-1", 0, 1),
    ]


def test_an_equation_of_which_nothing_is_known_stands_once_with_nothing_on_both_sides():
    empty = balances({})
    assert len(empty) == len(EQUATIONS)
    assert all(balance.holds and balance.left_side == 0 for balance in empty)
