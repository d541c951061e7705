"""Names of what holds of a record, as a list that most records have empty."""

from __future__ import annotations

from collections.abc import Iterable

from pyspark.sql import Column
from pyspark.sql import functions as F

_BETWEEN = ","


def names_of(conditions: Iterable[tuple[str, str]]) -> Column:
    """ARRAY<STRING> of the names whose condition holds, in order. conditions: (name without a comma, SQL); NULL is no.

    By way of a text: an array of all names would be made, and emptied again, for each record that has none. And no
    lambda: filter would end whole-stage code generation.
    """
    cases = ", ".join(f"if({condition}, '{name}', NULL)" for name, condition in conditions)
    told = f"concat_ws('{_BETWEEN}', {cases})"
    return F.expr(f"if({told} = '', CAST(array() AS ARRAY<STRING>), split({told}, '{_BETWEEN}'))")
