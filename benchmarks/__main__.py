"""`python -m benchmarks [--stage mediation]`: run, print the rows, write build/bench.json.

Without a stage the whole route is played once.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence

from benchmarks.mediation import MEDIATION, mediation_rows
from benchmarks.rating import RATING, rating_rows
from benchmarks.route import STAGES, measured
from benchmarks.rows import Row, told
from benchmarks.streams import RATE_SECONDS, RATES, long_run, on_history, waits
from tollgate.platform.job import guarded
from tollgate.platform.places import project_root

# Parts of stage mediation, by the records of its three runs and the number of lines.
PARTS: dict[str, Callable[[int, int], list[Row]]] = {
    "speed": mediation_rows,
    "long_run": lambda events, lines: [long_run(events * 10 // 3, lines)],
    "history": lambda events, lines: [on_history(events, lines)],
    "waits": lambda _, lines: [row for rate in RATES for row in waits(rate, RATE_SECONDS, lines)],
}


def parser() -> argparse.ArgumentParser:
    """Arguments of the command; `make bench STAGE=rating` sets the stage through the environment."""
    arguments = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    arguments.add_argument("--stage", choices=STAGES, default=os.environ.get("STAGE") or None, help="one stage only")
    arguments.add_argument(
        "--events",
        type=int,
        help="records (default 200000; stage mediation alone 3000000, in three runs; stage rating alone 5000000)",
    )
    arguments.add_argument(
        "--only", choices=sorted(PARTS), action="append", metavar="PART",
        help=f"stage mediation: one part, can be repeated: {', '.join(sorted(PARTS))} (default: all)",
    )  # fmt: skip
    arguments.add_argument("--subscribers", type=int, help="lines (default 2000; stage rating alone 100000)")
    return arguments


def main(argv: Sequence[str] | None = None) -> int:
    """Measure; 1 when a bar is not held."""
    args = parser().parse_args(argv)
    rows: list[Row] = []

    def measure() -> None:
        if args.stage == MEDIATION:
            parts = [PARTS[name] for name in args.only or PARTS]
            found = [row for part in parts for row in part(args.events or 3_000_000, args.subscribers or 2_000)]
        elif args.stage == RATING:
            found = rating_rows(args.events or 5_000_000, args.subscribers or 100_000)
        else:
            found = measured(args.events or 200_000, args.subscribers or 2_000)
        rows.extend(row for row in found if args.stage in (None, row.name.partition(".")[0]))
        file = project_root() / "build" / "bench.json"
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps([row.as_dict() for row in rows], indent=1) + "\n", encoding="utf-8")
        print(told(rows))

    code = guarded(measure)
    return code or int(not all(row.ok for row in rows))


if __name__ == "__main__":
    sys.exit(main())
