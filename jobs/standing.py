"""What the lake holds of the stream when it starts: how far raw_cdr goes, and the batches that have no mark yet."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.micro_batch import JOB, Pins, app_id
from tollgate.assurance.publication import published_to
from tollgate.mediation.continuity import Offsets, Standing
from tollgate.platform.errors import TollgateError
from tollgate.platform.lake import Lake


def standing(lake: Lake, topic: str) -> tuple[Standing, list[Pins]]:
    """What raw_cdr holds, and its batches without a mark, oldest first.

    TollgateError when a table has lost a commit of a batch that is marked.
    """
    marks = lake.read("control_mediation")
    by_generation = marks.groupBy("generation", "topic").agg(
        F.min("batch_no").alias("base"),
        F.max("batch_no").alias("last"),
        F.expr("max_by(offsets, batch_no)").alias("offsets"),
        F.expr("max_by(topic_id, batch_no)").alias("topic_id"),
    )
    known = by_generation.collect()
    _refuse_lost_commits(lake, [(row["generation"], row["last"]) for row in known])
    published = published_to(marks).first()
    pinned = _open_batches(lake, int(published["to_no"]) if published else -1)
    bases = [(row["generation"], row["base"]) for row in known] + [(pins.generation, pins.batch_no) for pins in pinned]
    last = max([row["last"] for row in known] + [pins.batch_no for pins in pinned], default=-1)
    generation = max((generation for generation, _ in bases), default=0)
    base = min((base for found, base in bases if found == generation), default=0)
    of_topic = [(row["last"], _end(row["offsets"]), row["topic_id"]) for row in known if row["topic"] == topic]
    of_topic += [(pins.batch_no, pins.end, pins.topic_id) for pins in pinned if pins.topic == topic]
    _, end, topic_id = max(of_topic, key=lambda found: found[0], default=(-1, {}, None))
    return Standing(generation, base, last, end, topic_id), pinned


def _refuse_lost_commits(lake: Lake, marked: Iterable[tuple[int, int]]) -> None:
    """A commit that a power cut has left empty is no error to Delta: its rows are gone, and nothing says so.

    marked: (generation, last batch with a mark). Only the last commits are compared, which costs next to nothing;
    `reconcile` sees all.
    """
    wanted: dict[str, int] = {}
    for generation, last in marked:
        wanted[app_id(generation)] = max(last, wanted.get(app_id(generation), -1))
    for table in ("raw_cdr", "usage_event") if wanted else ():
        stands = lake.versions_in_log(table)
        lost = {app: no for app, no in wanted.items() if stands.get(app, -1) < no}
        if lost:
            raise TollgateError(
                f"{table} is damaged: it has lost commits of batches that are published",
                where=lake.path(table),
                expected=", ".join(f"{app} up to batch {no}" for app, no in sorted(lost.items())),
                found=", ".join(f"{app} up to batch {no}" for app, no in sorted(stands.items())) or "no commit",
                way_out="restore the lake, with the stream's checkpoint, from one backup",
            )


def last_batch(lake: Lake) -> int:
    """The last batch whose bytes stand in raw_cdr, marked or not; -1 without any."""
    # The number of a batch is the version of its commit, in every generation.
    versions = lake.last_versions("raw_cdr").items()
    return max((version for app_id, version in versions if app_id.startswith(f"{JOB}/")), default=-1)


def _open_batches(lake: Lake, published: int) -> list[Pins]:
    last = last_batch(lake)
    if last <= published:
        return []
    numbers = [
        lake.read(table).where(F.col("batch_no") > published).select(F.lit(table).alias("place"), "batch_no").distinct()
        for table in ("raw_cdr", "control_mediation")
    ]
    found = {(row["place"], row["batch_no"]) for row in reduce(DataFrame.unionByName, numbers).collect()}
    # Commits come in the order of their batches, so those of the open batches are the last. One may have no rows.
    commits = lake.commit_metadata("raw_cdr", last - published, "batch_no")
    pins = {kept["batch_no"]: Pins(**kept) for kept in commits if kept["batch_no"] > published}
    numbered = {*pins, *(no for place, no in found if place == "raw_cdr")}
    unmarked = sorted(no for no in numbered if ("control_mediation", no) not in found)
    lost = [str(number) for number in unmarked if number not in pins]
    if lost:
        raise TollgateError(
            f"the pins of {len(lost)} batch(es) without a mark are gone: {', '.join(lost)}",
            where=lake.path("raw_cdr"),
            expected="the metadata of their commits, which Delta keeps as long as its log",
            way_out="restore the log of raw_cdr, or the rows of control_mediation",
        )
    return [pins[number] for number in unmarked]


def _end(offsets: str) -> Offsets:
    return {int(partition): end for partition, (_, end) in json.loads(offsets).items()}
