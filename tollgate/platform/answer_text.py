"""Columns as exact text: what a CSV file, a JSON line and a table on the terminal show of a value."""

from __future__ import annotations

from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

JSON_LINE = "json_line"
_NESTED = (T.ArrayType, T.MapType, T.StructType)


def as_texts(answer: DataFrame) -> DataFrame:
    """Every column as STRING, NULL kept: decimals with all their digits, instants with their offset from UTC, bytes in
    hex, and what is nested as JSON. Two columns may have one name."""
    fields = answer.schema.fields
    numbered = answer.toDF(*(f"c{n}" for n in range(len(fields))))
    return numbered.select(*(_text(F.col(f"c{n}"), field.dataType).alias(f"c{n}") for n, field in enumerate(fields)))


def as_json_lines(answer: DataFrame) -> DataFrame:
    """One STRING column JSON_LINE, an object a row with NULLs in it; decimals, instants and days are strings."""
    fields = answer.schema.fields
    plain = [_plain(F.col(f"`{field.name.replace('`', '``')}`"), field.dataType).alias(field.name) for field in fields]
    return answer.select(F.to_json(F.struct(*plain), {"ignoreNullFields": "false"}).alias(JSON_LINE))


def _text(column: Column, kind: T.DataType) -> Column:
    if isinstance(kind, (*_NESTED, T.VariantType)):
        return F.to_json(_plain(column, kind), {"ignoreNullFields": "false"})
    return _plain(column, kind).cast("string")


def _plain(column: Column, kind: T.DataType) -> Column:
    """The value in types that JSON has without loss: a reader takes a number for a binary fraction."""
    if isinstance(kind, T.TimestampType):
        return F.concat(column.cast("string"), F.date_format(column, "xxx"))
    if isinstance(kind, T.BinaryType):
        return F.lower(F.hex(column))
    if isinstance(kind, T.ArrayType):
        return F.transform(column, lambda item: _plain(item, kind.elementType))
    if isinstance(kind, T.MapType):
        # A NULL map stays NULL; keys are text in JSON.
        keys = F.transform(F.map_keys(column), lambda key: _text(key, kind.keyType))
        return F.map_from_arrays(keys, F.transform(F.map_values(column), lambda one: _plain(one, kind.valueType)))
    if isinstance(kind, T.StructType):
        fields = [_plain(column[field.name], field.dataType).alias(field.name) for field in kind.fields]
        return F.when(column.isNotNull(), F.struct(*fields)) if fields else column
    if isinstance(kind, (T.ByteType, T.ShortType, T.IntegerType, T.LongType, T.BooleanType, T.VariantType)):
        return column
    return column.cast("string")


def is_number(kind: Any) -> bool:
    """Whether values of this type are numbers, to be set flush right."""
    return isinstance(kind, T.NumericType)
