"""What is seen from outside of a stream and a night: lines and metrics, also of a batch that failed; no customer."""

from __future__ import annotations

import io
import json
import re
import socket
import urllib.request
from itertools import islice
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from faults.route import Route
from generators.cdr import GeneratedRecord
from generators.dirt import DirtRates
from generators.usage import plan_usage
from jobs import micro_batch
from tollgate.mediation.balance import mark
from tollgate.platform.errors import TollgateError
from tollgate.platform.log_lines import LogLines
from tollgate.platform.metrics import Metrics
from tollgate.platform.metrics_out import served
from tollgate.platform.progress import job, watched_by
from tollgate.platform.watching import figures_of

RECORDS, BATCH = 500, 300


class Seen:
    """All that two onlookers were told of a route, as one reads it outside the process."""

    def __init__(self, port: int) -> None:
        self.out = io.StringIO()
        self.metrics = Metrics()
        self.onlookers = (LogLines(self.out, "run-1", "debug"), self.metrics)
        self.port = port

    def lines(self, event: str) -> list[dict[str, Any]]:
        return [line for line in map(json.loads, self.out.getvalue().splitlines()) if line["event"] == event]

    def scrape(self) -> dict[tuple[str, ...], Any]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        families = text_string_to_metric_families(text)
        return {(s.name, *s.labels.values()): s.value for family in families for s in family.samples}


@pytest.fixture(scope="module")
def records(population, settings) -> list[GeneratedRecord]:
    """The first of a month, with dirt."""
    rates = DirtRates.from_settings(settings.generator)
    return list(islice(plan_usage(population, 7, 2 * RECORDS, "2026-10", rates=rates).records(None, None), RECORDS))


@pytest.fixture(scope="module")
def numbers(records) -> set[str]:
    """Every telephone number in the records, as digits."""
    found = {number for _, value, *_ in records for number in re.findall(rb"\d{10,15}", value or b"")}
    assert len(found) > 100
    return {number.decode() for number in found}


@pytest.fixture(scope="module")
def seen(start_route, records) -> tuple[Seen, dict[tuple[str, ...], Any], dict[str, Any], dict[str, Any]]:
    """A stream whose second batch fails once, and its night; with the metrics after both and the two summaries."""
    route: Route = start_route("seen", records)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    found = Seen(port)

    def unbalanced_after_the_first(*facts: Any) -> dict[str, Any]:
        return mark(*facts) | {"balanced": not found.lines("batch published")}

    with (
        watched_by(*found.onlookers),
        served(found.metrics.registry, "127.0.0.1", port),
        pytest.MonkeyPatch.context() as at,
    ):
        at.setattr(micro_batch, "mark", unbalanced_after_the_first)
        with pytest.raises(TollgateError, match="does not balance"), job("mediate_usage"):
            route.mediate(BATCH)
        at.undo()
        with job("mediate_usage") as running:
            mediated = route.mediate(BATCH)
            running.note(**figures_of(mediated))
        with job("rate_usage") as running:
            rated = route.night()
            running.note(**figures_of(rated))
        return found, found.scrape(), mediated, rated


@pytest.mark.covers("OPS-20")
def test_each_batch_is_a_line_with_its_number_and_counts(seen) -> None:
    found, _, mediated, _ = seen
    first, second = found.lines("batch published")
    assert [(line["job"], line["batch_no"], line["published_to"]) for line in (first, second)] == [
        ("mediate_usage", 0, 0), ("mediate_usage", 1, 1)
    ]  # fmt: skip
    assert 0 < first["received"] <= BATCH and first["received"] + second["received"] == RECORDS
    assert (first["lag"], second["lag"]) == (second["received"], 0)
    for line in (first, second):
        assert line["received"] == line["accepted"] + line["quarantined"] + line["duplicate"]
        assert sum(line["by_reason"].values()) >= line["quarantined"] > 0
        assert (line["run_id"], line["generation"], line["snapshot_id"]) == ("run-1", 1, 1) and line["seconds"] > 0
    assert mediated["by_reason"] == second["by_reason"], "the batch that had failed, finished by the next start"
    [failed] = found.lines("batch failed")
    assert (failed["batch_no"], failed["error"]) == (1, "batch 1 does not balance; nothing from it on is published")
    assert [line["error"] for line in found.lines("job failed")] == [failed["error"]]


@pytest.mark.covers("OPS-20", "OPS-19")
def test_prometheus_finds_each_record_once(seen) -> None:
    found, metrics, _, rated = seen
    lines = found.lines("batch published")
    for disposition in ("accepted", "quarantined", "duplicate"):
        assert metrics["tollgate_records_total", disposition] == sum(line[disposition] for line in lines)
    by_reason = {
        reason: sum(line["by_reason"].get(reason, 0) for line in lines)
        for line in lines
        for reason in line["by_reason"]
    }
    assert {key[1]: value for key, value in metrics.items() if key[0] == "tollgate_quarantined_total"} == by_reason
    assert metrics["tollgate_late_total",] == sum(line["late"] for line in lines)
    assert (metrics["tollgate_batches_total",], metrics["tollgate_batch_seconds_count",]) == (2, 2)
    assert (metrics["tollgate_batch_no",], metrics["tollgate_published_to",]) == (1, 1)
    assert {key: value for key, value in metrics.items() if key[0] == "tollgate_offset_lag"} == {
        ("tollgate_offset_lag", "0"): 0, ("tollgate_offset_lag", "1"): 0
    }  # fmt: skip
    runs = {key[1:]: value for key, value in metrics.items() if key[0] == "tollgate_job_runs_total"}
    assert (runs["mediate_usage", "done"], runs["mediate_usage", "failed"], runs["rate_usage", "done"]) == (1, 1, 1)
    for status in ("rated", "zero_rated"):
        assert metrics["tollgate_rated_total", status] == rated[status]
    assert rated["rated"] > 0 and rated["suspended"]
    assert {key[1]: value for key, value in metrics.items() if key[0] == "tollgate_suspended_total"} == rated[
        "suspended"
    ]
    assert ("tollgate_job_step_seconds", "rate_usage", "rate") in metrics


@pytest.mark.covers("OPS-20")
def test_no_line_and_no_metric_holds_a_number(seen, numbers) -> None:
    found, metrics, _, _ = seen
    text = found.out.getvalue() + repr(metrics)
    assert len(found.lines("step done")) > 8
    assert not [number for number in numbers if number in text or number[-10:] in text]
