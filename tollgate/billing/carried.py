"""Which rated rows a run carries: those no posted run has billed, of events begun before the cycle's end."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from tollgate.billing.cycle_dates import cycle_start_of

EVENT_KEY = ["source", "event_id", "revision"]
ACCOUNT_COLUMNS = ["account_id", "cycle_start", "ends_at", "time_zone", "calendar"]


def carried_usage(rated: DataFrame, rating_no: int, posted_usage: DataFrame, accounts: DataFrame) -> DataFrame:
    """Rated and zero-rated rows that go on this run, with `origin_cycle` (DATE) and the cycle, zone and currency of
    the account.

    rated: rated_usage; rating_no: the pinned rating run, later rows are left for the next bill; posted_usage:
    billed_usage of posted runs; accounts: one row an account to bill (a second one would bill twice; the account
    equations park it). Source: docs/billing.md, "Which usage is on a run".
    """
    account = accounts.select(
        *[F.col(name).alias(f"account_{name}" if name in ("time_zone", "currency") else name)
          for name in (*ACCOUNT_COLUMNS, "currency")]
    )  # fmt: skip
    return (
        rated.where(F.col("retail_status").isin("rated", "zero_rated") & (F.col("rating_no") <= rating_no))
        .join(account, "account_id", how="inner")
        .where("started_at < ends_at")
        .join(posted_usage.select(*EVENT_KEY), EVENT_KEY, how="left_anti")
        .withColumn("origin_cycle", cycle_start_of(F.col("started_at"), F.col("account_time_zone"), F.col("calendar")))
    )
