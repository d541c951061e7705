"""What is seen from outside of a stream and a night: lines and metrics, also of a batch that failed; no customer."""

from __future__ import annotations

import re
from typing import Any

import pytest

from faults.seen import Seen
from jobs import micro_batch
from tollgate.mediation.balance import mark
from tollgate.platform.errors import TollgateError
from tollgate.platform.progress import job
from tollgate.platform.watching import figures_of


@pytest.fixture(scope="module")
def numbers(dirty_month) -> set[str]:
    """Every telephone number in the records, as digits."""
    found = {number for _, value, *_ in dirty_month for number in re.findall(rb"\d{10,15}", value or b"")}
    assert len(found) > 100
    return {number.decode() for number in found}


@pytest.mark.covers("OPS-20")
def test_each_batch_is_a_line_with_its_number_and_counts(watched, dirty_month) -> None:
    lines = watched.seen.lines("batch published")
    assert len(lines) >= 2
    assert [(line["job"], line["batch_no"], line["published_to"]) for line in lines] == [
        ("mediate_usage", number, number) for number in range(len(lines))
    ]
    assert sum(line["received"] for line in lines) == len(dirty_month)
    for number, line in enumerate(lines):
        assert line["lag"] == sum(later["received"] for later in lines[number + 1 :])
        assert line["received"] == line["accepted"] + line["quarantined"] + line["duplicate"]
        assert sum(line["by_reason"].values()) >= line["quarantined"] > 0
        assert (line["run_id"], line["generation"], line["snapshot_id"]) == ("run-1", 1, 1) and line["seconds"] > 0


@pytest.mark.covers("OPS-20")
def test_a_batch_that_fails_is_told_and_finished_by_the_next_start(copy_of, tmp_path) -> None:
    route, found = copy_of(tmp_path / "lake"), Seen()

    def unbalanced(*facts: Any) -> dict[str, Any]:
        return mark(*facts) | {"balanced": False}

    with found.looking():
        with pytest.MonkeyPatch.context() as at:
            at.setattr(micro_batch, "mark", unbalanced)
            with pytest.raises(TollgateError, match="does not balance"), job("mediate_usage"):
                route.mediate()
        assert found.lines("batch published") == []
        with job("mediate_usage") as running:
            mediated = route.mediate()
            running.note(**figures_of(mediated))
        metrics = found.scrape()
    [line] = found.lines("batch published")
    batch_no = line["batch_no"]
    assert (line["received"], line["published_to"], line["by_reason"]) == (60, batch_no, mediated["by_reason"])
    [failed] = found.lines("batch failed")
    assert failed["batch_no"] == batch_no
    assert failed["error"] == f"batch {batch_no} does not balance; nothing from it on is published"
    assert [line["error"] for line in found.lines("job failed")] == [failed["error"]]
    assert (metrics["tollgate_batches_total",], metrics["tollgate_batch_no",]) == (1, batch_no)
    runs = {key[1:]: value for key, value in metrics.items() if key[0] == "tollgate_job_runs_total"}
    assert (runs["mediate_usage", "done"], runs["mediate_usage", "failed"]) == (1, 1)


@pytest.mark.covers("OPS-20", "OPS-19")
def test_prometheus_finds_each_record_once(watched) -> None:
    metrics, rated, lines = watched.metrics, watched.rated, watched.seen.lines("batch published")
    for disposition in ("accepted", "quarantined", "duplicate"):
        assert metrics["tollgate_records_total", disposition] == sum(line[disposition] for line in lines)
    by_reason = {
        reason: sum(line["by_reason"].get(reason, 0) for line in lines)
        for line in lines
        for reason in line["by_reason"]
    }
    assert {key[1]: value for key, value in metrics.items() if key[0] == "tollgate_quarantined_total"} == by_reason
    assert metrics["tollgate_late_total",] == sum(line["late"] for line in lines)
    assert metrics["tollgate_batches_total",] == metrics["tollgate_batch_seconds_count",] == len(lines)
    last = len(lines) - 1
    assert (metrics["tollgate_batch_no",], metrics["tollgate_published_to",]) == (last, last)
    assert {key: value for key, value in metrics.items() if key[0] == "tollgate_offset_lag"} == {
        ("tollgate_offset_lag", "0"): 0, ("tollgate_offset_lag", "1"): 0
    }  # fmt: skip
    runs = {key[1:]: value for key, value in metrics.items() if key[0] == "tollgate_job_runs_total"}
    assert (runs["mediate_usage", "done"], runs["rate_usage", "done"]) == (1, 1)
    for status in ("rated", "zero_rated"):
        assert metrics["tollgate_rated_total", status] == rated[status]
    assert rated["rated"] > 0 and rated["suspended"]
    assert {key[1]: value for key, value in metrics.items() if key[0] == "tollgate_suspended_total"} == rated[
        "suspended"
    ]
    assert ("tollgate_job_step_seconds", "rate_usage", "rate") in metrics


@pytest.mark.covers("OPS-20")
def test_no_line_and_no_metric_holds_a_number(watched, numbers) -> None:
    text = watched.seen.out.getvalue() + repr(watched.metrics)
    assert len(watched.seen.lines("step done")) > 8
    assert not [number for number in numbers if number in text or number[-10:] in text]
