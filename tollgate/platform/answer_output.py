"""Where an answer goes and in which form; a file is whole under its name or not there.

It is written beside its place as `.NAME.PID.partial` and renamed. CSV and JSON lines are one file or the standard
output, passed on partition by partition; Parquet is a folder that Spark's tasks write, for answers of any size.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from tollgate.platform.answer_table import print_table
from tollgate.platform.errors import TollgateError, UsageError
from tollgate.platform.progress import remark

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

FORMATS = ("table", "csv", "json", "parquet")
TABLE_ROWS = 100


class Output(NamedTuple):
    """format: one of FORMATS; out: a file, for Parquet a folder or URL, None the standard output; limit: rows to give,
    None all."""

    format: str
    out: str | None
    replace: bool
    limit: int | None


def add_output(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that say where an answer goes."""
    group = parser.add_argument_group("output")
    group.add_argument("--format", choices=FORMATS, default="table", help="default: table")
    group.add_argument("--out", metavar="FILE", help="write there; Parquet needs it, as a folder or URL")
    group.add_argument("--replace", action="store_true", help="replace what --out names")
    group.add_argument(
        "--limit", type=_positive, metavar="ROWS", help=f"rows to give (default: {TABLE_ROWS} of a table, else all)"
    )


def output_from(args: argparse.Namespace, lake_root: str) -> Output:
    """The output that the arguments of `add_output` name.

    TollgateError, before anything starts, for what cannot be written or is in the way.
    """
    output = Output(args.format, args.out, args.replace, args.limit)
    if output.out is None:
        if output.format == "parquet":
            raise UsageError("Parquet is a folder of files", way_out="name it with --out FOLDER")
        return output
    if "://" in output.out:
        if output.format != "parquet":
            raise UsageError(
                "only Parquet is written to a URL",
                found=output.out,
                way_out="--format parquet, or a file of this machine",
            )
        return output
    path = Path(output.out).absolute()
    if path.resolve().is_relative_to(Path(lake_root.removeprefix("file:")).resolve()):
        raise TollgateError(
            "the lake's folder belongs to the jobs", where=str(path), way_out="write the answer elsewhere"
        )
    if not path.parent.is_dir():
        raise TollgateError("no such folder", where=str(path.parent), way_out="make it first")
    _refuse_unwritable(path)
    _refuse_what_stands(path, output)
    return output


def _refuse_unwritable(path: Path) -> None:
    """Better now than after all has been reckoned."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        beside.mkdir()
        beside.rmdir()
    except OSError as error:
        raise TollgateError("the result cannot be written", where=str(path), found=str(error.strerror)) from None


def deliver(answer: DataFrame, output: Output) -> None:
    """Write the answer; what was written where goes to stderr."""
    if output.format == "parquet":
        from tollgate.platform.answer_parquet import write_parquet

        _refuse_names_twice(answer)
        rows = write_parquet(answer if output.limit is None else answer.limit(output.limit), output)
        remark(f"{rows:,} rows in {output.out}")
        return
    write = {"table": print_table, "csv": _write_csv, "json": _write_json}[output.format]
    limit = TABLE_ROWS if output.limit is None and output.format == "table" else output.limit
    if output.out is None:
        with standard_output() as file:
            write(answer, file, limit)
        return
    with _whole_file(Path(output.out).absolute(), output) as file:
        rows = write(answer, file, limit)
    remark(f"{rows:,} rows in {output.out}")


@contextmanager
def standard_output() -> Iterator[IO[str]]:
    """The standard output, whose reader may leave early, as `head` does."""
    try:
        yield sys.stdout
        sys.stdout.flush()
    except BrokenPipeError:
        # Python flushes once more at its end, and would fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _write_csv(answer: DataFrame, file: IO[str], limit: int | None) -> int:
    """RFC 4180 but for the line ends; NULL is nothing and an empty text is `""`."""
    from tollgate.platform.answer_text import as_texts

    file.write(",".join(map(_csv_cell, answer.columns)) + "\n")
    return _stream(as_texts(answer), file, limit, lambda row: ",".join(map(_csv_cell, row)))


def _write_json(answer: DataFrame, file: IO[str], limit: int | None) -> int:
    from tollgate.platform.answer_text import as_json_lines

    _refuse_names_twice(answer)
    return _stream(as_json_lines(answer), file, limit, lambda row: str(row[0]))


def _stream(texts: DataFrame, file: IO[str], limit: int | None, line: Callable[[Any], str]) -> int:
    """Write a line a row; the driver holds one partition, and the next one is made meanwhile."""
    rows = 0
    wanted = texts if limit is None else texts.limit(limit)
    for row in wanted.toLocalIterator(prefetchPartitions=True):
        file.write(line(row) + "\n")
        rows += 1
    return rows


def _csv_cell(text: str | None) -> str:
    if text is None:
        return ""
    if not text or text != text.strip() or any(mark in text for mark in ',"\r\n'):
        return '"' + text.replace('"', '""') + '"'
    return text


@contextmanager
def _whole_file(path: Path, output: Output) -> Iterator[IO[str]]:
    """A file beside `path` that takes its place at the end of the block; an exception removes it."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with open(beside, "w", encoding="utf-8", newline="") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        _refuse_what_stands(path, output)
        os.replace(beside, path)
    except OSError as error:
        raise TollgateError("the answer cannot be written", where=str(path), found=str(error)) from None
    finally:
        beside.unlink(missing_ok=True)


def _refuse_what_stands(path: Path, output: Output) -> None:
    if not path.exists():
        return
    if not output.replace:
        raise TollgateError("the file exists already", where=str(path), way_out="name another, or add --replace")
    if path.is_dir() != (output.format == "parquet"):
        found = "a folder" if path.is_dir() else "a file"
        raise TollgateError(f"{output.format} does not replace {found}", where=str(path), way_out="name another")


def _refuse_names_twice(answer: DataFrame) -> None:
    twice = sorted({name for name in answer.columns if answer.columns.count(name) > 1})
    if twice:
        raise TollgateError(
            "two columns have one name", found=", ".join(twice), way_out="name them with AS, or take --format csv"
        )


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number
