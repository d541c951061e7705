"""What loses or doubles records without a word on Spark, Delta or Kafka is not used; docs/failures.md says why."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROUTE = ("jobs", "tollgate", "conf", "sql", "notebooks", "generators")
RULES = ("tollgate/mediation", "tollgate/rating", "tollgate/billing", "tollgate/assurance", "tollgate/reference")
COPIES = ("tollgate/mediation/identity.py", "jobs/micro_batch.py")
STREAM = (
    "tollgate/mediation", "tollgate/steps.py", "jobs/micro_batch.py", "jobs/mediate_usage.py", "jobs/standing.py",
    "tollgate/platform/commits.py", "tollgate/platform/checkpoint.py", "tollgate/platform/skipping.py",
)  # fmt: skip

# By trap: what must not stand in the code, and where it is looked for.
NEVER = {
    "T03 T04 a merge": (r"MERGE INTO|\.when(Not)?Matched|forPath\(.*\)\.merge\(", ROUTE),
    "T05 T16 deduplication by a watermark or a state": (
        r"dropDuplicates|withWatermark|multipleWatermarkPolicy|mapGroupsWithState|transformWithState|WithState\(", ROUTE
    ),
    "T05 a window of time around the check for copies": (r"INTERVAL '?\d+'? DAY|date_sub|timestampadd", COPIES),
    "T06 T07 a Delta table as the source of a stream": (
        r"readStream\W+format\W+delta|readStream\W+table|ignoreChanges|ignoreDeletes|skipChangeCommits", ROUTE
    ),
    "T12 a consumer group of our own": (r"kafka\.group\.id|groupIdPrefix", ROUTE),
    "T13 a stream that writes to Kafka": (r"writeStream\W+format\W+kafka", ROUTE),
    "T14 going on over lost records": (r"failOnDataLoss\W+false", ROUTE),
    "T17 an outcome by the place of a row in its partition": (
        r"monotonically_increasing_id|spark_partition_id|input_file_name|zipWithIndex", ROUTE
    ),
    "T17 T18 chance in a batch": (r"\buuid\(\)|F\.(rand|randn|uuid|shuffle)\(", (*RULES, *STREAM)),
    "T18 the clock in a rule or a batch": (
        r"current_(timestamp|date)|\bnow\(\)|datetime\.(now|today|utcnow)|time\.time\(|localtimestamp",
        (*RULES, *STREAM),
    ),
    "T19 arithmetic that wraps": (r"ansi\.enabled", ROUTE),
    "T02 identifiers of commits that expire": (r"setTransactionRetentionDuration", ROUTE),
    "F51 files that are passed over": (r"ignore(Corrupt|Missing)Files", ROUTE),
}  # fmt: skip

# Where it may stand: the lines of a rated file keep their order by their places, and nothing else comes of them.
MAY = {"T17 an outcome by the place of a row in its partition": {"jobs/sheet_files.py"}}
# The session that leaves the class archive streams a file of its own.
NO_STREAM_OF_RECORDS = "class_archive.py"


def files(folders: tuple[str, ...]) -> list[Path]:
    found = []
    for folder in folders:
        place = ROOT / folder
        found += [place] if place.is_file() else [path for path in place.rglob("*") if path.is_file()]
    return [path for path in found if path.suffix in {".py", ".sql", ".conf", ".toml", ".ipynb", ".sh"}]


@pytest.mark.covers("MED-01", "MED-29")
@pytest.mark.parametrize("trap", NEVER)
def test_what_loses_or_doubles_without_a_word_is_not_used(trap: str) -> None:
    pattern, folders = NEVER[trap]
    texts = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in files(folders)}
    assert len(texts) > 1
    hits = [(path, hit[0]) for path, text in texts.items() for hit in re.finditer(pattern, text)]
    found = [f"{path}: {hit}" for path, hit in hits if path not in MAY.get(trap, ())]
    assert not found, f"{trap}: {found}"


def test_each_of_these_would_be_seen() -> None:
    sample = """
        spark.sql("MERGE INTO t USING s"); df.dropDuplicates(["id"]); where("at > now - INTERVAL 7 DAYS")
        spark.readStream.format("delta"); option("kafka.group.id", "x"); df.writeStream.format("kafka")
        option("failOnDataLoss", "false"); F.monotonically_increasing_id(); F.rand(); F.current_timestamp()
        spark.sql.ansi.enabled false; delta.setTransactionRetentionDuration; ignoreMissingFiles"""
    assert [trap for trap, (pattern, _) in NEVER.items() if not re.search(pattern, sample)] == []


@pytest.mark.covers("MED-01", "PRF-13")
def test_only_maintenance_shortens_what_a_vacuum_keeps_and_only_by_its_reasoned_hours() -> None:
    found = [path for path in files(ROUTE) if "retentionDurationCheck" in path.read_text(encoding="utf-8")]
    assert [str(path.relative_to(ROOT)) for path in found] == ["tollgate/platform/upkeep.py"]
    assert '"spark.databricks.delta.retentionDurationCheck.enabled": str(hours >= SAFE_HOURS)' in found[0].read_text()


@pytest.mark.covers("MED-01")
def test_only_the_back_fill_writes_to_kafka_by_spark() -> None:
    """Its repeats are copies of records, which mediation finds."""
    texts = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in files(("jobs", "tollgate"))}
    assert [name for name, text in texts.items() if re.search(r"write\W+format\W+kafka", text)] == [
        "tollgate/platform/kafka_sink.py"
    ]
    assert [name for name, text in texts.items() if "kafka_sink import" in text] == ["jobs/backfill.py"]


@pytest.mark.covers("MED-01")
def test_the_stream_begins_at_the_first_record_and_stops_at_lost_ones() -> None:
    text = (ROOT / "jobs" / "mediate_usage.py").read_text(encoding="utf-8")
    assert '.option("failOnDataLoss", "true")' in text
    assert "EARLIEST = -2" in text and "stands.end.get(partition, EARLIEST)" in text
    texts = [path.read_text() for path in files(("jobs", "tollgate")) if path.name != NO_STREAM_OF_RECORDS]
    assert re.findall(r"readStream", "".join(texts)) == ["readStream"]
