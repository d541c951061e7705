"""Whether checkpoint, raw_cdr and broker tell one story; nothing is read from Kafka or published where they do not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

Offsets = dict[int, int]


class Disagreement(NamedTuple):
    """Why the stream must not start, or go on."""

    what: str
    expected: str
    found: str
    way_out: str


@dataclass(frozen=True)
class Standing:
    """What raw_cdr holds. Batch numbers count on over checkpoint generations; a generation's first is its base.

    last_batch_no: -1 when raw_cdr has no rows. base: batch_no of Spark's batch 0 in this generation.
    end: the offset after the last record of each partition of the topic; empty when there is none.
    topic_id: the broker's id of the topic that the last batch came from; None when it was not told.
    """

    generation: int
    base: int
    last_batch_no: int
    end: Offsets
    topic_id: str | None = None


NEW_GENERATION = "start with --new-generation: it mediates what stands in raw_cdr and goes on in Kafka after its end"
_OTHER_TOPIC = "the topic is not the one that raw_cdr was read from: it was made anew or lost records"
_RENAME = "give the new topic another name (kafka.topic) and start with --new-generation"
_REPLAY = "restore the checkpoint that belongs to this raw_cdr, or " + NEW_GENERATION


def with_checkpoint(
    standing: Standing, planned: int | None, planned_end: Offsets, before: Offsets, committed: int | None
) -> Disagreement | None:
    """Compare a checkpoint with raw_cdr: they agree up to one batch, planned and perhaps written, which Spark replays.

    planned, committed: Spark's batch ids. planned_end, before: offsets at end and start of the planned batch.
    """
    in_raw = standing.last_batch_no - standing.base  # Spark's id of the last batch in raw_cdr; -1 for none
    at = f"raw_cdr ends with batch {standing.last_batch_no} at {_shown(standing.end)}"
    if planned is None:
        if in_raw >= 0:
            return Disagreement("the checkpoint has forgotten its batches", at, "a checkpoint without batches", _REPLAY)
        expected_end = before
    elif in_raw == planned:
        expected_end = planned_end
    elif in_raw == planned - 1 and (committed is None or committed < planned):
        expected_end = before
    else:
        what = "the checkpoint is ahead of raw_cdr" if in_raw < planned else "the checkpoint is behind raw_cdr"
        found = f"the checkpoint ends with batch {standing.base + planned} at {_shown(planned_end)}"
        return Disagreement(what, at, found, _REPLAY)
    # A partition that came to the topic since, and that no batch has read, stands at its first record.
    new = {partition: 0 for partition in expected_end if partition not in standing.end}
    if standing.end and expected_end and expected_end != {**standing.end, **new}:
        found = f"the checkpoint is at {_shown(expected_end)} after the same batches"
        return Disagreement("the checkpoint belongs to another raw_cdr or topic", at, found, _REPLAY)
    return None


def with_broker(standing: Standing, begin: Offsets, end: Offsets, topic_id: str | None = None) -> Disagreement | None:
    """Compare raw_cdr with what the broker holds now: its first and last offset of each partition, and its topic's id.

    A topic made anew may have grown beyond raw_cdr's end, where only the id tells. What a topic had lost before the
    first batch of it is not known to be missing: see `lost_before`.
    """
    if another := with_topic(standing.topic_id, topic_id):
        return another
    known = standing.end and {**dict.fromkeys(begin.keys() & end.keys(), 0), **standing.end}
    for partition, next_offset in sorted(known.items()):
        place = "where raw_cdr ends" if partition in standing.end else "its first"
        wanted = f"partition {partition} with offset {next_offset}, {place}"
        if partition not in end or end[partition] < next_offset:
            return Disagreement(_OTHER_TOPIC, wanted, f"the broker's end is {end.get(partition, 'missing')}", _RENAME)
        if begin[partition] > next_offset:
            return Disagreement(
                "the broker has deleted records that were never read",
                wanted,
                f"the broker begins at {begin[partition]}",
                "publish the missing records again under another topic (kafka.topic) and start with --new-generation",
            )
    return None


def with_batch(before: Offsets, start: Offsets) -> Disagreement | None:
    """Compare the first offsets of a batch with the ends of the one before; a new partition begins at its first."""
    wanted = before and {**dict.fromkeys(start, 0), **before}
    if wanted in ({}, start):
        return None
    what = "the batch does not begin where the last one ended"
    return Disagreement(what, _shown(wanted), f"it begins at {_shown(start)}", _REPLAY)


def with_topic(known: str | None, found: str | None) -> Disagreement | None:
    """Compare the ids of a topic that has been read from with what the broker says now; what is not told agrees."""
    if known and found and known != found:
        return Disagreement(_OTHER_TOPIC, f"the topic with the id {known}", f"the id {found}", _RENAME)
    return None


def lost_before(standing: Standing, begin: Offsets) -> Offsets:
    """The partitions that no longer begin at their first record, where nothing of the topic was ever read: what was
    there before is not mediated, and whoever starts the first stream should know."""
    return {} if standing.end else {partition: offset for partition, offset in sorted(begin.items()) if offset > 0}


def _shown(offsets: Offsets) -> str:
    return ", ".join(f"{partition}:{offset}" for partition, offset in sorted(offsets.items())) or "no offset"
