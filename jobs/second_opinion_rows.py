"""What the oracle is given of a lake for the events that were picked: their usage, their rated rows, whose they are."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import TimestampType

from tollgate.assurance.situations import IDENTITY
from tollgate.oracle.facts import Facts
from tollgate.oracle.rating_check import COLUMNS
from tollgate.oracle.rows import Account, CustomerFact, Holding, Usage
from tollgate.platform.lake import Lake
from tollgate.platform.settings import Settings
from tollgate.reference.pricebook_columns import COLUMNS as BOOK_COLUMNS
from tollgate.reference.pricebook_files import read_source_book

EVENT = ["source", "event_id", "event_month", "batch_no"]
_DEFAULTS = {"duration_s": 0, "volume_bytes": 0, "roaming": False}


class Picked(NamedTuple):
    """An event that was picked: as mediated, and the columns of its row of rated_usage that the oracle knows."""

    usage: Usage
    fields: dict[str, Any]
    version: int
    snapshot_id: int


def picked_rows(lake: Lake, picked: DataFrame) -> list[Picked]:
    """The events of `picked` (IDENTITY of rows of rated_usage), as many as it has, in no order."""
    rated = lake.read("rated_usage").join(F.broadcast(picked), IDENTITY, how="left_semi")
    rated = rated.select(*EVENT, F.struct(*_plain(rated, COLUMNS)).alias("rated"))
    accepted = lake.read("usage_event").where("disposition = 'accepted'")
    # What the oracle could take beyond it, a network has not told.
    told = [name for name in Usage._fields if name in accepted.columns]
    usage = accepted.select(*EVENT, F.struct(*_plain(accepted, told)).alias("usage"))
    found = usage.join(F.broadcast(rated), EVENT, how="inner").select("usage", "rated").collect()
    return [
        Picked(_usage(row["usage"].asDict()), fields, fields["pricebook_version"], fields["snapshot_id"])
        for row in found
        for fields in [_as_oracle_reads(row["rated"].asDict())]
    ]


def facts_of(lake: Lake, picked: DataFrame) -> dict[int, Facts]:
    """By snapshot: the lines that ever held a number of the events picked, and their accounts and customers."""
    keys = ["snapshot_id", "msisdn"]
    rated = lake.read("rated_usage").join(F.broadcast(picked), IDENTITY, how="left_semi").select(*keys).distinct()
    held = lake.read("ref_subscription").join(F.broadcast(rated), keys, how="left_semi")
    owners = held.select("snapshot_id", "account_id").distinct()
    accounts = lake.read("ref_account").join(F.broadcast(owners), ["snapshot_id", "account_id"], how="left_semi")
    customers = accounts.select("snapshot_id", "customer_id").distinct()
    known = lake.read("ref_customer_fact").join(F.broadcast(customers), ["snapshot_id", "customer_id"], how="left_semi")
    lines, owned, said = _by_snapshot(held, Holding), _by_snapshot(accounts, Account), _by_snapshot(known, CustomerFact)
    snapshots = [row["snapshot_id"] for row in rated.select("snapshot_id").distinct().collect()]
    return {one: Facts(owned.get(one, ()), lines.get(one, ()), said.get(one, ())) for one in snapshots}


def book_folders(
    lake: Lake, settings: Settings, versions: Iterable[int], given: Sequence[str], made: Path
) -> dict[int, Path]:
    """A folder of CSV files for each version, by its digest: one that is given, the settings' own, or its copy.

    made: where folders are written of the lines that the catalog keeps. TollgateError for a version without any.
    """
    digests = {
        row["pricebook_version"]: row["digest"]
        for row in lake.read("price_version").select("pricebook_version", "digest").collect()
    }
    at_hand: dict[str, Path] = {}
    for folder in map(Path, [*given, settings.pricebook.dir]):
        book, _ = read_source_book(folder)
        if book is not None:
            at_hand.setdefault(book.digest(), folder)
    return {
        version: at_hand.get(digests[version]) or _from_catalog(settings, version, made / str(version))
        for version in sorted(versions)
    }


def _from_catalog(settings: Settings, version: int, folder: Path) -> Path:
    from jobs.compare_pricebooks import published_lines

    rows = published_lines(settings, version)
    folder.mkdir()
    for file, columns in BOOK_COLUMNS.items():
        with (folder / f"{file}.csv").open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, list(columns), restval="", lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows.get(file, []))
    return folder


def _by_snapshot(rows: DataFrame, kind: Any) -> Mapping[int, list[Any]]:
    found: dict[int, list[Any]] = {}
    for snapshot_id, row in rows.select("snapshot_id", F.struct(*_plain(rows, kind._fields)).alias("row")).collect():
        found.setdefault(snapshot_id, []).append(kind(**row.asDict()))
    return found


def _plain(rows: DataFrame, columns: Sequence[str]) -> list[Any]:
    """These columns, instants as epoch microseconds, which is how the oracle counts."""
    instants = {field.name for field in rows.schema.fields if isinstance(field.dataType, TimestampType)}
    return [F.unix_micros(F.col(name)).alias(name) if name in instants else F.col(name) for name in columns]


def _usage(row: dict[str, Any]) -> Usage:
    return Usage(**{**row, **{name: default for name, default in _DEFAULTS.items() if row[name] is None}})


def _as_oracle_reads(row: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in row.items()}
