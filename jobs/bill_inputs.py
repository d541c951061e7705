"""What a bill run reads: its pins, what earlier posted runs did, and whether usage balances up to rating."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import reduce

from pyspark.sql import Column, DataFrame, Row, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import DecimalType, LongType, StringType, StructField, StructType

from jobs.bill_runs import BillRun, all_runs
from jobs.pinned import load_price_book, load_reference
from tollgate.billing.bill import Bill, PostedRuns, bill_cycle
from tollgate.billing.cycles import accounts_to_bill, may_precede
from tollgate.billing.lines import USAGE_KINDS
from tollgate.billing.parking import WAITING
from tollgate.billing.supplementary import ACCOUNT_CLOSED
from tollgate.platform.errors import TollgateError
from tollgate.platform.lake import Lake, few_rows, kept
from tollgate.platform.partitions import spread_by
from tollgate.platform.postgres import jdbc
from tollgate.platform.settings import Settings
from tollgate.reference.frames import PriceBook, Reference

NAMED = StructType([StructField(name, StringType()) for name in ("run_id", "account_id")])
# What PostgreSQL says of a posted run.
POSTED = (
    StructType().add("run_id", StringType()).add("invoices", LongType()).add("lines", LongType())
    .add("net", DecimalType(18, 3)).add("tax", DecimalType(18, 3)).add("total", DecimalType(18, 3))
)  # fmt: skip
# What is compared of each: its name, what it should be, and what of the lake has to be that.
COMPARED = (
    ("invoices", "invoices", "held_invoices"), ("net of invoices", "net", "held_net"),
    ("tax of invoices", "tax", "held_tax"), ("total of invoices", "total", "held_total"),
    ("lines", "lines", "held_lines"), ("net of lines", "net", "net_of_lines"), ("tax of lines", "tax", "tax_of_lines"),
    ("billed events", "events_of_lines", "billed_events"),
)  # fmt: skip
RUNS_SHOWN = 10
# A table that Spark broadcasts passes through the driver, in several times the size of its files. By itself Spark does
# so up to 10 MB of files, which some columns of a million accounts have: the driver would grow with the accounts.
BROADCASTS = "spark.sql.autoBroadcastJoinThreshold"
BROADCAST_UP_TO = "1m"


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
    """The bill of a cycle as frames; those that are read more than once are cut from their plans and kept.

    For the rest of the session Spark broadcasts by itself only what is small however many accounts there are, and its
    shuffles have the partitions that all usage needs.
    """
    lake = Lake(spark, settings.lake.root)
    spark.conf.set(BROADCASTS, BROADCAST_UP_TO)
    spread_usage(lake)
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
    set_aside = _set_aside(spark, settings, near)
    if set_aside is not None:
        # A closed account whose usage stayed below the minimum is listed there too, and that cycle is done with it.
        parked = set_aside.where(F.col("reason") != ACCOUNT_CLOSED).select("run_id", "account_id")
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

    Late usage of closed accounts alone makes no run of a cycle that is posted: it comes with the next cycle's. One that
    a run of this cycle has parked for a reason that can be mended is left.
    """
    posted = posted_before(spark, settings, Lake(spark, settings.lake.root), cycle, inputs.after_runs)
    left = accounts_to_bill(
        inputs.reference.table("ref_account"), cycle, as_of, posted.runs, posted.parked, named=posted.named,
        only=_named(spark, inputs),
    )  # fmt: skip
    if not left.where("is_due AND NOT is_closed").isEmpty():
        return True
    of_cycle = [run for run in all_runs(settings) if run.cycle == cycle and run.run_id in inputs.after_runs]
    set_aside = _set_aside(spark, settings, of_cycle)
    if set_aside is None:
        return False
    to_mend = set_aside.where(~F.col("reason").isin(ACCOUNT_CLOSED, WAITING)).select("account_id")
    closed = left.where("is_due AND is_closed AND NOT is_waiting")
    return not closed.join(to_mend, "account_id", how="left_semi").isEmpty()


