"""The month that mediation, the night and the bill run left behind, against the oracle's own bills."""

from __future__ import annotations

import json

import pytest
from properties.frames_of_draws import DEMO_BOOK

from jobs.bill_runs import find_run, posted_runs


@pytest.mark.covers("BIL-19", "BIL-21", "QUA-02")
def test_every_account_of_a_posted_month_is_billed_as_the_oracle_does(undisturbed):
    """The slice of the simulated operator's months that runs each time; tests/years plays the others."""
    (run_id,) = posted_runs(undisturbed.settings)
    report = undisturbed.opinion(DEMO_BOOK)
    assert report.is_equal, json.dumps(report.as_json(), indent=1)
    compared = {kind: one.compared for kind, one in report.comparisons.items()}
    posted = find_run(undisturbed.settings, run_id)
    assert compared["rated_usage"] > compared["billed_usage"] > 1_500
    assert (compared["invoice"], compared["invoice_line"]) == (posted.invoices, posted.lines)
    assert posted.accounts == posted.invoices + posted.parked > 50
