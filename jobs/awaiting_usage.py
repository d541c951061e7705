"""What waits for its night: published batches by the time at which their records arrived, and the state of the gate."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pyspark.sql import functions as F

from jobs.quality_slices import USAGE
from jobs.rate_usage import unmarked_night
from tollgate.assurance.publication import arrived_to, rated_to
from tollgate.platform.lake import Lake


@dataclass(frozen=True)
class Awaiting:
    """Batches [from_batch_no, to_batch_no] that no night has taken, none when to is from - 1; records in them.

    unchecked: how many of these batches the gate has not passed. refused: what it found when it last refused one.
    """

    from_batch_no: int
    to_batch_no: int
    records: int
    accepted: int
    unchecked: int
    refused: tuple[str, ...]

    @property
    def batches(self) -> int:
        """How many there are."""
        return self.to_batch_no - self.from_batch_no + 1


def last_batch_before(lake: Lake, instant: datetime) -> int:
    """The last published batch all of whose records arrived before an instant; -1 when there is none."""
    return int(arrived_to(lake.read("control_mediation"), instant).collect()[0].to_no)


def taken_to(lake: Lake) -> int:
    """The last batch that a night has taken, also one that died before its mark: the next night writes it."""
    unmarked = unmarked_night(lake)
    marked = int(rated_to(lake.read("control_rating")).collect()[0].to_no)
    return marked if unmarked is None else max(marked, unmarked.to_batch_no)


def awaiting(lake: Lake, after: int, to_batch: int) -> Awaiting:
    """What waits in the batches after `after`, up to `to_batch`."""
    marks = lake.read("control_mediation").where(F.col("batch_no").between(after + 1, to_batch))
    results = lake.read("quality_result").where(F.col("suite") == USAGE)
    passed = results.where("passed").agg(F.coalesce(F.max("to_no"), F.lit(-1)).alias("passed_to"))
    # One row each, which is what makes the cross joins harmless.
    refused = results.where("NOT passed").agg(
        F.max("to_no").alias("refused_to"), F.max_by("failed_expectations", "to_no").alias("failed")
    )
    row = (
        marks.crossJoin(passed)
        .agg(
            F.coalesce(F.sum("received"), F.lit(0)).alias("records"),
            F.coalesce(F.sum("accepted"), F.lit(0)).alias("accepted"),
            F.count_if(F.col("batch_no") > F.col("passed_to")).alias("unchecked"),
            F.max("passed_to").alias("passed_to"),
        )
        .crossJoin(refused)
        .collect()[0]
    )
    is_shut = row.unchecked and row.refused_to is not None and row.refused_to > row.passed_to
    found = tuple(row.failed) if is_shut else ()
    return Awaiting(after + 1, max(after, to_batch), row.records, row.accepted, row.unchecked, found)
