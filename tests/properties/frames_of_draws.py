"""Draws and the demo's price book as the DataFrames that the rules are given."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from frames import small_frame
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from tollgate.oracle.facts import Facts
from tollgate.oracle.rows import Usage
from tollgate.platform.lake import contract
from tollgate.reference import frames
from tollgate.reference.compiled_book import compile_price_book
from tollgate.reference.pricebook_checks import check_price_book

DEMO_BOOK = Path(__file__).resolve().parents[2] / "conf" / "pricebook"
VERSION = 1
SNAPSHOT = 1
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def moment(epoch_us: int) -> datetime:
    """Epoch microseconds as an aware datetime."""
    return EPOCH + timedelta(microseconds=epoch_us)


def book_frames(spark: SparkSession, folder: Path = DEMO_BOOK) -> frames.PriceBook:
    """A price book, the demo's unless another folder is given, compiled as publishing does."""
    source, findings = check_price_book(folder)
    assert source is not None and not findings, findings
    book = compile_price_book(source)
    tables = {name: small_frame(spark, book.numbered(name, VERSION), contract(name)) for name in frames.PRICE_TABLES}
    version = {field: getattr(book, field) for field in ("digest", "name", "currency", "time_zone", "amount_type")}
    version |= {field: getattr(book, field) for field in ("factor_den", "discount_den", "band_slots")}
    version |= {
        field: getattr(book, field) for field in ("segment_slots", "features", "rate_values", "destination_digits")
    }
    return frames.price_book(tables, {"pricebook_version": VERSION, **version})


def reference_frames(spark: SparkSession, facts: Facts) -> frames.Reference:
    """The population as a snapshot; tables that pricing and billing do not need are empty."""
    rows: dict[str, list[tuple[Any, ...]]] = {
        "ref_account": [(SNAPSHOT, *account) for account in facts.accounts.values()],
        "ref_subscription": [(SNAPSHOT, *_with_moments(row)) for row in facts.holdings()],
        "ref_customer_fact": [(SNAPSHOT, *_with_moments(row)) for row in facts.customer_facts()],
        "ref_contract": [(SNAPSHOT, *row) for of_account in facts.contracts.values() for row in of_account],
    }
    rows["ref_adjustment"] = [
        (SNAPSHOT, *one[:3], "charge", Decimal(one.amount).scaleb(-6), *one[4:])
        for of_account in facts.adjustments.values()
        for one in of_account
    ]
    for table, of in (("ref_account_jurisdiction", facts.jurisdictions), ("ref_tax_exemption", facts.exemptions)):
        rows[table] = [(SNAPSHOT, *row) for of_account in of.values() for row in of_account]
    tables = {name: small_frame(spark, rows.get(name, []), contract(name)) for name in frames.REFERENCE_TABLES}
    return frames.reference(tables, SNAPSHOT)


def usage_frame(spark: SparkSession, usage: list[Usage]) -> DataFrame:
    """Accepted usage events, in the contract's columns; offsets are places in the list."""
    schema = contract("usage_event")
    constant = {"batch_no": 1, "topic": "cdr.raw", "kafka_partition": 0, "disposition": "accepted", "rule_version": 1}
    constant |= {"reasons": [], "flags": [], "repairs": [], "defaulted_fields": [], "snapshot_id": SNAPSHOT}
    rows = []
    for offset, event in enumerate(usage):
        started = moment(event.started_at)
        fields = {
            **constant,
            **event._asdict(),
            "kafka_offset": offset,
            "started_at": started,
            "arrived_at": started + timedelta(days=1),
            "event_hash": hash((event.source, event.event_id)) % 2**62,
            "destination_class": _class_of(event.destination),
            "call_type": _mediated_call_type(event),
            "event_month": started.strftime("%Y-%m"),
        }
        rows.append(tuple(fields.get(name) for name in schema.fieldNames()))
    return small_frame(spark, rows, schema)


def usage_files(spark: SparkSession, file: Path, usage: list[Usage]) -> DataFrame:
    """The same of many events: the drawn columns from a Parquet file, the others as constants or NULL."""
    columns = dict(zip(Usage._fields, zip(*usage, strict=True), strict=True))
    types = {field: pa.string() for field in Usage._fields}
    types |= {"duration_s": pa.int64(), "volume_bytes": pa.int64(), "roaming": pa.bool_()}
    types["started_at"] = pa.timestamp("us", tz="UTC")
    more = {"destination_class": [_class_of(event.destination) for event in usage]}
    more |= {"call_type": [_mediated_call_type(event) for event in usage]}
    arrays = {name: pa.array(values, types[name]) for name, values in columns.items()}
    pq.write_table(pa.table({**arrays, **{name: pa.array(texts, pa.string()) for name, texts in more.items()}}), file)
    drawn = spark.read.parquet(str(file))
    constant = {"batch_no": "1", "disposition": "'accepted'", "event_hash": "xxhash64(source, event_id)"}
    constant |= {"event_month": "date_format(started_at, 'yyyy-MM')", "kafka_partition": "0", "kafka_offset": "0"}
    columns_of_contract = [
        F.expr(constant.get(field.name, field.name if field.name in drawn.columns else "NULL"))
        .cast(field.dataType)
        .alias(field.name)
        for field in contract("usage_event")
    ]
    return drawn.select(*columns_of_contract)


def _class_of(destination: str | None) -> str | None:
    return None if destination is None else "e164" if destination.startswith("+") else "short"


def _mediated_call_type(event: Usage) -> str | None:
    """As mediation derives it, from the numbers and the country alone."""
    if _class_of(event.destination) != "e164" or event.destination is None or event.msisdn is None:
        return None
    if event.destination_country is None:
        return None
    if event.destination_country != "CA":
        return "international"
    return "local" if event.destination[:5] == event.msisdn[:5] else "national"


def _with_moments(row: Any) -> tuple[Any, ...]:
    return tuple(row._replace(valid_from=moment(row.valid_from), valid_to=moment(row.valid_to)))
