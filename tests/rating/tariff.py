"""A price book in CSV rows that uses the whole tariff model, one zone for each feature, and its compiled frames."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from frames import small_frame
from pyspark.sql import SparkSession

from rating.sheet import PINS
from tollgate.platform.lake import contract
from tollgate.reference.compiled_book import CompiledBook, compile_price_book
from tollgate.reference.frames import PRICE_TABLES, PriceBook, price_book
from tollgate.reference.pricebook_checks import check_price_book
from tollgate.reference.pricebook_columns import COLUMNS

Line = dict[str, str]
SINCE = {"valid_from": "2024-01-01"}
OPERATOR = {
    "name": "model", "currency": "CAD", "time_zone": "America/Toronto", "holiday_calendar": "",
    "rating_groups": "web video music games", "bands_from": "2026-10-01", "bands_to": "2026-12-01",
}  # fmt: skip
RATE: Line = {
    **SINCE, "plan_id": "*", "service": "voice", "roaming_zone": "*", "rating_group": "none", "direction": "*",
    "technology": "*", "slice": "*", "unit": "second", "block": "60", "increment": "60", "split_at_validity": "false",
    "discountable": "false", "zero_rated": "false", "digits": "4", "rounding": "half_up", "tax_category": "none",
}  # fmt: skip
SMS = {"service": "sms", "unit": "message", "block": "1", "increment": "1"}
DATA = {"service": "data", "zone_id": "home", "unit": "byte"}
COST: Line = {
    **SINCE, "carrier_id": "c1", "service": "voice", "call_type": "international", "country": "*", "prefix": "*",
    "unit": "second", "block": "60", "increment": "60", "digits": "4", "rounding": "half_up",
}  # fmt: skip
BAND: Line = {"weekdays": "1234567", "day_type": "any", "from": "00:00", "to": "24:00", "factor": "1"}
DISCOUNT: Line = {
    **SINCE, "stage": "rating", "stacks": "true", "fact": "everyone", "threshold": "0", "plan_id": "*", "service": "*",
    "zone_id": "*", "applies_to": "usage",
}  # fmt: skip


def rate(zone: str, price: str, rate_id: str = "", **other: str) -> Line:
    """A voice rate per started minute, of every plan, at home and abroad."""
    return {**RATE, "rate_id": rate_id or zone, "zone_id": zone, "price": price, **other}


def band(band_set: str, band_id: str, priority: int, **other: str) -> Line:
    """A band of all days and hours, factor 1."""
    return {**BAND, "band_set": band_set, "band_id": band_id, "priority": str(priority), **other}


def cost(cost_id: str, price: str, **other: str) -> Line:
    """What carrier c1 takes for an international call, per started minute."""
    return {**COST, "cost_id": cost_id, "price": price, **other}


def discount(discount_id: str, order: int, percent: str, **other: str) -> Line:
    """A discount of the rating stage for everyone."""
    return {**DISCOUNT, "discount_id": discount_id, "name": discount_id, "apply_order": str(order), "percent": percent,
            **other}  # fmt: skip


# Zone to the prefix that leads to it.
ZONES = {
    "s60_60": "2001", "s60_1": "2002", "s30_6": "2003", "s1_1": "2004", "first_minute": "2005", "banded": "2006",
    "own_terms": "2007", "own_and_first": "2008", "dated": "2009", "bounded": "2010", "tech": "2011", "disc": "2012",
    "student": "2013", "split": "2014", "no_split": "2015", "split_banded": "2016", "split_own": "2017",
    "ends": "2018", "up": "2019", "down": "2020", "half_up": "2021", "night": "2022", "marked_up": "2023",
    "same_price": "2024",
}  # fmt: skip
FIRST_DAY, CHANGE = {"valid_to": "2026-10-21"}, {"valid_from": "2026-10-21"}
SPLIT = {"split_at_validity": "true"}


def before_and_after(zone: str, before: str, after: str, **other: str) -> list[Line]:
    """A price until 21 October 00:00 local, and the one from then on."""
    return [rate(zone, before, f"{zone}_1", **other, **FIRST_DAY), rate(zone, after, f"{zone}_2", **other, **CHANGE)]


MODEL: dict[str, list[Line]] = {
    "operator": [{"key": key, "value": value} for key, value in OPERATOR.items()],
    "currency": [{"currency": "CAD", "minor_digits": "2"}],
    "plan": [
        {"plan_id": "term", "name": "Term", "contract_type": "term", "charge_type": "postpaid", "term_months": "12"},
        {"plan_id": "promo", "name": "Promo", "contract_type": "month_to_month", "charge_type": "postpaid"},
    ],
    "zone": [
        {"zone_id": "home", "name": "Home", "kind": "home"},
        *({"zone_id": zone, "name": zone, "kind": "international"} for zone in (*ZONES, "other")),
    ],
    "destination": [
        *({**SINCE, "prefix": prefix, "match": "prefix", "zone_id": zone} for zone, prefix in ZONES.items()),
        {**SINCE, "prefix": "*", "match": "any", "zone_id": "other"},
    ],
    "roaming_zone": [{"country": "US", "roaming_zone": "us"}],
    "own_range": [{"prefix": "3999"}],
    "rate": [
        rate("s60_60", "0.60"), rate("s60_1", "0.60", initial="60", increment="1"),
        rate("s30_6", "0.60", initial="30", increment="6"), rate("s1_1", "0.60", increment="1"),
        rate("first_minute", "0.20"), rate("banded", "0.20", band_set="peak"),
        rate("own_terms", "0.20", band_set="own", connect_fee="0.10"), rate("own_and_first", "0.20", band_set="own"),
        rate("dated", "0.60", band_set="dated"), rate("bounded", "0.20", minimum="0.25", maximum="1"),
        rate("night", "0.60", band_set="night"), rate("other", "1.00"),
        rate("tech", "0.10"), rate("tech", "0.20", "tech_5g", technology="5G"),
        rate("tech", "0.30", "tech_in", direction="in"), rate("tech", "0.40", "tech_slice", slice="s1"),
        rate("disc", "1.00", discountable="true"), rate("disc", "1.00", "disc_sms", discountable="true", **SMS),
        rate("student", "1.00", discountable="true"), rate("s60_60", "0.05", "sms", **SMS),
        rate("s60_60", "0.02", "sms_in", direction="in", **SMS),
        rate("up", "0.005", digits="2", rounding="up"), rate("down", "0.005", digits="2", rounding="down"),
        rate("half_up", "0.005", digits="2"),
        *before_and_after("split", "0.60", "1.20", **SPLIT), *before_and_after("no_split", "0.60", "1.20"),
        *before_and_after("split_banded", "0.60", "1.20", band_set="peak", **SPLIT),
        *before_and_after("split_own", "0.60", "1.20", band_set="own", **SPLIT),
        *before_and_after("same_price", "0.60", "0.60", **SPLIT), rate("ends", "0.60", **FIRST_DAY, **SPLIT),
        # a package of 100 MB, on a slice a dearer one; a kilobyte of 1,000 and one of 1,024; a dear first megabyte
        rate("", "5.00", "web", rating_group="web", block="100000000", increment="100000000", **DATA),
        rate("", "7.00", "web_s1", rating_group="web", slice="s1", block="100000000", increment="100000000", **DATA),
        rate("", "0.001", "video", rating_group="video", direction="out", block="1000", increment="1000", **DATA),
        rate("", "0.001", "games", rating_group="games", block="1024", increment="1024", **DATA),
        rate("", "0.02", "music", rating_group="music", block="1000000", increment="1", **DATA),
    ],
    "segment": [
        {"rate_id": rate_id, "from_units": from_units, "price": "0.10"}
        for rate_id, from_units in (("first_minute", "60"), ("banded", "60"), ("own_and_first", "60"),
                                    ("bounded", "60"))
    ] + [{"rate_id": "music", "from_units": "1000000", "price": "0.01"},
         {"rate_id": "music", "from_units": "2000000", "price": "0.005"}],
    "time_band": [
        band("peak", "peak", 1, **{"from": "08:00", "to": "20:00", "factor": "1.2"}), band("peak", "off", 0),
        band("own", "day", 1, **{"from": "08:00", "to": "20:00"}),
        band("own", "night", 0, price="0.05", connect_fee="0.03", initial="1", increment="1"),
        band("dated", "fair", 2, from_date="2026-10-10", to_date="2026-10-12", factor="0.5"),
        band("dated", "last_week", 1, from_date="2026-10-25", to_date="2026-11-01", factor="2"),
        band("dated", "any", 0),
        band("night", "night", 1, **{"from": "00:00", "to": "03:00", "factor": "0.5"}), band("night", "day", 0),
    ],
    "discount": [
        discount("sms_half", 1, "50", service="sms"), discount("zone", 2, "10", zone_id="disc"),
        discount("plan", 3, "5", plan_id="promo", zone_id="disc"),
        discount("alone", 4, "30", fact="student", stacks="false"),
    ],
    "carrier_rate": [
        cost("default", "0.08"), cost("gb", "0.07", country="GB"),
        cost("s60_60", "0.04", prefix="2001", initial="30", increment="6", connect_fee="0.01"),
        cost("longer", "0.02", prefix="200155"), cost("late", "0.01", prefix="2001557", valid_from="2026-11-01"),
        cost("all", "0.50", carrier_id="*", prefix="2002"),
        cost("marked_up", "0.04", prefix="2023", connect_fee="0.01", markup="1.5", markup_digits="4"),
    ],
}  # fmt: skip


def written(folder: Path, book: dict[str, list[Line]]) -> Path:
    """The files of a book; a cell that a line does not name is empty."""
    folder.mkdir()
    for file, columns in COLUMNS.items():
        with (folder / f"{file}.csv").open("w", newline="") as stream:
            lines = csv.DictWriter(stream, list(columns), restval="", lineterminator="\n")
            lines.writeheader()
            lines.writerows(book.get(file, []))
    return folder


def compiled(folder: Path) -> CompiledBook:
    """The checked book of a folder, as publishing compiles it."""
    source, findings = check_price_book(folder)
    assert source is not None and not findings, [str(finding) for finding in findings]
    return compile_price_book(source)


def frames_of(spark: SparkSession, book: CompiledBook) -> PriceBook:
    """A compiled book as pricing is given it."""
    version = PINS["pricebook_version"]
    tables = {name: small_frame(spark, book.numbered(name, version), contract(name)) for name in PRICE_TABLES}
    facts: dict[str, Any] = {
        name: getattr(book, name) for name in CompiledBook.__dataclass_fields__ if name != "tables"
    }
    return price_book(tables, {"pricebook_version": version, **facts})
