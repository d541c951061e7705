"""`python -m benchmarks [--stage mediation]`: run, print the rows, write build/bench.json.

Without a stage the whole route is played once.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence

from benchmarks.billing import BILLING, month_rows
from benchmarks.billing_load import load_rows
from benchmarks.mediation import MEDIATION, mediation_rows
from benchmarks.rating import RATING, contest, growth
from benchmarks.route import STAGES, measured
from benchmarks.rows import Row, told
from benchmarks.streams import RATE_SECONDS, RATES, long_run, on_history, waits
from tollgate.platform.job import guarded
from tollgate.platform.places import project_root

Parts = dict[str, Callable[[int, int], list[Row]]]
# Parts of a stage: of mediation by the records of its three runs and the number of lines; of rating by its events (of
# growth ten times as many too) and lines; of billing by rated events and accounts, and a tenth as many lines of
# invoices to load as there are events.
PARTS: dict[str, Parts] = {
    MEDIATION: {
        "speed": mediation_rows,
        "long_run": lambda events, lines: long_run(events * 10 // 3, lines),
        "history": lambda events, lines: [on_history(events, lines)],
        "waits": lambda _, lines: [row for rate in RATES for row in waits(rate, RATE_SECONDS, lines)],
    },
    RATING: {"contest": contest, "growth": growth},
    BILLING: {"month": month_rows, "load": lambda events, _: load_rows(max(events // 10, 1))},
}
# Events and lines or accounts of a stage that nothing is said of; the others play the route.
SIZES = {MEDIATION: (3_000_000, 2_000), RATING: (5_000_000, 100_000), BILLING: (10_000_000, 1_000_000)}
ROUTE = (200_000, 2_000)


def parser() -> argparse.ArgumentParser:
    """Arguments of the command; `make bench STAGE=rating` sets the stage through the environment."""
    arguments = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    arguments.add_argument("--stage", choices=STAGES, default=os.environ.get("STAGE") or None, help="one stage only")
    arguments.add_argument(
        "--events",
        type=int,
        help="records (default 200000; stage mediation alone 3000000, in three runs; stage rating alone 5000000; "
        "stage billing alone 10000000 rated events)",
    )
    names = [name for parts in PARTS.values() for name in parts]
    told = "; ".join(f"of {stage}: {', '.join(parts)}" for stage, parts in PARTS.items())
    arguments.add_argument(
        "--only", choices=names, action="append", metavar="PART",
        help=f"one part of the stage, can be repeated; {told} (default: all)",
    )  # fmt: skip
    arguments.add_argument(
        "--subscribers", type=int, help="lines (default 2000; stage rating alone 100000; of billing accounts, 1000000)"
    )
    return arguments


def main(argv: Sequence[str] | None = None) -> int:
    """Measure; 1 when a bar is not held."""
    arguments = parser()
    args = arguments.parse_args(argv)
    unknown = sorted(set(args.only or ()) - set(PARTS.get(args.stage, ())))
    if unknown:
        arguments.error(f"--only: {', '.join(unknown)}: no part of {args.stage or 'the whole route'}")
    rows: list[Row] = []

    def measure() -> None:
        events, lines = SIZES.get(args.stage, ROUTE)
        events, lines = args.events or events, args.subscribers or lines
        if args.stage in PARTS:
            parts = PARTS[args.stage]
            found = [row for name in args.only or parts for row in parts[name](events, lines)]
        else:
            found = measured(events, lines)
        rows.extend(row for row in found if args.stage in (None, row.name.partition(".")[0]))
        file = project_root() / "build" / "bench.json"
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps([row.as_dict() for row in rows], indent=1) + "\n", encoding="utf-8")
        print(told(rows))

    code = guarded(measure)
    return code or int(not all(row.ok for row in rows))


if __name__ == "__main__":
    sys.exit(main())
