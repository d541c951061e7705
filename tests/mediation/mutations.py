"""Payloads that nobody should send: sound records of every dialect, damaged at random, and what must become of each."""

from __future__ import annotations

import json
import random
import zlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from mediation.records import DATA, VOICE

# What a case must end as. Any disposition, exactly one, is right for damage whose outcome depends on where it hits.
ANY, ACCEPTED = "", "accepted"
HUGE, DEEP = 70_000, 20_000  # bytes above the limit of a payload; brackets within one another
HUGE_ONE_IN = 400

_VOIP = {
    "call_id": "v1", "caller_number": "+442079460000", "called_number": "+14165550100",
    "start_time": "2026-10-05T18:03:22Z", "end_time": "2026-10-05T18:08:39Z", "duration_seconds": "317",
    "carrier_id": "carrier_001", "call_type": "international", "country_code": "CA",
}  # fmt: skip
_HISTORY = {
    "type": "call", "src_number": "416-555-0100", "dst_number": "+442071234567", "time": "2026-10-05 13:01:06",
    "duration": 117, "src_loc": [-79.4, 43.6], "dst_loc": [-79.5, 43.7],
}  # fmt: skip
# Key, record, and the field that tells one event from another.
SOUND = (
    (None, VOICE, "event_id"),
    (None, DATA, "event_id"),
    (None, {**VOICE, "direction": "in", "slice_id": "s1"}, "event_id"),
    (b"softswitch|v", _VOIP, "call_id"),
    (b"archive|h", _HISTORY, "duration"),
)
# The field whose loss has one reason, in the records of the native dialect.
REQUIRED = {
    "event_id": "EVENT_ID_MISSING", "source": "SOURCE_MISSING", "service_type": "SERVICE_MISSING",
    "timestamp": "START_MISSING", "msisdn": "MSISDN_MISSING",
}  # fmt: skip
HOSTILE: tuple[Any, ...] = (
    "", " ", "\x00", "a\x00b", "\n", "+14165550100\n", "'; DROP TABLE usage_event; --", "<script>alert(1)</script>",
    "=1+1", "\uff11\uff12\uff13", "\u0661\u0662\u0663", "\u200b1", "\u202e", "\ud800", "\U0001f4de", "NaN", "Infinity",
    "-Infinity", "1e999", "-0", "0x10", "9" * 40, "-" + "9" * 40, "0." + "1" * 40, "1.0000001", "true", "null",
    "9999-99-99T99:99:99Z", "0000-00-00T00:00:00Z", "2026-10-05T24:00:00Z", "2026-12-31T23:59:60Z", "1900-01-01",
    "2026-10-05T14:03:22+99:99", "00000000000000000000", "++14165550100", "+1 416 555 0100 ext 7",
    None, True, False, 0, -1, 317, 1.5, 10**30, -(10**30), [], {}, [1, [2]], {"a": {"b": 1}}, "x" * 3000,
)  # fmt: skip
NO_NUMBER = ("NaN", "Infinity", "-Infinity", "1e999", "-1e999", "01", "+1", ".5", "tru", "'1'", "undefined")


class Case(NamedTuple):
    """One record. expected: a disposition or reason that it must end with; ANY where more than one may be right."""

    key: bytes | None
    payload: bytes | None
    mutation: str
    expected: str


def cases(seed: int, first: int, count: int) -> Iterator[Case]:
    """`count` cases from number `first` on; the same seed and number give the same case."""
    for number in range(first, first + count):
        chance = random.Random((seed << 40) + number)
        key, sound, own = chance.choice(SOUND)
        record = dict(sound)
        # With a sum behind it no damage makes one case's id another's: that would rightly be a conflict.
        check = zlib.crc32(b"%d" % number)
        record[own] = 117 if own == "duration" else f"f-{number}-{check}"
        if own == "duration":  # the content of a history record is its id
            record["src_loc"] = [number, check]
        mutation = chance.choice(MUTATIONS)
        payload, expected = mutation(chance, record, key is None)
        yield Case(key, payload, mutation.__name__, expected)


Mutation = Callable[[random.Random, "dict[str, Any]", bool], "tuple[bytes | None, str]"]


