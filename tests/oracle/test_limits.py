"""Volume tiers, spending caps and minimums of the oracle, worked by hand on lines and events."""

from __future__ import annotations

from datetime import date

import pytest
from oracle.people import account, call, facts, local_us
from oracle.small_book import sheet, write_book

from tollgate.oracle.bill_discounts import PostedLine
from tollgate.oracle.billing import bill_cycle
from tollgate.oracle.book import PriceBook
from tollgate.oracle.cycles import CycleCalendar
from tollgate.oracle.lines import BilledEvent, Line, RatedEvent
from tollgate.oracle.pricing import price_event
from tollgate.oracle.rows import Contract
from tollgate.oracle.spend_limits import spend_limit_lines
from tollgate.oracle.volume_tiers import volume_lines

CALENDAR = CycleCalendar("America/Toronto", 1)
OCTOBER, NOVEMBER = (CALENDAR.starting_in(date(2026, month, 1)) for month in (10, 11))
CENT = 10_000
CONTRACTS = [Contract(f"K{line}", line, "A1", "term", date(2026, 1, 1), None, None) for line in ("S1", "S2")]


def usage_line(line: str, cents: int, category: str = "standard", kind: str = "usage") -> Line:
    return Line(kind, category, subscription_id=line, service="voice", origin_cycle=OCTOBER.start, amount=cents * CENT)


