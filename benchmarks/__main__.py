"""`python -m benchmarks [--stage mediation]`: run, print the rows, write build/bench.json.

Without a stage the whole route is played once.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence

from benchmarks.mediation import MEDIATION, mediation_rows
from benchmarks.rating import RATING, rating_rows
from benchmarks.route import STAGES, measured
from benchmarks.rows import Row, told
from tollgate.platform.job import guarded
from tollgate.platform.places import project_root


def parser() -> argparse.ArgumentParser:
    """Arguments of the command; `make bench STAGE=rating` sets the stage through the environment."""
    arguments = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    arguments.add_argument("--stage", choices=STAGES, default=os.environ.get("STAGE") or None, help="one stage only")
    arguments.add_argument(
        "--events",
        type=int,
        help="records (default 200000; stage mediation alone 3000000, in three runs; stage rating alone 5000000)",
    )
    arguments.add_argument("--subscribers", type=int, help="lines (default 2000; stage rating alone 100000)")
    return arguments


def main(argv: Sequence[str] | None = None) -> int:
    """Measure; 1 when a bar is not held."""
    args = parser().parse_args(argv)
    rows: list[Row] = []

    def measure() -> None:
        if args.stage == MEDIATION:
            found = mediation_rows(args.events or 3_000_000, args.subscribers or 2_000)
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
