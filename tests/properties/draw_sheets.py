"""Seeded draws of single sheets of a price book: destinations, bands, discounts, costs, and rows that end.

A book is one year long, 2028: a leap day, both clock changes, holidays. Validity edges are few, so that rows, segments,
bands and starts of calls meet at them.
"""

from __future__ import annotations

from random import Random
from typing import Any

Row = dict[str, Any]
EDGES = (
    *("2028-02-29", "2028-03-12T07:00:00+00:00", "2028-07-01", "2028-07-01T13:37:01-04:00", "2028-10-01"),
    *("2028-11-05", "2028-11-05T01:30:00-04:00", "2028-12-31"),
)
SINCE = "2024-01-01"
PLANS = ("term", "month_to_month", "prepaid")
ZONES = {"national": "national", "europe": "international", "rest": "international", "satellite": "international"}
ZONES |= {"free": "toll_free", "emergency": "emergency", "info": "special", "premium": "premium"}
ZONE_OF_PREFIX = {"1": "national", "1416": "national", "14165": "premium", "141655": "national", "1800": "free"}
ZONE_OF_PREFIX |= {"44": "europe", "4490": "premium", "449001": "europe", "33": "europe"}
ZONE_OF_PREFIX |= {"881": "satellite", "8816": "rest"}
CARRIERS = ("carrier_001", "carrier_002", "carrier_003")
CARRIER_PREFIXES = ("1", "14", "1416", "141655", "44", "449", "449001", "4490012", "88", "99")
SMALL_PRICES = ("0.01", "0.05", "0.10", "0.25", "0.0005", "0.00005", "1.5", "0.007777", "0.333333")
BYTE_PRICES = ("0.0005", "0.00005", "0.001", "0.000333", "0.00025")  # of a book whose amounts fit 64 bits
FACTORS = ("0.5", "0.9", "1", "1.2", "2")


def series(random: Random, row: Row, *, may_end: bool = True) -> list[Row]:
    """A row in force for ever, or a chain of rows that follow one another, each with its own price."""
    if random.random() < 0.5:
        return [{**row, "valid_from": random.choice((SINCE, *EDGES)) if may_end else SINCE}]
    edges = [SINCE, *sorted(random.sample(EDGES, random.choice((1, 1, 2, 3))), key=_order)]
    ends = [
        *edges[1:],
        random.choice(("", "", "2028-12-31T23:00:00+00:00")) if may_end and edges[-1] != EDGES[-1] else "",
    ]
    found = []
    for number, (start, end) in enumerate(zip(edges, ends, strict=True)):
        one = {**row, "valid_from": start, "valid_to": end}
        if number and row.get("zero_rated") != "true":
            one["price"] = random.choice(prices_of(row.get("unit", "")))
        found.append(one)
    return found


def prices_of(unit: str) -> tuple[str, ...]:
    """Prices of a unit for which no amount of a day, or of a tebibyte, is beyond 64 bits."""
    return BYTE_PRICES if unit == "byte" else SMALL_PRICES


def draw_destinations(random: Random) -> list[Row]:
    """Prefixes inside prefixes, some with an end, short codes, and often a catch-all of a part of the year."""
    rows: list[Row] = []
    for prefix, zone in ZONE_OF_PREFIX.items():
        until = random.choice(("", "", *EDGES))
        rows.append({"prefix": prefix, "zone_id": zone, "valid_to": until})
        if until and random.random() < 0.5:
            rows.append({"prefix": prefix, "zone_id": random.choice(list(ZONES)[:4]), "valid_from": until})
    for code, zone in (("911", "emergency"), ("311", "info")):
        rows.append({"prefix": code, "match": "exact", "zone_id": zone})
    if random.random() < 0.7:
        every = {"prefix": "*", "match": "any", "zone_id": "rest"}
        for row in series(random, every):
            row.pop("price", None)
            rows.append(row)
    return rows


