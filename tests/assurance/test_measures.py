from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from frames import assert_rows, table
from pyspark.sql import functions as F

from tollgate.assurance.conservation import EQUATIONS, balances, of_corrections
from tollgate.assurance.current_rating import BROADCAST_UP_TO, current_rating
from tollgate.assurance.leakage import leakage_by_service
from tollgate.assurance.measures import Reach, measures
from tollgate.assurance.publication import arrived_to, published_to, rated_to
from tollgate.assurance.views import VIEWS

D = Decimal
MARK = """batch_no BIGINT, generation INT, topic STRING, offsets STRING, accepted BIGINT, quarantined BIGINT,
duplicate BIGINT, balanced BOOLEAN"""
NIGHT = "rating_no BIGINT, to_batch_no BIGINT, charge_total DECIMAL(38,6), cost_total DECIMAL(38,6), balanced BOOLEAN"
RAW = "batch_no BIGINT, topic STRING, kafka_partition INT, kafka_offset BIGINT"
USAGE = f"""{RAW}, disposition STRING, service STRING, source STRING, event_id STRING, event_month STRING,
started_at TIMESTAMP, duration_s BIGINT, volume_bytes BIGINT"""
RATED = """rating_no BIGINT, source STRING, event_id STRING, event_month STRING, revision INT, retail_status STRING,
wholesale_status STRING, started_at TIMESTAMP, service STRING, account_id STRING, duration_s BIGINT,
volume_bytes BIGINT, charge DECIMAL(18,6), cost DECIMAL(18,6), kind STRING, corrects INT"""
BILLED = """run_id STRING, source STRING, event_id STRING, revision INT, rating_no BIGINT, line_key STRING,
list_charge DECIMAL(18,6), net_charge DECIMAL(18,6), account_id STRING, started_at TIMESTAMP, origin_cycle DATE,
free_units BIGINT, kind STRING, allowance_id STRING,
slices ARRAY<STRUCT<allowance_id:STRING,granted_on:DATE,units:BIGINT>>,
money_slices ARRAY<STRUCT<allowance_id:STRING,granted_on:DATE,amount:DECIMAL(18,6)>>,
net_numerator DECIMAL(38,0), net_denominator DECIMAL(38,0)"""
LINE = """run_id STRING, account_id STRING, kind STRING, events BIGINT, exact_total DECIMAL(38,6), amount DECIMAL(18,3),
tax_share DECIMAL(18,3), line_key STRING, origin_cycle DATE, free_units BIGINT, line_no INT, subscription_id STRING,
service STRING, zone_id STRING, roaming_zone STRING, description STRING, units BIGINT, unit STRING, tax_category STRING,
tax_id STRING, exempt_reason STRING"""
INVOICE = """run_id STRING, account_id STRING, cycle_end DATE, lines INT, net DECIMAL(18,3), tax DECIMAL(18,3),
total DECIMAL(18,3), cycle_start DATE, currency STRING, content_hash STRING, minor_digits INT,
customer_id STRING, invoice_kind STRING, sequence INT, due_on DATE"""
PREPAID = """run_id STRING, account_id STRING, contract_id STRING, cycle_start DATE, is_first BOOLEAN,
opening DECIMAL(18,6), topped_up DECIMAL(18,6), debits DECIMAL(18,6),
forfeited DECIMAL(18,6), settled DECIMAL(18,6), closing DECIMAL(18,6)"""
UNTOLD = (None,) * 11  # columns that are compared with PostgreSQL alone
ACCOUNT = "snapshot_id BIGINT, account_id STRING, time_zone STRING"

OCTOBER, FIRST = datetime(2026, 10, 5, 12), date(2026, 10, 1)
VOICE = "usage|L1|voice|national|home|2026-10-01|standard|"
SMS = "usage|L1|sms|national|home|2026-11-01|standard|"
HALLOWEEN_NIGHT = datetime(2026, 11, 1, 3, 59, 59)  # still 31 October in Toronto
NOVEMBER = datetime(2026, 11, 1, 4)