def written(record: dict[str, Any], **options: Any) -> bytes:
    """The record as a sender writes it; lone surrogates as the escapes that JSON allows."""
    try:
        return json.dumps(record, ensure_ascii=False, **options).encode()
    except UnicodeEncodeError:
        return json.dumps(record, **options).encode()


def untouched(_: random.Random, record: dict[str, Any], __: bool) -> tuple[bytes | None, str]:
    return written(record), ACCEPTED


def other_layout(chance: random.Random, record: dict[str, Any], _: bool) -> tuple[bytes | None, str]:
    """Order of fields, white space and escapes say nothing."""
    fields = list(record.items())
    chance.shuffle(fields)
    indented = json.dumps(dict(fields), indent=chance.choice((None, 1, "\t")), ensure_ascii=chance.random() < 0.5)
    return (" " * chance.randrange(3) + indented + "\n" * chance.randrange(3)).encode(), ACCEPTED


def lost_field(chance: random.Random, record: dict[str, Any], is_native: bool) -> tuple[bytes | None, str]:
    name = chance.choice(list(record))
    del record[name]
    return written(record), REQUIRED.get(name, ANY) if is_native else ANY


def blank_field(chance: random.Random, record: dict[str, Any], is_native: bool) -> tuple[bytes | None, str]:
    name = chance.choice(list(record))
    record[name] = chance.choice(("", " ", None))
    return written(record), REQUIRED.get(name, ANY) if is_native else ANY


def hostile_value(chance: random.Random, record: dict[str, Any], _: bool) -> tuple[bytes | None, str]:
    record[chance.choice(list(record))] = chance.choice(HOSTILE)
    return written(record), ANY


def hostile_values(chance: random.Random, record: dict[str, Any], _: bool) -> tuple[bytes | None, str]:
    for name in chance.sample(list(record), 3):
        record[name] = chance.choice(HOSTILE)
    return written(record), ANY


def unknown_field(chance: random.Random, record: dict[str, Any], _: bool) -> tuple[bytes | None, str]:
    record[chance.choice(("x", "Event_Id", "event_id ", "'; --", "\x00", "a.b", "`", "source\u200b"))] = chance.choice(
        HOSTILE
    )
    return written(record), ANY


def renamed_field(chance: random.Random, record: dict[str, Any], is_native: bool) -> tuple[bytes | None, str]:
    name = chance.choice(list(record))
    record[name.upper()] = record.pop(name)
    return written(record), REQUIRED.get(name, ANY) if is_native else ANY


def swapped_values(chance: random.Random, record: dict[str, Any], _: bool) -> tuple[bytes | None, str]:
    one, other = chance.sample(list(record), 2)
    record[one], record[other] = record[other], record[one]
    return written(record), ANY


def field_given_twice(chance: random.Random, record: dict[str, Any], _: bool) -> tuple[bytes | None, str]:
    name = chance.choice(list(record))
    again = json.dumps({name: chance.choice(("other", record[name]))})[1:-1]
    return written(record)[:-1] + b"," + again.encode() + b"}", "FIELD_AMBIGUOUS"


def not_a_json_number(chance: random.Random, record: dict[str, Any], _: bool) -> tuple[bytes | None, str]:
    name = chance.choice(list(record))
    record[name] = "\u0001"
    return written(record).replace(b'"\\u0001"', chance.choice(NO_NUMBER).encode(), 1), ANY


def negative_duration(chance: random.Random, record: dict[str, Any], _: bool) -> tuple[bytes | None, str]:
    name = "duration" if "duration" in record else "duration_seconds"
    # Up to as many microseconds as no BIGINT holds, and beyond.
    record[name] = str(-chance.randrange(1, 10 ** chance.choice((3, 12, 13, 14, 18))))
    return written(record), "DURATION_NEGATIVE"


def no_direction(chance: random.Random, record: dict[str, Any], is_native: bool) -> tuple[bytes | None, str]:
    record["direction"] = chance.choice(("both", "0", "outt", "\u0456n", "in\u200b"))
    expected = "DIRECTION_UNKNOWN" if record.get("service_type") != "data" else ACCEPTED
    return written(record), expected if is_native else ANY


