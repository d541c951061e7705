"""`python -m benchmarks.drain`: how far the running stream falls behind a peak of five times the rate, for how long.

The stream runs beside the producer: first at the normal rate, then at five times that, then what is left drains.
"""

from __future__ import annotations

import argparse
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.route import CYCLE, SEED, Bench, bench, produced
from tollgate.platform.job import guarded
from tollgate.platform.kafka import end_offsets
from tollgate.platform.lake import Lake

LONGEST_DRAIN_S = 60
LOOK_EVERY_S = 0.5


def main() -> int:
    """Print one line; 1 when the backlog of the peak takes longer than LONGEST_DRAIN_S."""
    arguments = argparse.ArgumentParser(prog="python -m benchmarks.drain", description=__doc__.splitlines()[0])
    arguments.add_argument("--rate", type=int, default=2_000, help="normal rate, records a second (default 2000)")
    arguments.add_argument("--seconds", type=int, default=20, help="of each of the two (default 20)")
    arguments.add_argument("--subscribers", type=int, default=2000, help="lines (default 2000)")
    args = arguments.parse_args()
    found: dict[str, Any] = {}
    code = guarded(lambda: found.update(measured(args.rate, args.seconds, args.subscribers)))
    print(json.dumps(found))
    return code or int(found["drain_seconds"] > LONGEST_DRAIN_S)


def measured(rate: int, seconds: int, subscribers: int) -> dict[str, Any]:
    """Records of the peak, the backlog at its end, and the seconds until the last of them was published."""
    from generators.customers import build_population
    from generators.dirt import DirtRates
    from generators.producer import produce
    from generators.usage import plan_usage
    from jobs import mediate_usage

    with bench() as found:
        produced(found, rate, subscribers)
        found.run_job(mediate_usage, "--once")
        population, rates = build_population(SEED, subscribers), DirtRates.from_settings(found.settings.generator)
        with streaming(found):
            told = {}
            for profile, times in (("normal", 1), ("peak", 5)):
                plan = plan_usage(population, SEED + 1, rate * seconds, CYCLE, profile, rates)
                report = produce(plan.records(), found.settings, found.folder / "truth", rate=rate * times)
                told[profile] = report
            ended = time.perf_counter()
            sent = sum(end_offsets(found.settings).values())
            backlog = sent - _published(found)
            wait_until_published(found)
        drained = time.perf_counter() - ended
    return {
        "normal_rate": int(told["normal"].records_per_second), "peak_rate": int(told["peak"].records_per_second),
        "peak_records": told["peak"].records, "backlog_at_the_end_of_the_peak": backlog,
        "drain_seconds": int(drained * 10) / 10,
    }  # fmt: skip


@contextmanager
def streaming(found: Bench) -> Iterator[None]:
    """The stream in this session, with a second between two batches."""
    from jobs import mediate_usage

    stream = threading.Thread(target=lambda: found.run_job(mediate_usage, "--trigger-seconds", "1"), daemon=True)
    stream.start()
    try:
        yield
    finally:
        for query in found.spark.streams.active:
            query.stop()
        stream.join(timeout=60)


def wait_until_published(found: Bench) -> None:
    """Until the topic's last record is in a published batch."""
    sent = sum(end_offsets(found.settings).values())
    while _published(found) < sent:
        time.sleep(LOOK_EVERY_S)


def _published(found: Bench) -> int:
    marks = Lake(found.spark, found.settings.lake.root).read("control_mediation")
    return int(marks.selectExpr("sum(received)").collect()[0][0])


if __name__ == "__main__":
    raise SystemExit(main())
