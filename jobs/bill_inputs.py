"""What a bill run reads: its pins, what earlier posted runs did, and whether usage balances up to rating."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, StructType

from jobs.bill_runs import BillRun, all_runs
from jobs.pinned import load_price_book, load_reference
from tollgate.billing.bill import Bill, PostedRuns, bill_cycle
from tollgate.billing.cycles import accounts_to_bill, may_precede
from tollgate.billing.supplementary import ACCOUNT_CLOSED
from tollgate.platform.errors import TollgateError
from tollgate.platform.lake import Lake, few_rows, kept
from tollgate.platform.postgres import jdbc
from tollgate.platform.settings import Settings
from tollgate.reference.frames import PriceBook, Reference

NAMED = StructType([StructField(name, StringType()) for name in ("run_id", "account_id")])


@dataclass(frozen=True)
class Inputs:
    """The pinned tables of a run."""

    rating_no: int
    reference: Reference
    book: PriceBook
    after_runs: list[str]
    only_accounts: list[str] | None = None


def newest_inputs(settings: Settings, lake: Lake, only_accounts: list[str] | None = None) -> Inputs:
    """Pins of a run that begins now, of all accounts or of those named."""
    posted = [run.run_id for run in all_runs(settings) if run.status == "posted"]
    return Inputs(newest_rating(lake), load_reference(lake), load_price_book(lake), posted, only_accounts)


def pinned_inputs(lake: Lake, run: BillRun) -> Inputs:
    """Pins of a run that has begun."""
    reference, book = load_reference(lake, run.snapshot_id), load_price_book(lake, run.pricebook_version)
    return Inputs(run.rating_no, reference, book, run.after_runs, run.only_accounts)


def bill_from(
    spark: SparkSession,
    settings: Settings,
    cycle: str,
    as_of: datetime,
    inputs: Inputs,
    *,
    run_id: str = "preview",
    is_open: bool = False,
) -> Bill:
    """The bill of a cycle as frames; those that are read more than once are cut from their plans and kept."""
    lake = Lake(spark, settings.lake.root)
    tiers = lake.read("price_tier")
    return bill_cycle(
        cycle, as_of, lake.read("rated_usage"), inputs.rating_no, inputs.reference, inputs.book,
        posted_before(spark, settings, lake, cycle, inputs.after_runs), tiers=None if tiers.isEmpty() else tiers,
        run_id=run_id, only=_named(spark, inputs), is_open=is_open, keep=kept,
    )  # fmt: skip


def posted_before(spark: SparkSession, settings: Settings, lake: Lake, cycle: str, run_ids: list[str]) -> PostedRuns:
    """What the given posted runs did, as far as the accounts of `cycle` depend on it."""
    runs = [run for run in all_runs(settings) if run.run_id in run_ids]
    near = [run for run in runs if may_precede(run.cycle, cycle)]
    cycle_of = spark.createDataFrame([(run.run_id, run.cycle) for run in runs], "run_id STRING, cycle STRING")
    rows = [(run.run_id, run.cycle, run.as_of) for run in near]
    parked = spark.createDataFrame([], "run_id STRING, account_id STRING")
    named = [(run.run_id, account_id) for run in near for account_id in run.only_accounts or ()]
    if any(run.parked for run in near):
        table = spark.read.format("jdbc").options(**jdbc(settings), dbtable="ops.bill_account_park").load()
        # A closed account whose usage stayed below the minimum is listed there too, and that cycle is done with it.
        is_parked = F.col("run_id").isin([run.run_id for run in near]) & (F.col("reason") != ACCOUNT_CLOSED)
        parked = table.where(is_parked).select("run_id", "account_id")
    return PostedRuns(
        spark.createDataFrame(rows, "run_id STRING, cycle STRING, as_of TIMESTAMP"),
        parked,
        lake.read("billed_usage").where(F.col("run_id").isin(run_ids)),
        lake.read("invoice_line")
        .where(F.col("run_id").isin(run_ids))
        .join(F.broadcast(cycle_of), "run_id", how="inner"),
        lake.read("prepaid_balance").where(F.col("run_id").isin(run_ids)),
        named=few_rows(spark, named, NAMED) if named else None,
    )


def has_accounts_left(spark: SparkSession, settings: Settings, cycle: str, as_of: datetime, inputs: Inputs) -> bool:
    """Whether an account of the cycle is due that no posted run has settled.

    Late usage of closed accounts alone makes no run of a cycle that is posted: it comes with the next cycle's.
    """
    posted = posted_before(spark, settings, Lake(spark, settings.lake.root), cycle, inputs.after_runs)
    left = accounts_to_bill(
        inputs.reference.table("ref_account"), cycle, as_of, posted.runs, posted.parked, named=posted.named,
        only=_named(spark, inputs),
    )  # fmt: skip
    return not left.where("is_due AND NOT is_closed").isEmpty()


def _named(spark: SparkSession, inputs: Inputs) -> DataFrame | None:
    if inputs.only_accounts is None:
        return None
    return few_rows(spark, [(one,) for one in inputs.only_accounts], StructType(NAMED.fields[1:]))


def newest_rating(lake: Lake) -> int:
    """The last rating run, 0 before the first one."""
    row = lake.read("control_rating").agg(F.max("rating_no")).first()
    return int(row[0]) if row and row[0] is not None else 0


def check_balanced(lake: Lake) -> None:
    """Refuse while a mark up to rating does not balance: a bill must not stand on lost or doubled usage."""
    for table, number in (("control_mediation", "batch_no"), ("control_rating", "rating_no")):
        bad = lake.read(table).where("NOT balanced").agg(F.min(number)).first()
        if bad is not None and bad[0] is not None:
            raise TollgateError(
                "usage does not balance, so nothing is billed",
                where=lake.path(table),
                expected="every row balanced",
                found=f"{number} {bad[0]} does not",
                way_out="run `tollgate reconcile` and repair that hand-over",
            )
