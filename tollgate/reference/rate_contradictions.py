"""Rows of rate.csv, tier.csv and segment.csv that cannot be meant, alone or together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta

from tollgate.reference.charged_steps import is_whole_day, steps
from tollgate.reference.pricebook_files import Finding, SourceBook, SourceRow
from tollgate.reference.rate_keys import HOME, NO_GROUP, KeyInterval, followers
from tollgate.reference.time_bands import DAY_S

# What a rate with tiers may not have; it is not zero_rated either.
_MORE_THAN_A_PRICE = ("band_set", "split_at_validity", "connect_fee", "minimum", "maximum")
# In what the row that follows a split one is the same; `price` alone may differ.
_SAME_AFTER_A_SPLIT = (
    *("unit", "block", "increment", "initial", "connect_fee", "minimum", "maximum", "band_set", "discountable"),
    *("zero_rated", "digits", "rounding", "tax_category"),
)


def contradictions_of_rates(book: SourceBook) -> Iterator[Finding]:
    """A finding for every rate that contradicts itself, its tiers or its segments."""
    for row in book.rows["rate"]:
        yield from (row.finding(message) for message in _of_rate(row))
    yield from _of_tiers(book)
    yield from _of_segments(book)


def validity_splits(book: SourceBook) -> Iterator[Finding]:
    """A finding for every row with split_at_validity after which a row follows that a call cannot go on in."""
    more_than_a_price: dict[str, str] = {}
    for file in ("tier", "segment"):
        more_than_a_price |= {row["rate_id"]: f"{file}s" for row in book.rows[file]}
    first: dict[tuple[int, int], tuple[KeyInterval, KeyInterval]] = {}
    for own, after in followers(book):
        pair = first.setdefault((own.row.line, after.row.line), (own, after))
        if after.valid_to - after.valid_from < pair[1].valid_to - pair[1].valid_from:
            first[own.row.line, after.row.line] = own, after
    for own, after in first.values():
        what = f"the row that follows at its end, line {after.row.line}"
        for column in _SAME_AFTER_A_SPLIT:
            if _term(own.row, column) != _term(after.row, column):
                yield own.row.finding(f"split_at_validity: {what}, has another {column}")
        if after.row["rate_id"] in more_than_a_price:
            yield own.row.finding(f"split_at_validity: {what}, has {more_than_a_price[after.row['rate_id']]}")
        if after.valid_to - after.valid_from < timedelta(seconds=DAY_S):
            yield own.row.finding(f"split_at_validity: {what}, must hold for 24 hours at least")


def _term(row: SourceRow, column: str) -> object:
    if column == "initial":
        return steps(row)[0]
    return row[column] or 0 if column == "connect_fee" else row[column]


def _of_rate(row: SourceRow) -> Iterator[str]:
    is_data = row["service"] == "data"
    if is_data and row["zone_id"] != HOME:
        yield f"data has zone {HOME}, found {row['zone_id']}"
    if not is_data and row["zone_id"] == HOME:
        yield f"zone {HOME} is for data alone"
    if not is_data and row["rating_group"] != NO_GROUP:
        yield f"only data has rating groups: expected {NO_GROUP}, found {row['rating_group']}"
    if is_data and row["direction"] == "in":
        yield "data is out: direction must be out or *, found in"
    if row["zero_rated"] and (row["price"] or row["connect_fee"] or row["minimum"]):
        yield "zero_rated contradicts a price, connect fee or minimum above 0"
    if row["minimum"] is not None and row["maximum"] is not None and row["minimum"] > row["maximum"]:
        yield "minimum is above maximum"
    if row["band_set"] is not None and row["service"] != "voice":
        yield "time bands are for voice alone"
    initial, increment = steps(row)
    if row["band_set"] is not None and not is_whole_day(initial, increment):
        if row["initial"] is None:
            yield f"a banded rate's increment must divide {DAY_S:,} s, found {increment}"
        else:
            yield f"a banded rate's {DAY_S:,} s less the initial {initial} must be whole increments of {increment}"
    if row["split_at_validity"] and row["unit"] != "second":
        yield f"split_at_validity is for unit second alone, found {row['unit']}"


def _of_tiers(book: SourceBook) -> Iterator[Finding]:
    rates = {row["rate_id"]: row for row in book.rows["rate"]}
    first: dict[str, SourceRow] = {}
    for row in book.rows["tier"]:
        other = first.setdefault(row["rate_id"], row)
        if row["counts"] != other["counts"]:
            yield row.finding(f"tiers of {row['rate_id']} count alike; see line {other.line}")
        if (row["mode"] or "graduated") != (other["mode"] or "graduated"):
            yield row.finding(f"tiers of {row['rate_id']} have one mode; see line {other.line}")
        rate = rates.get(row["rate_id"])
        if rate is None:
            continue
        with_more = [name for name in _MORE_THAN_A_PRICE if rate[name]]
        if with_more or rate["zero_rated"]:
            what = "zero_rated" if rate["zero_rated"] else " and ".join(with_more)
            yield row.finding(f"a rate with tiers has a price alone; {row['rate_id']}, line {rate.line}, has {what}")


def _of_segments(book: SourceBook) -> Iterator[Finding]:
    rates = {row["rate_id"]: row for row in book.rows["rate"]}
    tiers: dict[str, list[int]] = defaultdict(list)
    for row in book.rows["tier"]:
        tiers[row["rate_id"]].append(row.line)
    for row in book.rows["segment"]:
        rate = rates.get(row["rate_id"])
        if rate is None:
            continue
        for name in ("zero_rated", "split_at_validity"):
            if rate[name]:
                yield row.finding(f"a rate with segments is not {name}; {row['rate_id']}, line {rate.line}, is")
        if row["rate_id"] in tiers:
            yield row.finding(f"{row['rate_id']} has tiers too, tier.csv:{tiers[row['rate_id']][0]}; one of both")
