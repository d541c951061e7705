"""A posted month and the next month's preview are billed by Spark as the oracle bills them, to the last digit."""

from __future__ import annotations

import csv
import json
import shutil
from collections import defaultdict
from datetime import date, datetime, timezone
from pathlib import Path
from random import Random

import pyarrow as pa
import pytest
from frames import small_frame
from properties.draw import (
    draw_adjustments,
    draw_bill_discounts,
    draw_population,
    draw_segments,
    draw_tax_status,
    draw_tiers,
    draw_top_ups,
    draw_usage,
    instant_us,
)
from properties.draw_allowances import draw_allowances, draw_spend_limits
from properties.frames_of_draws import DEMO_BOOK, SNAPSHOT, VERSION, book_frames, reference_frames, usage_frame
from pyspark.sql import functions as F

from tollgate.billing.bill import Bill, PostedRuns, bill_cycle
from tollgate.oracle.billing_check import Biller, RunPins, compare_run
from tollgate.oracle.book import PriceBook
from tollgate.oracle.facts import Facts
from tollgate.oracle.lake import RatingRun
from tollgate.oracle.lines import RatedEvent
from tollgate.oracle.pricing import price_event
from tollgate.oracle.report import Report
from tollgate.oracle.rows import Usage
from tollgate.platform.lake import contract, kept
from tollgate.rating.rate import rate_events

pytestmark = pytest.mark.usefixtures("one_partition")
SEED = 20261111
# Seed, events, allowances; these two seeds bring everything about. Allowances that meet are windows one after the other
# in the plan, so most tests have few of them.
FEW, MANY = (SEED + 22, 1_500, 5), (SEED, 2_000, 20)
LINES = 33
OCTOBER, NOVEMBER = date(2026, 10, 1), date(2026, 11, 1)
# Steps, fee and bounds of a rate with free minutes, and a band with a price, a fee and steps of its own.
PRICES_INSIDE = {
    "rate.csv": {
        "voice_national_term": {"initial": "30", "increment": "6", "connect_fee": "0.05", "minimum": "0.12"},
        "voice_national_month_to_month": {"maximum": "3.00", "initial": "60", "increment": "1"},
    },
    "time_band.csv": {
        "weekend": {"price": "0.07", "connect_fee": "0.02", "initial": "60", "increment": "60"},
        "holiday": {"price": "0.033"},
    },
}
AS_OF = datetime(2026, 11, 5, tzinfo=timezone.utc)


def starts(random: Random) -> tuple[int, ...]:
    """Instants in October and the first days of November, and the last and first of each."""
    month, next_month = instant_us(2026, 10, 1), instant_us(2026, 11, 1)
    second = 1_000_000
    inside = [month + random.randrange(31 * 86_400) * second for _ in range(300)]
    later = [next_month + random.randrange(3 * 86_400) * second for _ in range(60)]
    return (*inside, *later, month, next_month - 1, next_month, instant_us(2026, 10, 12, 8))


def oracle_events(nights: list[list[Usage]], facts, book: PriceBook) -> dict[str, list[RatedEvent]]:
    events = defaultdict(list)
    for rating_no, usage in enumerate(nights, start=1):
        for event in usage:
            priced = price_event(event, book, facts)
            if priced.suspense_reason is None and priced.holding is not None:
                key = (event.source, event.event_id, event.started_at, event.service)
                events[priced.holding.account_id].append(RatedEvent(*key, rating_no, priced))
    return events


def with_more_fees(folder: Path) -> None:
    """Fees in advance, prorated or not, one that ends and one that begins with November; two fees of one plan."""
    head, *rows = (folder / "fee.csv").read_text(encoding="utf-8").splitlines()
    more = [
        "rent,recurring,*,Line rent,7.77,days,standard,2024-01-01,,true",
        "club,recurring,month_to_month,Club,3.33,none,none,2024-01-01,2026-11-01,true",
        "new_club,recurring,month_to_month,Club,4.44,days,none,2026-11-01,,true",
        "minimum,late_minimum,*,Minimum,1100.00,none,none,2024-01-01,,",
        "insurance,recurring,term,Insurance,2.22,days,standard,2024-01-01,,false",
    ]
    text = [f"{head},in_advance", *[f"{row}," for row in rows], *more]
    (folder / "fee.csv").write_text("\n".join(text) + "\n", encoding="utf-8")


