"""Steps over a few columns of a wide record, while all its others travel as one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

ASIDE = "aside"
# A condition on these reaches the scan from the end of the plan only while they are columns of their own.
FILTERED_BY = ("batch_no",)


def with_step(records: DataFrame, step: Callable[..., DataFrame], needed: tuple[str, ...], *tables: Any) -> DataFrame:
    """`step(records, *tables)`, where `step` reads no columns but `needed`; columns that it drops are gone.

    Too wide for one generated method, a plan copies each record column by column at every projection and join. Fifty
    columns of a record cost more there than the rules; in a struct they are one copy of bytes.
    """
    beside = [name for name in FILTERED_BY if name in records.columns and name not in needed]
    others = ", ".join(f"`{name}`" for name in records.columns if name not in needed and name not in beside)
    narrow = records.select(*needed, *beside, F.expr(f"struct({others})").alias(ASIDE))
    return step(narrow, *tables).select(F.col(f"{ASIDE}.*"), "*").drop(ASIDE)
