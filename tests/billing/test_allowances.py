"""Allowances worked by hand: several in one event, by zone, service and band, of a line and of an account."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from billing.small_month import account, agreement, allowance, at, bill_may, frame, posted_before, usage
from frames import assert_rows
from pyspark.sql import DataFrame, SparkSession

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
]
CONTRACTS = [
    agreement("two", "two"),
    agreement("family", "family", subscription_id="mum"), agreement("family", "family", subscription_id="son"),
    agreement("texts", "texts"), agreement("owl", "owl"),
    # 1 to 9 May and 6 to 15 May: 15 of 31 days, 6 to 9 counted once
    agreement("part", "part", subscription_id="one", cancelled_on=date(2025, 5, 10)),
    agreement("part", "part", subscription_id="other", contract_id="K", starts_on=date(2025, 5, 6),
              cancelled_on=date(2025, 5, 16)),
]  # fmt: skip
ACCOUNTS = [account(name) for name in ("two", "family", "texts", "owl", "part")]


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
]  # fmt: skip


def net(amount: str) -> Decimal:
    return Decimal(amount).quantize(Decimal("0.000001"))


def slices(billed: DataFrame) -> DataFrame:
    """Event, units of each allowance in the order of use, free units, what is left to pay."""
    told = "concat_ws(' + ', transform(slices, s -> concat(s.units, ' ', s.allowance_id)))"
    return billed.selectExpr("event_id", told, "free_units", "net_charge")


@pytest.mark.covers("RAT-07", "RAT-51", "CON-20", "BIL-21")
def test_events_take_from_several_allowances_and_late_ones_get_what_posted_runs_left(spark: SparkSession) -> None:
    book = {"allowance": ALLOWANCES, "tax": []}
    may = bill_may(spark, ACCOUNTS, CONTRACTS, RATED, book, keep=kept)
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
    )  # fmt: skip
    # Rows of before the column, then the slices of May's run.
    older = [
        {"run_id": "older", "source": "switch", "event_id": f"older {name}", "revision": 1, "rating_no": 1,
         "started_at": at("2025-05-01T12:00"), "account_id": name, "subscription_id": f"S{name}", "origin_cycle": MAY,
         "line_key": "k", "allowance_id": of, "free_units": units, "net_numerator": Decimal(0),
         "net_denominator": Decimal(1), "list_charge": Decimal(0), "net_charge": Decimal(0)}
        for name, of, units in (("texts", "any_message", 2), ("two", "a_here", 20))
    ]  # fmt: skip
    texts = billed.where("account_id IN ('two', 'family') AND event_id <> 'long'")
    posted = posted_before(
        spark, frame(spark, "billed_usage", older).unionByName(texts), [("may", "2025-05", at("2025-06-01T04:00"))]
    )
    late = [
        event("two", "before all", 1, 240), event("family", "another line's", 1, 300, subscription_id="dad"),
        event("texts", "one of two", 1, 1, "sms"), event("texts", "two of two", 1, 1, "sms"),
    ]  # fmt: skip
    carried = [row for row in RATED if row["account_id"] in ("two", "family") and row["event_id"] != "long"]
    june = bill_may(spark, ACCOUNTS[:3], CONTRACTS[:4], [*carried, *late], book, posted, cycle="2025-06", keep=kept)
    assert_rows(
        slices(june.billed_usage),
        ("before all", "100 a_here + 120 b_anywhere", 220, net("0.0333")),  # 20 s: 33,333.3 micros, 4 digits
        # the shared ones are used up; this line has its own 60 s
        ("another line's", "60 a_own", 60, net("0.4")),
        ("one of two", "1 any_message", 1, net("0")), ("two of two", "", 0, net("0.05")),
    )  # fmt: skip