def book_of_draws(folder: Path, random: Random, nights: list[list[Usage]], facts: Facts, allowances: int) -> Path:
    """The demo's book with prices inside its calls, and drawn discounts of the bill, segments, tiers and top-ups."""
    shutil.copytree(DEMO_BOOK, folder)
    for file, cells in PRICES_INSIDE.items():
        rows = list(csv.DictReader((folder / file).open(encoding="utf-8")))
        for row in rows:
            row |= cells.get(row.get("rate_id") or row["band_id"], {})
        with (folder / file).open("w", encoding="utf-8", newline="") as sheet:
            writer = csv.DictWriter(sheet, rows[0])
            writer.writeheader()
            writer.writerows(rows)
    with_more_fees(folder)
    with (folder / "segment.csv").open("a", encoding="utf-8") as segments:
        segments.write("\n".join(draw_segments(random)) + "\n")
    events = oracle_events(nights, facts, PriceBook(folder))
    nets = [sum(event.priced.charge for event in of_account) for of_account in events.values()]
    text = (folder / "discount.csv").read_text(encoding="utf-8")
    drawn = draw_bill_discounts(random, nets)
    others = [line for line in text.splitlines() if ",billing," not in line]
    (folder / "discount.csv").write_text("\n".join([*others, *drawn]) + "\n", encoding="utf-8")
    (folder / "allowance.csv").write_text("\n".join(draw_allowances(random, allowances)) + "\n", encoding="utf-8")
    (folder / "spend_limit.csv").write_text("\n".join(draw_spend_limits(random)) + "\n", encoding="utf-8")
    tiers = ["rate_id,counts,from_units,price,mode", *draw_tiers(random)]
    (folder / "tier.csv").write_text("\n".join(tiers) + "\n", encoding="utf-8")
    head, *_ = (folder / "top_up.csv").read_text(encoding="utf-8").splitlines()
    (folder / "top_up.csv").write_text("\n".join([head, *draw_top_ups(random)]) + "\n", encoding="utf-8")
    return folder


