"""A carrier table in JSON, checked whole, as lines of carrier_rate.csv. Format: docs/pricebook.md, "Carrier tables"."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from tollgate.reference.cells import ALL
from tollgate.reference.contradictions import UNIT_OF
from tollgate.reference.numbering import country_prefixes
from tollgate.reference.pricebook_columns import COLUMNS
from tollgate.reference.pricebook_files import Operator

Line = dict[str, str]

CELLS = COLUMNS["carrier_rate"]
TABLE_KEYS = ("currency", "valid_from", "valid_to", "carriers")
# Key of a carrier's price to service and call type.
PRICES = {
    "local": ("voice", "local"),
    "national": ("voice", "national"),
    "sms": ("sms", ALL),
    "mms": ("mms", ALL),
    "data_per_mb": ("data", "any"),
}
# Service to the units that a price of the table buys.
BLOCK = {"voice": "60", "sms": "1", "mms": "1", "data": "1000000"}
# Key of a carrier's term to its column and its value where the table has none.
TERMS = {
    "increment_s": ("increment", "60"),
    "digits": ("digits", "4"),
    "rounding": ("rounding", "half_up"),
    "markup": ("markup", ""),
    "markup_digits": ("markup_digits", ""),
}
MARKUP_DIGITS = "4"
CARRIER_KEYS = ("local", "national", "international", "sms", "mms", "data_per_mb", *TERMS)
LONGEST_ID = 64
_LONGEST_SHOWN = 60


@dataclass(frozen=True)
class TableFinding:
    """One mistake in a carrier table; path is JSONPath, or the command's option."""

    path: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.path}: expected {self.expected}, found {self.found}"


class TablePrice(NamedTuple):
    """One price of a carrier table: where it stands, and its line of carrier_rate.csv as text by column."""

    path: str
    line: Line


class _Number(str):
    """A JSON number as it is written: not a digit is lost on the way to the cell."""


class _Object(list[tuple[str, Any]]):
    """A JSON object with every member, a repeated one too."""


def read_carrier_table(
    text: str, operator: Operator, valid_from: str | None = None, valid_to: str | None = None
) -> tuple[list[TablePrice], list[TableFinding]]:
    """Read a carrier table; its prices are to be used only if the findings are empty.

    valid_from, valid_to: as in carrier_rate.csv, before those that stand in the table.
    """
    findings: list[TableFinding] = []
    try:
        table = json.loads(
            text, object_pairs_hook=_Object, parse_float=_Number, parse_int=_Number, parse_constant=_Number
        )
    except json.JSONDecodeError as problem:
        return [], [TableFinding("$", "JSON", f"a mistake: {problem}")]
    except RecursionError:
        return [], [TableFinding("$", "at most three objects in each other", "far more")]
    members = {key: (path, value) for key, path, value in _members(table, "$", TABLE_KEYS, findings)}
    if isinstance(table, _Object):
        wanted = {"currency": operator.currency, "carriers": "an object with a member for each carrier"}
        findings += [TableFinding(f"$.{key}", wanted[key], "nothing") for key in wanted if key not in members]
    if "currency" in members and members["currency"][1] != operator.currency:
        path, value = members["currency"]
        findings.append(TableFinding(path, f"{operator.currency}, the currency of operator.csv", _shown(value)))
    options = {"valid_from": ("--from", valid_from), "valid_to": ("--to", valid_to)}
    given = {column: option for column, option in options.items() if option[1] is not None}
    validity = _validity([members, given], operator.zone, findings)
    prices: list[TablePrice] = []
    if "carriers" in members:
        path, carriers = members["carriers"]
        for carrier, where, value in _members(carriers, path, None, findings):
            prices += _prices_of(carrier, where, value, validity, operator.zone, findings)
    return prices, findings


def cost_id(line: Line, zone: ZoneInfo) -> str:
    """The id of a line that has none: its key and its start, so that no two lines of a key share one."""
    start = line["valid_from"]
    if len(start) != len("2026-11-01"):
        moment: datetime = CELLS["valid_from"](start, zone)
        start = moment.strftime("%Y%m%dT%H%M%SZ")
    carrier = "all" if line["carrier_id"] == ALL else line["carrier_id"]
    literal = [line[column] for column in ("call_type", "country") if line[column] not in (ALL, "any")]
    return "_".join([carrier, line["service"], *(word.lower() for word in literal), start])


def _validity(
    sources: Sequence[dict[str, tuple[str, Any]]], zone: ZoneInfo, findings: list[TableFinding]
) -> dict[str, str]:
    """Texts of valid_from and valid_to, the last source's before the others'; empty where there is a finding."""
    before, texts = len(findings), {"valid_from": "", "valid_to": ""}
    paths = {column: f"$.{column}" for column in texts}
    for source in sources:
        for column in (column for column in texts if column in source):
            paths[column], value = source[column]
            texts[column] = _text(column, value, paths[column], zone, findings) or ""
    if not any("valid_from" in source for source in sources):
        findings.append(TableFinding("$.valid_from", "a date such as 2026-11-01, here or with --from", "nothing"))
    if len(findings) > before:
        return {}
    if CELLS["valid_from"](texts["valid_from"], zone) >= CELLS["valid_to"](texts["valid_to"], zone):
        expected = f"a time after valid_from {texts['valid_from']}"
        findings.append(TableFinding(paths["valid_to"], expected, repr(texts["valid_to"])))
    return texts


