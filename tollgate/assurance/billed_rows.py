"""What a run's billed events add up to, and how many of them agree with what allowances freed and paid of them."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from tollgate import money
from tollgate.assurance.measured import measured

SIGN = "CASE WHEN kind = 'reversal' THEN -1 ELSE 1 END"
# NULL in rows from before the columns: there is nothing to compare then.
IS_FREED = f"""
slices IS NULL OR (
  free_units = aggregate(slices, 0L, (units, s) -> units + s.units)
  AND forall(slices, s -> s.units * {SIGN} > 0) AND allowance_id <=> get(slices, 0).allowance_id)
"""
WIDE = "DECIMAL(20,6)"
PAID = f"coalesce(aggregate(money_slices, CAST(0 AS {WIDE}), (paid, s) -> CAST(paid + s.amount AS {WIDE})), 0BD)"
# The digits of the rate are not known here. An amount that was rounded to so many is a multiple of their step, so the
# largest step that it is a multiple of is no smaller, and the exact charge lies nearer than that.
STEP = (
    "CASE "
    + " ".join(f"WHEN listed_micros % {10**digits} = 0 THEN {10**digits}L" for digits in range(6, 0, -1))
    + " ELSE 1L END"
)
OFF = f"abs(try_subtract(try_multiply(CAST(listed_micros AS {money.EXACT}), net_denominator), net_numerator))"
# What is too large to be compared counts as agreeing: sums of the same charges still tell.
IS_PAID = f"""
coalesce({OFF} < try_multiply(CAST({STEP} AS {money.EXACT}), net_denominator), true)
AND coalesce(forall(money_slices, s -> s.amount * {SIGN} > 0), true)
"""


def billed_by_run(billed: DataFrame) -> DataFrame:
    """Events and net charges that a run put on lines; `sliced_events`, whose free units are the sum of their slices,
    and `paid_events`, whose net charge is the exact one rounded once, less what money allowances paid.

    billed: billed_usage with `part`. Slices of a reversal are negative, all others positive.
    """
    listed = billed.withColumn("listed_micros", F.expr(money.to_micros(f"net_charge + {PAID}")))
    return measured(
        listed,
        F.col("part"),
        billed_events=F.count("*"),
        billed_net=F.sum("net_charge"),
        sliced_events=F.count_if(F.expr(IS_FREED)),
        paid_events=F.count_if(F.expr(IS_PAID)),
    )
