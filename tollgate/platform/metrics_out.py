"""Where metrics go: a port that Prometheus asks while a job runs, a file that its node exporter reads afterwards."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prometheus_client import CollectorRegistry, start_http_server, write_to_textfile
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from tollgate.platform.errors import TollgateError
from tollgate.platform.metrics import CarriedOn
from tollgate.platform.progress import say

ENDING, OURS = ".prom", "tollgate_"


@contextmanager
def served(registry: CollectorRegistry, host: str, port: int) -> Iterator[None]:
    """Answer on http://host:port/metrics during the block; TollgateError when the port cannot be had."""
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        raise TollgateError(
            "metrics cannot be served there",
            where=f"{host}:{port}",
            found=error.strerror or str(error),
            way_out="name another --metrics-port, or metrics.host; each process needs a port of its own",
        ) from None
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def written(registry: CollectorRegistry, path: Path) -> Iterator[None]:
    """Write the file whole at the end of the block, also when that fails; its counters go on from what it holds.

    TollgateError before anything is done when it cannot be written or belongs to something else.
    """
    carried_on = CarriedOn(registry, _before(path))
    try:
        yield
    finally:
        try:
            write_to_textfile(str(path), carried_on)
            path.chmod(0o644)  # The node exporter is another user.
        except OSError as error:
            # The work is done; it must not be taken for failed.
            say("metrics file not written", level="warning", error=error.strerror or str(error))


def _before(path: Path) -> list[Metric]:
    if path.suffix != ENDING:
        raise _refusal(path, "the node exporter would not read this file", expected=f"a name that ends in {ENDING}")
    if not os.access(path.parent, os.W_OK):
        raise _refusal(path, "the folder of the metrics file is not there, or not ours to write")
    try:
        found = list(text_string_to_metric_families(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        raise _refusal(path, "the metrics file cannot be read", found=str(error).splitlines()[0]) from None
    foreign = sorted(family.name for family in found if not family.name.startswith(OURS))
    if foreign:
        raise _refusal(path, "the metrics file belongs to something else", found=", ".join(foreign[:5]))
    return found


def _refusal(path: Path, what: str, expected: str = "", found: str = "") -> TollgateError:
    return TollgateError(
        what, where=str(path), expected=expected, found=found, way_out="name another file with --metrics-file"
    )
