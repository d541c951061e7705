"""Billing by itself: what the month's draft costs as accounts and events grow, with the jobs' own plan.

Two lakes with the demo's price book: the whole, and a tenth of its accounts and events. They are drafted in turns, in
one session that is warm, and the cheapest of each counts.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import NamedTuple

from benchmarks.billing_input import AS_OF, CYCLE, write_month
from benchmarks.cost import Cost, cost_of
from benchmarks.route import SEED, Bench, bench
from benchmarks.rows import Row
from benchmarks.traffic import Traffic, traffic_of
from jobs.bill_runs import transaction
from tollgate.platform.errors import TollgateError
from tollgate.platform.lake import Lake
from tollgate.platform.postgres import migrate
from tollgate.platform.settings import Settings

BILLING = "billing"
SESSION = {"spark.master": "local[2]", "spark.driver_memory": "3g"}
SHARE, TURNS = 10, 2
MILLION = 1_000_000


class Drafted(NamedTuple):
    """What one draft took, and what came out of it."""

    cost: Cost
    traffic: Traffic
    invoices: int
    lines: int


def month_rows(events: int, accounts: int) -> list[Row]:
    """Cost of a million events; of the whole against a tenth: CPU an event, bytes sent to the driver, Spark jobs."""
    sizes = {"tenth": (events // SHARE, accounts // SHARE), "whole": (events, accounts)}
    with bench(SESSION) as found:
        migrate(found.settings)
        lakes = {name: with_lake(found, name, *size) for name, size in sizes.items()}
        drafted(lakes["tenth"], events // SHARE)
        turns = [{name: drafted(lake, sizes[name][0]) for name, lake in lakes.items()} for _ in range(TURNS)]
    tenth, whole = (_told(name, *sizes[name], [turn[name] for turn in turns]) for name in sizes)
    cpu = [drafts.cost.cpu / size[0] for drafts, size in zip((tenth, whole), sizes.values(), strict=True)]
    return [
        Row("billing.month_million", whole.cost.seconds / events * MILLION, bar=90, aim=20, unit="s", better="lower"),
        Row("billing.month_growth", cpu[1] / cpu[0], bar=1.2, aim=1.0, unit="x", better="lower",
            ours=cpu[1] * events, baseline=cpu[0] * events),
        Row("billing.month_to_driver", whole.traffic.driver_bytes / tenth.traffic.driver_bytes, bar=1.2, aim=1.0,
            unit="x", better="lower"),
        Row("billing.month_jobs", whole.traffic.jobs / tenth.traffic.jobs, bar=1.0, aim=1.0, unit="x", better="lower"),
    ]  # fmt: skip


def with_lake(found: Bench, name: str, events: int, accounts: int) -> Bench:
    """The bench with a lake of its own that holds the book and a drawn month."""
    from jobs import publish_pricebook

    # A book is published once for a database; a further lake begins as a copy of it.
    book = found.folder / "lake_of_book"
    if not book.exists():
        of_book = replace(found, settings=_at(found, str(book)))
        of_book.run_job(publish_pricebook, "--author", "bench", "--reason", "bench")
    root = found.folder / f"lake_{name}"
    shutil.copytree(book, root)
    made = replace(found, settings=_at(found, str(root)))
    write_month(Lake(found.spark, str(root)), events, accounts, SEED)
    return made


def drafted(found: Bench, events: int) -> Drafted:
    """Draft the month by the job and void the draft; TollgateError when an event is missing on its lines."""
    from jobs import bill_accounts

    summary: dict[str, object] = {}

    def draft() -> None:
        arguments = ["--action", "run", "--cycle", CYCLE, "--as-of", AS_OF]
        summary.update(found.run_job(bill_accounts, *arguments))

    costs: list[Cost] = []
    traffic = traffic_of(found.spark, lambda: costs.append(cost_of(found.spark, draft)))
    with transaction(found.settings) as cursor:
        cursor.execute("SELECT sum(events) FROM ops.bill_run_kind WHERE run_id = %s", (summary["run_id"],))
        [(on_lines,)] = cursor.fetchall()
    found.run_job(bill_accounts, "--action", "void", "--run-id", str(summary["run_id"]))
    if on_lines != events or summary["parked"]:
        raise TollgateError(
            "the draft does not hold the month", expected=f"{events} events on lines, no account parked",
            found=f"{on_lines} events, {summary['parked']} accounts parked",
        )  # fmt: skip
    return Drafted(costs[0], traffic, int(str(summary["invoices"])), int(str(summary["lines"])))


def _told(name: str, events: int, accounts: int, turns: list[Drafted]) -> Drafted:
    """Print the turns of one lake; the cheapest of each figure."""
    for seconds, cpu in (turn.cost for turn in turns):
        print(f"{name}: {accounts:,} accounts, {events:,} events: {seconds:.1f} s, {cpu:.1f} s of CPU")
    best = Drafted(Cost(*map(min, zip(*(turn.cost for turn in turns), strict=True))), turns[-1].traffic, *turns[-1][2:])
    print(f"{name}: {best.invoices:,} invoices, {best.lines:,} lines, {best.traffic.jobs} Spark jobs,"
          f" {best.traffic.driver_bytes:,} bytes of results to the driver")  # fmt: skip
    return best


def _at(found: Bench, root: str) -> Settings:
    return found.settings.model_copy(update={"lake": found.settings.lake.model_copy(update={"root": root})})
