"""The copies of accepted usage by name, and both sides of each for `reconcile`."""

from __future__ import annotations

from contextlib import AbstractContextManager
from decimal import Decimal
from typing import Protocol

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StructType

from jobs.usage_as_json import FOLDER, JsonCopy
from jobs.usage_in_postgres import PostgresCopy
from tollgate.assurance.conservation import Equation, Measures
from tollgate.assurance.publication import published_to
from tollgate.assurance.usage_copy import RANGE, Batches, Figures, by_export, copied, equations, facts
from tollgate.platform.lake import Lake, few_rows
from tollgate.platform.settings import Settings


class UsageCopy(Protocol):
    """What both copies can do; how each writes so that a reader never sees half is its own."""

    key: str
    where: str
    fields: StructType

    def recorded(self) -> dict[Batches, Figures]: ...
    def held(self) -> dict[Batches | None, Figures]: ...
    def shaped(self, usage: DataFrame) -> DataFrame: ...
    def only_writer(self) -> AbstractContextManager[None]: ...
    def write(
        self, usage: DataFrame, batches: Batches, figures: Figures, months: list[str], is_again: bool
    ) -> None: ...


def usage_copy(
    key: str, spark: SparkSession, settings: Settings, out: str | None = None, is_zipped: bool = False
) -> UsageCopy:
    """The copy `postgres` or `json`; out: the folder of the latter, by default one under the lake's root."""
    lake = Lake(spark, settings.lake.root)
    fields = copied(lake.contract("usage_event"))
    if key == "postgres":
        return PostgresCopy(settings, fields)
    return JsonCopy(spark, out or lake.path(FOLDER), fields, is_zipped)


def accepted(lake: Lake, copy: UsageCopy, condition: str) -> DataFrame:
    """The accepted events that a condition on batch_no takes, as the copy holds them, with event_month."""
    usage = lake.read("usage_event").where("disposition = 'accepted'").where(condition)
    return copy.shaped(usage.select(*copy.fields.names, "event_month"))


def copies_checked(spark: SparkSession, settings: Settings) -> tuple[tuple[Equation, ...], Measures]:
    """The equations and measures of those copies that exist; nothing for one that was never exported."""
    lake = Lake(spark, settings.lake.root)
    wanted: tuple[Equation, ...] = ()
    found: dict[tuple[str, str], Decimal] = {}
    for key in ("postgres", "json"):
        copy = usage_copy(key, spark, settings)
        recorded = copy.recorded()
        if recorded:
            wanted += equations(key)
            found |= facts(key, recorded, in_lake(lake, copy, list(recorded)), copy.held())
    return wanted, found


def in_lake(lake: Lake, copy: UsageCopy, exports: list[Batches]) -> dict[Batches | None, Figures]:
    """What the published accepted usage adds up to now, by export; under None what is in none yet."""
    ranges = few_rows(lake.spark, [(batches.from_no, batches.to_no) for batches in exports], RANGE)
    last = published_to(lake.read("control_mediation")).collect()[0].to_no
    usage = accepted(lake, copy, f"batch_no <= {last}")
    rows = by_export(usage, copy.fields, ranges).collect()  # one row an export
    return {None if row[0] is None else Batches(row[0], row[1]): Figures.of(row[2:]) for row in rows}
