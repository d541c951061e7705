"""`tollgate demo`: the whole route on two fixed months, from an empty topic to posted invoices, in one Spark
session."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from generators.profiles import EVENTS, SEED, SUBSCRIBERS
from tollgate.platform.job import add_settings, guarded, settings_from


def parser() -> argparse.ArgumentParser:
    """Arguments of the demo."""
    arguments = argparse.ArgumentParser(prog="tollgate demo", description=__doc__)
    arguments.add_argument(
        "--subscribers", type=int, default=SUBSCRIBERS, help=f"lines of the demo operator (default {SUBSCRIBERS})"
    )
    arguments.add_argument("--events", type=int, default=EVENTS, help=f"records of the billed month (default {EVENTS})")
    arguments.add_argument("--seed", type=int, default=SEED, help=f"same seed, same page (default {SEED})")
    arguments.add_argument("--keep-up", action="store_true", help="leave the broker and the database running")
    arguments.add_argument(
        "--empty-what-is-given",
        action="store_true",
        help="also empty a topic, database or lake that the settings name, not only the demo's own",
    )
    return add_settings(arguments)


def main(argv: Sequence[str] | None = None) -> int:
    """Play the demo; returns the exit code: 1 when an equation, the truth or the second opinion differs."""
    args = parser().parse_args(argv)

    def play() -> None:
        from tollgate.demo.route import play_demo

        play_demo(settings_from(args), args)

    return guarded(play)
