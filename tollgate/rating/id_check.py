"""The identity check over history: an event id that was accepted before belongs to the first event that bore it."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

KEY = ["event_hash", "source", "event_id"]
# Where the record stands in the order of arrival; of two copies the lower one owns the id.
PLACE = ["batch_no", "kafka_partition", "kafka_offset"]


def with_id_conflicts(events: DataFrame, accepted: DataFrame) -> DataFrame:
    """Add `is_id_conflict` BOOLEAN: an earlier accepted record bears the same source and event id.

    Mediation compares a batch with the event months that it touches; this compares with every month.
    events: rows of usage_event to be rated; accepted: all accepted rows up to the same batch, `events` included.
    Of both only KEY and PLACE are read. The hash finds candidates, source and event id decide.
    """
    known = accepted.select(*(F.col(name).alias(f"known_{name}") for name in [*KEY, *PLACE]))
    same = " AND ".join(f"known_{name} = {name}" for name in KEY)
    earlier = f"struct({', '.join(f'known_{name}' for name in PLACE)}) < struct({', '.join(PLACE)})"
    newcomers = events.select(*KEY, *PLACE).join(known, F.expr(f"{same} AND {earlier}"), how="left_semi")
    marked = newcomers.select(*PLACE, F.lit(True).alias("is_newcomer"))
    # A record has one place, so the right side is unique.
    joined = events.join(marked, PLACE, how="left")
    return joined.select(*events.columns, F.expr("coalesce(is_newcomer, false)").alias("is_id_conflict"))