def told(lines: list[Line]) -> list[tuple]:
    return [(one.kind, one.subscription_id, one.tax_category, one.ref, one.amount // CENT) for one in lines]


@pytest.fixture
def limits(tmp_path):
    columns = "limit_id,kind,plan_id,name,scope,service,amount,tax_category,valid_from,valid_to"

    def of(*rows: str, **sheets: str) -> PriceBook:
        folder = write_book(tmp_path / "book", **sheets)
        (folder / "spend_limit.csv").write_text("\n".join([columns, *rows]) + "\n", encoding="utf-8")
        return PriceBook(folder)

    return of


@pytest.mark.covers("QUA-02", "RAT-44")
def test_what_is_over_a_cap_is_shared_out_and_what_is_short_of_a_minimum_is_charged(limits):
    book = limits("cap,cap,term,C,line,*,5.00,,2024-01-01,", "min,minimum,*,M,account,voice,12.00,none,2024-01-01,")
    may = [usage_line("S1", 800), usage_line("S1", 200, "none"), usage_line("S2", 100)]

    def reckoned(lines: list[Line], cycle=OCTOBER, posted=()) -> list[tuple]:
        since = OCTOBER.start
        return told(spend_limit_lines(lines, cycle, CALENDAR, CONTRACTS, book, 2, posted, since))

    found = reckoned(may)
    assert found == [
        ("spend_cap", "S1", "none", "cap", -100), ("spend_cap", "S1", "standard", "cap", -400),
        ("minimum_spend", None, "none", "min", 100),
    ]  # fmt: skip
    posted = [
        *(PostedLine(OCTOBER.start, line) for line in may),
        *(PostedLine(OCTOBER.start, Line(kind, category, ref, line, origin_cycle=OCTOBER.start, amount=cents * CENT))
          for kind, line, category, ref, cents in found),
    ]  # fmt: skip
    late = [usage_line("S1", 100, kind="prior_period")]
    assert reckoned(late, NOVEMBER, posted) == [
        # 6.00 over: 9/11 of it are 4.909, 2/11 are 1.091; and the minimum is reached
        ("prior_spend_cap", "S1", "none", "cap", -9), ("prior_spend_cap", "S1", "standard", "cap", -91),
        ("prior_minimum_spend", None, "none", "min", -100),
        ("minimum_spend", None, "none", "min", 1200),
    ]  # fmt: skip


@pytest.mark.covers("QUA-02", "RAT-44", "BIL-04")
def test_a_minimum_alone_makes_a_bill_with_its_fee(limits):
    fee = sheet("fee", {"fee_id": "paper", "kind": "invoice", "plan_id": "*", "amount": "1.00"})
    book = limits("min,minimum,*,M,account,*,12.00,none,2024-01-01,", fee=fee)

    def bill(contracts: list[Contract]):
        return bill_cycle(account(is_exempt=True), OCTOBER, CALENDAR, [], contracts, book)

    made = bill(CONTRACTS)
    assert made is not None
    assert told(made.lines) == [
        ("invoice_fee", None, "standard", "paper", 100), ("minimum_spend", None, "none", "min", 1200),
    ]  # fmt: skip
    ended = [one._replace(cancelled_on=OCTOBER.start) for one in CONTRACTS]
    assert bill(ended) is None, "no contract is in force in October"


@pytest.mark.covers("QUA-02", "RAT-44", "CON-14")
def test_a_minimum_is_of_contracts_that_are_invoiced_and_of_cycles_that_have_a_bill(limits):
    top_up = "plan_id,opening_credit,below,amount,moment,valid_from,valid_to\nprepaid,100,10,25,event,2024-01-01,\n"
    fee = sheet("fee", {"fee_id": "paper", "kind": "invoice", "plan_id": "*", "amount": "1.00"})
    least = ("line,minimum,*,M,line,*,10,none,2024-01-01,", "account,minimum,*,M,account,*,12,none,2024-01-01,")
    book = limits(*least, top_up=top_up, fee=fee)
    purse = Contract("K2", "S2", "A1", "prepaid", date(2026, 1, 1), None, None)
    # S3 is invoiced until 9 October.
    changed = [Contract("K3", "S3", "A1", "term", date(2026, 1, 1), None, date(2026, 10, 10)),
               Contract("K4", "S3", "A1", "prepaid", date(2026, 10, 10), None, None)]  # fmt: skip
    lines = [usage_line("S1", 10, "none", "prior_period"), usage_line("S2", 20)]
    lines[1].ref = "K2"

    def reckoned(since: date) -> list[tuple]:
        contracts = [*CONTRACTS[:1], purse, *changed]
        return told(spend_limit_lines(lines, NOVEMBER, CALENDAR, contracts, book, 2, [], billed_since=since))

    of_november = [("minimum_spend", "S1", "none", "line", 1000), ("minimum_spend", None, "none", "account", 1200)]
    assert reckoned(OCTOBER.start) == [
        ("prior_minimum_spend", "S1", "none", "line", 990), ("prior_minimum_spend", "S3", "none", "line", 1000),
        ("prior_minimum_spend", None, "none", "account", 1190), *of_november,
    ]  # fmt: skip
    assert reckoned(NOVEMBER.start) == of_november
    statement = bill_cycle(account(is_exempt=True), OCTOBER, CALENDAR, [], [purse], book)
    assert statement is not None and told(statement.lines) == [("prepaid_balance", "S2", "none", "K2", 0)]


@pytest.mark.covers("QUA-02", "RAT-44")
def test_all_units_cost_what_the_last_one_does(tmp_path):
    tier = {"rate_id": "term_voice", "from_units": 600, "price": "0.05", "mode": "volume"}
    book = PriceBook(write_book(tmp_path / "book", tier=sheet("tier", tier)))

    def billed(day: int, seconds: int) -> BilledEvent:
        usage = call(seconds, local_us(2026, 10, day, 12))
        priced = price_event(usage, book, facts())
        event = RatedEvent(usage.source, usage.event_id, usage.started_at, "voice", 1, priced)
        return BilledEvent(event, "k|", OCTOBER.start, (), priced.numerator, priced.denominator, priced.charge)

    just_not, more, late = billed(2, 600), billed(3, 240), billed(1, 60)
    assert volume_lines([just_not], [], OCTOBER, 2, []) == []
    found = volume_lines([just_not, more], [], OCTOBER, 2, [])
    assert told(found) == [("volume_tier", "S1", "standard", "term_voice", -70)]  # 840 s: 1.40 are 0.70
    posted = [PostedLine(OCTOBER.start, line) for line in found]
    assert told(volume_lines([late], [just_not, more], NOVEMBER, 2, posted)) == [
        ("prior_volume_tier", "S1", "standard", "term_voice", -5)
    ]
    assert told(volume_lines([late], [just_not], NOVEMBER, 2, [])) == [
        ("prior_volume_tier", "S1", "standard", "term_voice", -55)
    ]
