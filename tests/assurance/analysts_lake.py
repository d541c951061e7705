"""A small lake by hand, for what analysts see of it: written with Arrow, read as the jobs' own."""

from __future__ import annotations

from datetime import date, datetime, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import write_deltalake
from pyspark.sql.pandas.types import to_arrow_schema

from tollgate.platform.lake import contract

D = Decimal
POSTED, DRAFT = "2026-10/regular/1", "2026-11/regular/1"
ANN, BOB, ABROAD, NOWHERE = "+14165550101", "+14165550102", "+442071838750", "+999123456789"
OCTOBER = datetime(2026, 10, 5, 12, tzinfo=timezone.utc)
NOVEMBER = datetime(2026, 11, 3, 12, tzinfo=timezone.utc)
EMPTY: dict[str, Any] = {"reasons": [], "flags": [], "repairs": [], "defaulted_fields": []}


def event(at: int, event_id: str | None, service: str | None = "voice", **fields: Any) -> dict[str, Any]:
    """A row of usage_event; accepted in batch 1 unless `fields` says otherwise."""
    usual = {
        "batch_no": 1, "topic": "t", "kafka_partition": 0, "kafka_offset": at, "arrived_at": OCTOBER,
        "disposition": "accepted", "source": "s", "event_id": event_id, "content_digest": f"{at:064x}",
        "service": service, "started_at": OCTOBER, "duration_s": 60, "volume_bytes": 0, "msisdn": ANN,
        "msisdn_received": ANN[2:], "destination": ABROAD, "destination_received": ABROAD,
        "destination_class": "e164", "subscriber_id": "302720000000001", "cell_id": "cell-1", "rule_version": 1,
        "snapshot_id": 1, "event_month": "2026-10",
    }  # fmt: skip
    return {**EMPTY, **usual, **fields}


def rated(event_id: str, status: str, wholesale: str, charge: str | None, cost: str | None, **fields: Any) -> Any:
    """A row of rated_usage of rating run 1 for a call of ANN."""
    money = {"charge": charge and Decimal(charge), "cost": cost and Decimal(cost)}
    known = charge is not None and cost is not None
    usual = {
        "rating_no": 1, "batch_no": 1, "source": "s", "event_id": event_id, "event_hash": 0, "revision": 1,
        "kind": "original", "retail_status": status, "wholesale_status": wholesale, "started_at": OCTOBER,
        "service": "voice", "duration_s": 60, "volume_bytes": 0, "msisdn": ANN, "destination": ABROAD,
        "carrier_id": "c1", "account_id": "A", "zone_id": "europe", "currency": "CAD", "pricebook_version": 1,
        "snapshot_id": 1, "event_month": "2026-10", **money,
        "margin": money["charge"] - money["cost"] if known else None,
    }  # fmt: skip
    return {**usual, **fields}


def billed(run_id: str, event_id: str, rating_no: int, list_charge: str, net_charge: str) -> dict[str, Any]:
    """A row of billed_usage."""
    return {
        "run_id": run_id, "source": "s", "event_id": event_id, "revision": 1, "rating_no": rating_no,
        "started_at": OCTOBER, "account_id": "A", "subscription_id": "L", "origin_cycle": date(2026, 10, 1),
        "line_key": "usage", "free_units": 0, "net_numerator": Decimal(0), "net_denominator": Decimal(1),
        "list_charge": Decimal(list_charge), "net_charge": Decimal(net_charge),
    }  # fmt: skip


def invoice(run_id: str, account_id: str, net: str, tax: str) -> dict[str, Any]:
    """A row of invoice with one line."""
    return {
        "run_id": run_id, "account_id": account_id, "customer_id": "C", "cycle_start": date(2026, 10, 1),
        "cycle_end": date(2026, 11, 1), "invoice_kind": "regular", "sequence": 1, "currency": "CAD", "minor_digits": 2,
        "lines": 1, "net": Decimal(net), "tax": Decimal(tax), "total": Decimal(net) + Decimal(tax),
        "content_hash": "h",
    }  # fmt: skip


def line(of: dict[str, Any]) -> dict[str, Any]:
    """The one line of an invoice."""
    amounts = {"exact_total": of["net"], "amount": of["net"], "tax_share": of["tax"]}
    return {
        "run_id": of["run_id"], "account_id": of["account_id"], "line_no": 1, "line_key": "usage", "kind": "usage",
        "description": "Voice", "events": 1, "units": 60, "free_units": 0, "tax_category": "standard", **amounts,
    }  # fmt: skip


