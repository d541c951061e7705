"""The month that nothing disturbed, from dirty records in Kafka to posted invoices, is the oracle's to the last digit.

It is the slice of the operator of `make prove` (tests/years) that every run of the tests can afford.
"""

from __future__ import annotations

import json

import pytest
from properties.frames_of_draws import DEMO_BOOK

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
