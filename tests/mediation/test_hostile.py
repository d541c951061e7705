"""Payloads made to break a parser, a number, a query or an export: a disposition each, and nothing raises."""

from __future__ import annotations

import pytest
from mediation.records import DATA, VOICE, payload, raw_rows, small_reference

from tollgate.mediation.usage import mediate


def spelt(field: str, json_value: str, base=VOICE) -> bytes:
    """The record with the value of a field spelt as given, which no JSON writer would."""
    mark = "@@"
    return payload(base, **{field: mark}).replace(f'"{mark}"'.encode(), json_value.encode())


ACCEPTED = ("accepted", [])
# A payload, its disposition and its reasons.
CASES = {
    "objects as deep as the size allows": (b'{"a":' * 10_000 + b"}" * 10_000, ("quarantined", ["PAYLOAD_TOO_DEEP"])),
    "arrays as deep as the size allows": (b"[" * 65_000, ("quarantined", ["PAYLOAD_TOO_DEEP"])),
    "cut off inside a character": ("é".encode()[:1], ("quarantined", ["PAYLOAD_NOT_UTF8"])),
    "an overlong slash": (payload(cause="x").replace(b'"x"', b'"\xc0\xaf"'), ("quarantined", ["PAYLOAD_NOT_UTF8"])),
    "a surrogate as bytes": (payload(cause="x").replace(b"x", b"\xed\xa0\x80"), ("quarantined", ["PAYLOAD_NOT_UTF8"])),
    "not a number": (spelt("duration_seconds", "NaN"), ("quarantined", ["PAYLOAD_UNPARSEABLE"])),
    "infinity": (spelt("duration_seconds", "Infinity"), ("quarantined", ["PAYLOAD_UNPARSEABLE"])),
    "1e999": (spelt("duration_seconds", "1e999"), ("quarantined", ["DURATION_MALFORMED"])),
    "the text 1e3": (payload(duration_seconds="1e3"), ("quarantined", ["DURATION_MALFORMED"])),
    "minus zero": (payload(duration_seconds="-0"), ("quarantined", ["DURATION_MALFORMED"])),
    "a plus": (payload(duration_seconds="+60"), ("quarantined", ["DURATION_MALFORMED"])),
    "hexadecimal": (payload(duration_seconds="0x10"), ("quarantined", ["DURATION_MALFORMED"])),
    "Arabic digits": (payload(duration_seconds="٣١٧"), ("quarantined", ["DURATION_MALFORMED"])),
    "wide digits in a number": (payload(msisdn="+１４１６５５５０１００"), ("quarantined", ["MSISDN_MALFORMED"])),
    "a newline after the digits": (payload(duration_seconds="317\n"), ("quarantined", ["PAYLOAD_UNSAFE_TEXT"])),
    "a newline after a number": (payload(msisdn="+14165550100\n"), ("quarantined", ["PAYLOAD_UNSAFE_TEXT"])),
    "a zero-width space in a number": (payload(msisdn="+1416\u200b5550100"), ("quarantined", ["MSISDN_MALFORMED"])),
    "a zero-width space in a source": (payload(source="msc\u200b"), ("quarantined", ["SOURCE_UNKNOWN"])),
    "a Cyrillic letter in a source": (payload(source="mѕc"), ("quarantined", ["SOURCE_UNKNOWN"])),
    "a volume as NaN": (spelt("data_volume_mb", "NaN", DATA), ("quarantined", ["PAYLOAD_UNPARSEABLE"])),
    "a volume as 1e999": (spelt("data_volume_mb", "1e999", DATA), ("quarantined", ["VOLUME_MALFORMED"])),
    "a volume beyond every decimal": (payload(DATA, data_volume_mb="9" * 40), ("quarantined", ["VOLUME_TOO_LARGE"])),
    "a query in a field": (payload(cause="'; DROP TABLE usage_event; --"), ACCEPTED),
    "a query in an id": (payload(event_id="x' OR '1'='1"), ACCEPTED),
    "a formula in a field": (payload(cause='=HYPERLINK("http://x","y")'), ACCEPTED),
    "markup in a field": (payload(subscriber_id="<script>alert(1)</script>"), ACCEPTED),
    "a control character": (payload(cause="a\u0000b"), ("quarantined", ["PAYLOAD_UNSAFE_TEXT"])),
    "half a surrogate pair": (spelt("cause", '"\\ud800"'), ("quarantined", ["PAYLOAD_UNSAFE_TEXT"])),
    "a field that nobody knows": (payload(colour="red"), ACCEPTED),
    "a renamed field": (payload(duration_seconds=None, duration="317"), ("quarantined", ["DURATION_MISSING"])),
    "a field of 60,000 characters": (payload(subscriber_id="s" * 60_000), ("quarantined", ["FIELD_TOO_LONG"])),
    "a name twice": (payload()[:-1] + b',"duration_seconds":"1"}', ("quarantined", ["FIELD_AMBIGUOUS"])),
    "a tombstone": (None, ("quarantined", ["PAYLOAD_MISSING"])),
}  # fmt: skip


@pytest.mark.covers("MED-02", "MED-10", "MED-28", "MED-29")
def test_hostile_payloads_get_a_disposition_each_and_no_number_is_guessed(spark):
    rows = mediate(raw_rows(spark, *(value for value, _ in CASES.values())), small_reference(spark)).collect()
    found = {name: (rows[at]["disposition"], rows[at]["reasons"]) for at, name in enumerate(CASES)}
    assert found == {name: outcome for name, (_, outcome) in CASES.items()}
    by_name = dict(zip(CASES, sorted(rows, key=lambda row: row["kafka_offset"]), strict=True))
    assert by_name["a query in an id"]["event_id"] == "x' OR '1'='1"
