"""Where a test may end the process, so that recovery is proven and not believed."""

from __future__ import annotations

import os
import signal
from collections import Counter

_hits: Counter[str] = Counter()


def crash_point(name: str) -> None:
    """End the process by SIGKILL when TOLLGATE_CRASH_AT names this point: `name`, or `name:2` for its second pass."""
    wanted, _, nth = os.environ.get("TOLLGATE_CRASH_AT", "").partition(":")
    if wanted != name:
        return
    _hits[name] += 1
    if _hits[name] == int(nth or "1"):
        os.kill(os.getpid(), signal.SIGKILL)
