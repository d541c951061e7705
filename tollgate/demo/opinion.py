"""The second opinion beside the demo: the oracle as a process of its own, so that it works while Spark does."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tollgate.platform.errors import TollgateError
from tollgate.platform.places import project_root
from tollgate.platform.settings import Settings


class SecondOpinion:
    """The oracle at work on a lake, in a process of its own."""

    def __init__(self, process: subprocess.Popen[bytes], runs: Path, report: Path, errors: Path) -> None:
        self._process, self._runs, self._report, self._errors = process, runs, report, errors

    def bills_are_there(self, runs: list[dict[str, Any]]) -> None:
        """Tell it that the bills can be read, and which they are."""
        self._runs.write_text(json.dumps(runs), encoding="utf-8")
        self._tell()

    def previews_are_there(self) -> None:
        """Tell it that the lines of the previews can be read."""
        self._tell()

    def _tell(self) -> None:
        # One that could not go on has closed its end; `report` then says why.
        with contextlib.suppress(BrokenPipeError):
            if self._process.stdin is not None:
                self._process.stdin.write(b"\n")
                self._process.stdin.flush()

    def report(self) -> dict[str, Any]:
        """Wait for what it found; TollgateError when it could not be made."""
        code = self._process.wait()
        if code not in (0, 1):
            raise TollgateError(
                "the second opinion could not be made",
                where=str(self._errors),
                found=self._errors.read_text(encoding="utf-8")[-500:],
            )
        found = json.loads(self._report.read_text(encoding="utf-8"))
        return {name: found[name] for name in ("equal", "compared", "different", "totals")}


@contextlib.contextmanager
def second_opinion(settings: Settings, folder: Path, preview_lines: Path) -> Iterator[SecondOpinion]:
    """Start the oracle, which rates what is rated, and is told when bills and previews are there; it ends with the
    block."""
    runs = folder / "runs.json"
    command = [
        *(sys.executable, "-m", "tollgate.oracle", "--lake", settings.lake.root),
        *("--pricebook", settings.pricebook.dir, "--runs", str(runs), "--preview-lines", str(preview_lines)),
        *("--runs-follow", "--previews-follow"),
    ]
    report, errors = folder / "oracle.json", folder / "oracle.err"
    with report.open("w") as out, errors.open("w") as err:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=out, stderr=err, cwd=project_root())
    try:
        yield SecondOpinion(process, runs, report, errors)
    finally:
        if process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
        if process.poll() is None:
            process.kill()
            process.wait()
