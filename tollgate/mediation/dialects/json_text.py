"""What a payload's JSON text shows beside its values: depth, unsafe characters, and the name and type of each field.

Most records are plain, which one match proves: a flat object of texts without an escape, roaming a truth value. Only
the others are looked at again. All loops are possessive, so no text makes a match slow or deep.
"""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

MAX_DEPTH = 4
MAX_NAMES, MAX_NAME_LENGTH = 5, 64

_TEXT = r'"[^"\\\x00-\x1f\x7f-\x9f]*+"'
# Commas are the parser's to judge; a name ends in the quote and colon that field_count counts.
PLAIN = (
    r'^\s*+\{\s*+(?:(?:"roaming":\s*+(?:true|false)|(?!"roaming")' + _TEXT + r":\s*+" + _TEXT + r")"
    r"\s*+,?+\s*+)*+\}\s*+\z"
)

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
SAFE_TEXT = rf"^(?:[^\\\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]++|{_ESCAPE})*+\z"

# A field becomes its quoted name and the first character of its value, ~ for a text; other strings become ~ alone.
_FIELD = rf'(?s)({STRING})\s*+:\s*+(?:{STRING}|([^"\s]))|{STRING}'
_NESTED = rf"(?s)({STRING})(?:([\[{{])~(?:{_inside(MAX_DEPTH)})*+[\]}}])?+"
_NAME = r'(?s)"((?:[^"\\]++|\\.)*+)"'


def is_plain(text: Column) -> Column:
    """Whether the text is a flat object of texts without escapes or control characters; `roaming`, if it is there, a
    truth value."""
    return text.rlike(PLAIN)


def field_count(text: Column) -> Column:
    """The fields of a plain text as INT, or more where a value begins with a colon."""
    without = F.octet_length(F.replace(text, F.lit('":'), F.lit("")))
    return F.shiftright(F.octet_length(text) - without, 1)


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
