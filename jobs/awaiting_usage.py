"""What waits for its night: published batches by the time at which their records arrived, and the state of the gate."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pyspark.sql import functions as F

from jobs.quality_slices import USAGE
from jobs.rating_runs import unmarked_night
from tollgate.assurance.publication import arrived_to, published_to, rated_to
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

    def figures(self) -> dict[str, Any]:
        """For a summary: the batches, None for the first and last of none, and what is in them."""
        ends = (self.from_batch_no, self.to_batch_no) if self.batches else (None, None)
        counts = {name: getattr(self, name) for name in ("batches", "records", "accepted", "unchecked")}
        return {"from_batch_no": ends[0], "to_batch_no": ends[1], **counts}


@dataclass(frozen=True)
class Later:
    """Published batches that no night has taken, and the date (YYYY-MM-DD, UTC) whose night takes all of them."""

    from_batch_no: int
    to_batch_no: int
    date: str


def last_batch_before(lake: Lake, instant: datetime) -> int:
    """The last published batch all of whose records arrived before an instant; -1 when there is none."""
    return int(arrived_to(lake.read("control_mediation"), instant).collect()[0].to_no)


def taken_to(lake: Lake) -> int:
    """The last batch that a night has taken, also one that died before its mark: the next night writes it."""
    unmarked = unmarked_night(lake)
    marked = int(rated_to(lake.read("control_rating")).collect()[0].to_no)
    return marked if unmarked is None else max(marked, unmarked.to_batch_no)


def later_than(lake: Lake, after: int) -> Later | None:
    """What is published after the batch `after`; None when nothing is."""
    marked = lake.read("control_mediation")
    marks, published = marked.where(F.col("batch_no") > after), published_to(marked)
    row = (
        # One row on the right: no key is needed, and none can double.
        marks.join(published, F.col("batch_no") <= F.col("to_no"), how="inner")
        .agg(
            F.min("batch_no").alias("first_no"),
            F.max("batch_no").alias("last_no"),
            # As text: a record may be stamped beyond the year 9999, where Python's dates end.
            F.date_format(F.max_by("recorded_at", "batch_no"), "yyyy-MM-dd").alias("date"),
        )
        .collect()[0]
    )
    return None if row.last_no is None else Later(row.first_no, row.last_no, row.date)


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
