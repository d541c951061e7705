"""What the demo says while it works: a bar on a terminal, one line a step elsewhere; and how long each step took."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any


class Progress:
    """Steps with their wall times; use as a context manager around the run."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.times: list[dict[str, Any]] = []
        self._begun = time.monotonic()
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Progress:
        if sys.stdout.isatty():
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
            from rich.progress import Progress as Bar

            self._bar = Bar(
                BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"), transient=True
            )
            self._bar.start()
            self._task = self._bar.add_task("", total=self.steps)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time the block under this name; the same name again adds to it."""
        if self._bar is not None:
            self._bar.update(self._task, description=name)
        begun = time.monotonic()
        yield
        self._done(name, time.monotonic() - begun)

    def wall(self) -> float:
        """Seconds since this was made; less than the sum of all where steps ran side by side."""
        return round(time.monotonic() - self._begun, 1)

    def _done(self, name: str, seconds: float) -> None:
        self.times.append({"step": name, "seconds": round(seconds, 1)})
        if self._bar is not None:
            self._bar.advance(self._task)
        else:
            print(f"[{len(self.times):2}/{self.steps}] {name}: {seconds:.1f} s", flush=True)
