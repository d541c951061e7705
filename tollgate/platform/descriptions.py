"""What each table holds, in words, from the contracts in `schemas/`; no Spark is needed."""

from __future__ import annotations

import functools
import re
from typing import NamedTuple

from tollgate.platform.lake import contract_text

_COLUMN = re.compile(r"(?P<name>[a-z][a-z0-9_]*) (?P<type>.+?)(?: NOT NULL)? COMMENT '(?P<about>(?:[^']|'')+)',?")


class Column(NamedTuple):
    """A column: name, SQL type, and what it means."""

    name: str
    type: str
    about: str


class Description(NamedTuple):
    """A table: what a row is, its key with whatever the contract says after it, and its columns in order."""

    about: str
    key: str
    columns: tuple[Column, ...]


@functools.cache
def described(table: str) -> Description:
    """The description of `table`; TollgateError for a table without a contract."""
    head, *_ = text = contract_text(table).splitlines()
    about, _, key = head.removeprefix(f"-- {table}: ").partition(" Key: ")
    return Description(about.rstrip("."), key.rstrip("."), columns_of("\n".join(text)))


def columns_of(ddl: str) -> tuple[Column, ...]:
    """The columns of lines `name TYPE [NOT NULL] COMMENT 'meaning',`; other lines are passed over."""
    found = (_COLUMN.fullmatch(line.strip()) for line in ddl.splitlines())
    return tuple(Column(one["name"], one["type"], one["about"].replace("''", "'")) for one in found if one)
