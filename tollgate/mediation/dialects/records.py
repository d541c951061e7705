"""From bytes to received fields: one parse for all dialects, then the mapping of the record's own one."""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from tollgate.mediation.dialects.dialect import RECEIVED, Dialect
from tollgate.mediation.dialects.history_json import HISTORY_JSON
from tollgate.mediation.dialects.native_json import NATIVE_JSON
from tollgate.mediation.dialects.voip_json import VOIP_JSON

MAX_PAYLOAD_BYTES = 65_536

# A new feed is a mapping of its own and its name here; ref_source says which source speaks which dialect.
DIALECTS = (NATIVE_JSON, VOIP_JSON, HISTORY_JSON)

FIELDS = tuple(dict.fromkeys(field for dialect in DIALECTS for field in dialect.fields))
RECORD = ", ".join(f"`{name}` STRING" for name in [*FIELDS, "_corrupt_record"])

# Text after a "}" is rare in a flat record; only then is all of it matched. Possessive loops keep the stack flat.
TEXT_AFTER_A_BRACE = r"\}\s*\S"
ONE_FLAT_OBJECT = r'^\s*+\{(?:[^"{}]++|"(?:[^"\\]++|\\.)*+")*+\}\s*+\z'
# A fraction that is not a JSON string has gone through a binary double: its last digits are not what was sent.
INEXACT_VOLUME = r'"data_volume_mb"\s*:\s*-?[0-9]+[.eE]'


def parsed(raw: DataFrame) -> DataFrame:
    """Parse the payloads of raw_cdr rows: `json`, a STRUCT of all dialects' fields as STRING, NULL if unreadable.

    Adds `payload_bytes`, `is_utf8`, `is_parsed`, `is_volume_exact`, and `sender`: the source that the record names,
    else the part of its key before the bar. Nothing raises.
    """
    readable = raw.withColumn("payload_bytes", F.length("payload").cast("BIGINT")).withColumn("text", _text())
    once = readable.withColumn("json", F.from_json(_one_object(F.col("text")), RECORD))
    whole = once.withColumn("json", F.when(F.col("json._corrupt_record").isNull(), F.col("json")))
    key = F.col("record_key").cast("STRING")
    of_key = F.when(F.col("json").isNotNull() & key.contains("|"), F.substring_index(key, "|", 1))
    return whole.select(
        *[name for name in raw.columns if name not in ("payload", "record_key")],
        "payload_bytes",
        F.col("text").isNotNull().alias("is_utf8"),
        F.col("json").isNotNull().alias("is_parsed"),
        (~F.col("text").rlike(INEXACT_VOLUME)).alias("is_volume_exact"),
        F.coalesce(_given(F.col("json.source")), of_key).alias("sender"),
        "json",
    )


def received(records: DataFrame) -> DataFrame:
    """The columns RECEIVED, STRING as sent and blank as NULL, and `content_digest`, in place of `json`.

    records: of `parsed`, with the `source_dialect` of the sender; one that is not registered is read as native.
    """
    digest = _by_dialect({dialect.name: _digest(dialect) for dialect in DIALECTS})
    digested = records.withColumn("content_digest", F.when(F.col("is_parsed"), digest))
    columns = {
        name: _given(_by_dialect({one.name: F.expr(one.columns[name]) for one in DIALECTS if name in one.columns}))
        for name in RECEIVED
    }
    return digested.withColumns(columns).drop("json")


def _by_dialect(values: Mapping[str, Column]) -> Column:
    """The value of the record's dialect, NULL in one without it. values: by the dialect's name."""
    chosen = F.when(F.lit(False), F.lit(None).cast("STRING"))
    for name, value in values.items():
        chosen = chosen.when(F.coalesce("source_dialect", F.lit(NATIVE_JSON.name)) == name, value)
    return chosen


def _given(value: Column) -> Column:
    return F.when(F.trim(value) != "", value)


def _text() -> Column:
    text = F.col("payload").cast("STRING")
    is_sized = F.col("payload_bytes").between(1, MAX_PAYLOAD_BYTES)
    return F.when(is_sized & F.is_valid_utf8(text), text)


def _one_object(text: Column) -> Column:
    # from_json takes the first element of an array and the first of two objects and drops the rest without a word.
    is_one = ~text.rlike(TEXT_AFTER_A_BRACE) | text.rlike(ONE_FLAT_OBJECT)
    return F.when(F.ltrim(text).startswith("{") & is_one, text)


def _digest(dialect: Dialect) -> Column:
    """SHA-256 over the fields as parsed, before normalisation; lengths keep fields apart, "-" is a missing one."""
    values = [F.col(f"json.{field}") for field in dialect.fields]
    marked = [F.coalesce(F.concat(F.length(value).cast("STRING"), F.lit(":"), value), F.lit("-")) for value in values]
    return F.sha2(F.concat_ws(",", *marked), 256)
