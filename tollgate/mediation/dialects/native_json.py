"""The native dialect: one flat JSON object a record, UTF-8, every quantity a JSON string."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

MAX_PAYLOAD_BYTES = 65_536

# JSON field -> column of the received record. The order is the canonical order of the content digest.
FIELDS = {
    "event_id": "event_id",
    "source": "source",
    "subscriber_id": "subscriber_id",
    "msisdn": "msisdn_received",
    "service_type": "service",
    "timestamp": "start_received",
    "end_time": "end_received",
    "destination": "destination_received",
    "duration_seconds": "duration_received",
    "data_volume_mb": "volume_received",
    "cell_id": "cell_id",
    "roaming": "roaming_received",
    "roaming_country": "roaming_country_received",
    "carrier_id": "carrier_id",
    "technology": "technology_received",
    "rating_group": "rating_group_received",
    "call_outcome": "call_outcome_received",
    "cause": "cause",
}
RECORD = ", ".join(f"`{name}` STRING" for name in [*FIELDS, "_corrupt_record"])

# Text after a "}" is rare in a flat record; only then is all of it matched. Possessive loops keep the stack flat.
TEXT_AFTER_A_BRACE = r"\}\s*\S"
ONE_FLAT_OBJECT = r'^\s*+\{(?:[^"{}]++|"(?:[^"\\]++|\\.)*+")*+\}\s*+\z'
# A fraction that is not a JSON string has gone through a binary double: its last digits are not what was sent.
INEXACT_VOLUME = r'"data_volume_mb"\s*:\s*-?[0-9]+[.eE]'


def received(raw: DataFrame) -> DataFrame:
    """Parse the payloads of raw_cdr rows into the received fields: STRING as sent, blank as NULL.

    Adds `payload_bytes`, `is_utf8`, `is_parsed`, `is_volume_exact`, `content_digest` and `call_type_given` (none here).
    A payload that cannot be read gives NULL fields and is_parsed = false; nothing raises.
    """
    readable = raw.withColumn("payload_bytes", F.length("payload").cast("BIGINT")).withColumn("text", _text())
    parsed = readable.withColumn("json", F.from_json(_one_object(F.col("text")), RECORD))
    whole = parsed.withColumn("json", F.when(F.col("json._corrupt_record").isNull(), F.col("json")))
    given = {column: F.col(f"json.{field}") for field, column in FIELDS.items()}
    return whole.select(
        *[name for name in raw.columns if name != "payload"],
        "payload_bytes",
        F.col("text").isNotNull().alias("is_utf8"),
        F.col("json").isNotNull().alias("is_parsed"),
        (~F.col("text").rlike(INEXACT_VOLUME)).alias("is_volume_exact"),
        F.when(F.col("json").isNotNull(), _digest(list(given.values()))).alias("content_digest"),
        *[F.when(F.trim(value) != "", value).alias(column) for column, value in given.items()],
        F.lit(None).cast("STRING").alias("call_type_given"),
    )


def _text() -> Column:
    text = F.col("payload").cast("STRING")
    is_sized = F.col("payload_bytes").between(1, MAX_PAYLOAD_BYTES)
    return F.when(is_sized & F.is_valid_utf8(text), text)


def _one_object(text: Column) -> Column:
    # from_json takes the first element of an array and the first of two objects and drops the rest without a word.
    is_one = ~text.rlike(TEXT_AFTER_A_BRACE) | text.rlike(ONE_FLAT_OBJECT)
    return F.when(F.ltrim(text).startswith("{") & is_one, text)


def _digest(values: list[Column]) -> Column:
    """SHA-256 over the fields as parsed, before normalisation; lengths keep fields apart, "-" is a missing one."""
    marked = [F.coalesce(F.concat(F.length(value).cast("STRING"), F.lit(":"), value), F.lit("-")) for value in values]
    return F.sha2(F.concat_ws(",", *marked), 256)
