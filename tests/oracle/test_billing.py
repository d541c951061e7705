"""Cycles, allowances, proration, tax and carried usage, worked by hand."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import date

import pytest
from oracle.people import DEMO_BOOK, NUMBER, account, call, facts, local_us
from oracle.small_book import sheet, write_book

from tollgate.oracle.account_rows import Exemption, Jurisdiction
from tollgate.oracle.amounts import share_out
from tollgate.oracle.billing import bill_cycle, net_charge
from tollgate.oracle.billing_check import Biller, RunPins
from tollgate.oracle.book import PriceBook
from tollgate.oracle.cycles import CycleCalendar
from tollgate.oracle.facts import Facts
from tollgate.oracle.lake import RatingRun
from tollgate.oracle.lines import Bill, RatedEvent
from tollgate.oracle.pricing import price_event
from tollgate.oracle.rows import Contract, Usage

OCTOBER, NOVEMBER = date(2026, 10, 1), date(2026, 11, 1)
TERM = Contract("K1", "S1", "A1", "term", date(2026, 9, 1), date(2027, 9, 1), None)


@pytest.fixture(scope="module")
def book() -> PriceBook:
    return PriceBook(DEMO_BOOK)


def rated(book: PriceBook, usage: Usage, rating_no: int = 1, plan_id: str = "term") -> RatedEvent:
    priced = price_event(usage, book, facts(plan_id))
    return RatedEvent(usage.source, usage.event_id, usage.started_at, usage.service, rating_no, priced)


def bill_of(book: PriceBook, events: list[RatedEvent], contract: Contract = TERM, of=None, used=None) -> Bill:
    calendar = CycleCalendar("America/Toronto", 1)
    of = (of or account())._replace(first_cycle_start=OCTOBER)
    bill = bill_cycle(of, calendar.starting_in(OCTOBER), calendar, events, [contract], book, Counter(used or {}))
    assert bill is not None
    return bill


def amounts(bill: Bill) -> dict[str, int]:
    return {f"{line.kind} {line.service or ''}".strip(): line.amount for line in bill.lines}


def test_cycles_are_computed_from_the_anchor_day_and_local_midnights():
    calendar = CycleCalendar("America/Toronto", 31)
    starts = [calendar.starting_in(date(2027, month, 1)).start for month in (1, 2, 3, 4)]
    assert starts == [date(2027, 1, 31), date(2027, 2, 28), date(2027, 3, 31), date(2027, 4, 30)]
    assert calendar.containing(local_us(2027, 2, 28, 0)).start == date(2027, 2, 28)
    assert calendar.containing(local_us(2027, 2, 28, 0) - 1).start == date(2027, 1, 31)
    first = CycleCalendar("America/Toronto", 1)
    october = first.starting_in(OCTOBER)
    assert (october.days, october.end_us - october.start_us) == (31, 31 * 86_400 * 1_000_000)
    assert first.starting_in(NOVEMBER).end_us - october.end_us == (30 * 24 + 1) * 3_600 * 1_000_000


@pytest.mark.covers("QUA-02")
def test_what_an_allowance_leaves_keeps_its_place_in_the_call(book):
    # 120 s from 19:59 Tuesday: a peak minute, then an off-peak one; the peak minute is the first and is freed
    priced = price_event(call(120, local_us(2026, 10, 6, 19, 59)), book, facts())
    assert [net_charge(priced, free)[2] for free in (0, 30, 60, 90, 120)] == [220_000, 160_000, 100_000, 50_000, 0]


@pytest.mark.covers("QUA-02")
def test_units_are_freed_in_event_order_and_shared_by_both_rating_groups(book):
    def data(name: str, hour: int, volume: int, group: str) -> RatedEvent:
        at = local_us(2026, 10, 6, hour)
        return rated(book, Usage("pgw", name, "data", at, NUMBER, volume_bytes=volume, rating_group=group))

    events = [data("c", 11, 1_000_000, "web"), data("b", 10, 600_000_000, "video"), data("a", 9, 1_500_000_000, "web")]
    billed = bill_of(book, events).billed
    assert [(one.event.event_id, one.free_units, one.net_charge) for one in billed] == [
        ("a", 1_500_000_000, 0),
        ("b", 500_000_000, 500_000),
        ("c", 0, 10_000),
    ]


@pytest.mark.covers("QUA-02")
def test_a_started_and_cancelled_month_is_prorated_by_days_and_allowances_are_floored(book):
    # 17 of 31 days: 20.00 x 17 / 31 = 10.9677...; 6,000 s x 17 / 31 = 3,290.32 s
    contract = replace_contract(starts_on=date(2026, 10, 15))
    bill = bill_of(book, [rated(book, call(3600, local_us(2026, 10, 17, 12)))], contract)
    assert amounts(bill) == {
        "deposit": 300_000_000,
        "invoice_fee": 1_000_000,
        "recurring": 10_970_000,
        "usage voice": 470_000,  # 310 s at 0.10 x 0.9 a minute: 0.465
    }
    assert bill.billed[0].free_units == 3290
    assert [line.free_units for line in bill.lines if line.kind == "usage"] == [3290]


@pytest.mark.covers("QUA-02")
def test_a_deposit_is_forfeited_before_the_term_ends_and_credited_on_its_end(book):
    early = bill_of(book, [], replace_contract(cancelled_on=date(2026, 10, 11)))
    assert amounts(early) == {"deposit_forfeit": 0, "invoice_fee": 1_000_000, "recurring": 6_450_000}
    on_the_end = bill_of(book, [], replace_contract(cancelled_on=date(2026, 10, 11), term_ends_on=date(2026, 10, 11)))
    assert amounts(on_the_end)["deposit_credit"] == -300_000_000
    later = bill_of(book, [], replace_contract(cancelled_on=NOVEMBER))
    assert amounts(later) == {"invoice_fee": 1_000_000, "recurring": 20_000_000}


@pytest.mark.covers("QUA-02")
def test_tax_is_rounded_once_and_its_shares_sum_to_it(book):
    bill = bill_of(book, [rated(book, call(60, local_us(2026, 10, 3, 12)), plan_id="month_to_month")])
    assert amounts(bill) == {"invoice_fee": 1_000_000, "recurring": 20_000_000, "usage voice": 50_000}  # 0.045
    assert (bill.net, bill.tax, bill.total) == (21_050_000, 2_740_000, 23_790_000)  # 2.7365
    assert [(line.kind, line.tax_share) for line in bill.lines] == [
        ("invoice_fee", 130_000),
        ("recurring", 2_600_000),
        ("usage", 10_000),
    ]
    exempt = bill_of(book, [], of=account(is_exempt=True))
    assert (exempt.tax, {line.tax_id for line in exempt.lines}) == (0, {None})


@pytest.mark.covers("QUA-02")
def test_spare_units_go_to_the_largest_fractions_then_to_the_first_line():
    assert share_out(100_000, [1, 1, 1], 2) == [40_000, 30_000, 30_000]
    assert share_out(20_000, [0, 5, 5, 5], 2) == [0, 10_000, 10_000, 0]
    assert share_out(5_000_000, [3, 3], 0) == [3_000_000, 2_000_000]
    assert sum(share_out(10_010_000, [7, 11, 13, 17, 19], 2)) == 10_010_000


@pytest.mark.covers("QUA-02")
def test_late_usage_comes_on_the_next_bill_and_takes_what_posted_runs_left(book):
    noon = [local_us(2026, 10, day, 12) for day in (3, 4, 10)]
    first, late, other = (call(3600, at) for at in noon)
    november = call(60, local_us(2026, 11, 3, 12))
    events = [rated(book, first), rated(book, other), rated(book, late, 2), rated(book, november, 2)]
    snapshot = facts(contracts=[TERM])
    runs = [RatingRun(1, 1, 1, 1, 1), RatingRun(2, 2, 2, 1, 1)]
    biller = Biller({"A1": events}, lambda _: snapshot, lambda _: book, runs)

    def billed(pins: RunPins) -> list[tuple[str, int, int]]:
        (bill,) = biller.bill(pins)
        return [(one.line_key.split("|")[0], one.free_units, one.net_charge) for one in bill.billed]

    assert billed(RunPins("october", OCTOBER, 1, 1)) == [("usage", 3600, 0), ("usage", 2400, 1_800_000)]
    preview = RunPins("november", NOVEMBER, 2, 1, is_preview=True)
    expected = [("prior_period", 0, 5_400_000), ("usage", 60, 0)]
    assert billed(preview) == expected
    assert billed(preview) == expected  # a preview counts for nothing after it
    assert billed(replace(preview, is_preview=False)) == expected


@pytest.mark.covers("QUA-02", "BIL-03")
def test_discounts_of_a_bill_follow_their_order_and_late_usage_changes_those_posted(tmp_path):
    # flat 0.05 a minute: 86,400 s are 72.00, 33,600 s are 28.00
    rows = (
        ("volume", {"stacks": "false", "fact": "usage_net", "threshold": "100.00", "percent": 20}),
        ("spring", {"plan_id": "month_to_month", "applies_to": "all", "valid_to": "2026-11-01"}),
        ("loyal", {"percent": 5, "valid_to": "2026-10-31"}),
        ("five", {"percent": 5, "valid_to": "2026-11-01"}),
    )
    drawn = [
        {"discount_id": name, "stage": "billing", "apply_order": order, **cells}
        for order, (name, cells) in enumerate(rows, start=1)
    ]
    book = PriceBook(write_book(tmp_path, discount=sheet("discount", *drawn)))
    whole = rated(book, call(86_400, local_us(2026, 10, 3, 12)), 1, "month_to_month")
    late = rated(book, call(33_600, local_us(2026, 10, 4, 12)), 2, "month_to_month")
    contract = replace_contract(plan_id="month_to_month", term_ends_on=None)
    biller = Biller({"A1": [whole, late]}, lambda _: untaxed(contract), lambda _: book,
                    [RatingRun(1, 1, 1, 1, 1), RatingRun(2, 2, 2, 1, 1)])  # fmt: skip

    def discounts(pins: RunPins) -> dict[str, int]:
        (bill,) = biller.bill(pins)
        return {line.line_key: line.amount for line in bill.lines if "discount" in line.kind}

    assert discounts(RunPins("october", OCTOBER, 1, 1)) == {
        "discount|||||2026-10-01|standard|spring": -12_200_000,  # 10 % of 72.00 and of the fee, 50.00
        "discount|||||2026-10-01|standard|five": -3_240_000,  # 5 % of 64.80
    }
    assert discounts(RunPins("november", NOVEMBER, 2, 1)) == {
        "prior_discount|||||2026-10-01|standard|volume": -20_000_000,  # 100.00 is reached, and ends the chain of usage
        "prior_discount|||||2026-10-01|standard|spring": 7_200_000,  # 5.00 of the fee is left
        "prior_discount|||||2026-10-01|standard|five": 3_240_000,
    }


@pytest.mark.covers("QUA-02", "RAT-44")
def test_a_unit_costs_what_its_place_in_the_cycle_says_and_late_usage_goes_on_where_posted_usage_ended(tmp_path):
    # 0.05 a minute, from 90 s on 0.02, from 240 s on 0.10
    cells = {"rate_id": "mtm_voice", "counts": "account"}
    tiers = [{**cells, "from_units": 240, "price": "0.10"}, {**cells, "from_units": 90, "price": "0.02"}]
    book = PriceBook(write_book(tmp_path, tier=sheet("tier", *tiers)))
    days = ((60, 3, 1), (120, 4, 1), (180, 5, 1), (60, 2, 2))
    events = [rated(book, call(of, local_us(2026, 10, day, 12)), no, "month_to_month") for of, day, no in days]
    contract = replace_contract(plan_id="month_to_month", term_ends_on=None)
    biller = Biller({"A1": events}, lambda _: untaxed(contract), lambda _: book,
                    [RatingRun(1, 1, 1, 1, 1), RatingRun(2, 2, 2, 1, 1)])  # fmt: skip
    (october,) = biller.bill(RunPins("october", OCTOBER, 1, 1))
    # 30 s at 0.05 and 90 s at 0.02; 60 s at 0.02 and 120 s at 0.10
    assert [one.net_charge for one in october.billed] == [50_000, 55_000, 220_000]
    (november,) = biller.bill(RunPins("november", NOVEMBER, 2, 1))
    assert [one.net_charge for one in november.billed] == [100_000]


def test_an_account_set_aside_is_billed_by_the_next_run_of_its_cycle_and_then_no_more(book):
    snapshot = facts(contracts=[TERM])
    biller = Biller({}, lambda _: snapshot, lambda _: book, [RatingRun(1, 1, 1, 1, 1)])
    parked, second, third = (RunPins(name, OCTOBER, 1, 1) for name in ("first", "second", "third"))
    runs = [replace(parked, parked=("A1",)), second, third]
    assert [len(biller.bill(pins)) for pins in runs] == [0, 1, 0]


def replace_contract(**fields: date | str | None) -> Contract:
    return TERM._replace(**fields)


def untaxed(contract: Contract) -> Facts:
    """A snapshot with this contract; the small book has no tax rule, so the account is exempt."""
    return facts(of=account(is_exempt=True), contracts=[contract])


@pytest.mark.covers("BIL-02")
def test_an_account_is_taxed_where_it_is_on_the_last_day_and_without_a_rule_it_has_no_bill(book):
    def of(*, moves: tuple[Jurisdiction, ...] = (), exemptions: tuple[Exemption, ...] = ()) -> Facts:
        return Facts([account()], [], [], [TERM], (), moves, exemptions)

    last, first_of_november, open_end = date(2026, 10, 31), date(2026, 11, 1), date(9999, 12, 31)
    snapshots = {
        1: of(moves=(Jurisdiction("A1", "GB", last, open_end),)),
        2: of(moves=(Jurisdiction("A1", "GB", first_of_november, open_end),)),
        3: of(exemptions=(Exemption("A1", "*", "all", last, first_of_november),)),
        4: of(exemptions=(Exemption("A1", "standard", "over", OCTOBER, last),)),
        5: of(moves=(Jurisdiction("A1", "FR", OCTOBER, first_of_november),)),
    }

    def taxes(snapshot_id: int) -> list[tuple[str | None, str | None]]:
        biller = Biller({}, snapshots.__getitem__, lambda _: book, [RatingRun(1, 1, 1, 1, 1)])
        bills = biller.bill(RunPins("october", OCTOBER, 1, snapshot_id))
        return [(line.tax_id, line.exempt_reason) for bill in bills for line in bill.lines if line.kind == "recurring"]

    assert [taxes(snapshot_id) for snapshot_id in snapshots] == [
        [("vat_gb", None)], [("hst_on", None)], [(None, "all")], [("hst_on", None)], [],
    ]  # fmt: skip


def test_late_usage_of_a_closed_account_is_supplementary_from_the_minimum_on(tmp_path):
    minimum = {"fee_id": "least", "kind": "late_minimum", "plan_id": "*", "amount": "2.00", "tax_category": "none"}
    deposit = {"fee_id": "kept", "kind": "deposit", "plan_id": "month_to_month", "amount": "70", "tax_category": "none"}
    book = PriceBook(write_book(tmp_path, fee=sheet("fee", minimum, deposit)))
    events = [rated(book, call(2340, local_us(2026, 10, 3, 12)), 1, "month_to_month"),  # 39 minutes: 1.95
              rated(book, call(60, local_us(2026, 10, 4, 12)), 2, "month_to_month")]  # fmt: skip
    closed = account(is_exempt=True)._replace(closed_on=OCTOBER)
    biller = Biller({"A1": events}, lambda _: facts(of=closed), lambda _: book,
                    [RatingRun(1, 1, 1, 1, 1), RatingRun(2, 2, 2, 1, 1)])  # fmt: skip
    assert biller.bill(RunPins("october", OCTOBER, 1, 1)) == []
    (bill,) = biller.bill(RunPins("november", NOVEMBER, 2, 1))
    assert (bill.kind, bill.net) == ("supplementary", 2_000_000)
    # The deposit was for September's bill to settle.
    ended, calendar = TERM._replace(plan_id="month_to_month", cancelled_on=OCTOBER), CycleCalendar("America/Toronto", 1)
    assert bill_cycle(closed, calendar.starting_in(OCTOBER), calendar, [], [ended], book) is None
