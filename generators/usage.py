"""A month of usage as a plan: who, what, when, where to, how dirty, when it arrives. Arrays, written out lazily."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from generators import cdr, dirt
from generators.cdr import Calls, GeneratedRecord
from generators.customers import Population, local_midnight_ms, months_later
from generators.destinations import KINDS, NATIONAL, ON_NET, NumberPlan
from generators.dirt import COPY_DELAY, LATE, MILLION, DirtRates
from generators.draws import Draws, Ints
from generators.holders import Holders
from generators.network import SITES, TECHNOLOGIES, TIME_ZONE, VISITED, VISITED_TECHNOLOGIES
from generators.profiles import DATA, PROFILES, VOICE, Profile
from generators.truth import CLEAN_LABELS, labels

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
BOUNDARY_SECONDS = (0, 59, 60, 61)
LONGEST_ORDINARY_CALL_S, LONG_CALL_S = 14_000, 14_400
_TECHNOLOGY_SHARE = (3, 10, 55, 32)
_CARRIER_SHARE = (50, 30, 20)
_LATENCY_MS = (2_000, 92_000)
_BAND_EDGES_S = (8 * 3600, 20 * 3600, 24 * 3600)
_SPECIAL_DESTINATIONS = ("premium", "toll_free", "emergency", "special", "satellite", "unassigned")
_ALIAS = next(number for number, label in enumerate(CLEAN_LABELS) if label.name == "technology_alias")


@dataclass(frozen=True)
class UsagePlan:
    """Records of one month in the order of their arrival: `calls` are the originals, `copy_of` what the rest repeats.

    order: originals by number, then copies from len(calls) on. arrival_ms: epoch milliseconds, ascending. Arrivals
    may lie weeks
    after the month.
    """

    calls: Calls
    copy_of: Ints
    order: Ints
    arrival_ms: Ints

    def __len__(self) -> int:
        return len(self.order)

    def records(self, lo_arrival: int | None = None, hi_arrival: int | None = None) -> Iterator[GeneratedRecord]:
        """(key, value, arrival_ms, truth) of what arrives in [lo_arrival, hi_arrival), epoch milliseconds, lazily."""
        lo = 0 if lo_arrival is None else int(np.searchsorted(self.arrival_ms, lo_arrival))
        hi = len(self) if hi_arrival is None else int(np.searchsorted(self.arrival_ms, hi_arrival))
        return cdr.write(self.calls, self.copy_of, self.order[lo:hi], self.arrival_ms[lo:hi])

    def count(self, lo_arrival: int | None = None, hi_arrival: int | None = None) -> int:
        """How many records `records` gives for the same bounds."""
        lo = 0 if lo_arrival is None else int(np.searchsorted(self.arrival_ms, lo_arrival))
        return (len(self) if hi_arrival is None else int(np.searchsorted(self.arrival_ms, hi_arrival))) - lo


def plan_usage(
    population: Population,
    seed: int,
    events: int,
    month: str = "2026-10",
    profile: str = "normal",
    rates: DirtRates | None = None,
    until: date | None = None,
) -> UsagePlan:
    """Plan `events` records, copies included, of usage that starts in the local month, before `until` when given.

    A profile with a rate plans so many times as many.
    Event ids carry the month and a digest of these arguments: the same plan gives the same ids and bytes, another
    plan other ids.
    ValueError for an unknown profile or month, or too few events.
    """
    rates = rates or DirtRates()
    lo_ms, hi_ms = _bounds(month, until)
    if profile not in PROFILES:
        raise ValueError(f"profile: expected one of {', '.join(PROFILES)}, found {profile}")
    if events < 1:
        raise ValueError(f"events: expected at least 1, found {events}")
    told = "|".join(
        map(str, (population.seed, len(population.lines), seed, events, month, profile, *astuple(rates), until or ""))
    )
    draws = Draws("usage", told)
    events *= PROFILES[profile].rate
    copies, conflicts = (rate * events // MILLION for rate in (rates.exact_copy, rates.id_conflict))
    size = events - copies - conflicts
    prefix = f"{month.replace('-', '')}-{hashlib.sha256(told.encode()).hexdigest()[:6]}"
    calls = _calls(draws, Holders(population), PROFILES[profile], size, events, lo_ms, hi_ms, rates, prefix)
    return _with_copies(draws, calls, copies, conflicts)


def _bounds(month: str, until: date | None) -> tuple[int, int]:
    try:
        first = datetime.strptime(month, "%Y-%m").date()
    except ValueError:
        raise ValueError(f"month: expected YYYY-MM, found {month}") from None
    last = min(months_later(first, 1), until) if until else months_later(first, 1)
    if last <= first:
        raise ValueError(f"until: expected a day after {first}, found {until}")
    return local_midnight_ms(first), local_midnight_ms(last)


def _calls(
    draws: Draws,
    holders: Holders,
    profile: Profile,
    size: int,
    events: int,
    lo_ms: int,
    hi_ms: int,
    rates: DirtRates,
    prefix: str,
) -> Calls:
    service = draws.pick("service", size, profile.services)
    visited = np.where(draws.uniform("roaming", size) < profile.roaming, draws.below("visited", size, len(VISITED)), -1)
    called_kind = _called_kinds(draws, profile, service, visited)
    plan = NumberPlan(holders.numbers)
    stem, suffix = plan.draw(draws, called_kind)
    kind = dirt.draw_kinds(draws, rates, _features(service, visited, called_kind, stem, plan), size, events)
    outcome = cdr.draw_outcomes(draws, service)
    # A long call is flagged for itself, so it is never dirty as well.
    long_call = (
        (draws.uniform("long_call", size) < 0.0004) & (service == VOICE) & cdr.is_connected(outcome) & (kind < 0)
    )
    duration_s = _durations(draws, service, outcome, long_call)
    start_ms, at_edge = _starts(draws, profile, service, duration_s, ~long_call & (visited < 0), lo_ms, hi_ms)
    line = holders.draw_lines(draws, profile, start_ms, lo_ms, hi_ms)
    stranger = draws.uniform("stranger", size) < 0.002
    caller = np.where(
        stranger,
        holders.unheld + draws.below("stranger.number", size, holders.unheld_count),
        holders.number_at(line, start_ms),
    )
    stem = np.where(called_kind == ON_NET, plan.on_net + holders.draw_called(draws, line, start_ms, caller), stem)
    label = labels(kind, {
        "no_subscriber": stranger,
        "suspended_line": holders.is_suspended(line, start_ms),
        "no_plan": holders.has_no_plan(line, start_ms),
        "long_call": long_call,
        "band_edge": at_edge,
        "technology_alias": draws.uniform("radio_alias", size) < 0.1,
        **{name: (called_kind == KINDS.index(name)) & (service != DATA) for name in _SPECIAL_DESTINATIONS},
    })  # fmt: skip
    video = (draws.uniform("video", size) < profile.video) & (service == DATA)
    return Calls(
        prefix=prefix, plan=plan, holders=holders, lo_ms=lo_ms - DAY_MS, hours=(hi_ms - lo_ms) // HOUR_MS + 96,
        service=service, line=np.where(stranger, holders.stranger, line), caller=caller, start_ms=start_ms,
        duration_s=duration_s,
        volume_bytes=_volumes(draws, video), stem=stem, suffix=suffix, visited=visited,
        cell=_cells(draws, profile, holders.home_site[line], visited), carrier=draws.pick("carrier", size,
        _CARRIER_SHARE),
        alias=label == _ALIAS, video=video, outcome=outcome,
        has_end=draws.uniform("end_time", size) < 0.5, label=label, salt=draws.below("salt", size, 2**31),
        arrival_ms=start_ms + duration_s * 1000 + _delays(draws, kind),
    )  # fmt: skip


def _features(
    service: Ints, visited: Ints, called_kind: Ints, stem: Ints, plan: NumberPlan
) -> dict[str, NDArray[np.bool_]]:
    """What kinds of dirt may need; stem: of the called number, any for an on-net one: those are all of one form."""
    stem = np.where(called_kind == ON_NET, plan.on_net, stem)
    called = service != DATA
    # Without its plus, a number of a code that nobody owns is no longer one that can be mended.
    plain = called & ~plan.is_short[stem] & (called_kind != KINDS.index("unassigned"))
    return {
        "voice": service == VOICE, "data": service == DATA, "called": called, "home": visited < 0,
        "destination_plain": plain,
        "destination_long": plain & plan.is_long[stem], "destination_north_american": plain &
        plan.is_north_american[stem],
    }  # fmt: skip


def _starts(
    draws: Draws, profile: Profile, service: Ints, duration_s: Ints, movable: NDArray[np.bool_], lo_ms: int, hi_ms: int
) -> tuple[Ints, NDArray[np.bool_]]:
    """Starts by the rhythm of day and week; some voice calls are moved so that a band edge falls into them."""
    size = len(service)
    hours = np.arange(lo_ms - DAY_MS, hi_ms + DAY_MS, HOUR_MS, dtype=np.int64)
    local = [datetime.fromtimestamp(hour_ms // 1000, ZoneInfo(TIME_ZONE)) for hour_ms in hours.tolist()]
    month = (hours >= lo_ms) & (hours < hi_ms)
    weights = [profile.hours[hour.hour] * (profile.weekend_percent if hour.weekday() > 4 else 100) for hour in local]
    start_ms = hours[draws.pick("hour", size, np.array(weights) * month)] + draws.below("millisecond", size, HOUR_MS)
    # The switch writes whole seconds, the data gateway milliseconds.
    start_ms = np.where(service == DATA, start_ms, start_ms // 1000 * 1000)
    offset_ms = np.array([int((hour.utcoffset() or timedelta(0)).total_seconds()) * 1000 for hour in local])
    local_ms = start_ms + offset_ms[(start_ms - hours[0]) // HOUR_MS]
    edge_s = np.array(_BAND_EDGES_S)[draws.below("band_edge.which", size, len(_BAND_EDGES_S))]
    moved_ms = start_ms - local_ms % DAY_MS + (edge_s - duration_s // 2) * 1000
    at_edge = (draws.uniform("band_edge", size) < 0.008) & (service == VOICE) & (duration_s > 1) & movable
    at_edge &= (moved_ms >= lo_ms) & (moved_ms < hi_ms)
    return np.where(at_edge, moved_ms, start_ms), at_edge


def _called_kinds(draws: Draws, profile: Profile, service: Ints, visited: Ints) -> Ints:
    size = len(service)
    kinds = np.where(
        service == VOICE,
        draws.pick("called.voice", size, profile.voice_to),
        draws.pick("called.message", size, profile.message_to),
    )
    abroad = (visited >= 0) & (kinds > KINDS.index("international"))
    return np.where((service == DATA) | abroad, NATIONAL, kinds)


def _durations(draws: Draws, service: Ints, outcome: Ints, long_call: NDArray[np.bool_]) -> Ints:
    size = len(service)
    talk = draws.pareto("talk", size, 35, LONGEST_ORDINARY_CALL_S)
    boundary = np.array(BOUNDARY_SECONDS)[draws.below("boundary.which", size, len(BOUNDARY_SECONDS))]
    talk = np.where(draws.uniform("boundary", size) < 0.03, boundary, talk)
    talk = np.where(long_call, LONG_CALL_S + 1 + draws.below("long_call.seconds", size, 6_000), talk)
    session = 20 + draws.pareto("session", size, 90, 7_000)
    return np.where(
        service == VOICE, np.where(cdr.is_connected(outcome), talk, 0), np.where(service == DATA, session, 0)
    )


def _volumes(draws: Draws, video: NDArray[np.bool_]) -> Ints:
    size = len(video)
    return draws.pareto("volume", size, np.where(video, 12_000_000, 1_500_000), 3_000_000_000) + draws.below(
        "volume.rest", size, 1_000
    )


def _cells(draws: Draws, profile: Profile, home_site: Ints, visited: Ints) -> Ints:
    size = len(visited)
    elsewhere = draws.uniform("site", size) >= profile.at_home_site
    site = np.where(elsewhere, draws.below("site.elsewhere", size, SITES), home_site)
    at_home = site * len(TECHNOLOGIES) + draws.pick("technology", size, _TECHNOLOGY_SHARE)
    abroad = SITES * len(TECHNOLOGIES) + visited * len(VISITED_TECHNOLOGIES) + draws.below("technology.abroad", size, 2)
    return np.where(visited >= 0, abroad, at_home)


def _delays(draws: Draws, kind: Ints) -> Ints:
    """Milliseconds from the end of each event to its arrival; kind: index into dirt.KINDS + dirt.LATE_KINDS."""
    size = len(kind)
    delay_ms = _LATENCY_MS[0] + draws.below("latency", size, _LATENCY_MS[1] - _LATENCY_MS[0])
    is_late = kind >= len(dirt.KINDS)
    low, high = (np.array([bounds[which] for bounds in LATE])[kind[is_late] - len(dirt.KINDS)] for which in (1, 2))
    delay_ms[is_late] = (low + draws.below("lateness", len(low), high - low)) * 1000
    return delay_ms


def _with_copies(draws: Draws, calls: Calls, copies: int, conflicts: int) -> UsagePlan:
    clean = np.flatnonzero(calls.label < len(CLEAN_LABELS))
    chosen = clean[draws.order("copies", len(clean))[: copies + conflicts]]
    _, delay_s = draws.between("copies.delay", COPY_DELAY, len(chosen))
    arrival_ms = np.concatenate([calls.arrival_ms, calls.arrival_ms[chosen] + delay_s * 1000])
    copy_of = np.where(np.arange(len(chosen)) < copies, chosen, -1 - chosen)  # a conflict is stored as -1 - original
    order = np.argsort(arrival_ms, kind="stable")
    return UsagePlan(calls, copy_of, order, arrival_ms[order])