def _set_aside(spark: SparkSession, settings: Settings, runs: list[BillRun]) -> DataFrame | None:
    """(run_id, account_id, reason) of the accounts that these runs parked; None where they parked none."""
    if not any(run.parked for run in runs):
        return None
    table = spark.read.format("jdbc").options(**jdbc(settings), dbtable="ops.bill_account_park").load()
    return table.where(F.col("run_id").isin([run.run_id for run in runs]))


def _named(spark: SparkSession, inputs: Inputs) -> DataFrame | None:
    if inputs.only_accounts is None:
        return None
    return few_rows(spark, [(one,) for one in inputs.only_accounts], StructType(NAMED.fields[1:]))


def newest_rating(lake: Lake) -> int:
    """The last rating run, 0 before the first one."""
    row = lake.read("control_rating").agg(F.max("rating_no")).first()
    return int(row[0]) if row and row[0] is not None else 0


def spread_usage(lake: Lake) -> None:
    """Partitions for all that was ever rated, as the marks of the nights say: a bill asks of each if it is billed."""
    spread_by(lake.read("control_rating"), "rated")


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


def check_posted(lake: Lake, runs: list[BillRun]) -> None:
    """Refuse while the lake does not hold what the posted ones of these runs billed: their usage would be billed again.

    Counts and sums of all of them in one query. Prepaid balances, of which PostgreSQL has no totals, are not compared.
    """
    posted = [(run.run_id, run.invoices, run.lines, run.net, run.tax, run.total) for run in runs if run.is_posted]
    if not posted:
        return
    held = _held(lake, [row[0] for row in posted])
    # A run of which the lake holds nothing has NULLs, and one that billed nobody is right to.
    counted = few_rows(lake.spark, posted, POSTED)
    beside = counted.join(held, "run_id", how="left")
    beside = beside.select("run_id", *[F.coalesce(name, F.lit(0)).alias(name) for name in beside.columns[1:]])
    differs = reduce(Column.__or__, [F.col(one) != F.col(other) for _, one, other in COMPARED])
    differing = beside.where(differs).orderBy("run_id").take(RUNS_SHOWN + 1)
    if differing:
        more = "; and more" if len(differing) > RUNS_SHOWN else ""
        raise TollgateError(
            "the lake does not hold what was posted, so nothing is billed: it would be billed again",
            where=lake.root,
            expected="of each posted run the invoices, lines and billed usage that PostgreSQL counted",
            found="; ".join(map(_told, differing[:RUNS_SHOWN])) + more,
            way_out="restore the lake and PostgreSQL of one time, then `tollgate reconcile`; nothing is drafted or "
            "posted until then",
        )


def _held(lake: Lake, run_ids: list[str]) -> DataFrame:
    """One row a run with rows in the lake: the columns of COMPARED that stand there, NULL where it has none of them."""

    def of_runs(table: str, **sums: Column) -> DataFrame:
        rows = lake.read(table).where(F.col("run_id").isin(run_ids))
        return rows.groupBy("run_id").agg(*[told.alias(name) for name, told in sums.items()])

    events = F.when(F.col("kind").isin(*USAGE_KINDS), F.col("events"))
    parts = [
        of_runs(
            "invoice", held_invoices=F.count("*"), held_net=F.sum("net"), held_tax=F.sum("tax"),
            held_total=F.sum("total"),
        ),
        of_runs(
            "invoice_line", held_lines=F.count("*"), net_of_lines=F.sum("amount"), tax_of_lines=F.sum("tax_share"),
            events_of_lines=F.sum(events),
        ),
        of_runs("billed_usage", billed_events=F.count("*")),
    ]  # fmt: skip
    # A run has one row of each part.
    beside = reduce(lambda left, right: left.unionByName(right, allowMissingColumns=True), parts)
    names = [name for name in beside.columns if name != "run_id"]
    return beside.groupBy("run_id").agg(*[F.max(name).alias(name) for name in names])


def _told(row: Row) -> str:
    differing = [
        f"{what} {row[one]}, in the lake {row[other]}" for what, one, other in COMPARED if row[one] != row[other]
    ]
    return f"{row['run_id']}: {', '.join(differing)}"
