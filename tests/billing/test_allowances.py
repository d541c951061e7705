"""Allowances worked by hand: several in one event, by zone, service and band, of a line and of an account."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from billing.small_month import account, agreement, allowance, at, bill_may, frame, posted_before, usage
from frames import assert_rows, table
from pyspark.sql import DataFrame, SparkSession

from tollgate.billing.buckets import GRANTED
from tollgate.platform.lake import kept

MAY = date(2025, 5, 1)
# 0.10 a minute and 0.05 a message; each account has a plan of its own. (what, plan, service, quantity, and the rest)
ALLOWANCES = [
    allowance("a_here", "two", "voice", 120, priority=1, slot=1),
    allowance("b_anywhere", "two", "*", 180, unit="second", zone_id="*", priority=2, slot=2),
    allowance("a_own", "family", "voice", 60, priority=1, slot=1),
    allowance("b_shared", "family", "voice", 180, priority=2, scope="account", slot=2),
    allowance("any_message", "texts", "*", 3, unit="message", zone_id="*"),
    allowance("at_night", "owl", "voice", 90, band="night"),
    allowance("by_days", "part", "voice", 310, "days", scope="account"),
    # The most that publishing accepts: times 31 days it is beyond a BIGINT.
    allowance("most", "vast", "data", 10**18, "days"),
    allowance("minute", "purse", "voice", 60),
    # Money in millionths: 0.50 a line for calls, then 1.00 shared for everything
    allowance("for_calls", "purse", "voice", 500_000, unit="currency", zone_id="*", priority=1, slot=1),
    allowance("for_all", "purse", "*", 1_000_000, unit="currency", zone_id="*", priority=2, slot=2, scope="account"),
]
CONTRACTS = [
    agreement("two", "two"),
    agreement("family", "family", subscription_id="mum"), agreement("family", "family", subscription_id="son"),
    agreement("texts", "texts"), agreement("owl", "owl"),
    # 1 to 9 May and 6 to 15 May: 15 of 31 days, 6 to 9 counted once
    agreement("part", "part", subscription_id="one", cancelled_on=date(2025, 5, 10)),
    agreement("part", "part", subscription_id="other", contract_id="K", starts_on=date(2025, 5, 6),
              cancelled_on=date(2025, 5, 16)),
    agreement("vast", "vast"),
]  # fmt: skip
ACCOUNTS = [account(name) for name in ("two", "family", "texts", "owl", "part", "vast", "purse")]


def event(account_id: str, name: str, day: int, units: int, service: str = "voice", **fields: Any) -> dict[str, Any]:
    usual = {"plan_id": account_id, "tax_category": "none"}
    return usage(account_id, name, at(f"2025-05-{day:02}T16:00"), units, service, **{**usual, **fields})


RATED = [
    event("two", "abroad", 1, 60, zone_id="europe"),
    event("two", "long", 2, 300),
    event("two", "none left", 3, 60),
    event("two", "roaming", 1, 60, roaming_zone="us"),
    event("family", "mum's", 1, 120, subscription_id="mum"),
    event("family", "son's", 2, 180, subscription_id="son"),
    event("family", "mum's again", 3, 60, subscription_id="mum"),
    event("texts", "sms", 1, 1, "sms"),
    event("texts", "mms", 2, 1, "mms", unit_price_micros=50_000),
    event("texts", "sms abroad", 3, 1, "sms", zone_id="europe"),
    event("texts", "fourth", 4, 1, "sms"),
    event("owl", "from night on", 1, 60, piece_units=[30, 30], piece_band=["night", "peak"],
          piece_factor_num=[10, 10]),
    event("owl", "by day", 2, 60, piece_band=["peak"]),
    event("owl", "into the night", 3, 60, piece_units=[30, 30], piece_band=["peak", "night"],
          piece_factor_num=[10, 10]),
    event("owl", "at night", 4, 60, piece_band=["night"]),
    event("part", "one's", 1, 120, subscription_id="one"),
    event("part", "other's", 7, 60, subscription_id="other"),
    event("vast", "a megabyte", 1, 1_000_000, "data"),
    event("purse", "half by units", 1, 120),
    event("purse", "by both purses", 2, 600),
    event("purse", "message", 3, 1, "sms"),
    event("purse", "half by money", 4, 600, subscription_id="second line", zone_id="europe"),
]  # fmt: skip


def net(amount: str) -> Decimal:
    return Decimal(amount).quantize(Decimal("0.000001"))


def slices(billed: DataFrame) -> DataFrame:
    """Event, units and money of each allowance in the order of use, free units, what is left to pay."""
    units = "transform(slices, s -> concat(s.units, ' ', s.allowance_id))"
    paid = "transform(money_slices, s -> concat(s.amount, ' ', s.allowance_id))"
    told = f"concat_ws(' + ', concat({units}, {paid}))"
    return billed.selectExpr("event_id", told, "free_units", "net_charge")


@pytest.mark.covers("RAT-07", "RAT-51", "CON-20", "BIL-21")
def test_events_take_from_several_allowances_and_late_ones_get_what_posted_runs_left(spark: SparkSession) -> None:
    book = {"allowance": ALLOWANCES, "tax": []}
    may = bill_may(spark, ACCOUNTS, CONTRACTS, RATED, book)
    assert may.parked.isEmpty()
    billed = kept(may.billed_usage)
    assert_rows(
        slices(billed),
        ("abroad", "60 b_anywhere", 60, net("0")),
        ("roaming", "", 0, net("0.1")),
        ("long", "120 a_here + 120 b_anywhere", 240, net("0.1")),  # 300 - 120 - what the call abroad left of 180
        ("none left", "", 0, net("0.1")),
        ("mum's", "60 a_own + 60 b_shared", 120, net("0")),
        ("son's", "60 a_own + 120 b_shared", 180, net("0")),
        ("mum's again", "", 0, net("0.1")),
        ("sms", "1 any_message", 1, net("0")), ("mms", "1 any_message", 1, net("0")),
        ("sms abroad", "1 any_message", 1, net("0")), ("fourth", "", 0, net("0.05")),
        ("from night on", "60 at_night", 60, net("0")), ("by day", "", 0, net("0.1")),
        ("into the night", "", 0, net("0.1")), ("at night", "30 at_night", 30, net("0.05")),
        ("one's", "120 by_days", 120, net("0")), ("other's", "30 by_days", 30, net("0.05")),  # 310 x 15 / 31 = 150
        ("a megabyte", "1000000 most", 1_000_000, net("0")),
        ("half by units", "60 minute + 0.100000 for_calls", 60, net("0")),
        ("by both purses", "0.400000 for_calls + 0.600000 for_all", 0, net("0")),
        ("message", "0.050000 for_all", 0, net("0")),
        # 1.00 for 600 s: its own line's 0.50, then 1.00 - 0.60 - 0.05
        ("half by money", "0.500000 for_calls + 0.350000 for_all", 0, net("0.15")),
    )  # fmt: skip
    # Rows of before the column, then the slices of May's run.
    older = [
        {"run_id": "older", "source": "switch", "event_id": f"older {name}", "revision": 1, "rating_no": 1,
         "started_at": at("2025-05-01T12:00"), "account_id": name, "subscription_id": f"S{name}", "origin_cycle": MAY,
         "line_key": "k", "allowance_id": of, "free_units": units, "net_numerator": Decimal(0),
         "net_denominator": Decimal(1), "list_charge": Decimal(0), "net_charge": Decimal(0)}
        for name, of, units in (("texts", "any_message", 2), ("two", "a_here", 20))
    ]  # fmt: skip
    texts = billed.where("account_id IN ('two', 'family', 'purse') AND event_id NOT IN ('long', 'message')")
    posted = posted_before(
        spark, frame(spark, "billed_usage", older).unionByName(texts), [("may", "2025-05", at("2025-06-01T04:00"))]
    )
    late = [
        event("two", "before all", 1, 240), event("family", "another line's", 1, 300, subscription_id="dad"),
        event("purse", "what a message left", 1, 1, "mms", unit_price_micros=50_000),
        {**event("purse", "nothing left", 1, 60), "started_at": at("2025-05-01T17:00")},
        event("texts", "one of two", 1, 1, "sms"), event("texts", "two of two", 1, 1, "sms"),
    ]  # fmt: skip
    carried = [row for row in RATED if row["account_id"] in ("two", "family", "purse")]
    carried = [row for row in carried if row["event_id"] not in ("long", "message")]
    june = bill_may(
        spark, [*ACCOUNTS[:3], ACCOUNTS[-1]], CONTRACTS[:4], [*carried, *late], book, posted, cycle="2025-06"
    )
    assert_rows(
        slices(june.billed_usage),
        ("before all", "100 a_here + 120 b_anywhere", 220, net("0.0333")),  # 20 s: 33,333.3 micros, 4 digits
        # the shared ones are used up; this line has its own 60 s
        ("another line's", "60 a_own", 60, net("0.4")),
        ("what a message left", "0.050000 for_all", 0, net("0")), ("nothing left", "", 0, net("0.1")),
        ("one of two", "1 any_message", 1, net("0")), ("two of two", "", 0, net("0.05")),
    )  # fmt: skip


@pytest.mark.covers("CON-20")
def test_the_largest_quantity_is_prorated_to_the_unit(spark: SparkSession) -> None:
    columns = "quantity BIGINT, proration STRING, age INT, is_granted BOOLEAN, active_days BIGINT, cycle_days INT"
    grants = table(
        spark, columns, (10**18, "days", 0, None, 16, 31), (10**18, "days", 1, True, 31, 31),
        (310, "days", 0, None, 15, 31), (311, "days", 0, None, None, None), (312, "none", 0, None, None, None),
    )  # fmt: skip
    assert_rows(
        grants.selectExpr("quantity", "active_days", f"{GRANTED} AS granted"),
        (10**18, 16, 516_129_032_258_064_516), (10**18, 31, 10**18),  # 10^18 x 16 / 31 = ...516.129
        (310, 15, 150), (311, None, 0), (312, None, 312),
    )  # fmt: skip


# 100 messages a cycle; of what is left, 30 can be used in the next one. Billed since May 2025.
ROLLING = [
    allowance("messages", "term", "sms", 100, age=1, rollover_cap=30, slot=1),
    allowance("messages", "term", "sms", 100, age=0, rollover_cap=30, slot=2),
]


def told(billed: DataFrame) -> DataFrame:
    """Event and its slices: units of the month of the grant."""
    of_grant = "concat_ws(' + ', transform(slices, s -> concat(s.units, ' of ', date_format(s.granted_on, 'MMMM'))))"
    return billed.selectExpr("event_id", of_grant, "net_charge")


def messages(name: str, month: int, day: int, units: int) -> dict[str, Any]:
    return usage("A", name, at(f"2025-{month:02}-{day:02}T16:00"), units, "sms", tax_category="none")


@pytest.mark.long
@pytest.mark.covers("RAT-51", "CON-06", "BIL-21")
def test_what_a_cycle_leaves_rolls_over_up_to_the_cap_and_late_usage_takes_the_rest(spark: SparkSession) -> None:
    book = {"allowance": ROLLING, "tax": []}
    rated: list[dict[str, Any]] = []
    posted: list[DataFrame] = []

    def bill(cycle: str, *events: dict[str, Any]) -> DataFrame:
        """Bill and post a cycle whose usage arrives now."""
        rated.extend(events)
        earlier = None
        for one in posted:
            earlier = one if earlier is None else earlier.unionByName(one)
        ends = [(f"2025-{month:02}", f"2025-{month:02}", at("2025-09-01T04:00")) for month in range(5, 9)]
        before = posted_before(spark, earlier, [run for run in ends if run[0] < cycle])
        found = bill_may(spark, [account("A")], [agreement("A")], rated, book, before, cycle=cycle,
                         as_of=at("2025-09-01T04:00"))  # fmt: skip
        posted.append(kept(found.billed_usage))
        return told(posted[-1])

    assert_rows(bill("2025-05", messages("may", 5, 2, 60)), ("may", "60 of May", net("0")))
    assert_rows(
        bill("2025-06", messages("june", 6, 1, 50)),  # 40 of May are left, 30 of them roll over
        ("june", "30 of May + 20 of June", net("0")),
    )
    assert_rows(
        # Late usage of May takes the 10 that nobody used; that of June the rest of June's, so that 30 roll into July.
        bill("2025-07", messages("late may", 5, 9, 15), messages("late june", 6, 9, 10), messages("july", 7, 1, 140)),
        ("late may", "10 of May", net("0.25")),
        ("late june", "10 of June", net("0")),
        ("july", "30 of June + 100 of July", net("0.5")),
    )
    assert_rows(
        # July has nothing left, June's grant is past its last cycle, but not for late usage of July.
        bill("2025-08", messages("later july", 7, 9, 5), messages("late june again", 6, 10, 50),
             messages("august", 8, 1, 101)),
        ("late june again", "40 of June", net("0.5")),
        ("later july", "", net("0.25")),
        ("august", "100 of August", net("0.05")),
    )  # fmt: skip


# 6,000 s until May ends, which roll over once; then another allowance, of 9,000 s. Slots as publishing numbers them.
JUNE_1 = at("2025-06-01T04:00")
FOLLOWED = [
    *(allowance("voice_a", "term", "voice", 6000, valid_to=JUNE_1, age=age, slot=2 - age) for age in (0, 1)),
    allowance("voice_b", "term", "voice", 9000, valid_from=JUNE_1, slot=2),
]


@pytest.mark.covers("RAT-51", "BIL-21")
def test_what_is_left_rolls_over_though_the_row_has_ended_and_another_follows(spark: SparkSession) -> None:
    book = {"allowance": FOLLOWED, "tax": []}

    def call(name: str, day: str, seconds: int) -> dict[str, Any]:
        return usage("A", name, at(f"2025-{day}T16:00"), seconds, tax_category="none")

    rated = [call("may", "05-02", 3000)]
    may = kept(bill_may(spark, [account("A")], [agreement("A")], rated, book).billed_usage)
    assert_rows(told(may), ("may", "3000 of May", net("0")))
    rated += [call("june", "06-02", 4000), call("late may", "05-03", 600)]
    before = posted_before(spark, may, [("may", "2025-05", JUNE_1)])
    june = bill_may(spark, [account("A")], [agreement("A")], rated, book, before, cycle="2025-06")
    assert june.parked.isEmpty(), "no event meets two grants of a slot"
    june_usage = kept(june.billed_usage)
    assert_rows(
        told(june_usage),
        ("late may", "600 of May", net("0")),
        ("june", "2400 of May + 1600 of June", net("0")),  # 6,000 - 3,000 - 600
    )  # fmt: skip
    rated += [call("july", "07-02", 9060)]
    both = [("may", "2025-05", JUNE_1), ("june", "2025-06", at("2025-07-01T04:00"))]
    july = bill_may(
        spark, [account("A")], [agreement("A")], rated, book, posted_before(spark, may.unionByName(june_usage), both),
        cycle="2025-07", as_of=at("2025-08-01T04:00"),
    )  # fmt: skip
    assert_rows(told(july.billed_usage), ("july", "9000 of July", net("0.1")))  # June's own do not roll over


@pytest.mark.covers("RAT-51")
def test_a_slot_is_one_window_over_the_usage_and_nothing_leaves_the_plan(spark: SparkSession) -> None:
    kept_frames: list[DataFrame] = []

    def keep(frame: DataFrame) -> DataFrame:
        kept_frames.append(frame)
        return kept(frame)

    bill_may(spark, ACCOUNTS, CONTRACTS, RATED, {"allowance": ALLOWANCES, "tax": []}, keep=keep)
    (usage_frame,) = [frame for frame in kept_frames if "money_slices" in frame.columns]
    plan = usage_frame._jdf.queryExecution().optimizedPlan().toString()
    # Two slots of units and two of money, however many allowances and accounts.
    assert len([line for line in plan.splitlines() if "Window [" in line and "covering_id" in line]) == 4
    assert "Python" not in plan and "Arrow" not in plan
