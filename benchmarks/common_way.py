"""Mediation as it is commonly written: a Python UDF a rule, `dropDuplicates`, a join against what is known.

It is what `mediate_usage` is measured against. It does less (no flags, no digest, no marks of a batch, no hostile
payload), which is to its advantage, and accepts the same events of a generated mix; the benchmark compares them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation
from typing import Any

import phonenumbers
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from tollgate.mediation.dialects.native_json import NATIVE_JSON

KEY = ["source", "event_id"]
_RECORD = ", ".join(f"`{field}` STRING" for field in NATIVE_JSON.fields)
_SEPARATORS = str.maketrans("", "", " -().")
_SERVICES = ("voice", "sms", "mms", "data")
_TO_SOMEBODY = _SERVICES[:3]
_OLDEST = datetime(2000, 1, 1, tzinfo=timezone.utc)


def e164(received: str | None, country: str | None) -> str | None:
    """A number in E.164, a short code as it is, None for what cannot be a number. Source: phonenumbers."""
    text = (received or "").strip().translate(_SEPARATORS)
    if not country or not re.fullmatch(r"\+?[0-9]+", text, re.ASCII):
        return None
    if len(text) <= 5 and text.isdigit():
        return text
    plain = f"+{text[2:]}" if text.startswith("00") else text
    if plain.startswith("+0"):
        return None
    for form in [plain] if plain.startswith("+") else [plain, f"+{plain}"]:
        try:
            number = phonenumbers.parse(form, country)
        except phonenumbers.NumberParseException as error:
            is_unassigned = error.error_type == phonenumbers.NumberParseException.INVALID_COUNTRY_CODE
            if plain.startswith("+") and is_unassigned and 8 <= len(plain) - 1 <= 15:
                return plain
            continue
        found = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        is_possible = phonenumbers.is_possible_number_with_reason(number) == phonenumbers.ValidationResult.IS_POSSIBLE
        if is_possible and not (plain.startswith("+") and found != plain):
            return found
    return None


def country_of(number: str | None) -> str | None:
    """Region code of an E.164 number."""
    if number is None or not number.startswith("+"):
        return None
    try:
        return phonenumbers.region_code_for_number(phonenumbers.parse(number)) or None
    except phonenumbers.NumberParseException:
        return None


def instant(received: str | None) -> datetime | None:
    """An ISO-8601 time with its offset."""
    try:
        found = datetime.fromisoformat((received or "").replace("Z", "+00:00"))
    except ValueError:
        return None
    return found if found.tzinfo else None


def whole(received: str | None) -> int | None:
    """Whole seconds."""
    return int(received) if received and re.fullmatch("-?[0-9]{1,18}", received, re.ASCII) else None


def volume(received: str | None) -> int | None:
    """Bytes of a text in megabytes."""
    try:
        return None if received is None else int(Decimal(received) * 1_000_000)
    except InvalidOperation:
        return None


# Code, columns, rule: whether the record is set aside for it.
RULES: tuple[tuple[str, tuple[str, ...], Callable[..., bool]], ...] = (
    ("PAYLOAD_UNPARSEABLE", ("is_parsed",), lambda is_parsed: not is_parsed),
    ("EVENT_ID_MISSING", ("event_id",), lambda value: not (value or "").strip()),
    ("SOURCE_MISSING", ("source",), lambda value: not (value or "").strip()),
    ("SOURCE_UNKNOWN", ("source", "source_country"), lambda source, country: bool(source) and country is None),
    ("SERVICE_MISSING", ("service_type",), lambda value: not (value or "").strip()),
    ("SERVICE_UNKNOWN", ("service_type",), lambda value: bool(value) and value not in _SERVICES),
    ("START_MALFORMED", ("started_at",), lambda value: value is None),
    ("END_MALFORMED", ("end_time", "ended_at"), lambda text, value: bool(text) and value is None),
    ("MSISDN_MALFORMED", ("msisdn_e164",), lambda value: value is None),
    ("DESTINATION_MALFORMED", ("service_type", "destination", "destination_e164"),
     lambda service, text, number: (service in _TO_SOMEBODY or bool(text)) and number is None),
    ("DURATION_MISSING", ("service_type", "duration_seconds"),
     lambda service, text: service == "voice" and not text),
    ("DURATION_MALFORMED", ("duration_seconds", "duration_s"), lambda text, value: bool(text) and value is None),
    ("DURATION_NEGATIVE", ("duration_s",), lambda value: value is not None and value < 0),
    ("DURATION_TOO_LONG", ("duration_s",), lambda value: value is not None and value > 86_400),
    ("VOLUME_MISSING", ("service_type", "data_volume_mb"), lambda service, text: service == "data" and not text),
    ("VOLUME_MALFORMED", ("data_volume_mb", "volume_bytes"), lambda text, value: bool(text) and value is None),
    ("VOLUME_NEGATIVE", ("volume_bytes",), lambda value: value is not None and value < 0),
    ("VOLUME_TOO_LARGE", ("volume_bytes",), lambda value: value is not None and value > 1 << 40),
    ("ROAMING_MALFORMED", ("roaming",), lambda value: value not in (None, "true", "false")),
    ("END_BEFORE_START", ("started_at", "ended_at"), lambda begun, ended: bool(begun and ended and ended < begun)),
    ("IN_FUTURE", ("started_at", "arrived_at"),
     lambda begun, arrived: bool(begun) and begun > arrived + timedelta(hours=24)),
    ("START_TOO_OLD", ("started_at",),
     lambda value: value is not None and value.replace(tzinfo=timezone.utc) < _OLDEST),
)  # fmt: skip


def with_reasons(raw: DataFrame, sources: DataFrame, cells: DataFrame) -> DataFrame:
    """Parsed and typed rows of raw_cdr with `reasons` ARRAY<STRING>; accepted where it is empty.

    sources: (source, country) and cells: (cell_id, region), as they are in ref_source and ref_cell.
    """
    text = F.col("payload").cast("STRING")
    parsed = raw.withColumn("json", F.from_json(text, _RECORD)).select(
        "batch_no", "kafka_partition", "kafka_offset", "arrived_at", "json.*",
        (F.is_valid_utf8(text) & text.startswith("{") & F.col("json").isNotNull()).alias("is_parsed"),
    )  # fmt: skip
    known = parsed.join(
        F.broadcast(sources.select("source", F.col("country").alias("source_country"))), "source", how="left"
    ).join(F.broadcast(cells.select("cell_id", F.col("region").alias("cell_region"))), "cell_id", how="left")
    typed = known.withColumns(
        {
            "msisdn_e164": _udf(e164, "STRING")("msisdn", "source_country"),
            "destination_e164": _udf(e164, "STRING")("destination", "source_country"),
            "started_at": _udf(instant, "TIMESTAMP")("timestamp"),
            "ended_at": _udf(instant, "TIMESTAMP")("end_time"),
            "duration_s": _udf(whole, "BIGINT")("duration_seconds"),
            "volume_bytes": _udf(volume, "BIGINT")("data_volume_mb"),
        }
    ).withColumns(
        {
            "msisdn_country": _udf(country_of, "STRING")("msisdn_e164"),
            "destination_country": _udf(country_of, "STRING")("destination_e164"),
        }
    )
    broken = [F.when(_udf(rule, "BOOLEAN")(*columns), F.lit(code)) for code, columns, rule in RULES]
    return typed.withColumn("reasons", F.array_compact(F.array(*broken)))


def accepted_once(judged: DataFrame, known: DataFrame) -> DataFrame:
    """Accepted rows of `with_reasons` whose (source, event_id) stands once in them and not in `known` (source,
    event_id), with their month."""
    sound = judged.where(F.size("reasons") == 0).dropDuplicates(KEY)
    return sound.join(known, KEY, how="left_anti").withColumn("event_month", F.date_format("started_at", "yyyy-MM"))


def _udf(function: Callable[..., Any], returns: str) -> Callable[..., Column]:
    made: Callable[..., Column] = F.udf(function, returns)
    return made
