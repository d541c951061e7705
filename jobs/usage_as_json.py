"""The copy of accepted usage as JSON lines: a folder an export, written beside, moved at once, then its manifest.

    <root>/batches=0-12/event_month=2026-10/part-....json[.gz]   one object a line
    <root>/_files/batches=0-12/part-....json                     each file with its figures and SHA-256
    <root>/_manifest/0-12.json                                   written last: without it the export does not count

What a line holds stands in docs/operations.md, "JSON lines".
"""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, BooleanType, StringType, StructField, StructType, TimestampType

from tollgate.assurance.usage_copy import RANGE, Batches, Figures, totals
from tollgate.platform.crash import crash_point
from tollgate.platform.errors import TollgateError
from tollgate.platform.folders import Folder
from tollgate.platform.lake import few_rows

FOLDER = "_export/usage_json"
# A file is read whole for its SHA-256; this many lines are some 90 MB.
EVENTS_A_FILE = 100_000
INSTANT = "yyyy-MM-dd'T'HH:mm:ss.SSSSSS'Z'"
SUMS = "events BIGINT, duration_s DECIMAL(38,0), volume_bytes DECIMAL(38,0), contents DECIMAL(38,0)"
FILES = f"file STRING, bytes BIGINT, sha256 STRING, {SUMS}"
MANIFEST = (
    "from_batch_no BIGINT, to_batch_no BIGINT, events BIGINT, duration_s STRING, volume_bytes STRING, contents STRING"
)


