"""The net charge: what an allowance left to pay of an event. Source: docs/billing.md, "Net charge"."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from tollgate.rating import price


def with_net_charge(usage: DataFrame, pieces: int) -> DataFrame:
    """Add `net_numerator`, `net_denominator` DECIMAL(38,0) (millionths) and `net_charge` DECIMAL(18,6), rounded once.

    usage: columns of rated_usage and `free_units`; pieces: the most pieces a row may have (PriceBook.piece_slots).
    An event of which nothing is freed pays its list charge as it stands in the row, and one that is free nothing; what
    is left of the others is priced again by rating's own arithmetic: at most one event of each bucket, so most rows
    are spared its decimals. NULL where it cannot be known (more pieces, beyond its type), which parks the account.
    """
    is_list = F.col("free_units") == 0
    listed = {"net_numerator": "numerator", "net_denominator": "denominator", "net_charge": "charge"}
    priced = price.with_net_charge(usage, pieces, only="free_units > 0 AND free_units < charged_units")
    return priced.withColumns(
        {net: F.when(is_list, F.col(of_list)).otherwise(F.col(net)) for net, of_list in listed.items()}
    )
