"""What happens to a topic: records by hand, and what an operator of the broker may do to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from generators.cdr import GeneratedRecord
from tollgate.platform import kafka
from tollgate.platform.settings import Settings


@contextmanager
def admin(settings: Settings) -> Iterator[Any]:
    from kafka.admin import KafkaAdminClient

    client = KafkaAdminClient(bootstrap_servers=kafka.bootstrap(settings))
    try:
        yield client
    finally:
        client.close()


def add_partition(settings: Settings) -> int:
    """One more partition; its number."""
    number = len(kafka.end_offsets(settings))
    with admin(settings) as client:
        client.create_partitions({settings.kafka.topic: number + 1})
    return number


def delete_records(settings: Settings, partition: int, before: int) -> None:
    """What retention does: the partition then begins at `before`."""
    from kafka import TopicPartition

    with admin(settings) as client:
        client.delete_records({TopicPartition(settings.kafka.topic, partition): before})
    assert kafka.begin_offsets(settings)[partition] == before


def set_policy(settings: Settings, policy: str) -> None:
    """cleanup.policy of the topic."""
    from kafka.admin import ConfigResource, ConfigResourceType

    with admin(settings) as client:
        client.alter_configs(
            [ConfigResource(ConfigResourceType.TOPIC, settings.kafka.topic, configs={"cleanup.policy": policy})]
        )


def send(
    settings: Settings, partition: int, records: Iterable[GeneratedRecord], transaction: str | None = None
) -> None:
    """Records into one partition; transaction: the id of a transactional producer, which commits them as one."""
    from kafka import KafkaProducer

    own = {"transactional_id": transaction} if transaction else {}
    producer = KafkaProducer(bootstrap_servers=kafka.bootstrap(settings), **own)
    if transaction:
        producer.init_transactions()
        producer.begin_transaction()
    for key, value, arrival_ms, _ in records:
        producer.send(settings.kafka.topic, key=key, value=value, partition=partition, timestamp_ms=arrival_ms)
    if transaction:
        producer.commit_transaction()
    producer.close()