def draw_bands(random: Random) -> list[Row]:
    """Two sets: a floor that always holds, and rows of days, dates, holidays and hours with own prices and terms."""
    rows: list[Row] = []
    for band_set in ("b", "c"):
        rows.append({"band_set": band_set, "band_id": "floor", "factor": random.choice(FACTORS)})
        for priority in range(1, random.choice((2, 3, 5))):
            hours = sorted(random.sample(("00:00", "01:30", "02:00", "08:00", "12:00", "20:00", "23:59", "24:00"), 2))
            row: Row = {
                "band_set": band_set,
                "band_id": f"band{priority}",
                "priority": priority,
                "from": hours[0],
                "to": hours[1],
                "weekdays": random.choice(("1234567", "12345", "67", "7", "3")),
                "day_type": random.choice(("any", "any", "holiday")),
                "factor": random.choice(FACTORS),
            }
            if random.random() < 0.3:
                dates = sorted(random.sample(("2028-02-29", "2028-03-12", "2028-07-01", "2028-11-06", "2028-12-31"), 2))
                row |= {"from_date": dates[0] if random.random() < 0.8 else "", "to_date": dates[1]}
            if random.random() < 0.4:
                row["price"] = random.choice(SMALL_PRICES)
            if random.random() < 0.3:
                row["connect_fee"] = random.choice(("0", "0.01", "0.123457"))
            if random.random() < 0.3:
                terms = random.choice(((60, 60), (30, 6), (60, 1), (1, 1), (3600, 60)))
                own = dict(zip(("initial", "increment"), terms, strict=True))
                row |= random.choice((own, own, {"initial": terms[0]}, {"increment": terms[1]}))
            rows.append(row)
    return rows


def draw_discounts(random: Random, is_large: bool) -> list[Row]:
    """Discounts of the rating stage: all facts, narrowed or not, stacking or not, some with an end."""
    rows: list[Row] = []
    for order in range(1, random.choice((4, 6) if is_large else (3,))):
        fact = random.choice(("everyone", "student", "student", "tenure_months"))
        cells: Row = {
            "discount_id": f"d{order}",
            "apply_order": order,
            "stacks": random.choice(("true", "true", "false")),
            "fact": fact,
            "threshold": random.choice((1, 12, 24)) if fact == "tenure_months" else 0,
            "plan_id": random.choice(("*", "*", "*", *PLANS[:2])),
            "service": random.choice(("*", "*", "voice", "data")),
            "percent": random.choice(("5", "10", "50", "33.3", "100") if is_large else ("10", "20", "50")),
            "valid_to": random.choice(("", "", *EDGES[2:])),
            "valid_from": random.choice((SINCE, SINCE, EDGES[0])),
        }
        zones = ("*", "home") if cells["service"] == "data" else ("*", "*", "*", "national", "europe")
        rows.append({**cells, "zone_id": random.choice(zones)})
    return rows


def draw_carrier_rates(random: Random) -> list[Row]:
    """A general row for most carriers and services, and above them countries, call types and prefixes of prefixes."""
    rows: list[Row] = []
    for carrier in (*CARRIERS, "*"):
        for service in ("voice", "sms", "mms", "data"):
            if random.random() < 0.3:
                continue
            unit = {"voice": "second", "data": "byte"}.get(service, "message")
            general: Row = {"carrier_id": carrier, "service": service, "unit": unit, "call_type": "*"}
            general |= {"call_type": "any"} if service == "data" else {}
            patterns: list[Row] = [{}]
            for _ in range(0 if service == "data" else random.choice((0, 2, 4))):
                pattern: Row = {}
                if random.random() < 0.7:
                    pattern["prefix"] = random.choice(CARRIER_PREFIXES)
                if random.random() < 0.4:
                    pattern["country"] = random.choice(("GB", "CA", "001"))
                if random.random() < 0.4:
                    pattern["call_type"] = random.choice(("local", "national", "international"))
                if pattern not in patterns:
                    patterns.append(pattern)
            for number, pattern in enumerate(patterns):
                rows += series(random, {**general, **pattern, **_cost_terms(random, unit)}, may_end=number > 0)
    rows += [{"carrier_id": carrier, "cost_id": "at least one"} for carrier in CARRIERS if not _names(rows, carrier)]
    return [{**row, "cost_id": f"c{number}"} for number, row in enumerate(rows)]


def _names(rows: list[Row], carrier: str) -> bool:
    return any(row["carrier_id"] == carrier for row in rows)


def _cost_terms(random: Random, unit: str) -> Row:
    blocks, steps = {"second": ((1, 60), (1, 6, 60)), "byte": ((10**6,), (1, 1_000, 10**6))}.get(unit, ((1,), (1, 2)))
    row: Row = {"block": random.choice(blocks), "increment": random.choice(steps)}
    row["price"] = random.choice(prices_of(unit))
    row |= {"digits": random.randrange(7), "rounding": random.choice(("half_up", "up", "down"))}
    if random.random() < 0.4:
        row["initial"] = random.choice(steps)
    if random.random() < 0.4:
        row["connect_fee"] = random.choice(("0.02", "0.000005"))
    if random.random() < 0.6:
        row |= {"markup": random.choice(("1.5", "2", "1.333")), "markup_digits": random.randrange(7)}
    return row


def _order(edge: str) -> int:
    return EDGES.index(edge)
