"""Drawn events corrected and billed by Spark as the oracle does: the same events, rows, lines, to the last digit."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from functools import reduce
from pathlib import Path
from random import Random

import pytest
from billing.small_month import posted_before
from properties.draw import draw_bill_discounts, draw_population, draw_tiers, draw_top_ups, draw_usage
from properties.draw_allowances import draw_allowances, draw_spend_limits
from properties.draw_corrections import PRICES, draw_changed_book, draw_changed_facts
from properties.frames_of_draws import DEMO_BOOK, book_frames, reference_frames, usage_frame
from properties.test_billing_against_oracle import AS_OF, NOVEMBER, OCTOBER, starts
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from tollgate.assurance.current_rating import current_rating
from tollgate.billing.bill import bill_cycle
from tollgate.oracle.billing_check import Biller, RunPins, compare_run
from tollgate.oracle.book import PriceBook
from tollgate.oracle.corrections import taken_back
from tollgate.oracle.lake import Accepted, RatingRun
from tollgate.oracle.rating_check import VERSION, Outcome, expected_fields, found_fields, rate_all, rated_events
from tollgate.oracle.report import Comparison, Report
from tollgate.platform.lake import contract, kept
from tollgate.rating.correction import changed, correction_rows
from tollgate.rating.rate import rate_events
from tollgate.reference.frames import PriceBook as BookFrames

SEED, LINES = 20261128, 33
EVERYTHING = {"from": 0, "to": 1 << 60, "accounts": None, "service": None, "plan": None}
RUNS = [
    RatingRun(1, 1, 1, 1, 1),
    *(RatingRun(no, 2, 1, snapshot, book, json.dumps(EVERYTHING)) for no, snapshot, book in ((2, 2, 2), (3, 2, 1))),
]


def rated_alike(rated: DataFrame, outcomes: Iterable[Outcome]) -> Counter[tuple[str, int]]:
    """Every row version is the oracle's, column by column, and none is more; gives rows by kind and rating run."""
    found = {(row["event_id"], row["revision"]): row.asDict() for row in rated.collect()}
    comparison, kinds = Comparison(), Counter()
    for outcome in outcomes:
        event, pins = outcome.accepted.usage, outcome.pins
        expected = expected_fields(event, outcome.priced)
        if outcome.kind == "reversal":
            expected = taken_back(expected)
        expected |= {"pricebook_version": pins.pricebook_version, "snapshot_id": pins.snapshot_id}
        expected |= {"rating_no": outcome.run.rating_no, **{name: getattr(outcome, name) for name in VERSION}}
        row = found.pop((event.event_id, outcome.revision), None)
        comparison.compare(f"{event.event_id} {outcome.revision}", expected, row and found_fields(row))
        kinds[outcome.kind, outcome.run.rating_no] += 1
    assert comparison.different == 0, json.dumps(comparison.as_json(), indent=1)
    assert not found
    return kinds


@pytest.mark.long
@pytest.mark.covers("RAT-08", "RAT-46")
@pytest.mark.parametrize(("seed", "number"), [(SEED, 1_200), *((SEED + n, 5_000) for n in (1, 2, 3))])
def test_corrections_are_those_of_the_oracle(spark, tmp_path, seed, number):
    random = Random(seed)
    population = draw_population(LINES)
    snapshots = {1: population, 2: draw_changed_facts(random, population)}
    folders = {1: DEMO_BOOK, 2: draw_changed_book(random, DEMO_BOOK, tmp_path / "changed")}
    usage = draw_usage(random, number, LINES)
    events = usage_frame(spark, usage)
    references = {no: replace(reference_frames(spark, facts), snapshot_id=no) for no, facts in snapshots.items()}
    books = {no: replace(book_frames(spark, folder), version=no) for no, folder in folders.items()}
    rated = kept(rate_events(events, books[1], references[1], 1))
    for run in RUNS[1:]:
        standing = current_rating(rated).where("retail_status <> 'suspended'")
        again = rate_events(events, books[run.pricebook_version], references[run.snapshot_id], run.rating_no)
        pairs = changed(standing, again, keep=kept).where("now.retail_status <> 'suspended'")
        rated = kept(rated.unionByName(correction_rows(pairs, run.rating_no)))

    accepted = [Accepted(1, 0, at, one) for at, one in enumerate(usage)]
    priced = {no: PriceBook(folder) for no, folder in folders.items()}
    kinds = rated_alike(rated, rate_all(accepted, RUNS, snapshots.__getitem__, priced.__getitem__))
    # Prices that went back to those of the first book are corrected a second time, owners that moved stay.
    corrected = {no: kinds["correction", no] for no in (2, 3)}
    assert number > corrected[2] > corrected[3] > number // 20


