"""What leaves when, and what a legal hold keeps whole."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from frames import assert_rows, small_frame, table
from pyspark.sql.types import StructField, StructType

from tollgate.assurance.retention import HOLD_COLUMNS, RULES, blanked, cutoffs, due, fates, held, reach, what_stays
from tollgate.assurance.tokens import PERSONAL
from tollgate.platform.lake import contract

UTC = timezone.utc
PAYLOAD, LOCATION, ITEMISED, ITEMISED_RATED = RULES
CUTOFF = datetime(2026, 10, 1, tzinfo=UTC)
OLD, NEW = datetime(2026, 9, 30, 23, 59, 59), datetime(2026, 10, 1)
KEY = "batch_no BIGINT, kafka_partition INT, kafka_offset BIGINT"
A, B, C = "+14165550001", "+14165550002", "+14165550003"


def event(offset, arrived=OLD, source="msc", started=OLD, msisdn=A, destination=B, **more):
    told = {"batch_no": 1, "kafka_partition": 0, "kafka_offset": offset, "arrived_at": arrived, "source": source}
    told |= {"started_at": started, "msisdn": msisdn, "msisdn_received": msisdn, "destination": destination}
    told |= {"destination_received": destination, "subscriber_id": "sub", "cell_id": f"cell{offset}"}
    return {**told, "cell_region": "on", "event_month": f"{started:%Y-%m}" if started else "none", **more}


def usage_of(spark, *events):
    """Events in the contract's columns; what an event does not name is NULL."""
    schema = StructType([StructField(field.name, field.dataType) for field in contract("usage_event")])
    return small_frame(spark, [tuple(one.get(name) for name in schema.names) for one in events], schema)


@pytest.mark.covers("CMP-03")
def test_every_personal_column_of_the_usage_leaves_some_day(spark):
    """The digest stays: it says whether a late record is a copy or a conflict."""
    for name in {rule.table for rule in RULES}:
        personal = {field.name for field in contract(name).fields if PERSONAL.search(field.metadata["comment"])}
        taken = {column for rule in RULES if rule.table == name for column in rule.columns}
        assert personal - taken <= {"content_digest"}, name


@pytest.mark.covers("CMP-04")
def test_each_period_is_counted_back_from_the_given_instant():
    found = cutoffs(datetime(2027, 8, 31, 5, tzinfo=UTC), payload_days=90, location_days=30, itemised_months=18)
    assert found == {
        "payload": datetime(2027, 6, 2, 5, tzinfo=UTC),
        "location": datetime(2027, 8, 1, 5, tzinfo=UTC),
        "itemised": datetime(2026, 2, 28, 5, tzinfo=UTC),
    }


@pytest.mark.covers("CMP-03")
def test_what_is_due_becomes_null_and_the_rest_of_the_row_stays(spark):
    usage = usage_of(spark, event(1), event(2, arrived=NEW), event(3))
    kept = table(spark, KEY, (1, 0, 3))
    after = blanked(usage, LOCATION, CUTOFF, kept)
    assert after.columns == usage.columns
    place = ("kafka_offset", "cell_id", "cell_region", "msisdn")
    assert_rows(after.select(*place), (1, None, None, A), (2, "cell2", "on", A), (3, "cell3", "on", A))
    assert_rows(fates(usage, LOCATION, CUTOFF, kept), (1, 1, 1, 1))
    # Once gone it is due no more, so a repeat finds nothing.
    assert_rows(fates(after, LOCATION, CUTOFF, kept), (0, 1, None, None))
    assert_rows(due(after, LOCATION, CUTOFF).select("kafka_offset"), (3,))
    assert what_stays(after, LOCATION).collect() == what_stays(usage, LOCATION).collect()
    assert what_stays(usage.where("kafka_offset > 1"), LOCATION).collect() != what_stays(usage, LOCATION).collect()
    numbers = blanked(usage, ITEMISED, CUTOFF, None).where("kafka_offset = 1")
    assert_rows(numbers.selectExpr(*ITEMISED.columns, "cell_id"), (None,) * len(ITEMISED.columns) + ("cell1",))


@pytest.mark.covers("CMP-03")
def test_usage_by_start_leaves_later_months_unread(spark):
    rated = table(
        spark, "rating_no BIGINT, started_at TIMESTAMP, msisdn STRING, destination STRING, event_month STRING",
        (1, OLD, A, None, "2026-09"), (1, NEW, A, B, "2026-10"), (1, OLD, None, None, "2026-09"),
    )  # fmt: skip
    found = due(rated, ITEMISED_RATED, CUTOFF)
    assert_rows(found.select("rating_no", "started_at"), (1, OLD))
    assert "(event_month" in found._jdf.queryExecution().optimizedPlan().toString()


@pytest.mark.covers("CMP-03")
def test_a_hold_reaches_numbers_while_they_were_held_both_parties_sources_and_times(spark):
    july, august = datetime(2026, 7, 1), datetime(2026, 8, 1)
    unread = event(9, arrived=july, source=None, started=None, msisdn=None, destination=None, msisdn_received="??",
                   subscriber_id=None, cell_id=None, cell_region=None)  # fmt: skip
    usage = usage_of(
        spark, event(1, started=july), event(2, started=OLD), event(3, msisdn=C, destination=A, started=july),
        event(4, msisdn=C, destination=C, source="smsc"), event(5, msisdn=C, destination=C), unread,
    )  # fmt: skip
    lines = table(
        spark, "account_id STRING, subscription_id STRING, msisdn STRING, valid_from TIMESTAMP, valid_to TIMESTAMP",
        ("acc", "line", A, datetime(2020, 1, 1), august), ("other", "line2", A, august, datetime(9999, 12, 31)),
        ("acc", "line3", B, august, datetime(9999, 12, 31)),
    )  # fmt: skip

    def kept(*hold):
        holds = table(spark, HOLD_COLUMNS, hold)
        found = held(usage, reach(holds, lines if hold[0] or hold[1] else None), PAYLOAD.key)
        return sorted(row["kafka_offset"] for row in found.collect())

    # The account had A until August and has B since: event 2 arrived from A in September, but called B.
    # All events but the last arrived at OLD, when A was another's; the start inside is enough.
    assert kept("acc", None, None, None, None, None) == [1, 2, 3]
    assert kept(None, "line", None, None, None, None) == [1, 3]
    assert kept(None, "line2", None, None, None, None) == [1, 2, 3]
    assert kept(None, None, A, None, None, None) == [1, 2, 3]
    assert kept(None, None, A, None, july, august) == [1, 3]
    assert kept(None, None, None, "smsc", None, None) == [4]
    assert kept(None, None, None, None, july, august) == [1, 3, 9]
    assert kept("nobody", None, None, None, None, None) == []
