"""Steps over a few columns of a wide record, while all its others travel as one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

ASIDE = "aside"


def with_step(records: DataFrame, step: Callable[..., DataFrame], needed: tuple[str, ...], *tables: Any) -> DataFrame:
    """`step(records, *tables)`, where `step` reads no columns but `needed`; columns that it drops are gone.

    Too wide for one generated method, a plan copies each record column by column at every projection and join. Fifty
    columns of a record cost more there than the rules; in a struct they are one copy of bytes.
    """
    others = [name for name in records.columns if name not in needed]
    narrow = records.select(*needed, F.struct(*others).alias(ASIDE))
    done = step(narrow, *tables)
    made = [name for name in done.columns if name != ASIDE]
    return done.select(*[F.col(f"{ASIDE}.{name}").alias(name) for name in others], *made)