def mark(batch_no: int, balanced: bool) -> dict[str, Any]:
    """A row of control_mediation."""
    counts = ("received", "raw_rows", "accepted", "quarantined", "duplicate", "late", "raw_bytes",
              "accepted_duration_s", "accepted_volume_bytes")  # fmt: skip
    usual = {"generation": 0, "topic": "t", "offsets": "{}", "snapshot_id": 1, "rule_version": 1}
    of_one = {"records": 9, "accepted": 6, "quarantined": 2, "duplicate": 1, "late": 1, "lateness_s": D(2_505_700),
              "max_lateness_s": 2_505_600, "accepted_duration_s": 330, "accepted_volume_bytes": 1_000_000}  # fmt: skip
    unknown = {**dict.fromkeys(of_one, 0), "lateness_s": D(0), "max_lateness_s": None, "records": 1, "quarantined": 1}
    by_source = [{"source": "s", **of_one}, {"source": "unregistered", **unknown}]
    row = {**usual, **dict.fromkeys(counts, 0), "batch_no": batch_no, "by_source": by_source}
    return {**row, "balanced": balanced, "recorded_at": OCTOBER}


INVOICES = [invoice(POSTED, "A", "0.15", "0.02"), invoice(POSTED, "B", "20.00", "2.60"), invoice(DRAFT, "A", "9", "1")]
LAKE: dict[str, list[dict[str, Any]]] = {
    "control_mediation": [mark(1, True), mark(2, False)],
    "usage_event": [
        event(0, "billed"),
        event(1, "free", destination="911", destination_received="911", destination_class="short"),
        event(2, "suspended", destination=NOWHERE, duration_s=90),
        event(3, "late", "sms", duration_s=None, flags=["LATE"], arrived_at=NOVEMBER, lateness_s=2_505_600),
        event(4, "awaiting", "data", msisdn=BOB, destination=None, volume_bytes=1_000_000),
        event(5, "on_net"),
        event(6, "billed", disposition="duplicate", first_batch_no=1, first_partition=0, first_offset=0),
        event(7, "billed", disposition="quarantined", reasons=["ID_CONFLICT"], first_batch_no=1, duration_s=61,
              event_month="none"),
        event(8, "bad", disposition="quarantined", reasons=["DURATION_NEGATIVE", "LONG"], duration_s=-5,
              event_month="none"),
        event(9, None, None, disposition="quarantined", reasons=["PAYLOAD_UNPARSEABLE"], source=None, msisdn=None,
              event_month="none"),
        event(10, "unpublished", batch_no=2),
    ],
    "feed_drift": [
        {"from_batch_no": 2, "to_batch_no": 2, "source": "s", "of_records": 100, "usual_ppm": 0, **row}
        for row in (
            {"kind": "records", "field": "", "records": 100, "share_ppm": 1_000_000, "is_alarm": False},
            {"kind": "unknown", "field": "vendor", "records": 30, "share_ppm": 300_000, "is_alarm": True},
        )
    ],
    "rated_usage": [
        rated("billed", "rated", "costed", "0.200000", "0.050000"),
        rated("free", "zero_rated", "not_applicable", "0", None, destination="911", zone_id="emergency"),
        rated("suspended", "suspended", "no_carrier_rate", None, None, suspense_reason="no_subscriber",
              destination=NOWHERE, duration_s=90, zone_id=None, currency=None),
        rated("suspended", "suspended", "no_carrier_rate", None, None, suspense_reason="no_zone", rating_no=2,
              destination=NOWHERE, duration_s=90, zone_id=None, currency=None),
        rated("late", "suspended", "no_carrier_rate", None, None, suspense_reason="no_rate", service="sms"),
        rated("late", "rated", "no_carrier_rate", "0.050000", None, rating_no=2, service="sms", carrier_id=None),
        rated("on_net", "rated", "not_applicable", "0.100000", None, zone_id="national", carrier_id=None,
              started_at=OCTOBER.replace(day=6)),
    ],
    "billed_usage": [billed(POSTED, "billed", 1, "0.200000", "0.150000"), billed(POSTED, "free", 1, "0", "0"),
                     billed(DRAFT, "late", 2, "0.050000", "0.050000")],
    "invoice": INVOICES,
    "invoice_line": [line(one) for one in INVOICES],
    "ref_subscription": [{
        "snapshot_id": 1, "msisdn": ANN, "subscription_id": "L", "account_id": "A", "line_state": "active",
        "valid_from": OCTOBER.replace(year=2025), "valid_to": OCTOBER.replace(year=9999),
    }],
}  # fmt: skip

