"""The demo book with a file edited, and what is found in it."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path

from tollgate.reference.pricebook_checks import check_price_book

DEMO = Path(__file__).resolve().parents[2] / "conf" / "pricebook"
Lines = list[list[str]]
Edit = Callable[[Lines], object]


def cell(key: str, column: str, value: str) -> Edit:
    """Change a column of the first line that starts with `key`."""

    def edit(lines: Lines) -> None:
        line = next(line for line in lines[1:] if line[0] == key)
        line[lines[0].index(column)] = value

    return edit


def copy_of(key: str, **changes: str) -> Edit:
    """Append a copy of the first line that starts with `key`, with some cells changed."""

    def edit(lines: Lines) -> None:
        line = list(next(line for line in lines[1:] if line[0] == key))
        for column, value in changes.items():
            line[lines[0].index(column)] = value
        lines.append(line)

    return edit


def without(key: str) -> Edit:
    """Remove the first line that starts with `key`."""
    return lambda lines: lines.remove(next(line for line in lines[1:] if line[0] == key))


def both(*edits: Edit) -> Edit:
    """One edit after the other."""
    return lambda lines: [edit(lines) for edit in edits]


def with_line(*cells: str) -> Edit:
    """Append a line of cells."""
    return lambda lines: lines.append(list(cells))


def findings_of(folder: Path, file: str, edit: Edit) -> list[str]:
    """Findings of the demo book with one file edited."""
    return [str(finding) for finding in check_price_book(edited(folder, file, edit))[1]]


def edited(folder: Path, file: str, edit: Edit) -> Path:
    """The demo book with one file edited."""
    book = folder / "book"
    shutil.copytree(DEMO, book)
    before = book / f"{file}.csv"
    # A file that a book may leave out begins empty.
    lines = list(csv.reader(before.read_text().splitlines())) if before.exists() else []
    edit(lines)
    with (book / f"{file}.csv").open("w", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerows(lines)
    return book
