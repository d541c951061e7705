"""The Delta tables: contracts, exactly-once appends, reads and views."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime, timezone
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from tollgate.platform.commits import append_once, committed_versions, delta_log, no_value, versions_in_log
from tollgate.platform.errors import TollgateError
from tollgate.platform.locks import WAIT_S, one_of_two, writer_lock
from tollgate.platform.progress import step
from tollgate.platform.short_logs import read_by_commits
from tollgate.platform.skipping import skip_if_many, skip_if_not_asked
from tollgate.platform.widening import as_contract, widen

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.types import StructType


def contract_names() -> list[str]:
    """Every table that has a contract in `schemas/`."""
    files = resources.files("schemas").iterdir()
    return sorted(file.name.removesuffix(".ddl") for file in files if file.name.endswith(".ddl"))


@functools.cache
def contract_text(table: str) -> str:
    """The text of `schemas/<table>.ddl`; raises TollgateError for a table without one."""
    file = resources.files("schemas") / f"{table}.ddl"
    if not file.is_file():
        raise TollgateError(
            f"no contract for table {table}", where="schemas/", expected=", ".join(contract_names()), found=table
        )
    return file.read_text(encoding="utf-8")


@functools.cache
def contract(table: str) -> StructType:
    """Columns of `table` in order, with types, nullability and comments, from `schemas/<table>.ddl`."""
    from pyspark.sql.types import StructType

    lines = contract_text(table).splitlines()
    text = "\n".join(line for line in lines if not line.lstrip().startswith("--"))
    return cast("StructType", StructType.fromDDL(text))


@functools.cache
def partition_columns(table: str) -> list[str]:
    """Columns that `table` is partitioned by, from the line `-- partition_by: a, b` of its contract."""
    for line in contract_text(table).splitlines():
        if line.startswith("-- partition_by:"):
            return [name.strip() for name in line.partition(":")[2].split(",") if name.strip()]
    return []


def few_rows(spark: SparkSession, rows: Iterable[Sequence[Any]], schema: StructType) -> DataFrame:
    """A few rows made here as a part of the plan; instants without an offset are UTC.

    Without Arrow they would need a Python worker and a job of their own.
    """
    import pyarrow
    from pyspark.sql.pandas.types import to_arrow_schema

    told = [{name: _utc(value) for name, value in zip(schema.names, row, strict=True)} for row in rows]
    return spark.createDataFrame(pyarrow.Table.from_pylist(told, to_arrow_schema(schema)), schema)


def kept(frame: DataFrame) -> DataFrame:
    """The frame, computed now. A persisted one would carry its whole plan on.

    Computed at its first use it would still have that plan, and each task of that use would be sent it and read it: a
    quarter of a bill run's CPU, see docs/decisions/0041-kept-frames-are-computed-at-once.md. What a lost executor held
    cannot be computed again, so on a cluster another one holds it too.
    """
    from pyspark import StorageLevel

    copies = 1 if str(frame.sparkSession.sparkContext.master).startswith("local[") else 2
    # As the objects that they are: their bytes would be written and read once more at each use.
    level = StorageLevel(useDisk=True, useMemory=True, useOffHeap=False, deserialized=True, replication=copies)
    return frame.localCheckpoint(eager=True, storageLevel=level)


def let_go(frame: DataFrame) -> None:
    """Free the memory of a kept frame, which else waits for the driver's collector; it cannot be read any more."""
    cast("Any", frame)._jdf.queryExecution().logical().rdd().unpersist(False)


def _utc(value: Any) -> Any:
    # Arrow drops the offset of an instant when PYARROW_IGNORE_TIMEZONE is set, as pyspark.pandas does on import.
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(timezone.utc).replace(tzinfo=None)
    return value