def rated_rows():
    rows = [
        (1, "s", "a", "2026-10", 1, "rated", "costed", OCTOBER, "voice", "A1", 60, 0, D("0.2000"), D("0.0500")),
        (1, "s", "b", "2026-10", 1, "zero_rated", "not_applicable", OCTOBER, "voice", "A1", 0, 0, D("0"), None),
        (1, "s", "c", "2026-10", 1, "suspended", "not_applicable", OCTOBER, "voice", None, 90, 0, None, None),
        (2, "s", "c", "2026-10", 1, "suspended", "not_applicable", OCTOBER, "voice", None, 90, 0, None, None),
        (1, "s", "d", "2026-10", 1, "suspended", "not_applicable", OCTOBER, "sms", None, 0, 0, None, None),
        (2, "s", "d", "2026-11", 1, "rated", "no_carrier_rate", NOVEMBER, "sms", "A1", 0, 0, D("0.0500"), None),
        (2, "s", "e", "2026-11", 1, "rated", "costed", HALLOWEEN_NIGHT, "sms", "A1", 0, 0, D("0.0500"), D("0.0040")),
        (2, "s", "c2", "2026-10", 1, "suspended", "not_applicable", OCTOBER, "sms", None, 0, 0, None, None),
        (3, "s", "c2", "2026-10", 1, "rated", "costed", OCTOBER, "sms", "A2", 0, 0, D("0.0500"), D("0.0040")),
    ]
    return [(*row, "original", None) for row in rows]


# In the fourth run two events are corrected: `a`, which is billed, gets dearer, `e`, which is not, goes to A2.
CORRECTED = [
    (4, "s", "a", "2026-10", 2, "rated", "costed", OCTOBER, "voice", "A1", 60, 0, D("-0.2"), D("-0.05"), "reversal", 1),
    (4, "s", "a", "2026-10", 3, "rated", "costed", OCTOBER, "voice", "A1", 60, 0, D("0.3"), D("0.05"), "correction", 1),
    (4, "s", "e", "2026-11", 2, "rated", "costed", HALLOWEEN_NIGHT, "sms", "A1", 0, 0, D("-0.05"), D("-0.004"),
     "reversal", 1),
    (4, "s", "e", "2026-11", 3, "rated", "costed", HALLOWEEN_NIGHT, "sms", "A2", 0, 0, D("0.05"), D("0.004"),
     "correction", 1),
]  # fmt: skip


