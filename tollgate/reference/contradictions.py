"""Rows of a price book that cannot be meant: a unit of another service, a free row with a price, an order reversed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tollgate.reference.cells import ALL, MICROS
from tollgate.reference.pricebook_files import Finding, SourceBook, SourceRow
from tollgate.reference.rate_contradictions import contradictions_of_rates
from tollgate.reference.rate_keys import HOME

FACTS_OF = {"rating": ("student", "tenure_months", "everyone"), "billing": ("everyone", "usage_net")}
UNIT_OF = {"voice": "second", "sms": "message", "mms": "message", "data": "byte"}


def contradictions(book: SourceBook) -> Iterator[Finding]:
    """A finding for every row that contradicts itself, or another row of its small file."""
    for row in (row for rows in book.rows.values() for row in rows):
        if "valid_from" in row.values and row["valid_from"] >= row["valid_to"]:
            yield row.finding("valid_to must be after valid_from")
    for row in (*book.rows["rate"], *book.rows["carrier_rate"]):
        if row["unit"] != UNIT_OF[row["service"]]:
            yield row.finding(f"unit of {row['service']} is {UNIT_OF[row['service']]}, found {row['unit']}")
    yield from contradictions_of_rates(book)
    for row in book.rows["carrier_rate"]:
        if (row["markup"] is None) != (row["markup_digits"] is None):
            yield row.finding("markup and markup_digits stand together or are both empty")
        wanted = "any" if row["service"] == "data" else None
        if (row["call_type"] == "any") != (wanted == "any"):
            yield row.finding(f"call_type any is for data alone, found {row['call_type']} for {row['service']}")
        for column in ("country", "prefix"):
            if row["service"] == "data" and row[column] != ALL:
                yield row.finding(f"data has no destination: {column} must be *")
    yield from _contradictions_of_small_files(book)


def _contradictions_of_small_files(book: SourceBook) -> Iterator[Finding]:
    homes = [row for row in book.rows["zone"] if (row["kind"] == HOME) != (row["zone_id"] == HOME)]
    yield from (row.finding("the zone of kind home, and it alone, has the id home") for row in homes)
    if HOME not in book.declared("zone", "zone_id"):
        yield Finding("zone.csv", 0, "the zone home is missing")
    for row in book.rows["plan"]:
        if (row["contract_type"] == "term") != (row["term_months"] is not None):
            yield row.finding("term_months is for contract_type term, and needed there")
    for row in book.rows["destination"]:
        if (row["match"] == "any") != (row["prefix"] == ALL):
            yield row.finding("the catch-all has match any and prefix *, and no other row has one of them")
        if row["match"] == "prefix" and row["prefix"].startswith("0"):
            yield row.finding("no E.164 number starts with 0")
        if row["match"] == "exact" and len(row["prefix"]) > 6:
            yield row.finding("a short code has at most 6 digits")
        if row["zone_id"] == HOME:
            yield row.finding("no dialled number leads to zone home")
    for row in book.rows["discount"]:
        yield from (row.finding(message) for message in _contradictions_of_discount(row))
    for row in book.rows["fee"]:
        if row["kind"] in ("invoice", "late_minimum") and row["plan_id"] != "*":
            yield row.finding(f"a fee of kind {row['kind']} is for all plans: plan_id must be *")
        if row["kind"] in ("deposit", "late_minimum") and row["tax_category"] != "none":
            yield row.finding(f"a {row['kind']} is not taxed: tax_category must be none")
        if row["kind"] != "recurring" and row["proration"] != "none":
            yield row.finding("only recurring fees are prorated")
        if row["kind"] != "recurring" and row["in_advance"]:
            yield row.finding("only recurring fees are in advance")
    yield from _nested_ranges(book.rows["own_range"])


def _contradictions_of_discount(row: SourceRow) -> Iterator[str]:
    fact, threshold = row["fact"], row["threshold"]
    if fact not in FACTS_OF[row["stage"]]:
        yield f"stage {row['stage']} knows the facts {', '.join(FACTS_OF[row['stage']])}, found {fact}"
    if fact in ("student", "everyone") and threshold:
        yield f"threshold is 0 for {fact}"
    if fact == "tenure_months" and (threshold % MICROS or not MICROS <= threshold <= 1200 * MICROS):
        yield "threshold of tenure_months is a whole number of months from 1 to 1200"
    if fact == "usage_net" and not threshold:
        yield "threshold of usage_net is an amount above 0; a discount without one has the fact everyone"
    service, zone = row["service"], row["zone_id"]
    if row["stage"] == "rating" and row["applies_to"] != "usage":
        yield "stage rating discounts usage: applies_to is usage"
    if row["stage"] == "billing" and (service, zone) != (ALL, ALL):
        yield "stage billing discounts lines of every service and zone: service and zone_id are *"
    if zone != ALL and service != ALL and (zone == HOME) != (service == "data"):
        yield f"data has zone {HOME}, and it alone: no usage of {service} is in zone {zone}"
    if not row["percent"]:
        yield "percent is above 0"


def _nested_ranges(rows: Sequence[SourceRow]) -> Iterator[Finding]:
    by_prefix = {row["prefix"]: row for row in rows}
    for prefix, row in by_prefix.items():
        for length in range(1, len(prefix)):
            if prefix[:length] in by_prefix:
                yield row.finding(f"{prefix} lies inside {prefix[:length]}, line {by_prefix[prefix[:length]].line}")
