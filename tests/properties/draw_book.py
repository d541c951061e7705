"""Seeded draws of whole price books over every feature of the tariff model, and of people in them.

A book is one year long, 2028: a leap day, both clock changes, holidays. Validity edges are few, so that rows, segments,
bands and starts of calls meet at them.
"""

from __future__ import annotations

import re
from pathlib import Path
from random import Random
from typing import Any

from oracle.small_book import sheet, write_book

from tollgate.reference.pricebook_checks import check_price_book

Row = dict[str, Any]
# A drawn row may be followed by one that a call cannot go on in; such a row is not split then.
SPLIT_REFUSED, ROUNDS = re.compile(r"rate\.csv:(\d+): split_at_validity: "), 6
EDGES = (
    *("2028-02-29", "2028-03-12T07:00:00+00:00", "2028-07-01", "2028-07-01T13:37:01-04:00", "2028-10-01"),
    *("2028-11-05", "2028-11-05T01:30:00-04:00", "2028-12-31"),
)
SINCE = "2024-01-01"
HOLIDAYS = ("2028-01-01", "2028-02-29", "2028-07-01", "2028-11-05", "2028-12-25")
PLANS = ("term", "month_to_month", "prepaid")
ZONES = {"national": "national", "europe": "international", "rest": "international", "satellite": "international"}
ZONES |= {"free": "toll_free", "emergency": "emergency", "info": "special", "premium": "premium"}
PREFIXES = {
    "1": "national",
    "1416": "national",
    "14165": "premium",
    "141655": "national",
    "1800": "free",
    "44": "europe",
    "4490": "premium",
    "449001": "europe",
    "33": "europe",
    "881": "satellite",
    "8816": "rest",
}
ROAMING = {"CA": "home", "US": "america", "FR": "europe", "GB": "europe", "JP": "rest"}
KEY_CELLS = (*("service", "plan_id", "zone_id", "roaming_zone", "rating_group", "direction", "technology", "slice"),)
GROUPS = ("web", "video")
SLICES = ("gold", "urllc")
CARRIERS = ("carrier_001", "carrier_002", "carrier_003")
CARRIER_PREFIXES = ("1", "14", "1416", "141655", "44", "449", "449001", "4490012", "88", "99")
SMALL_PRICES = ("0.01", "0.05", "0.10", "0.25", "0.0005", "0.00005", "1.5", "0.007777", "0.333333")
BYTE_PRICES = ("0.0005", "0.00005", "0.001", "0.000333", "0.00025")  # of a book whose amounts fit 64 bits
FACTORS = ("0.5", "0.9", "1", "1.2", "2")


def draw_book(random: Random, folder: Path) -> Path:
    """Write a price book that publishing accepts and return its folder; half of them have amounts beyond 64 bits."""
    is_large = random.random() < 0.5
    bands = draw_bands(random)
    rates, segments = draw_rates(random, bands, is_large)
    operator = {
        "name": "Drawn",
        "currency": "CAD",
        "time_zone": random.choice(("America/Toronto", "America/St_Johns")),
        "holiday_calendar": "days",
        "rating_groups": " ".join(GROUPS),
        "bands_from": "2028-01-01",
        "bands_to": "2029-01-01",
    }
    rows: dict[str, list[Row]] = {
        "operator": [{"key": key, "value": value} for key, value in operator.items()],
        "plan": [{"plan_id": plan, "contract_type": "month_to_month", "term_months": ""} for plan in PLANS],
        "zone": [{}, *({"zone_id": zone, "kind": kind} for zone, kind in ZONES.items())],
        "destination": draw_destinations(random),
        "roaming_zone": [{"country": country, "roaming_zone": zone} for country, zone in ROAMING.items()],
        "own_range": [{"prefix": 1416200}, {"prefix": 449001299}],
        "holiday": [{"calendar": "days", "date": day} for day in HOLIDAYS],
        "tax": [{}],
        "fee": [],
        "allowance": [],
        "time_band": bands,
        "rate": rates,
        "segment": segments,
        "discount": draw_discounts(random, is_large),
        "carrier_rate": draw_carrier_rates(random),
    }
    for _ in range(ROUNDS):
        write_book(folder, **{name: sheet(name, *of_sheet) for name, of_sheet in rows.items()})
        whole = {int(line) for line in SPLIT_REFUSED.findall("\n".join(map(str, check_price_book(folder)[1])))}
        for line in whole:
            rates[line - 2]["split_at_validity"] = "false"
        if not whole:
            break
    return folder


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
    for prefix, zone in PREFIXES.items():
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
                row["initial"], row["increment"] = random.choice(((60, 60), (30, 6), (60, 1), (1, 1), (3600, 60)))
            rows.append(row)
    return rows


