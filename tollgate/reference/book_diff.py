"""What differs between two price books, cell by cell, as their files are written."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from tollgate.reference.pricebook_columns import COLUMNS

# What names a row of a file; a row that is changed in one of these is another row.
KEYS: dict[str, tuple[str, ...]] = {
    "operator": ("key",),
    "currency": ("currency",),
    "plan": ("plan_id",),
    "zone": ("zone_id",),
    "destination": ("match", "prefix", "valid_from"),
    "roaming_zone": ("country",),
    "rate": ("rate_id",),
    "segment": ("rate_id", "from_units"),
    "tier": ("rate_id", "from_units"),
    "carrier_rate": ("cost_id",),
    "time_band": ("band_set", "priority"),
    "holiday": ("calendar", "date"),
    "discount": ("discount_id",),
    "own_range": ("prefix",),
    "fee": ("fee_id",),
    "allowance": ("allowance_id", "service", "zone_id"),
    "tax": ("tax_id",),
}
# Files without validity whose rows change the price of what others name.
_ALWAYS_HOLD = ("segment", "tier", "time_band", "holiday", "own_range", "roaming_zone")
ADDED, REMOVED, CHANGED = "added", "removed", "changed"

Cells = Mapping[str, str]


class Difference(NamedTuple):
    """A cell that differs, or a row that only one book has: column is empty then, and old or new all of its cells."""

    file: str
    key: str
    kind: str
    column: str
    old: str | None
    new: str | None

    def __str__(self) -> str:
        place = f"{self.file}.csv: {self.key}"
        if self.kind == CHANGED:
            return f"{place}: {self.column}: {self.old!r} is now {self.new!r}"
        return f"{place}: {self.kind}: {self.new if self.kind == ADDED else self.old}"


def differences(old: Mapping[str, Iterable[Cells]], new: Mapping[str, Iterable[Cells]]) -> list[Difference]:
    """Every difference from `old` to `new`, by file in the order of docs/pricebook.md, then by key.

    old, new: the rows of each file as text cells by column. A file or column that one of them lacks, because it was
    published before the file or column was, is empty there. The order of rows says nothing.
    """
    found: list[Difference] = []
    for file in dict.fromkeys([*COLUMNS, *old, *new]):
        before, after = _by_key(file, old.get(file, ())), _by_key(file, new.get(file, ()))
        for key in sorted({*before, *after}):
            found += _of_row(file, key, before.get(key), after.get(key))
    return found


def reaching_back(found: Sequence[Difference]) -> list[Difference]:
    """Those that change what held already, for usage of the past too as soon as it is rated.

    That is a row that is gone, another cell than its name or the end of its validity, and a new row of a file without
    validity that is not a part of a new rate.
    """
    new_rates = {one.key for one in found if (one.file, one.kind) == ("rate", ADDED)}
    harmless = {ADDED: lambda one: one.file not in _ALWAYS_HOLD or one.key.partition(" ")[0] in new_rates,
                CHANGED: lambda one: one.column in ("name", "valid_to"), REMOVED: lambda _: False}  # fmt: skip
    return [one for one in found if not harmless[one.kind](one)]


def _by_key(file: str, rows: Iterable[Cells]) -> dict[str, Cells]:
    """Rows by their key in words; a key that stands twice is numbered, since a folder need not be free of findings."""
    seen: Counter[str] = Counter()
    found: dict[str, Cells] = {}
    for row in rows:
        names: Sequence[str] = KEYS.get(file) or tuple(row)
        key = " ".join(row.get(name, "") for name in names)
        seen[key] += 1
        found[key if seen[key] == 1 else f"{key} ({seen[key]})"] = row
    return found


def _of_row(file: str, key: str, old: Cells | None, new: Cells | None) -> Iterator[Difference]:
    if old is None and new is not None:
        yield Difference(file, key, ADDED, "", None, _told(new))
    elif new is None and old is not None:
        yield Difference(file, key, REMOVED, "", _told(old), None)
    elif old is not None and new is not None:
        for column in dict.fromkeys([*old, *new]):
            before, after = old.get(column, ""), new.get(column, "")
            if before != after:
                yield Difference(file, key, CHANGED, column, before, after)


def _told(row: Cells) -> str:
    return json.dumps({name: cell for name, cell in row.items() if cell}, ensure_ascii=False)
