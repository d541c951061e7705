"""The mediation bench on a small month: both ways make the same of it, and one that does not is seen."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from reference.places import own_places

from benchmarks.mediation import month_of, same_events
from benchmarks.route import Bench, seeded
from tollgate.platform import kafka
from tollgate.platform.errors import TollgateError
from tollgate.platform.settings import Settings

RECORDS, LINES = 1_500, 60


@pytest.mark.long
@pytest.mark.covers("PRF-11")
def test_both_ways_make_the_same_of_a_month_and_a_digit_more_is_seen(
    spark: SparkSession, services: Settings, tmp_path: Path
) -> None:
    settings = own_places(services, tmp_path)
    of_kafka = settings.kafka.model_copy(update={"topic": "cdr.both_ways"})
    of_mediation = settings.mediation.model_copy(update={"checkpoint": str(tmp_path / "checkpoint")})
    settings = settings.model_copy(update={"kafka": of_kafka, "mediation": of_mediation})
    found = Bench(spark, settings, tmp_path)
    seeded(found, LINES)
    kafka.ensure_topic(settings)
    run = month_of(found, "2026-08", RECORDS, LINES)
    assert run.records > RECORDS * 0.9 and min(run.ours.cpu, run.theirs.cpu, run.parsed.cpu) > 0
    same_events(found)
    usage = spark.read.format("delta").option("versionAsOf", 0).load(f"{tmp_path}/common/usage")
    assert usage.where("volume_bytes > 0").count() > 0
    one = usage.where("volume_bytes > 0").selectExpr("min(event_id)").collect()[0][0]
    for what, wrong in (
        ("values", f"IF(event_id = '{one}', volume_bytes + 1, volume_bytes) AS volume_bytes"),
        ("events", "volume_bytes"),
    ):
        changed = usage.selectExpr("* EXCEPT (volume_bytes)", wrong)
        changed = changed if what == "values" else changed.where(f"event_id <> '{one}'")
        changed.write.format("delta").mode("overwrite").save(f"{tmp_path}/common/usage")
        with pytest.raises(TollgateError, match=f"accepts other {what}"):
            same_events(found)
