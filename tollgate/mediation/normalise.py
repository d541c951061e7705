"""Times and quantities: from the received text to typed columns; what cannot be read is NULL and left to the rules."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from tollgate.mediation.dialects.native_json import NATIVE_JSON

_CLOCK = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,6})?"
INSTANT = _CLOCK + r"(Z|[+-]\d{2}:\d{2})\z"
WALL_CLOCK = _CLOCK + r"\z"
WHOLE = r"^-?[0-9]+\z"
WHOLE_IN_RANGE = r"^-?0*[0-9]{1,18}\z"
MEGABYTES = r"^-?[0-9]+(\.[0-9]{1,6})?\z"
MEGABYTES_IN_RANGE = r"^-?0*[0-9]{1,12}(\.[0-9]{1,6})?\z"


def with_source(records: DataFrame, sources: DataFrame) -> DataFrame:
    """Add `source` and its `source_dialect`, `source_country`, `source_time_zone`; NULL where it is not registered.

    records: of `dialects.records.parsed`. A native record names its source itself, and is without one if it does not.
    sources: ref_source of one snapshot, unique by `source`.
    """
    registered = sources.select(
        F.col("source").alias("sender"),
        F.col("dialect").alias("source_dialect"),
        F.col("country").alias("source_country"),
        F.col("time_zone").alias("source_time_zone"),
    )
    known = records.join(F.broadcast(registered), "sender", how="left")
    names_itself = F.expr("coalesce(trim(json.source) <> '', false)")
    is_told = names_itself | (F.col("source_dialect") != NATIVE_JSON.name)
    of_source = ("source_country", "source_time_zone")
    return known.withColumns(
        {"source": F.when(is_told, F.col("sender")), **{name: F.when(is_told, F.col(name)) for name in of_source}}
    ).drop("sender")


def with_times(records: DataFrame) -> DataFrame:
    """Add `started_at`, `ended_at`, `source_offset_s`; a time without an offset is read in the zone of its source."""
    wall_clock = F.concat(F.substring("start_received", 1, 19), F.lit("Z")).try_cast("TIMESTAMP")
    return records.withColumns(
        {"started_at": _instant(F.col("start_received")), "ended_at": _instant(F.col("end_received"))}
    ).withColumn(
        "source_offset_s",
        F.when(F.col("started_at").isNotNull(), F.unix_seconds(wall_clock) - F.unix_seconds("started_at")).cast("INT"),
    )


def _instant(text: Column) -> Column:
    zone = F.col("source_time_zone")
    local = F.to_utc_timestamp(F.concat(text, F.lit("Z")).try_cast("TIMESTAMP"), zone)
    instant = F.when(text.rlike(INSTANT), text.try_cast("TIMESTAMP"))
    instant = instant.when(text.rlike(WALL_CLOCK) & zone.isNotNull(), local)
    # An offset can push the first and last days of the calendar out of it, where clients can no longer read them.
    return F.when(instant.between(F.expr("TIMESTAMP '0001-01-02'"), F.expr("TIMESTAMP '9999-12-30'")), instant)


def with_quantities(records: DataFrame) -> DataFrame:
    """Add `duration_s`, `volume_bytes`, `roaming`, `rating_group` with the service's defaults, and `defaulted_fields`.

    Also `is_duration_form`, `is_volume_form`: the text is a number of the right form; `is_duration_beyond`,
    `is_volume_beyond`: of the right form and too large to hold, so the quantity is NULL.
    """
    duration, volume = F.col("duration_received"), F.col("volume_received")
    megabytes = F.when(volume.rlike(MEGABYTES_IN_RANGE), volume.try_cast("DECIMAL(18,6)"))
    forms = records.withColumns(
        {
            "is_duration_form": duration.rlike(WHOLE),
            "is_volume_form": volume.rlike(MEGABYTES) & F.col("is_volume_exact"),
            "is_duration_beyond": duration.rlike(WHOLE) & ~duration.rlike(WHOLE_IN_RANGE),
            "is_volume_beyond": volume.rlike(MEGABYTES) & ~volume.rlike(MEGABYTES_IN_RANGE),
            "is_duration_defaulted": F.expr("duration_received IS NULL AND service IN ('sms', 'mms', 'data')"),
            "is_volume_defaulted": F.expr("volume_received IS NULL AND service IN ('voice', 'sms', 'mms')"),
            "is_roaming_defaulted": F.expr("is_parsed AND roaming_received IS NULL"),
            "is_group_defaulted": F.expr("service = 'data' AND rating_group_received IS NULL"),
        }
    )
    return forms.withColumns(
        {
            "duration_s": F.when(duration.rlike(WHOLE_IN_RANGE), duration.try_cast("BIGINT")).when(
                F.col("is_duration_defaulted"), F.lit(0)
            ),
            "volume_bytes": F.when(F.col("is_volume_form"), (megabytes * 1_000_000).cast("BIGINT")).when(
                F.col("is_volume_defaulted"), F.lit(0)
            ),
            "roaming": F.when(F.col("roaming_received") == "true", True).when(
                (F.col("roaming_received") == "false") | F.col("is_roaming_defaulted"), False
            ),
            "rating_group": F.expr("CASE WHEN service = 'data' THEN coalesce(rating_group_received, 'web') END"),
            "defaulted_fields": F.expr(
                "array_remove(array(if(is_duration_defaulted, 'duration_seconds', ''),"
                " if(is_volume_defaulted, 'data_volume_mb', ''), if(is_roaming_defaulted, 'roaming', ''),"
                " if(is_group_defaulted, 'rating_group', '')), '')"
            ),
        }
    )
