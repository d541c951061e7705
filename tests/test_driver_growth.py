"""Nothing on the driver grows with the usage: whatever passes through it stands in this list, with what bounds it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from driver_traffic import Passage, passages, passages_of

ROOT = Path(__file__).resolve().parents[1]
# The oracle is one process of plain Python by intention, the generators make samples.
FOLDERS = ("jobs", "tollgate")
BY_INTENTION = ("tollgate/oracle/",)
ONE_ROW = "an aggregate: one row"
BY_RUN = "a row a bill run: a few a month"
NAMED = "accounts that people named, at most 10,000 a run"
BOOK = "rows of the price book: they grow with tariffs"
NETWORK = "sources, carriers, cells: they grow with the network"
PLANS = "the numbering plans of the world: they grow with the package phonenumbers"
GROUPS = "groups by service, status, reason or run"
CHARGES = "the charges of a file by hand, at most 10,000"
BY_EXPORT = "exports of batches: one a night"
HOLDS = "legal holds in force and whom they name: decisions of people"
ONE_EVENT = "rows of the one event asked for"
PICKED = "events picked for the second rating, at most --situations + --sample, and whose they are"
FIGURES = "figures of the demo's page"
# How many million keys a batch may have is mediation.max_offsets_per_trigger; 67 MB a million.
BATCH_KEYS = "keys of one micro-batch, whose size is a setting"

# One line a place: file, function, what is called there, and what bounds the rows.
ALLOWED = [
    ("jobs/analyst_views.py", "_pads", "few_rows", ONE_ROW),
    ("jobs/analyst_views.py", "_posted_run", "few_rows", BY_RUN),
    ("jobs/analyst_views.py", "_posted_runs", "fetchall", BY_RUN),
    *[
        ("jobs/awaiting_usage.py", name, "collect", ONE_ROW)
        for name in ("last_batch_before", "taken_to", "later_than", "awaiting")
    ],
    ("jobs/bill_arguments.py", "refuse_unknown", "fetchall", NAMED),
    ("jobs/bill_draft.py", "_totals", "first", ONE_ROW),
    ("jobs/bill_draft.py", "_kinds", "collect", "kinds of invoice lines"),
    *[
        ("jobs/bill_inputs.py", "posted_before", of, BY_RUN)
        for of in ("createDataFrame", "createDataFrame", "broadcast")
    ],
    ("jobs/bill_inputs.py", "posted_before", "createDataFrame", "no row"),
    ("jobs/bill_inputs.py", "posted_before", "few_rows", NAMED),
    ("jobs/bill_inputs.py", "_named", "few_rows", NAMED),
    *[("jobs/bill_inputs.py", name, "first", ONE_ROW) for name in ("newest_rating", "check_balanced")],
    ("jobs/bill_inputs.py", "check_posted", "few_rows", BY_RUN),
    ("jobs/bill_inputs.py", "check_posted", "take", "the first RUNS_SHOWN runs"),
    ("jobs/bill_runs.py", "posted_runs", "fetchall", BY_RUN),
    ("jobs/bill_runs.py", "_select", "fetchall", BY_RUN),
    ("jobs/bill_shown.py", "_rows", "fetchall", "steps, kinds and reasons of one run, and the first SHOWN accounts"),
    ("jobs/bill_verify.py", "verify", "first", ONE_ROW),
    ("jobs/bill_verify.py", "verify", "collect", "the first SHOWN accounts"),
    ("jobs/later_documents.py", "later_documents", "fetchall", "a row a measure"),
    *[("jobs/credit_notes.py", "draft_credit", "fetchall", "lines of one invoice")] * 2,
    ("jobs/credit_notes.py", "issue_credit", "fetchall", "lines of one invoice"),
    ("jobs/credit_notes.py", "credits_of", "fetchall", "the newest SHOWN credit notes"),
    ("jobs/due_cycles.py", "find_due_cycles", "collect", "keys of the cycles of a year: at most five a month"),
    ("jobs/check_quality.py", "_checked", "frame", "the result of one suite"),
    *[("jobs/export_usage.py", name, "collect", ONE_ROW) for name in ("_planned", "_figures")],
    ("jobs/book_in_memory.py", "book_in_memory", "few_rows", BOOK),
    ("jobs/compare_pricebooks.py", "published_lines", "fetchall", BOOK),
    *[("jobs/correct_usage.py", "run", call, GROUPS) for call in ("collect", "frame")],
    *[("jobs/correct_usage.py", "standing_of", call, NAMED) for call in ("few_rows", "broadcast")],
    ("jobs/correct_usage.py", "_next_correction", "collect", ONE_ROW),
    ("jobs/corrected_lines.py", "forget_unwritten", "collect", "numbers of corrections"),
    ("jobs/correct_usage.py", "_refuse_uncorrectable", "collect", "the first ACCOUNTS_SHOWN accounts"),
    *[("jobs/correct_usage.py", "_refuse_uncorrectable", "broadcast", BOOK)] * 2,
    *[("jobs/correction_mark.py", "mark_correction", call, ONE_ROW) for call in ("collect", "frame")],
    ("jobs/correction_mark.py", "corrected_by_service", "collect", GROUPS),
    *[("jobs/explain_charge.py", name, "collect", ONE_EVENT) for name in ("explained", "_billed")],
    *[("jobs/legal_hold.py", name, "fetchall", HOLDS) for name in ("holds_in_force", "_select")],
    ("jobs/maintain.py", "_maintain_all", "frame", "a row a table"),
    ("jobs/maintain.py", "_unmarked", "collect", "a row a table"),
    ("jobs/feed_drift.py", "drift_alarms", "collect", "the largest alarms, at most SHOWN"),
    ("jobs/mediate_usage.py", "_stream", "take", "MicroBatches.take, which brings nothing"),
    ("jobs/mediate_usage.py", "_stream", "foreachBatch", "plans a batch; its rows stay on the executors"),
    ("jobs/micro_batch.py", "MicroBatches._mediate", "collect", "a row a registered source, with the batch's months"),
    ("jobs/micro_batch.py", "MicroBatches._mark", "collect", "a row a partition, source, disposition and reasons"),
    *[("jobs/micro_batch.py", "MicroBatches._mark", call, "one mark, its ranges") for call in ("frame", "few_rows")],
    *[
        ("tollgate/platform/class_archive.py", "a_session", name, "rows of setup's own session: two lines of a file")
        for name in ("broadcast", "frame", "frame", "foreachBatch", "collect")
    ],
    *[("jobs/one_off_charges.py", "_known", "fetchall", CHARGES)] * 3,
    ("jobs/one_off_charges.py", "_entered", "fetchall", CHARGES),
    ("jobs/one_off_charges.py", "_list", "fetchall", "the first SHOWN charges"),
    *[("jobs/pinned.py", name, "take", ONE_ROW) for name in ("load_price_book", "load_reference")],
    ("jobs/posting.py", "_check_lake", "first", ONE_ROW),
    ("jobs/posting.py", "_check_equations", "collect", "a row a measure"),
    ("jobs/publish_pricebook.py", "run", "take", ONE_ROW),
    ("jobs/publish_pricebook.py", "_version", "collect", "numbers of attempts that died"),
    *[("jobs/publish_pricebook.py", name, "frame", BOOK) for name in ("_write_tables", "_write_mark")],
    ("jobs/quality_docs.py", "run", "collect", "the last results of each suite, at most SHOWN"),
    *[("jobs/quality_gates.py", of, "collect", ONE_ROW) for of in ("refuse_unchecked_invoices", "_refuse_unchecked")],
    ("jobs/quality_slices.py", "new_range", "collect", ONE_ROW),
    ("jobs/quality_slices.py", "new_runs", "collect", "a row an open bill run"),
    ("jobs/quality_slices.py", "known_of", "collect", BOOK),
    *[("jobs/rate_usage.py", name, "collect", ONE_ROW) for name in ("_next_night", "_held_before")],
    ("jobs/rate_usage.py", "_rated", "collect", "a row a month in which something is suspended"),
    ("jobs/rate_usage.py", "_mark", "first", ONE_ROW),
    ("jobs/rate_usage.py", "_mark", "frame", "one mark"),
    ("jobs/rate_usage.py", "_figures", "collect", GROUPS),
    *[("jobs/reconcile.py", "_from_postgres", "fetchall", bound) for bound in (BY_RUN, GROUPS)],
    ("jobs/reconcile.py", "_from_lake", "createDataFrame", BY_RUN),
    ("jobs/reconcile.py", "_from_lake", "collect", GROUPS),
    ("jobs/reconcile.py", "_reach", "collect", ONE_ROW),
    ("jobs/reconcile.py", "_keep", "frame", "one row an equation"),
    ("jobs/rate_file.py", "_countries", "few_rows", PLANS),
    *[("jobs/rate_file.py", "_as_dialled", "few_rows", PLANS)] * 2,
    ("jobs/rate_file.py", "_holdings", "take", "the first mistakes of a file, to be shown"),
    ("jobs/replay.py", "_counted", "collect", "groups by reasons"),
    ("jobs/replay.py", "_waiting", "collect", ONE_ROW),
    ("jobs/replay.py", "_outgoing", "toLocalIterator", "one partition at a time, passed on"),
    *[("jobs/second_opinion_rows.py", "picked_rows", call, PICKED) for call in ("broadcast", "broadcast", "collect")],
    *[("jobs/second_opinion_rows.py", "facts_of", call, PICKED) for call in (*["broadcast"] * 4, "collect")],
    ("jobs/second_opinion_rows.py", "_by_snapshot", "collect", PICKED),
    ("jobs/second_opinion_rows.py", "book_folders", "collect", "a row a published price book"),
    *[("jobs/second_rating.py", "run", "collect", ONE_ROW)] * 2,
    ("jobs/second_rating.py", "_keep", "frame", "one mark"),
    ("jobs/snapshot_reference.py", "run", "take", ONE_ROW),
    ("jobs/snapshot_reference.py", "run", "collect", "a digest a table"),
    ("jobs/snapshot_reference.py", "run", "frame", "one mark"),
    ("jobs/snapshot_reference.py", "run", "few_rows", PLANS),
    ("jobs/snapshot_reference.py", "_refuse", "take", "the first mistakes, to be shown"),
    ("jobs/snapshot_reference.py", "_snapshot_id", "collect", "numbers of attempts that died"),
    ("jobs/staged_rows.py", "made", "collect", "a row a staging table"),
    ("jobs/standing.py", "standing", "collect", "a row a checkpoint generation"),
    ("jobs/standing.py", "standing", "first", ONE_ROW),
    ("jobs/standing.py", "_open_batches", "collect", "numbers of the batches without a mark, where a stream stops"),
    *[("jobs/table_upkeep.py", "_looked_at", "first", ONE_ROW)] * 2,
    *[("jobs/table_upkeep.py", name, "first", ONE_ROW) for name in ("_what_stays", "_published")],
    ("jobs/table_upkeep.py", "_held", "few_rows", HOLDS),
    ("jobs/table_upkeep.py", "_subscriptions", "collect", HOLDS),
    ("jobs/uploads.py", "dialects_of", "fetchall", NETWORK),
    ("jobs/usage_as_json.py", "JsonCopy.recorded", "collect", BY_EXPORT),
    *[("jobs/usage_as_json.py", "JsonCopy.held", call, BY_EXPORT) for call in ("few_rows", "broadcast", "collect")],
    ("jobs/usage_as_json.py", "JsonCopy._write_lines", "hint", "rebalance: a shuffle, nothing passes the driver"),
    ("jobs/usage_as_json.py", "JsonCopy._summed", "collect", ONE_ROW),
    ("jobs/usage_copies.py", "in_lake", "few_rows", BY_EXPORT),
    ("jobs/usage_copies.py", "in_lake", "collect", BY_EXPORT),
    ("jobs/usage_copies.py", "in_lake", "collect", ONE_ROW),
    ("jobs/usage_in_postgres.py", "PostgresCopy.recorded", "fetchall", BY_EXPORT),
    ("jobs/usage_in_postgres.py", "PostgresCopy.held", "fetchall", BY_EXPORT),
    ("jobs/usage_in_postgres.py", "_check_columns", "fetchall", "a row a table, or a partition, of schema rating"),
    ("tollgate/assurance/current_rating.py", "broadcast_if_few", "broadcast", "at most BROADCAST_UP_TO rows"),
    *[("tollgate/assurance/measures.py", "measures", "broadcast", BY_RUN)] * 4,
    *[("tollgate/assurance/retention.py", name, "broadcast", HOLDS) for name in ("reach", "held")],
    ("tollgate/assurance/truth.py", "_claims", "broadcast", "codes of mediation"),
    ("tollgate/assurance/usage_copy.py", "by_export", "broadcast", BY_EXPORT),
    *[("tollgate/billing/buckets.py", name, "broadcast", BOOK) for name in ("used_units", "with_allowance")],
    ("tollgate/billing/buckets.py", "late_cycles", "collect", "a row a cycle's key that late usage belongs to"),
    ("tollgate/billing/granted_days.py", "granted_days", "broadcast", BOOK),
    ("tollgate/billing/bill.py", "_with_minor_digits", "broadcast", BOOK),
    ("tollgate/billing/bill.py", "_sound", "broadcast", "accounts that fail an equation; 114 MB a million"),
    *[("tollgate/billing/prepaid.py", "prepaid_contracts", "broadcast", BOOK)] * 2,
    ("tollgate/billing/prepaid_lines.py", "_tax_lines", "broadcast", "a row a jurisdiction, category and cycle's end"),
    *[("tollgate/billing/cycles.py", "settled_cycles", "broadcast", bound) for bound in (BY_RUN, NAMED, NAMED)],
    ("tollgate/billing/cycles.py", "accounts_to_bill", "broadcast", NAMED),
    ("tollgate/billing/discounts.py", "discount_lines", "broadcast", BOOK),
    ("tollgate/billing/discounts.py", "_taken_off", "broadcast", "the book's discounts, as one row"),
    ("tollgate/billing/advance.py", "advance_lines", "broadcast", BOOK),
    ("tollgate/billing/fees.py", "recurring_lines", "broadcast", BOOK),
    ("tollgate/billing/fees.py", "contract_fees", "broadcast", BOOK),
    ("tollgate/billing/fees.py", "invoice_fee_lines", "broadcast", BOOK),
    ("tollgate/billing/lines.py", "usage_lines", "broadcast", BOOK),
    *[("tollgate/billing/spend_limits.py", name, "broadcast", BOOK) for name in ("spend_limit_lines", "_counted")],
    ("tollgate/billing/supplementary.py", "too_little", "broadcast", BOOK),
    ("tollgate/billing/tax.py", "with_tax", "broadcast", "a row a jurisdiction, category and end of a cycle"),
    ("tollgate/billing/tax.py", "rules_of_accounts", "broadcast", BOOK),
    ("tollgate/billing/tiers.py", "with_tier_charge", "broadcast", BOOK),
    *[("tollgate/billing/corrected.py", "_with_counts", "broadcast", BOOK)] * 2,
    ("tollgate/billing/volume_tiers.py", "volume_lines", "broadcast", BOOK),
    ("tollgate/demo/figures.py", "report", "collect", FIGURES),
    *[("tollgate/demo/figures.py", name, "collect", GROUPS) for name in ("truth_figures", "leakage")],
    ("tollgate/demo/figures.py", "truth_figures", "collect", "the first misses, to be shown"),
    ("tollgate/demo/figures.py", "preview", "collect", ONE_ROW),
    ("tollgate/demo/figures.py", "asked", "fetchall", FIGURES),
    *[("tollgate/demo/findings.py", "oracle_runs", "collect", ONE_ROW)] * 2,
    ("tollgate/demo/run_figures.py", "waiting_usage", "collect", "parked accounts, at most five"),
    *[("tollgate/mediation/enrich.py", "with_network", "broadcast", NETWORK)] * 2,
    ("tollgate/mediation/identity.py", "_repeated", "broadcast", BATCH_KEYS),
    ("tollgate/mediation/identity.py", "known_keys", "broadcast", BATCH_KEYS),
    ("tollgate/mediation/identity.py", "resolve_duplicates", "broadcast", BATCH_KEYS),
    ("tollgate/mediation/normalise.py", "with_source", "broadcast", NETWORK),
    ("tollgate/mediation/numbers.py", "_with_range", "broadcast", PLANS),
    ("tollgate/mediation/numbers.py", "with_numbers", "broadcast", PLANS),
    ("tollgate/platform/answer_output.py", "_stream", "toLocalIterator", "one partition at a time, passed on"),
    ("tollgate/platform/answer_table.py", "print_table", "collect", "--limit rows"),
    ("tollgate/platform/lake.py", "few_rows", "createDataFrame", "what its callers bound, each listed here"),
    ("tollgate/platform/lake.py", "let_go", "rdd", "no row: its memory is freed"),
    ("tollgate/platform/lake.py", "Lake.read", "frame", "no row"),
    ("tollgate/platform/lake.py", "Lake.frame", "few_rows", "what its callers bound, each listed here"),
    ("tollgate/platform/lake.py", "Lake.commit_metadata", "collect", "as many commits as are asked for, or four times"),
    ("tollgate/platform/metrics.py", "CarriedOn.collect", "collect", "metrics of Prometheus, no rows"),
    ("tollgate/platform/partitions.py", "spread_by", "first", ONE_ROW),
    ("tollgate/platform/postgres_copy.py", "copy_into", "mapInArrow", "a sink: the executors pass batches of bytes on"),
    ("tollgate/platform/run_history.py", "_rows", "fetchall", "the newest nights and months, at most --last"),
    ("tollgate/platform/short_logs.py", "read_by_commits", "createDataFrame", "the files of some commits, no row"),
    *[("tollgate/platform/upkeep.py", name, "first", ONE_ROW) for name in ("size_of", "vacuum")],
    ("tollgate/rating/correction.py", "changed", "broadcast", BOOK),
    ("tollgate/rating/as_of.py", "book_rows", "broadcast", BOOK),
    ("tollgate/rating/usage_sheet.py", "with_class_and_country", "broadcast", PLANS),
    ("tollgate/rating/discounts.py", "discount_rules", "collect", BOOK),
]

# Each line has one passage, but for the two at the end.
SAMPLE = """
def rows(frame, cursor): return [row for row in frame.collect()]
def pandas(frame): return frame.select("a").toPandas()
def loop(frame):
    for row in frame.toLocalIterator(): print(row)
