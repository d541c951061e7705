"""The topic is truncated, made anew, compacted, written by transactions or grown by a partition; the broker goes and
comes back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from faults.route import Route
from faults.stream import Stream, published
from faults.topics import add_partition, delete_records, send, set_policy
from generators.producer import produce
from tollgate.mediation import continuity
from tollgate.platform import kafka, local_kafka
from tollgate.platform.errors import TollgateError
from tollgate.platform.state import read_state, running_process


def refused(route: Route, *argv: str) -> TollgateError:
    """Why the stream does not start; it has written nothing."""
    commits = route.commits() if route.lake.exists("raw_cdr") else {}
    with pytest.raises(TollgateError) as raised:
        route.mediate(None, *argv)
    assert (route.commits() if route.lake.exists("raw_cdr") else {}) == commits
    return raised.value


@pytest.fixture(scope="module")
def truncated(start_route, month_of_records) -> Route:
    """A route that has taken 60 records; of the 20 after them retention has deleted some that nobody had read."""
    route = start_route("truncated", month_of_records[:60])
    route.mediate()
    end = kafka.end_offsets(route.settings)
    produce(month_of_records[60:80], route.settings, Path(route.lake.root).with_name("truncated_more"))
    assert kafka.end_offsets(route.settings)[0] > end[0] + 2
    delete_records(route.settings, 0, end[0] + 2)
    return route


@pytest.mark.long
@pytest.mark.covers("MED-01", "MED-29")
def test_records_that_the_broker_deleted_unread_stop_the_stream_and_come_again_under_another_name(
    truncated, month_of_records
):
    told = refused(truncated)
    assert told.what == "the broker has deleted records that were never read"
    assert "the broker begins at" in told.found and "another topic" in told.way_out
    # The same without the start's own look: Spark stops too, and in words.
    with pytest.MonkeyPatch.context() as at:
        at.setattr(continuity, "with_broker", lambda *facts: None)
        lost = refused(truncated)
    assert lost.what == "the stream from Kafka has failed" and "nothing of the failed batch" in lost.way_out
    assert "Some data may have been lost because they are not available in Kafka any more" in lost.found
    again = truncated.at(Path(truncated.lake.root), "cdr.truncated_again")
    kafka.ensure_topic(again.settings)
    produce(month_of_records[60:80], again.settings, Path(again.lake.root).with_name("truncated_again"))
    assert refused(again).what == "the checkpoint belongs to another topic"
    assert again.mediate(None, "--new-generation")["received"] == 20
    assert (published(again), again.lake.read("usage_event").count()) == (80, 80)


@pytest.mark.long
@pytest.mark.covers("MED-01", "MED-29")
def test_a_topic_made_anew_is_known_by_its_id_however_far_it_has_grown(start_route, month_of_records):
    route = start_route("made_anew", month_of_records[:40])
    route.mediate()
    kafka.recreate_topic(route.settings)
    assert "lost records" in refused(route).what
    produce(month_of_records[:80], route.settings, Path(route.lake.root).with_name("made_anew_more"))
    told = refused(route)
    assert "it was made anew" in told.what and told.expected.startswith("the topic with the id ")
    assert "another name" in told.way_out
    assert refused(route, "--new-generation").what == told.what


@pytest.mark.covers("MED-01", "MED-29")
def test_a_topic_made_anew_under_a_running_stream_is_known_before_a_record_of_it_is_published(
    start_route, month_of_records, monkeypatch
):
    route = start_route("anew_beside", month_of_records[:20])
    # The broker's answer comes after the topic was made anew and has grown beyond the first one's end.
    ask, made = kafka.topic_id_now, []

    def made_anew_on_the_way(settings):
        made.append(len(made))
        if len(made) == 2:
            kafka.recreate_topic(settings)
            produce(month_of_records[:60], settings, Path(route.lake.root).with_name("anew_beside_more"))
        return ask(settings)

    monkeypatch.setattr(kafka, "topic_id_now", made_anew_on_the_way)
    with pytest.raises(TollgateError, match="it was made anew") as told:
        route.mediate()
    assert told.value.expected.startswith("the topic with the id ") and "another name" in told.value.way_out
    assert published(route) == 0 and route.lake.read("usage_event").count() == 0
    monkeypatch.undo()
    with pytest.raises(TollgateError, match="it was made anew"):
        route.mediate()
    assert published(route) == 0


@pytest.mark.covers("MED-01", "MED-14")
def test_a_compacted_topic_is_refused_before_anything_is_read(start_route, month_of_records):
    route = start_route("compacted", month_of_records[:20])
    set_policy(route.settings, "compact,delete")
    told = refused(route)
    assert told.what.startswith("topic cdr.compacted is compacted") and told.found == "cleanup.policy=compact,delete"


@pytest.mark.long
@pytest.mark.covers("MED-14", "MED-29")
def test_the_marker_of_a_transaction_is_a_hole_and_its_batch_is_never_published(start_route, month_of_records):
    route = start_route("transactional", [])
    send(route.settings, 0, month_of_records[:10], transaction="feed-1")
    for _ in range(2):
        with pytest.raises(TollgateError, match="batch 0 does not balance") as raised:
            route.mediate()
        assert "11 records received, 10 in raw_cdr" in raised.value.found
        assert "transactional producers" in raised.value.way_out
    assert published(route) == 0


@pytest.mark.long
@pytest.mark.covers("MED-01")
def test_a_partition_added_while_the_stream_is_down_is_read_from_its_first_record(start_route, month_of_records):
    route = start_route("grown", month_of_records[:40])
    route.mediate()
    added = add_partition(route.settings)
    send(route.settings, added, month_of_records[40:50])
    assert route.mediate()["received"] == 10
    rows = route.lake.read("raw_cdr").where(f"kafka_partition = {added}").orderBy("kafka_offset").collect()
    assert [row["kafka_offset"] for row in rows] == list(range(10))
    # A new generation knows three partitions from its start.
    send(route.settings, added, month_of_records[50:55])
    assert route.mediate(None, "--new-generation")["received"] == 5
    assert published(route) == 55


@pytest.fixture
def broker(services) -> Iterator[None]:
    """The broker, which runs again afterwards whatever a test did."""
    yield
    local_kafka.start(read_state()[local_kafka.PART]["port"])


@pytest.mark.long
@pytest.mark.covers("MED-01", "MED-24", "MED-29")
def test_a_stream_waits_for_a_broker_that_was_killed_and_goes_on_also_with_a_new_partition(
    start_route, month_of_records, broker, monkeypatch
):
    route = start_route("outage", month_of_records[:40])
    stream = Stream(route)
    try:
        stream.wait_for(40)
        process = running_process(local_kafka.PART)
        process.kill()
        process.wait(10)
        time.sleep(3)
        monkeypatch.setattr(kafka, "ANSWER_MS", 300)
        with pytest.raises(TollgateError, match="the Kafka broker does not answer") as told:
            kafka.end_offsets(route.settings)
        assert "tollgate status" in told.value.way_out
        local_kafka.start(read_state()[local_kafka.PART]["port"])
        monkeypatch.undo()
        send(route.settings, 0, month_of_records[40:50])
        added = add_partition(route.settings)
        send(route.settings, added, month_of_records[50:60])
        stream.wait_for(60)
    finally:
        stream.stop()
    offsets = route.lake.read("raw_cdr").groupBy("kafka_partition").count().collect()
    assert dict(map(tuple, offsets))[added] == 10
    assert route.lake.read("usage_event").count() == 60