def draw_rates(random: Random, bands: list[Row], is_large: bool) -> tuple[list[Row], list[Row]]:
    """General rows of most zones, and special ones above them; segments of some. `satellite` has none of its own."""
    drawn: list[list[Row]] = []
    for service in ("voice", "sms", "mms", "data"):
        places = ["home"] if service == "data" else [zone for zone in ZONES if zone not in ("satellite", "emergency")]
        anywhere: Row = {"service": service, "plan_id": "*", "roaming_zone": "*"}
        anywhere["rating_group"] = "*" if service == "data" else "none"
        for zone in places:
            general, terms = {**anywhere, "zone_id": zone}, draw_terms(random, service, bands, is_large)
            drawn.append(series(random, {**general, **terms}, may_end=False))
            for _ in range(random.choice((0, 1, 1, 2, 3))):
                # A split row and what follows it may differ in the price alone.
                own = terms if terms["split_at_validity"] == "true" else draw_terms(random, service, bands, is_large)
                own = {**own, "price": random.choice(prices_of(own["unit"]))}
                drawn.append(series(random, {**general, **draw_cells(random, service), **own}))
        if service == "data":
            continue
        free = draw_terms(random, service, [], is_large, is_free=True)
        drawn.append([{**anywhere, "zone_id": "emergency", **free}])
        if random.random() < 0.5:  # one plan has a price everywhere, its own before those of zones
            cells = {"plan_id": "prepaid", "zone_id": "*", "roaming_zone": random.choice(("*", "america"))}
            terms = draw_terms(random, service, bands, is_large)
            drawn.append(series(random, {**anywhere, **cells, **terms}, may_end=False))
    rows: list[Row] = []
    segments: list[Row] = []
    seen = set()
    for of_key in drawn:
        key = tuple(of_key[0].get(name, "*") for name in KEY_CELLS)
        if key in seen:
            continue
        seen.add(key)
        for row in of_key:
            rate_id = f"r{len(rows)}"
            segments += [{"rate_id": rate_id, "from_units": at, "price": price} for at, price in row["segments"]]
            rows.append({**{name: cell for name, cell in row.items() if name != "segments"}, "rate_id": rate_id})
    return rows, segments


def draw_cells(random: Random, service: str) -> Row:
    """Literal values in some of the key's cells."""
    choices: dict[str, tuple[str, ...]] = {
        "plan_id": PLANS,
        "roaming_zone": ("home", "america", "europe"),
        "direction": ("out",) if service == "data" else ("out", "in"),
        "technology": ("4G", "5G", "FIXED"),
        "slice": SLICES,
    }
    if service == "data":
        choices["rating_group"] = GROUPS
    named = random.sample(list(choices), random.choice((1, 1, 2, 3)))
    return {name: random.choice(choices[name]) for name in named}


def draw_terms(random: Random, service: str, bands: list[Row], is_large: bool, is_free: bool = False) -> Row:
    """Everything of a rate but its key and validity, `segments` (units, price) included."""
    unit, blocks, steps = {
        "voice": ("second", (1, 60, 60, 3600), (1, 6, 7, 30, 60, 60, 3600)),
        "data": ("byte", (10**6, 1 << 20, 10**8, *((1_000, 1_024) * is_large)), (1, 1_000, 1_024, 10**6, 10**8)),
    }.get(service, ("message", (1, 1, 160), (1, 1, 3)))
    row: Row = {
        "unit": unit,
        "block": random.choice(blocks),
        "increment": random.choice(steps),
        "price": "0",
        "digits": random.randrange(7),
        "rounding": random.choice(("half_up", "half_up", "up", "down")),
        "zero_rated": "true" if is_free else "false",
        "discountable": random.choice(("true", "true", "false")),
        "split_at_validity": "false",
        "segments": (),
    }
    if is_free:
        return row
    prices = (*SMALL_PRICES, "987.654321") if is_large else prices_of(unit)
    row["price"] = random.choice(prices)
    if random.random() < 0.5:
        row["initial"] = random.choice(steps)
    if random.random() < 0.4:
        row["connect_fee"] = random.choice(("0.05", "0.000001", "0.15"))
    if random.random() < 0.3:
        row["minimum"] = random.choice(("0.05", "0.25", "0.125"))
    if random.random() < 0.3:
        row["maximum"] = random.choice(("0.25", "1", "0.999999"))
    if bands and service == "voice" and random.random() < 0.6:
        row |= _banded(random, bands)
    if service == "voice" and random.random() < 0.6:
        row["split_at_validity"] = "true"
    elif random.random() < 0.4:
        places = {"second": (1, 30, 59, 60, 61, 3600), "message": (1, 2), "byte": (1, 999, 10**6, 10**9)}[unit]
        chosen = random.sample(places, random.choice((1, 2)))
        row["segments"] = tuple((place, random.choice((*prices, "0"))) for place in sorted(chosen))
    return row


def _banded(random: Random, bands: list[Row]) -> Row:
    """A band set, with steps that fill a day whatever the band at the start makes of them."""
    band_set = random.choice(("b", "c"))
    own = [row for row in bands if row["band_set"] == band_set]
    for initial, increment in random.sample(((60, 60), (60, 1), (30, 6), (1, 1), (3600, 60), (86_400, 1)), 6):
        pairs = {(row.get("initial", initial), row.get("increment", increment)) for row in own}
        if all((86_400 - first) % step == 0 for first, step in {*pairs, (initial, increment)}):
            return {"band_set": band_set, "initial": initial, "increment": increment}
    return {}


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
