"""The CSV files of a price book: their columns, and reading them with every bad cell reported."""

from __future__ import annotations

import csv
import difflib
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from tollgate.reference.pricebook_columns import COLUMNS, NEEDS_ROWS, OPERATOR_KEYS, OPTIONAL, OPTIONAL_FILES

UTC = ZoneInfo("UTC")
# Bands are laid out day by day.
MOST_BAND_DAYS = 40 * 366


@dataclass(frozen=True, order=True)
class Finding:
    """One mistake in a price book; line 0 is the file as a whole."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}" if self.line else f"{self.file}: {self.message}"


@dataclass(frozen=True)
class SourceRow:
    """One line of a file: where it stands and its values by column."""

    file: str
    line: int
    values: Mapping[str, Any]

    def __getitem__(self, column: str) -> Any:
        return self.values[column]

    def finding(self, message: str) -> Finding:
        """A mistake in this line."""
        return Finding(self.file, self.line, message)


@dataclass(frozen=True)
class Operator:
    """The lines of operator.csv."""

    name: str
    currency: str
    zone: ZoneInfo
    holiday_calendar: str | None
    rating_groups: tuple[str, ...]
    bands_from: date
    bands_to: date


@dataclass(frozen=True)
class SourceBook:
    """A price book as read: the readable rows of each file, and the raw cells of every line.

    rows: by file name without `.csv`; lines with an unreadable cell are left out and stand in the findings.
    raw: every line as (line number, cells by column), so that a bad line's id still counts as declared.
    """

    operator: Operator
    rows: dict[str, list[SourceRow]]
    raw: dict[str, list[tuple[int, dict[str, str]]]] = field(repr=False)

    def declared(self, file: str, column: str) -> set[str]:
        """Every value of a column, those of unreadable lines too, so that one mistake is reported once."""
        return {cells[column] for _, cells in self.raw[file]}

    def digest(self) -> str:
        """SHA-256 of the canonical rows: columns in the reference's order, lines sorted.

        An optional cell that is empty and an optional file without a row are no part of it: a book keeps its digest
        when the reference gains a column or file.
        """
        sha = hashlib.sha256()
        for file in COLUMNS:
            lines = sorted(json.dumps(_canonical(file, cells)) for _, cells in self.raw[file])
            if not lines and file in OPTIONAL_FILES:
                continue
            sha.update(("\n".join(lines) + "\n").encode())
        return sha.hexdigest()


def read_source_book(folder: Path) -> tuple[SourceBook | None, list[Finding]]:
    """Read every file of a price book folder.

    Returns the book and what is wrong with its cells; no book where a file or the operator's lines cannot be used. The
    cells of the other files are read all the same, without the operator's zone in UTC.
    """
    if not folder.is_dir():
        return None, [Finding(str(folder), 0, "no such folder; expected the files of docs/pricebook.md in it")]
    findings = list(_misspelt(folder))
    raw: dict[str, list[tuple[int, dict[str, str]]]] = {}
    for file in COLUMNS:
        try:
            raw[file] = list(_lines(folder / f"{file}.csv", findings))
        except _Unusable as problem:
            findings.append(Finding(f"{file}.csv", problem.line, str(problem)))
    operator = _operator(raw["operator"], findings) if "operator" in raw else None
    zone = operator.zone if operator else UTC
    rows = {file: list(_parsed(file, raw[file], zone, findings)) for file in raw if file != "operator"}
    if operator is None or len(raw) < len(COLUMNS):
        return None, findings
    return SourceBook(operator, rows, raw), findings


def _misspelt(folder: Path) -> Iterator[Finding]:
    """Files that are none of a book's and have nearly the name of one: an optional one would be missed by nobody."""
    for path in sorted(folder.glob("*.csv")):
        meant = [] if path.stem in COLUMNS else difflib.get_close_matches(path.stem, COLUMNS, 1, 0.8)
        if meant:
            yield Finding(path.name, 0, f"no file of a price book; is {meant[0]}.csv meant?")


def _canonical(file: str, cells: Mapping[str, str]) -> list[Any]:
    optional = OPTIONAL.get(file, ())
    always = [cells[name] for name in COLUMNS[file] if name not in optional]
    return [file, *always, *([name, cells[name]] for name in optional if cells[name])]


class _Unusable(ValueError):
    """A file that cannot be read at all; `line` is where, 0 for all of it."""

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(message)
        self.line = line


