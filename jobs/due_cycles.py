"""Which cycles are due: those that have ended by an instant and that no posted run has settled, by their keys."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

from pyspark.sql import SparkSession

from jobs.bill_arguments import instant_of
from jobs.bill_inputs import newest_inputs, posted_before
from jobs.bill_runs import open_run
from tollgate.billing.cycles import due_cycles
from tollgate.platform.lake import Lake
from tollgate.platform.settings import Settings


class DueCycle(NamedTuple):
    """A key with `accounts` that a run of it would settle; of `ready` of them it is the first one that is not."""

    cycle: str
    accounts: int
    ready: int


def month_command(cycle: str, as_of: str) -> str:
    """The command that makes the draft of a cycle."""
    return f"tollgate month --cycle {cycle} --as-of {as_of}"


def find_due_cycles(spark: SparkSession, settings: Settings, as_of: datetime) -> list[DueCycle]:
    """The keys that are due by `as_of`, in their order; of accounts of the newest snapshot."""
    lake = Lake(spark, settings.lake.root)
    inputs = newest_inputs(settings, lake)
    # Of the last key of the month no run is too late to have settled a cycle that is looked for.
    posted = posted_before(spark, settings, lake, f"{as_of:%Y-%m}.5", inputs.after_runs)
    found = due_cycles(inputs.reference.table("ref_account"), as_of, posted.runs, posted.parked, posted.named)
    return sorted(DueCycle(*row) for row in found.collect())


def play_due(
    spark: SparkSession,
    settings: Settings,
    as_of: str,
    play: Callable[[str, str, list[dict[str, Any]]], dict[str, Any]],
) -> list[dict[str, Any]]:
    """Play the cycles that are due by `as_of`, oldest first, until a draft is left; returns what `play` did.

    play: of a cycle, its --as-of and what else is due, each with the command for it; returns the summary of the run. A
    cycle that all of its accounts have to wait for is left until an earlier one is posted. One with an open run goes on
    with the --as-of of that.
    """
    told: list[dict[str, Any]] = []
    done: set[str] = set()
    while not told or told[-1].get("bill_status") in (None, "posted"):
        due = [one for one in find_due_cycles(spark, settings, instant_of(as_of)) if one.cycle not in done]
        ready = [one.cycle for one in due if one.ready]
        if not ready:
            break
        done.add(ready[0])
        opened = open_run(settings, ready[0])
        others = [{**one._asdict(), "command": month_command(one.cycle, as_of)} for one in due if one.cycle != ready[0]]
        told.append(play(ready[0], as_of if opened is None else opened.as_of.isoformat(), others))
    return told
