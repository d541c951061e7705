"""Records in a real broker and customers in a real database."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import psycopg2
import pyarrow.parquet as pq
import pytest

from generators.customers import build_population
from generators.dirt import DirtRates
from generators.producer import produce
from generators.seed_crm import COLUMNS, seed
from generators.usage import plan_usage
from tollgate.platform.errors import TollgateError
from tollgate.platform.kafka import bootstrap, end_offsets, recreate_topic
from tollgate.platform.postgres import connect, migrate
from tollgate.platform.settings import Settings


@pytest.fixture
def own_topic(services: Settings, request: pytest.FixtureRequest) -> Settings:
    """The broker of the run with an empty topic for one test."""
    own = services.model_copy(update={"kafka": services.kafka.model_copy(update={"topic": request.node.name})})
    recreate_topic(own)
    return own


def arrived(settings: Settings) -> dict[tuple[int, int], Any]:
    from kafka import KafkaConsumer, TopicPartition

    ends = end_offsets(settings)
    places = [TopicPartition(settings.kafka.topic, partition) for partition in ends]
    consumer = KafkaConsumer(bootstrap_servers=bootstrap(settings), enable_auto_commit=False)
    try:
        consumer.assign(places)
        consumer.seek_to_beginning(*places)
        found: dict[tuple[int, int], Any] = {}
        for _ in range(100):
            if len(found) == sum(ends.values()):
                break
            for batch in consumer.poll(timeout_ms=1000).values():
                found.update({(record.partition, record.offset): record for record in batch})
        return found
    finally:
        consumer.close(autocommit=False)


@pytest.mark.covers("GEN-16", "GEN-08")
def test_truth_knows_where_every_record_lies(own_topic: Settings, tmp_path: Path) -> None:
    plan = plan_usage(build_population(7, 100), 7, 3000, rates=DirtRates.from_settings(own_topic.generator))
    cut = int(plan.arrival_ms[1500])
    reports = [
        produce(plan.records(None, cut), own_topic, tmp_path),
        produce(plan.records(cut, None), own_topic, tmp_path),
    ]
    found, expected = arrived(own_topic), {truth.event_id: [] for *_, truth in plan.records()}
    for key, value, arrival_ms, truth in plan.records():
        expected[truth.event_id].append((key, value, arrival_ms, truth.kind.dirt_class))
    rows = [row for report in reports for row in pq.read_table(report.truth_file).to_pylist()]
    assert len(rows) == len(found) == 3000 == sum(report.records for report in reports)
    for row in rows:
        record = found[row["kafka_partition"], row["kafka_offset"]]
        sent = (record.key, record.value, record.timestamp, row["dirt_class"])
        assert sent in expected[row["event_id"]]
        is_copy = row["dirt_class"] in ("exact_copy", "id_conflict")
        assert is_copy == (row["copy_of_offset"] is not None)
        if is_copy:
            assert row["copy_of_partition"] == row["kafka_partition"]
            assert row["copy_of_offset"] < row["kafka_offset"]
        if row["dirt_class"] == "exact_copy":
            assert found[row["copy_of_partition"], row["copy_of_offset"]].value == record.value
    assert reports[1].offsets == {
        number: (reports[0].offsets[number][1], end) for number, end in end_offsets(own_topic).items()
    }


def test_a_second_producer_is_noticed(own_topic: Settings, tmp_path: Path) -> None:
    from kafka import KafkaProducer

    plan, thresholds = plan_usage(build_population(7, 100), 9, 100), gc.get_threshold()

    def disturbed() -> Any:
        for number, record in enumerate(plan.records()):
            if number == 50:
                other = KafkaProducer(bootstrap_servers=bootstrap(own_topic))
                other.send(own_topic.kafka.topic, value=b"{}", partition=0).get(timeout=10)
                other.close()
            yield record

    with pytest.raises(TollgateError, match="does not end where it should"):
        produce(disturbed(), own_topic, tmp_path)
    assert not list(tmp_path.glob("*.parquet"))
    assert gc.get_threshold() == thresholds


@pytest.mark.covers("GEN-19")
def test_a_second_seed_changes_nothing_and_another_population_is_refused(services: Settings) -> None:
    """Its own database, so that tests that seed theirs do not meet it."""
    session = connect(services)
    session.autocommit = True
    session.cursor().execute("DROP DATABASE IF EXISTS generators_test")
    session.cursor().execute("CREATE DATABASE generators_test")
    session.close()
    own = with_database(services, "generators_test")
    migrate(own)
    population = build_population(7, 120)
    first, second = seed(own, population), seed(own, population)
    assert first["changed"] and first["rows"]["phone_line"] == 120
    assert not second["changed"] and "nothing changed" in second["message"]
    with pytest.raises(TollgateError, match="another population"):
        seed(own, build_population(8, 120))
    with connect(own) as session, session.cursor() as cursor:
        for table in COLUMNS:
            cursor.execute(f"SELECT count(*) FROM crm.{table}")
            assert cursor.fetchone() == (first["rows"][table],)
    for statement in (
        "INSERT INTO crm.line_number SELECT 'sub-0000001', msisdn, imsi, valid FROM crm.line_number"
        " WHERE subscription_id = 'sub-0000000'",
        "INSERT INTO crm.line_state SELECT subscription_id, 'suspended', valid FROM crm.line_state LIMIT 1",
        "INSERT INTO crm.customer_fact SELECT customer_id, NOT is_student, valid FROM crm.customer_fact LIMIT 1",
        "INSERT INTO crm.contract (contract_id, subscription_id, plan_id, starts_on)"
        " SELECT 'again', subscription_id, plan_id, starts_on FROM crm.contract LIMIT 1",
    ):
        with pytest.raises(psycopg2.errors.ExclusionViolation), connect(own) as session, session.cursor() as cursor:
            cursor.execute(statement)
    with pytest.raises(psycopg2.errors.CheckViolation), connect(own) as session, session.cursor() as cursor:
        cursor.execute("INSERT INTO crm.line_state VALUES ('sub-0000000', 'active', 'empty')")


def with_database(settings: Settings, name: str) -> Settings:
    """The server of the run with another database."""
    address, _, _ = settings.postgres.url.rpartition("/")
    return settings.model_copy(update={"postgres": settings.postgres.model_copy(update={"url": f"{address}/{name}"})})
