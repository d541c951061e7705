"""Hand-made records and a small reference snapshot for the tests of mediation."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

from frames import small_frame
from pyspark.sql import DataFrame, SparkSession

from tollgate.platform.lake import contract
from tollgate.reference.dialling import dialling_rows
from tollgate.reference.frames import Reference, reference
from tollgate.reference.number_ranges import number_ranges

ARRIVAL = datetime(2026, 10, 5, 18, 10, tzinfo=timezone.utc)
VOICE = {
    "event_id": "e1", "source": "msc", "subscriber_id": "s1", "msisdn": "+14165550100", "service_type": "voice",
    "timestamp": "2026-10-05T14:03:22-04:00", "destination": "+442071234567", "duration_seconds": "317",
    "cell_id": "c1", "roaming": False, "carrier_id": "carrier_001", "technology": "4G", "call_outcome": "answered",
    "cause": "16",
}  # fmt: skip
DATA = {
    "event_id": "d1", "source": "msc", "subscriber_id": "s1", "msisdn": "+14165550100", "service_type": "data",
    "timestamp": "2026-10-05T14:03:22.250-04:00", "duration_seconds": "60", "data_volume_mb": "12.345678",
    "cell_id": "c1", "roaming": False, "technology": "5G", "rating_group": "video",
}  # fmt: skip


def payload(base: dict[str, Any] = VOICE, **changes: Any) -> bytes:
    """The record as bytes; a change to None leaves the field out."""
    fields = {name: value for name, value in {**base, **changes}.items() if value is not None}
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode()


def raw_rows(
    spark: SparkSession,
    *payloads: bytes | None,
    batch_no: int = 0,
    arrived_at: datetime = ARRIVAL,
    key: bytes | None = None,
) -> DataFrame:
    """Rows of raw_cdr with these payloads at offsets 0, 1, 2, ..., all under one key."""
    rows = [
        (batch_no, "cdr.raw", 0, offset, arrived_at, key, None if value is None else bytearray(value), None)
        for offset, value in enumerate(payloads)
    ]
    return small_frame(spark, rows, contract("raw_cdr"))


def small_reference(spark: SparkSession) -> Reference:
    """A source of each dialect, one cell, one carrier, how all countries dial, the numbers of North America and
    Great Britain."""
    rows = {
        "ref_source": [
            (1, "msc", "native_json", "CA", "America/Toronto"),
            (1, "softswitch", "voip_json", "GB", "Europe/London"),
            (1, "archive", "history_json", "CA", "America/Toronto"),
        ],
        "ref_cell": [(1, "c1", "s", "Toronto", "Downtown", "CA", Decimal("-79.4"), Decimal("43.6"), "4G")],
        "ref_carrier": [(1, "carrier_001", "One")],
        "ref_dialling": [(1, *row) for row in dialling_rows()],
        "ref_number_range": [(1, *row) for row in number_ranges(("1", "44"))],
    }
    return reference({name: small_frame(spark, values, contract(name)) for name, values in rows.items()}, 1)


def number_plans(spark: SparkSession) -> tuple[DataFrame, DataFrame]:
    """ref_dialling and ref_number_range of all countries."""
    plans = {"ref_dialling": dialling_rows(), "ref_number_range": number_ranges()}
    dialling, ranges = (small_frame(spark, [(1, *row) for row in rows], contract(name)) for name, rows in plans.items())
    return dialling, ranges
