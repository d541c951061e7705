"""The mark of a correction: everything in it read back from rated_usage."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.rating_runs import APP_ID, EVENT, Night, out_of_balance
from tollgate.platform.lake import Lake

# What a reversal must take back to the last digit.
_TAKEN_BACK = ["charge", "cost", "charged_units"]
_SAME = ["account_id", "subscription_id", "plan_id", "zone_id", "currency", "pricebook_version", "snapshot_id"]
_PLACES = ("before", "after")


def mark_correction(lake: Lake, night: Night) -> dict[str, Any]:
    """Write the row of control_rating of a correction and return its figures, as of `corrected_by_service`.

    TollgateError, after the row was written, when the reversals do not take back one standing row each.
    """
    rated_usage = lake.read("rated_usage")
    of_run = rated_usage.where(f"rating_no = {night.rating_no}")
    figures = corrected_by_service(of_run)
    row = of_run.selectExpr(
        "count(*) AS rows", "count_if(kind = 'reversal') AS reversals", "coalesce(sum(charge), 0) AS charge",
        "coalesce(sum(cost), 0) AS cost",
    ).crossJoin(_whole(of_run, rated_usage.where(f"rating_no < {night.rating_no}"))).collect()[0]  # fmt: skip
    balanced = row["rows"] == 2 * row["reversals"] and row["whole"] == row["reversals"]
    mark = (
        *(night.rating_no, night.from_batch_no, night.to_batch_no, night.snapshot_id, night.pricebook_version),
        *(0, 0, row["rows"], 0, 0, row["charge"], row["cost"], balanced, row["whole"], night.selection),
    )
    lake.append(lake.frame([mark], "control_rating"), "control_rating", APP_ID, night.rating_no)
    if not balanced:
        raise out_of_balance(lake, night.rating_no)
    return figures


def corrected_by_service(rows: DataFrame) -> dict[str, Any]:
    """Figures of the rows of `correction_rows`: corrected, and by service charge and cost before and after."""
    sums = rows.groupBy("service", "kind").agg(F.count("*").alias("n"), F.sum("charge"), F.sum("cost")).collect()
    found: dict[str, Any] = {"corrected": 0, **{f"{leg}_{at}": {} for leg in ("charge", "cost") for at in _PLACES}}
    for service, kind, n, *amounts in sorted(sums):
        found["corrected"] += n if kind == "correction" else 0
        at, sign = ("before", -1) if kind == "reversal" else ("after", 1)
        for leg, amount in zip(("charge", "cost"), amounts, strict=True):
            found[f"{leg}_{at}"][service] = sign * (amount or Decimal("0.000000"))
    return found


def _whole(of_run: DataFrame, before: DataFrame) -> DataFrame:
    """One row, `whole`: reversals that take back one row to the last digit and have one correction of the event."""
    standing = before.where("kind <> 'reversal' AND retail_status <> 'suspended'")
    was = standing.select(*EVENT, *[F.col(name).alias(f"was_{name}") for name in (*_TAKEN_BACK, *_SAME)],
                          F.col("revision").alias("corrects"))  # fmt: skip
    new = of_run.where("kind = 'correction' AND revision = corrects + 2").select(*EVENT, "corrects")
    is_whole = [f"-{name} <=> was_{name}" for name in _TAKEN_BACK] + [f"{name} <=> was_{name}" for name in _SAME]
    key = [*EVENT, "corrects"]
    return (
        of_run.where("kind = 'reversal' AND revision = corrects + 1")
        .join(was, key, how="inner").join(new, key, how="inner")
        .where(" AND ".join(is_whole))
        .agg(F.count("*").alias("whole"))
    )  # fmt: skip
