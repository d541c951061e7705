"""Writing planned usage out as records of the native JSON dialect, with the truth about each beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from generators.destinations import NumberPlan
from generators.dirt import EXACT_COPY, ID_CONFLICT, to_bytes
from generators.draws import Draws, Ints
from generators.holders import Holders
from generators.network import CARRIERS, RADIO_ALIASES, SOURCES, TECHNOLOGIES, TIME_ZONE, VISITED, cells
from generators.profiles import DATA, MMS, SMS, VOICE
from generators.truth import LABELS, Truth

CHUNK = 8192
MB = 1_000_000  # bytes in the record's megabyte
# What the network says about the end of a call or message: outcome, cause, weight.
_VOICE_OUTCOMES = (
    ("answered", "16", 840), ("dropped", "31", 20), ("no_answer", "19", 80), ("busy", "17", 40), ("failed", "41", 20),
)  # fmt: skip
_MESSAGE_OUTCOMES = (("delivered", "0", 980), ("failed", "27", 20))
_CONNECTED = 2  # answered and dropped come first
_MINUTE_MS, _HOUR_MS = 60_000, 3_600_000
_MSC, _GGSN = (source for source, *_ in SOURCES)

GeneratedRecord = tuple["bytes | None", "bytes | None", int, Truth]


@dataclass(frozen=True)
class Calls:
    """Planned records as columns of one length.

    label: index into LABELS; visited: -1 at home; alias: the radio's name instead of the technology.

    Times are epoch milliseconds; all lie in the `hours` hours after lo_ms. stem, suffix: a number of `plan`; line,
    caller: of `holders`.
    """

    prefix: str
    plan: NumberPlan
    holders: Holders
    lo_ms: int
    hours: int
    service: Ints
    line: Ints
    caller: Ints
    start_ms: Ints
    duration_s: Ints
    volume_bytes: Ints
    stem: Ints
    suffix: Ints
    visited: Ints
    cell: Ints
    carrier: Ints
    alias: NDArray[np.bool_]
    video: NDArray[np.bool_]
    outcome: Ints
    has_end: NDArray[np.bool_]
    label: Ints
    salt: Ints
    arrival_ms: Ints

    def __len__(self) -> int:
        return len(self.service)


def draw_outcomes(draws: Draws, service: Ints) -> Ints:
    """An index into the outcomes of voice, then those of messages."""
    voice = draws.pick("outcome.voice", len(service), [weight for *_, weight in _VOICE_OUTCOMES])
    message = draws.pick("outcome.message", len(service), [weight for *_, weight in _MESSAGE_OUTCOMES])
    return np.where(service == VOICE, voice, len(_VOICE_OUTCOMES) + message)


def is_connected(outcome: Ints) -> NDArray[np.bool_]:
    """Whether a voice call had a conversation."""
    return outcome < _CONNECTED


def write(calls: Calls, copy_of: Ints, order: Ints, arrival_ms: Ints) -> Iterator[GeneratedRecord]:
    """(key, value, arrival_ms, truth) for each entry of `order`: an original's number, or len(calls) + a copy's.

    copy_of: the original of each copy; -1 - original where the copy's content is to differ.
    """
    writer = _Writer(calls)
    both = np.concatenate([np.arange(len(calls)), copy_of])
    for begin in range(0, len(order), CHUNK):
        entry = order[begin : begin + CHUNK]
        original = both[entry]
        is_conflict = original < 0
        number = np.where(is_conflict, -1 - original, original)
        label = np.where(
            is_conflict, len(LABELS) - 1, np.where(entry >= len(calls), len(LABELS) - 2, calls.label[number])
        )
        yield from writer.write(number, label, arrival_ms[begin : begin + CHUNK])


class _Writer:
    """Fragments of JSON that records share, made once; a clean record is then one f-string."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._places, self._links = [], []
        for cell in cells():
            abroad = cell.country != SOURCES[0][2]
            roaming = f'true,"roaming_country":"{cell.country}"' if abroad else "false"
            self._places.append(f'"cell_id":"{cell.cell_id}","roaming":{roaming}')
            technology = TECHNOLOGIES.index(cell.technology)
            for name in (TECHNOLOGIES[technology], RADIO_ALIASES[technology]):
                self._links += [f'"carrier_id":"{carrier}","technology":"{name}"' for carrier, _ in CARRIERS]
        outcomes = (*_VOICE_OUTCOMES, *_MESSAGE_OUTCOMES)
        self._outcomes = [f'"call_outcome":"{outcome}","cause":"{cause}"' for outcome, cause, _ in outcomes]
        zones = [TIME_ZONE, *(there.time_zone for there in VISITED)]
        self._offset_ms = np.array([_offsets(zone, calls.lo_ms, calls.hours) for zone in zones])

    def write(self, number: Ints, label: Ints, arrival_ms: Ints) -> Iterator[GeneratedRecord]:
        calls = self._calls
        prefix, numbers, subscriptions = calls.prefix, calls.holders.numbers, calls.holders.subscription_ids
        places, all_links, outcomes = self._places, self._links, self._outcomes
        start_ms, duration_s, zone = calls.start_ms[number], calls.duration_s[number], calls.visited[number] + 1
        links = (calls.cell[number] * 2 + calls.alias[number]) * len(CARRIERS) + calls.carrier[number]
        rows = zip(
            number.tolist(), label.tolist(), arrival_ms.tolist(), calls.service[number].tolist(),
            calls.line[number].tolist(),
            calls.caller[number].tolist(), self._local(start_ms, zone), self._local(start_ms + duration_s * 1000, zone),
            calls.has_end[number].tolist(), calls.plan.text(calls.stem[number].tolist(), calls.suffix[number].tolist()),
            duration_s.tolist(), calls.volume_bytes[number].tolist(), calls.cell[number].tolist(), links.tolist(),
            calls.outcome[number].tolist(), calls.video[number].tolist(), calls.salt[number].tolist(), strict=True,
        )  # fmt: skip
        for (event, kind_number, arrival, service, line, caller, start, end, has_end, called, duration, volume, cell,
        link, outcome,
             is_video, salt) in rows:  # fmt: skip
            event_id = f"{prefix}-{event:08d}"
            who = f'"subscriber_id":"{subscriptions[line]}","msisdn":"{numbers[caller]}"'
            where = f"{places[cell]},{all_links[link]}"
            until = f'"end_time":"{end}",' if has_end else ""
            source = _MSC
            if service == VOICE:
                text = (
                    f'{{"event_id":"{event_id}","source":"{_MSC}",{who},"service_type":"voice","timestamp":"{start}",{until}'
                    f'"destination":"{called}","duration_seconds":"{duration}",{where},{outcomes[outcome]}}}'
                )
            elif service == DATA:
                source = _GGSN
                text = (
                    f'{{"event_id":"{event_id}","source":"{_GGSN}",{who},"service_type":"data","timestamp":"{start}",{until}'
                    f'"duration_seconds":"{duration}","data_volume_mb":"{volume // MB}.{volume % MB:06d}",{where},'
                    f'"rating_group":"{"video" if is_video else "web"}"}}'
                )
            else:
                text = (
                    f'{{"event_id":"{event_id}","source":"{_MSC}",{who},"service_type":"{_MESSAGES[service]}","timestamp":"{start}",'
                    f'"destination":"{called}",{where},{outcomes[outcome]}}}'
                )
            kind = LABELS[kind_number]
            value: bytes | None = text.encode()
            if kind.spoil is not None:
                spoiled = kind.spoil(json.loads(text), salt)
                value = to_bytes(spoiled) if isinstance(spoiled, dict) else spoiled
            key = None if kind.keyless else f"{source}|{event_id}".encode()
            yield key, value, arrival, Truth(event_id, kind, event_id if kind in _COPIES else None)

    def _local(self, instant_ms: Ints, zone: Ints) -> list[str]:
        """ISO-8601 with the offset of each record's zone, to the millisecond where it is not a whole second."""
        offset_ms = self._offset_ms[zone, (instant_ms - self._calls.lo_ms) // _HOUR_MS]
        local = np.datetime_as_string((instant_ms + offset_ms).astype("datetime64[ms]")).tolist()
        suffix = {offset: _offset_text(offset) for offset in np.unique(offset_ms).tolist()}
        return [
            (text[:19] if text[19:] == ".000" else text) + suffix[offset]
            for text, offset in zip(local, offset_ms.tolist(), strict=True)
        ]


_MESSAGES = {SMS: "sms", MMS: "mms"}
_COPIES = (EXACT_COPY, ID_CONFLICT)


def _offsets(zone: str, lo_ms: int, hours: int) -> list[int]:
    """Offset from UTC, milliseconds, at each hour after lo_ms; the zones of VISITED change on whole hours."""
    local = ZoneInfo(zone)
    return [
        _offset(datetime.fromtimestamp(lo_ms // 1000 + hour * 3600, timezone.utc).astimezone(local))
        for hour in range(hours)
    ]


def _offset(local: datetime) -> int:
    offset = local.utcoffset()
    assert offset is not None
    return int(offset.total_seconds()) * 1000


def _offset_text(offset_ms: int) -> str:
    hours, minutes = divmod(abs(offset_ms) // _MINUTE_MS, 60)
    return f"{'-' if offset_ms < 0 else '+'}{hours:02d}:{minutes:02d}"
