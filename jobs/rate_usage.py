"""Rate the accepted events of every published batch not rated yet, and try the suspended ones again: one night.

A night is one commit to rated_usage, then its row in control_rating, the mark that it balances. A night that died
between the two gets its mark when the next one starts; a night that died before the commit never was.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.correction_mark import mark_correction
from jobs.pinned import load_price_book, load_reference, not_published
from jobs.quality_gates import refuse_unchecked_usage
from jobs.rating_runs import APP_ID, EVENT, Night, append_run, out_of_balance, unmarked_night
from tollgate.assurance.current_rating import broadcast_if_few, still_held
from tollgate.assurance.publication import published_to
from tollgate.platform.crash import crash_point
from tollgate.platform.job import add_common, main
from tollgate.platform.lake import Lake, kept
from tollgate.platform.progress import step
from tollgate.platform.settings import Settings
from tollgate.rating.id_check import with_id_conflicts
from tollgate.rating.rate import rate_events
from tollgate.reference.frames import PriceBook, Reference


def parser() -> argparse.ArgumentParser:
    """Arguments of the job."""
    found = argparse.ArgumentParser(prog="rate_usage", description=__doc__.splitlines()[0])
    found.add_argument("--price-book", type=int, metavar="VERSION", help="price book to pin (default: the newest)")
    found.add_argument("--snapshot", type=int, metavar="ID", help="reference snapshot to pin (default: the newest)")
    found.add_argument(
        "--to-batch", type=int, metavar="NO", help="last batch of the night (default: the last published)"
    )
    found.add_argument("--dry-run", action="store_true", help="say what the night would do, write nothing")
    return add_common(found)


def run(spark: SparkSession, settings: Settings, args: argparse.Namespace) -> dict[str, Any]:
    """Rate one night and return its figures: rating_no, batches, rated, zero_rated, suspended by reason, totals.

    from_batch_no and to_batch_no are None when there is no new batch.
    """
    lake = Lake(spark, settings.lake.root)
    unmarked = unmarked_night(lake)
    if unmarked is not None and not args.dry_run:
        finish(lake, unmarked)
    book, reference = load_price_book(lake, args.price_book), load_reference(lake, args.snapshot)
    night = _next_night(lake, reference.snapshot_id, book.version, args.to_batch)
    if unmarked is not None and unmarked.selection is None and night.to_batch_no < night.from_batch_no:
        return {**_figures(lake.read("rated_usage"), unmarked), "repaired": True}
    refuse_unchecked_usage(lake, night.from_batch_no, night.to_batch_no)
    held = kept(_held_before(lake, night))
    with step("look for what is held"):
        rated = _rated(lake, night, held, book, reference)
    if args.dry_run:
        return {**_figures(rated, night), "dry_run": True}
    with step("rate", rating_no=night.rating_no):
        append_run(lake, rated, night)
    crash_point("rate.after_rated")
    with step("balance", rating_no=night.rating_no):
        figures = _mark(lake, night, held)
    crash_point("rate.after_mark")
    return figures


def finish(lake: Lake, died: Night) -> None:
    """Write the mark of a rating run that died before it, a night or a correction."""
    if died.selection is None:
        _mark(lake, died, _held_before(lake, died))
    else:
        mark_correction(lake, died)


def _next_night(lake: Lake, snapshot_id: int, pricebook_version: int, to_batch: int | None) -> Night:
    """The night after the last mark, up to `to_batch` or the last published one.

    Raises TollgateError after a night out of balance, or for a batch that is not published.
    """
    marks = lake.read("control_rating").selectExpr(
        "max(to_batch_no) AS to_no", "min(CASE WHEN NOT balanced THEN rating_no END) AS bad"
    )
    published = published_to(lake.read("control_mediation")).withColumnRenamed("to_no", "published")
    both = marks.crossJoin(published).collect()[0]  # one row each
    if both["bad"] is not None:
        raise out_of_balance(lake, both["bad"])
    done = -1 if both["to_no"] is None else both["to_no"]
    last = lake.last_version("rated_usage", APP_ID) or 0
    if to_batch is not None and to_batch > both["published"]:
        raise not_published(lake, to_batch, both["published"])
    to_no = both["published"] if to_batch is None else to_batch
    return Night(last + 1, done + 1, max(to_no, done), snapshot_id, pricebook_version)


def _accepted(lake: Lake, night: Night) -> DataFrame:
    """Accepted events of every batch up to the night's last."""
    return lake.read("usage_event").where(f"disposition = 'accepted' AND batch_no <= {night.to_batch_no}")


