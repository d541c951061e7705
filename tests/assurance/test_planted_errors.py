"""One error in one table of one of many copies of a small lake: the equations of that copy fail, of no other one.

All copies lie in the same tables, told apart by their names of topic, source, service and run: one plan measures all.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from assurance.test_measures import ACCOUNT, BILLED, INVOICE, LINE, MARK, NIGHT, PREPAID, RATED, RAW, USAGE
from frames import table
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from tollgate.assurance import digests
from tollgate.assurance.conservation import balances
from tollgate.assurance.measures import Reach, invoice_lines, issued, measures
from tollgate.platform.lake import contract
from tollgate.platform.postgres import connect
from tollgate.platform.settings import Settings

Row = dict[str, Any]
COLUMNS = {
    "control_mediation": MARK, "raw_cdr": RAW, "usage_event": USAGE, "control_rating": NIGHT, "rated_usage": RATED,
    "billed_usage": BILLED, "invoice_line": LINE, "invoice": INVOICE, "ref_account": ACCOUNT,
    "prepaid_balance": PREPAID,
}  # fmt: skip
ACCOUNTS = ("A", "B", "C")
OCTOBER, CYCLE = datetime(2026, 10, 5, 12), date(2026, 10, 1)
CENT, MICRO = Decimal("0.01"), Decimal("0.000001")


def dropped(rows: list[Row], row: Row) -> None:
    rows.remove(row)


def doubled(rows: list[Row], row: Row) -> None:
    rows.append(dict(row))


def more(column: str, by: Decimal) -> Callable[[list[Row], Row], None]:
    def changed(rows: list[Row], row: Row) -> None:
        row[column] += by

    return changed


def otherwise(column: str, value: Any) -> Callable[[list[Row], Row], None]:
    def changed(rows: list[Row], row: Row) -> None:
        row[column] = value

    return changed


def swapped(rows: list[Row], row: Row) -> None:
    row["account_id"] = next(other for other in ACCOUNTS if other != row["account_id"])


def a_month_later(column: str) -> Callable[[list[Row], Row], None]:
    def shifted(rows: list[Row], row: Row) -> None:
        row[column] += timedelta(days=31)

    return shifted


# What is planted where. An account in rated_usage is found once the event is billed: no earlier table has it.
PLANTS: list[tuple[str, Callable[[list[Row], Row], None]]] = [
    *[(name, how) for name in ("raw_cdr", "usage_event", "rated_usage", "billed_usage", "invoice_line", "invoice")
      for how in (dropped, doubled)],
    ("rated_usage", more("charge", MICRO)), ("rated_usage", swapped), ("rated_usage", a_month_later("started_at")),
    ("rated_usage", otherwise("duration_s", 61)), ("rated_usage", otherwise("volume_bytes", 1)),
    ("usage_event", a_month_later("started_at")), ("usage_event", otherwise("duration_s", 59)),
    ("billed_usage", more("list_charge", MICRO)), ("billed_usage", more("net_charge", -MICRO)),
    ("billed_usage", swapped), ("billed_usage", a_month_later("started_at")),
    ("billed_usage", a_month_later("origin_cycle")),
    # 15 units are free, and of 0.16 money pays 0.01.
    ("billed_usage", otherwise("slices", [("free", CYCLE, 10), ("more", CYCLE, 4)])),
    ("billed_usage", otherwise("slices", [("free", CYCLE, 16), ("more", CYCLE, -1)])),
    ("billed_usage", otherwise("allowance_id", "more")),
    ("billed_usage", otherwise("money_slices", [("gift", CYCLE, Decimal("0.010001"))])),
    ("billed_usage", otherwise("money_slices", [])),
    ("billed_usage", more("net_numerator", Decimal(10000))),
    ("invoice_line", more("amount", CENT)), ("invoice_line", more("tax_share", -CENT)),
    ("invoice_line", more("exact_total", MICRO)), ("invoice_line", swapped),
    ("invoice_line", a_month_later("origin_cycle")),
    ("invoice", more("net", CENT)), ("invoice", more("tax", -CENT)), ("invoice", more("total", CENT)),
    ("invoice", swapped), ("invoice", a_month_later("cycle_start")),
    ("prepaid_balance", dropped), ("prepaid_balance", doubled), ("prepaid_balance", swapped),
    *[("prepaid_balance", more(movement, MICRO))
      for movement in ("opening", "topped_up", "debits", "forfeited", "settled", "closing")],
]  # fmt: skip


def copy(number: int) -> dict[str, list[Row]]:
    """A lake of three accounts with three calls each, all billed, those of C by a prepaid contract; every name ends in
    the copy's number."""
    source, run, key = f"s/{number}", f"r/{number}", f"usage|L|voice/{number}|national|home|2026-10-01|standard|"
    topic: Row = {"topic": f"t/{number}", "kafka_partition": 0, "batch_no": 1, "service": f"voice/{number}"}
    calls = [{"account_id": name, "event_id": f"{name}{n}", "kafka_offset": 3 * at + n}
             for at, name in enumerate(ACCOUNTS) for n in range(3)]  # fmt: skip
    event = {"source": source, "revision": 1, "rating_no": 1, "started_at": OCTOBER}
    money = {"charge": Decimal("0.2"), "cost": Decimal("0.05"), "duration_s": 60, "volume_bytes": 0,
             "retail_status": "rated", "wholesale_status": "costed", "event_month": "2026-10",
             "kind": "original"}  # fmt: skip
    carried = {"run_id": run, "list_charge": Decimal("0.2"), "net_charge": Decimal("0.15"),
               "origin_cycle": CYCLE, "free_units": 15, "allowance_id": "free",
               "slices": [("free", CYCLE, 10), ("more", CYCLE, 5)],
               "money_slices": [("gift", CYCLE, Decimal("0.01"))],
               "net_numerator": Decimal(160000), "net_denominator": Decimal(1)}  # fmt: skip
    line = {"run_id": run, "tax_share": Decimal("0.05")}
    used = {"kind": "usage", "events": 3, "exact_total": Decimal("0.45"), "amount": Decimal("0.45"),
            "origin_cycle": CYCLE, "free_units": 45}  # fmt: skip
    head = {"run_id": run, "cycle_start": CYCLE, "cycle_end": date(2026, 11, 1), "currency": "CAD", "lines": 1,
            "net": Decimal("0.45"), "tax": Decimal("0.05"), "total": Decimal("0.50"), "content_hash": "h",
            "minor_digits": 2}  # fmt: skip
    key_of = {"A": key, "B": key, "C": f"{key}K{number}"}
    moved = dict.fromkeys(("topped_up", "forfeited", "settled"), Decimal(0))
    credit = {**moved, "cycle_start": CYCLE, "is_first": True, "opening": Decimal(10), "debits": Decimal("0.45"),
              "closing": Decimal("9.55")}  # fmt: skip
    mark = {"generation": 0, "offsets": '{"0": [0, 9]}', "accepted": 9, "quarantined": 0, "duplicate": 0}
    return {
        "control_mediation": [{**topic, **mark, "balanced": True}],
        "raw_cdr": [{**topic, **call} for call in calls],
        "usage_event": [{**topic, **event, **money, **call, "disposition": "accepted"} for call in calls],
        "rated_usage": [{**topic, **event, **money, **call} for call in calls],
        "billed_usage": [{**event, **carried, **call, "line_key": key_of[call["account_id"]]} for call in calls],
        "invoice_line": [{**line, **used, "account_id": name, "line_key": key_of[name]} for name in ACCOUNTS],
        "prepaid_balance": [{**credit, "run_id": run, "account_id": "C", "contract_id": f"K{number}"}],
        "invoice": [{**head, "account_id": name} for name in ACCOUNTS],
        "control_rating": [],
        "ref_account": [],
    }


