"""Corrected events on a bill: what a reversal gives back of a posted bill, and which free units a correction keeps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date

from tollgate.oracle.lines import BilledEvent, RatedEvent, Slice
from tollgate.oracle.tiers import Counts, tier_counter


class PostedVersions:
    """The last version of each event that posted bills of the account have."""

    def __init__(self, earlier: Iterable[BilledEvent]) -> None:
        self._last: dict[tuple[str, str], BilledEvent] = {}
        for one in sorted(earlier, key=lambda one: one.event.revision):
            self._last[one.event.source, one.event.event_id] = one

    def of(self, event: RatedEvent) -> BilledEvent | None:
        """What stands billed of the event of a reversal or a correction; None where nothing does."""
        found = None if event.kind == "original" else self._last.get((event.source, event.event_id))
        return None if found is None or found.event.kind == "reversal" else found

    def standing(self) -> Iterator[BilledEvent]:
        """What stands billed of each event."""
        return (one for one in self._last.values() if one.event.kind != "reversal")


def line_kind(event: RatedEvent, was: BilledEvent | None, origin: date, cycle_start: date) -> str:
    """The kind of the line that carries an event."""
    if origin == cycle_start:
        return "usage"
    return "prior_period" if was is None else f"usage_{event.kind}"


def keeps_slices(event: RatedEvent, was: BilledEvent | None) -> bool:
    """Whether a correction charges the same units to the same line and plan, so that it stays as free as it was."""
    if was is None or event.kind != "correction":
        return False
    now, then = event.priced, was.event.priced
    assert now.holding is not None and then.holding is not None
    return now.retail_status == then.retail_status == "rated" and (
        (now.holding.subscription_id, now.holding.plan_id, now.price_source, now.charged_units, now.unit)
        == (then.holding.subscription_id, then.holding.plan_id, then.price_source, then.charged_units, then.unit)
    )


def given_back(event: RatedEvent, was: BilledEvent, line_key: str, origin: date) -> BilledEvent:
    """What a reversal bills: all that was billed, with the other sign."""
    return BilledEvent(
        event, line_key, origin, _negated(was.slices), -was.net_numerator, was.net_denominator, -was.net_charge,
        _negated(was.money_slices), was.tier_places,
    )  # fmt: skip


def settled_before(
    events: Sequence[RatedEvent], posted: PostedVersions
) -> Iterator[tuple[RatedEvent, tuple[Slice, ...]]]:
    """What is known of allowances before any event of the bill takes from one: what reversals give back, units and
    money, and the units that corrections keep."""
    for event in events:
        was = posted.of(event)
        if was is not None and event.kind == "reversal":
            yield event, (*_negated(was.slices), *_negated(was.money_slices))
        elif was is not None and keeps_slices(event, was):
            yield event, was.slices


def settle_places(events: Sequence[RatedEvent], posted: PostedVersions, counts: Counts) -> None:
    """Free the places of what is taken back, and then hold those that corrections keep."""
    corrected = [(event, was) for event in events if (was := posted.of(event)) is not None]
    for event, was in corrected:
        counter = tier_counter(was.event, was.origin_cycle)
        if event.kind == "reversal" and counter is not None:
            counts.free(counter, was.tier_places)
    for event, was in corrected:
        counter = tier_counter(event, was.origin_cycle)
        if counter is not None and keeps_places(event, was):
            counts.hold(counter, was.tier_places)


def keeps_places(event: RatedEvent, was: BilledEvent | None) -> bool:
    """Whether a correction stays where it was in the count of its cycle: as free as it was, and counted by the same."""
    if was is None or not keeps_slices(event, was):
        return False
    counters = [tier_counter(one, was.origin_cycle) for one in (event, was.event)]
    return counters[0] is not None and counters[0] == counters[1]


def _negated(slices: tuple[Slice, ...]) -> tuple[Slice, ...]:
    return tuple(one._replace(units=-one.units) for one in slices)