def _held_before(lake: Lake, night: Night) -> DataFrame:
    """EVENT and `last_reason` of the events that stood suspended when the night began."""
    before = lake.read("rated_usage").where(f"rating_no < {night.rating_no}")
    suspended = lake.read("control_rating").selectExpr("coalesce(sum(suspended), 0)").collect()[0][0]
    return still_held(before, suspended).selectExpr(*EVENT, "suspense_reason AS last_reason")


def _rated(lake: Lake, night: Night, held: DataFrame, book: PriceBook, reference: Reference) -> DataFrame:
    """The night's rows of rated_usage: new events, and events held before that are rated now or for another reason.

    held: of `_held_before`.
    """
    accepted = _accepted(lake, night)
    new = accepted.where(f"batch_no >= {night.from_batch_no}")
    # Of the history only the months in which something is held are read; there are a few.
    by_month = {row["event_month"]: row["count"] for row in held.groupBy("event_month").count().collect()}
    months = sorted(by_month)
    held = broadcast_if_few(held, sum(by_month.values()))
    earlier = accepted.where(F.col("event_month").isin(months)).where(f"batch_no < {night.from_batch_no}")
    again = earlier.join(held, EVENT, how="left_semi")
    events = with_id_conflicts(new.unionByName(again) if months else new, accepted)
    rated = rate_events(events, book, reference, night.rating_no)
    is_news = "NOT (retail_status = 'suspended' AND suspense_reason <=> last_reason)"
    return rated.join(held, EVENT, how="left").where(is_news).select(*rated.columns)


def _mark(lake: Lake, night: Night, held: DataFrame) -> dict[str, Any]:
    """Write the night's row of control_rating, everything in it read back from the tables; return its figures.

    held: of `_held_before`.
    """
    figures = _figures(lake.read("rated_usage"), night)
    accepted = _accepted(lake, night).where(f"batch_no >= {night.from_batch_no}").count()
    written = lake.read("rated_usage").where(f"rating_no = {night.rating_no}").selectExpr(*EVENT, "1 AS is_written")
    retried = (
        held.join(written, EVENT, how="left").selectExpr("count(*) AS all", "count(is_written) AS changed").first()
    )
    assert retried is not None
    still_suspended = retried["all"] - retried["changed"]
    rated, suspended = figures["rated"] + figures["zero_rated"], sum(figures["suspended"].values())
    charge, cost = (sum(figures[leg].values(), Decimal("0.000000")) for leg in ("charge", "cost"))
    balanced = accepted + retried["all"] == rated + suspended + still_suspended
    row = (
        *(night.rating_no, night.from_batch_no, night.to_batch_no, night.snapshot_id, night.pricebook_version),
        *(accepted, retried["all"], rated, suspended, still_suspended, charge, cost, balanced, None, None),
    )
    mark = lake.frame([row], "control_rating")
    lake.append(mark, "control_rating", APP_ID, night.rating_no)
    if not balanced:
        raise out_of_balance(lake, night.rating_no)
    return {**figures, "accepted": accepted, "tried_again": retried["all"], "still_suspended": still_suspended}


def _figures(rated_usage: DataFrame, night: Night) -> dict[str, Any]:
    """Counts and totals of the night's rows, by service and reason."""
    of_night = rated_usage.where(f"rating_no = {night.rating_no}")
    groups = of_night.groupBy("service", "retail_status", "suspense_reason").agg(
        {"*": "count", "charge": "sum", "cost": "sum"}
    )
    counts = dict.fromkeys(("rated", "zero_rated"), 0)
    suspended: dict[str, int] = {}
    totals: dict[str, dict[str, Decimal]] = {"charge": {}, "cost": {}}
    for group in sorted(groups.collect(), key=str):
        if group["retail_status"] == "suspended":
            reason = group["suspense_reason"]
            suspended[reason] = suspended.get(reason, 0) + group["count(1)"]
        else:
            counts[group["retail_status"]] += group["count(1)"]
        for leg, by_service in totals.items():
            amount = group[f"sum({leg})"] or Decimal("0.000000")
            by_service[group["service"]] = by_service.get(group["service"], Decimal("0.000000")) + amount
    return {**_told(night), **counts, "suspended": suspended, **totals}


def _told(night: Night) -> dict[str, Any]:
    """What the night takes and pins; a night without a new batch has no first and no last one."""
    told = {**asdict(night), "batches": night.to_batch_no - night.from_batch_no + 1}
    del told["selection"]
    return told if told["batches"] else {**told, "from_batch_no": None, "to_batch_no": None}


if __name__ == "__main__":
    sys.exit(main(parser(), run))
