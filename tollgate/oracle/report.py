"""The oracle's report: how much was compared, how much differs, and the first differences."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Any

SHOWN = 20


@dataclass
class Comparison:
    """One kind of thing compared: rated rows, billed events, lines, invoices."""

    compared: int = 0
    different: int = 0
    fields: Counter[str] = field(default_factory=Counter)
    first: list[dict[str, Any]] = field(default_factory=list)

    def compare(self, key: str, expected: dict[str, Any] | None, found: dict[str, Any] | None) -> None:
        """Count one pair by its key; None on one side is a missing or an unexpected row."""
        self.compared += 1
        if expected is not None and found is not None:
            # Nearly all are equal, and all of them at once are looked at faster than one by one.
            if expected.items() <= found.items():
                return
            names = [name for name, value in expected.items() if found[name] != value]
        else:
            names = ["missing" if found is None else "unexpected"]
        if not names:
            return
        self.different += 1
        self.fields.update(names)
        if len(self.first) < SHOWN:
            self.first.append({"key": key, "fields": {name: _pair(name, expected, found) for name in names}})

    def as_json(self) -> dict[str, Any]:
        """Numbers and texts for JSON; amounts are text."""
        return {
            "compared": self.compared,
            "different": self.different,
            "fields": dict(self.fields),
            "first": self.first,
        }


@dataclass
class Report:
    """All comparisons of one run of the oracle, and the totals of money on both sides."""

    comparisons: dict[str, Comparison] = field(default_factory=dict)
    totals: dict[str, dict[str, str]] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def is_equal(self) -> bool:
        """Whether nothing differs, to the last digit."""
        return all(one.different == 0 for one in self.comparisons.values())

    def comparison(self, kind: str) -> Comparison:
        """The comparison of a kind, made at its first use."""
        return self.comparisons.setdefault(kind, Comparison())

    def total(self, name: str, expected_micros: int, found_micros: int) -> None:
        """State a sum of money on both sides."""
        sides = {"oracle": expected_micros, "tables": found_micros}
        self.totals[name] = {side: str(Decimal(amount).scaleb(-6)) for side, amount in sides.items()}

    def as_json(self) -> dict[str, Any]:
        """The report for JSON; amounts are text."""
        return {
            "equal": self.is_equal,
            "compared": {kind: one.compared for kind, one in self.comparisons.items()},
            "different": {kind: one.different for kind, one in self.comparisons.items()},
            "totals": self.totals,
            "details": {kind: one.as_json() for kind, one in self.comparisons.items()},
            "seconds": round(self.seconds, 1),
        }


def _pair(name: str, expected: dict[str, Any] | None, found: dict[str, Any] | None) -> dict[str, Any]:
    sides = {"oracle": expected, "tables": found}
    if name in ("missing", "unexpected"):
        return {
            side: {key: _text(value) for key, value in row.items()} for side, row in sides.items() if row is not None
        }
    return {side: _text(row[name]) for side, row in sides.items() if row is not None}


def _text(value: Any) -> Any:
    if isinstance(value, (Decimal, Fraction)):
        return str(value)
    if isinstance(value, (tuple, list)):
        return [_text(one) for one in value]
    return value if value is None or isinstance(value, (int, str, bool)) else str(value)
