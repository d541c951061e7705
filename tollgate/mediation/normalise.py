"""Times and quantities: from the received text to typed columns; what cannot be read is NULL and left to the rules."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from tollgate.mediation.dialects.native_json import NATIVE_JSON
from tollgate.mediation.named import names_of
from tollgate.reference.time_zones import zones_known_to

_CLOCK = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,6})?"
INSTANT = _CLOCK + r"(Z|[+-]\d{2}:\d{2})\z"
WALL_CLOCK = _CLOCK + r"\z"
# Minus zero is no quantity: what wrote it has lost its sign or its digits.
WHOLE = r"^(?!-0*\z)-?[0-9]+\z"
WHOLE_IN_RANGE = r"^-?0*[0-9]{1,18}\z"
MEGABYTES = r"^(?!-[0.]*\z)-?[0-9]+(\.[0-9]{1,6})?\z"
MEGABYTES_IN_RANGE = r"^-?0*[0-9]{1,12}(\.[0-9]{1,6})?\z"


# What the steps read.
SENDER = ("sender", "json")
TIMES = ("start_received", "end_received", "source_time_zone")
QUANTITIES = (
    "service", "duration_received", "volume_received", "is_volume_exact", "roaming_received", "rating_group_received",
    "is_parsed",
)  # fmt: skip


def with_source(records: DataFrame, sources: DataFrame) -> DataFrame:
    """Add `source` and its `source_dialect`, `source_country`, `source_time_zone`; NULL where it is not registered.

    records: of `dialects.records.parsed`. A native record names its source itself, and is without one if it does not.
    sources: ref_source of one snapshot, unique by `source`.
    """
    # A name that is no zone would fail every batch with a record of that source.
    is_zone = F.col("time_zone").isin(*zones_known_to(sources.sparkSession))
    registered = sources.select(
        F.col("source").alias("sender"),
        F.col("dialect").alias("source_dialect"),
        F.col("country").alias("source_country"),
        F.when(is_zone, F.col("time_zone")).alias("source_time_zone"),
    )
    known = records.join(F.broadcast(registered), "sender", how="left")
    names_itself = F.expr("coalesce(trim(json.source) <> '', false)")
    is_told = names_itself | (F.col("source_dialect") != NATIVE_JSON.name)
    of_source = ("source_country", "source_time_zone")
    return known.withColumns(
        {"source": F.when(is_told, F.col("sender")), **{name: F.when(is_told, F.col(name)) for name in of_source}}
    ).drop("sender")


def with_times(records: DataFrame) -> DataFrame:
    """Add `started_at`, `ended_at`, `source_offset_s`; a time without an offset is read in the zone of its source.

    Such a time in an hour that the clocks repeat is its first reading, an end the second one where the first lies
    before the start; one in an hour that they skip is read with the offset before it. `is_time_ambiguous`,
    `is_time_nonexistent` tell so; NULL otherwise. records: with the columns TIMES, of which the zone goes.
    """
    walls = records.withColumns({f"{name}_wall": _wall_clock(F.col(f"{name}_received")) for name in ("start", "end")})
    read = walls.withColumns(
        {
            "started_at": _instant("start"),
            "end_first": _instant("end"),
            "start_other": _other_reading(F.col("start_wall")),
            "end_other": _other_reading(F.col("end_wall")),
        }
    )
    local = F.concat(F.substring("start_received", 1, 19), F.lit("Z")).try_cast("TIMESTAMP")
    return read.withColumns(
        {
            "ended_at": F.expr("if(end_first < started_at AND end_other > end_first, end_other, end_first)"),
            "is_time_ambiguous": F.expr("start_other IS NOT NULL OR end_other IS NOT NULL"),
            "is_time_nonexistent": _is_skipped("start_wall", "started_at") | _is_skipped("end_wall", "end_first"),
            "source_offset_s": F.when(
                F.col("started_at").isNotNull(), F.unix_seconds(local) - F.unix_seconds("started_at")
            ).cast("INT"),
        }
    ).drop("start_wall", "end_wall", "start_other", "end_other", "end_first", "source_time_zone")


def _wall_clock(text: Column) -> Column:
    """A time without an offset as if it were UTC; NULL for all others, and where its source has no zone."""
    # The look at its end spares most times a pattern.
    has_offset = text.endswith("Z") | F.substring(text, -6, 1).isin("+", "-")
    is_wall = ~has_offset & F.col("source_time_zone").isNotNull() & text.rlike(WALL_CLOCK)
    return F.when(is_wall, F.concat(text, F.lit("Z")).try_cast("TIMESTAMP"))


def _instant(name: str) -> Column:
    text, wall = F.col(f"{name}_received"), F.col(f"{name}_wall")
    # Of two readings to_utc_timestamp takes the first, of none the one by the offset before.
    local = F.to_utc_timestamp(wall, F.col("source_time_zone"))
    instant = F.when(wall.isNotNull(), local).when(text.rlike(INSTANT), text.try_cast("TIMESTAMP"))
    # An offset can push the first and last days of the calendar out of it, where clients can no longer read them.
    return F.when(instant.between(F.expr("TIMESTAMP '0001-01-02'"), F.expr("TIMESTAMP '9999-12-30'")), instant)


def _other_reading(wall: Column) -> Column:
    """The second reading of a wall clock, by the offset of a day later; NULL where that is none or the only one."""
    zone, day_later = F.col("source_time_zone"), wall + F.expr("INTERVAL 1 DAY")
    other = wall - (F.from_utc_timestamp(day_later, zone) - day_later)
    is_second = (F.from_utc_timestamp(other, zone) == wall) & (other != F.to_utc_timestamp(wall, zone))
    return F.when(is_second, other)


def _is_skipped(wall: str, instant: str) -> Column:
    # Most times have an offset and no wall clock, and need not be brought into a zone to see it.
    differs = F.from_utc_timestamp(instant, F.col("source_time_zone")) != F.col(wall)
    return F.coalesce(F.when(F.col(wall).isNotNull(), differs), F.lit(False))


def with_quantities(records: DataFrame) -> DataFrame:
    """Add `duration_s`, `volume_bytes`, `roaming`, `rating_group` with the service's defaults, and `defaulted_fields`.

    Also `is_duration_form`, `is_volume_form`: the text is a number of the right form; `is_duration_beyond`,
    `is_volume_beyond`: of the right form and too large to hold, so the quantity is NULL. records: with the columns
    QUANTITIES, of which `is_volume_exact` goes.
    """
    duration, volume = F.col("duration_received"), F.col("volume_received")
    megabytes = F.when(volume.rlike(MEGABYTES_IN_RANGE), volume.try_cast("DECIMAL(18,6)"))
    forms = records.withColumns(
        {
            "is_duration_form": duration.rlike(WHOLE),
            "is_volume_form": F.when(volume.isNotNull(), volume.rlike(MEGABYTES) & F.col("is_volume_exact")),
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
            "defaulted_fields": names_of(
                [
                    ("duration_seconds", "is_duration_defaulted"),
                    ("data_volume_mb", "is_volume_defaulted"),
                    ("roaming", "is_roaming_defaulted"),
                    ("rating_group", "is_group_defaulted"),
                ]
            ),
        }
    ).drop("is_volume_exact", "is_duration_defaulted", "is_volume_defaulted", "is_roaming_defaulted")
