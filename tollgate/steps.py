"""Steps over a few columns of a wide row, while all its others travel packed; each step is code of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from pyspark.sql import DataFrame

PACK = "pack_"
# Fewer columns cost less by themselves than in a pack.
FEWEST = 4
# A condition on these reaches the scan from the end of the plan only while they are columns of their own.
FILTERED_BY = ("batch_no",)
# More partitions than any frame has.
AS_MANY_AS_THERE_ARE = 1_000_000


class Step(NamedTuple):
    """One part of a chain. add: takes rows with the columns `needed`, and then `given`; it adds columns, one row a row,
    and changes none. ends: what it reads and nobody after it; these columns are gone."""

    add: Callable[..., DataFrame]
    needed: tuple[str, ...]
    ends: tuple[str, ...] = ()
    given: tuple[Any, ...] = ()


def with_steps(rows: DataFrame, *steps: Step) -> DataFrame:
    """The rows after all steps, with the columns of each that did not end.

    Too wide for one generated method, a plan copies each row column by column at every projection and join, and fifty
    columns cost more there than the rules. So what the next step does not read is packed into a struct, one copy of
    bytes, and stays in it to the end; a later step takes copies of what it reads. A column that is to end is never
    packed: Spark would take a struct apart again of which a field is not used. And each step is compiled apart.
    """
    loose = {*FILTERED_BY, *(name for step in steps for name in step.ends)}
    inside: dict[str, str] = {}
    for number, step in enumerate(steps):
        rows = _packed(rows, loose | set(step.needed), inside, f"{PACK}{number}")
        taken = [name for name in step.needed if name in inside]
        copies = [f"{inside[name]} AS `{name}`" for name in taken]
        if number:
            rows = compiled_apart(rows)
        if copies:
            rows = rows.selectExpr("*", *copies)
        rows = step.add(rows, *step.given)
        if taken or step.ends:
            rows = rows.drop(*taken, *step.ends)
    unpacked = [f"{place} AS `{name}`" for name, place in inside.items()]
    loose_now = [f"`{name}`" for name in rows.columns if not name.startswith(PACK)]
    return compiled_apart(rows).selectExpr(*loose_now, *unpacked)


def compiled_apart(rows: DataFrame) -> DataFrame:
    """The same rows; what is done to them afterwards is generated code of its own.

    Spark makes one method of all projections and joins in a row, and the JVM compiles none of more than 8,000 bytes
    (spark.sql.codegen.hugeMethodLimit). A coalesce that leaves every partition as it is moves no row, and no code
    reaches across it.
    """
    return rows.coalesce(AS_MANY_AS_THERE_ARE)


def _packed(rows: DataFrame, loose: set[str], inside: dict[str, str], pack: str) -> DataFrame:
    """The rows, all columns but `loose` and earlier packs in the struct `pack`; `inside` learns where each is."""
    columns = [name for name in rows.columns if name not in loose and not name.startswith(PACK)]
    if len(columns) < FEWEST:
        return rows
    inside |= {name: f"{pack}.`{name}`" for name in columns}
    struct = f"struct({', '.join(f'`{name}`' for name in columns)}) AS {pack}"
    return rows.selectExpr(*[f"`{name}`" for name in rows.columns if name not in columns], struct)
