"""Dirt of the records: the classes and kinds, what mediation must make of each, and how each spoils a clean record."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from generators.draws import Draws, Ints

Record = dict[str, Any]
Spoil = Callable[[Record, int], "Record | bytes | None"]
ACCEPTED, QUARANTINED, DUPLICATE = "accepted", "quarantined", "duplicate"
MILLION = 1_000_000


@dataclass(frozen=True)
class DirtRates:
    """Share of each class among the records, in millionths; conf/*.toml has the operator's values (O-14)."""

    missing_field: int = 0
    negative_duration: int = 0
    malformed_number: int = 0
    unknown_type: int = 0
    exact_copy: int = 0
    id_conflict: int = 0
    late: int = 0
    unparseable: int = 0

    @classmethod
    def from_settings(cls, generator: Any) -> DirtRates:
        """The rates of settings.generator, whose keys are these names with _ppm."""
        return cls(**{field.name: getattr(generator, f"{field.name}_ppm") for field in fields(cls)})


class Kind(NamedTuple):
    """One way to be dirty. needs: features of a record that must all hold; spoil None leaves the bytes as they are."""

    dirt_class: str
    name: str
    disposition: str
    code: str
    needs: tuple[str, ...] = ()
    spoil: Spoil | None = None
    keyless: bool = False  # the sender does not know the event's id, so the record has no Kafka key


def _without(field: str) -> Spoil:
    """The field left out, or present and null."""

    def spoil(record: Record, salt: int) -> Record:
        if salt % 2:
            return {**record, field: None}
        return {name: value for name, value in record.items() if name != field}

    return spoil


def _missing(field: str, code: str, *needs: str, disposition: str = QUARANTINED) -> Kind:
    keyless = field in ("event_id", "source")
    return Kind("missing_field", field, disposition, code, needs, _without(field), keyless)


def _number(field: str, form: Callable[[str, int], str]) -> Spoil:
    return lambda record, salt: {**record, field: form(record[field], salt)}


def _letters(number: str, salt: int) -> str:
    at = 5 + salt % 3
    return number[:at] + ("ABC", "OOO", "xyz")[salt // 3 % 3] + number[at + 3 :]


def _non_ascii(number: str, salt: int) -> str:
    """Digits of another script: they look like a number and are none here."""
    zero = (0x0660, 0x0966, 0xFF10)[salt % 3]
    return "+" + "".join(chr(zero + int(digit)) for digit in number[1:])


def _short(number: str, salt: int) -> str:
    return number[: 5 + salt % 2]


def _long(number: str, salt: int) -> str:
    return number + f"{salt % 10**9:09d}"


def _double_prefix(number: str, salt: int) -> str:
    prefixes = ("++", "+00", "+1+", "+100", "00+", "001") if number.startswith("+1") else ("++", "+00", "00+")
    return prefixes[salt % len(prefixes)] + number[1:]


def _spaced(number: str, salt: int) -> str:
    digits = number[1:]
    if number.startswith("+1") and salt % 4 == 0:
        return f"+1 ({digits[1:4]}) {digits[4:7]}-{digits[7:]}"
    joint = (" ", "-", ".")[salt % 3]
    return "+" + joint.join((digits[:3], digits[3:6], digits[6:]))


_UNREPAIRABLE = {
    "letters": _letters,
    "non_ascii_digits": _non_ascii,
    "short": _short,
    "long": _long,
    "double_prefix": _double_prefix,
}
_REPAIRABLE: dict[str, tuple[Callable[[str, int], str], str]] = {
    "double_zero": (lambda number, salt: "00" + number[1:], "plain"),
    "spaces": (_spaced, "plain"),
    "local_form": (lambda number, salt: number[2:], "north_american"),
    # Ten digits without a plus would read as a national number.
    "no_plus": (lambda number, salt: number[1:], "long"),
}


def _malformed(field: str) -> list[Kind]:
    def needs(form: str) -> tuple[str, ...]:
        return (f"destination_{form}",) if field == "destination" else ()

    broken = [
        Kind("malformed_number", name, QUARANTINED, f"{field.upper()}_MALFORMED", needs("plain"), _number(field, form))
        for name, form in _UNREPAIRABLE.items()
    ]
    mendable = [
        Kind(
            "malformed_number", name, ACCEPTED, f"{field.upper()}_NORMALISED", needs(form_needed), _number(field, form)
        )
        for name, (form, form_needed) in _REPAIRABLE.items()
    ]
    return broken + mendable


def _end_before_start(record: Record, salt: int) -> Record:
    year = int(record["timestamp"][:4]) - 1 - salt % 2
    return {**record, "end_time": f"{year}{record['timestamp'][4:]}"}


def _unknown_type(record: Record, salt: int) -> Record:
    return {**record, "service_type": ("fax", "ussd", "telex", "video_call", "voice2", "???")[salt % 6]}


def _truncated(record: Record, salt: int) -> bytes:
    whole = to_bytes(record)
    return whole[: 1 + salt % (len(whole) - 1)]


def _not_json(record: Record, salt: int) -> bytes:
    forms = (f"<cdr id='{record['event_id']}'/>", f"{record['event_id']};{record['timestamp']};", "%%EOF", "event_id=")
    return forms[salt % 4].encode()


def _not_utf8(record: Record, salt: int) -> bytes:
    whole = to_bytes(record)
    at = whole.index(b'"timestamp"') + 1
    return whole[:at] + (b"\xff", b"\xc3\x28", b"\xe9")[salt % 3] + whole[at:]


KINDS: tuple[Kind, ...] = (
    _missing("event_id", "EVENT_ID_MISSING"),
    _missing("source", "SOURCE_MISSING"),
    _missing("service_type", "SERVICE_MISSING"),
    _missing("timestamp", "START_MISSING"),
    _missing("msisdn", "MSISDN_MISSING"),
    _missing("destination", "DESTINATION_MISSING", "called"),
    _missing("duration_seconds", "DURATION_MISSING", "voice"),
    _missing("data_volume_mb", "VOLUME_MISSING", "data"),
    _missing("cell_id", "CELL_MISSING", "home", disposition=ACCEPTED),
    _missing("technology", "TECHNOLOGY_MISSING", disposition=ACCEPTED),
    _missing("call_outcome", "OUTCOME_MISSING", "voice", disposition=ACCEPTED),
    _missing("carrier_id", "CARRIER_MISSING", "called", "home", disposition=ACCEPTED),
    Kind("negative_duration", "duration", QUARANTINED, "DURATION_NEGATIVE", ("voice",),
         lambda record, salt: {**record, "duration_seconds": f"-{1 + salt % 3600}"}),
    Kind("negative_duration", "volume", QUARANTINED, "VOLUME_NEGATIVE", ("data",),
         lambda record, salt: {**record, "data_volume_mb": f"-{1 + salt % 900}.{salt % MILLION:06d}"}),
    Kind("negative_duration", "end_before_start", QUARANTINED, "END_BEFORE_START", ("voice",), _end_before_start),
    *_malformed("msisdn"),
    *_malformed("destination"),
    Kind("unknown_type", "service", QUARANTINED, "SERVICE_UNKNOWN", (), _unknown_type),
    Kind("unparseable", "truncated", QUARANTINED, "PAYLOAD_UNPARSEABLE", (), _truncated, True),
    Kind("unparseable", "not_json", QUARANTINED, "PAYLOAD_UNPARSEABLE", (), _not_json, True),
    Kind("unparseable", "not_utf8", QUARANTINED, "PAYLOAD_NOT_UTF8", (), _not_utf8, True),
    # A broker takes no record without key and value, so the empty one keeps its key.
    Kind("unparseable", "empty", QUARANTINED, "PAYLOAD_MISSING", (), lambda record, salt: None),
)  # fmt: skip

# Late by [low, high) seconds, each with the same chance; none within 100 s of a day, where the flag begins.
LATE = (
    ("minutes", 300, 900), ("minutes", 900, 3600), ("hours", 3600, 14_400), ("hours", 14_400, 86_300),
    ("days", 86_500, 259_200), ("days", 259_200, 604_800), ("weeks", 604_800, 1_814_400),
)  # fmt: skip
LATE_KINDS = tuple(Kind("late", name, ACCEPTED, "LATE" if low > 86_400 else "") for name, low, _ in LATE)


def _changed(record: Record, salt: int) -> Record:
    """Other content under the same id and at the same time."""
    if "data_volume_mb" in record:
        whole, _, part = record["data_volume_mb"].partition(".")
        return {**record, "data_volume_mb": f"{int(whole) + 1 + salt % 5}.{part}"}
    if "duration_seconds" in record:
        longer = {name: value for name, value in record.items() if name != "end_time"}
        return {**longer, "duration_seconds": str(int(record["duration_seconds"]) + 30 + salt % 90)}
    last = record["destination"][-1]
    return {**record, "destination": f"{record['destination'][:-1]}{(int(last) + 1 + salt % 9) % 10}"}


EXACT_COPY = Kind("exact_copy", "copy", DUPLICATE, "")
ID_CONFLICT = Kind("id_conflict", "changed", QUARANTINED, "ID_CONFLICT", (), _changed)
# Copies follow their original by [low, high) seconds, so that they fall into the same batch, a later one or a later
# night.
COPY_DELAY = ((1, 60), (60, 3600), (3600, 86_400), (86_400, 864_000))


def to_bytes(record: Record) -> bytes:
    """Compact JSON in UTF-8."""
    return json.dumps(record, separators=(",", ":"), ensure_ascii=False).encode()


def draw_kinds(
    draws: Draws, rates: DirtRates, features: Mapping[str, NDArray[np.bool_]], size: int, events: int
) -> Ints:
    """An index into KINDS + LATE_KINDS for each record, -1 for clean; as many as the rates say of `events`.

    features: name to BOOLEAN array; a kind is drawn evenly among those whose needs hold.
    """
    every = KINDS + LATE_KINDS
    chosen = np.full(size, -1, np.int64)
    order = draws.order("dirt.order", size)
    # The pickiest classes first, so that the others do not take the records that alone fit them.
    for dirt_class in ("negative_duration", "missing_field", "malformed_number", "unknown_type", "unparseable", "late"):
        numbers = np.array([number for number, kind in enumerate(every) if kind.dirt_class == dirt_class])
        applies: NDArray[np.bool_] = np.array([_holds(every[number].needs, features, size) for number in numbers])
        wanted = getattr(rates, dirt_class) * events // MILLION
        is_free: NDArray[np.bool_] = np.logical_and(chosen < 0, applies.any(axis=0))
        free = order[is_free[order]][:wanted]
        fits = applies[:, free]
        nth = draws.below(f"dirt.{dirt_class}", len(free), fits.sum(axis=0)) + 1
        is_nth: NDArray[np.bool_] = np.logical_and(fits, np.cumsum(fits, axis=0) == nth)
        chosen[free] = numbers[is_nth.argmax(axis=0)]
    return chosen


def _holds(needs: tuple[str, ...], features: Mapping[str, NDArray[np.bool_]], size: int) -> NDArray[np.bool_]:
    return np.logical_and.reduce([np.ones(size, np.bool_), *(features[need] for need in needs)])
