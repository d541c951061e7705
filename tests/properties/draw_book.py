"""Seeded draws of whole price books over every feature of the tariff model."""

from __future__ import annotations

import re
from pathlib import Path
from random import Random

from oracle.small_book import sheet, write_book
from properties.draw_sheets import (
    PLANS,
    SMALL_PRICES,
    ZONES,
    Row,
    draw_bands,
    draw_carrier_rates,
    draw_destinations,
    draw_discounts,
    prices_of,
    series,
)

from tollgate.reference.pricebook_checks import check_price_book

# A drawn row may be followed by one that a call cannot go on in; such a row is not split then.
SPLIT_REFUSED, ROUNDS = re.compile(r"rate\.csv:(\d+): split_at_validity: "), 6
HOLIDAYS = ("2028-01-01", "2028-02-29", "2028-07-01", "2028-11-05", "2028-12-25")
ROAMING = {"CA": "home", "US": "america", "FR": "europe", "GB": "europe", "JP": "rest"}
KEY_CELLS = ("service", "plan_id", "zone_id", "roaming_zone", "rating_group", "direction", "technology", "slice")
GROUPS = ("web", "video")
SLICES = ("gold", "urllc")


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
            is_told = initial != increment or random.random() < 0.3
            return {"band_set": band_set, "initial": initial if is_told else "", "increment": increment}
    return {}
