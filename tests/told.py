"""What a command says on stderr where no terminal is: JSON lines, the last one its message when it fails."""

from __future__ import annotations

import json
from typing import Any

from tollgate.platform.errors import TollgateError

PARTS = ("where", "expected", "found", "way_out")


def lines_of(err: str) -> list[dict[str, Any]]:
    """Every line of stderr; fails when one is anything but a JSON line."""
    return [json.loads(line) for line in err.splitlines()]


def message(err: str) -> str:
    """The message of a command that failed, as a terminal would show it."""
    line = lines_of(err)[-1]
    assert (line["event"], line["level"]) == ("command failed", "error")
    return str(TollgateError(line["error"], **{part: line.get(part, "") for part in PARTS}))
