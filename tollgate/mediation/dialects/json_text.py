"""What a payload's JSON text shows beside its values: depth, unsafe characters, and the name and type of each field.

Most records are simple, which a few searches prove: one flat object, nothing escaped. In such a text two counts tell
whether each field is known, once there and of its type. Only the others meet the expressions below, which cost more
than the parser. All their loops are possessive, so no text makes a match slow or deep.
"""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

MAX_DEPTH = 4
MAX_NAMES, MAX_NAME_LENGTH = 5, 64

STRING = r'"(?:[^"\\]++|\\.)*+"'


def _inside(levels: int) -> str:
    """One piece of the inside of an object or array that has at most so many levels below it."""
    flat = rf'[^"\[\]{{}}]++|{STRING}'
    return flat if levels == 0 else rf"{flat}|[\[{{](?:{_inside(levels - 1)})*+[\]}}]"


# from_json takes the first of two objects, or of an array, and drops the rest without a word.
ONE_OBJECT = rf"(?s)^\s*+\{{(?:{_inside(MAX_DEPTH - 1)})*+\}}\s*+\z"
TOO_DEEP = r"(?s)^\s*+" + "".join(rf"[\[{{](?:{_inside(level)})*+" for level in reversed(range(MAX_DEPTH))) + r"[\[{]"

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
    """Whether the text ends with its first closing brace and has no bracket, escape, DEL or character beyond ASCII.

    If the parser takes it, it is one flat object and safe: control characters below U+0020 it refuses itself.
    """
    is_ascii = F.octet_length(text) == F.char_length(text)
    ends_once = F.instr(text, "}") == F.octet_length(text)
    is_foreign = text.contains("\\") | text.contains("[") | text.contains("\x7f")
    return is_ascii & ends_once & ~is_foreign & text.startswith("{")


def has_texts(text: Column, fields: Column) -> Column:
    """Whether so many fields of a simple text are strings; false where colons are followed by other spaces than one."""
    compact, spaced = '":"', '": "'
    return F.when(text.contains(compact), _removed(text, compact) == fields * len(compact)).otherwise(
        _removed(text, spaced) == fields * len(spaced)
    )


def _removed(text: Column, part: str) -> Column:
    return F.octet_length(text) - F.octet_length(F.replace(text, F.lit(part), F.lit("")))


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
