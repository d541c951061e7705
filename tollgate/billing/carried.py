"""Which rated rows a run carries: those no posted run has billed, of events begun before the cycle's end."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from tollgate.billing.cycle_dates import cycle_start_of

EVENT_KEY = ["source", "event_id", "revision"]
ACCOUNT_COLUMNS = ["account_id", "cycle_start", "ends_at", "time_zone", "calendar"]


def reversals_of(rated: DataFrame, rating_no: int) -> DataFrame | None:
    """(source, event_id, revision) of the rows that reversals up to the pinned rating run take back; None when there
    are none, so that a month without corrections is planned without them."""
    reversals = rated.where((F.col("kind") == "reversal") & (F.col("rating_no") <= rating_no))
    if reversals.isEmpty():
        return None
    return reversals.select("source", "event_id", F.col("corrects").alias("revision"))


def carried_usage(
    rated: DataFrame, rating_no: int, posted_usage: DataFrame, accounts: DataFrame, taken_back: DataFrame | None = None
) -> DataFrame:
    """Rated and zero-rated rows that go on this run, with `origin_cycle` (DATE) and the cycle, zone and currency of
    the account.

    rated: rated_usage; rating_no: the pinned rating run, later rows are left for the next bill; posted_usage:
    billed_usage of posted runs; accounts: one row an account to bill (a second one would bill twice; the account
    equations park it); taken_back: of `reversals_of`. A row that was taken back before any posted run billed it is on
    none, and its reversal is on none either. Source: docs/billing.md, "Which usage is on a run".
    """
    account = accounts.select(
        *[F.col(name).alias(f"account_{name}" if name in ("time_zone", "currency") else name)
          for name in (*ACCOUNT_COLUMNS, "currency")]
    )  # fmt: skip
    posted = posted_usage.select(*EVENT_KEY)
    waiting = (
        rated.where(F.col("retail_status").isin("rated", "zero_rated") & (F.col("rating_no") <= rating_no))
        .join(account, "account_id", how="inner")
        .where("started_at < ends_at")
        .join(posted, EVENT_KEY, how="left_anti")
    )
    if taken_back is not None:
        waiting = _without_cancelled(waiting, posted, taken_back)
    return waiting.withColumn(
        "origin_cycle", cycle_start_of(F.col("started_at"), F.col("account_time_zone"), F.col("calendar"))
    )


def _without_cancelled(waiting: DataFrame, posted: DataFrame, taken_back: DataFrame) -> DataFrame:
    """Rows that stand, and reversals of what a posted run billed."""
    standing = waiting.where("kind <> 'reversal'").join(taken_back, EVENT_KEY, how="left_anti")
    billed = posted.withColumnRenamed("revision", "corrects")
    reversals = waiting.where("kind = 'reversal'").join(billed, ["source", "event_id", "corrects"], how="left_semi")
    return standing.unionByName(reversals.select(*standing.columns))
