"""What the reference snapshot and the record's own parts say about an event: network, type of call, lateness."""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

TECHNOLOGY_ALIASES = {
    "2G": ("GSM", "GPRS", "EDGE", "GERAN"),
    "3G": ("UMTS", "WCDMA", "HSPA", "HSPA+", "UTRAN"),
    "4G": ("LTE", "LTE-A", "EUTRAN", "E-UTRAN"),
    "5G": ("NR", "5GNR", "NG-RAN"),
    # Broadband at a fixed line is the service data, over one of these.
    "FIXED": ("FTTH", "FIBRE", "DSL", "VDSL", "CABLE"),
}
# The trade's words beside the two that are kept: mobile originated, mobile terminated.
DIRECTION_ALIASES = {"out": ("OUTGOING", "ORIGINATING", "MO"), "in": ("INCOMING", "TERMINATING", "MT")}
# What with_context reads.
CONTEXT = (
    "cell_id", "carrier_id", "technology_received", "direction_received", "call_outcome_received", "roaming",
    "roaming_country_received",
    "msisdn", "msisdn_country", "destination", "destination_country", "destination_class", "arrived_at", "started_at",
    "ended_at", "duration_s",
)  # fmt: skip
OUTCOMES = ("answered", "failed", "busy", "dropped", "no_answer", "delivered")


def with_context(records: DataFrame, cells: DataFrame, carriers: DataFrame) -> DataFrame:
    """Add the columns of `with_network`, `with_call_type` and `with_lateness`. records: with the columns CONTEXT."""
    return records.transform(with_network, cells, carriers).transform(with_call_type).transform(with_lateness)


def with_network(records: DataFrame, cells: DataFrame, carriers: DataFrame) -> DataFrame:
    """Add `cell_region`, `is_carrier_known`, `technology`, `direction`, `call_outcome`, `roaming_country`; else NULL.

    cells: ref_cell, unique by `cell_id`; carriers: ref_carrier, unique by `carrier_id`; both of one snapshot.
    """
    regions = cells.select("cell_id", F.col("region").alias("cell_region"))
    known = carriers.select("carrier_id", F.lit(True).alias("is_carrier_known"))
    located = records.join(F.broadcast(regions), "cell_id", how="left")
    return located.join(F.broadcast(known), "carrier_id", how="left").withColumns(
        {
            "technology": F.expr(_known_as("technology_received", TECHNOLOGY_ALIASES)),
            "direction": F.expr(_known_as("direction_received", DIRECTION_ALIASES)),
            "call_outcome": F.expr(_known_as("call_outcome_received", dict.fromkeys(OUTCOMES, ()))),
            "roaming_country": F.expr("CASE WHEN roaming THEN roaming_country_received END"),
        }
    )


def _known_as(column: str, aliases: Mapping[str, tuple[str, ...]]) -> str:
    """The value that the column's text is a name of, in letters of any case; NULL for any other text."""
    cases = " ".join(
        f"WHEN '{name}' THEN '{value}'" for value, others in aliases.items() for name in (value.upper(), *others)
    )
    return f"CASE upper(trim({column})) {cases} END"


def with_call_type(records: DataFrame) -> DataFrame:
    """Add `call_type`: local within one area code of country code 1, national within a country, else international.

    NULL for data, for short codes and where the country of either number is unknown: a guess would be priced.
    """
    return records.withColumn(
        "call_type",
        F.expr("""
            CASE WHEN destination_class <> 'e164' OR msisdn_country IS NULL OR destination_country IS NULL THEN NULL
                 WHEN msisdn_country <> destination_country THEN 'international'
                 WHEN msisdn LIKE '+1%' AND left(msisdn, 5) = left(destination, 5) THEN 'local'
                 WHEN destination_class = 'e164' THEN 'national' END"""),
    )


def with_lateness(records: DataFrame) -> DataFrame:
    """Add `lateness_s` BIGINT: arrival minus the end of the event, in whole seconds; NULL without a readable start."""
    return records.withColumn(
        "lateness_s",
        F.expr("""
            CASE WHEN started_at IS NOT NULL THEN
                 (unix_micros(arrived_at) - unix_micros(coalesce(ended_at, started_at))) div 1000000
                 - if(ended_at IS NULL, coalesce(duration_s, 0), 0) END"""),
    )
