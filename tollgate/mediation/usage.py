"""Mediation of one micro-batch: raw_cdr rows in, usage events out, one row a record."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from tollgate.mediation import normalise
from tollgate.mediation.dialects import records as payloads
from tollgate.mediation.enrich import CONTEXT, with_context
from tollgate.mediation.identity import with_identity
from tollgate.mediation.normalise import with_quantities, with_source, with_times
from tollgate.mediation.numbers import NUMBERS, with_numbers
from tollgate.mediation.rules import RULE_VERSION, with_findings
from tollgate.reference.frames import Reference
from tollgate.steps import Step, compiled_apart, with_steps

REFERENCE_TABLES = ("ref_source", "ref_dialling", "ref_number_range", "ref_cell", "ref_carrier")
# What is read of raw_cdr.
FROM_RAW = ("batch_no", "topic", "kafka_partition", "kafka_offset", "arrived_at", *payloads.BYTES)
# fmt: off
COLUMNS = (
    "batch_no", "topic", "kafka_partition", "kafka_offset", "arrived_at", "disposition", "reasons", "flags",
    "repairs", "defaulted_fields", "unknown_fields", "retyped_fields", "first_batch_no", "first_partition",
    "first_offset", "source", "event_id", "event_hash", "content_digest", "service", "started_at", "ended_at",
    "source_offset_s", "duration_s", "volume_bytes", "msisdn", "msisdn_received", "destination",
    "destination_received", "destination_class", "destination_kind", "msisdn_country", "destination_country",
    "call_type", "call_type_given", "country_given", "subscriber_id", "cell_id", "cell_region", "technology",
    "direction", "slice_id", "rating_group", "roaming", "roaming_country", "carrier_id", "call_outcome", "cause",
    "lateness_s", "rule_version", "snapshot_id", "event_month",
)
# fmt: on


def mediate(raw: DataFrame, reference: Reference) -> DataFrame:
    """Usage events of raw_cdr rows, with the columns of usage_event; disposition accepted or quarantined.

    raw: rows of raw_cdr. reference: needs REFERENCE_TABLES. Nothing in a record raises. Copies are not settled yet:
    `identity.resolve_duplicates` comes after.
    """
    table = reference.table
    steps = (
        Step(payloads.parsed, payloads.BYTES, ends=payloads.BYTES),
        Step(with_source, normalise.SENDER, ("sender",), (table("ref_source"),)),
        Step(payloads.received, payloads.PARSED, ends=("json", "text", "is_plain")),
        Step(payloads.with_odd_fields, payloads.ODD, ends=payloads.ODD),
        Step(with_times, normalise.TIMES, ends=("source_time_zone",)),
        Step(with_quantities, normalise.QUANTITIES, ends=("is_volume_exact",)),
        Step(with_numbers, NUMBERS, given=(table("ref_dialling"), table("ref_number_range"))),
        Step(with_context, CONTEXT, given=(table("ref_cell"), table("ref_carrier"))),
    )
    return (
        # The number of a batch stands in the code that looks for its rows, so that code is new with every batch.
        with_steps(compiled_apart(raw.select(*FROM_RAW)), *steps)
        .transform(with_findings)
        .transform(with_identity)
        .withColumns(
            {
                "first_batch_no": F.lit(None).cast("BIGINT"),
                "first_partition": F.lit(None).cast("INT"),
                "first_offset": F.lit(None).cast("BIGINT"),
                "rule_version": F.lit(RULE_VERSION),
                "snapshot_id": F.lit(reference.snapshot_id).cast("BIGINT"),
            }
        )
        .select(*COLUMNS)
    )
