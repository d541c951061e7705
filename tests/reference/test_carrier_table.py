"""A carrier table: every mistake at its path, every key as its cells, every digit as it is written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tollgate.reference.carrier_table import TableFinding, TablePrice, read_carrier_table
from tollgate.reference.pricebook_files import Operator, read_source_book

pytestmark = pytest.mark.covers("RAT-48")
DEMO = Path(__file__).resolve().parents[2] / "conf" / "pricebook"


@pytest.fixture(scope="module")
def operator() -> Operator:
    book, _ = read_source_book(DEMO)
    assert book is not None
    return book.operator


def read(source: Any, operator: Operator, **options: str) -> tuple[list[TablePrice], list[TableFinding]]:
    """Read a table given as text or object."""
    return read_carrier_table(source if isinstance(source, str) else json.dumps(source), operator, **options)


def table(carriers: dict, **others: str) -> dict:
    return {"currency": "CAD", "valid_from": "2024-01-01", "carriers": carriers, **others}


def gb(price: str, **others: str) -> dict:
    return table({"c1": {"international": {"GB": price}}}, **others)


def texts(found: tuple[list[TablePrice], list[TableFinding]]) -> list[str]:
    return [str(finding) for finding in found[1]]


KEYS = "local, national, international, sms, mms, data_per_mb, increment_s, digits, rounding, markup, markup_digits"
PLAIN = "expected a plain decimal such as 1.2, without sign or exponent, found"
TIME = "expected a date such as 2026-11-01 or an instant such as 2026-11-01T00:00:00-04:00, found"
COUNTRY = "expected default, or a country that dialled numbers lead to: two capital letters, or 001, found"


def raw(carriers: str) -> str:
    """A table as text, for what json.dumps does not write."""
    return '{"currency": "CAD", "valid_from": "2024-01-01", "carriers": ' + carriers + "}"


# (what the case is, table, the whole of the findings)
MISTAKES: list[tuple[str, object, list[str]]] = [
    ("no JSON", '{"currency": }', [
        "$: expected JSON, found a mistake: Expecting value: line 1 column 14 (char 13)"]),
    ("no object", "[]", [
        "$: expected an object, found a list",
        "$.valid_from: expected a date such as 2026-11-01, here or with --from, found nothing"]),
    ("nothing in it", {}, [
        "$.currency: expected CAD, found nothing",
        "$.carriers: expected an object with a member for each carrier, found nothing",
        "$.valid_from: expected a date such as 2026-11-01, here or with --from, found nothing"]),
    ("another currency", table({"c1": {"sms": "1"}}, currency="USD"), [
        "$.currency: expected CAD, the currency of operator.csv, found 'USD'"]),
    ("unknown keys", table({"c1": {"sms": "1", "internatonal": {}, "valid_from": "2024-01-01"}}, curency="CAD"), [
        "$.curency: expected one of currency, valid_from, valid_to, carriers, found 'curency'; did you mean currency?",
        f"$.carriers.c1.internatonal: expected one of {KEYS}, found 'internatonal'; did you mean international?",
        f"$.carriers.c1.valid_from: expected one of {KEYS}, found 'valid_from'"]),
    ("keys twice", raw('{"c1": {"sms": "1", "sms": "1", "international": {"GB": 1, "GB": 2}}, "c1": {"mms": "1"}}'), [
        "$.carriers.c1: expected each key once, found it again",
        "$.carriers.c1.sms: expected each key once, found it again",
        "$.carriers.c1.international.GB: expected each key once, found it again"]),
    ("a negative price", table({"c1": {"sms": "-0.1", "mms": -1}}), [
        f"$.carriers.c1.sms: {PLAIN} '-0.1'", f"$.carriers.c1.mms: {PLAIN} -1"]),
    ("no numbers", raw('{"c1": {"local": NaN, "national": -Infinity, "sms": Infinity, "mms": "NaN"}}'), [
        f"$.carriers.c1.local: {PLAIN} NaN", f"$.carriers.c1.national: {PLAIN} -Infinity",
        f"$.carriers.c1.sms: {PLAIN} Infinity", f"$.carriers.c1.mms: {PLAIN} 'NaN'"]),
    ("an exponent", raw('{"c1": {"sms": 1e-2, "mms": 1E999999999}}'), [
        f"$.carriers.c1.sms: {PLAIN} 1e-2", f"$.carriers.c1.mms: {PLAIN} 1E999999999"]),
    ("finer than a millionth", raw('{"c1": {"sms": 0.0000001, "mms": "0.1234567"}}'), [
        "$.carriers.c1.sms: expected an amount with at most 6 decimals, found 0.0000001",
        "$.carriers.c1.mms: expected an amount with at most 6 decimals, found '0.1234567'"]),
    ("a price that is none", table(
        {"c1": {"sms": None, "mms": True, "local": ["1"], "national": {}, "data_per_mb": ""}}), [
        "$.carriers.c1.sms: expected a string or a number, found null",
        "$.carriers.c1.mms: expected a string or a number, found true",
        "$.carriers.c1.local: expected a string or a number, found a list",
        "$.carriers.c1.national: expected a string or a number, found an object",
        f"$.carriers.c1.data_per_mb: {PLAIN} ''"]),
    ("unknown countries", table({"c1": {"international": {"gb": "1", "ZZ": "1", "*": "1", "GG": "1"}}}), [
        f"$.carriers.c1.international.gb: {COUNTRY} 'gb'; did you mean GB?",
        f"$.carriers.c1.international.ZZ: {COUNTRY} 'ZZ'", f'$.carriers.c1.international["*"]: {COUNTRY} \'*\'',
        f"$.carriers.c1.international.GG: {COUNTRY} 'GG'"]),
    ("no price", table({"c1": {}, "c2": {"markup": "1.5"}, "c3": {"international": {}}, "c4": "0.1"}), [
        "$.carriers.c1: expected at least one price, found none",
        "$.carriers.c2: expected at least one price, found none",
        "$.carriers.c3.international: expected at least one member, found none",
        "$.carriers.c4: expected an object, found '0.1'"]),
    ("no carrier", table({}), ["$.carriers: expected at least one member, found none"]),
    ("carrier ids", table({"carrier 1": {"sms": "1"}, "c" * 40: {"international": {"GB": "1"}}}), [
        "$.carriers[\"carrier 1\"]: expected an id of letters, digits, _ and - (1 to 64), found 'carrier 1'",
        f"$.carriers.{'c' * 40}: expected a carrier id that leaves room for cost ids of at most 64 characters, "
        f"found '{'c' * 40}_voice_international_gb_2024-01-01'"]),
    ("terms", table({"c1": {"sms": "1", "increment_s": 0, "digits": 7, "rounding": "even", "markup": 0},
                     "c2": {"sms": "1", "increment_s": 1.5, "markup": "", "markup_digits": ""},
                     "c3": {"sms": "1", "markup_digits": 2}}), [
        "$.carriers.c1.increment_s: expected a whole number from 1 to 1000000000000, found 0",
        "$.carriers.c1.digits: expected a whole number from 0 to 6, found 7",
        "$.carriers.c1.rounding: expected one of half_up, up, down, found 'even'",
        "$.carriers.c1.markup: expected a decimal above 0, found 0",
        "$.carriers.c2.increment_s: expected a whole number from 1 to 1000000000000, found 1.5",
        "$.carriers.c2.markup: expected a value; without markup, leave the key out, found ''",
        "$.carriers.c2.markup_digits: expected a value; without markup_digits, leave the key out, found ''",
        "$.carriers.c3.markup_digits: expected a markup beside it, found none"]),
    ("times", gb("1", valid_from="2026-02-30", valid_to="2026-02-03T00:00:00"), [
        "$.valid_from: expected a date such as 2026-11-01, found '2026-02-30'",
        f"$.valid_to: {TIME} '2026-02-03T00:00:00'"]),
    ("an end before the start", gb("1", valid_to="2023-01-01"), [
        "$.valid_to: expected a time after valid_from 2024-01-01, found '2023-01-01'"]),
]  # fmt: skip


@pytest.mark.parametrize(("mistaken", "expected"), [case[1:] for case in MISTAKES], ids=[c[0] for c in MISTAKES])
def test_a_mistake_is_found_at_its_path(operator, mistaken, expected):
    assert texts(read(mistaken, operator)) == expected


def test_options_are_checked_like_the_table(operator):
    assert texts(read(gb("1"), operator, valid_from="soon", valid_to="9999-12-31T23:00:00-05:00")) == [
        f"--from: {TIME} 'soon'",
        "--to: expected a time within the years 1 to 9999 of UTC, found '9999-12-31T23:00:00-05:00'",
    ]
    assert texts(read(gb("1"), operator, valid_to="2023-01-01")) == [
        "--to: expected a time after valid_from 2024-01-01, found '2023-01-01'"
    ]


def test_a_table_nested_without_end_is_one_finding(operator):
    deep = "[" * 200_000
    assert texts(read(deep, operator)) == ["$: expected at most three objects in each other, found far more"]


def test_every_key_becomes_its_cells(operator):
    carriers = {
        "*": {"sms": "0.1", "markup": "2"},
        "c1": {
            "international": {"default": 0.080, "001": "0.95", "GB": 1}, "local": "0.01", "national": 0.020, "mms": "0",
            "increment_s": 6, "digits": "6", "rounding": "up", "markup": 1.5, "markup_digits": 2,
        },
        "c2": {"sms": "0.004", "mms": "0.02", "data_per_mb": "0.001"},
    }  # fmt: skip
    found = read(table(carriers, valid_from="2026-11-01T00:00:00-04:00", valid_to="2027-01-01"), operator)
    assert texts(found) == []
    since = "2026-11-01T00:00:00-04:00,2027-01-01"
    assert [",".join(price.line.values()) for price in found[0]] == [
        f"all_sms_20261101T040000Z,*,sms,*,*,*,0.1,message,1,,1,,4,half_up,2,4,{since}",
        f"c1_voice_international_20261101T040000Z,c1,voice,international,*,*,0.08,second,60,,6,,6,up,1.5,2,{since}",
        f"c1_voice_international_001_20261101T040000Z,c1,voice,international,001,*,0.95,second,60,,6,,6,up,1.5,2,{since}",
        f"c1_voice_international_gb_20261101T040000Z,c1,voice,international,GB,*,1,second,60,,6,,6,up,1.5,2,{since}",
        f"c1_voice_local_20261101T040000Z,c1,voice,local,*,*,0.01,second,60,,6,,6,up,1.5,2,{since}",
        f"c1_voice_national_20261101T040000Z,c1,voice,national,*,*,0.02,second,60,,6,,6,up,1.5,2,{since}",
        f"c1_mms_20261101T040000Z,c1,mms,*,*,*,0,message,1,,1,,6,up,1.5,2,{since}",
        f"c2_sms_20261101T040000Z,c2,sms,*,*,*,0.004,message,1,,1,,4,half_up,,,{since}",
        f"c2_mms_20261101T040000Z,c2,mms,*,*,*,0.02,message,1,,1,,4,half_up,,,{since}",
        f"c2_data_20261101T040000Z,c2,data,any,*,*,0.001,byte,1000000,,1,,4,half_up,,,{since}",
    ]


def test_a_number_keeps_every_digit(operator):
    (price,), findings = read(raw('{"c1": {"sms": 123456789.123456}}'), operator)
    assert (price.line["price"], findings) == ("123456789.123456", [])
