"""The price book of the rating contest: a seeded folder of CSV files, compiled as publishing does, as Parquet files.

Every destination prefix and every rate has four validity versions within the month, so that no lookup gets by with
the key alone.
"""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tollgate.platform.errors import TollgateError
from tollgate.platform.lake import contract
from tollgate.reference.compiled_book import CompiledBook, compile_price_book
from tollgate.reference.pricebook_checks import check_price_book
from tollgate.reference.pricebook_columns import COLUMNS

VERSION = 1
ZONES, CARRIERS, COUNTRIES = 40, 4, 30
# A zone that nothing is sold to: what the carrier takes is marked up.
UNSOLD = ZONES - 1
PLANS = ("term", "month_to_month", "prepaid")
EDGES = ("2024-01-01", "2026-10-08", "2026-10-15", "2026-10-22", "")
PRICE_PARTS = (
    "price_plan", "price_zone", "price_destination", "price_own_range", "price_roaming_zone", "price_rate_key",
    "price_carrier_key", "price_band_day", "price_discount",
)  # fmt: skip
# Of the drawn prefixes one in two lies under these: a country's own numbers are listed finer than the world's.
_DENSE = tuple(str(head) for head in range(120, 160, 2))
_ROW = {
    "rate": {"roaming_zone": "home", "rating_group": "none", "direction": "*", "technology": "*", "slice": "*",
             "split_at_validity": "false", "discountable": "true", "zero_rated": "false", "digits": "4",
             "rounding": "half_up", "tax_category": "none"},
    "carrier_rate": {"country": "*", "prefix": "*", "digits": "4", "rounding": "half_up", "markup": "1.5",
                     "markup_digits": "4"},
    "time_band": {"band_set": "voice", "weekdays": "1234567", "day_type": "any", "from": "00:00", "to": "24:00"},
    "discount": {"stage": "rating", "stacks": "true", "plan_id": "*", "service": "*", "zone_id": "*",
                 "applies_to": "usage", "valid_from": EDGES[0]},
}  # fmt: skip
_UNITS = {
    "voice": {"unit": "second", "block": "60", "increment": "60"},
    "sms": {"unit": "message", "block": "1", "increment": "1"},
    "data": {"unit": "byte", "block": "1000000", "increment": "1"},
}


def write_book(folder: Path, prefixes: int, seed: int) -> None:
    """`folder`/csv/*.csv, `folder`/<table>.parquet for each of PRICE_PARTS, and `folder`/version.json."""
    lines = _sheets(random.Random(seed), drawn_prefixes(prefixes, seed))
    source = folder / "csv"
    source.mkdir(parents=True)
    for file, columns in COLUMNS.items():
        with (source / f"{file}.csv").open("w", newline="", encoding="utf-8") as stream:
            rows = csv.DictWriter(stream, list(columns), restval="", lineterminator="\n")
            rows.writeheader()
            rows.writerows({**_ROW.get(file, {}), **row} for row in lines.get(file, []))
    book, findings = check_price_book(source)
    if book is None or findings:
        raise TollgateError("the benchmark's price book is wrong", found="; ".join(map(str, findings[:5])))
    _compiled(compile_price_book(book), folder)


def drawn_prefixes(count: int, seed: int) -> list[str]:
    """So many different prefixes of 4 to 8 digits, in order of drawing."""
    draw = random.Random(seed * 1_000 + count)
    found: dict[str, None] = {}
    while len(found) < count:
        head = draw.choice(_DENSE) if draw.random() < 0.5 else str(draw.randrange(200, 1000))
        length = draw.choices((4, 5, 6, 7, 8), (1, 2, 4, 4, 2))[0] - len(head)
        found[head + "".join(draw.choices("0123456789", k=length))] = None
    return list(found)


