"""Instants as arguments."""

from __future__ import annotations

import argparse
from datetime import datetime, timezone


def instant(text: str) -> datetime:
    """An argument such as 2026-11-01T04:00:00Z, or the date whose first moment in UTC it is."""
    try:
        found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        found = None
    if found is None or (found.tzinfo is None and len(text) != len("2026-11-01")):
        raise argparse.ArgumentTypeError(
            f"not a date or an instant with its offset: {text}; for example 2026-11-01 or 2026-11-01T04:00:00Z"
        )
    return found.replace(tzinfo=timezone.utc) if found.tzinfo is None else found.astimezone(timezone.utc)
