"""Less: the discounts of the rating stage, one after the other, on what the customer was when the event started."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import DataFrame

from tollgate.reference.cells import ALL
from tollgate.reference.frames import PriceBook

NEEDED = ("is_zero", "known_plan", "service", "zone_id", "started_at", "local_date", "rate", "fact")
FACT_HOLDS = {
    "student": "coalesce(fact.is_student, false)",
    # add_months clips to the month's end: since 31 January, one month is 28 or 29 February.
    "tenure_months": "coalesce(local_date >= add_months(fact.customer_since, {threshold}), false)",
    "everyone": "true",
}


@dataclass(frozen=True)
class DiscountRule:
    """A row of price_discount, valid in [valid_from_s, valid_to_s) epoch seconds; keeps keep_num / discount_den.

    plan_id, service, zone_id: of the events that it acts on, * for all; None in versions before these columns.
    """

    discount_id: str
    stacks: bool
    fact: str
    threshold: int
    keep_num: int
    valid_from_s: int
    valid_to_s: int
    plan_id: str | None = None
    service: str | None = None
    zone_id: str | None = None


class UnknownDiscountFact(ValueError):
    """A discount depends on a fact that rating does not know."""


def discount_rules(book: PriceBook) -> list[DiscountRule]:
    """The discounts of the rating stage in their order: a handful of rows of the book, read when the plan is made.

    Raises UnknownDiscountFact for a fact other than FACT_HOLDS names.
    """
    timed = ["unix_seconds(valid_from) AS valid_from_s", "unix_seconds(valid_to) AS valid_to_s"]
    rows = book.table("price_discount").where("stage = 'rating'").selectExpr("*", *timed).collect()
    for row in rows:
        if row["fact"] not in FACT_HOLDS:
            raise UnknownDiscountFact(
                f"price book {book.version}: discount {row['discount_id']} depends on {row['fact']!r}; "
                f"expected one of {', '.join(FACT_HOLDS)}; correct discount.csv and publish it again"
            )
    names = DiscountRule.__dataclass_fields__
    return [
        DiscountRule(**{name: row[name] for name in names}) for row in sorted(rows, key=lambda row: row["apply_order"])
    ]


def with_discounts(events: DataFrame, rules: list[DiscountRule], discount_den: int) -> DataFrame:
    """Add `discount_ids`, `discount_num`, `discount_den`: the product of the kept shares; [], 1 and 1 without.

    Needs `local_date` (of the start, in the tariff's zone), `is_zero`, `known_plan`, `service`, `zone_id`, and the
    rows in force `rate` and `fact`.
    """
    numbers = range(len(rules))
    applied = [f"discount_{n}" for n in numbers]
    # Each may name those before it.
    judged = events.selectExpr("*", *(f"{_applies(n, rules)} AS {applied[n]}" for n in numbers))
    none = "CAST(NULL AS STRING)"
    ids = [f"CASE WHEN {applied[n]} THEN '{rules[n].discount_id}' END" for n in numbers]
    kept = [f"CASE WHEN {applied[n]} THEN {rules[n].keep_num}L ELSE 1L END" for n in numbers]
    scales = [f"CASE WHEN {name} THEN {discount_den}L ELSE 1L END" for name in applied]
    return judged.selectExpr(
        f"* EXCEPT ({', '.join(applied)})" if applied else "*",
        f"array_except(array({', '.join([none, *ids])}), array({none})) AS discount_ids",
        f"{' * '.join(['1L', *kept])} AS discount_num",
        f"{' * '.join(['1L', *scales])} AS discount_den",
    )


def _applies(number: int, rules: list[DiscountRule]) -> str:
    """One that does not stack ends the chain, and is skipped after another has applied."""
    rule = rules[number]
    blockers = [f"discount_{n}" for n in range(number) if not (rule.stacks and rules[n].stacks)]
    narrowed = {"known_plan": rule.plan_id, "service": rule.service, "zone_id": rule.zone_id}
    conditions = [
        "NOT is_zero AND coalesce(rate.is_discountable, false)",
        FACT_HOLDS[rule.fact].format(threshold=rule.threshold),
        f"unix_seconds(started_at) BETWEEN {rule.valid_from_s} AND {rule.valid_to_s} - 1",
        *(f"coalesce({column} = '{value}', false)" for column, value in narrowed.items() if value not in (None, ALL)),
        *(f"NOT {blocker}" for blocker in blockers),
    ]
    return " AND ".join(conditions)