def planted(spark: SparkSession, plants: int) -> set[int]:
    """Numbers of the copies in which an equation fails: of `plants` with one error each, and one without."""
    chance = random.Random(20)
    copies = [copy(number) for number in range(plants + 1)]
    for number in range(plants):
        name, plant = PLANTS[number % len(PLANTS)]
        rows = copies[number][name]
        plant(rows, chance.choice(rows))
    frames = {}
    for name, columns in COLUMNS.items():
        names = [part.split()[0] for part in columns.replace("\n", " ").split(", ")]
        rows = [tuple(row.get(column) for column in names) for one in copies for row in one[name]]
        frames[name] = table(spark, columns, *rows)
    posted = table(
        spark, "run_id STRING, part STRING", *[(f"r/{number}", f"2026-10/{number}") for number in range(plants + 1)]
    )
    facts = {(row.measure, row.part): row.value for row in measures(frames, posted, Reach(1, 1)).collect()}
    failing = [one for one in balances(facts) if one.equation.stage != "ledger" and not one.holds]
    # What is counted over all copies together tells none apart.
    return {int(one.part.partition("/")[2].partition("-")[0]) for one in failing if "/" in one.part}


@pytest.mark.covers("BIL-13", "BIL-23", "QUA-01")
def test_each_of_a_hundred_planted_errors_is_found_in_its_copy(spark: SparkSession) -> None:
    assert planted(spark, 100) == {*range(100)}


