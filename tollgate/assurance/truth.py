"""What mediation found against what was injected, class by class.

The truth is one row a record: (topic, kafka_partition, kafka_offset, event_id, dirt_class, dirt_kind,
expected_disposition, expected_code, copy_of_partition, copy_of_offset). A record is found when its disposition is the
expected one and the expected code stands in its reasons, flags or repairs; a duplicate must also point to the copy that
came first.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

CLEAN = "clean"
NONE = "none"
RECORD = ["topic", "kafka_partition", "kafka_offset"]
CODELESS = ""
DUPLICATE_CODE = "DUPLICATE"


def compared(usage_event: DataFrame, truth: DataFrame) -> DataFrame:
    """One row a record of either side: what was injected, what was found, and whether they agree.

    Columns: the record's key, `dirt_class`, `dirt_kind`, `expected_disposition`, `expected_code`, `disposition`,
    `codes`, `is_found` BOOLEAN, `true_class` (clean for what leaves no trace, such as a record that is minutes late),
    `claimed_class` (the class that the codes speak for; clean for accepted without one, none for a code that no class
    explains).
    """
    found = usage_event.select(
        *RECORD,
        "disposition",
        F.array_union(F.array_union("reasons", "flags"), "repairs").alias("codes"),
        "first_partition",
        "first_offset",
    )
    expected = truth.withColumn(
        "code",
        F.when(F.col("expected_disposition") == "duplicate", DUPLICATE_CODE).otherwise(F.col("expected_code")),
    )
    both = found.join(expected, RECORD, how="full")
    claims = _claims(found, expected)
    return both.join(claims, RECORD, how="left").select(
        *RECORD,
        "dirt_class",
        "dirt_kind",
        "expected_disposition",
        "expected_code",
        "disposition",
        "codes",
        F.coalesce(_is_found(), F.lit(False)).alias("is_found"),
        F.when((F.col("expected_disposition") == "accepted") & (F.col("code") == CODELESS), CLEAN)
        .otherwise(F.coalesce("dirt_class", F.lit(NONE)))
        .alias("true_class"),
        F.when(F.col("claimed").isNotNull(), F.col("claimed"))
        .when(F.col("disposition") == "accepted", CLEAN)
        .otherwise(NONE)
        .alias("claimed_class"),
    )


def by_class_and_claim(comparison: DataFrame) -> DataFrame:
    """Counts from which recall and precision of each class are read.

    One row a (dirt_class, dirt_kind, expected_disposition, expected_code, true_class, claimed_class): `records` and
    `found` BIGINT. dirt_class is NULL for records that nobody injected.
    """
    kind = ["dirt_class", "dirt_kind", "expected_disposition", "expected_code", "true_class", "claimed_class"]
    return comparison.groupBy(*kind).agg(F.count("*").alias("records"), F.count_if("is_found").alias("found"))


def misses(comparison: DataFrame, limit: int = 20) -> DataFrame:
    """The first records, by their key, on which mediation and truth differ."""
    return comparison.where("NOT is_found OR true_class <> claimed_class").orderBy(*RECORD).limit(limit)


def _is_found() -> Column:
    is_duplicate = F.col("expected_disposition") == "duplicate"
    points_right = (F.col("first_partition") == F.col("copy_of_partition")) & (
        F.col("first_offset") == F.col("copy_of_offset")
    )
    has_code = (F.col("expected_code") == CODELESS) | F.array_contains("codes", F.col("expected_code"))
    return (F.col("disposition") == F.col("expected_disposition")) & has_code & (~is_duplicate | points_right)


def _claims(found: DataFrame, expected: DataFrame) -> DataFrame:
    """The class that a record's codes speak for; of several the first by name, so that one record makes one claim.

    A code that clean records bear, such as that of a long call, speaks for no dirt.
    """
    meanings = (
        expected.where((F.col("code") != CODELESS) & (F.col("dirt_class") != CLEAN))
        .select(F.col("expected_disposition").alias("disposition"), "code", F.col("dirt_class").alias("claimed"))
        .distinct()
    )
    told = F.when(F.col("disposition") == "duplicate", F.array(F.lit(DUPLICATE_CODE))).otherwise(F.col("codes"))
    spoken = found.select(*RECORD, "disposition", F.explode(told).alias("code"))
    claims = spoken.join(F.broadcast(meanings), ["disposition", "code"], how="inner")
    return claims.groupBy(*RECORD).agg(F.min("claimed").alias("claimed"))
