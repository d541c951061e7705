"""What carried usage costs, in the order of its rules: allowances, the price of the rest, tiers, money allowances."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from tollgate.billing.allowances import with_credits, with_free_units
from tollgate.billing.buckets import Grants
from tollgate.billing.corrected import Corrected, without_beyond
from tollgate.billing.net_charge import with_net_charge
from tollgate.billing.tier_places import PLACES
from tollgate.billing.tiers import with_tier_charge
from tollgate.reference.frames import PriceBook


def with_net_charges(
    carried: DataFrame,
    rated: DataFrame,
    grants: Grants,
    book: PriceBook,
    posted: DataFrame,
    tiers: DataFrame | None,
    corrected: Corrected | None,
) -> DataFrame:
    """What carried usage costs: free units come first, then the price of the rest, by tiers where a rate has them, then
    what money allowances pay of it. Reversals give back what was billed before anything is taken.

    carried: of `carried_usage`; posted: billed_usage of posted runs; tiers: price_tier of all versions, None where no
    rate has any; corrected: `parted` carried usage, None where nothing is corrected.
    """
    if corrected is None:
        net = carried.transform(with_free_units, grants, posted, book.allowance_slots)
    else:
        frozen = corrected.unit_slices()
        net = corrected.others.transform(with_free_units, grants, posted, book.allowance_slots, frozen)
        net = net.unionByName(corrected.kept)
    net = net.transform(with_net_charge, book.piece_slots)
    if tiers is None:
        net = net.withColumn("tier_places", F.lit(None).cast(PLACES))
    elif corrected is None:
        net = net.transform(with_tier_charge, tiers, rated, posted)
    else:
        net = with_tier_charge(grants.keep(net), tiers, rated, posted, corrected.places())
    if corrected is None:
        return net.transform(with_credits, grants, posted, book.money_slots)
    net = net.drop("kept_places")
    paid = net.transform(with_credits, grants, posted, book.money_slots, corrected.money_slices())
    return paid.unionByName(corrected.reversals).transform(without_beyond)
