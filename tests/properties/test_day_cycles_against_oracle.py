"""Accounts with cycles of 16, 30 and 45 days beside those of months are billed by Spark as the oracle bills them.

Three runs: the cycles that start in October, the second ones that do (16 and 30 days), and the first of November as a
preview. Usage lies at the edges of all their cycles, and a part of it is rated after the first run.
"""

from __future__ import annotations

import json
from datetime import date, datetime, timezone
from pathlib import Path
from random import Random

import pyarrow as pa
import pytest
from frames import small_frame
from properties.draw import draw_adjustments, draw_population, draw_tax_status, draw_usage
from properties.draw_allowances import HEADER
from properties.frames_of_draws import SNAPSHOT, VERSION, book_frames, reference_frames, usage_frame
from properties.test_billing_against_oracle import book_of_draws, oracle_events
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from tollgate.billing.bill import Bill, PostedRuns, bill_cycle
from tollgate.oracle.billing_check import Biller, RunPins, compare_run
from tollgate.oracle.book import PriceBook
from tollgate.oracle.cycles import CalendarKey, CycleCalendar, cycle_calendar
from tollgate.oracle.facts import Facts
from tollgate.oracle.lake import RatingRun
from tollgate.oracle.report import Report
from tollgate.platform.lake import contract, kept
from tollgate.rating.rate import rate_events

SEED, LINES, ALLOWANCES = 20261128, 16, 4
# What a whole book has beside fees, allowances and discounts of the bill; each makes the plans of a run larger.
MORE = ("tier.csv", "top_up.csv", "spend_limit.csv", "segment.csv")
ROLLING = (
    "roll_term,term,Rolls,voice,*,second,900,days,2024-01-01,,1,line,,2,600",
    "roll_monthly,month_to_month,Rolls,voice,*,second,600,none,2024-01-01,,1,account,,1,",
)
OCTOBER, NOVEMBER = date(2026, 10, 1), date(2026, 11, 1)
# From 1 October: 17 October and 2 November; 31 October and 30 November; 15 November.
DAYS = (16, 30, 45, None)
AS_OF = datetime(2026, 12, 1, 12, tzinfo=timezone.utc)
RUNS = (
    RunPins("2026-10", OCTOBER, 1, SNAPSHOT),
    RunPins("2026-10.2", OCTOBER, 2, SNAPSHOT, cycle_number=2),
    RunPins("2026-11", NOVEMBER, 2, SNAPSHOT, is_preview=True),
)


def with_cycles_of_days(facts: Facts) -> Facts:
    for number, (account_id, account) in enumerate(facts.accounts.items()):
        facts.accounts[account_id] = account._replace(cycle_days=DAYS[number % len(DAYS)])
    return facts


def starts(random: Random, facts: Facts) -> tuple[int, ...]:
    """Instants of the cycles up to the preview's ends, and the first and last moment of each."""
    known: dict[CalendarKey, CycleCalendar] = {}
    calendars = [cycle_calendar(account, known) for account in facts.accounts.values()]
    days = [date(2026, *day) for day in ((10, 5), (10, 31), (11, 16))]
    cycles = sorted({calendar.of_day(day) for calendar in calendars for day in days})
    edges = [at for cycle in cycles for at in (cycle.start_us, cycle.end_us - 1, cycle.end_us)]
    first, last = min(one.start_us for one in cycles), max(one.end_us for one in cycles)
    return (*edges, *(random.randrange(first, last) for _ in range(200)))


def known_later(facts: Facts) -> None:
    """After the first run: an account of 16 days was closed as its first cycle ended, and its contracts with it."""
    day = date(2026, 10, 17)
    facts.accounts["A004"] = facts.accounts["A004"]._replace(closed_on=day)
    held = facts.contracts["A004"]
    facts.contracts["A004"] = [one._replace(cancelled_on=min(one.cancelled_on or day, day)) for one in held]


def make_smaller(folder: Path) -> None:
    """A book of the same fees and discounts, with two allowances that roll over."""
    for name in MORE:
        header, *_ = (folder / name).read_text(encoding="utf-8").splitlines()
        (folder / name).write_text(f"{header}\n", encoding="utf-8")
    (folder / "allowance.csv").write_text("\n".join((HEADER, *ROLLING)) + "\n", encoding="utf-8")


