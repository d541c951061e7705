"""The CSV files of a price book: their columns, and reading them with every bad cell reported."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tollgate.reference import cells as c

SERVICES = ("voice", "sms", "mms", "data")
_DIGITS = c.whole(0, 6)
_ROUNDING = c.one_of("half_up", "up", "down")
_UNIT = c.one_of("second", "message", "byte")
_COUNTRY = c.matching("[A-Z]{2}", "an ISO country of two capital letters")
_CARRIER_COUNTRY = c.matching(r"[A-Z]{2}|001|\*", "an ISO country of two capital letters, 001 or *")
_CURRENCY = c.matching("[A-Z]{3}", "an ISO 4217 currency of three capital letters")
_PREFIX = c.matching("[1-9][0-9]{0,14}", "1 to 15 digits without + that do not start with 0")
_VALID: dict[str, c.Cell] = {"valid_from": c.instant, "valid_to": c.end_instant}
_QUANTITY: dict[str, c.Cell] = {
    "price": c.amount,
    "unit": _UNIT,
    "block": c.whole(1, 10**12),
    "increment": c.whole(1, 10**12),
}

COLUMNS: dict[str, dict[str, c.Cell]] = {
    "operator": {"key": c.ident, "value": lambda text, _zone: text},
    "currency": {"currency": _CURRENCY, "minor_digits": c.one_of("0", "2", "3")},
    "plan": {
        "plan_id": c.ident,
        "name": c.words,
        "contract_type": c.one_of("term", "month_to_month", "prepaid"),
        "charge_type": c.one_of("postpaid", "prepaid"),
        "term_months": c.optional(c.whole(1, 1200)),
    },
    "zone": {
        "zone_id": c.ident,
        "name": c.words,
        "kind": c.one_of("home", "national", "international", "premium", "toll_free", "emergency", "special"),
    },
    "destination": {
        "prefix": c.matching("[0-9]{1,15}", "1 to 15 digits without +"),
        "match": c.one_of("prefix", "exact"),
        "zone_id": c.ident,
        **_VALID,
    },
    "roaming_zone": {"country": _COUNTRY, "roaming_zone": c.ident},
    "rate": {
        "rate_id": c.ident,
        "plan_id": c.ident_or_all,
        "service": c.one_of(*SERVICES),
        "zone_id": c.ident_or_all,
        "roaming_zone": c.ident_or_all,
        "rating_group": c.ident_or_all,
        **_QUANTITY,
        "connect_fee": c.optional(c.amount),
        "minimum": c.optional(c.amount),
        "maximum": c.optional(c.amount),
        "band_set": c.optional(c.ident),
        "discountable": c.truth,
        "zero_rated": c.truth,
        "digits": _DIGITS,
        "rounding": _ROUNDING,
        "tax_category": c.ident,
        **_VALID,
    },
    "time_band": {
        "band_set": c.ident,
        "band_id": c.ident,
        "priority": c.whole(0, 10**6),
        "weekdays": c.weekdays,
        "day_type": c.one_of("any", "holiday"),
        "from": c.clock_seconds,
        "to": c.clock_seconds,
        "factor": c.positive_ratio,
    },
    "holiday": {"calendar": c.ident, "date": c.day, "name": c.words},
    "discount": {
        "discount_id": c.ident,
        "stage": c.one_of("rating", "billing"),
        "apply_order": c.whole(1, 10**6),
        "stacks": c.truth,
        "fact": c.one_of("student", "tenure_months"),
        "threshold": c.whole(0, 1200),
        "percent": c.percent,
        **_VALID,
    },
    "carrier_rate": {
        "cost_id": c.ident,
        "carrier_id": c.ident_or_all,
        "service": c.one_of(*SERVICES),
        "call_type": c.one_of("local", "national", "international", "any", c.ALL),
        "country": _CARRIER_COUNTRY,
        **_QUANTITY,
        "digits": _DIGITS,
        "rounding": _ROUNDING,
        "markup": c.optional(c.positive_ratio),
        "markup_digits": c.optional(_DIGITS),
        **_VALID,
    },
    "own_range": {"prefix": _PREFIX},
    "fee": {
        "fee_id": c.ident,
        "kind": c.one_of("recurring", "deposit", "invoice"),
        "plan_id": c.ident_or_all,
        "name": c.words,
        "amount": c.amount,
        "proration": c.one_of("none", "days"),
        "tax_category": c.ident,
        **_VALID,
    },
    "allowance": {
        "allowance_id": c.ident,
        "plan_id": c.ident,
        "name": c.words,
        "service": c.one_of(*SERVICES),
        "zone_id": c.ident,
        "unit": _UNIT,
        "quantity": c.whole(1),
        "proration": c.one_of("none", "days"),
        **_VALID,
    },
    "tax": {
        "tax_id": c.ident,
        "jurisdiction": c.ident,
        "tax_category": c.ident,
        "name": c.words,
        "percent": c.tax_percent,
        **_VALID,
    },
}
NEEDS_ROWS = ("operator", "currency", "plan", "zone")
OPERATOR_KEYS: dict[str, c.Cell] = {
    "name": c.words,
    "currency": _CURRENCY,
    "time_zone": c.words,
    "holiday_calendar": c.optional(c.ident),
    "rating_groups": c.optional(c.matching("[A-Za-z0-9_-]+( [A-Za-z0-9_-]+)*", "ids separated by one space")),
    "bands_from": c.day,
    "bands_to": c.day,
}


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
        """SHA-256 of the canonical rows: columns in the reference's order, lines sorted."""
        sha = hashlib.sha256()
        for file, columns in COLUMNS.items():
            lines = sorted(json.dumps([file, *(cells[name] for name in columns)]) for _, cells in self.raw[file])
            sha.update(("\n".join(lines) + "\n").encode())
        return sha.hexdigest()


