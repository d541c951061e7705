"""The month that nothing disturbed, from dirty records in Kafka to posted invoices, is the oracle's to the last digit.

It is the slice of the operator of `make prove` (tests/years) that every run of the tests can afford.
"""

from __future__ import annotations

import json

import pytest
from answers import ask
from properties.frames_of_draws import DEMO_BOOK
from pyspark.sql import functions as F

from faults.route import Route
from jobs import reconcile


@pytest.mark.covers("BIL-08", "QUA-02", "RAT-08", "RAT-46")
def test_the_posted_month_is_the_oracles_and_every_hand_over_balances(undisturbed: Route) -> None:
    report = undisturbed.opinion(DEMO_BOOK)
    assert report.is_equal, json.dumps(report.as_json(), indent=1)
    compared = {kind: one.compared for kind, one in report.comparisons.items()}
    assert compared["rated_usage"] > 2_000 and compared["invoice"] > 50, compared
    equations = reconcile.check(undisturbed.spark, undisturbed.settings)["equations"]
    assert [one for one in equations if not one["holds"]] == [] and len(equations) > 20


@pytest.mark.covers("MED-26", "QUA-02")
def test_one_record_is_followed_from_the_topic_to_the_line_of_its_invoice(undisturbed: Route, dirty_month) -> None:
    lake = undisturbed.lake
    billed = lake.read("billed_usage").where("kind = 'original' AND net_charge > 0").orderBy("event_id").first()
    assert billed is not None
    own = F.col("event_id") == billed["event_id"]
    sent = [(key, value) for key, value, _, _ in dirty_month if value and f'"{billed["event_id"]}"'.encode() in value]
    event = lake.read("usage_event").where(own & (F.col("disposition") == "accepted")).first()
    place = (F.col("kafka_partition") == event["kafka_partition"]) & (F.col("kafka_offset") == event["kafka_offset"])
    raw = lake.read("raw_cdr").where(place).first()
    assert (bytes(raw["record_key"]), bytes(raw["payload"])) in sent
    rated = lake.read("rated_usage").where(own & (F.col("kind") == "original")).first()
    assert json.loads(raw["payload"])["msisdn"] == event["msisdn_received"]
    assert (rated["event_hash"], rated["charge"]) == (event["event_hash"], billed["list_charge"])
    lines = ask(
        undisturbed.settings,
        "SELECT l.events, l.amount FROM billing.invoice_line AS l JOIN billing.invoice AS i USING (invoice_no)"
        f" WHERE i.account_id = '{billed['account_id']}' AND l.line_key = '{billed['line_key']}'",
    )
    on_line = lake.read("billed_usage").where(
        (F.col("run_id") == billed["run_id"])
        & (F.col("account_id") == billed["account_id"])
        & (F.col("line_key") == billed["line_key"])
    )
    assert [events for events, _ in lines] == [on_line.count()] and lines[0][1] > 0
