"""Which versions of an account's rated events a bill run carries."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from tollgate.oracle.lines import RatedEvent

Version = tuple[str, str, int]
"""Source, event id and revision."""


def version_of(event: RatedEvent) -> Version:
    """What names a row version."""
    return event.source, event.event_id, event.revision


def due_versions(known: Iterable[RatedEvent], carried: Collection[Version], end_us: int) -> list[RatedEvent]:
    """Versions begun before `end_us` that no posted run carries; what was taken back before it was billed never is,
    and neither is what took it back.

    known: all versions of the account up to the pinned rating run; carried: those on posted runs.
    """
    waiting = [event for event in known if version_of(event) not in carried and event.started_at < end_us]
    taken_back = {_corrected(event) for event in waiting if event.kind == "reversal"}
    return [
        event
        for event in waiting
        if (_corrected(event) in carried if event.kind == "reversal" else version_of(event) not in taken_back)
    ]


def _corrected(event: RatedEvent) -> Version:
    return event.source, event.event_id, event.corrects or 0
