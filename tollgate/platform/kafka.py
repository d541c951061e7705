"""The topic: made as simulated time needs it, and its offsets."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from tollgate.platform.errors import TollgateError
from tollgate.platform.local_kafka import PART
from tollgate.platform.progress import remark
from tollgate.platform.settings import Settings
from tollgate.platform.state import read_state, running_process

ANSWER_MS = 8_000
_FOREVER = str(2**63 - 1)
_NO_ID = str(UUID(int=0))
# A stamp in microseconds or nanoseconds lies tens of thousands of years ahead, and Spark cannot read all of those.
_AHEAD = "message.timestamp.after.max.ms"
_LOOKED_AT = ("cleanup.policy", _AHEAD, "message.timestamp.type")
_A_THOUSAND_YEARS_MS = 31_557_600_000_000
# Records carry the time of the simulated network: the broker may neither delete them for it nor refuse any that can be
# a time.
TOPIC_SETTINGS = {
    "retention.ms": "-1",
    "segment.ms": _FOREVER,
    _AHEAD: str(_A_THOUSAND_YEARS_MS),
    "message.timestamp.before.max.ms": _FOREVER,
}


def bootstrap(settings: Settings) -> str:
    """Address of the brokers: the one in the settings, else the local one; TollgateError when that does not run."""
    if settings.kafka.bootstrap:
        return settings.kafka.bootstrap
    if not running_process(PART):
        raise TollgateError(
            "no Kafka broker is running",
            expected="kafka.bootstrap in the settings, or the local broker",
            way_out="run `tollgate up`",
        )
    return f"127.0.0.1:{read_state()[PART]['port']}"


def ensure_topic(settings: Settings) -> None:
    """Make the topic with the settings' partitions unless it is there; TollgateError when it has another number."""
    topic, partitions = settings.kafka.topic, settings.kafka.partitions
    with _admin(settings) as admin:
        if topic in admin.list_topics():
            found = len(admin.describe_topics([topic])[0]["partitions"])
            if found != partitions:
                raise TollgateError(
                    f"topic {topic} has another number of partitions",
                    expected=f"{partitions} (kafka.partitions)",
                    found=str(found),
                    way_out="set kafka.partitions to what the topic has, or name another kafka.topic",
                )
            return
        options = {"num_partitions": partitions, "replication_factor": -1, "configs": TOPIC_SETTINGS}
        admin.create_topics({topic: options}, wait_for_metadata=True)


def recreate_topic(settings: Settings) -> None:
    """Delete the topic with all its records, if it is there, and make it anew."""
    topic = settings.kafka.topic
    with _admin(settings) as admin:
        if topic in admin.list_topics():
            admin.delete_topics([topic])
            give_up = time.monotonic() + ANSWER_MS / 1000
            while topic in admin.list_topics() and time.monotonic() < give_up:
                time.sleep(0.1)
    ensure_topic(settings)


def topic_id(settings: Settings) -> str | None:
    """The id that the broker gave the topic when it was made: another one after it was deleted and made again.

    None when the broker is too old to tell. TollgateError when the topic is compacted: what compaction removes before
    it was read is missed by nobody but the balance of the batch, which then never holds.
    """
    from kafka.admin import ConfigResource, ConfigResourceType

    topic = settings.kafka.topic
    with _admin(settings) as admin:
        found = _id_of(admin, topic)
        told = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)], config_filter="all")
        # Without the right to read settings none are told; the balance of the batches remains.
        settings_told = told.get("topic", {}).get(topic, {})
        policy, ahead, stamped = (str(settings_told.get(name, {}).get("value", "")) for name in _LOOKED_AT)
    if "compact" in policy:
        raise TollgateError(
            f"topic {topic} is compacted: the broker removes records of it that have the key of a later one",
            where=bootstrap(settings),
            expected="cleanup.policy=delete",
            found=f"cleanup.policy={policy}",
            way_out="set cleanup.policy=delete; if records are gone already, publish them again under another topic "
            "(kafka.topic) and start with --new-generation",
        )
    if stamped != "LogAppendTime" and ahead.isdigit() and int(ahead) > _A_THOUSAND_YEARS_MS:
        remark(
            f"topic {topic} takes records of any year ({_AHEAD}={ahead}): one that is stamped in nanoseconds cannot be "
            f"read by Spark, and stops the stream; set it to {_A_THOUSAND_YEARS_MS} or less",
            level="warning",
        )
    return found


def topic_id_now(settings: Settings) -> str | None:
    """The same without a look at the topic's settings; None also when no broker answers, or the topic is away."""
    try:
        with _admin(settings) as admin:
            return _id_of(admin, settings.kafka.topic)
    except TollgateError:
        return None


def _id_of(admin: Any, topic: str) -> str | None:
    found = admin.describe_topics([topic])[0].get("topic_id")
    return None if not found or str(found) == _NO_ID else str(found)


def begin_offsets(settings: Settings) -> dict[int, int]:
    """The first offset that each partition still holds."""
    return _offsets(settings, "beginning_offsets")


def end_offsets(settings: Settings) -> dict[int, int]:
    """The offset after the last record of each partition."""
    return _offsets(settings, "end_offsets")


def _offsets(settings: Settings, which: str) -> dict[int, int]:
    from kafka import KafkaConsumer, TopicPartition

    with _answering(settings) as address:
        consumer = KafkaConsumer(bootstrap_servers=address, enable_auto_commit=False, bootstrap_timeout_ms=ANSWER_MS)
        try:
            partitions = consumer.partitions_for_topic(settings.kafka.topic)
            if not partitions:
                raise TollgateError(
                    f"topic {settings.kafka.topic} is not on the broker",
                    where=address,
                    way_out="produce into it first, for example with `tollgate generate`. If records of it were taken "
                    "before, do not make it anew: give the next one another name (kafka.topic)",
                )
            found = getattr(consumer, which)([TopicPartition(settings.kafka.topic, number) for number in partitions])
            return {place.partition: offset for place, offset in sorted(found.items())}
        finally:
            consumer.close(autocommit=False)


@contextmanager
def _admin(settings: Settings) -> Iterator[Any]:
    from kafka.admin import KafkaAdminClient

    with _answering(settings) as address:
        admin = KafkaAdminClient(
            bootstrap_servers=address, bootstrap_timeout_ms=ANSWER_MS, request_timeout_ms=ANSWER_MS
        )
        try:
            yield admin
        finally:
            admin.close()


@contextmanager
def _answering(settings: Settings) -> Iterator[str]:
    """Give the address; a broker that does not answer becomes a TollgateError."""
    from kafka.errors import KafkaError

    address = bootstrap(settings)
    # The client reports every failed attempt; one message at the end is enough.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    try:
        yield address
    except KafkaError as error:
        raise TollgateError(
            "the Kafka broker does not answer",
            where=address,
            found=f"{type(error).__name__}: {error}",
            way_out="check kafka.bootstrap and that the broker runs (`tollgate status`)",
        ) from error