def _lines(path: Path, findings: list[Finding]) -> Iterator[tuple[int, dict[str, str]]]:
    columns = COLUMNS[path.stem]
    if path.stem in OPTIONAL_FILES and not path.exists():
        return
    try:
        # Spreadsheets begin a file with a byte order mark.
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise _Unusable("the file is missing; a file with nothing to say holds its header") from None
    except UnicodeDecodeError as problem:
        line = problem.object.count(b"\n", 0, problem.start) + 1
        raise _Unusable(f"expected UTF-8, found byte {problem.object[problem.start]:#x}", line) from None
    except OSError as problem:
        raise _Unusable(f"expected a file that can be read: {problem.strerror}") from None
    try:
        yield from _of_text(path, columns, text, findings)
    except csv.Error as problem:
        raise _Unusable(f"expected lines of cells: {problem}; is a quotation mark left open?") from None


def _of_text(
    path: Path, columns: Mapping[str, Any], text: str, findings: list[Finding]
) -> Iterator[tuple[int, dict[str, str]]]:
    reader = csv.reader(text.splitlines())
    header = next(reader, [])
    left_out = [name for name in OPTIONAL.get(path.stem, ()) if name not in header]
    if sorted([*header, *left_out]) != sorted(columns):
        raise _Unusable(_of_header(header, columns, left_out), min(len(header), 1))
    count, end = 0, reader.line_num
    for line in reader:
        count += 1
        first, end = end + 1, reader.line_num
        if end > first:
            found = f"a cell that goes on to line {end}: is a quotation mark left open?"
            findings.append(Finding(path.name, first, f"expected a line of {len(header)} cells, found {found}"))
        elif len(line) == len(header):
            yield reader.line_num, {**dict.fromkeys(left_out, ""), **dict(zip(header, line, strict=True))}
        else:
            findings.append(Finding(path.name, reader.line_num, f"expected {len(header)} cells, found {len(line)}"))
    if not count and path.stem in NEEDS_ROWS:
        findings.append(Finding(path.name, 0, "expected at least one row"))


def _of_header(header: Sequence[str], columns: Iterable[str], left_out: Sequence[str]) -> str:
    """What is wrong with the first line of a file."""
    if len(header) == 1 and ";" in header[0]:
        return "expected commas between the cells, found semicolons"
    lacking = [name for name in columns if name not in header and name not in left_out]
    strange = [name for name in header if name not in columns]
    twice = sorted({name for name in header if header.count(name) > 1})
    told = [(lacking, "lacks"), (strange, "has unknown"), (twice, "has twice")]
    found = "; ".join(f"{what} {', '.join(map(repr, names))}" for names, what in told if names)
    return (
        f"expected the columns {', '.join(columns)}; the header {found}" if header else "expected a header, found none"
    )


def _parsed(
    file: str, lines: list[tuple[int, dict[str, str]]], zone: ZoneInfo, findings: list[Finding]
) -> Iterator[SourceRow]:
    for number, cells in lines:
        values = {}
        for column, read in COLUMNS[file].items():
            try:
                values[column] = read(cells[column], zone)
            except ValueError as problem:
                findings.append(Finding(f"{file}.csv", number, f"{column}: {problem}, found {cells[column]!r}"))
        if len(values) == len(COLUMNS[file]):
            yield SourceRow(f"{file}.csv", number, values)


def _operator(lines: list[tuple[int, dict[str, str]]], findings: list[Finding]) -> Operator | None:
    before = len(findings)
    values: dict[str, Any] = {}
    at: dict[str, int] = {}
    for number, cells in lines:
        key, text = cells["key"], cells["value"]
        if key not in OPERATOR_KEYS or key in values:
            problem = "stands twice" if key in values else f"expected one of {', '.join(OPERATOR_KEYS)}"
            findings.append(Finding("operator.csv", number, f"key {key!r}: {problem}"))
            continue
        at[key] = number
        try:
            values[key] = OPERATOR_KEYS[key](text, UTC)
        except ValueError as problem:
            findings.append(Finding("operator.csv", number, f"{key}: {problem}, found {text!r}"))
            values[key] = None
    missing = [key for key in OPERATOR_KEYS if key not in values]
    if missing:
        findings.append(Finding("operator.csv", 0, f"missing keys: {', '.join(missing)}"))
    if len(findings) > before:
        return None
    days = (values["bands_to"] - values["bands_from"]).days
    if not 0 < days <= MOST_BAND_DAYS:
        expected = f"a day 1 to {MOST_BAND_DAYS} days after bands_from {values['bands_from']}"
        message = f"bands_to: expected {expected}, found {values['bands_to']}"
        findings.append(Finding("operator.csv", at["bands_to"], message))
        return None
    groups = tuple((values["rating_groups"] or "").split())
    return Operator(
        values["name"], values["currency"], values["time_zone"], values["holiday_calendar"], groups,
        values["bands_from"], values["bands_to"],
    )  # fmt: skip
