"""Rating by itself: against the same rating in DuckDB and as a Python function, and how its cost grows.

Each contender is a process of its own that reads and writes Parquet; a ratio counts only when both wrote the same
rows, so they are compared first. Of a busy machine CPU seconds tell more than wall seconds.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.rating_growth import CASES, EARLY, LATE, MOST
from benchmarks.rows import Row
from tollgate.platform.errors import TollgateError
from tollgate.platform.places import project_root

RATING = "rating"
MANY_PREFIXES = 170_000
# The largest input of growth has so many times the events of the others.
MANY_TIMES = 10
# Of the events that the two others rate as many, Python functions take this many at most: they would take an hour.
MOST_BY_FUNCTION = 500_000
# Rows are compared by a sum over a hash of all columns, so that one other digit anywhere is another sum.
_FINGERPRINT = """
SELECT count(*) AS events, count(*) FILTER (retail_status = 'rated') AS rated, sum(charge) AS charge,
  sum(list_price) AS list_price, sum(cost) AS cost, sum(margin) AS margin, sum(charged_units) AS units,
  sum(CAST(hash({columns}) AS HUGEINT)) AS contents
FROM read_parquet('{out}/*.parquet', hive_partitioning = false)"""


def contest(events: int, lines: int) -> list[Row]:
    """The ratios against DuckDB and against Python functions. lines: customers with a line each."""
    folder = _emptied("rating_contest")
    drawn(folder / "contest", events, lines)
    ours, duckdb = (_rated(name, folder / "contest", folder) for name in ("native", "duckdb"))
    agreeing(folder, "native", "duckdb")
    rows = [_ratio("rating.against_duckdb", ours, duckdb, bar=0.2, aim=0.35)]
    few = min(events, MOST_BY_FUNCTION)
    source = folder / "contest"
    if few < events:
        source = folder / "slice"
        drawn(source, few, lines)
        _rated("native", source, folder)
    functions = _rated("python_udf", source, folder)
    agreeing(folder, "native", "python_udf")
    scaled = {name: value * events / few for name, value in functions.items()}
    rows.append(_ratio("rating.against_python_udf", ours, scaled, bar=3, aim=6))
    _print(events, {"native": ours, "duckdb": duckdb}, few, functions)
    return rows


def growth(events: int, lines: int) -> list[Row]:
    """What more events, one heavy line and more prefixes do to the cost of an event; one session measures all.

    events: of all inputs but the largest, which has MANY_TIMES as many; lines: customers with a line each.
    """
    folder = _emptied("rating_growth")
    drawn(folder / CASES[0], events, lines)
    drawn(folder / MOST, MANY_TIMES * events, lines)
    drawn(folder / "skewed", events, lines, "--skewed")
    drawn(folder / "many", events, lines, "--prefixes", str(MANY_PREFIXES))
    told = _python("benchmarks.rating_growth", str(folder))
    for case, cost in told.items():
        print(f"{case:<14}{cost['cpu_s']:8.1f} s of CPU and {cost['wall_s']:8.1f} s")

    def row(name: str, case: str, base: str, what: str, bar: float, times: int = 1) -> Row:
        ours, baseline = told[case][what] / times, told[base][what]
        return Row(name, ours / baseline, bar, 1.0, "x", better="lower", ours=ours, baseline=baseline)

    early, late = f"pricing_{EARLY}", f"pricing_{LATE}"
    return [
        row("rating.ten_times_the_events", MOST, CASES[0], "cpu_s", 1.15, times=MANY_TIMES),
        row("rating.half_of_one_line", "skewed", CASES[0], "wall_s", 1.5),
        row("rating.many_prefixes", "many", CASES[0], "cpu_s", 1.3),
        row("rating.night_28", late, early, "cpu_s", 1.1),
    ]


def _emptied(name: str) -> Path:
    folder = project_root() / "build" / f"bench_{name}"
    shutil.rmtree(folder, ignore_errors=True)
    return folder


def drawn(folder: Path, events: int, lines: int, *more: str) -> None:
    """The input of a contender, made in a process of its own."""
    _python("benchmarks.rating_input", str(folder), "--events", str(events), "--lines", str(lines), *more)


def agreeing(folder: Path, one: str, other: str) -> None:
    """TollgateError when the two wrote other rows: a wrong result has no speed."""
    found = {name: fingerprint(folder / name) for name in (one, other)}
    if found[one] != found[other]:
        raise TollgateError(f"{one} and {other} rate otherwise", expected=str(found[one]), found=str(found[other]))


def fingerprint(out: Path) -> dict[str, Any]:
    """Totals over the rows under `out`, and a sum over a hash of each row's columns."""
    import duckdb

    from tollgate.platform.lake import contract_text

    lines = [line.split(" ")[0] for line in contract_text("rated_usage").splitlines() if not line.startswith("--")]
    # The types of a whole number and of an instant differ between the writers, their text does not.
    columns = ", ".join(f"coalesce(CAST({name} AS VARCHAR), '-')" for name in lines if name)
    with duckdb.connect() as base:
        base.execute("SET TimeZone = 'UTC'")
        answer = base.execute(_FINGERPRINT.format(out=out, columns=columns))
        names = [column[0] for column in answer.description]
        return dict(zip(names, answer.fetchone() or (), strict=True))


def _rated(name: str, source: Path, folder: Path) -> dict[str, float]:
    out = folder / name
    shutil.rmtree(out, ignore_errors=True)
    return _python("benchmarks.contender", name, str(source), str(out))


def _python(module: str, *arguments: str) -> Any:
    """What the last line of a module's output says, as JSON; TollgateError when it fails."""
    ended = subprocess.run(
        [sys.executable, "-m", module, *arguments], cwd=project_root(), capture_output=True, text=True, check=False
    )
    if ended.returncode:
        raise TollgateError(f"{module} {' '.join(arguments)} failed", found=ended.stderr.strip()[-2_000:])
    return json.loads(ended.stdout.strip().splitlines()[-1])


def _ratio(name: str, ours: dict[str, float], baseline: dict[str, float], bar: float, aim: float) -> Row:
    return Row(
        name, baseline["cpu_s"] / ours["cpu_s"], bar, aim, "times of CPU", ours=ours["cpu_s"],
        baseline=baseline["cpu_s"],
    )  # fmt: skip


def _print(events: int, told: dict[str, dict[str, float]], few: int, functions: dict[str, float]) -> None:
    for name, count, cost in (*((name, events, cost) for name, cost in told.items()), ("python_udf", few, functions)):
        wall, cpu = (cost[key] * 1e6 / count for key in ("wall_s", "cpu_s"))
        print(f"{name:<12}{count:>12,} events  {cpu:8.1f} s of CPU and {wall:8.1f} s a million")
