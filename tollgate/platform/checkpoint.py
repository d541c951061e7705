"""What the checkpoint of a Kafka stream says: the batches planned, up to which offsets, and those committed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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
    """The checkpoint in `folder`; nothing planned and no metadata when it is not there.

    TollgateError when one of the files that Spark starts from cannot be read.
    """
    names = _names(spark, folder)
    planned = _last_number(_names(spark, f"{folder}/offsets"))
    committed = _last_number(_names(spark, f"{folder}/commits"))
    if planned is None:
        before = start_offsets(spark, folder, topic)
    else:
        before = batch_end(spark, folder, topic, planned - 1) if planned else start_offsets(spark, folder, topic)
    found = Checkpoint(
        has_metadata="metadata" in names,
        planned=planned,
        planned_end={} if planned is None else batch_end(spark, folder, topic, planned),
        before=before,
        committed=committed,
    )
    if found.has_metadata:
        _last_line(spark, f"{folder}/metadata")
    if committed is not None:
        _last_line(spark, f"{folder}/commits/{committed}")
    return found


def batch_end(spark: SparkSession, folder: str, topic: str, batch_id: int) -> Offsets:
    """Where the batch ends in each partition, from the offset log; Spark writes it before the batch runs."""
    return _of_topic(spark, f"{folder}/offsets/{batch_id}", topic)


def start_offsets(spark: SparkSession, folder: str, topic: str) -> Offsets:
    """Where the stream began in each partition; empty before its first batch was planned."""
    if "0" not in _names(spark, f"{folder}/sources/0"):
        return {}
    return _of_topic(spark, f"{folder}/sources/0/0", topic)


def _of_topic(spark: SparkSession, path: str, topic: str) -> Offsets:
    line = _last_line(spark, path)
    try:
        topics = {name: {int(no): int(offset) for no, offset in offsets.items()} for name, offsets in line.items()}
    except (ValueError, AttributeError, TypeError):
        # A file that was cut off ends with another line of Spark's.
        raise _damaged(path, json.dumps(line)) from None
    if set(topics) != {topic}:
        raise TollgateError(
            "the checkpoint belongs to another topic",
            where=path,
            expected=topic,
            found=", ".join(sorted(topics)),
            way_out="name the topic that the checkpoint belongs to, or start with --new-generation",
        )
    return topics[topic]


def _last_line(spark: SparkSession, path: str) -> dict[str, Any]:
    """The last line of one of Spark's files, which is always a JSON object; TollgateError when it is not."""
    text = _read(spark, path)
    try:
        return dict(json.loads(text.splitlines()[-1]))
    except (IndexError, ValueError, TypeError):
        raise _damaged(path, text or "nothing") from None


def _last_number(names: list[str]) -> int | None:
    return max((int(name) for name in names if name.isdigit()), default=None)


def _names(spark: SparkSession, folder: str) -> list[str]:
    return Folder(spark, folder).names()


def _read(spark: SparkSession, file: str) -> str:
    from py4j.protocol import Py4JJavaError

    folder, _, name = file.rpartition("/")
    place = Folder(spark, folder)
    if not place.exists(name):
        raise _damaged(file, "no such file")
    try:
        return place.read_text(name)
    except Py4JJavaError as error:
        # On a local disk Hadoop keeps a checksum beside the file.
        raise _damaged(file, str(error.java_exception)) from None


def _damaged(path: str, found: str) -> TollgateError:
    return TollgateError(
        "the checkpoint is damaged: a file of it cannot be read",
        where=path,
        found=found[:200],
        way_out="start with --new-generation: it goes on from the end of raw_cdr",
    )
