"""What a payload's JSON text shows beside its values: depth, unsafe characters, and the name and type of each field.

Most records are plain, which one pattern proves: one flat object of texts, nothing escaped. Of such a text its length
tells whether each field is known and once there. Only the others meet the expressions behind it, which cost more than
the parser. All loops are possessive, so no text makes a match slow or deep.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import reduce
from operator import add

from pyspark.sql import Column
from pyspark.sql import functions as F

MAX_DEPTH = 4
MAX_NAMES, MAX_NAME_LENGTH = 5, 64

STRING = r'"(?:[^"\\]++|\\.)*+"'


def _inside(levels: int) -> str:
    """One piece of the inside of an object or array that has at most so many levels below it."""
    flat = rf'[^"\[\]{{}}]++|{STRING}'
    return flat if levels == 0 else rf"{flat}|[\[{{](?:{_inside(levels - 1)})*+[\]}}]"


# The one field of all dialects whose value is a truth value.
TRUTH = "roaming"
# Printable ASCII but quote and backslash, one by one: a list of characters is looked up in a table, a range is not.
_PLAIN_CHARACTERS = "".join(re.escape(chr(code)) for code in range(0x20, 0x7F) if chr(code) not in '"\\')
_PLAIN_TEXT = f'"[{_PLAIN_CHARACTERS}]*+"'


def _plain_object(colon: str, comma: str) -> str:
    field = f'(?:{_PLAIN_TEXT}{colon}{_PLAIN_TEXT}|"{TRUTH}"{colon}(?:true|false))'
    return rf"\{{{field}(?:{comma}{field})*+\}}"


# Two ways to write it: without spaces, or with one behind each colon and comma.
PLAIN = rf"^(?:{_plain_object(':', ',')}|{_plain_object(': ', ', ')})\z"
_SPACED = rf"^\{{{_PLAIN_TEXT}: "
_SIMPLE = r"^\{[^{}\[\\\x7f-\x{10ffff}]*+\}\z"

# from_json takes the first of two objects, or of an array, and drops the rest without a word.
# \s would let a vertical tab or a form feed stand behind it, where the parser does not look.
_SPACE = r"[ \t\r\n]*+"
ONE_OBJECT = rf"(?s)^{_SPACE}\{{(?:{_inside(MAX_DEPTH - 1)})*+\}}{_SPACE}\z"
TOO_DEEP = (
    rf"(?s)^{_SPACE}" + "".join(rf"[\[{{](?:{_inside(level)})*+" for level in reversed(range(MAX_DEPTH))) + r"[\[{]"
)

# An escaped surrogate without its other half is no character; the parser would put a question mark in its place.
_HEX = "[0-9a-fA-F]"
_ESCAPE = (
    rf'\\["\\/]|\\u(?!00[01]|007[fF]|00[89]|[dD][89a-fA-F]){_HEX}{{4}}'
    rf"|\\u[dD][89abAB]{_HEX}{{2}}\\u[dD][c-fC-F]{_HEX}{{2}}"
)
# Raw characters below U+0020 are the parser's to refuse: between fields some of them are spaces.
SAFE_TEXT = rf"^(?:[^\\\x7f-\x9f]++|{_ESCAPE})*+\z"

# A field becomes its quoted name and the first character of its value, ~ for a text; other strings become ~ alone.
_FIELD = rf'(?s)({STRING})\s*+:\s*+(?:{STRING}|([^"\s]))|{STRING}'
_NESTED = rf"(?s)({STRING})(?:([\[{{])~(?:{_inside(MAX_DEPTH)})*+[\]}}])?+"
_NAME = r'(?s)"((?:[^"\\]++|\\.)*+)"'


def is_simple(text: Column) -> Column:
    """Whether the text has a brace at either end, and inside no brace, bracket, escape, DEL or character beyond ASCII.

    If the parser takes it, it is one flat object and safe: control characters below U+0020 it refuses itself.
    """
    return text.rlike(_SIMPLE)


def is_plain(text: Column) -> Column:
    """Whether the text is one flat object in one of the two ways, all printable ASCII, each value a text without an
    escape, or a truth value where TRUTH names one."""
    return text.rlike(PLAIN)


def spaces(text: Column) -> Column:
    """How many spaces stand behind each colon and each comma of a plain text: 1 or 0."""
    return F.when(text.rlike(_SPACED), 1).otherwise(0)


def plain_length(json: str, names: Iterable[str], spaces: Column) -> Column:
    """Bytes of a plain text with no other fields than those of the struct `json` that are not NULL, each of them once.

    Whatever else stood there would make it longer, and nothing can make it shorter.
    """
    fields = reduce(add, [_field_length(F.col(f"{json}.`{name}`"), name, spaces) for name in names])
    # Two braces; and the last field has no comma, nor the space behind it.
    return fields + 1 - spaces


def _field_length(value: Column, name: str, spaces: Column) -> Column:
    quotes = 2 if name == TRUTH else 4
    return F.when(value.isNull(), 0).otherwise(F.octet_length(value) + 2 * spaces + len(name) + quotes + len(":,"))


def outline(text: Column) -> Column:
    """The fields of an object without their values: `"name"` and `~` for a text, else the value's first character."""
    fields = F.regexp_replace(text, _FIELD, "$1$2~")
    return F.regexp_replace(fields, _NESTED, "$1$2")


def not_texts(outlined: Column) -> Column:
    """Names of the fields in an outline whose value is a number, truth value, array or object, ARRAY<STRING>."""
    return _names(outlined, "(?![~n])")


def nested(outlined: Column) -> Column:
    """Names of the fields in an outline whose value is an array or object, ARRAY<STRING>."""
    return _names(outlined, r"(?=[\[{])")


def has_escaped_name(outlined: Column) -> Column:
    """Whether a field's name is written with an escape: two readers may take it for different ones."""
    return outlined.contains("\\")


def bounded(names: Column) -> Column:
    """The first names, each cut to length: a record may hold thousands."""
    some = [F.coalesce(F.left(F.get(names, n), F.lit(MAX_NAME_LENGTH)), F.lit("")) for n in range(MAX_NAMES)]
    return F.array_remove(F.array(*some), "")


def _names(outlined: Column, value: str) -> Column:
    # The second branch takes every other name whole, so that no match begins inside one; its group is empty.
    return F.array_remove(F.regexp_extract_all(outlined, F.lit(f"{_NAME}{value}|{STRING}"), F.lit(1)), "")