def _prices_of(
    carrier: str, path: str, value: Any, validity: dict[str, str], zone: ZoneInfo, findings: list[TableFinding]
) -> list[TablePrice]:
    before = len(findings)
    _text("carrier_id", carrier, path, zone, findings)
    members = _members(value, path, CARRIER_KEYS, findings)
    terms = _terms([member for member in members if member[0] in TERMS], zone, findings)
    found: list[tuple[str, str, str, str, Any]] = []
    for key, where, member in members:
        if key == "international":
            found += [(spot, "voice", key, *priced) for spot, *priced in _by_country(where, member, findings)]
        elif key in PRICES:
            found.append((where, *PRICES[key], ALL, member))
    if not found and len(findings) == before:
        findings.append(TableFinding(path, "at least one price", "none"))
    prices = []
    for where, service, call_type, country, price in found:
        text = _text("price", price, where, zone, findings)
        if text is None or not validity:
            continue
        line = {
            **dict.fromkeys(CELLS, ""), **terms, **validity, "carrier_id": carrier, "service": service,
            "call_type": call_type, "country": country, "prefix": ALL, "price": text, "unit": UNIT_OF[service],
            "block": BLOCK[service], "increment": terms["increment"] if service == "voice" else "1",
        }  # fmt: skip
        line["cost_id"] = cost_id(line, zone)
        prices.append(TablePrice(where, line))
    longest = max((price.line["cost_id"] for price in prices), key=len, default="")
    if len(longest) > LONGEST_ID >= len(carrier):
        expected = f"a carrier id that leaves room for cost ids of at most {LONGEST_ID} characters"
        findings.append(TableFinding(path, expected, repr(longest)))
    return prices


def _terms(members: list[tuple[str, str, Any]], zone: ZoneInfo, findings: list[TableFinding]) -> dict[str, str]:
    terms = dict(TERMS.values())
    for key, path, value in members:
        column = TERMS[key][0]
        terms[column] = _text(column, value, path, zone, findings) or ""
        if column in ("markup", "markup_digits") and value == "":
            findings.append(TableFinding(path, f"a value; without {column}, leave the key out", "''"))
    paths = {key: path for key, path, _ in members}
    if "markup_digits" in paths and "markup" not in paths:
        findings.append(TableFinding(paths["markup_digits"], "a markup beside it", "none"))
    if "markup" in paths and "markup_digits" not in paths:
        terms["markup_digits"] = MARKUP_DIGITS
    return terms


def _by_country(path: str, value: Any, findings: list[TableFinding]) -> list[tuple[str, str, Any]]:
    """Path, country (* for default) and price of each member of `international`."""
    known = set(country_prefixes().values())
    expected = "default, or a country that dialled numbers lead to: two capital letters, or 001"
    prices = []
    for country, where, price in _members(value, path, None, findings):
        if country not in known | {"default"}:
            findings.append(TableFinding(where, expected, _guess(country, known, country.upper())))
        prices.append((where, ALL if country == "default" else country, price))
    return prices


def _members(
    value: Any, path: str, known: Sequence[str] | None, findings: list[TableFinding]
) -> list[tuple[str, str, Any]]:
    """Key, path and value of each member that may stand here; known None: any key, and at least one."""
    if not isinstance(value, _Object):
        findings.append(TableFinding(path, "an object", _shown(value)))
        return []
    if known is None and not value:
        findings.append(TableFinding(path, "at least one member", "none"))
    members, seen = [], set()
    for key, member in value:
        where = f"{path}.{key}" if re.fullmatch("[A-Za-z0-9_-]+", key) else f"{path}[{json.dumps(key)}]"
        if key in seen:
            findings.append(TableFinding(where, "each key once", "it again"))
        seen.add(key)
        if known is not None and key not in known:
            findings.append(TableFinding(where, f"one of {', '.join(known)}", _guess(key, known)))
        else:
            members.append((key, where, member))
    return members


def _text(column: str, value: Any, path: str, zone: ZoneInfo, findings: list[TableFinding]) -> str | None:
    """The cell's text if the column takes it."""
    if not isinstance(value, str):
        findings.append(TableFinding(path, "a string or a number", _shown(value)))
        return None
    try:
        CELLS[column](str(value), zone)
    except ValueError as problem:
        findings.append(TableFinding(path, str(problem).removeprefix("expected "), _shown(value)))
        return None
    return str(value)


def _guess(word: str, known: Iterable[str], *guesses: str) -> str:
    near = [one for one in guesses if one in known] or difflib.get_close_matches(word, sorted(known), n=1)
    return f"{_shown(word)}; did you mean {near[0]}?" if near else _shown(word)


def _shown(value: Any) -> str:
    if isinstance(value, _Object):
        return "an object"
    if isinstance(value, list):
        return "a list"
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    text = str(value) if isinstance(value, _Number) else repr(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"
