"""The contracts in schemas/: complete, commented, and readable by a person; no Spark needed."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tollgate.assurance.tokens import PERSONAL

SCHEMAS = Path(__file__).resolve().parents[1] / "schemas"
TABLES = sorted(path.stem for path in SCHEMAS.glob("*.ddl"))
COLUMN = re.compile(
    r"^(?P<name>[a-z][a-z0-9_]*) (?P<type>.+?)(?P<required> NOT NULL)? COMMENT '(?P<text>(?:[^']|'')+)'(?P<end>,?)$"
)
TYPE = re.compile(
    r"^(STRING|BINARY|BOOLEAN|INT|BIGINT|DATE|TIMESTAMP|DECIMAL\(\d+,\d+\)"
    r"|ARRAY<[A-Z]+>|ARRAY<STRUCT<.+>>|MAP<STRING, [A-Z]+>)$"
)


def columns(table: str) -> dict[str, re.Match[str]]:
    """Column name to its parsed line; a line that is none fails the test."""
    found = {}
    lines = [line for line in (SCHEMAS / f"{table}.ddl").read_text(encoding="utf-8").splitlines() if line.strip()]
    body = [line for line in lines if not line.startswith("--")]
    for number, line in enumerate(body):
        column = COLUMN.match(line)
        assert column, f"{table}.ddl: not `name TYPE [NOT NULL] COMMENT '...'`: {line}"
        assert column["end"] == ("" if number == len(body) - 1 else ","), f"{table}.ddl: comma at the end of: {line}"
        assert column["name"] not in found, f"{table}.ddl: twice {column['name']}"
        found[column["name"]] = column
    return found


@pytest.mark.covers("QUA-10")
@pytest.mark.parametrize("table", TABLES)
def test_a_contract_names_types_units_and_key(table: str) -> None:
    text = (SCHEMAS / f"{table}.ddl").read_text(encoding="utf-8")
    found = columns(table)
    assert text.startswith(f"-- {table}: "), f"{table}.ddl: the first line says what a row is"
    assert "Key:" in text.splitlines()[0], f"{table}.ddl: the first line names the key"
    partitions = re.search(r"^-- partition_by:(.*)$", text, re.MULTILINE)
    assert partitions, f"{table}.ddl: needs a line `-- partition_by:`"
    for name in filter(None, (part.strip() for part in partitions[1].split(","))):
        assert name in found, f"{table}.ddl: partition column {name} is not a column"
    for name, column in found.items():
        assert TYPE.match(column["type"]), f"{table}.ddl: {name} has type {column['type']}"
        assert len(column["text"].split()) >= 1


@pytest.mark.parametrize("table", TABLES)
def test_money_is_exact_and_suffixes_keep_their_type(table: str) -> None:
    endings = {"_at": "TIMESTAMP", "_on": "DATE", "_micros": "BIGINT", "_s": "INT|BIGINT", "_bytes": "BIGINT"}
    for name, column in columns(table).items():
        for ending, wanted in endings.items():
            if name.endswith(ending):
                kind = column["type"].removeprefix("ARRAY<").removesuffix(">")
                assert re.fullmatch(wanted, kind), f"{table}.{name}: {kind}, expected {wanted}"
        if name.startswith("is_"):
            assert column["type"] == "BOOLEAN", f"{table}.{name}: {column['type']}, expected BOOLEAN"


def test_personal_columns_are_marked_in_a_form_that_views_know() -> None:
    personal = re.compile(r"msisdn(_received)?|destination(_received)?|subscriber_id|imsi|imei|cell_id|payload|headers"
                          r"|email|address|birth_date|content_digest")  # fmt: skip
    for table in TABLES:
        for name, column in columns(table).items():
            is_marked = PERSONAL.search(column["text"]) is not None
            assert is_marked == ("pii" in column["text"]), f"{table}.{name}: the mark is none of {PERSONAL.pattern}"
            # Where a cell stands is the network's, not a person's; where someone was is.
            if personal.fullmatch(name) and (table, name) != ("ref_cell", "cell_id"):
                assert is_marked, f"{table}.{name}: personal, and not marked (pii: number|location|content)"


@pytest.mark.covers("QUA-06")
@pytest.mark.parametrize("path", sorted(SCHEMAS.glob("*.expectations.json")), ids=lambda path: path.name)
def test_expectations_speak_of_columns_that_exist_and_compare_money_exactly(path: Path) -> None:
    suite = json.loads(path.read_text(encoding="utf-8"))
    assert path.name == f"{suite['suite']}.expectations.json" == f"{suite['table']}.expectations.json"
    own, derived, details = columns(suite["table"]), suite["derived"], suite.get("details", {"columns": {}})
    if details["columns"]:
        assert set(details["by"]) <= set(columns(details["table"])) & set(own)
    named = [one["kwargs"]["column"] for one in suite["expectations"] if "column" in one["kwargs"]]
    assert not set(named) - {*own, *derived, *details["columns"]}, f"unknown columns: {named}"
    assert not set(derived) - set(named), f"derived and never asked for: {set(derived) - set(named)}"
    for one in suite["expectations"]:
        kind = own[one["kwargs"]["column"]]["type"] if one["kwargs"].get("column") in own else ""
        # It takes the bounds as binary fractions; a derived column compares decimals as decimals.
        assert not (one["type"].endswith("_between") and kind.startswith("DECIMAL")), one
