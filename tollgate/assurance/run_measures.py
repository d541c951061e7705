"""What one run says that is not posted yet, as measures for the equations that stand within a run."""

from __future__ import annotations

from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from tollgate.assurance.billed_rows import billed_by_run
from tollgate.assurance.measures import invoice_lines, issued
from tollgate.assurance.prepaid_credit import prepaid_credit


def measures_of_run(
    run_id: str, billed: DataFrame, lines: DataFrame, invoices: DataFrame, prepaid: DataFrame
) -> DataFrame:
    """(measure, part, value) of the run, which is the part: what WITHIN_A_RUN of conservation compares.

    billed, lines, invoices: rows of billed_usage, invoice_line and invoice of the run; prepaid: prepaid_balance of the
    run and of those that were posted before it, since a balance opens with what the last one left.
    """
    billed, lines, invoices = (rows.withColumn("part", F.lit(run_id)) for rows in (billed, lines, invoices))
    groups = [
        billed_by_run(billed),
        invoice_lines(lines, billed),
        prepaid_credit(prepaid.withColumn("part", F.col("run_id")), billed),
        issued(invoices, lines),
    ]
    return reduce(DataFrame.unionByName, groups).where(F.col("part") == run_id)
