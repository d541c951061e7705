"""A stream that goes on, as a process of its own would run it, inside the test's Spark session."""

from __future__ import annotations

import threading
import time
from argparse import Namespace

from faults.route import Route
from jobs import mediate_usage


class Stream:
    """The stream of a route in a thread, as a process of its own would run it."""

    def __init__(self, route: Route) -> None:
        args = mediate_usage.parser().parse_args(["--trigger-seconds", "1"])
        self.route, self.failed = route, []
        self.thread = threading.Thread(target=self._run, args=(args,), daemon=True)
        self.thread.start()

    def _run(self, args: Namespace) -> None:
        try:
            mediate_usage.run(self.route.spark, self.route.settings, args)
        except Exception as error:
            self.failed.append(error)

    def wait_for(self, records: int) -> None:
        give_up = time.monotonic() + 120
        while published(self.route) < records:
            assert not self.failed and time.monotonic() < give_up, self.failed
            time.sleep(0.3)

    def stop(self) -> None:
        for query in self.route.spark.streams.active:
            query.stop()
        self.thread.join(30)
        assert not self.thread.is_alive() and not self.failed, self.failed


def published(route: Route) -> int:
    return sum(row["raw_rows"] for row in route.lake.read("control_mediation").collect())
