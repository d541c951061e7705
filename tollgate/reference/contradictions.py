"""Rows of a price book that cannot be meant: a unit of another service, a free row with a price, an order reversed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tollgate.reference.cells import ALL, MICROS
from tollgate.reference.exactness import LARGEST_USAGE
from tollgate.reference.pricebook_files import Finding, SourceBook, SourceRow
from tollgate.reference.rate_keys import HOME, NO_GROUP

FACTS_OF = {"rating": ("student", "tenure_months"), "billing": ("everyone", "usage_net")}
UNIT_OF = {"voice": "second", "sms": "message", "mms": "message", "data": "byte"}


def contradictions(book: SourceBook) -> Iterator[Finding]:
    """A finding for every row that contradicts itself, or another row of its small file."""
    for row in (row for rows in book.rows.values() for row in rows):
        if "valid_from" in row.values and row["valid_from"] >= row["valid_to"]:
            yield row.finding("valid_to must be after valid_from")
    for row in (*book.rows["rate"], *book.rows["carrier_rate"], *book.rows["allowance"]):
        if row["unit"] != UNIT_OF[row["service"]]:
            yield row.finding(f"unit of {row['service']} is {UNIT_OF[row['service']]}, found {row['unit']}")
    for row in book.rows["rate"]:
        yield from (row.finding(message) for message in _contradictions_of_rate(row))
    yield from _contradictions_of_tiers(book)
    for row in book.rows["carrier_rate"]:
        if (row["markup"] is None) != (row["markup_digits"] is None):
            yield row.finding("markup and markup_digits stand together or are both empty")
        wanted = "any" if row["service"] == "data" else None
        if (row["call_type"] == "any") != (wanted == "any"):
            yield row.finding(f"call_type any is for data alone, found {row['call_type']} for {row['service']}")
        if row["service"] == "data" and row["country"] != "*":
            yield row.finding("data has no destination: country must be *")
    yield from _contradictions_of_small_files(book)


def _contradictions_of_rate(row: SourceRow) -> Iterator[str]:
    is_data = row["service"] == "data"
    if is_data and row["zone_id"] != HOME:
        yield f"data has zone {HOME}, found {row['zone_id']}"
    if not is_data and row["zone_id"] == HOME:
        yield f"zone {HOME} is for data alone"
    if not is_data and row["rating_group"] != NO_GROUP:
        yield f"only data has rating groups: expected {NO_GROUP}, found {row['rating_group']}"
    if row["zero_rated"] and (row["price"] or row["connect_fee"] or row["minimum"]):
        yield "zero_rated contradicts a price, connect fee or minimum above 0"
    if row["minimum"] is not None and row["maximum"] is not None and row["minimum"] > row["maximum"]:
        yield "minimum is above maximum"
    if row["band_set"] is not None and row["service"] != "voice":
        yield "time bands are for voice alone"
    if row["band_set"] is not None and LARGEST_USAGE["second"] % row["increment"]:
        yield f"a banded rate's increment must divide 86,400 s, found {row['increment']}"


def _contradictions_of_tiers(book: SourceBook) -> Iterator[Finding]:
    rates = {row["rate_id"]: row for row in book.rows["rate"]}
    first: dict[str, SourceRow] = {}
    for row in book.rows["tier"]:
        other = first.setdefault(row["rate_id"], row)
        if row["counts"] != other["counts"]:
            yield row.finding(f"tiers of {row['rate_id']} count alike; see line {other.line}")
        rate = rates.get(row["rate_id"])
        if rate is None:
            continue
        with_more = [name for name in ("band_set", "connect_fee", "minimum", "maximum") if rate[name]]
        if with_more or rate["zero_rated"]:
            what = "zero_rated" if rate["zero_rated"] else " and ".join(with_more)
            yield row.finding(f"a rate with tiers has a price alone; {row['rate_id']}, line {rate.line}, has {what}")


def _contradictions_of_small_files(book: SourceBook) -> Iterator[Finding]:
    homes = [row for row in book.rows["zone"] if (row["kind"] == HOME) != (row["zone_id"] == HOME)]
    yield from (row.finding("the zone of kind home, and it alone, has the id home") for row in homes)
    if HOME not in book.declared("zone", "zone_id"):
        yield Finding("zone.csv", 0, "the zone home is missing")
    for row in book.rows["plan"]:
        if (row["contract_type"] == "term") != (row["term_months"] is not None):
            yield row.finding("term_months is for contract_type term, and needed there")
    for row in book.rows["destination"]:
        if row["match"] == "prefix" and row["prefix"].startswith("0"):
            yield row.finding("no E.164 number starts with 0")
        if row["match"] == "exact" and len(row["prefix"]) > 6:
            yield row.finding("a short code has at most 6 digits")
        if row["zone_id"] == HOME:
            yield row.finding("no dialled number leads to zone home")
    for row in book.rows["discount"]:
        yield from (row.finding(message) for message in _contradictions_of_discount(row))
    for row in book.rows["fee"]:
        if row["kind"] == "invoice" and row["plan_id"] != "*":
            yield row.finding("an invoice fee is for all plans: plan_id must be *")
        if row["kind"] == "deposit" and row["tax_category"] != "none":
            yield row.finding("a deposit is not taxed: tax_category must be none")
        if row["kind"] != "recurring" and row["proration"] != "none":
            yield row.finding("only recurring fees are prorated")
    for row in book.rows["allowance"]:
        if (row["service"] == "data") != (row["zone_id"] == HOME):
            yield row.finding("data is free in zone home, other services in a destination zone")
    same = ("plan_id", "name", "unit", "quantity", "proration", "valid_from", "valid_to")
    first: dict[str, SourceRow] = {}
    for row in book.rows["allowance"]:
        other = first.setdefault(row["allowance_id"], row)
        if any(row[column] != other[column] for column in same):
            yield row.finding(f"rows of {row['allowance_id']} agree in {', '.join(same)}; see line {other.line}")
    yield from _nested_ranges(book.rows["own_range"])


def _contradictions_of_discount(row: SourceRow) -> Iterator[str]:
    fact, threshold = row["fact"], row["threshold"]
    if fact not in FACTS_OF[row["stage"]]:
        yield f"stage {row['stage']} knows the facts {' and '.join(FACTS_OF[row['stage']])}, found {fact}"
    if fact in ("student", "everyone") and threshold:
        yield f"threshold is 0 for {fact}"
    if fact == "tenure_months" and (threshold % MICROS or not MICROS <= threshold <= 1200 * MICROS):
        yield "threshold of tenure_months is a whole number of months from 1 to 1200"
    if fact == "usage_net" and not threshold:
        yield "threshold of usage_net is an amount above 0; a discount without one has the fact everyone"
    if row["stage"] == "rating" and (row["plan_id"], row["applies_to"]) != (ALL, "usage"):
        yield "stage rating discounts usage of all plans: plan_id is *, applies_to is usage"
    if not row["percent"]:
        yield "percent is above 0"


def _nested_ranges(rows: Sequence[SourceRow]) -> Iterator[Finding]:
    by_prefix = {row["prefix"]: row for row in rows}
    for prefix, row in by_prefix.items():
        for length in range(1, len(prefix)):
            if prefix[:length] in by_prefix:
                yield row.finding(f"{prefix} lies inside {prefix[:length]}, line {by_prefix[prefix[:length]].line}")