def _sheets(draw: random.Random, prefixes: list[str]) -> dict[str, list[dict[str, str]]]:
    versions = [{"valid_from": start, "valid_to": end} for start, end in pairwise(EDGES)]
    operator = {"name": "bench", "currency": "CAD", "time_zone": "America/Toronto", "holiday_calendar": "",
                "rating_groups": "web video", "bands_from": "2026-09-01", "bands_to": "2026-12-01"}  # fmt: skip
    return {
        "operator": [{"key": key, "value": value} for key, value in operator.items()],
        "currency": [{"currency": "CAD", "minor_digits": "2"}],
        "plan": [
            {"plan_id": plan, "name": plan, "contract_type": plan, "term_months": "12" if plan == "term" else "",
             "charge_type": "prepaid" if plan == "prepaid" else "postpaid"} for plan in PLANS
        ],
        "zone": [{"zone_id": "home", "name": "Home", "kind": "home"}]
        + [{"zone_id": f"z{n:02}", "name": f"Zone {n}", "kind": "national" if n < 4 else "international"}
           for n in range(ZONES)],
        "destination": [
            {"prefix": prefix, "match": "prefix", "zone_id": f"z{(number + turn) % ZONES:02}", **version}
            for number, prefix in enumerate(prefixes) for turn, version in enumerate(versions)
        ],
        "own_range": [{"prefix": "9999"}],
        "roaming_zone": [{"country": country, "roaming_zone": zone} for country, zone in
                         (("CA", "home"), ("US", "us"), ("GB", "europe"), ("FR", "europe"))],
        "rate": list(_rates(draw, versions)),
        "time_band": [
            {"band_id": "weekend", "priority": "20", "weekdays": "67", "factor": "0.9"},
            {"band_id": "peak", "priority": "10", "weekdays": "12345", "from": "08:00", "to": "20:00", "factor": "1.2"},
            {"band_id": "off_peak", "priority": "0", "factor": "1"},
        ],
        "discount": [
            {"discount_id": "student", "name": "Student", "apply_order": "1", "fact": "student", "threshold": "0",
             "percent": "10"},
            {"discount_id": "loyalty", "name": "Loyalty", "apply_order": "2", "fact": "tenure_months",
             "threshold": "12", "percent": "5"},
        ],
        "carrier_rate": list(_costs(draw, versions)),
    }  # fmt: skip


def _rates(draw: random.Random, versions: list[dict[str, str]]) -> Iterator[dict[str, str]]:
    for service, units in _UNITS.items():
        zones = ["home"] if service == "data" else [f"z{n:02}" for n in range(ZONES) if n != UNSOLD]
        for zone in zones:
            for plan in ("*", "prepaid"):
                for turn, version in enumerate(versions):
                    banded = {"band_set": "voice", "connect_fee": f"0.0{draw.randrange(10)}"}
                    bounded = {"minimum": "0.05", "maximum": "30"} if draw.random() < 0.3 else {}
                    for roaming in ("home", "*"):
                        yield {
                            "rate_id": f"{service}_{zone}_{plan.replace('*', 'all')}_{turn}"
                            + ("" if roaming == "home" else "_abroad"),
                            "plan_id": plan, "service": service, "zone_id": zone, "price": _price(draw, service),
                            **version, **units, "roaming_zone": roaming,
                            "rating_group": "*" if service == "data" else "none",
                            "discountable": "false" if service == "data" else "true",
                            **(banded | bounded if service == "voice" and roaming == "home" else {}),
                        }  # fmt: skip


def _costs(draw: random.Random, versions: list[dict[str, str]]) -> Iterator[dict[str, str]]:
    for carrier in range(CARRIERS):
        for service, units in _UNITS.items():
            kinds = ("any",) if service == "data" else ("local", "national", "international")
            countries = ["*", *(f"C{chr(65 + n)}" for n in range(26))] if kinds != ("any",) else ["*"]
            for kind in kinds:
                for country in countries if kind == "international" else ["*"]:
                    for turn, version in enumerate(versions):
                        name = f"c{carrier}_{service}_{kind}_{country.replace('*', 'all')}_{turn}"
                        yield {"cost_id": name, "carrier_id": f"c{carrier}", "service": service, "call_type": kind,
                               "country": country, "price": _price(draw, service), **version, **units}  # fmt: skip


def _price(draw: random.Random, service: str) -> str:
    # A terabyte at a cent a megabyte fits BIGINT, as in the demo's book; dearer data would be priced in decimals.
    return f"0.{draw.randrange(1, 100 if service == 'data' else 10_000):04}"


def _compiled(book: CompiledBook, folder: Path) -> None:
    from pyspark.sql.pandas.types import to_arrow_schema

    for table in PRICE_PARTS:
        schema = to_arrow_schema(contract(table))
        columns: list[Any] = [list(column) for column in zip(*book.numbered(table, VERSION), strict=True)]
        arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
        pq.write_table(pa.table(arrays, schema=schema), folder / f"{table}.parquet")
    version = {name: value for name, value in vars(book).items() if name != "tables"}
    text = json.dumps({**version, "pricebook_version": VERSION}, indent=1)
    (folder / "version.json").write_text(text + "\n", encoding="utf-8")
