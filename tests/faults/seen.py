"""What two onlookers are told of a route, as one reads it outside the process: lines, and metrics over HTTP."""

from __future__ import annotations

import io
import json
import socket
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from faults.route import Route
from tollgate.platform.log_lines import LogLines
from tollgate.platform.metrics import Metrics
from tollgate.platform.metrics_out import served
from tollgate.platform.progress import watched_by

Scraped = dict[tuple[str, ...], Any]


class Seen:
    """The lines of run `run-1` down to debug, and its metrics."""

    def __init__(self) -> None:
        self.out = io.StringIO()
        self._metrics = Metrics()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]

    @contextmanager
    def looking(self) -> Iterator[None]:
        onlookers = (LogLines(self.out, "run-1", "debug"), self._metrics)
        with watched_by(*onlookers), served(self._metrics.registry, "127.0.0.1", self._port):
            yield

    def lines(self, event: str) -> list[dict[str, Any]]:
        return [line for line in map(json.loads, self.out.getvalue().splitlines()) if line["event"] == event]

    def scrape(self) -> Scraped:
        """Value by name and labels; only while looking."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        families = text_string_to_metric_families(text)
        return {(s.name, *s.labels.values()): s.value for family in families for s in family.samples}


@dataclass(frozen=True)
class Watched:
    """A route, what was seen of its stream and its night, the metrics after both, and the summary of the night."""

    route: Route
    seen: Seen
    metrics: Scraped
    rated: dict[str, Any]
