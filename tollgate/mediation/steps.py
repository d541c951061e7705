"""Steps over a few columns of a wide record, while all its others travel packed."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

PACK = "pack_"
# Fewer columns cost less by themselves than in a pack.
FEWEST = 4
# A condition on these reaches the scan from the end of the plan only while they are columns of their own.
FILTERED_BY = ("batch_no",)


class Step(NamedTuple):
    """One part of mediation. add: takes records with the columns `needed`, and then `tables`; it adds columns, one row
    a record, and changes none. ends: what it reads and nobody after it; these columns are gone."""

    add: Callable[..., DataFrame]
    needed: tuple[str, ...]
    ends: tuple[str, ...] = ()
    tables: tuple[DataFrame, ...] = ()


def with_steps(records: DataFrame, *steps: Step) -> DataFrame:
    """The records after all steps, with the columns of each that did not end.

    Too wide for one generated method, a plan copies each record column by column at every projection and join, and
    fifty columns cost more there than the rules. So what the next step does not read is packed into a struct, one copy
    of bytes, and stays in it to the end; a later step takes copies of what it reads. A column that is to end is never
    packed: Spark would take a struct apart again of which a field is not used.
    """
    loose = {*FILTERED_BY, *(name for step in steps for name in step.ends)}
    inside: dict[str, str] = {}
    for number, step in enumerate(steps):
        records = _packed(records, loose | set(step.needed), inside, f"{PACK}{number}")
        taken = [name for name in step.needed if name in inside]
        copies = [F.expr(inside[name]).alias(name) for name in taken]
        records = step.add(records.select("*", *copies), *step.tables).drop(*taken, *step.ends)
    unpacked = [F.expr(place).alias(name) for name, place in inside.items()]
    return records.select(*[f"`{name}`" for name in records.columns if not name.startswith(PACK)], *unpacked)


def _packed(records: DataFrame, loose: set[str], inside: dict[str, str], pack: str) -> DataFrame:
    """The records, all columns but `loose` and earlier packs in the struct `pack`; `inside` learns where each is."""
    columns = [name for name in records.columns if name not in loose and not name.startswith(PACK)]
    if len(columns) < FEWEST:
        return records
    inside |= {name: f"{pack}.`{name}`" for name in columns}
    struct = F.expr(f"struct({', '.join(f'`{name}`' for name in columns)})").alias(pack)
    return records.select(*[f"`{name}`" for name in records.columns if name not in columns], struct)