class JsonCopy:
    """The folder `root`; fields: the columns that a line carries. is_zipped: files that are written become .gz."""

    key = "json"

    def __init__(self, spark: SparkSession, root: str, fields: StructType, is_zipped: bool = False) -> None:
        self.spark = spark
        self.fields = fields
        self.is_zipped = is_zipped
        self.folder = Folder(spark, root)
        self.where = self.folder.root

    def recorded(self) -> dict[Batches, Figures]:
        """Every export by its batches, as the manifests say."""
        if not self.folder.exists("_manifest"):
            return {}
        manifests = self.spark.read.schema(MANIFEST).json(self.folder.path("_manifest"))
        rows = manifests.select("_metadata.file_name", "*").collect()  # one row an export
        # `None in row` would look for a field of that name.
        damaged = [row[0] for row in rows if any(value is None for value in row)]
        if damaged:
            raise TollgateError(
                "manifests of the JSON copy cannot be read", where=self.folder.path("_manifest"),
                found=", ".join(sorted(damaged)[:5]), way_out="remove them: their batches are exported again",
            )  # fmt: skip
        return {Batches(row[1], row[2]): Figures.of(row[3:]) for row in rows}

    def held(self) -> dict[Batches | None, Figures]:
        """What stands in the files, by export; a folder without a manifest does not count."""
        exports = [(batches.from_no, batches.to_no, _name(batches)) for batches in self.recorded()]
        counted = few_rows(self.spark, exports, StructType([*RANGE.fields, StructField("batches", StringType())]))
        lines = self._lines(self.folder.root).withColumn(
            "batches", F.regexp_extract(F.col("_metadata.file_path"), r"/(batches=\d+-\d+)/", 1)
        )
        sums = lines.groupBy("batches").agg(*[F.expr(total) for total in totals(self.fields)])
        try:
            rows = sums.join(F.broadcast(counted), "batches", how="inner").collect()  # one row an export
        except (PySparkException, Py4JJavaError) as error:  # the second while a file is read, as in a local session
            told = getattr(error, "java_exception", error)
            raise TollgateError(
                "the JSON copy cannot be read", where=self.where, found=str(told).strip().splitlines()[0],
                way_out="remove the manifest of the export that is damaged and export again",
            ) from None  # fmt: skip
        names = ("events", "duration_s", "volume_bytes", "contents")
        return {Batches(row["from_no"], row["to_no"]): Figures.of(row[name] for name in names) for row in rows}

    def shaped(self, usage: DataFrame) -> DataFrame:
        """JSON holds every text as it is."""
        return usage

    def only_writer(self) -> AbstractContextManager[None]:
        """One export at a time on a local disk."""
        return self.folder.only_writer()

    def write(self, usage: DataFrame, batches: Batches, figures: Figures, months: list[str], is_again: bool) -> None:
        """Write the lines of these batches and their manifest, in place of what was there of them.

        usage: rows of these batches, the copy's columns and event_month. Raises TollgateError, and shows nothing to a
        reader, when what was written differs from `figures`.
        """
        self._remove_uncounted()
        name, beside, listed = _name(batches), "_writing/lines", "_writing/files"
        self._write_lines(usage, self.folder.path(beside))
        crash_point("export.after_files")
        files = self._file_sums(self.folder.path(beside))
        files.coalesce(1).write.mode("overwrite").json(self.folder.path(listed))
        written, summary = self._summed(self.folder.path(listed))
        if written != figures:
            raise TollgateError(
                f"what was written of batches {batches.name} differs from the lake; nothing was changed",
                where=self.folder.path(beside), expected=str(figures), found=str(written), way_out="run it again",
            )  # fmt: skip
        if is_again:
            self.folder.remove(_manifest(batches))
        self.folder.move(listed, f"_files/{name}")
        self.folder.move(beside, name)
        crash_point("export.after_move")
        said = {"from_batch_no": batches.from_no, "to_batch_no": batches.to_no, "months": months}
        texts = {key: str(value) for key, value in vars(figures).items()} | {"events": figures.events}
        self.folder.write_text(_manifest(batches), json.dumps({**said, **texts, **summary}) + "\n")
        crash_point("export.after_manifest")

    def _write_lines(self, usage: DataFrame, folder: str) -> None:
        # A month is shared out by its size, so that neither one task writes all nor each task a file for each month.
        lines = usage.hint("rebalance", F.col("event_month")).sortWithinPartitions(
            "event_month", "started_at", "source", "event_id"
        )
        writer = lines.select(*[_as_text(field) for field in self.fields.fields], "event_month").write
        writer = writer.option("ignoreNullFields", "false").option("maxRecordsPerFile", EVENTS_A_FILE)
        writer = writer.option("compression", "gzip" if self.is_zipped else "none")
        writer.mode("overwrite").partitionBy("event_month").json(folder)

    def _lines(self, folder: str) -> DataFrame:
        """The lines of the files below, with the types of the contract again; NULL where a value has lost its form."""
        text = StructType([StructField(field.name, _text_type(field)) for field in self.fields.fields])
        reader = self.spark.read.schema(text).option("recursiveFileLookup", "true").option("pathGlobFilter", "part-*")
        lines = reader.json(folder)
        typed = {
            field.name: F.col(field.name).try_cast(field.dataType)
            for field in self.fields.fields
            if not isinstance(field.dataType, ArrayType)
        }
        return lines.select("*", "_metadata").withColumns(typed)

    def _file_sums(self, folder: str) -> DataFrame:
        """(file, bytes, sha256, events, duration_s, volume_bytes, contents) of each file below."""
        file = F.substring_index("path", "/", -2).alias("file")
        lines = self._lines(folder).withColumn("path", F.col("_metadata.file_path"))
        sums = lines.groupBy(file).agg(*[F.expr(total) for total in totals(self.fields)])
        reader = self.spark.read.format("binaryFile").option("recursiveFileLookup", "true")
        found = reader.option("pathGlobFilter", "part-*").load(folder)
        hashed = found.select(file, F.col("length").alias("bytes"), F.sha2("content", 256).alias("sha256"))
        return hashed.join(sums, "file", how="left")

    def _summed(self, folder: str) -> tuple[Figures, dict[str, Any]]:
        """Figures over the files of an export; how many there are, and the SHA-256 of their list as `sha256sum` prints
        it, sorted; read from the list."""
        files = self.spark.read.schema(FILES).json(folder)
        listed = F.concat(
            F.array_join(F.array_sort(F.collect_list(F.concat_ws("  ", "sha256", "file"))), "\n"), F.lit("\n")
        )
        row = files.agg(
            *[F.coalesce(F.sum(total), F.lit(0)) for total in ("events", "duration_s", "volume_bytes", "contents")],
            F.count("*"),
            F.sha2(listed, 256),
        ).collect()[0]
        return Figures.of(row[:4]), {"files": row[4], "sha256": row[5]}

    def _remove_uncounted(self) -> None:
        """What attempts that died have left: a wider export would hold it twice."""
        counted = {_name(batches) for batches in self.recorded()}
        left = [name for name in self.folder.names() if name.startswith("batches=") and name not in counted]
        left += [f"_files/{name}" for name in self.folder.names("_files") if name not in counted]
        for name in [*left, "_writing"]:
            self.folder.remove(name)


def _name(batches: Batches) -> str:
    return f"batches={batches.name}"


def _manifest(batches: Batches) -> str:
    return f"_manifest/{batches.name}.json"


def _text_type(field: StructField) -> Any:
    return field.dataType if isinstance(field.dataType, ArrayType | BooleanType) else StringType()


def _as_text(field: StructField) -> Column:
    """Numbers as text, for a reader may know no whole number above 2^53; instants as ISO 8601 in UTC."""
    value = F.col(field.name)
    if isinstance(field.dataType, TimestampType):
        return F.date_format(value, INSTANT).alias(field.name)
    return value.cast(_text_type(field)).alias(field.name)
