"""Reads the lake's tables for the oracle with Arrow: no Spark and no JVM."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from functools import reduce
from operator import and_
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
from deltalake import DeltaTable
from pyarrow.dataset import Dataset, ParquetReadOptions, field

from tollgate.oracle.account_rows import Adjustment, Exemption, Jurisdiction
from tollgate.oracle.facts import Facts
from tollgate.oracle.rows import Account, Contract, CustomerFact, Holding, Usage

USAGE_COLUMNS = ("batch_no", "kafka_partition", "kafka_offset", *Usage._fields)
MAY_BE_ABSENT = (
    "direction", "slice_id", "payment_term_days", "due_on", "exempt_reason", "slices", "money_slices", "selection",
    "kind", "tier_places",
)  # fmt: skip
"""Columns that a table may be too old for; no row has a value there then."""
LATER_TABLES = (("ref_account_jurisdiction", Jurisdiction), ("ref_tax_exemption", Exemption))


class RatingRun(NamedTuple):
    """A rating run's batch range (both inclusive) and pins. selection: of a correction, what it was asked for."""

    rating_no: int
    from_batch_no: int
    to_batch_no: int
    snapshot_id: int
    pricebook_version: int
    selection: str | None = None


class Accepted(NamedTuple):
    """An accepted event with its place in the order of acceptance."""

    batch_no: int
    partition: int
    offset: int
    usage: Usage


class LakeError(ValueError):
    """A table of the lake is missing: says which, where, and what makes it."""


def read_table(root: str, table: str, columns: tuple[str, ...], where: dict[str, Any] | None = None) -> pa.Table:
    """Columns of a Delta table of the lake, of rows with the values of `where`; LakeError when it is missing.

    A column of MAY_BE_ABSENT that the table does not have is NULL in every row.
    """
    wanted = [field(name) == value for name, value in (where or {}).items()]
    dataset = _dataset(root, table)
    absent = [name for name in columns if name in MAY_BE_ABSENT and name not in dataset.schema.names]
    present = [name for name in columns if name not in absent]
    found = dataset.to_table(columns=present, filter=reduce(and_, wanted) if wanted else None)
    for name in absent:
        found = found.append_column(name, pa.nulls(len(found)))
    return found


def has_table(root: str, table: str) -> bool:
    """Whether the lake has the table; one that is written where a price book asks for it need not be there."""
    return bool(DeltaTable.is_deltatable(f"{root.rstrip('/')}/{table}"))


def _dataset(root: str, table: str) -> Dataset:
    path = f"{root.rstrip('/')}/{table}"
    if "://" not in path and not (Path(path) / "_delta_log").is_dir():
        raise LakeError(
            f"{path}: no Delta table here; expected {table} as the jobs write it. Is --lake the lake's root?"
        )
    # Earlier releases wrote instants as INT96, which Arrow would read as nanoseconds: 9999-12-31 would wrap around.
    options = ParquetReadOptions(coerce_int96_timestamp_unit="us")
    return DeltaTable(path).to_pyarrow_dataset(parquet_read_options=options)


def rows_of(table: pa.Table, columns: tuple[str, ...]) -> Iterator[tuple[Any, ...]]:
    """Rows as tuples; instants become epoch microseconds, lists become tuples."""
    return zip(*(_values(table.column(name)) for name in columns), strict=True)


def micros(amount: Decimal | None) -> int | None:
    """A decimal amount of a table as integer millionths."""
    return None if amount is None else int(amount.scaleb(6))


def read_rating_runs(root: str) -> list[RatingRun]:
    """All rating runs in their order."""
    columns = RatingRun._fields
    return sorted(RatingRun(*row) for row in rows_of(read_table(root, "control_rating", columns), columns))


def read_accepted(root: str) -> list[Accepted]:
    """Accepted events in the order of acceptance: batch, partition, offset."""
    table = read_table(root, "usage_event", USAGE_COLUMNS, {"disposition": "accepted"})
    columns = [_values(table.column(name)) for name in USAGE_COLUMNS]
    for name, default in (("duration_s", 0), ("volume_bytes", 0), ("roaming", False)):
        at = USAGE_COLUMNS.index(name)
        columns[at] = [default if value is None else value for value in columns[at]]
    rows = zip(*columns, strict=True)
    return sorted((Accepted(row[0], row[1], row[2], Usage(*row[3:])) for row in rows), key=lambda one: one[:3])


def read_facts(root: str, snapshot_id: int) -> Facts:
    """A reference snapshot."""
    pins = {"snapshot_id": snapshot_id}

    def rows(table: str, row: Any) -> list[Any]:
        return [row(*values) for values in rows_of(read_table(root, table, row._fields, pins), row._fields)]

    return Facts(
        rows("ref_account", Account),
        rows("ref_subscription", Holding),
        rows("ref_customer_fact", CustomerFact),
        rows("ref_contract", Contract),
        _adjustments(root, pins),
        *(rows(table, row) if _exists(root, table) else [] for table, row in LATER_TABLES),
    )


def _exists(root: str, table: str) -> bool:
    """Whether a lake on a disk has a table: one whose snapshots are all older than it has not."""
    return "://" in root or (Path(root) / table / "_delta_log").is_dir()


def _adjustments(root: str, pins: dict[str, Any]) -> list[Adjustment]:
    if not _exists(root, "ref_adjustment"):
        return []
    columns = Adjustment._fields
    found = rows_of(read_table(root, "ref_adjustment", columns, pins), columns)
    rows = (dict(zip(columns, row, strict=True)) for row in found)
    return [Adjustment(**{**row, "amount": int(row["amount"].scaleb(6))}) for row in rows]


def _values(column: pa.ChunkedArray) -> list[Any]:
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us", tz=column.type.tz)).cast(pa.int64())
    values = column.to_pylist()
    if pa.types.is_list(column.type):
        return [None if value is None else tuple(value) for value in values]
    return values