def read_source_book(folder: Path) -> tuple[SourceBook | None, list[Finding]]:
    """Read every file of a price book folder.

    Returns the book and what is wrong with its cells; no book where a file or the operator's lines cannot be used.
    """
    findings: list[Finding] = []
    raw: dict[str, list[tuple[int, dict[str, str]]]] = {}
    for file in COLUMNS:
        try:
            raw[file] = list(_lines(folder / f"{file}.csv", findings))
        except _Unusable as problem:
            findings.append(Finding(f"{file}.csv", 0, str(problem)))
    if len(raw) < len(COLUMNS):
        return None, findings
    operator = _operator(raw["operator"], findings)
    if operator is None:
        return None, findings
    rows = {file: list(_parsed(file, raw[file], operator.zone, findings)) for file in COLUMNS if file != "operator"}
    return SourceBook(operator, rows, raw), findings


class _Unusable(ValueError):
    """A file that cannot be read at all."""


def _lines(path: Path, findings: list[Finding]) -> Iterator[tuple[int, dict[str, str]]]:
    columns = COLUMNS[path.stem]
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise _Unusable("the file is missing; a file with nothing to say holds its header") from None
    except UnicodeDecodeError as problem:
        raise _Unusable(f"expected UTF-8, found byte {problem.object[problem.start]:#x}") from None
    reader = csv.reader(text.splitlines())
    header = next(reader, [])
    if sorted(header) != sorted(columns):
        raise _Unusable(f"expected the columns {', '.join(columns)}; found {', '.join(header) or 'no header'}")
    count = 0
    for line in reader:
        count += 1
        if len(line) == len(header):
            yield reader.line_num, dict(zip(header, line, strict=True))
        else:
            findings.append(Finding(path.name, reader.line_num, f"expected {len(header)} cells, found {len(line)}"))
    if not count and path.stem in NEEDS_ROWS:
        findings.append(Finding(path.name, 0, "expected at least one row"))


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
    utc = ZoneInfo("UTC")
    values: dict[str, Any] = {}
    for number, cells in lines:
        key, text = cells["key"], cells["value"]
        if key not in OPERATOR_KEYS or key in values:
            problem = "stands twice" if key in values else f"expected one of {', '.join(OPERATOR_KEYS)}"
            findings.append(Finding("operator.csv", number, f"key {key!r}: {problem}"))
            continue
        try:
            values[key] = ZoneInfo(text) if key == "time_zone" else OPERATOR_KEYS[key](text, utc)
        except (ValueError, ZoneInfoNotFoundError) as problem:
            reason = "expected an IANA time zone" if key == "time_zone" else str(problem)
            findings.append(Finding("operator.csv", number, f"{key}: {reason}, found {text!r}"))
            values[key] = None
    missing = [key for key in OPERATOR_KEYS if key not in values]
    if missing:
        findings.append(Finding("operator.csv", 0, f"missing keys: {', '.join(missing)}"))
    if len(findings) > before:
        return None
    if values["bands_from"] >= values["bands_to"]:
        findings.append(Finding("operator.csv", 0, "bands_from must be before bands_to"))
        return None
    groups = tuple((values["rating_groups"] or "").split())
    return Operator(
        values["name"], values["currency"], values["time_zone"], values["holiday_calendar"], groups,
        values["bands_from"], values["bands_to"],
    )  # fmt: skip
