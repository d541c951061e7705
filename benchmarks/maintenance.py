"""`python -m benchmarks.maintenance`: what a day of small batches leaves on the disk, and what `maintain` makes of it.

The real stream mediates records in many small batches, nights rate them, and each table is measured before and after.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

from benchmarks.route import bench, produced
from tollgate.platform.job import guarded

TABLES = "raw_cdr,usage_event,control_mediation,rated_usage"
MOST_PER_MILLION = 32


def main() -> int:
    """Print a line a table; 1 when one keeps more than MOST_PER_MILLION files a million rows and one a partition."""
    arguments = argparse.ArgumentParser(prog="python -m benchmarks.maintenance", description=__doc__.splitlines()[0])
    arguments.add_argument("--events", type=int, default=200_000, help="records (default 200000)")
    arguments.add_argument("--subscribers", type=int, default=2000, help="lines (default 2000)")
    arguments.add_argument("--batch", type=int, default=5_000, help="records a batch (default 5000)")
    args = arguments.parse_args()
    found: list[dict[str, Any]] = []
    code = guarded(lambda: found.extend(measured(args.events, args.subscribers, args.batch)))
    for line in found:
        print(json.dumps(line))
    return code or int(not all(line["is_compact"] for line in found))


def measured(events: int, subscribers: int, batch: int) -> list[dict[str, Any]]:
    """One row a table: files, bytes and files a million rows before and after, and the seconds of the whole run."""
    from jobs import check_quality, maintain, mediate_usage, rate_usage

    # Compiling the plan of each small batch would take longer than running it.
    with bench({"mediation.max_offsets_per_trigger": str(batch), "spark.generated_code": "false"}) as found:
        produced(found, events, subscribers)
        found.run_job(mediate_usage, "--once")
        found.run_job(check_quality)
        found.run_job(rate_usage)
        begun = time.perf_counter()
        run = found.run_job(maintain, "--tables", TABLES)
        seconds = round(time.perf_counter() - begun, 1)
        names = [f"{name}_{when}" for name in ("rows", "files", "bytes", "files_per_million") for when in _WHEN]
        return [
            {"table": line["table"], **{name: line[name] for name in names}, "partitions": line["partitions_after"],
             "is_compact": _is_compact(line), "seconds_of_run": seconds}
            for line in run["tables"]
        ]  # fmt: skip


_WHEN = ("before", "after")


def _is_compact(line: dict[str, Any]) -> bool:
    return line["files_per_million_after"] <= MOST_PER_MILLION or line["files_after"] <= line["partitions_after"]


if __name__ == "__main__":
    raise SystemExit(main())
