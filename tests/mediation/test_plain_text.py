"""A text that is taken for usual, and not looked at field by field, holds known fields alone, once each and of its
type: also where a field too many is as long as what others lack."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
from frames import small_frame
from mediation.records import DATA, VOICE
from pyspark.sql import functions as F

from tollgate.mediation.dialects import DIALECTS, records
from tollgate.mediation.dialects.native_json import NATIVE_JSON

SEED, DRAWN = 20261129, 600
COMPACT, SPACED = (",", ":"), (", ", ": ")
Pairs = list[tuple[str, Any]]
VOIP = {
    "call_id": "c1", "caller_number": "+442071234567", "called_number": "+14165550100", "duration_seconds": "60",
    "start_time": "2026-10-05T14:03:22Z", "end_time": "2026-10-05T14:04:22Z", "carrier_id": "carrier_001",
}  # fmt: skip
ARCHIVED = {
    "type": "call", "src_number": "4165550100", "dst_number": "4165550111", "time": "2026-10-05 14:03:22",
    "duration": "60",
}  # fmt: skip
SENT = {"native_json": (VOICE, DATA), "voip_json": (VOIP,), "history_json": (ARCHIVED,)}


def text_of(pairs: Pairs, separators: tuple[str, str] = COMPACT) -> str:
    """The object as written with names that may repeat."""
    comma, colon = separators
    return "{" + comma.join(f"{json.dumps(name)}{colon}{json.dumps(value)}" for name, value in pairs) + "}"


def is_usual(text: str, fields: tuple[str, ...]) -> bool:
    """By Python's parser: each field known, once there and of its type."""
    pairs = json.loads(text, object_pairs_hook=list)
    names = [name for name, _ in pairs]
    typed = all(isinstance(value, bool) if name == "roaming" else isinstance(value, str) for name, value in pairs)
    return typed and len({*names}) == len(names) and {*names} <= {*fields}


# Each is a record that is as long as one of which nothing is to say.
BALANCED = {
    "truth values for texts, and an unknown field": text_of(
        [("event_id", True), ("source", True), ("cause", True), ("", ""), ("roaming", True)]
    ),
    "numbers for texts, and an unknown field": text_of([("event_id", 1), ("source", 2), ("cause", 3), ("", "")]),
    "a field as long as the spaces of a spaced text": text_of([*VOICE.items(), ("", "x" * (2 * len(VOICE) - 7))]),
    "a name twice": text_of([("event_id", "a"), ("cause", "1"), ("cause", "2")]),
    "the truth value twice": text_of([("event_id", "a"), ("roaming", True), ("roaming", False)]),
    "a NULL of a known field": text_of([("event_id", "a"), ("cause", None)]),
    "a name with another letter": text_of([("event_id", "a"), ("Cause", "16")]),
    "a text as truth value": text_of([("event_id", "a"), ("roaming", "true")]),
}


def drawn(random: Random, sent: tuple[dict[str, Any], ...]) -> str:
    pairs: Pairs = list(random.choice(sent).items())
    random.shuffle(pairs)
    for _ in range(random.randrange(4)):
        at = random.randrange(len(pairs))
        name, value = pairs[at]
        pairs[at] = random.choice(
            (
                (name, len(str(value))), (name, True), (name, None), (name, ""), (name, [1]), (f"x{name}", value),
                (name, 'a"b'), (name, "é"), (name, "}{:,"), pairs[0],
            )
        )  # fmt: skip
    if random.randrange(3) == 0:
        pairs.insert(random.randrange(len(pairs)), ("y" * random.randrange(3), "z" * random.randrange(40)))
    if random.randrange(4) == 0:
        foreign = random.choice(records.FIELDS)
        pairs.append((foreign, True if foreign == "roaming" else "x" * random.randrange(9)))
    return text_of(pairs, random.choice((COMPACT, COMPACT, SPACED, (",", ": "))))


@pytest.mark.covers("MED-02", "MED-10", "MED-28")
@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_nothing_unusual_goes_by_unseen(spark, dialect):
    random, sent = Random(SEED), SENT[dialect.name]
    told = {"plain": text_of(list(sent[0].items())), "spaced": text_of(list(sent[-1].items()), SPACED)}
    told |= {str(number): drawn(random, sent) for number in range(DRAWN)}
    balanced = BALANCED if dialect is NATIVE_JSON else {}
    told |= balanced
    rows = small_frame(
        spark, [(name, None, bytearray(text.encode())) for name, text in told.items()],
        "name STRING, record_key BINARY, payload BINARY",
    )  # fmt: skip
    parsed = records.parsed(rows).withColumn("source_dialect", F.lit(dialect.name))
    odd = {row["name"]: row["is_odd"] for row in records.digested(parsed).selectExpr(
        "name", "odd_text IS NOT NULL OR NOT is_parsed AS is_odd").collect()}  # fmt: skip
    unusual = {name for name, text in told.items() if not is_usual(text, dialect.fields)}
    assert {*balanced} <= unusual and 100 < len(unusual) < DRAWN
    assert [told[name] for name in unusual if not odd[name]] == []
    # And most records are spared the look: those of ASCII without an escape, in one of the two spellings.
    assert not odd["plain"] and not odd["spaced"]
    spared = [name for name in told if not odd[name]]
    assert len(spared) > 50
