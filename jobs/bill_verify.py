"""A posted run rebuilt from its pins and compared with what was issued: three sets of invoices, three SHA-256."""

from __future__ import annotations

from functools import reduce
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.bill_decisions import settled
from jobs.bill_inputs import bill_from, pinned_inputs
from jobs.bill_runs import BillRun, transaction
from tollgate.billing.invoice import HEAD, summed_up
from tollgate.billing.invoice import run_totals as totals_of
from tollgate.platform.errors import TollgateError
from tollgate.platform.lake import Lake, kept
from tollgate.platform.postgres import jdbc
from tollgate.platform.progress import step
from tollgate.platform.settings import Settings

SHOWN = 20
SETS = ("rebuilt", "lake", "postgres")
STORED = ["lines", "net", "tax", "total", "content_hash"]
ISSUED = "(SELECT * FROM billing.invoice WHERE run_id = '{}') AS issued"
ISSUED_LINES = """(SELECT i.account_id, l.* FROM billing.invoice_line AS l JOIN billing.invoice AS i USING (invoice_no)
WHERE i.run_id = '{}') AS issued"""


def verify(spark: SparkSession, settings: Settings, run: BillRun) -> dict[str, Any]:
    """Compute a posted run again with its pins and compare account by account; nothing is written.

    Returns the run's content_hash and that of each set: rebuilt, lake and postgres. Of the last two the hash is taken
    over their lines anew, so that a changed line is found although the row of its invoice is not. Raises TollgateError
    that names the accounts which differ, and for a run that is not posted.
    """
    settled(run, "verify")
    lake = Lake(spark, settings.lake.root)
    with step("rebuild", bill_run_id=run.run_id):
        bill = bill_from(spark, settings, run.cycle, run.as_of, pinned_inputs(lake, run), run_id=run.run_id)
        sets = {
            "rebuilt": kept(_said(bill.invoice.drop("run_id"), bill.invoice)),
            "lake": kept(_in_lake(lake, run)),
            "postgres": kept(_issued(spark, settings, run)),
        }
        hashes = {name: totals_of(one).first() for name, one in sets.items()}
    with step("compare", bill_run_id=run.run_id):
        differing = _differing(sets)
        shown = [row.asDict() for row in differing.orderBy("account_id").limit(SHOWN).collect()]
    told = {name: row["content_hash"] if row else None for name, row in hashes.items()}
    count = int(sets["rebuilt"].count())
    found = {"run_id": run.run_id, "invoices": count, "content_hash": run.content_hash, **told}
    if shown or set(told.values()) != {run.content_hash}:
        raise _differs(run, told, shown)
    return {**found, "verified": True}


def _in_lake(lake: Lake, run: BillRun) -> DataFrame:
    of_run = F.col("run_id") == run.run_id
    stored = lake.read("invoice").where(of_run)
    return _said(summed_up(stored, lake.read("invoice_line").where(of_run)), stored)


def _issued(spark: SparkSession, settings: Settings, run: BillRun) -> DataFrame:
    """The invoices of a run in PostgreSQL, read in as many pieces as Spark has cores."""
    with transaction(settings) as cursor:
        cursor.execute("SELECT min(invoice_no), max(invoice_no) FROM billing.invoice WHERE run_id = %s", (run.run_id,))
        first, last = cursor.fetchone()
    reader = spark.read.format("jdbc").options(**jdbc(settings), fetchsize="5000")
    if first is not None:
        pieces = spark.sparkContext.defaultParallelism
        reader = reader.options(
            partitionColumn="invoice_no", lowerBound=first, upperBound=last + 1, numPartitions=pieces
        )
    stored = reader.option("dbtable", ISSUED.format(run.run_id)).load()
    return _said(summed_up(stored, reader.option("dbtable", ISSUED_LINES.format(run.run_id)).load()), stored)


def _said(computed: DataFrame, stored: DataFrame) -> DataFrame:
    """One row an invoice, as its lines make it, with `agrees`: whether its own row says the same. One without lines has
    NULLs."""
    own = stored.select("account_id", *[F.col(name).alias(f"own_{name}") for name in STORED])
    agrees = reduce(Column.__and__, [F.col(name).eqNullSafe(F.col(f"own_{name}")) for name in STORED])
    return (
        computed.join(own, "account_id", how="full")
        .withColumn("agrees", agrees)
        .select("account_id", *HEAD[2:4], *STORED, "agrees")
    )


def _differing(sets: dict[str, DataFrame]) -> DataFrame:
    """(account_id, is_rebuilt, lake, postgres): the accounts whose invoices are not the same in all three sets."""
    told = [one.select("account_id", F.struct("content_hash", "agrees").alias(name)) for name, one in sets.items()]
    beside = reduce(lambda left, right: left.join(right, "account_id", how="full"), told)
    differs = [
        (~F.col(name).eqNullSafe(F.col("rebuilt")) | ~F.coalesce(F.col(f"{name}.agrees"), F.lit(False))).alias(name)
        for name in SETS[1:]
    ]
    return beside.select("account_id", F.col("rebuilt").isNotNull().alias("is_rebuilt"), *differs).where(
        "lake OR postgres"
    )


def _differs(run: BillRun, told: dict[str, str | None], shown: list[dict[str, Any]]) -> TollgateError:
    lines = []
    for row in shown:
        places = [name for name in SETS[1:] if row[name]]
        what = "differs from the rebuilt invoice" if row["is_rebuilt"] else "is not in the rebuilt run"
        lines.append(f"  - {row['account_id']}: {' and '.join(places)} {what}")
    more = [f"  - and perhaps more: the first {SHOWN} are shown"] if len(shown) == SHOWN else []
    accounts = "\n".join(["", *lines, *more]) if lines else " (every account agrees: the run's own row does not)"
    return TollgateError(
        f"the run rebuilt from its pins differs from what was posted:{accounts}",
        where=run.run_id,
        expected=f"SHA-256 {run.content_hash} of the invoices",
        found=", ".join(f"{name} {told[name]}" for name in SETS),
        way_out="where both differ, look at what the run read: usage, book, snapshot; where one does, at that one",
    )