@pytest.fixture(scope="module")
def tables(spark):
    calls, messages = [("a", 60), ("b", 0), ("c", 90)], [("d", OCTOBER), ("d", NOVEMBER), ("c2", OCTOBER)]
    messages.append(("e", HALLOWEEN_NIGHT))
    events = [
        *((1, "t", 0, n, "accepted", "voice", "s", name, "2026-10", OCTOBER, used, 0)
          for n, (name, used) in enumerate(calls)),
        *((2, "t", 1, n, "accepted", "sms", "s", name, "2026-10" if start == OCTOBER else "2026-11", start, 0, 0)
          for n, (name, start) in enumerate(messages)),
        (2, "t", 0, 3, "quarantined", *[None] * 7),
        (2, "t", 0, 4, "duplicate", "voice", "s", "a", "2026-10", OCTOBER, 60, 0),
        # Its mark does not balance: not published.
        (3, "t", 0, 5, "accepted", "voice", "s", "f", "2026-10", OCTOBER, 60, 0),
    ]  # fmt: skip
    return {
        "control_mediation": table(
            spark, MARK,
            (1, 0, "t", '{"0": [0, 3]}', 3, 0, 0, True),
            (2, 0, "t", '{"0": [3, 5], "1": [0, 4]}', 4, 1, 1, True),
            (3, 0, "t", '{"0": [5, 7]}', 1, 0, 0, False),
        ),
        "raw_cdr": table(spark, RAW, *(row[:4] for row in events)),
        "usage_event": table(spark, USAGE, *events),
        "control_rating": table(spark, NIGHT, (1, 1, D("0.2"), D("0.05"), True), (2, 2, D("0.1"), D("0.004"), True),
                                (3, 2, D("0.05"), D("0.004"), True)),
        "rated_usage": table(spark, RATED, *rated_rows()),
        "billed_usage": table(
            spark, BILLED,
            # 0.16004 exactly, to four digits 0.1600, of which money paid 0.01; 10 and 5 units are free.
            ("r1", "s", "a", 1, 1, VOICE, D("0.2"), D("0.15"), "A1", OCTOBER, FIRST, 15, "original", "free",
             [("free", FIRST, 10), ("more", FIRST, 5)], [("gift", FIRST, D("0.01"))], D(320080), D(2)),
            # A row from before the columns.
            ("r1", "s", "b", 1, 1, VOICE, D("0"), D("0"), "A1", OCTOBER, FIRST, 0, None, None, None, None, D(0), D(1)),
            ("draft", "s", "e", 1, 2, SMS, D("0.05"), D("0.05"), "A1", HALLOWEEN_NIGHT, FIRST, 0, "original", None,
             [], [], D(50000), D(1)),
        ),
        "invoice_line": table(
            spark, LINE,
            ("r1", "A1", "usage", 2, D("0.15"), D("0.15"), D("0.02"), VOICE, FIRST, 15, *UNTOLD),
            ("r1", "A1", "recurring", 0, D("20"), D("20"), D("2.60"), "recurring|L1|||||standard|K1", None, 0, *UNTOLD),
            ("draft", "A1", "usage", 1, D("0.05"), D("0.05"), D("0.01"), SMS, FIRST, 0, *UNTOLD),
        ),
        "invoice": table(spark, INVOICE, ("r1", "A1", date(2026, 11, 1), 2, D("20.15"), D("2.62"), D("22.77"),
                                            FIRST, "CAD", "h", 2, *UNTOLD[:4])),
        "prepaid_balance": table(spark, PREPAID),
        "ref_account": table(spark, ACCOUNT, (1, "A1", "America/Toronto"), (1, "A2", "America/Toronto")),
    }  # fmt: skip


def failing(spark, tables, **replaced):
    posted = table(spark, "run_id STRING, part STRING", ("r1", "2026-10"))
    rows = measures({**tables, **replaced}, posted, Reach(published_to=2, rated_to=2)).collect()
    facts = {(row.measure, row.part): row.value for row in rows}
    checked = balances(facts, (*EQUATIONS, *of_corrections(facts)))
    return facts, {b.equation.name for b in checked if not b.holds and b.equation.stage != "ledger"}


@pytest.mark.covers("BIL-13", "BIL-23", "MED-14")
def test_a_small_lake_balances_and_every_number_is_where_it_belongs(spark, tables):
    facts, fails = failing(spark, tables)
    assert fails == set()
    assert [facts[name, "t-0"] for name in ("received", "raw_rows", "accepted", "quarantined", "duplicate")] == [
        5,
        5,
        3,
        1,
        1,
    ]
    assert [facts[name, "voice"] for name in ("accepted_events", "rated", "zero_rated", "suspended", "billed")] == [
        3,
        1,
        1,
        1,
        2,
    ]
    assert [facts[name, "sms"] for name in ("rated", "suspended", "carried_late", "carried_open")] == [3, 1, 1, 2]
    assert facts["invoice_total", "2026-10"] == D("22.77")


