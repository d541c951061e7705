"""A file of subscriptions: who held a number, on which plan; and the owner of each row of usage.

Source: docs/rate_file.md.
"""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from tollgate.rating.as_of import with_row_in_force
from tollgate.rating.usage_sheet import DAY, E164, ID, Cell, braces, instant, like, one_of, owner_cells

REQUIRED = ("msisdn", "plan_id")
_HELD = ("subscription_id", "account_id", "plan_id", "line_state", "student", "customer_since", "currency")
_ALWAYS, _FOR_EVER = "TIMESTAMP '0001-01-01 00:00:00'", "TIMESTAMP '9999-12-31 00:00:00'"


def subscription_cells(time_zone: str) -> dict[str, Cell]:
    """Every column that a file of subscriptions may have; a day is its first moment in the tariff's zone."""
    midnight = f"to_utc_timestamp(try_cast({{c}} AS TIMESTAMP), '{time_zone}')"
    moment = f"CASE WHEN {{c}} RLIKE '{braces(DAY)}' THEN {midnight} ELSE {instant(time_zone)} END"
    expected = "a day as 2026-10-01, or an instant as 2026-10-01T00:00:00-04:00"
    return {
        "msisdn": Cell(like(braces(E164)), "STRING", "an E.164 number with +", "true"),
        "plan_id": Cell(like(braces(ID)), "STRING", "an id"),
        "valid_from": Cell(moment, "TIMESTAMP", expected),
        "valid_to": Cell(moment, "TIMESTAMP", expected),
        "line_state": Cell(one_of(("active", "suspended")), "STRING", "active or suspended"),
        "subscription_id": Cell(like(braces(ID)), "STRING", "an id"),
        "account_id": Cell(like(braces(ID)), "STRING", "an id"),
        **owner_cells(),
    }


def subscription_mistakes(read: DataFrame) -> DataFrame:
    """One column `mistake`: what is wrong with rows of `read_cells`, each with its number; no row when all is well."""
    is_empty = "valid_from IS NOT NULL AND valid_to IS NOT NULL AND valid_from >= valid_to"
    backwards = f"CASE WHEN {is_empty} THEN array('valid_from: expected a moment before valid_to') ELSE array() END"
    told = read.selectExpr("msisdn", f"explode(concat(mistakes, {backwards})) AS mistake")
    return told.selectExpr("concat(coalesce(msisdn, 'a row without a number'), ': ', mistake) AS mistake")


def disjoint_holdings(read: DataFrame) -> DataFrame:
    """`msisdn`, [valid_from, valid_to) disjoint by number, `holders` (how many rows hold there) and one row's cells.

    read: rows of `read_cells` without a mistake. Where holders is more than 1 the rows contradict each other.
    """
    held = read.selectExpr(
        "msisdn",
        f"coalesce(valid_from, {_ALWAYS}) AS held_from",
        f"coalesce(valid_to, {_FOR_EVER}) AS held_to",
        f"struct({', '.join(_HELD)}) AS holding",
    )
    edges = held.selectExpr("msisdn", "explode(array(held_from, held_to)) AS valid_from").distinct()
    pieces = edges.selectExpr(
        "msisdn", "valid_from", "lead(valid_from) OVER (PARTITION BY msisdn ORDER BY valid_from) AS valid_to"
    ).where("valid_to IS NOT NULL")
    inside = pieces.join(held, "msisdn", how="inner").where("held_from <= valid_from AND valid_from < held_to")
    return inside.groupBy("msisdn", "valid_from", "valid_to").agg(
        F.count("*").alias("holders"), F.min("holding").alias("holding")
    )


def with_owner_of_sheet(usage: DataFrame, holdings: DataFrame | None, currency: str) -> DataFrame:
    """Add `line`, `account` and `fact` as `with_owner` would, and `is_ambiguous`: several rows hold the number.

    What the row of usage says of its customer comes before what its holding says. usage: plan_id, student,
    customer_since, currency; holdings: of `disjoint_holdings`, None where there is no such file. currency: the book's,
    which holds where nothing is said.
    """
    if holdings is None:
        held = usage.selectExpr("*", "CAST(NULL AS BIGINT) AS holders", *(_nothing(name) for name in _HELD))
    else:
        found = with_row_in_force(
            usage, holdings, same={"msisdn": "msisdn"}, take=["holders", "holding"], into="holder"
        )
        said = (f"holder.holding.{name} AS held_{name}" for name in _HELD)
        held = found.selectExpr("* EXCEPT (holder)", "holder.holders AS holders", *said)
    owned = "plan_id IS NOT NULL OR holders = 1"
    return held.selectExpr(
        f"* EXCEPT (plan_id, student, customer_since, currency, holders, {', '.join(f'held_{n}' for n in _HELD)})",
        "coalesce(plan_id IS NULL AND holders > 1, false) AS is_ambiguous",
        f"""CASE WHEN {owned} THEN named_struct(
                'subscription_id', coalesce(held_subscription_id, msisdn), 'account_id', held_account_id,
                'contract_id', CAST(NULL AS STRING), 'plan_id', coalesce(plan_id, held_plan_id),
                'line_state', coalesce(held_line_state, 'active')) END AS line""",
        f"""named_struct('customer_id', held_account_id,
                         'currency', coalesce(currency, held_currency, '{currency}')) AS account""",
        """named_struct('is_student', coalesce(student, held_student),
                        'customer_since', coalesce(customer_since, held_customer_since)) AS fact""",
    )


def _nothing(name: str) -> str:
    kind = {"student": "BOOLEAN", "customer_since": "DATE"}.get(name, "STRING")
    return f"CAST(NULL AS {kind}) AS held_{name}"
