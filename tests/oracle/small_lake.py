"""A lake written with Arrow alone: what the jobs would write for a few events, if they agreed with the oracle."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from math import lcm
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import write_deltalake

from tollgate.oracle.amounts import decimal_of
from tollgate.oracle.billing_check import INVOICE_COLUMNS, LINE_COLUMNS
from tollgate.oracle.facts import Facts
from tollgate.oracle.lake import RatingRun
from tollgate.oracle.lines import Bill
from tollgate.oracle.rating_check import OF_EVENT, TERMS, Outcome
from tollgate.oracle.rows import Account, Contract, CustomerFact, Holding, Usage

INSTANT = pa.timestamp("us", tz="UTC")
MONEY, EXACT = pa.decimal128(18, 6), pa.decimal128(38, 0)
TYPES: dict[str, pa.DataType] = {
    **dict.fromkeys(("started_at", "valid_from", "valid_to"), INSTANT),
    **dict.fromkeys(("charge", "cost", "margin", "list_charge", "net_charge"), MONEY),
    **dict.fromkeys(("discount_num", "discount_den"), EXACT),
    **dict.fromkeys(("numerator", "denominator", "cost_numerator", "cost_denominator"), EXACT),
    **dict.fromkeys(("net_numerator", "net_denominator"), EXACT),
    **dict.fromkeys(("amount", "tax_share", "net", "tax", "total"), pa.decimal128(18, 3)),
    **dict.fromkeys(("piece_units", "piece_factor_num", "piece_price_micros"), pa.list_(pa.int64())),
    **dict.fromkeys(("piece_band", "discount_ids"), pa.list_(pa.string())),
    **dict.fromkeys(("origin_cycle", "starts_on", "term_ends_on", "cancelled_on", "closed_on", "due_on"), pa.date32()),
    **dict.fromkeys(("customer_since", "first_cycle_start", "cycle_start", "cycle_end"), pa.date32()),
    **dict.fromkeys(("roaming", "tax_exempt", "is_student"), pa.bool_()),
    "exact_total": pa.decimal128(38, 6),
    "money_slices": pa.list_(
        pa.struct([("allowance_id", pa.string()), ("granted_on", pa.date32()), ("amount", MONEY)])
    ),
    "slices": pa.list_(pa.struct([("allowance_id", pa.string()), ("granted_on", pa.date32()), ("units", pa.int64())])),
}
WHOLE_NUMBERS = {
    *("batch_no", "kafka_partition", "kafka_offset", "duration_s", "volume_bytes", "rating_no", "snapshot_id"),
    *(
        "from_batch_no",
        "to_batch_no",
        "pricebook_version",
        "payment_term_days",
        "charged_units",
        "digits",
        "factor_den",
        "anchor_day",
    ),
    *(
        "revision",
        "corrects",
        "block_units",
        "initial_units",
        "increment_units",
        "unit_price_micros",
        "connect_fee_micros",
    ),
    *("line_no", "events", "units", "free_units", "lines", "minor_digits", "sequence"),
}


def write(root: Path, table: str, rows: Sequence[dict[str, Any]]) -> None:
    """Replace a table by these rows."""
    names = list(rows[0])
    arrays = [pa.array([row[name] for row in rows], _type_of(name)) for name in names]
    write_deltalake(str(root / table), pa.table(arrays, names), mode="overwrite")


def write_inputs(
    root: Path, runs: list[RatingRun], usage: list[tuple[int, Usage]], snapshots: dict[int, Facts]
) -> None:
    """Rating runs, accepted events by batch, and reference snapshots."""
    write(root, "control_rating", [run._asdict() for run in runs])
    accepted = {"disposition": "accepted", "kafka_partition": 0}
    rows = [
        {**accepted, "batch_no": batch, "kafka_offset": at, **one._asdict()} for at, (batch, one) in enumerate(usage)
    ]
    write(root, "usage_event", [*rows, {**rows[0], "disposition": "duplicate", "kafka_offset": 99}])
    kinds = {
        "ref_account": Account,
        "ref_subscription": Holding,
        "ref_customer_fact": CustomerFact,
        "ref_contract": Contract,
    }
    of_kind: dict[str, list[dict[str, Any]]] = {table: [] for table in kinds}
    for snapshot_id, facts in snapshots.items():
        contracts = [one for of_account in facts.contracts.values() for one in of_account]
        every = (*facts.accounts.values(), *facts.holdings(), *facts.customer_facts(), *contracts)
        for table, kind in kinds.items():
            of_kind[table] += [{"snapshot_id": snapshot_id, **one._asdict()} for one in every if isinstance(one, kind)]
    for table, of_table in of_kind.items():
        write(root, table, of_table)


def rated_row(outcome: Outcome) -> dict[str, Any]:
    """An outcome as a row of rated_usage."""
    usage, priced, cost = outcome.accepted.usage, outcome.priced, outcome.priced.wholesale
    row = {name: getattr(usage, name) for name in ("source", "event_id", "started_at", *OF_EVENT)}
    row |= {"batch_no": outcome.accepted.batch_no, "rating_no": outcome.run.rating_no}
    row |= {name: getattr(outcome.pins, name) for name in ("pricebook_version", "snapshot_id")}
    row |= {name: getattr(outcome, name) for name in ("revision", "kind", "corrects")}
    for name in ("retail_status", "suspense_reason", "call_type", "zone_id", "roaming_zone", "prefix", "price_source"):
        row[name] = getattr(priced, name)
    for name in ("charged_units", "unit", "tax_category", "discount_ids", "digits", "rounding"):
        row[name] = getattr(priced, name)
    for name in ("account_id", "subscription_id", "contract_id", "plan_id"):
        row[name] = getattr(priced.holding, name, None)
    made_by = priced.rate or cost.row
    terms = made_by and (made_by.block, made_by.initial, made_by.increment, made_by.price, made_by.connect_fee)
    row |= dict(zip(TERMS, terms or [None] * len(TERMS), strict=True))
    factor_den = lcm(*(piece.factor.denominator for piece in priced.pieces))
    row |= {
        "wholesale_status": cost.status,
        "rate_id": priced.rate.rate_id if priced.rate else None,
        "cost_id": cost.row.cost_id if cost.row else None,
        "charge": decimal_of(priced.charge),
        "cost": decimal_of(cost.cost),
        "margin": decimal_of(priced.margin),
        "piece_units": [piece.units for piece in priced.pieces],
        "piece_band": [piece.band_id for piece in priced.pieces],
        "piece_price_micros": [piece.price for piece in priced.pieces],
        "piece_factor_num": [int(piece.factor * factor_den) for piece in priced.pieces],
        "factor_den": factor_den,
    }
    exact = {"numerator": priced.numerator, "denominator": priced.denominator}
    exact |= {"discount_num": priced.keep.numerator, "discount_den": priced.keep.denominator}
    exact |= {"cost_numerator": cost.numerator, "cost_denominator": cost.denominator}
    return row | {name: None if value is None else Decimal(value) for name, value in exact.items()}


def bill_rows(run_id: str, bills: list[Bill]) -> dict[str, list[dict[str, Any]]]:
    """The tables of a bill run."""
    lines, invoices, billed = [], [], []
    for bill in bills:
        for line in bill.lines:
            row: dict[str, Any] = {name: getattr(line, name, None) for name in LINE_COLUMNS}
            amounts = {name: decimal_of(int(getattr(line, name))) for name in ("exact_total", "amount", "tax_share")}
            lines.append({"run_id": run_id, **row, **amounts, "account_id": bill.account_id})
        head: dict[str, Any] = {name: getattr(bill, name, None) for name in INVOICE_COLUMNS}
        head |= {name: decimal_of(getattr(bill, name)) for name in ("net", "tax", "total")}
        head |= {"lines": len(bill.lines), "invoice_kind": "regular", "sequence": 1}
        invoices.append({"run_id": run_id, **head})
        for one in bill.billed:
            row = {"run_id": run_id, "account_id": bill.account_id, "rating_no": one.event.rating_no}
            row |= {name: getattr(one.event, name) for name in ("source", "event_id", "revision")}
            row |= {name: getattr(one, name) for name in ("origin_cycle", "line_key", "allowance_id", "free_units")}
            row |= {"subscription_id": one.event.priced.holding.subscription_id}
            row |= {"slices": [part._asdict() for part in one.slices], "money_slices": []}
            row |= {name: Decimal(getattr(one, name)) for name in ("net_numerator", "net_denominator")}
            billed.append(
                row | {"list_charge": decimal_of(one.event.priced.charge), "net_charge": decimal_of(one.net_charge)}
            )
    return {"invoice_line": lines, "invoice": invoices, "billed_usage": billed}


def month(text: str) -> date:
    """YYYY-MM as its first day."""
    return date.fromisoformat(f"{text}-01")


def _type_of(name: str) -> pa.DataType:
    return pa.int64() if name in WHOLE_NUMBERS else TYPES.get(name, pa.string())
