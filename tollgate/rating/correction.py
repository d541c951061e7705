"""Corrections of rated usage: which events would now be charged otherwise, and the two rows that say so.

Rows are only added. The row that stood is taken back by a reversal, which has its charge, cost and charged units with
the other sign, and the row that holds from now on is the correction. Source: docs/billing.md, "Corrected usage".
"""

from __future__ import annotations

from collections.abc import Callable

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

EVENT = ["source", "event_id", "event_month", "batch_no"]
# What is charged, to whom and by which rows. Not looked at is what follows from it or says nothing of it: the pins, the
# margin, the prefix within a zone.
_SAME = [
    *["retail_status", "wholesale_status", "account_id", "customer_id", "subscription_id", "contract_id", "plan_id"],
    *["zone_id", "roaming_zone", "currency", "tax_category", "price_source", "rate_id", "charged_units", "unit"],
    *["charge", "cost_id", "cost"],
]
# Of a charge of 0 on purpose nothing more is a price.
_SAME_IF_CHARGED = [
    *["block_units", "increment_units", "unit_price_micros", "connect_fee_micros", "minimum_micros", "maximum_micros"],
    *["discount_ids", "digits", "rounding"],
]
_RATE = ["pricebook_version", "rate_id"]
_FIRST_STEP = "coalesce({0}.initial_units, {0}.increment_units)"
# Pieces of no length fill up to the slots of a book and say nothing.
_PIECES = """
filter(transform({0}.piece_units, (units, at) -> named_struct('units', units, 'band', get({0}.piece_band, at),
  'price', coalesce(get({0}.piece_price_micros, at), {0}.unit_price_micros), 'factor', get({0}.piece_factor_num, at))),
  piece -> piece.units > 0)
"""
# Factors and shares stand over the denominators of their own books.
_SAME_PIECES = f"""
coalesce(forall(zip_with({_PIECES.format("was")}, {_PIECES.format("now")}, (a, b) ->
  a.units <=> b.units AND a.band <=> b.band AND a.price <=> b.price
  AND try_multiply(a.factor, now.factor_den) <=> try_multiply(b.factor, was.factor_den)), same -> same),
  was.piece_units IS NULL AND now.piece_units IS NULL)
"""
_SAME_SHARE = "try_multiply(was.discount_num, now.discount_den) <=> try_multiply(now.discount_num, was.discount_den)"
_NEGATED = [
    *["charged_units", "numerator", "list_price", "charge", "cost_numerator", "cost", "margin"],
]


def changed(
    standing: DataFrame,
    again: DataFrame,
    tiers: DataFrame | None = None,
    *,
    keep: Callable[[DataFrame], DataFrame],
) -> DataFrame:
    """The events whose price, cost or owner differs: `was` and `now`, STRUCTs of the columns of rated_usage.

    standing: rows that stand, as of `current_rating`, rated or zero-rated; again: `rate_events` of the same events with
    newer pins. Both are unique by EVENT. tiers: price_tier of all versions, None where no rate has any; a rate with
    other tiers is another price, of which the row says nothing. An event that would be suspended now is in it too, for
    the caller to leave as it is: it has no charge that could be put in the place of the old one.

    keep: makes a frame be computed once (`kept` of the lake). The pairs come back kept, for callers filter them, and
    Spark would push a condition on `now` back through every step of the rater, with each column replaced by what it is
    made of, until no heap holds the condition.
    """
    columns = standing.columns
    was = standing.select(*EVENT, F.struct(*columns).alias("was"))
    now = again.select(*EVENT, F.struct(*columns).alias("now"))
    pairs = was.join(now, EVENT, how="inner")
    if tiers is None:
        return keep(pairs.where(f"NOT ({_is_same()})").select("was", "now"))
    for of in ("was", "now"):
        pairs = pairs.join(
            F.broadcast(_tiers_as(tiers, of)),
            [F.col(f"{of}.{name}") == F.col(f"{of}_{name}") for name in _RATE],
            how="left",
        )
    is_same = f"{_is_same()} AND (was.retail_status <> 'rated' OR was_tiers <=> now_tiers)"
    return keep(pairs.where(f"NOT ({is_same})").select("was", "now"))


def _tiers_as(tiers: DataFrame, of: str) -> DataFrame:
    """One row a version and rate: its tiers as an array in their order, by names that begin with `of`."""
    tier = F.struct(
        "from_units", "to_units", "unit_price_micros", "counts", F.coalesce("mode", F.lit("graduated")).alias("mode")
    )
    return tiers.groupBy(*[F.col(name).alias(f"{of}_{name}") for name in _RATE]).agg(
        F.sort_array(F.collect_list(tier)).alias(f"{of}_tiers")
    )


def _is_same() -> str:
    """SQL: `was` and `now` charge the same, to the same owner, by the same rows."""
    always = [f"was.{name} <=> now.{name}" for name in _SAME]
    charged = [f"was.{name} <=> now.{name}" for name in _SAME_IF_CHARGED]
    charged += [f"{_FIRST_STEP.format('was')} <=> {_FIRST_STEP.format('now')}", _SAME_PIECES, _SAME_SHARE]
    return f"{' AND '.join(always)} AND (was.retail_status <> 'rated' OR ({' AND '.join(charged)}))"


def correction_rows(pairs: DataFrame, rating_no: int) -> DataFrame:
    """The rows of rated_usage: of each pair a reversal of `was` and, as its correction, `now`.

    pairs: of `changed`, none suspended now. The reversal names owner, price and pins of the row that it takes back.
    """
    names = pairs.select("now.*").columns
    revision = "was.revision + {}"
    both = {"rating_no": f"{rating_no}L", "corrects": "was.revision"}
    own = {
        "reversal": {"revision": revision.format(1), "kind": "'reversal'"},
        "correction": {"revision": revision.format(2), "kind": "'correction'"},
    }
    own["reversal"] |= {name: f"-was.{name}" for name in _NEGATED}
    own["reversal"]["piece_units"] = "transform(was.piece_units, units -> -units)"
    rows = []
    for kind, of in (("reversal", "was"), ("correction", "now")):
        values = {name: f"{of}.{name}" for name in names} | both | own[kind]
        rows.append(f"named_struct({', '.join(f'{name!r}, {value}' for name, value in values.items())})")
    return pairs.selectExpr(f"explode(array({', '.join(rows)})) AS row").select(*[f"row.{name}" for name in names])
