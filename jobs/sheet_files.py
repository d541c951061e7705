"""CSV files that a command is given: looked at before Spark starts, then read as lines of text cells."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tollgate.platform.errors import UsageError, nearest

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

UNREADABLE = "unreadable"
POSITION = "position"
_BLOCK_BYTES = 1 << 22


class Sheet(NamedTuple):
    """A CSV file and the names in its first line."""

    path: Path
    columns: tuple[str, ...]

    def place(self, known: Collection[str]) -> dict[str, str]:
        """Known column -> the column of `read_lines` with its cells."""
        return {name: f"c{n}" for n, name in enumerate(self.columns) if name in known}

    def unknown(self, known: Collection[str]) -> dict[str, str | None]:
        """Columns that are not known, each with the known one that may be meant."""
        missing = [name for name in known if name not in self.columns]
        return {name: nearest(name, missing) for name in self.columns if name not in known}


def checked_sheet(path: str, required: Sequence[str], taken: Collection[str] = ()) -> Sheet:
    """The file, if it is there, UTF-8, has the required columns, each name once, none of `taken`, and a row.

    UsageError, in words, else. Reads the file once.
    """
    file = Path(path).absolute()
    if not file.is_file():
        raise UsageError("no such file" if not file.exists() else "not a file", where=str(file))
    _refuse_other_encodings(file)
    with file.open(encoding="utf-8-sig", newline="") as stream:
        lines = (line for line in stream if line.strip())
        header = next(csv.reader([next(lines, "")]), [])
        has_row = next(lines, None) is not None
    if not header:
        raise UsageError("the file is empty", where=str(file), expected=f"a header with {', '.join(required)}")
    mistakes = list(_header_mistakes(header, required, taken))
    if mistakes:
        raise UsageError(
            "the header cannot be used: " + "; ".join(mistakes), where=str(file), found=", ".join(header),
            way_out="docs/rate_file.md says what each column means",
        )  # fmt: skip
    if not has_row:
        raise UsageError("the file has a header and no row", where=str(file))
    return Sheet(file, tuple(header))


def _header_mistakes(header: Sequence[str], required: Sequence[str], taken: Collection[str]) -> list[str]:
    lower = [name.lower() for name in header]
    twice = sorted({name for name, low in zip(header, lower, strict=True) if lower.count(low) > 1})
    missing = [name for name in required if name not in header]
    near = {name: nearest(name, header) for name in missing}
    found = [f"{name} stands twice" for name in twice]
    found += [f"{name} is missing" + (f" (is {near[name]} meant?)" if near[name] else "") for name in missing]
    found += ["a column has no name"] * ("" in header)
    return found + [f"{name} is a column of the result" for name in header if name.lower() in taken]


def _refuse_other_encodings(file: Path) -> None:
    decoder, line = codecs.getincrementaldecoder("utf-8")(), 1
    with file.open("rb") as stream:
        while True:
            block = stream.read(_BLOCK_BYTES)
            try:
                line += decoder.decode(block, final=not block).count("\n")
            except UnicodeDecodeError as problem:
                line += problem.object[: problem.start].count(b"\n")
                found = f"byte {problem.object[problem.start]:#x} in line {line}"
                raise UsageError(
                    "the file is not UTF-8", where=str(file), expected="UTF-8", found=found, way_out="save it as UTF-8"
                ) from None
            if not block:
                return


def read_lines(spark: SparkSession, sheet: Sheet) -> DataFrame:
    """One row a line: its cells c0, c1, … as STRING (an empty one is NULL); `unreadable`, the line itself where it has
    another number of cells than the header; and `position`, which grows with the line.

    A row is a line: a quoted cell holds commas and quotes, and no line break. Empty lines are no rows.
    """
    from pyspark.sql import functions as F
    from pyspark.sql.types import StringType, StructField, StructType

    names = [f"c{n}" for n in range(len(sheet.columns))]
    schema = StructType([StructField(name, StringType()) for name in [*names, UNREADABLE]])
    lines = spark.read.csv(
        f"file://{sheet.path}", schema=schema, header=True, escape='"', mode="PERMISSIVE",
        columnNameOfCorruptRecord=UNREADABLE,
    )  # fmt: skip
    # The splits of a file are given out by size, so the place of a line is its split and its place in there.
    position = F.struct(
        F.col("_metadata.file_block_start").alias("split"), F.monotonically_increasing_id().alias("place")
    )
    return lines.select(*names, UNREADABLE, position.alias(POSITION))
