"""One contender of the rating contest in a process of its own: `python -m benchmarks.contender NAME INPUT OUT`.

It prints one line of JSON: wall and CPU seconds of the whole process with all that it started, so far.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from benchmarks import rating_duckdb, rating_native, rating_udf
from benchmarks.cost import Meter

CONTENDERS: dict[str, Callable[[Path, str], None]] = {
    "native": rating_native.rate,
    "duckdb": rating_duckdb.rate,
    "python_udf": rating_udf.rate,
}


def main(name: str, folder: str, out: str) -> None:
    """Rate the input of `folder` into Parquet files under `out`."""
    own = psutil.Process()
    with Meter(own) as meter:
        CONTENDERS[name](Path(folder), out)
    print(json.dumps({"wall_s": time.time() - own.create_time(), "cpu_s": meter.whole()}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