@pytest.mark.long
@pytest.mark.covers("BIL-13", "BIL-23")
def test_each_of_five_hundred_planted_errors_is_found_in_its_copy(spark: SparkSession) -> None:
    assert planted(spark, 500) == {*range(500)}


def test_every_column_of_a_document_is_in_its_digest() -> None:
    for name, told in (("invoice", digests.INVOICE), ("invoice_line", digests.LINE)):
        assert {*told, "run_id"} == {*contract(name).names}


@pytest.mark.covers("BIL-23")
@pytest.mark.parametrize(
    ("measure", "document"),
    [
        ("invoice_digest", ("r", "Ä'|1", date(2026, 11, 1), 2, Decimal("-20.150"), Decimal("0.000"),
                            Decimal("-20.150"), CYCLE, "CAD", "f" * 64, 2, "Ç", "regular", 1, date(2026, 11, 30))),
        ("invoice_digest", ("r", "A", date(2026, 11, 1), 1, Decimal(1), Decimal(0), Decimal(1), CYCLE, "JPY", "0" * 64,
                            0, "C", "supplementary", 2, None)),
        ("line_digest", ("r", "Ä'|1", "usage", 3, Decimal("0.000001"), Decimal("-0.010"), Decimal("0.000"), "usage|L",
                         CYCLE, 0, 1, "L", "voice", "national", "home", "Voice, \u00e9t\u00e9: 1 | 2\\3", 180, "second",
                         "standard", "hst_on", None)),
        ("line_digest", ("r", "A", "recurring", 0, Decimal(0), Decimal("20"), Decimal("2.60"), "recurring|L", CYCLE,
                         2**62, 2**31 - 1, "L", None, None, None, "", 1, None, "exempt", None, "diplomat")),
    ],
)  # fmt: skip
def test_a_document_has_the_same_digest_in_both_stores(
    spark: SparkSession, services: Settings, measure: str, document: tuple[Any, ...]
) -> None:
    is_invoice = measure == "invoice_digest"
    columns, said = (INVOICE, digests.INVOICE) if is_invoice else (LINE, digests.LINE)
    frame = table(spark, columns, document).withColumn("part", F.lit("p"))
    lines = table(spark, LINE).withColumn("part", F.lit("p"))
    measured = issued(frame, lines) if is_invoice else invoice_lines(frame, table(spark, BILLED))
    (in_lake,) = measured.where(F.col("measure") == measure).select("value").collect()[0]
    types = {**dict.fromkeys(digests.DAYS, "date"), "exact_total": "numeric(38,6)",
             **dict.fromkeys(("net", "tax", "total", "amount", "tax_share"), "numeric(18,3)")}  # fmt: skip
    names = frame.columns[:-1]
    given = ", ".join(f"%s::{types.get(name, 'text')} AS {name}" for name in names)
    session = connect(services)
    with session, session.cursor() as cursor:
        cursor.execute(f"SELECT {digests.digest_in_postgres(said)} FROM (SELECT {given}) AS document", document)
        assert cursor.fetchone() == (int(in_lake),) != (0,)
    session.close()
