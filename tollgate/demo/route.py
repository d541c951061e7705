"""The steps of the demo, in the order of the data: four cut-offs of a month, its bill, a fifth night and the next
month's preview."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from py4j.protocol import Py4JError
from pyspark.sql import SparkSession

from tollgate.demo import figures
from tollgate.demo.arrivals import Arrivals, arriving
from tollgate.demo.bill_month import bill_month, until_begun, verified_month
from tollgate.demo.emptying import check_emptying, empty
from tollgate.demo.findings import figures_of_bills, figures_of_usage, oracle_runs, places
from tollgate.demo.given import (
    CUT_OFFS,
    CYCLE,
    CYCLE_END,
    NIGHTS,
    PREVIEW_CYCLE,
    publish,
    seed_customers,
    take_snapshot,
)
from tollgate.demo.opinion import SecondOpinion, second_opinion
from tollgate.demo.page import page
from tollgate.demo.progress import Progress
from tollgate.demo.stage import Stage
from tollgate.platform.errors import TollgateError
from tollgate.platform.local_services import running
from tollgate.platform.places import project_root
from tollgate.platform.postgres import migrate
from tollgate.platform.settings import Settings

PREVIEW_AS_OF = datetime(2026, 11, 4, 5, tzinfo=timezone.utc)
BATCHES_A_MONTH = 7
SWITCH_EVERY_S = 0.0002
STEPS = 37
PREVIEW_LINES = "preview_lines"


def play_demo(settings: Settings, args: argparse.Namespace) -> dict[str, Any]:
    """Play all steps, print the page, write build/demo/summary.json and return the summary.

    Raises TollgateError when something does not come out as it must, after the page was printed.
    """
    check_emptying(settings, args.empty_what_is_given)
    folder = project_root() / "build" / "demo"
    # A thread that computes in Python, such as the gate's, keeps the others waiting at each of the thousand calls that
    # describe a plan: for 5 ms, as Python has it.
    sys.setswitchinterval(SWITCH_EVERY_S)
    with contextlib.ExitStack() as stack:
        progress = stack.enter_context(Progress(STEPS))
        usage = stack.enter_context(arriving(settings, args, folder / "truth"))
        stage = _started(stack, settings, args, progress, folder)
        with progress.step("migrate the database"):
            migrate(stage.settings)
        beside = stack.enter_context(ThreadPoolExecutor(2))
        # Usage arrives whatever is known of customers and is mediated without a book; the first night waits for both.
        seed_customers(stage)
        taken = beside.submit(take_snapshot, stage)
        published = beside.submit(publish, stage, taken)
        posted, verified = _play(stage, usage, beside, published, taken)
        with progress.step("gather the figures of usage"):
            of_usage = figures_of_usage(stage.spark, stage.settings, folder)
        # All that will be rated is rated, so it can begin while the month is still being billed.
        oracle = stack.enter_context(second_opinion(stage.settings, folder, folder / PREVIEW_LINES))
        posted.result()
        summary = {**_looked_at(stage, oracle, verified), **of_usage}
    text = page(summary)
    print(text)
    (folder / "page.txt").write_text(text, encoding="utf-8")
    (folder / "summary.json").write_text(json.dumps(summary, indent=1, default=str) + "\n", encoding="utf-8")
    _refuse_differences(summary)
    return summary


def _started(
    stack: contextlib.ExitStack, settings: Settings, args: argparse.Namespace, progress: Progress, folder: Path
) -> Stage:
    """Services and Spark, started side by side, and nothing in them."""
    from tollgate.platform.spark import spark_session

    print("starting from empty: topic, database, lake and build/demo of an earlier demo will be removed", flush=True)
    # Small batches on purpose: the demo shows that their number does not matter.
    settings = settings.model_copy(
        update={
            "mediation": settings.mediation.model_copy(
                update={"max_offsets_per_trigger": max(1000, args.events // BATCHES_A_MONTH)}
            )
        }
    )
    with progress.step("start broker, database and Spark"), ThreadPoolExecutor(1) as starter:
        spark_starts = starter.submit(spark_session, settings, "demo")
        try:
            if args.keep_up:
                from tollgate.platform.local_services import up

                up(settings)
            else:
                stack.enter_context(running(settings))
        finally:
            spark = spark_starts.result()
            stack.callback(_stop, spark)
    with progress.step("empty topic, database and lake"):
        empty(settings, folder)
    return Stage(spark, settings, args, progress, folder)


def _stop(spark: SparkSession) -> None:
    # A signal to the whole group ends the JVM first; then there is nothing left to stop. What is still at work when the
    # demo is stopped would tell of its end in stack traces.
    with contextlib.suppress(OSError, Py4JError):
        spark.sparkContext.setLogLevel("OFF")
        spark.stop()


def _play(
    stage: Stage,
    usage: Arrivals,
    beside: ThreadPoolExecutor,
    published: Future[None],
    taken: Future[None],
) -> tuple[Future[None], Future[dict[str, Any]]]:
    """Every night and the month. While they are rated and billed, the usage of the later ones arrives, is mediated and
    checked: gate and rating are told their last batch, and the run has pinned its last night before the fifth begins,
    so the tables come out as they would one after the other.

    Returns the end of posting, and what verifying the posted month finds: it changes nothing, so it goes on beside all
    that follows.
    """
    from jobs import rate_usage

    step = stage.progress.step
    posted, verified, evening = Future[None](), Future[dict[str, Any]](), Future[None]()
    with _nightly(stage, usage, taken, evening) as passed:
        published.result()
        for night, last in enumerate(passed, start=1):
            to_batch = str(last.result())
            with step(f"night {night}: rate"):
                stage.run_job(rate_usage, "--to-batch", to_batch)
            if night == len(CUT_OFFS) - 1:
                evening.set_result(None)
            if night == len(CUT_OFFS):
                # Once for all nights of the month, which is all that a draft asks.
                with step("quality gate of rated usage"):
                    stage.pass_gate("--table", "rated_usage")
                posted = beside.submit(bill_month, stage, CYCLE, CYCLE_END)
                verified = beside.submit(verified_month, stage, CYCLE, posted)
                until_begun(stage, CYCLE, posted)
    return posted, verified


@contextlib.contextmanager
def _nightly(stage: Stage, usage: Arrivals, taken: Future[None], evening: Future[None]) -> Iterator[list[Future[int]]]:
    """What belongs to each night arrives beside the block, is mediated once the snapshot is `taken`, and passes the
    gate, night by night; for each, its last batch.

    The last one, which the month does not need, waits for the `evening` of the month: before it two cores have enough
    to do, then too little. When the block fails, no further slice begins.
    """
    with ThreadPoolExecutor(1) as arrivals, ThreadPoolExecutor(1) as gates:
        arrived: list[Future[int]] = []
        passed: list[Future[int]] = []
        for night in range(1, NIGHTS + 1):
            if night == NIGHTS:
                arrivals.submit(evening.result)
            arrived.append(arrivals.submit(_arrive, stage, usage, night, taken, arrived[-1] if arrived else None))
            passed.append(gates.submit(_pass_gate, stage, night, arrived[-1]))
        try:
            yield passed
        except BaseException:
            for pool in (arrivals, gates):
                pool.shutdown(wait=False, cancel_futures=True)
            evening.cancel()
            raise


def _pass_gate(stage: Stage, night: int, batches: Future[int]) -> int:
    """Ask the gate about what has arrived; returns the last batch."""
    last = batches.result() - 1
    with stage.progress.step(f"night {night}: quality gate"):
        stage.pass_gate("--to-batch", str(last))
    return last


def _arrive(stage: Stage, usage: Arrivals, night: int, taken: Future[None], before: Future[int] | None) -> int:
    """Produce and mediate what follows `before`; returns the number of batches, which are numbered on from there."""
    from jobs import mediate_usage

    batches = 0 if before is None else before.result()
    with stage.progress.step(f"night {night}: usage arrives in Kafka"):
        usage.arrive()
    taken.result()
    with stage.progress.step(f"night {night}: mediate"):
        return batches + int(stage.run_job(mediate_usage, "--once")["batches"])


def _looked_at(stage: Stage, oracle: SecondOpinion, verified: Future[dict[str, Any]]) -> dict[str, Any]:
    """Preview, reconciliation, second opinion and figures: the summary. The oracle works beside Spark."""
    from jobs import bill_accounts, reconcile

    step = stage.progress.step
    preview_file = stage.folder / PREVIEW_LINES

    def looked_at() -> tuple[list[dict[str, Any]], dict[str, Any]]:
        with step("reconcile"):
            equations = reconcile.check(stage.spark, stage.settings)["equations"]
        with step("gather the figures of bills"):
            return equations, figures_of_bills(stage.spark, stage.settings)

    oracle.bills_are_there(oracle_runs(stage.spark, stage.settings, PREVIEW_CYCLE))
    with ThreadPoolExecutor(1) as beside:
        found = beside.submit(looked_at)
        with step("preview the next month"):
            bill = bill_accounts.preview(stage.spark, stage.settings, PREVIEW_CYCLE, PREVIEW_AS_OF)
            bill.invoice_line.coalesce(1).write.mode("overwrite").parquet(str(preview_file))
        oracle.previews_are_there()
        preview = figures.preview(stage.spark.read.parquet(str(preview_file)), PREVIEW_CYCLE)
        with step("wait for the second opinion"):
            opinion = oracle.report()
        equations, summary = found.result()
        by_hash = verified.result()
    return {
        "parameters": {
            "subscribers": stage.args.subscribers,
            "events": stage.args.events,
            "seed": stage.args.seed,
            "cycle": CYCLE,
            "preview_cycle": PREVIEW_CYCLE,
        },
        **summary,
        "preview": preview,
        "gates": sorted(stage.gates, key=lambda gate: (gate["suite"], gate["to_no"])),
        "equations": equations,
        "verified": by_hash,
        "second_opinion": opinion,
        "places": places(stage.settings),
        "times": [*stage.progress.times, {"step": "all, some of them side by side", "seconds": stage.progress.wall()}],
    }


def _refuse_differences(summary: dict[str, Any]) -> None:
    """Fail the demo loudly: a page that shows a difference must not end with success."""
    wrong = []
    if summary["truth"]["misses"]:
        wrong.append("mediation and the injected truth differ")
    if not all(row["holds"] for row in summary["equations"]):
        wrong.append("an equation of conservation does not hold")
    if not summary["second_opinion"]["equal"]:
        wrong.append("the second opinion differs, see build/demo/oracle.json")
    if wrong:
        raise TollgateError(
            "the demo did not come out as it must: " + "; ".join(wrong), where="build/demo/summary.json"
        )
