"""A row of the benchmark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Row:
    """One measurement. bar: what must hold; aim: what is worked towards; better: higher or lower.

    ours, baseline: the two times in seconds behind a ratio, which is baseline / ours where higher is better and
    ours / baseline where lower is; None for a plain measurement.
    """

    name: str
    value: float
    bar: float
    aim: float
    unit: str
    better: str = "higher"
    ours: float | None = None
    baseline: float | None = None

    @property
    def ok(self) -> bool:
        """Whether the bar holds."""
        return self.value >= self.bar if self.better == "higher" else self.value <= self.bar

    def as_dict(self) -> dict[str, Any]:
        """For JSON, `ok` included; numbers with four significant digits."""
        rounded = {
            name: float(f"{number:.4g}") if isinstance(number, float) else number
            for name, number in asdict(self).items()
        }
        return {**rounded, "ok": self.ok}


def told(rows: Sequence[Row]) -> str:
    """Rows as lines of text."""
    lines = [f"{'name':<30}{'value':>12}  {'unit':<12}{'bar':>10}{'aim':>10}  ok"]
    for row in rows:
        verdict = "yes" if row.ok else "NO"
        lines.append(f"{row.name:<30}{row.value:>12,.1f}  {row.unit:<12}{row.bar:>10,g}{row.aim:>10,g}  {verdict}")
    return "\n".join(lines)
