"""`python -m benchmarks.rating_growth FOLDER`: CPU and wall seconds of pricing several inputs, in one session.

The session prices the first input once unmeasured; then each is priced several times and the cheapest counts. The one
with the most events is priced once, after all others: it lasts as long as they do together.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.cost import cost_of
from benchmarks.rating_input import read_book, read_owners
from benchmarks.rating_native import RATING_NO, session
from tollgate.rating.id_check import with_id_conflicts
from tollgate.rating.rate import rate_events

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

# Folders of the inputs: the base, half of the events of one line, many prefixes; and many times the events.
CASES = ("base", "skewed", "many")
MOST = "most"
# The base as a month of nights, all as large.
NIGHTS, EARLY, LATE = 28, 2, 28
_TIMES = 3
Action = Callable[[], Any]


def main(folder: Path) -> None:
    """Print one line of JSON: case to its seconds."""
    spark = session()
    priced = {case: _pricing(spark, folder, case) for case in CASES}
    priced[CASES[0]]()
    found = {**_cheapest(spark, priced, _TIMES), **_cheapest(spark, _nights(spark, folder), _TIMES)}
    print(json.dumps({**found, **_cheapest(spark, {MOST: _pricing(spark, folder, MOST)}, 1)}), flush=True)


def _pricing(spark: SparkSession, folder: Path, case: str) -> Action:
    usage = spark.read.parquet(str(folder / case / "usage"))
    return lambda: _price(spark, usage, folder, case)


def _price(spark: SparkSession, usage: DataFrame, folder: Path, case: str) -> None:
    book, owners = read_book(spark, folder / case), read_owners(spark, folder / case)
    _write(rate_events(usage, book, owners, RATING_NO), folder)


def _nights(spark: SparkSession, folder: Path) -> dict[str, Action]:
    """Of an early and a late night: its pricing, and its id check against all that was accepted until then."""
    usage = spark.read.parquet(str(folder / CASES[0] / "usage"))
    night = f"CAST(1 + pmod(xxhash64(event_id, 'night'), {NIGHTS}) AS INT)"
    place = ("0 AS kafka_partition", "event_hash AS kafka_offset")
    nights = usage.selectExpr("* EXCEPT (batch_no)", f"{night} AS batch_no", *place).repartition("batch_no")
    nights.write.mode("overwrite").partitionBy("batch_no").parquet(str(folder / "nights"))
    stored = spark.read.parquet(str(folder / "nights"))

    def pricing(number: int) -> Action:
        return lambda: _price(spark, stored.where(f"batch_no = {number}"), folder, CASES[0])

    def check(number: int) -> Action:
        accepted = stored.where(f"batch_no <= {number}")
        return lambda: _write(with_id_conflicts(stored.where(f"batch_no = {number}"), accepted), folder)

    kinds = {"pricing": pricing, "id_check": check}
    return {f"{kind}_{number}": make(number) for number in (EARLY, LATE) for kind, make in kinds.items()}


def _write(rows: DataFrame, folder: Path) -> None:
    rows.write.mode("overwrite").parquet(str(folder / "grown"))


def _cheapest(spark: SparkSession, actions: dict[str, Action], times: int) -> dict[str, dict[str, float]]:
    """Of each action the least CPU and the least wall seconds; they take turns, so that all meet the same company."""
    found: dict[str, dict[str, float]] = {}
    for _ in range(times):
        for name, action in actions.items():
            wall, cpu = cost_of(spark, action)
            least = found.setdefault(name, {"cpu_s": cpu, "wall_s": wall})
            least.update(cpu_s=min(cpu, least["cpu_s"]), wall_s=min(wall, least["wall_s"]))
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]))
