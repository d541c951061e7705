"""The second opinion beside the demo: the oracle as a process of its own, so that it works while Spark does."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from tollgate.demo.findings import oracle_runs
from tollgate.platform.errors import TollgateError
from tollgate.platform.places import project_root
from tollgate.platform.settings import Settings


@contextlib.contextmanager
def second_opinion(
    spark: SparkSession, settings: Settings, folder: Path, preview_lines: Path, preview_cycle: str
) -> Iterator[Callable[[], dict[str, Any]]]:
    """The oracle as a process of its own; gives a function that waits for its report. It ends with the block."""
    runs = folder / "runs.json"
    runs.write_text(json.dumps(oracle_runs(spark, settings, preview_cycle)), encoding="utf-8")
    command = [
        *(sys.executable, "-m", "tollgate.oracle", "--lake", settings.lake.root),
        *("--pricebook", settings.pricebook.dir, "--runs", str(runs), "--preview-lines", str(preview_lines)),
    ]
    report, errors = folder / "oracle.json", folder / "oracle.err"
    with report.open("w") as out, errors.open("w") as err:
        process = subprocess.Popen(command, stdout=out, stderr=err, cwd=project_root())

    def wait() -> dict[str, Any]:
        code = process.wait()
        if code not in (0, 1):
            raise TollgateError(
                "the second opinion could not be made",
                where=str(errors),
                found=errors.read_text(encoding="utf-8")[-500:],
            )
        found = json.loads(report.read_text(encoding="utf-8"))
        return {name: found[name] for name in ("equal", "compared", "different", "totals")}

    try:
        yield wait
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