@pytest.mark.no_cover
@pytest.mark.covers("BIL-01", "BIL-02", "BIL-03", "BIL-04", "BIL-10", "BIL-21", "RAT-07", "RAT-40")
@pytest.mark.covers("CON-04", "CON-05", "CON-06", "CON-09", "CON-10", "CON-18", "CON-21")
@pytest.mark.parametrize(
    ("seed", "number", "allowances"),
    [FEW, *(pytest.param(SEED + more, *MANY[1:], marks=pytest.mark.long) for more in range(6))],
)
def test_a_month_and_the_next_preview_are_billed_as_the_oracle_does(spark, tmp_path, seed, number, allowances):
    random = Random(seed)
    facts = draw_population(LINES, first_cycle=OCTOBER, other_currency="CAD", lines_of_account=2)
    usage = draw_usage(random, number, LINES, starts(random))
    for one in draw_adjustments(Random(SEED + 1), list(facts.accounts)):
        facts.adjustments[one.account_id].append(one)
    draw_tax_status(facts)
    nights = [usage[: number * 4 // 5], usage[number * 4 // 5 :]]
    folder = book_of_draws(tmp_path / "book", random, nights, facts, allowances)
    book, book_df, reference = PriceBook(folder), book_frames(spark, folder), reference_frames(spark, facts)
    tiers = book_df.table("price_tier")
    runs = [RatingRun(number, number, number, SNAPSHOT, VERSION) for number in (1, 2)]
    events = oracle_events(nights, facts, book)
    biller = Biller(events, lambda _: facts, lambda _: book, runs)
    rated = rate_events(usage_frame(spark, nights[0]), book_df, reference, 1)
    rated = kept(rated.unionByName(rate_events(usage_frame(spark, nights[1]), book_df, reference, 2)))
    report = Report()

    def bill(cycle: str, rating_no: int, after: dict[str, Bill], **options) -> Bill:
        names = ("billed_usage", "invoice_line", "prepaid_balance")
        frames = {name: [getattr(of, name).toArrow() for of in after.values()] for name in names}
        tables = {
            name: spark.createDataFrame(pa.concat_tables(found), contract(name))
            if found
            else small_frame(spark, [], contract(name))
            for name, found in frames.items()
        }
        before = PostedRuns(
            small_frame(spark, [(of, of, AS_OF) for of in after], "run_id STRING, cycle STRING, as_of TIMESTAMP"),
            small_frame(spark, [], "run_id STRING, account_id STRING"),
            tables["billed_usage"],
            tables["invoice_line"].withColumn("cycle", F.col("run_id")),
            tables["prepaid_balance"],
        )
        return bill_cycle(cycle, AS_OF, rated, rating_no, reference, book_df, before, keep=kept, tiers=tiers, **options)

    def check(pins: RunPins, found: Bill) -> None:
        frames = (found.invoice_line, found.invoice, found.billed_usage, found.prepaid_balance)
        compare_run(pins, biller.bill(pins), report, *(frame.toArrow() for frame in frames))
        assert {row.reason for row in found.parked.collect()} <= {"account_closed"}

    october = bill("2026-10", 1, {}, run_id="2026-10")
    check(RunPins("2026-10", OCTOBER, 1, SNAPSHOT), october)
    known_later(facts)
    reference = reference_frames(spark, facts)
    november = bill("2026-11", 2, {"2026-10": october}, run_id="2026-11", is_open=True)
    check(RunPins("2026-11", NOVEMBER, 2, SNAPSHOT, is_preview=True), november)

    assert report.is_equal, json.dumps(report.as_json(), indent=1)
    assert {kind: one.compared > 0 for kind, one in report.comparisons.items()} == {
        "invoice_line": True,
        "invoice": True,
        "billed_usage": True,
        "prepaid_balance": True,
    }
    if seed in (FEW[0], MANY[0]):
        check_what_it_brings_about(october, november)


def known_later(facts: Facts) -> None:
    """What is known in November only: contracts that end before what they have paid for, by the day or whole, and
    accounts that were closed as October ended, whose late usage is supplementary if it is enough."""
    cancel(facts, "012", date(2026, 11, 16))
    cancel(facts, "010", NOVEMBER)
    for account_id in ("A010", "A004", "A018", "A026", "A028"):
        facts.accounts[account_id] = facts.accounts[account_id]._replace(closed_on=NOVEMBER)
        held = facts.contracts[account_id]
        facts.contracts[account_id] = [one._replace(cancelled_on=one.cancelled_on or NOVEMBER) for one in held]


def cancel(facts: Facts, name: str, day: date) -> None:
    """End the first contract of a line of the account of its own name."""
    held = facts.contracts[f"A{name}"]
    facts.contracts[f"A{name}"] = [
        one._replace(cancelled_on=day) if one.contract_id == f"K{name}" else one for one in held
    ]


def check_what_it_brings_about(october: Bill, november: Bill) -> None:
    """Every kind of slice, line and movement of credit that the drawn books and usage of FEW and MANY bring about."""
    assert october.invoice_line.select("tax_id", "exempt_reason").distinct().count() > 3
    parts = november.invoice_line.where("kind IN ('one_off', 'one_off_credit') AND line_key LIKE '%/2'")
    assert not parts.isEmpty()
    assert not november.invoice.where("invoice_kind = 'supplementary'").isEmpty() and not november.parked.isEmpty()
    given_back = november.invoice_line.where("kind = 'recurring' AND amount < 0")
    assert not given_back.isEmpty()
    told = november.billed_usage.selectExpr(
        "max(size(slices)) >= 2",
        "max(size(money_slices)) >= 1",
        "bool_or(exists(slices, s -> s.granted_on < origin_cycle))",
    )
    assert told.first() == (True, True, True)
    kinds = november.invoice_line.groupBy("kind", F.signum("amount").cast("int").alias("sign")).count().collect()
    lines = {
        ("discount", -1),
        ("prior_discount", -1),
        ("prior_discount", 1),
        ("spend_cap", -1),
        ("prior_spend_cap", -1),
    }
    lines |= {("minimum_spend", 1), ("prior_minimum_spend", -1), ("volume_tier", -1), ("prior_volume_tier", -1)}
    seen = {(row.kind, row.sign) for row in kinds}
    assert lines <= seen
    assert {("top_up", 1), ("prepaid_used", -1), ("prepaid_tax", -1), ("prepaid_settlement", 1)} <= seen
    moved = october.prepaid_balance.unionByName(november.prepaid_balance).agg(
        F.max("top_ups"), F.min("forfeited") < 0, F.max("forfeited") > 0, F.min("closing") < 0
    )
    assert moved.first()[0] > 1 and all(moved.first()[1:])
