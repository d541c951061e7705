"""The one error that a user is meant to read."""

from __future__ import annotations

import difflib
from collections.abc import Collection


class TollgateError(Exception):
    """What went wrong, what was expected, what was found, where, and the way out; shown without a stack trace.

    exit_code: what the process ends with. outcome: how the run counts, see `outcome_of`.
    """

    exit_code = 1
    outcome = "failed"

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


def outcome_of(error: BaseException | None) -> str:
    """How a piece of work ended: done, failed, stopped by a signal, or locked: another run kept it from starting."""
    if error is None:
        return "done"
    if isinstance(error, TollgateError):
        return error.outcome
    return "failed" if isinstance(error, Exception) else "stopped"


def nearest(name: str, known: Collection[str]) -> str | None:
    """The known name that was meant by a misspelt or shortened one; None when none is near."""
    begun = [one for one in known if len(name) >= 3 and one.startswith(name)]
    near = begun or difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return near[0] if near else None
