"""What must hold in a price book before it is published; every finding at once."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

from tollgate.reference import references
from tollgate.reference.allowance_checks import allowance_findings
from tollgate.reference.band_checks import band_findings
from tollgate.reference.contradictions import contradictions
from tollgate.reference.exactness import amount_type, too_fine_chains, too_fine_discounts
from tollgate.reference.pricebook_files import Finding, SourceBook, SourceRow, read_source_book
from tollgate.reference.rate_contradictions import validity_splits
from tollgate.reference.rate_keys import COST_CELLS, RATE_CELLS, Gap, cost_keys, rate_keys, resolve
from tollgate.reference.spend_limit_checks import spend_limit_findings
from tollgate.reference.top_up_checks import top_up_findings

UNIQUE = (
    ("currency", ("currency",)),
    ("plan", ("plan_id",)),
    ("zone", ("zone_id",)),
    ("roaming_zone", ("country",)),
    ("rate", ("rate_id",)),
    ("tier", ("rate_id", "from_units")),
    ("segment", ("rate_id", "from_units")),
    ("time_band", ("band_set", "priority")),
    ("holiday", ("calendar", "date")),
    ("discount", ("discount_id",)),
    ("discount", ("stage", "apply_order")),
    ("carrier_rate", ("cost_id",)),
    ("own_range", ("prefix",)),
    ("fee", ("fee_id",)),
    ("allowance", ("allowance_id", "service", "zone_id", "band")),
    ("spend_limit", ("limit_id",)),
    ("tax", ("tax_id",)),
)
DISJOINT = (
    ("destination", ("match", "prefix")),
    ("rate", RATE_CELLS),
    ("carrier_rate", COST_CELLS),
    ("tax", ("jurisdiction", "tax_category")),
    ("top_up", ("plan_id",)),
)


def check_price_book(folder: Path) -> tuple[SourceBook | None, list[Finding]]:
    """Read and check a price book folder; publish only if the findings are empty.

    Findings are in order of file and line, without repetition.
    """
    book, findings = read_source_book(folder)
    if book is not None:
        findings += references.unknown(book)
        for check in (
            *(
                _duplicates,
                _overlaps,
                _gaps,
                contradictions,
                allowance_findings,
                spend_limit_findings,
                validity_splits,
                band_findings,
            ),
            _exactness,
            top_up_findings,
        ):
            findings += check(book)
    return book, sorted(set(findings))


def _duplicates(book: SourceBook) -> Iterator[Finding]:
    for file, columns in UNIQUE:
        first: dict[tuple[object, ...], int] = {}
        for row in book.rows[file]:
            key = tuple(row[column] for column in columns)
            if key in first:
                yield row.finding(f"duplicate {' and '.join(columns)} {_shown(key)}, first in line {first[key]}")
            first.setdefault(key, row.line)


def _overlaps(book: SourceBook) -> Iterator[Finding]:
    for file, columns in DISJOINT:
        for key, rows in _grouped(book.rows[file], columns).items():
            for earlier, row in itertools.pairwise(rows):
                if row["valid_from"] < earlier["valid_to"]:
                    until = min(row["valid_to"], earlier["valid_to"])
                    span = f"{_moment(row['valid_from'])} to {_moment(until)}"
                    yield row.finding(f"overlap with line {earlier.line} for {_shown(key)}: both valid {span}")


def _gaps(book: SourceBook) -> Iterator[Finding]:
    _, retail = resolve(book.rows["rate"], RATE_CELLS, rate_keys(book))
    _, wholesale = resolve(book.rows["carrier_rate"], COST_CELLS, cost_keys(book))
    by_pair: dict[tuple[int, int, str], list[Gap]] = defaultdict(list)
    for gap in (*retail, *wholesale):
        by_pair[gap.ends.line, gap.resumes.line, gap.resumes.file].append(gap)
    for gaps in by_pair.values():
        gap = gaps[0]
        span = f"{_moment(gap.ends['valid_to'])} to {_moment(gap.resumes['valid_from'])}"
        more = f" and {len(gaps) - 1} more keys" if len(gaps) > 1 else ""
        yield gap.resumes.finding(f"gap after line {gap.ends.line} for {_shown(gap.key)}{more}: no row {span}")
    for key, rows in _grouped(book.rows["destination"], ("match", "prefix")).items():
        for earlier, row in itertools.pairwise(rows):
            if earlier["valid_to"] < row["valid_from"]:
                span = f"{_moment(earlier['valid_to'])} to {_moment(row['valid_from'])}"
                yield row.finding(f"gap after line {earlier.line} for {_shown(key)}: no row {span}")


def _exactness(book: SourceBook) -> list[Finding]:
    return [*amount_type(book)[1], *too_fine_chains(book), *too_fine_discounts(book)]


def _grouped(rows: Iterable[SourceRow], columns: Sequence[str]) -> dict[tuple[str, ...], list[SourceRow]]:
    groups: dict[tuple[str, ...], list[SourceRow]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: (row["valid_from"], row.line)):
        groups[tuple(row[column] for column in columns)].append(row)
    return groups


def _shown(key: Iterable[object]) -> str:
    return " ".join(str(part) for part in key)


def _moment(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
