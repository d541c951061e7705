"""Who looks on while a command works: a bar on a terminal, JSON lines elsewhere, metrics where they are asked for."""

from __future__ import annotations

import argparse
import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tollgate.platform.progress import LEVELS, job, watched_by
from tollgate.platform.settings import Settings

if TYPE_CHECKING:
    from tollgate.platform.log_lines import LogLines

RUN_ID_ENV = "TOLLGATE_RUN_ID"


def add_watching(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that say who looks on."""
    group = parser.add_argument_group("what is seen of the work")
    group.add_argument("--log-level", choices=LEVELS, help="lowest level of the JSON lines on stderr (default: info)")
    group.add_argument("--quiet", action="store_true", help="no bar, and of the lines only errors")
    group.add_argument(
        "--metrics-port", metavar="N", help="same as --set metrics.port=N: Prometheus metrics, 0 for none"
    )
    group.add_argument("--metrics-file", metavar="FILE.prom", help="write the metrics here at the end (node exporter)")


def lines_of(args: argparse.Namespace) -> LogLines | None:
    """Who writes the JSON lines of this command; None on a terminal, unless lines are asked for."""
    if not args.log_level and _has_terminal():
        return None
    from tollgate.platform.log_lines import LogLines

    return LogLines(sys.stderr, run_id(), args.log_level or ("error" if args.quiet else "info"))


@contextmanager
def watching(settings: Settings, args: argparse.Namespace, lines: LogLines | None) -> Iterator[None]:
    """Let look on during the block who is asked for; TollgateError when a port or a file cannot be had.

    lines: of `lines_of`.
    """
    with ExitStack() as stack:
        if settings.metrics.port or args.metrics_file:
            stack.enter_context(_measured(settings, args.metrics_file))
        if lines is not None:
            stack.enter_context(watched_by(lines))
        elif not args.quiet:
            from tollgate.platform.bars import Bars

            stack.enter_context(watched_by(Bars()))
        yield


@contextmanager
def shown(name: str) -> Iterator[None]:
    """A bar on a terminal while the block runs, for a command that has no more to say than its name."""
    with ExitStack() as stack:
        if _has_terminal():
            from tollgate.platform.bars import Bars

            stack.enter_context(watched_by(Bars()))
            stack.enter_context(job(name))
        yield


def run_id() -> str:
    """The name of this process in its lines: given by a scheduler, else by the time of its start."""
    return os.environ.get(RUN_ID_ENV) or f"{datetime.now(timezone.utc):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"


def figures_of(summary: Any) -> dict[str, Any]:
    """What a job's summary gives to its line and its metrics; a bill run's id is not the process's."""
    found = dict(summary) if isinstance(summary, dict) else {}
    return {"bill_run_id" if name == "run_id" else name: value for name, value in found.items()}


@contextmanager
def _measured(settings: Settings, file: str | None) -> Iterator[None]:
    from tollgate.platform.metrics import Metrics
    from tollgate.platform.metrics_out import served, written

    metrics = Metrics()
    with ExitStack() as stack:
        if settings.metrics.port:
            stack.enter_context(served(metrics.registry, settings.metrics.host, settings.metrics.port))
        if file:
            stack.enter_context(written(metrics.registry, Path(file)))
        with watched_by(metrics):
            yield


def _has_terminal() -> bool:
    return sys.stderr.isatty() and not os.environ.get("CI") and os.environ.get("TERM") != "dumb"
