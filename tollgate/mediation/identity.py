"""Whose event id it is: the first accepted copy owns it, an equal copy is a duplicate, other content is a conflict."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from tollgate.mediation.rules import ID_CONFLICT
from tollgate.steps import compiled_apart

NO_MONTH = "none"
KEY = ["event_month", "event_hash", "source", "event_id"]
POSITION = ["batch_no", "kafka_partition", "kafka_offset"]
HISTORY = [*KEY, "content_digest", *POSITION]
# What a copy is known by, and what it changes in a record.
SETTLED = [*HISTORY, "disposition", "reasons", "first_batch_no", "first_partition", "first_offset"]
# What else is read of a batch before it is written.
SUMMED = ["duration_s", "volume_bytes"]


def with_identity(records: DataFrame) -> DataFrame:
    """Add `disposition`: accepted, or quarantined for a reason; `event_hash` (an index, never the identity) and
    `event_month`: UTC month of the start, else `none`. records: with `source`, `event_id`,
    `started_at`, `reasons`.
    """
    is_accepted = F.size("reasons") == 0
    return records.withColumns(
        {
            "disposition": F.when(is_accepted, "accepted").otherwise("quarantined"),
            "event_hash": F.expr("CASE WHEN event_id IS NOT NULL THEN xxhash64(source, event_id) END"),
            # Quarantined rows may carry any date; it must not make a partition.
            "event_month": F.when(is_accepted, F.date_format("started_at", "yyyy-MM")).otherwise(NO_MONTH),
        }
    )


def known_keys(usage_event: DataFrame, candidates: DataFrame, months: list[str], batch_no: int) -> DataFrame:
    """The accepted keys of lower batches in `months` that may be keys of the candidates; columns HISTORY.

    usage_event: the whole table; only key columns of the months' partitions are read, and semi-joined by hash against
    the broadcast keys of the batch.
    """
    of_months = usage_event.where(
        F.col("event_month").isin(months) & (F.col("disposition") == "accepted") & (F.col("batch_no") < batch_no)
    ).select(*HISTORY)
    of_months = compiled_apart(of_months)
    asked = candidates.where(F.col("disposition") == "accepted").select("event_month", "event_hash")
    return of_months.join(F.broadcast(asked), ["event_month", "event_hash"], how="left_semi")


def packed(candidates: DataFrame) -> DataFrame:
    """Rows of `mediate` with the columns SETTLED and SUMMED, and all others as one struct, `others`.

    So they go through memory and the join as one copy of bytes.
    """
    others = [name for name in candidates.columns if name not in (*SETTLED, *SUMMED)]
    return candidates.select(*SETTLED, *SUMMED, F.struct(*others).alias("others"))


def resolve_duplicates(candidates: DataFrame, history: DataFrame) -> DataFrame:
    """Settle the disposition of one batch's rows; SETTLED, SUMMED and then what was in `others`.

    candidates: rows of `packed`, accepted or quarantined; read more than once. history: accepted keys of lower batches
    (columns HISTORY), at most one row a key. The same id in another month is another key here; the night's id check
    finds it.
    """
    copy = F.struct(*POSITION, "content_digest")
    # The owner is the first copy there is, which a lower batch has before this one. No NULL key is accepted.
    owners = _repeated(candidates).unionByName(history).groupBy(*KEY).agg(F.min(copy).alias("owner"))
    is_owner = " AND ".join(f"owner.{name} = {name}" for name in POSITION)
    owned = (
        candidates.join(F.broadcast(owners), KEY, how="left")
        .withColumn("is_copy", F.expr(f"disposition = 'accepted' AND owner IS NOT NULL AND NOT ({is_owner})"))
        .withColumn("is_conflict", F.expr("is_copy AND content_digest <> owner.content_digest"))
    )
    settled = owned.withColumns(
        {
            "disposition": F.when(F.col("is_conflict"), "quarantined")
            .when(F.col("is_copy"), "duplicate")
            .otherwise(F.col("disposition")),
            "reasons": F.when(F.col("is_conflict"), F.array(F.lit(ID_CONFLICT))).otherwise(F.col("reasons")),
            "event_month": F.when(F.col("is_conflict"), NO_MONTH).otherwise(F.col("event_month")),
            "first_batch_no": F.when(F.col("is_copy"), F.col("owner.batch_no")),
            "first_partition": F.when(F.col("is_copy"), F.col("owner.kafka_partition")),
            "first_offset": F.when(F.col("is_copy"), F.col("owner.kafka_offset")),
        }
    )
    return settled.select(*SETTLED, *SUMMED, "others.*")


def _repeated(candidates: DataFrame) -> DataFrame:
    """The accepted rows of a batch whose hash is there twice or more; columns HISTORY.

    Few are, so no other row has to be moved and sorted to find the copies.
    """
    accepted = candidates.where(F.col("disposition") == "accepted").select(*HISTORY)
    twice = accepted.groupBy("event_hash").agg(F.count("*").alias("times")).where("times > 1").select("event_hash")
    return accepted.join(F.broadcast(twice), "event_hash", how="left_semi")
