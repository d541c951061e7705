"""One micro-batch of mediation, where no lock keeps a second stream away."""

from __future__ import annotations

import pytest
from frames import assert_rows
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from jobs.micro_batch import MicroBatches, Pins
from tollgate.platform.errors import TollgateError
from tollgate.platform.lake import Lake

RECORDS = """SELECT 'cdr.raw' AS topic, 0 AS partition, 7L AS offset, TIMESTAMP '2026-10-01 00:00:00' AS timestamp,
    X'61' AS key, X'62' AS value, CAST(NULL AS ARRAY<STRUCT<key: STRING, value: BINARY>>) AS headers"""


def pins(generation: int, batch_no: int) -> Pins:
    return Pins(batch_no, generation, "cdr.raw", {"0": (7, 8)}, 1, rule_version=0)


@pytest.mark.covers("MED-29")
def test_a_stamp_in_microseconds_is_kept_as_the_latest_arrival_that_clients_can_read(spark: SparkSession, lake: Lake):
    stamped = spark.sql(RECORDS).withColumn("timestamp", F.timestamp_millis(F.lit(1_791_223_402_000_000)))
    with pytest.raises(TollgateError, match="another version of the mediation rules"):
        MicroBatches(lake).take(stamped, pins(1, 0))
    assert_rows(lake.read("raw_cdr").select(F.col("arrived_at").cast("STRING")), ("9999-12-30 00:00:00",))


@pytest.mark.covers("MED-06")
def test_the_bytes_of_a_record_are_kept_with_their_place_and_arrival(spark: SparkSession, lake: Lake) -> None:
    with pytest.raises(TollgateError, match="another version of the mediation rules"):
        MicroBatches(lake).take(spark.sql(RECORDS), pins(1, 0))
    names = ("topic", "kafka_partition", "kafka_offset", "record_key", "payload")
    kept = lake.read("raw_cdr").select(*names, F.col("arrived_at").cast("STRING"))
    assert_rows(kept, ("cdr.raw", 0, 7, b"a", b"b", "2026-10-01 00:00:00"))


@pytest.mark.covers("MED-29")
def test_a_stream_that_a_newer_generation_has_overtaken_takes_nothing_more(spark: SparkSession, lake: Lake) -> None:
    batches = MicroBatches(lake)
    for generation, batch_no in ((1, 4), (2, 5)):
        # The rules of this batch are of another version, so it ends after its first commit.
        with pytest.raises(TollgateError, match="another version of the mediation rules"):
            batches.take(spark.sql(RECORDS), pins(generation, batch_no))
    with pytest.raises(TollgateError, match="another checkpoint generation has gone on") as raised:
        batches.take(spark.sql(RECORDS), pins(1, 5))
    assert raised.value.found == "mediate_usage/2 at batch 5"
    assert_rows(lake.read("raw_cdr").select("batch_no"), (4,), (5,))
