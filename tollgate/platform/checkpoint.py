"""What the checkpoint of a Kafka stream says: the batches planned, up to which offsets, and those committed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tollgate.platform.errors import TollgateError
from tollgate.platform.folders import Folder

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

Offsets = dict[int, int]


@dataclass(frozen=True)
class Checkpoint:
    """One checkpoint folder as Spark left it. Batch ids count from 0; offsets are the ends of batches by partition.

    has_metadata: whether Spark's own mark of the query is there; without it Spark would start a new query silently.
    planned: the last batch whose offsets were written down; before: the end of the batch before it, or where the
    stream began. committed: the last batch that Spark knows to be done.
    """

    has_metadata: bool
    planned: int | None
    planned_end: Offsets
    before: Offsets
    committed: int | None


def generations(spark: SparkSession, folder: str) -> list[int]:
    """The checkpoint generations under `folder`, ascending."""
    return sorted(int(name) for name in _names(spark, folder) if name.isdigit())


def read_checkpoint(spark: SparkSession, folder: str, topic: str) -> Checkpoint:
    """The checkpoint in `folder`; nothing planned and no metadata when it is not there."""
    names = _names(spark, folder)
    planned = _last_number(_names(spark, f"{folder}/offsets"))
    if planned is None:
        before = start_offsets(spark, folder, topic)
    else:
        before = batch_end(spark, folder, topic, planned - 1) if planned else start_offsets(spark, folder, topic)
    return Checkpoint(
        has_metadata="metadata" in names,
        planned=planned,
        planned_end={} if planned is None else batch_end(spark, folder, topic, planned),
        before=before,
        committed=_last_number(_names(spark, f"{folder}/commits")),
    )


def batch_end(spark: SparkSession, folder: str, topic: str, batch_id: int) -> Offsets:
    """Where the batch ends in each partition, from the offset log; Spark writes it before the batch runs."""
    path = f"{folder}/offsets/{batch_id}"
    return _of_topic(_read(spark, path).splitlines()[-1], topic, path)


def start_offsets(spark: SparkSession, folder: str, topic: str) -> Offsets:
    """Where the stream began in each partition; empty before its first batch was planned."""
    if "0" not in _names(spark, f"{folder}/sources/0"):
        return {}
    path = f"{folder}/sources/0/0"
    return _of_topic(_read(spark, path).splitlines()[-1], topic, path)


def _of_topic(line: str, topic: str, path: str) -> Offsets:
    try:
        topics = json.loads(line)
        if set(topics) != {topic}:
            raise TollgateError(
                "the checkpoint belongs to another topic",
                where=path,
                expected=topic,
                found=", ".join(sorted(topics)),
                way_out="name the topic that the checkpoint belongs to, or start with --new-generation",
            )
        return {int(partition): int(offset) for partition, offset in topics[topic].items()}
    except (ValueError, AttributeError, TypeError):
        raise TollgateError(
            "the checkpoint is damaged: no offsets can be read",
            where=path,
            found=line[:100],
            way_out="start with --new-generation: it goes on from the end of raw_cdr",
        ) from None


def _last_number(names: list[str]) -> int | None:
    return max((int(name) for name in names if name.isdigit()), default=None)


def _names(spark: SparkSession, folder: str) -> list[str]:
    return Folder(spark, folder).names()


def _read(spark: SparkSession, file: str) -> str:
    folder, _, name = file.rpartition("/")
    place = Folder(spark, folder)
    if not place.exists(name):
        raise TollgateError(
            "the checkpoint is damaged: a file is missing",
            where=file,
            way_out="start with --new-generation: it goes on from the end of raw_cdr",
        )
    return place.read_text(name)
