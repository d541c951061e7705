"""What every step of the demo works with, and how it plays a job."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from pyspark.sql import SparkSession

from tollgate.demo.progress import Progress
from tollgate.platform.settings import Settings


@dataclass(frozen=True)
class Stage:
    """Session, settings and arguments of a demo, its progress and the folder of what it leaves."""

    spark: SparkSession
    settings: Settings
    args: argparse.Namespace
    progress: Progress
    folder: Path
    # What each quality gate said, in the order in which they were asked.
    gates: list[dict[str, Any]] = field(default_factory=list)

    def run_job(self, job: ModuleType, *argv: str) -> dict[str, Any]:
        """A job as its command would run it, in this session."""
        result: dict[str, Any] = job.run(self.spark, self.settings, job.parser().parse_args(list(argv)))
        return result

    def pass_gate(self, *argv: str) -> None:
        """Ask a quality gate, and keep what it said."""
        from jobs import check_quality

        self.gates.extend(self.run_job(check_quality, *argv)["checked"])