def head(frame): return frame.head(3)
def handed_on(frame): return list(map(str, frame.first()))
def uncalled(frame): return map(frame.mapInPandas, [])
def hidden(frame): return frame.rdd.map(len)
def inside(frame):
    def deeper(): return cursor.fetchall()
    return deeper
class Store:
    def read(self, frame): return frame.tail(1)
def of_database(cursor):
    for row in cursor: print(row)
@F.udf("INT")
def python(value): return value
@udf
def bare(value): return value
def shared(left, right): return left.join(F.broadcast(right), "id")
def hinted(right): return right.hint("broadcast")
def made(spark, rows): return spark.createDataFrame(rows)
def each(frame): frame.foreachPartition(print)
def fine(frame): return frame.groupBy("a").agg(F.first("b"), F.collect_set("c"))
def also_fine(frame): return frame.write.save(first)
"""


def told(passage: Passage, count: int) -> str:
    return f"{passage.file}: {passage.function or 'at import'}: {passage.call}{f' ({count} more)' if count > 1 else ''}"


@pytest.mark.covers("OPS-16")
def test_what_passes_through_the_driver_is_known_and_bounded() -> None:
    found = Counter(passage for passage in passages_of(ROOT, FOLDERS) if not passage.file.startswith(BY_INTENTION))
    allowed = Counter(Passage(file, function, call) for file, function, call, _ in ALLOWED)
    new = [told(passage, count) for passage, count in (found - allowed).items()]
    assert not new, (
        "rows pass through the driver, or leave the plan for Python, where nothing says what bounds them: "
        f"{new}. Keep them in the plan (an aggregate, a join, a write by the executors). Where that cannot be and they "
        "do not grow with usage or customers, add a line with the bound to ALLOWED in tests/test_driver_growth.py"
    )
    gone = [told(passage, count) for passage, count in (allowed - found).items()]
    assert not gone, f"ALLOWED has lines that no code needs any more; remove them: {gone}"
    assert all(bound for *_, bound in ALLOWED)


def test_every_way_to_the_driver_is_seen() -> None:
    seen = [(found.function, found.call) for found in passages("sample.py", SAMPLE)]
    assert sorted(seen) == sorted([
        ("rows", "collect"), ("pandas", "toPandas"), ("loop", "toLocalIterator"), ("head", "head"),
        ("handed_on", "first"), ("uncalled", "mapInPandas"), ("hidden", "rdd"), ("inside", "fetchall"),
        ("Store.read", "tail"), ("of_database", "for cursor"), ("python", "udf"), ("bare", "udf"),
        ("shared", "broadcast"), ("hinted", "hint"), ("made", "createDataFrame"), ("each", "foreachPartition"),
    ])  # fmt: skip


def test_the_limit_of_what_a_driver_collects_is_sparks_own() -> None:
    """A larger spark.driver.maxResultSize would hide what the list above is there to prevent."""
    key = "spark.driver.maxResultSize"
    texts = {
        path: path.read_text(encoding="utf-8")
        for folder in (*FOLDERS, "conf")
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert not [path.name for path, text in texts.items() if key in text]
    assert key in (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
