"""The export job on a lake and a database of its own, and what its copies hold."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path
from typing import Any

from answers import ask
from reference.places import own_places

from jobs import export_usage
from jobs.usage_as_json import FOLDER
from jobs.usage_copies import copies_checked
from tollgate.assurance.conservation import balances


class Copier:
    """One lake and one database, with the job as a method."""

    def __init__(self, spark: Any, settings: Any) -> None:
        self.spark, self.settings = spark, settings
        self.json = Path(settings.lake.root) / FOLDER

    @staticmethod
    def at(folder: Path, spark: Any, services: Any, lake: Path) -> Copier:
        """A database of its own and a copy of `lake`, under `folder`."""
        settings = own_places(services, folder)
        shutil.copytree(lake, settings.lake.root)
        return Copier(spark, settings)

    def export(self, *argv: str) -> dict[str, Any]:
        return export_usage.run(self.spark, self.settings, export_usage.parser().parse_args([*argv]))

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        return ask(self.settings, query)

    def table(self) -> list[tuple[Any, ...]]:
        """Every row with the partition it stands in."""
        return self.ask("SELECT tableoid::regclass::text, c.* FROM rating.normalized_cdr AS c ORDER BY kafka_offset")

    def exports(self) -> list[tuple[Any, ...]]:
        return self.ask("SELECT from_batch_no, to_batch_no, events FROM rating.export_run ORDER BY 1")

    def lines(self) -> list[tuple[str, dict[str, Any]]]:
        """Every line that a reader of the whole folder finds, with its month's folder."""
        found = []
        for file in sorted(self.json.glob("batches=*/event_month=*/part-*")):
            text = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
            found += [(file.parent.name, json.loads(line)) for line in text.decode().splitlines()]
        return sorted(found, key=lambda line: int(line[1]["kafka_offset"]))

    def broken(self) -> set[tuple[str, str]]:
        """The equations of the copies that fail, with the part in which they do."""
        wanted, facts = copies_checked(self.spark, self.settings)
        assert {equation.name.rpartition(" in ")[2] for equation in wanted} >= {"PostgreSQL", "JSON"}
        return {(one.equation.name, one.part) for one in balances(facts, wanted) if not one.holds}
