"""Reading the CSV sheets of a price book into typed values, by the csv module alone."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

from tollgate.oracle.amounts import MICROS, micros_of
from tollgate.oracle.clock import LocalClock
from tollgate.oracle.rows import OPEN_END_S

T = TypeVar("T")


class SheetError(ValueError):
    """A price book cannot be read; `findings` say file, line, what was expected and found."""

    def __init__(self, *findings: str) -> None:
        self.findings = findings
        super().__init__("\n".join(findings))


class Cells:
    """One line of a sheet; reads its cells as typed values. Empty cells are None only where the method says so."""

    def __init__(self, cells: dict[str, str], clock: LocalClock) -> None:
        self._cells = cells
        self._clock = clock

    def text(self, name: str) -> str:
        """The cell as it stands."""
        return self._cells[name] or ""

    def text_or_none(self, name: str) -> str | None:
        """The cell, None when empty."""
        return self.text(name) or None

    def if_there(self, name: str) -> str | None:
        """A cell of a column that the sheet may lack; None when empty or lacking."""
        return self._cells.get(name) or None

    def whole(self, name: str) -> int:
        """A whole number."""
        found = self.text(name)
        if not (found.isascii() and found.isdigit()):
            raise ValueError(f"{name}: expected a whole number, found {found!r}")
        return int(found)

    def whole_or_none(self, name: str) -> int | None:
        """A whole number, None when empty."""
        return self.whole(name) if self.text(name) else None

    def micros(self, name: str) -> int:
        """A decimal amount as millionths."""
        return micros_of(self.text(name))

    def micros_or_none(self, name: str) -> int | None:
        """A decimal amount as millionths, None when empty."""
        return micros_of(self.text(name)) if self.text(name) else None

    def fraction(self, name: str) -> Fraction:
        """An exact decimal number."""
        return Fraction(self.text(name))

    def fraction_or_none(self, name: str) -> Fraction | None:
        """An exact decimal number, None when empty."""
        return Fraction(self.text(name)) if self.text(name) else None

    def share_of_percent(self, name: str) -> Fraction:
        """A percentage as a share of 1, exact to the millionth."""
        share = Fraction(self.text(name)) / 100
        if (share * MICROS).denominator != 1:
            raise ValueError(f"{name}: {self.text(name)} percent is finer than a millionth")
        return share

    def flag(self, name: str) -> bool:
        """true or false."""
        found = self.text(name)
        if found not in ("true", "false"):
            raise ValueError(f"{name}: expected true or false, found {found!r}")
        return found == "true"

    def second_of_day(self, name: str) -> int:
        """HH:MM as seconds of the local day; 24:00 is the day's end."""
        hours, minutes = self.text(name).split(":")
        return int(hours) * 3600 + int(minutes) * 60

    def day_or_none(self, name: str) -> int | None:
        """A date as days since 1970-01-01, None when empty."""
        return (date.fromisoformat(self.text(name)) - date(1970, 1, 1)).days if self.text(name) else None

    def since(self, name: str = "valid_from") -> int:
        """An instant, epoch seconds: a date is its local midnight, a date and time is taken as it says."""
        return self._clock.instant_of(self.text(name))

    def until(self, name: str = "valid_to") -> int:
        """An exclusive end, epoch seconds; empty is open."""
        return self._clock.instant_of(self.text(name)) if self.text(name) else OPEN_END_S


class Sheets:
    """The sheets of one folder. What cannot be read is a finding, and the rest is read all the same."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.findings: list[str] = []

    def read(self, name: str, clock: LocalClock, row: Callable[[Cells], T], *, may_lack: bool = False) -> list[T]:
        """Rows of NAME.csv, one by one through `row`; lines that cannot be read are left out and found.

        may_lack: a folder without the sheet has no row of it.
        """
        rows: list[T] = []
        if may_lack and not (self.folder / f"{name}.csv").is_file():
            return rows
        for number, cells in self.lines(name):
            try:
                rows.append(row(Cells(cells, clock)))
            except KeyError as column:
                self.findings.append(f"{self.folder / name}.csv: the column {column.args[0]} is missing")
                break
            except (ValueError, ZeroDivisionError) as error:
                self.findings.append(f"{self.folder / name}.csv line {number}: {error}")
        return rows

    def lines(self, name: str) -> Iterator[tuple[int, dict[str, str]]]:
        """Line number and cells of each line of NAME.csv; a missing file is a finding."""
        path = self.folder / f"{name}.csv"
        if not path.is_file():
            self.findings.append(f"{path}: the sheet is missing; the oracle reads the whole price book")
            return
        number = 0
        try:
            # A spreadsheet's mark of UTF-8 before the first column is none of its name.
            with path.open(encoding="utf-8-sig", newline="") as stream:
                reader = csv.DictReader(stream)
                for cells in reader:
                    number = reader.line_num
                    yield number, cells
        except (UnicodeDecodeError, csv.Error) as error:
            self.findings.append(f"{path} after line {number}: {error}")

    def refuse_findings(self) -> None:
        """Raise SheetError with all findings, when there are some."""
        if self.findings:
            raise SheetError(*self.findings)