class Lake:
    """The Delta tables under one root; each `append` is one commit that happens once."""

    def __init__(self, spark: SparkSession, root: str) -> None:
        self.spark = spark
        self.root = root.rstrip("/")

    def contract(self, table: str) -> StructType:
        """See the module's `contract`."""
        return contract(table)

    def path(self, table: str) -> str:
        """Where `table` stands."""
        return f"{self.root}/{table}"

    def exists(self, table: str) -> bool:
        """Whether `table` has a first commit."""
        from delta.tables import DeltaTable

        if self._is_on_local_disk():
            return any((Path(self._local_root()) / table / "_delta_log").glob("*.json"))
        return DeltaTable.isDeltaTable(self.spark, self.path(table))

    def read(self, table: str, *, follow: bool = False) -> DataFrame:
        """All rows of `table` as it stands now, in the contract's columns; no rows before its first commit.

        A column that the contract has gained since the table was made is NULL. follow: for a frame that is to outlive
        appends; each query on it reads the rows that stand by then.
        """
        if not self.exists(table):
            return self.frame([], table)
        skip_if_not_asked(self.spark, self.path(table), lambda: self.snapshot(table))
        rows = None if follow else read_by_commits(self.spark, delta_log(self.spark, self.path(table)))
        if rows is None:
            rows = self.spark.read.format("delta").load(self.path(table))
        return as_contract(rows, contract(table), table)

    def frame(self, rows: Sequence[Sequence[Any]], table: str) -> DataFrame:
        """A few rows made here, in the order of the contract's columns; instants without an offset are UTC.

        They become part of the plan, see `few_rows`.
        """
        return few_rows(self.spark, rows, contract(table))

    def append(
        self, df: DataFrame, table: str, app_id: str, version: int, metadata: dict[str, Any] | None = None
    ) -> None:
        """Append `df` in one commit; a `version` not above the last one of `app_id` writes nothing.

        Names, types and order must equal the contract, else TollgateError before anything is written. A table that is
        older than its contract gets the new columns first.
        metadata: kept with the commit as JSON, see `commit_metadata`. Another process that commits the same version at
        the same moment, as it can where no lock on a disk reaches, is a TollgateError too; its rows stand once.
        """
        check_columns(df, table)
        with step(f"append {table}", level="debug"), self.alone(table), one_of_two(self.path(table)):
            if self.exists(table):
                snapshot = self.snapshot(table)
                skip_if_many(self.spark, snapshot)
                widen(self.spark, snapshot, self.path(table), contract(table), table)
            told = None if metadata is None else json.dumps(metadata, sort_keys=True)
            append_once(df, self.path(table), contract(table), partition_columns(table), app_id, version, told)

    def last_version(self, table: str, app_id: str) -> int | None:
        """The highest `version` that `app_id` has committed to `table`; None when there is none."""
        return self.last_versions(table).get(app_id)

    def last_versions(self, table: str) -> dict[str, int]:
        """The highest `version` that each app_id has committed to `table`; read from its log, not from its rows."""
        if not self.exists(table):
            return {}
        return committed_versions(self.spark, self.snapshot(table))

    def versions_in_log(self, table: str) -> dict[str, int]:
        """As `last_versions`, from the commits themselves and not from the checksum file beside the last one."""
        return versions_in_log(self.spark, self.snapshot(table)) if self.exists(table) else {}

    def snapshot(self, table: str) -> Any:
        """Delta's own account of `table` as it stands now; the table must exist."""
        none = no_value(self.spark)
        return delta_log(self.spark, self.path(table)).update(False, none, none)

    def commit_metadata(self, table: str, newest: int, naming: str = "") -> list[dict[str, Any]]:
        """The `metadata` of the `newest` last commits that have one (naming: with this key), oldest first.

        The log is read backwards as far as needed; all of it would come to the driver commit by commit.
        """
        from delta.tables import DeltaTable

        if not self.exists(table):
            return []
        reach = newest
        while True:
            history = DeltaTable.forPath(self.spark, self.path(table)).history(reach)
            commits = history.orderBy("version", ascending=False).select("userMetadata").collect()
            told = [json.loads(commit.userMetadata) for commit in commits if commit.userMetadata is not None]
            found = [metadata for metadata in told if not naming or naming in metadata][:newest]
            if len(found) == newest or len(commits) < reach:
                return found[::-1]
            reach *= 4

    def register_views(
        self,
        views: Mapping[str, str] | None = None,
        query: str | None = None,
        seen: Callable[[str, DataFrame], DataFrame] | None = None,
        given: Mapping[str, Callable[[], DataFrame]] | None = None,
    ) -> None:
        """Make session views named as the tables and, over them, the SQL `views` in their order.

        views: name to SQL, as `tollgate.assurance.views.VIEWS`. query: when given, only what it needs. seen: what is
        shown of a table's rows, by its name. given: further frames by name, each made only when it is needed.
        """
        wanted = dict(views or {}) if query is None else _needed(dict(views or {}), query)
        text = None if query is None else " ".join([query, *wanted.values()])
        for name, make in (given or {}).items():
            if text is None or _names(name, text):
                make().createOrReplaceTempView(name)
        for table in contract_names():
            if text is None or _names(table, text):
                # A view may be asked for as long as its session lives.
                rows = self.read(table, follow=True)
                (seen(table, rows) if seen else rows).createOrReplaceTempView(table)
        for name, sql in wanted.items():
            self.spark.sql(sql).createOrReplaceTempView(name)

    @property
    def lock_folder(self) -> Path | None:
        """Where the locks stand; None where the storage itself keeps two writers apart and none are needed."""
        return Path(self._local_root()) / "_locks" if self._is_on_local_disk() else None

    def alone(self, name: str, wait_s: int = WAIT_S) -> AbstractContextManager[None]:
        """Hold the lock of a table or a job while the block runs; TollgateError when another keeps it for `wait_s`."""
        folder = self.lock_folder
        return nullcontext() if folder is None else writer_lock(self.spark, folder / f"{name}.lock", wait_s)

    def _is_on_local_disk(self) -> bool:
        return self.root.startswith("file:") or "://" not in self.root

    def _local_root(self) -> str:
        return "/" + self.root.removeprefix("file:").lstrip("/") if self.root.startswith("file:") else self.root


def _needed(views: dict[str, str], query: str) -> dict[str, str]:
    """Those of `views` that `query` names, directly or by way of another view; order kept."""
    text, needed = query, set()
    for name in reversed(views):
        if _names(name, text):
            needed.add(name)
            text += " " + views[name]
    return {name: sql for name, sql in views.items() if name in needed}


def _names(name: str, sql: str) -> bool:
    # Names in SQL know no case, and billed_usage is no part of posted_billed_usage.
    return re.search(rf"(?i)\b{name}\b", sql) is not None


def check_columns(df: DataFrame, table: str) -> None:
    """Refuse other columns than the contract's: Delta would fill a missing one with NULL without a word."""
    wanted = [(field.name, field.dataType.simpleString()) for field in contract(table).fields]
    given = [(field.name, field.dataType.simpleString()) for field in df.schema.fields]
    if wanted == given:
        return
    missing = [f"{name} {kind}" for name, kind in wanted if (name, kind) not in given]
    foreign = [f"{name} {kind}" for name, kind in given if (name, kind) not in wanted]
    raise TollgateError(
        f"columns for table {table} differ from its contract",
        where=f"schemas/{table}.ddl",
        expected=", ".join(missing) or "the contract's order: " + ", ".join(name for name, _ in wanted),
        found=", ".join(foreign) or ("no such column" if missing else ", ".join(name for name, _ in given)),
        way_out="select the contract's columns in the last step of the transform",
    )
