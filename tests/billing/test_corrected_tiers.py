"""Corrected usage of graduated tiers, by hand: what is taken back frees its places, and they are taken first.

A minute costs 0.10 until 90 s of the cycle, 0.05 until 300 s, and then nothing; in the newer book 0.12 and 0.06.
May is posted, June after the corrections of the second rating run, and then July.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from billing.small_month import account, agreement, at, bill_may, frame, posted_before, tiers, usage
from billing.test_corrected_usage import corrected
from frames import assert_rows
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from tollgate.billing.bill import Bill
from tollgate.platform.lake import contract

TIERS = [
    *tiers("minutes", "line", (0, "0.10"), (90, "0.05"), (300, "0")),
    *[{**row, "pricebook_version": 2} for row in tiers("minutes", "line", (0, "0.12"), (90, "0.06"), (300, "0"))],
]


def call(name: str, event_id: str, day: int, units: int, **fields: Any) -> dict[str, Any]:
    usual = {"rate_id": "minutes", "tax_category": "none", "plan_id": "bare", "increment_units": 1}
    return usage(name, event_id, at(f"2025-05-{day:02}T16:00"), units, **{**usual, **fields})


# Three calls of a line each: 60 s are 0.10; 30 + 30 s are 0.05 + 0.025; of 240 s 180 are 0.15 and the rest is free.
LENGTHS = (60, 60, 240)
MAY = [
    call(name, f"{name}{number}", number + 1, units)
    for name in ("PRICE", "FEWER", "MORE", "OLD", "LATE")
    for number, units in enumerate(LENGTHS, start=1)
]
MAY += [call("FROM", "FROM1", 2, 60), call("FROM", "FROM2", 3, 60), call("TO", "TO1", 2, 60)]
FIRST = {row["account_id"]: row for row in reversed(MAY)}
OF_TO = {"account_id": "TO", "subscription_id": "STO", "contract_id": "KTO"}
FEWER = corrected(FIRST["FEWER"], call("FEWER", "FEWER1", 2, 30))
NEW = {"rating_no": 2}
JUNE = [
    *corrected(FIRST["PRICE"], {**FIRST["PRICE"], "pricebook_version": 2, "unit_price_micros": 120_000}),
    call("PRICE", "before", 1, 60, **NEW),
    *FEWER, call("FEWER", "FEWER9", 6, 60, **NEW),
    *corrected(FIRST["MORE"], call("MORE", "MORE1", 2, 120)),
    *corrected(FIRST["FROM"], {**FIRST["FROM"], **OF_TO}),
    *corrected(FIRST["OLD"], {**FIRST["OLD"], "pricebook_version": 2}),
    call("LATE", "LATE9", 1, 60, **NEW),
]  # fmt: skip
AGAIN = [{**row, "rating_no": 3} for row in corrected(FEWER[1], call("FEWER", "FEWER1", 2, 45))]
JULY = [*AGAIN, call("FROM", "FROM9", 6, 90, rating_no=3)]
NAMES = sorted({row["account_id"] for row in MAY})


def without_places(billed: DataFrame) -> DataFrame:
    """As an older release left the rows of two of the accounts."""
    is_older = F.col("account_id").isin("OLD", "LATE")
    return billed.withColumn("tier_places", F.when(~is_older, F.col("tier_places")))


@pytest.fixture(scope="module")
def bills(spark: SparkSession) -> list[Bill]:
    """May, June and July, each after those before it were posted."""
    accounts, contracts = [account(name) for name in NAMES], [agreement(name, "bare") for name in NAMES]
    made: list[Bill] = []
    rows: list[Any] = []
    cycles = ("2025-05", "2025-06", "2025-07")
    for number, cycle in enumerate(cycles, start=1):
        billed = without_places(spark.createDataFrame(rows, contract("billed_usage")))
        runs = [(of, of, at("2025-08-02T04:00")) for of in cycles[: number - 1]]
        made.append(
            bill_may(
                spark, accounts, contracts, [*MAY, *JUNE, *JULY], {"tax": []}, posted_before(spark, billed, runs),
                cycle=cycle, rating_no=number, run_id=cycle, as_of=at("2025-08-02T04:00"),
                tiers=frame(spark, "price_tier", TIERS),
            )
        )  # fmt: skip
        rows += made[-1].billed_usage.collect()
    return made


def net(amount: str) -> Decimal:
    return Decimal(amount).quantize(Decimal("0.000001"))


def told(bill: Bill) -> list[tuple[Any, ...]]:
    found = bill.billed_usage.select("account_id", "event_id", "kind", "net_charge", "tier_places").collect()
    return sorted((*row[:4], *(tuple(place) for place in row[4])) for row in found)


@pytest.mark.covers("BIL-11", "RAT-44")
def test_what_is_taken_back_frees_its_places_and_what_comes_takes_the_first_free_ones(bills: list[Bill]) -> None:
    may, june, july = bills
    assert told(may)[:3] == [
        ("FEWER", "FEWER1", "original", net("0.1"), (0, 60)),
        ("FEWER", "FEWER2", "original", net("0.075"), (60, 120)),
        ("FEWER", "FEWER3", "original", net("0.15"), (120, 360)),
    ]
    assert told(june) == [
        # 30 s stay free, and a late call takes them first; its other 30 s are beyond 300 s. Together 390 s: 0.325.
        ("FEWER", "FEWER1", "correction", net("0.05"), (0, 30)),
        ("FEWER", "FEWER1", "reversal", net("-0.1"), (0, 60)),
        ("FEWER", "FEWER9", "original", net("0.05"), (30, 60), (360, 390)),
        ("FROM", "FROM1", "reversal", net("-0.1"), (0, 60)),
        # An older release did not tell the places, so late usage goes on behind them as it always did.
        ("LATE", "LATE9", "original", net("0"), (360, 420)),
        ("MORE", "MORE1", "correction", net("0.1"), (0, 60), (360, 420)),
        ("MORE", "MORE1", "reversal", net("-0.1"), (0, 60)),
        # Of a price alone the places are kept, also before a late call that began earlier.
        ("PRICE", "PRICE1", "correction", net("0.12"), (0, 60)),
        ("PRICE", "PRICE1", "reversal", net("-0.1"), (0, 60)),
        ("PRICE", "before", "original", net("0"), (360, 420)),
        # The other line has 60 s of its own: 30 s at 0.10 and 30 s at 0.05.
        ("TO", "FROM1", "correction", net("0.075"), (60, 120)),
    ]
    assert_rows(june.parked, ("OLD", "net charge unknown"))
    assert told(july) == [
        ("FEWER", "FEWER1", "correction", net("0.05"), (0, 30), (390, 405)),
        ("FEWER", "FEWER1", "reversal", net("-0.05"), (0, 30)),
        # What was moved away in June is free: 60 s at 0.10, and 30 s behind the call of 60 to 120 at 0.05.
        ("FROM", "FROM9", "original", net("0.125"), (0, 60), (120, 150)),
    ]
