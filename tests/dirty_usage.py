"""Usage with every class of dirt in it, for tests of the generators."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from generators.dirt import DirtRates

RATES = DirtRates(
    missing_field=50_000, negative_duration=10_000, malformed_number=15_000, unknown_type=10_000,
    exact_copy=15_000, id_conflict=5_000, late=100_000, unparseable=5_000,
)  # fmt: skip


def local(record: dict[str, Any]) -> datetime:
    """When the record starts by the operator's clock."""
    return datetime.fromisoformat(record["timestamp"]).astimezone(ZoneInfo("America/Toronto"))