# What each report says of it, row by row; instants as text.
REPORTS: dict[str, list[tuple[Any, ...]]] = {
    "call_over_a_band_edge": [],
    "session_while_roaming": [],
    "records_by_disposition": [("accepted", 7), ("duplicate", 1), ("quarantined", 3)],
    # The second mark does not balance.
    "records_by_source": [
        ("s", 9, 6, 2, 1, 1, 417_616, 2_505_600, 330, 1_000_000),
        ("unregistered", 1, 0, 1, 0, 0, None, None, 0, 0),
    ],
    "rating_by_reason": [("rated", "", 3), ("suspended", "no_zone", 1), ("zero_rated", "", 1)],
    "records_by_code": [
        ("accepted", "flag", "LATE", 1), ("quarantined", "reason", "DURATION_NEGATIVE", 1),
        ("quarantined", "reason", "ID_CONFLICT", 1), ("quarantined", "reason", "PAYLOAD_UNPARSEABLE", 1),
    ],
    "revenue_by_service": [
        ("sms", 1, 0, 0, D("0.05"), D("0"), D("0"), 1), ("voice", 2, 1, 1, D("0.3"), D("0.05"), D("0.15"), 0),
    ],
    "revenue_by_day": [
        (date(2026, 10, 5), "sms", "CAD", 1, 0, 0, D("0.05"), 0, 0, 1, D("0.05")),
        (date(2026, 10, 5), "voice", None, 0, 0, 1, 0, 0, 0, 0, 0),
        (date(2026, 10, 5), "voice", "CAD", 1, 1, 0, D("0.2"), D("0.05"), D("0.15"), 0, 0),
        (date(2026, 10, 6), "voice", "CAD", 1, 0, 0, D("0.1"), 0, 0, 0, 0),
    ],
    "revenue_by_zone": [
        (None, "voice", None, 0, 0, 1, 0, 0, 0, 0, 0), ("emergency", "voice", "CAD", 0, 1, 0, 0, 0, 0, 0, 0),
        ("europe", "sms", "CAD", 1, 0, 0, D("0.05"), 0, 0, 1, D("0.05")),
        ("europe", "voice", "CAD", 1, 0, 0, D("0.2"), D("0.05"), D("0.15"), 0, 0),
        ("national", "voice", "CAD", 1, 0, 0, D("0.1"), 0, 0, 0, 0),
    ],
    "revenue_by_carrier": [
        (None, "sms", "CAD", 1, 0, 0, D("0.05"), 0, 0, 1, D("0.05")),
        (None, "voice", "CAD", 1, 0, 0, D("0.1"), 0, 0, 0, 0), ("c1", "voice", None, 0, 0, 1, 0, 0, 0, 0, 0),
        ("c1", "voice", "CAD", 1, 1, 0, D("0.2"), D("0.05"), D("0.15"), 0, 0),
    ],
    "suspended_events": [("no_zone", "voice", None, 1, "2026-10-05 12:00:00")],
    "unknown_prefixes": [("+99912", None, "no_zone", None, "voice", 1, 90, 1, "2026-10-05 12:00:00")],
    "quarantined_records": [
        ("DURATION_NEGATIVE", "s", "voice", 1, "2026-10-05 12:00:00", "2026-10-05 12:00:00", "t-0@8"),
        ("ID_CONFLICT", "s", "voice", 1, "2026-10-05 12:00:00", "2026-10-05 12:00:00", "t-0@7"),
        ("PAYLOAD_UNPARSEABLE", None, None, 1, "2026-10-05 12:00:00", "2026-10-05 12:00:00", "t-0@9"),
    ],
    "duplicates_and_conflicts": [
        ("s", "voice", "conflict", 1, 1, 0, "2026-10-05 12:00:00", "2026-10-05 12:00:00"),
        ("s", "voice", "duplicate", 1, 1, 0, "2026-10-05 12:00:00", "2026-10-05 12:00:00"),
    ],
    "late_usage": [("2026-10", "2026-11", "sms", 1, 2_505_600, 1, D("0.05"))],
    # The two rated calls cost 0.20 and 0.10 on average 0.15; each of the three held back is worth that.
    "value_at_risk": [
        ("quarantined", "DURATION_NEGATIVE", "voice", "CAD", 1, 0, 0, D("0.15"), D("0.15")),
        ("quarantined", "ID_CONFLICT", "voice", "CAD", 1, 61, 0, D("0.15"), D("0.15")),
        ("suspended", "no_zone", "voice", "CAD", 1, 90, 0, D("0.15"), D("0.15")),
        ("quarantined", "PAYLOAD_UNPARSEABLE", None, None, 1, 60, 0, None, None),
    ],
    # Its zone is not known, so no rate is near.
    "suspended_value": [("no_zone", "voice", None, 1, 1, 0, D("0"))],
    "leakage": [
        ("2026-10", "data", 1, 1, 0, 0, 0, 0, 0, 0), ("2026-10", "sms", 1, 0, 0, 1, 0, D("0.05"), 0, 0),
        ("2026-10", "voice", 4, 0, 1, 1, 2, D("0.1"), D("0.2"), D("0.15")),
    ],
    "feed_drift": [(True, "s", "unknown", "vendor", 30, 100, D("30"), D("0"), 2, 2)],
    "invoice_totals": [("2026-10", "CAD", 2, 2, D("20.15"), D("2.62"), D("22.77"))],
}  # fmt: skip


def write(root: Path) -> None:
    """Write LAKE's tables as Delta; columns that a row leaves out are NULL."""
    for table, rows in LAKE.items():
        columns = contract(table)
        whole = [{name: row.get(name) for name in columns.names} for row in rows]
        write_deltalake(str(root / table), pa.Table.from_pylist(whole, to_arrow_schema(columns)))
