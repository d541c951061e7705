from __future__ import annotations

import json

import pytest
from frames import assert_rows, table

from jobs import check_quality
from jobs.quality_slices import new_range
from tollgate.assurance.quality import read_suite
from tollgate.platform.errors import TollgateError

MARK = "batch_no BIGINT, received BIGINT"
SOUND = {
    "topic": "'cdr.raw'", "kafka_partition": "0", "arrived_at": "TIMESTAMP '2026-10-05 12:00:00'",
    "disposition": "'accepted'",
    "reasons": "array()", "flags": "array()", "repairs": "array()", "defaulted_fields": "array()", "source": "'switch'",
    "event_id": "'e' || kafka_offset", "event_hash": "1", "content_digest": "'d'", "service": "'voice'",
    "started_at": "TIMESTAMP '2026-10-05 12:00:00'", "duration_s": "60", "volume_bytes": "0",
    "msisdn": "'+14165550100'",
    "destination": "'911'", "rule_version": "1", "snapshot_id": "1", "event_month": "'2026-10'",
}  # fmt: skip
MARKED = {
    "generation": "0", "topic": "'cdr.raw'", "offsets": "'{}'", "snapshot_id": "1", "rule_version": "1",
    "raw_rows": "received",
    "accepted": "received", "quarantined": "0", "duplicate": "0", "late": "0", "raw_bytes": "0",
    "accepted_duration_s": "0",
    "accepted_volume_bytes": "0", "balanced": "true", "recorded_at": "TIMESTAMP '2026-10-05 12:00:00'",
}  # fmt: skip


def put(spark, lake, batch_no, rows, received=None, **spoilt):
    """A published batch of `rows` accepted calls of which the fields `spoilt` (SQL over kafka_offset) are wrong."""
    keys = table(spark, "batch_no BIGINT, kafka_offset BIGINT", *((batch_no, offset) for offset in range(rows)))
    mark = table(spark, MARK, (batch_no, rows if received is None else received))
    for frame, name, values in ((keys, "usage_event", {**SOUND, **spoilt}), (mark, "control_mediation", MARKED)):
        columns = []
        for field in lake.contract(name).fields:
            value = field.name if field.name in frame.columns else values.get(field.name, "NULL")
            columns.append(f"CAST({value} AS {field.dataType.simpleString()}) AS {field.name}")
        lake.append(frame.selectExpr(*columns), name, "test", batch_no)


def ranges(summary):
    return [(one["from_no"], one["to_no"], one["rows_checked"]) for one in summary["checked"]]


@pytest.mark.covers("QUA-06", "QUA-10", "MED-10")
def test_the_gate_takes_each_batch_once_and_stays_shut_until_a_range_passes(spark, lake, settings):
    settings = settings.model_copy(update={"lake": settings.lake.model_copy(update={"root": lake.root})})
    args = check_quality.parser().parse_args(["--table", "usage_event"])
    assert check_quality.run(spark, settings, args)["to_no"] == -1
    # Late, every one: told, and passed all the same.
    put(spark, lake, 0, 3, flags="array('LATE')")
    late = check_quality.run(spark, settings, args)
    assert (late["passed"], ranges(late)) == (True, [(0, 0, 3)])
    assert late["checked"][0]["warnings"] == [
        "expect_column_values_to_be_in_set of is_in_time: 3 of 3 rows, 80.0% must be met"
    ]
    assert ranges(check_quality.run(spark, settings, args)) == [(1, 0, 0)]
    put(
        spark, lake, 1, 4, received=5, msisdn="IF(kafka_offset = 0, '12', '+14165550100')",
        duration_s="IF(kafka_offset < 2, -5, 60)", event_id="IF(kafka_offset = 3, NULL, 'e')",
        reasons="array('NO_REASON')",
        disposition="IF(kafka_offset = 2, 'duplicate', 'accepted')",
        event_month="IF(kafka_offset = 0, 'none', '2026-10')",
    )  # fmt: skip
    with pytest.raises(TollgateError) as refused:
        check_quality.run(spark, settings, args)
    for failure in (
        "expect_table_row_count_to_equal of the table: found 4",
        "expect_column_values_to_match_regex of accepted_number: 1 of",
        "expect_column_values_to_be_between of accepted_usage_s: 2 of 4 rows",
        "expect_column_values_to_be_in_set of is_identified: 1 of 4 rows",
        "expect_column_values_to_be_in_set of is_explained: 4 of 4 rows",
        "expect_column_values_to_be_in_set of points_to_first: 1 of 4 rows",
        "expect_column_values_to_match_regex of accepted_month: 1 of",
        "run check_quality again",
    ):
        assert failure in str(refused.value), failure
    assert "accepted_service" not in str(refused.value)
    again = new_range(lake, "usage_event")
    assert (again.from_no, again.to_no, again.rows, again.attempt) == (1, 1, 5, 2)
    results = lake.read("quality_result").selectExpr(
        "from_no", "to_no", "rows_checked", "passed", "size(failed_expectations)", "size(warnings)", "attempt"
    )
    assert_rows(results, (0, 0, 3, True, 0, 1, 1), (1, 1, 5, False, 7, 1, 1))


def test_a_batch_that_is_marked_while_the_range_is_found_is_in_it_whole_or_not_at_all(spark, lake, monkeypatch):
    put(spark, lake, 0, 3)
    read = type(lake).read

    def beside_the_stream(self, name, **how):
        frame = read(self, name, **how)
        if name == "quality_result":
            put(spark, lake, 1, 2)
        return frame

    with monkeypatch.context() as patched:
        patched.setattr(type(lake), "read", beside_the_stream)
        found = new_range(lake, "usage_event")
    assert (found.to_no, found.rows) in {(0, 3), (1, 5)}
    again = new_range(lake, "usage_event")
    assert (again.to_no, again.rows) == (1, 5)


@pytest.mark.long
def test_the_gate_can_be_told_its_last_batch_and_refuses_one_that_is_not_published(spark, lake, settings):
    settings = settings.model_copy(update={"lake": settings.lake.model_copy(update={"root": lake.root})})
    for batch_no, rows in enumerate((2, 3, 4)):
        put(spark, lake, batch_no, rows)
    to_one, to_five = (check_quality.parser().parse_args(["--to-batch", no]) for no in ("1", "5"))
    assert ranges(check_quality.run(spark, settings, to_one)) == [(0, 1, 5)]
    assert ranges(check_quality.run(spark, settings, to_one)) == [(2, 1, 0)]
    with pytest.raises(TollgateError, match="batch 5 is not published"):
        check_quality.run(spark, settings, to_five)
    rest = check_quality.run(spark, settings, check_quality.parser().parse_args(["--table", "usage_event"]))
    assert (rest["to_no"], ranges(rest)) == (2, [(2, 2, 4)])


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"severity": "info", "why": "w"}, "expect_it of charge has severity 'info'"),
        ({"severity": "warning"}, "expect_it of charge has no why"),
    ],
)
def test_an_expectation_has_a_level_and_a_reason(wrong, told):
    expectation = {"type": "expect_it", "kwargs": {"column": "charge"}, **wrong}
    text = json.dumps({"suite": "s", "table": "t", "derived": {}, "expectations": [expectation]})
    with pytest.raises(ValueError, match=told):
        read_suite(text)
