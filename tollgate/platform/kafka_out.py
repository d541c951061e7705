"""Records to the topic from this process: its client, and what was received before, in order, as it arrives anew."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from tollgate.platform import kafka
from tollgate.platform.errors import TollgateError
from tollgate.platform.settings import Settings

if TYPE_CHECKING:
    from kafka import KafkaProducer


class Outgoing(NamedTuple):
    """A record to publish. partition: where it first stood; headers: names and values."""

    partition: int
    key: bytes | None
    value: bytes
    headers: list[tuple[str, bytes]]


def publish(records: Iterable[Outgoing], settings: Settings, at_ms: int) -> int:
    """Publish the records with this CreateTime (epoch milliseconds), all acknowledged at the return; returns how many.

    Each goes to the partition in which it stood, so that copies under one key stay in order. TollgateError when a
    partition is gone or the broker does not take a record; some may be published then.
    """
    partitions = kafka.end_offsets(settings)
    published, sent = 0, []
    with open_producer(settings, then=", then replay again") as producer:
        for record in records:
            if record.partition not in partitions:
                raise TollgateError(
                    f"topic {settings.kafka.topic} has no partition {record.partition}",
                    expected="the partitions that it had when the records first came",
                    way_out="name a topic that has them (kafka.topic)",
                )
            at: dict[str, Any] = {"partition": record.partition, "timestamp_ms": at_ms, "headers": record.headers}
            sent.append(producer.send(settings.kafka.topic, value=record.value, key=record.key, **at))
            if len(sent) == 10_000:
                published += _acknowledged(sent)
        return published + _acknowledged(sent)


def _acknowledged(sent: list[Any]) -> int:
    """Wait for the broker's answer to each, and forget them."""
    for future in sent:
        future.get(timeout=kafka.ANSWER_MS / 1000)
    count = len(sent)
    sent.clear()
    return count


@contextmanager
def open_producer(settings: Settings, then: str = "") -> Iterator[KafkaProducer]:
    """A client that sends in few large batches, acknowledged by all replicas; TollgateError when the brokers do not.

    then: what to do once they are mended.
    """
    from kafka import KafkaProducer
    from kafka.errors import KafkaError

    address = kafka.bootstrap(settings)
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    try:
        producer = KafkaProducer(
            bootstrap_servers=address,
            bootstrap_timeout_ms=kafka.ANSWER_MS,
            acks="all",
            enable_idempotence=True,
            # Few large batches, for each costs a request and a checksum of its compressed bytes.
            compression_type="zstd",
            linger_ms=50,
            batch_size=512 * 1024,
            metrics_enabled=False,
        )
        try:
            yield producer
        finally:
            producer.close(timeout=10)
    except KafkaError as error:
        raise TollgateError(
            "the Kafka broker did not take the records",
            where=address,
            found=f"{type(error).__name__}: {error}",
            way_out=f"check kafka.bootstrap and that the broker runs (`tollgate status`){then}",
        ) from error
