"""Numbers as tokens: what an analyst sees of a table in place of personal data.

The comment of a personal column says of what kind it is. Text becomes a token, HMAC-SHA256 of it in hex: equal texts
have equal tokens in every table, so joins and counts work. `(pii: number)` also leaves all but its last seven digits
as a prefix, the country and the area. What is not text is left out. Source: docs/analysts.md, "Tokens".
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import NamedTuple

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

PERSONAL = re.compile(r" ?\(pii: (number|location|content)\)")
HIDDEN_DIGITS = 7
INNER, OUTER = "token_pad_inner", "token_pad_outer"
_BLOCK_BYTES = 64


class Seen(NamedTuple):
    """A column as an analyst sees it: made of column `of`, `how` is as_it_is, token or prefix."""

    name: str
    type: str
    about: str
    how: str
    of: str


def columns_seen(columns: Iterable[tuple[str, str, str]]) -> list[Seen]:
    """What an analyst sees of columns given as (name, type, meaning), in order."""
    seen = []
    for name, kind, about in columns:
        personal = PERSONAL.search(about)
        text = PERSONAL.sub("", about)
        if personal is None:
            seen.append(Seen(name, kind, about, "as_it_is", name))
        elif kind == "STRING":
            seen.append(Seen(name, kind, f"token: {text}", "token", name))
            if personal[1] == "number":
                said = f"{name} without its last {HIDDEN_DIGITS} digits; a short code as it is"
                seen.append(Seen(f"{name}_prefix", kind, said, "prefix", name))
    return seen


def padded_keys(key: bytes) -> tuple[bytes, bytes]:
    """The key as RFC 2104 pads it for the inner and the outer hash, 64 bytes each."""
    block = (hashlib.sha256(key).digest() if len(key) > _BLOCK_BYTES else key).ljust(_BLOCK_BYTES, b"\0")
    return bytes(byte ^ 0x36 for byte in block), bytes(byte ^ 0x5C for byte in block)


def token(text: Column, pads: DataFrame) -> Column:
    """HMAC-SHA256 of the text's UTF-8 bytes, 64 hex digits; NULL stays NULL.

    pads: one row, the padded keys as BINARY columns INNER and OUTER. They enter as subqueries over a frame, because a
    plan shows every literal and shows no row.
    """
    inner, outer = pads.select(INNER).scalar(), pads.select(OUTER).scalar()
    return F.sha2(F.concat(outer, F.unhex(F.sha2(F.concat(inner, text.cast("binary")), 256))), 256)


def prefix(number: Column) -> Column:
    """The number without its last seven digits; a short code, which begins without +, as it is."""
    kept = F.greatest(F.length(number) - HIDDEN_DIGITS, F.lit(1))
    return F.when(number.startswith("+"), F.left(number, kept)).otherwise(number)


def tokenised(rows: DataFrame, seen: Iterable[Seen], pads: DataFrame) -> DataFrame:
    """The columns of `seen` over the rows of a table, their meaning as comment."""
    made = {"as_it_is": lambda column: column, "token": lambda column: token(column, pads), "prefix": prefix}
    return rows.select(*(made[one.how](F.col(one.of)).alias(one.name, metadata={"comment": one.about}) for one in seen))
