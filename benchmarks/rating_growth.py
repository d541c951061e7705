"""`python -m benchmarks.rating_growth FOLDER`: CPU and wall seconds of pricing each input of CASES, in one session.

The session prices the first input once unmeasured; then each is priced twice and the cheaper time counts.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from benchmarks.rating_input import read_book, read_owners
from benchmarks.rating_native import RATING_NO, session

# Folders of the inputs: the base, twice as many events, half of the events of one line, many prefixes.
CASES = ("contest", "more", "skewed", "many")


def main(folder: Path) -> None:
    """Print one line of JSON."""
    spark = session()
    jvm: Any = spark._jvm
    process = psutil.Process(jvm.java.lang.ProcessHandle.current().pid())

    def cost(case: str) -> tuple[float, float]:
        from tollgate.rating.rate import rate_events

        source = folder / case
        usage = spark.read.parquet(str(source / "usage"))
        book, owners = read_book(spark, source), read_owners(spark, source)
        before, begun = process.cpu_times(), time.perf_counter()
        rated = rate_events(usage, book, owners, RATING_NO)
        rated.write.mode("overwrite").parquet(str(folder / "grown"))
        seconds, after = time.perf_counter() - begun, process.cpu_times()
        return after.user + after.system - before.user - before.system, seconds

    cost(CASES[0])
    runs = [{case: cost(case) for case in CASES} for _ in range(2)]
    told = {
        case: {"cpu_s": min(run[case][0] for run in runs), "wall_s": min(run[case][1] for run in runs)}
        for case in CASES
    }
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
