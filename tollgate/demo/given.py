"""What the demo is given: a price book, customers, and their usage of two fixed months."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from concurrent.futures import Future
from datetime import date, datetime, timezone
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from tollgate.demo.relocation import move
from tollgate.demo.stage import Stage
from tollgate.platform.settings import Settings

if TYPE_CHECKING:
    from generators.customers import Population

CYCLE, PREVIEW_CYCLE = "2026-10", "2026-11"
# When each night takes what has arrived: local midnights, the last one the end of the cycle.
CUT_OFFS = tuple(
    datetime(2026, month, day, 4, tzinfo=timezone.utc) for month, day in ((10, 9), (10, 17), (10, 25), (11, 1))
)
CYCLE_END = CUT_OFFS[-1]
NIGHTS = len(CUT_OFFS) + 1
PREVIEW_UNTIL = date(2026, 11, 4)
# November is played for three of its thirty days.
PREVIEW_SHARE = 10


def seed_customers(stage: Stage) -> None:
    """Customers, in the database."""
    from generators.customers import build_population
    from generators.seed_crm import seed

    with stage.progress.step("seed customers"):
        population = build_population(stage.args.seed, stage.args.subscribers)
        seed(stage.settings, population)
        move(stage.settings, population)


def take_snapshot(stage: Stage) -> None:
    """The customers as mediation and rating will see them."""
    from jobs import snapshot_reference

    with stage.progress.step("take a snapshot of the customers"):
        stage.run_job(snapshot_reference)


def planned(settings: Settings, population: Population, seed: int, events: int) -> list[Iterable[Any]]:
    """The records of each cut-off, and of what comes after the last one; not yet made."""
    from generators.dirt import DirtRates
    from generators.usage import plan_usage

    rates = DirtRates.from_settings(settings.generator)
    month = plan_usage(population, seed, events, CYCLE, rates=rates)
    after = plan_usage(
        population, seed, max(1, events // PREVIEW_SHARE), PREVIEW_CYCLE, rates=rates, until=PREVIEW_UNTIL
    )
    ends = [int(cut_off.timestamp() * 1000) for cut_off in CUT_OFFS]
    slices: list[Iterable[Any]] = [month.records(lo, hi) for lo, hi in zip([None, *ends[:-1]], ends, strict=True)]
    slices.append(heapq.merge(month.records(ends[-1], None), after.records(None, None), key=itemgetter(2)))
    return slices


def publish(stage: Stage, taken: Future[None]) -> None:
    """The book, after its check, beside the first mediation, which the snapshot that is `taken` comes before."""
    from jobs import publish_pricebook

    taken.result()
    with stage.progress.step("publish the price book"):
        stage.run_job(publish_pricebook, "--author", "demo", "--reason", "the demo operator's first book")
