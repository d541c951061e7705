"""Drift of the feeds over the batches that the gate of usage_event looks at: kept, and told where it is an alarm."""

from __future__ import annotations

from pyspark.sql import functions as F

from jobs.quality_slices import Slice, rows_of
from tollgate.assurance.drift import drift, told
from tollgate.mediation.rules import RULES
from tollgate.platform.lake import Lake

TABLE = "feed_drift"
# A wave of alarms has one cause; the table has all of them.
SHOWN = 20


def drift_alarms(lake: Lake, slice_: Slice) -> list[str]:
    """Keep the rows of feed_drift for these batches, once, and return its alarms, the largest first, as lines."""
    missing = [rule.code for rule in RULES if rule.code.endswith("_MISSING")]
    found = drift(rows_of(lake, slice_), lake.read(TABLE), slice_.from_no, slice_.to_no, missing)
    lake.append(found.coalesce(1), TABLE, TABLE, slice_.to_no)
    kept = lake.read(TABLE).where((F.col("to_batch_no") == slice_.to_no) & F.col("is_alarm"))
    alarms = kept.select("source", "kind", "field", "records", "of_records", "usual_ppm", "share_ppm")
    largest = alarms.orderBy(F.desc("share_ppm"), "source", "kind", "field").limit(SHOWN)
    return [told(*row) for row in largest.collect()]