@pytest.mark.covers("BIL-13", "BIL-23", "MED-14")
def test_a_planted_row_or_cent_in_the_tables_breaks_its_equation(spark, tables):
    lost = tables["usage_event"].where("NOT (kafka_partition = 1 AND kafka_offset = 3)")
    cent = tables["invoice_line"].withColumn(
        "amount", F.expr("CAST(amount + IF(kind = 'recurring', 0.01, 0) AS DECIMAL(18,3))")
    )
    twice = tables["billed_usage"].where("event_id = 'a'").unionByName(tables["billed_usage"])
    _, fails = failing(spark, tables, usage_event=lost, invoice_line=cent, billed_usage=twice)
    assert fails == {
        "one disposition a record", "the same records, by their places", "the marks of the batches",
        "rated is billed or carried over", "charges are billed or carried over", "events on lines",
        "net charges on usage lines", "events keep account, time and charge", "every usage line equals its own events",
        "accepted is rated or held with a reason", "lines make the invoices", "every invoice equals its own lines",
        "rated events keep their time and amounts", "every source, service and day is rated or held",
    }  # fmt: skip
    later = tables["rated_usage"].withColumn("duration_s", F.expr("IF(event_id = 'a', 61L, duration_s)"))
    assert failing(spark, tables, rated_usage=later)[1] == {"rated events keep their time and amounts"}


@pytest.fixture(scope="module")
def corrected(spark, tables):
    rows = table(spark, RATED, *rated_rows(), *CORRECTED)
    mark = table(spark, NIGHT, (4, 2, D("0.1"), D("0"), True))
    return {**tables, "rated_usage": rows, "control_rating": tables["control_rating"].unionByName(mark)}


@pytest.mark.covers("BIL-13", "BIL-23")
def test_a_correction_counts_as_one_event_and_its_reversal_takes_back_to_the_last_digit(spark, corrected):
    facts, fails = failing(spark, corrected)
    assert fails == set()
    # Of `a` what was billed stays, and what the correction adds is late; `e` was not billed and is one event still.
    names = ("rated", "billed", "billed_list_charge", "carried_late", "carried_charge", "rated_charge", "reversals")
    assert [facts[name, "voice"] for name in names] == [1, 2, D("0.2"), 0, D("0.1"), D("0.3"), 1]
    # It was late for A1, whose October is billed, and is open with A2, which has no bill yet.
    assert [facts[name, "sms"] for name in ("rated", "carried_late", "carried_open", "carried_charge")] == [
        3, 0, 3, D("0.15")
    ]  # fmt: skip
    rated = corrected["rated_usage"]
    cent = rated.withColumn("charge", F.expr("CAST(charge + IF(kind = 'reversal', 0.000001, 0) AS DECIMAL(18,6))"))
    assert "reversals give back what was charged" in failing(spark, corrected, rated_usage=cent)[1]
    alone = rated.where("NOT (kind = 'correction' AND event_id = 'e')")
    assert "each reversal has its correction" in failing(spark, corrected, rated_usage=alone)[1]
    nothing = rated.withColumn("corrects", F.expr("IF(event_id = 'e', 7, corrects)"))
    lost = failing(spark, corrected, rated_usage=nothing)[1]
    assert {"each reversal takes back one rated row", "accepted is rated or held with a reason"} <= lost


@pytest.mark.covers("BIL-23")
def test_of_a_corrected_event_one_row_stands_and_the_views_agree(spark, corrected):
    corrected["rated_usage"].createOrReplaceTempView("rated_usage")
    spark.sql(VIEWS["current_rating"]).createOrReplaceTempView("current_rating")
    keys = ["event_id", "event_month", "revision", "account_id", "charge"]
    expected = [("a", "2026-10", 3, "A1", D("0.300000")), ("e", "2026-11", 3, "A2", D("0.050000"))]
    for standing in (current_rating(corrected["rated_usage"]), spark.table("current_rating")):
        assert_rows(standing.where("event_id IN ('a', 'e')").select(*keys), *expected)
    billed = corrected["billed_usage"].where("run_id = 'r1'")
    assert_rows(
        leakage_by_service(corrected["rated_usage"], billed),
        ("voice", 2, 0, 1, D("0.200000"), D("0.100000"), 90, 0, 0),
        ("sms", 0, 3, 1, D("0.000000"), D("0.150000"), 0, 0, 1),
    )


