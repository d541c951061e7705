"""Correct rated usage: price rated events again with newer pins, and write a reversal and a correction of those that
differ.

For when a price, an owner or a carrier's cost was wrong and the night has taken it: publish the price book or take the
snapshot that is right, then name the events. What stands stays: rows are only added. A correction is a rating run as a
night is, one commit and its mark; one that died between the two gets its mark when the next one starts.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, StructType

from jobs import bill_runs
from jobs.bill_arguments import accounts_of, add_accounts, refuse_unknown
from jobs.corrected_lines import announce, forget_unwritten, with_credited
from jobs.correction_mark import corrected_by_service, mark_correction
from jobs.instants import instant
from jobs.pinned import load_price_book, load_reference
from jobs.rate_usage import finish
from jobs.rating_runs import APP_ID, Night, Selection, append_run, out_of_balance, unmarked_night
from tollgate.assurance.current_rating import current_rating
from tollgate.billing.tiers import IS_GRADUATED, IS_PRICED, RATE
from tollgate.platform.crash import crash_point
from tollgate.platform.errors import TollgateError, UsageError
from tollgate.platform.job import add_common, main
from tollgate.platform.lake import Lake, few_rows, kept
from tollgate.platform.progress import step
from tollgate.platform.settings import Settings
from tollgate.rating.correction import EVENT, changed, correction_rows
from tollgate.rating.rate import rate_events
from tollgate.reference.frames import PriceBook, Reference

SERVICES = ("voice", "sms", "mms", "data")
ACCOUNTS_SHOWN = 5
# What to say of events that cannot be corrected, by whether a credit note has their line.
UNCORRECTABLE = {
    False: (
        "usage that an older release posted by graduated tiers, or of a plan that has become prepaid since or is so no "
        "more, cannot be corrected; nothing was written",
        "narrow the correction with --service, --plan or --account; for these: `tollgate bill credit`, or a charge of "
        "`tollgate charges`",
    ),
    True: (
        "usage on posted lines that a credit note takes back cannot be corrected, for it would be given back twice; "
        "nothing was written",
        "void the note if it is a draft (`tollgate bill credits`); else narrow the correction with --service, --plan "
        "or --account, and what such usage should have cost is a charge of `tollgate charges`",
    ),
}


def parser() -> argparse.ArgumentParser:
    """Arguments of the job."""
    found = argparse.ArgumentParser(prog="correct_usage", description=(__doc__ or "").partition("\n\n")[0])
    found.add_argument(
        "--from", dest="begin", type=instant, required=True, metavar="TIME", help="events that start at or after this"
    )
    found.add_argument("--to", dest="end", type=instant, required=True, metavar="TIME", help="and before this")
    add_accounts(found)
    found.add_argument("--service", choices=SERVICES, help="of this service only")
    found.add_argument("--plan", metavar="ID", help="that were rated on this plan only")
    found.add_argument("--price-book", type=int, metavar="VERSION", help="price book to pin (default: the newest)")
    found.add_argument("--snapshot", type=int, metavar="ID", help="reference snapshot to pin (default: the newest)")
    found.add_argument("--dry-run", action="store_true", help="say what would change, write nothing")
    return add_common(found)


def check_args(args: argparse.Namespace) -> None:
    """Refuse an empty span of time, and accounts that cannot be read."""
    if args.begin >= args.end:
        raise UsageError(
            "--to is not after --from", found=f"--from {args.begin.isoformat()} --to {args.end.isoformat()}"
        )
    accounts_of(args)


def check_before_spark(settings: Settings, args: argparse.Namespace) -> None:
    """Refuse accounts that there are not, and while a bill run is open: it pins rated usage as it is."""
    refuse_unknown(settings, accounts_of(args))
    opened = [run.run_id for run in bill_runs.all_runs(settings) if run.status in ("draft", "approved")]
    if opened and not args.dry_run:
        raise TollgateError(
            "a bill run is open, and would not have the correction", where=", ".join(opened),
            way_out="post it, or void it (`tollgate bill void`) and draft it again after the correction",
        )  # fmt: skip


def run(spark: SparkSession, settings: Settings, args: argparse.Namespace) -> dict[str, Any]:
    """Correct what was selected and return the figures: rating_no (None when nothing was to correct), corrected,
    charge and cost before and after by service, and would_be_suspended: events left as they are, by reason.

    Raises TollgateError, and writes nothing, where an event is on a posted invoice from which it cannot be taken back.
    """
    check_args(args)
    check_before_spark(settings, args)
    lake = Lake(spark, settings.lake.root)
    selection = Selection(args.begin, args.end, accounts_of(args), args.service, args.plan)
    died = unmarked_night(lake)
    if died is not None and not args.dry_run:
        finish(lake, died)
    book, reference = load_price_book(lake, args.price_book), load_reference(lake, args.snapshot)
    correction = _next_correction(lake, reference.snapshot_id, book.version, selection)
    if died is not None and asdict(died) == {**asdict(correction), "rating_no": died.rating_no}:
        of_run = lake.read("rated_usage").where(f"rating_no = {died.rating_no}")
        return {**_told(died), **corrected_by_service(of_run), "would_be_suspended": {}, "repaired": True}
    if not args.dry_run:
        forget_unwritten(lake, settings, correction.rating_no)
    with step("price again", rating_no=correction.rating_no):
        standing = kept(standing_of(lake, selection, correction.rating_no))
        again = _again(lake, standing, selection, correction, book, reference)
        pairs = changed(standing, again, lake.read("price_tier"), keep=kept)
        counted = pairs.groupBy("now.suspense_reason").count().collect()
    left = {row[0]: row[1] for row in sorted(counted, key=str) if row[0] is not None}
    to_correct = pairs.where("now.retail_status <> 'suspended'")
    if all(row[0] is not None for row in counted):
        return {**_told(correction), "rating_no": None, **corrected_by_service(lake.frame([], "rated_usage")),
                "would_be_suspended": left}  # fmt: skip
    posted = _posted_usage(lake, settings, to_correct)
    if posted is not None:
        _refuse_uncorrectable(lake, settings, posted, book)
    rows = correction_rows(to_correct, correction.rating_no)
    if args.dry_run:
        return {**_told(correction), **corrected_by_service(rows), "would_be_suspended": left, "dry_run": True}
    if posted is not None:
        announce(settings, posted, correction.rating_no)
        crash_point("correct.after_announced")
    with step("correct", rating_no=correction.rating_no):
        append_run(lake, rows, correction)
    crash_point("correct.after_rated")
    with step("balance", rating_no=correction.rating_no):
        figures = mark_correction(lake, correction)
    crash_point("correct.after_mark")
    return {**_told(correction), **figures, "would_be_suspended": left}


def _next_correction(lake: Lake, snapshot_id: int, pricebook_version: int, selection: Selection) -> Night:
    """The rating run after the last one, without a batch; TollgateError after one out of balance."""
    marks = lake.read("control_rating").selectExpr(
        "coalesce(max(to_batch_no), -1) AS to_no", "min(CASE WHEN NOT balanced THEN rating_no END) AS bad"
    )
    row = marks.collect()[0]
    if row["bad"] is not None:
        raise out_of_balance(lake, row["bad"])
    last = lake.last_version("rated_usage", APP_ID) or 0
    return Night(last + 1, row["to_no"] + 1, row["to_no"], snapshot_id, pricebook_version, selection.as_json())


def standing_of(lake: Lake, selection: Selection, rating_no: int) -> DataFrame:
    """The rows of rated_usage that are selected and stand before the rating run `rating_no`."""
    rated = lake.read("rated_usage").where(_in_months(selection) & (F.col("rating_no") < rating_no))
    standing = current_rating(rated).where(F.col("retail_status") != "suspended")
    standing = standing.where((F.col("started_at") >= selection.begin) & (F.col("started_at") < selection.end))
    if selection.service is not None:
        standing = standing.where(F.col("service") == selection.service)
    if selection.plan is not None:
        standing = standing.where(F.col("plan_id") == selection.plan)
    if selection.accounts is not None:
        column = StructType([StructField("account_id", StringType())])
        named = few_rows(lake.spark, [(one,) for one in selection.accounts], column)
        # A join by name puts its column in front.
        standing = standing.join(F.broadcast(named), "account_id", how="left_semi").select(*rated.columns)
    return standing


def _again(
    lake: Lake, standing: DataFrame, selection: Selection, correction: Night, book: PriceBook, reference: Reference
) -> DataFrame:
    """The events of these rows rated by the night's own plan with the pins of the correction."""
    accepted = lake.read("usage_event").where(_in_months(selection) & (F.col("disposition") == "accepted"))
    events = accepted.join(standing.select(*EVENT), EVENT, how="left_semi")
    return rate_events(events, book, reference, correction.rating_no)


