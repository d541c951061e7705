"""Usage on its way to Kafka, from a process of its own: Python lets one thread go on at a time, and one that makes
records would keep those waiting that describe plans."""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from tollgate.platform.errors import TollgateError
from tollgate.platform.settings import Settings

# At most so many records are made before they are asked for, and stay in memory.
AHEAD = 100_000
# What an error is told with.
_PARTS = ("what", "expected", "found", "where", "way_out")


class Arrivals:
    """The slices of the demo's usage, which arrive one by one, in their order."""

    def __init__(self, process: subprocess.Popen[str], errors: IO[str]) -> None:
        self._process, self._errors = process, errors

    def arrive(self) -> None:
        """The next slice, into Kafka and its truth into a file; TollgateError with what kept it from there."""
        assert self._process.stdin is not None and self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write("\n")
            self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            self._process.wait()
            self._errors.seek(0)
            raise TollgateError("the usage could not be made", found=self._errors.read()[-500:])
        told: dict[str, Any] = json.loads(answer)
        if "what" in told:
            raise TollgateError(told.pop("what"), **told)


@contextlib.contextmanager
def arriving(settings: Settings, args: argparse.Namespace, truth_folder: Path) -> Iterator[Arrivals]:
    """Start making customers and plan of the usage, of which nothing arrives before it is asked for; ends with the
    block. args: those of the demo."""
    order = {name: getattr(args, name) for name in ("seed", "subscribers", "events")}
    order |= {"settings": settings.model_dump(mode="json"), "truth_folder": str(truth_folder)}
    command = [sys.executable, "-m", "tollgate.demo.arrivals"]
    with tempfile.TemporaryFile("w+", encoding="utf-8") as errors:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, encoding="utf-8"
        )
        try:
            assert process.stdin is not None
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(json.dumps(order) + "\n")
                process.stdin.flush()
            yield Arrivals(process, errors)
        finally:
            process.kill()
            process.wait()


def main() -> int:
    """The process: the order as JSON on the first line of standard input, then a slice for each line; it answers each
    with a line of JSON, the records or the parts of an error, and ends with its input."""
    from generators.customers import build_population
    from generators.producer import few_collections, produce
    from tollgate.demo.given import planned

    order = json.loads(sys.stdin.readline())
    settings = Settings.model_validate(order["settings"])
    population = build_population(order["seed"], order["subscribers"])
    for records in planned(settings, population, order["seed"], order["events"]):
        # Made while what arrived before is mediated, which it would else wait for.
        rest = iter(records)
        with few_collections():
            ahead = list(itertools.islice(rest, AHEAD))
        if not sys.stdin.readline():
            break
        try:
            report = produce(itertools.chain(ahead, rest), settings, order["truth_folder"])
        except TollgateError as error:
            print(json.dumps({name: getattr(error, name) for name in _PARTS}), flush=True)
            return error.exit_code
        print(json.dumps({"records": report.records}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
