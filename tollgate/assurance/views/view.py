"""A view and what it means."""

from __future__ import annotations

from typing import NamedTuple


class View(NamedTuple):
    """about: what a row is; key: what is unique; takes: the table or view all of whose columns it has, before its own
    `columns`, which are written as in a contract: name TYPE COMMENT 'meaning'."""

    about: str
    key: str
    sql: str
    takes: str = ""
    columns: str = ""