def _in_months(selection: Selection) -> Column:
    return F.col("event_month").between(f"{selection.begin:%Y-%m}", f"{selection.end:%Y-%m}")


def _posted_usage(lake: Lake, settings: Settings, pairs: DataFrame) -> DataFrame | None:
    """The rows to take back that are on posted runs, with run_id, line_key and tier_places; None without such a run."""
    posted = bill_runs.posted_runs(settings)
    if not posted:
        return None
    key = ["source", "event_id", "revision"]
    billed = lake.read("billed_usage").where(F.col("run_id").isin(posted))
    taken_back = pairs.select("was.*").select(
        *key, "account_id", "plan_id", *RATE, F.expr(IS_PRICED).alias("is_priced")
    )
    return kept(taken_back.join(billed.select(*key, "run_id", "line_key", "tier_places"), key, how="inner"))


def _refuse_uncorrectable(lake: Lake, settings: Settings, usage: DataFrame, book: PriceBook) -> None:
    """TollgateError that names the first accounts of which an event stands on a posted run and cannot be taken back
    there: an older release billed it by graduated tiers and kept no places, or its plan is prepaid in the book and was
    not then, or the other way round, so that who paid would not be who gets it back, or a credit note has given it
    back.

    usage: of `_posted_usage`.
    """
    tiers = lake.read("price_tier").where(IS_GRADUATED).select(*RATE).distinct().withColumn("has_tiers", F.lit(True))
    prepaid = book.table("price_top_up").select("plan_id").distinct().withColumn("is_prepaid", F.lit(True))
    found = (
        usage.join(F.broadcast(tiers), RATE, how="left")
        .join(F.broadcast(prepaid), "plan_id", how="left")
        .transform(with_credited, settings)
        .where(
            "(has_tiers AND is_priced AND tier_places IS NULL)"
            " OR endswith(line_key, '|') = coalesce(is_prepaid, false) OR is_credited"
        )
    )
    named = found.select("is_credited", "account_id").distinct().orderBy("is_credited", "account_id")
    accounts = named.limit(ACCOUNTS_SHOWN + 1).collect()
    if accounts:
        is_credited = accounts[0]["is_credited"]
        what, way_out = UNCORRECTABLE[is_credited]
        alike = [row["account_id"] for row in accounts if row["is_credited"] == is_credited]
        more = " and more" if len(alike) > ACCOUNTS_SHOWN else ""
        raise TollgateError(
            what, where=lake.path("billed_usage"),
            found=f"such events of {', '.join(alike[:ACCOUNTS_SHOWN])}{more}", way_out=way_out,
        )  # fmt: skip


def _told(correction: Night) -> dict[str, Any]:
    """What the run pins; it takes no batch."""
    return {name: getattr(correction, name) for name in ("rating_no", "snapshot_id", "pricebook_version")}


if __name__ == "__main__":
    sys.exit(main(parser(), run, check=check_args, ready=check_before_spark))
