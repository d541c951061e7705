"""The one error that a user is meant to read."""

from __future__ import annotations


class TollgateError(Exception):
    """What went wrong, what was expected, what was found, where, and the way out; shown without a stack trace.

    exit_code: what the process ends with.
    """

    exit_code = 1

    def __init__(self, what: str, *, expected: str = "", found: str = "", where: str = "", way_out: str = "") -> None:
        self.what = what
        self.expected = expected
        self.found = found
        self.where = where
        self.way_out = way_out
        super().__init__(what)

    def __str__(self) -> str:
        lines = [f"{self.where}: {self.what}" if self.where else self.what]
        if self.expected:
            lines.append(f"  expected: {self.expected}")
        if self.found:
            lines.append(f"  found:    {self.found}")
        if self.way_out:
            lines.append(f"  way out:  {self.way_out}")
        return "\n".join(lines)


class UsageError(TollgateError):
    """Arguments that do not fit together or cannot be read; nothing was started."""

    exit_code = 2