OF_RUN = [
    # A night; the price of messages is corrected before October is billed; a late night; then everything is corrected,
    # owners too, and calls once more.
    (RatingRun(1, 1, 1, 1, 1), {}),
    (RatingRun(2, 2, 1, 1, 2), {"service": "sms"}),
    (RatingRun(3, 2, 2, 1, 1), {}),
    (RatingRun(4, 3, 2, 2, 2), {"service": None}),
    (RatingRun(5, 3, 2, 2, 1), {"service": "voice"}),
]


def billable_book(random: Random, folder: Path, changed_folder: Path) -> dict[int, Path]:
    """The demo's book with drawn tiers, top-ups, allowances, limits and discounts, and a copy of it with other prices,
    also of the tiers."""
    shutil.copytree(DEMO_BOOK, folder)
    charge_premium_calls_flat(folder)
    head, *_ = (folder / "top_up.csv").read_text(encoding="utf-8").splitlines()
    (folder / "top_up.csv").write_text("\n".join([head, *draw_top_ups(random)]) + "\n", encoding="utf-8")
    write_tiers(random, folder)
    (folder / "allowance.csv").write_text("\n".join(draw_allowances(random, 5)) + "\n", encoding="utf-8")
    (folder / "spend_limit.csv").write_text("\n".join(draw_spend_limits(random)) + "\n", encoding="utf-8")
    text = (folder / "discount.csv").read_text(encoding="utf-8").splitlines()
    drawn = draw_bill_discounts(random, [1_000_000, 25_000_000, 100_000_000])
    lines = [*(line for line in text if ",billing," not in line), *drawn]
    (folder / "discount.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    changed_book = draw_changed_book(random, folder, changed_folder)
    write_tiers(random, changed_book)
    charge_data_by_the_megabyte(changed_book)
    return {1: folder, 2: changed_book}


def write_tiers(random: Random, folder: Path) -> None:
    """Drawn tiers, and graduated ones of data whose units a correction changes, and of calls that credit pays."""
    more = [f"data_video_term,line,{at},{random.choice(PRICES)}," for at in (400_001, 10**8)]
    more += [f"voice_premium_prepaid,line,{at},{random.choice(PRICES)}," for at in (301, 5_400)]
    lines = ["rate_id,counts,from_units,price,mode", *draw_tiers(random), *more]
    (folder / "tier.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def charge_premium_calls_flat(folder: Path) -> None:
    """Of prepaid lines: tiers need a rate without time bands."""
    change_rate(folder, "voice_premium_prepaid", ",voice_bands,false,true,", ",,false,false,")


def charge_data_by_the_megabyte(folder: Path) -> None:
    change_rate(folder, "data_video_term", ",byte,1000000,,1,", ",byte,1000000,,1000000,")


def change_rate(folder: Path, rate_id: str, before: str, after: str) -> None:
    text = (folder / "rate.csv").read_text(encoding="utf-8")
    lines = [line.replace(before, after) if line.startswith(f"{rate_id},") else line for line in text.splitlines()]
    assert lines != text.splitlines()
    (folder / "rate.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def tiers_of(books: dict[int, BookFrames]) -> DataFrame:
    """price_tier of all versions."""
    numbered = [book.table("price_tier").withColumn("pricebook_version", F.lit(no)) for no, book in books.items()]
    return reduce(DataFrame.unionByName, numbered)


def rated_by_spark(spark, nights, books, references, tiers) -> DataFrame:
    """What the nights and corrections of OF_RUN leave in rated_usage."""
    rated = None
    for run, asked in OF_RUN:
        book, reference = books[run.pricebook_version], references[run.snapshot_id]
        if not asked:
            new = rate_events(usage_frame(spark, nights[run.to_batch_no]), book, reference, run.rating_no)
            rated = new if rated is None else rated.unionByName(new)
        else:
            standing = current_rating(rated).where("retail_status <> 'suspended'")
            if asked["service"]:
                standing = standing.where(F.col("service") == asked["service"])
            known = [event for batch in (1, 2) if batch <= run.to_batch_no for event in nights[batch]]
            again = rate_events(usage_frame(spark, known), book, reference, run.rating_no)
            pairs = changed(standing, again, tiers, keep=kept).where("now.retail_status <> 'suspended'")
            rated = rated.unionByName(correction_rows(pairs, run.rating_no))
        rated = kept(rated)
    return rated


@pytest.mark.long
@pytest.mark.usefixtures("one_partition")
@pytest.mark.covers("BIL-11", "BIL-12", "BIL-21", "CON-10", "RAT-08", "RAT-46")
@pytest.mark.parametrize(("seed", "number"), [(SEED + 5, 700), (SEED, 2_000), (SEED + 2, 2_000)])
def test_corrected_usage_is_billed_as_the_oracle_does(spark, tmp_path, seed, number):
    random = Random(seed)
    facts = draw_population(LINES, first_cycle=OCTOBER, other_currency="CAD", lines_of_account=2)
    snapshots = {1: facts, 2: draw_changed_facts(random, facts)}
    folders = billable_book(random, tmp_path / "book", tmp_path / "changed")
    usage = draw_usage(random, number, LINES, starts(random))
    nights = {1: usage[: number * 4 // 5], 2: usage[number * 4 // 5 :]}
    references = {no: replace(reference_frames(spark, of), snapshot_id=no) for no, of in snapshots.items()}
    books = {no: replace(book_frames(spark, folder), version=no) for no, folder in folders.items()}
    tiers = kept(tiers_of(books))
    rated = rated_by_spark(spark, nights, books, references, tiers)

    runs = [run._replace(selection=json.dumps({**EVERYTHING, **asked}) if asked else None) for run, asked in OF_RUN]
    accepted = [Accepted(batch, 0, at, one) for batch in nights for at, one in enumerate(nights[batch])]
    priced = {no: PriceBook(folder) for no, folder in folders.items()}
    outcomes = list(rate_all(accepted, runs, snapshots.__getitem__, priced.__getitem__))
    rated_alike(rated, outcomes)
    events = rated_events(outcomes)
    biller, report = Biller(events, snapshots.__getitem__, priced.__getitem__, runs), Report()
    posted = posted_before(spark)
    found = {}
    for cycle, start, rating_no, version in (("2026-10", OCTOBER, 2, 2), ("2026-11", NOVEMBER, 5, 1)):
        bill = bill_cycle(
            cycle, AS_OF, rated, rating_no, references[1], books[version], posted, keep=kept, run_id=cycle,
            is_open=True, tiers=tiers,
        )  # fmt: skip
        frames = (bill.invoice_line, bill.invoice, bill.billed_usage, bill.prepaid_balance)
        compare_run(RunPins(cycle, start, rating_no, 1), biller.bill(RunPins(cycle, start, rating_no, 1)), report,
                    *(frame.toArrow() for frame in frames))  # fmt: skip
        assert bill.parked.isEmpty()
        posted = posted_before(
            spark, spark.createDataFrame(bill.billed_usage.toArrow(), contract("billed_usage")),
            [(cycle, cycle, AS_OF)], lines=kept(bill.invoice_line).withColumn("cycle", F.lit(cycle)),
            prepaid=kept(bill.prepaid_balance),
        )  # fmt: skip
        found[cycle] = bill
    assert report.is_equal, json.dumps(report.as_json(), indent=1)
    november = found["2026-11"]
    kinds = {row.kind: row.n for row in november.billed_usage.groupBy("kind").agg(F.count("*").alias("n")).collect()}
    assert kinds["reversal"] > number // 20 and kinds["correction"] > kinds["reversal"]
    lines = {row.kind for row in november.invoice_line.select("kind").distinct().collect()}
    assert {"usage", "prior_period", "usage_reversal", "usage_correction", "prior_volume_tier"} <= lines
    # Units beside their old places, in two of them, and what credit paid for.
    places = november.billed_usage.selectExpr(
        "max(size(tier_places))", "count_if(kind = 'reversal' AND size(tier_places) = 1)"
    )
    assert places.first()[0] > 1 and places.first()[1] > 0
    assert not november.invoice_line.where("kind = 'usage_reversal' AND NOT endswith(line_key, '|')").isEmpty()
    # Some of what was corrected twice in between is on no bill; what is given back of allowances is more than nothing.
    versions = {(row.event_id, row.revision) for row in rated.where("revision > 1").collect()}
    billed = {(row.event_id, row.revision) for of in found.values() for row in of.billed_usage.collect()}
    assert versions - billed and november.billed_usage.where("free_units < 0").count() > 0