def no_letters_in_numbers(chance: random.Random, record: dict[str, Any], _: bool) -> tuple[bytes | None, str]:
    name = next(name for name in ("msisdn", "caller_number", "src_number") if name in record)
    record[name] = f"+1416555{chance.choice('OILS')}100"
    return written(record), "MSISDN_MALFORMED"


def cut_off(chance: random.Random, record: dict[str, Any], _: bool) -> tuple[bytes | None, str]:
    whole = written(record)
    return whole[: chance.randrange(1, len(whole))], "PAYLOAD_UNPARSEABLE"


def flipped_bits(chance: random.Random, record: dict[str, Any], _: bool) -> tuple[bytes | None, str]:
    damaged = bytearray(written(record))
    for _ in range(chance.randrange(1, 5)):
        damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
    return bytes(damaged), ANY


def foreign_bytes(chance: random.Random, record: dict[str, Any], _: bool) -> tuple[bytes | None, str]:
    whole = written(record)
    at = chance.randrange(len(whole))
    return whole[:at] + chance.randbytes(chance.randrange(1, 9)) + whole[at:], ANY


def lost_bytes(chance: random.Random, record: dict[str, Any], _: bool) -> tuple[bytes | None, str]:
    whole = written(record)
    at = chance.randrange(len(whole))
    return whole[:at] + whole[at + chance.randrange(1, 20) :], ANY


def not_utf8(chance: random.Random, record: dict[str, Any], _: bool) -> tuple[bytes | None, str]:
    whole = written(record)
    at = chance.randrange(len(whole))
    return whole[:at] + chance.choice((b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf5\x80\x80\x80")) + whole[at:], (
        "PAYLOAD_NOT_UTF8"
    )


def other_encoding(chance: random.Random, record: dict[str, Any], _: bool) -> tuple[bytes | None, str]:
    return written(record).decode().encode(chance.choice(("utf-16", "utf-16-le", "utf-32", "utf-8-sig"))), ANY


def two_in_one(chance: random.Random, record: dict[str, Any], _: bool) -> tuple[bytes | None, str]:
    whole = written(record)
    return chance.choice((whole + whole, whole + b"\n" + whole, b"[" + whole + b"," + whole + b"]")), (
        "PAYLOAD_UNPARSEABLE"
    )


def no_object(chance: random.Random, record: dict[str, Any], _: bool) -> tuple[bytes | None, str]:
    whole = written(record)
    outside = (b"[" + whole + b"]", json.dumps(whole.decode()).encode(), b"null", b"1", b"{", b"}", b"{}x", b"cdr")
    return chance.choice(outside), "PAYLOAD_UNPARSEABLE"


def noise(chance: random.Random, _: dict[str, Any], __: bool) -> tuple[bytes | None, str]:
    return chance.randbytes(chance.randrange(1, 200)), ANY


def nothing(chance: random.Random, _: dict[str, Any], __: bool) -> tuple[bytes | None, str]:
    return chance.choice((None, b"")), "PAYLOAD_MISSING"


def huge_or_deep(chance: random.Random, record: dict[str, Any], _: bool) -> tuple[bytes | None, str]:
    name = chance.choice(list(record))
    if chance.randrange(HUGE_ONE_IN) == 0:
        record[name] = "9" * HUGE
        return written(record), "PAYLOAD_TOO_LARGE"
    depth = DEEP if chance.randrange(HUGE_ONE_IN) == 0 else chance.randrange(2, 200)
    opened, closed = chance.choice((("[", "]"), ('{"a":', "}")))
    record[name] = "\u0001"
    filled = "1" if opened != "[" else ""
    nested = opened * depth + filled + (closed * depth if chance.random() < 0.8 else "")
    return written(record).replace(b'"\\u0001"', nested.encode(), 1), ANY


MUTATIONS: tuple[Mutation, ...] = (
    untouched, other_layout, lost_field, blank_field, hostile_value, hostile_values, unknown_field, renamed_field,
    swapped_values, field_given_twice, not_a_json_number, negative_duration, no_direction, no_letters_in_numbers,
    cut_off, flipped_bits, foreign_bytes, lost_bytes, not_utf8, other_encoding, two_in_one, no_object, noise, nothing,
    huge_or_deep,
)  # fmt: skip