def test_publication_ends_before_the_first_mark_that_is_missing_or_out_of_balance(spark, tables):
    marks = "batch_no BIGINT, generation INT, balanced BOOLEAN"
    runs = "rating_no BIGINT, to_batch_no BIGINT, balanced BOOLEAN"
    reached = [
        published_to(table(spark, marks)),
        published_to(table(spark, marks, (0, 0, True), (1, 0, True), (100, 1, True), (102, 1, True))),
        published_to(table(spark, marks, (0, 0, True), (1, 0, False), (2, 0, True))),
        published_to(tables["control_mediation"]),
        rated_to(table(spark, runs, (1, 4, True), (2, 9, True), (4, 12, True))),
    ]
    together = reached[0]
    for frame in reached[1:]:
        together = together.unionAll(frame)
    assert [row.to_no for row in together.collect()] == [-1, 100, 0, 2, 9]


def test_a_day_reaches_the_last_published_batch_whose_records_all_arrived_before_its_end(spark):
    marks = "batch_no BIGINT, generation INT, balanced BOOLEAN, recorded_at TIMESTAMP"
    ninth, tenth, later = (datetime(2026, 10, 9 + day, tzinfo=timezone.utc) for day in range(3))
    # Batch 1 holds a record stamped far ahead, batch 4 is not published.
    last = (4, 1, False, ninth - timedelta(hours=1))
    days = table(
        spark, marks, (0, 1, True, ninth - timedelta(microseconds=1)), (1, 1, True, datetime(2030, 1, 1)),
        (2, 1, True, ninth), (3, 1, True, tenth + timedelta(hours=9)), last,
    )  # fmt: skip
    early = ninth - timedelta(days=1)
    reached = [arrived_to(days, instant) for instant in (early, ninth, tenth, later, datetime(2031, 1, 1))]
    together = reached[0]
    for frame in reached[1:]:
        together = together.unionAll(frame)
    assert [row.to_no for row in together.collect()] == [-1, 0, 2, 3, 3]


def test_the_views_say_what_the_functions_say(spark, tables):
    for name in ("control_mediation", "usage_event", "rated_usage"):
        tables[name].createOrReplaceTempView(name)
    for name in ("published_to", "accepted_usage", "current_rating"):
        spark.sql(VIEWS[name]).createOrReplaceTempView(name)
    standing = current_rating(tables["rated_usage"])
    keys = ["event_id", "event_month", "rating_no"]
    expected = [("a", "2026-10", 1), ("b", "2026-10", 1), ("c", "2026-10", 2), ("d", "2026-10", 1), ("d", "2026-11", 2),
                ("e", "2026-11", 2), ("c2", "2026-10", 3)]  # fmt: skip
    assert_rows(standing.select(*keys), *expected)
    assert_rows(spark.table("current_rating").select(*keys), *expected)
    # Too many suspended rows to pass through the driver: the same answer by another join.
    shuffled = current_rating(tables["rated_usage"], suspended=BROADCAST_UP_TO + 1, corrected=BROADCAST_UP_TO + 1)
    assert_rows(shuffled.select(*keys), *expected)
    hinted = ["broadcast" in frame._jdf.queryExecution().logical().toString() for frame in (standing, shuffled)]
    assert hinted == [True, False]
    assert_rows(spark.sql("SELECT count(*) FROM accepted_usage"), (7,))


@pytest.mark.covers("BIL-23")
def test_leakage_names_what_is_billed_waiting_and_without_a_price(spark, tables):
    billed = tables["billed_usage"].where("run_id = 'r1'")
    assert_rows(
        leakage_by_service(tables["rated_usage"], billed),
        ("voice", 2, 0, 1, D("0.200000"), D("0.000000"), 90, 0, 0),
        ("sms", 0, 3, 1, D("0.000000"), D("0.150000"), 0, 0, 1),
    )