def posted_before(spark: SparkSession, after: dict[str, Bill]) -> PostedRuns:
    names = ("billed_usage", "invoice_line", "prepaid_balance")
    frames = {name: [getattr(of, name).toArrow() for of in after.values() if getattr(of, name)] for name in names}
    tables = {
        name: spark.createDataFrame(pa.concat_tables(found), contract(name))
        if found
        else small_frame(spark, [], contract(name))
        for name, found in frames.items()
    }
    return PostedRuns(
        small_frame(spark, [(of, of, AS_OF) for of in after], "run_id STRING, cycle STRING, as_of TIMESTAMP"),
        small_frame(spark, [], "run_id STRING, account_id STRING"),
        tables["billed_usage"],
        tables["invoice_line"].withColumn("cycle", F.col("run_id")),
        tables["prepaid_balance"],
    )


@pytest.mark.no_cover
@pytest.mark.covers("BIL-08", "BIL-19", "BIL-21", "CON-19", "CON-21", "CON-23", "QUA-02")
@pytest.mark.parametrize(
    ("seed", "events", "is_whole_book"),
    [(SEED + 4, 400, False), *(pytest.param(SEED + more, 800, True, marks=pytest.mark.long) for more in (0, 1, 2))],
)
def test_cycles_of_days_are_billed_as_the_oracle_does(spark, tmp_path, seed, events, is_whole_book):
    random = Random(seed)
    facts = with_cycles_of_days(draw_population(LINES, first_cycle=OCTOBER, other_currency="CAD"))
    usage = draw_usage(random, events, LINES, starts(random, facts))
    for one in draw_adjustments(random, list(facts.accounts)):
        facts.adjustments[one.account_id].append(one)
    draw_tax_status(facts)
    nights = [usage[: events * 3 // 4], usage[events * 3 // 4 :]]
    folder = book_of_draws(tmp_path / "book", random, nights, facts, ALLOWANCES)
    if not is_whole_book:
        make_smaller(folder)
    book, book_df, reference = PriceBook(folder), book_frames(spark, folder), reference_frames(spark, facts)
    rating_runs = [RatingRun(number, number, number, SNAPSHOT, VERSION) for number in (1, 2)]
    biller = Biller(oracle_events(nights, facts, book), lambda _: facts, lambda _: book, rating_runs)
    nightly = [
        rate_events(usage_frame(spark, of_night), book_df, reference, no) for no, of_night in enumerate(nights, 1)
    ]
    rated = kept(nightly[0].unionByName(nightly[1]))
    report, after = Report(), {}
    for pins in RUNS:
        found = bill_cycle(
            pins.run_id, AS_OF, rated, pins.rating_no, reference, book_df, posted_before(spark, after), keep=kept,
            tiers=book_df.table("price_tier") if is_whole_book else None, run_id=pins.run_id, is_open=pins.is_preview,
        )  # fmt: skip
        frames = (found.invoice_line, found.invoice, found.billed_usage, found.prepaid_balance)
        tables = [None if frame is None else frame.toArrow() for frame in frames]
        compare_run(pins, biller.bill(pins), report, *tables)
        assert {row.reason for row in found.parked.collect()} <= {"account_closed"}
        after[pins.run_id] = found
        if pins is RUNS[0]:
            known_later(facts)
            reference = reference_frames(spark, facts)
    assert report.is_equal, json.dumps(report.as_json(), indent=1)
    if not is_whole_book:
        check_what_it_brings_about(facts, after)


def check_what_it_brings_about(facts: Facts, runs: dict[str, Bill]) -> None:
    """Every length is billed, each event once, late usage and rolled-over units of cycles of days among them."""
    days = {account_id: account.cycle_days for account_id, account in facts.accounts.items()}
    invoices = [
        (run_id, days[row.account_id], (row.cycle_end - row.cycle_start).days)
        for run_id, run in runs.items()
        for row in run.invoice.collect()
    ]
    assert {(run_id, length) for run_id, length, _ in invoices} == {
        *(("2026-10", length) for length in DAYS), ("2026-10.2", 16), ("2026-10.2", 30),
        *(("2026-11", length) for length in DAYS),
    }  # fmt: skip
    assert {found for _, length, found in invoices if length} == {16, 30, 45}
    billed = [row for run in runs.values() for row in run.billed_usage.collect()]
    assert len(billed) == len({(row.source, row.event_id) for row in billed})
    of_days = [row for row in billed if days[row.account_id]]
    late = [row for run_id in ("2026-10.2", "2026-11") for row in runs[run_id].billed_usage.collect()
            if days[row.account_id] and row.line_key.startswith("prior_period")]  # fmt: skip
    assert late
    assert any(part.granted_on < row.origin_cycle for row in of_days for part in row.slices)
    listed = [(row.account_id, row.reason) for row in runs["2026-10.2"].parked.collect()]
    assert listed == [("A004", "account_closed")], "late usage below the minimum"
