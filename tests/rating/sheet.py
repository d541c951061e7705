"""A small price book and customers, by hand: flat names, round prices, one row for each rule that a test shows."""

from __future__ import annotations

from datetime import date, datetime, timezone
from typing import Any
from zoneinfo import ZoneInfo

from frames import small_frame
from pyspark.sql import DataFrame, SparkSession

from tollgate.platform.lake import contract
from tollgate.reference.frames import PRICE_TABLES, PriceBook, Reference, price_book, reference

TORONTO = ZoneInfo("America/Toronto")
FROM, TO = datetime(2024, 1, 1, tzinfo=timezone.utc), datetime(2099, 1, 1, tzinfo=timezone.utc)
VALID = {"valid_from": FROM, "valid_to": TO}
PINS = {"pricebook_version": 7, "snapshot_id": 3}
SLOTS = 6
FACTORS = {"peak": 12, "off_peak": 10, "weekend": 9}


def rows(spark: SparkSession, table: str, *given: dict[str, Any]) -> DataFrame:
    """A table of its contract; columns that a row does not name are NULL or the pins above."""
    schema = contract(table)
    names = schema.names
    nullable = type(schema).fromJson(
        {**schema.jsonValue(), "fields": [{**f, "nullable": True} for f in schema.jsonValue()["fields"]]}
    )
    return small_frame(spark, [tuple({**PINS, **row}.get(name) for name in names) for row in given], nullable)


def rate(rate_id: str, service: str, zone: str, price: int, **other: Any) -> dict[str, Any]:
    """A rate row of plan term: per started minute, message or million bytes, four digits, half up."""
    unit, block, increment = {"voice": ("second", 60, 60), "data": ("byte", 1_000_000, 1)}.get(
        service, ("message", 1, 1)
    )
    return {
        **VALID, "rate_id": rate_id, "plan_id": "term", "service": service, "zone_id": zone, "roaming_zone": "home",
        "rating_group": "web" if service == "data" else "none", "unit": unit, "unit_price_micros": price,
        "block_units": block, "increment_units": increment, "connect_fee_micros": 0, "is_discountable": False,
        "is_zero_rated": False, "digits": 4, "rounding": "half_up", "tax_category": "standard", **other,
    }  # fmt: skip


RATES = [
    rate("national", "voice", "national", 100_000, band_set="voice_bands", is_discountable=True),
    rate("flat", "voice", "europe", 250_000, is_discountable=True),
    rate("flat_us", "voice", "europe", 300_000, roaming_zone="us"),
    rate("fee", "voice", "fee", 100_000, connect_fee_micros=50_000, minimum_micros=400_000, maximum_micros=1_000_000,
         is_discountable=True),
    rate("by_second_up", "voice", "second", 7_777, increment_units=1, digits=2, rounding="up"),
    rate("by_second_down", "voice", "second", 7_777, roaming_zone="us", increment_units=1, digits=2, rounding="down"),
    rate("old_price", "voice", "changing", 100_000, valid_to=datetime(2026, 10, 6, 4, tzinfo=timezone.utc)),
    rate("new_price", "voice", "changing", 200_000, valid_from=datetime(2026, 10, 6, 4, tzinfo=timezone.utc)),
    rate("huge", "voice", "huge", 9_000_000_000_000_000, connect_fee_micros=9_000_000_000_000_000),
    rate("emergency", "voice", "emergency", 0, is_zero_rated=True),
    rate("sms", "sms", "national", 50_000),
    rate("mms", "mms", "national", 300_000),
    rate("data", "data", "home", 10_000),
    rate("video", "data", "home", 5_000, rating_group="video"),
    rate("data_us", "data", "home", 50_000, roaming_zone="us"),
]  # fmt: skip
ZONES = {"national": "national", "europe": "international", "fee": "international", "second": "international",
         "changing": "international", "huge": "international", "satellite": "international", "emergency": "emergency",
         "home": "home"}  # fmt: skip
PREFIXES = {"1416": "national", "1905": "national", "44": "europe", "441": "fee", "45": "second", "46": "changing",
            "47": "huge", "870": "satellite"}  # fmt: skip


def destination(prefix: str, zone: str, lo: str, hi: str) -> dict[str, Any]:
    """An interval of numbers as publishing makes them; a short code is one number."""
    if len(prefix) == 3 and prefix == "911":
        return {**VALID, "bucket": "S911", "lo": 911, "hi": 912, "prefix": "911", "zone_id": zone}
    pad = {"lo": int(lo.ljust(15, "0")), "hi": int(hi.ljust(15, "0"))}
    return {**VALID, "bucket": "E" + lo[:3].ljust(3, "0"), **pad, "prefix": prefix, "zone_id": zone}


def destinations() -> list[dict[str, Any]]:
    """+44 is cut by the longer +441; prefixes of two digits fill ten buckets."""
    found = [destination("911", "emergency", "", "")]
    for prefix, zone in PREFIXES.items():
        for third in range(10) if len(prefix) == 2 else [None]:
            lo = prefix if third is None else f"{prefix}{third}"
            if lo != "441" or prefix == "441":
                found.append(destination(prefix, zone, lo, str(int(lo) + 1)))
    return found


def cost(carrier: str, service: str, call_type: str, country: str, price: int, **other: Any) -> dict[str, Any]:
    """A carrier's row: per started minute or message, four digits."""
    unit, block = ("second", 60) if service == "voice" else ("message", 1)
    return {
        **VALID, "carrier_id": carrier, "service": service, "call_type": call_type, "country": country,
        "cost_id": f"{carrier}_{service}_{call_type}_{country}", "unit": unit, "unit_price_micros": price,
        "block_units": block, "increment_units": block, "digits": 4, "rounding": "half_up", **other,
    }  # fmt: skip


MARKUP = {"markup_num": 15, "markup_den": 10, "markup_digits": 4}
COSTS = [
    cost("c1", "voice", "national", "*", 20_000, **MARKUP),
    cost("c1", "voice", "international", "*", 80_000, **MARKUP),
    cost("c1", "voice", "international", "GB", 40_000, **MARKUP),
    cost("g23", "voice", "international", "*", 3_000, unit="second", block_units=1, increment_units=1, digits=2,
         markup_num=3, markup_den=2, markup_digits=2),
    cost("c1", "sms", "international", "*", 4_000),
    cost("c1", "sms", "national", "*", 4_000),
    cost("c1", "data", "any", "*", 1_000, unit="byte", block_units=1_000_000, increment_units=1),
]  # fmt: skip


def discount(discount_id: str, fact: str, threshold: int, keep_num: int, order: int, **other: Any) -> dict[str, Any]:
    """A discount of the rating stage that stacks; keeps keep_num twentieths."""
    return {
        **VALID, "discount_id": discount_id, "stage": "rating", "apply_order": order, "stacks": True, "fact": fact,
        "threshold": threshold, "keep_num": keep_num, **other,
    }  # fmt: skip


DISCOUNTS = [
    discount("loyalty", "tenure_months", 12, 19, order=2),
    discount("student", "student", 0, 18, order=1),
    discount("of the bill", "student", 0, 1, order=1, stage="billing"),
    discount("ended", "student", 0, 1, order=3, valid_to=datetime(2026, 1, 1, tzinfo=timezone.utc)),
]


def band_day(day: date, *edges: tuple[datetime, str], until: datetime) -> dict[str, Any]:
    """A day of voice_bands: edges with the band that begins there; padded as publishing pads."""
    starts = [int(at.timestamp()) for at, _ in edges] + [int(until.timestamp())]
    bands = [band for _, band in edges]
    missing = SLOTS - len(bands)
    bands += bands[-1:] * missing
    return {
        "band_set": "voice_bands", "local_date": day, "edge_s": starts + starts[-1:] * missing, "band_id": bands,
        "factor_num": [FACTORS[band] for band in bands],
    }  # fmt: skip


def local(day: int, hour: int = 0, minute: int = 0, second: int = 0, month: int = 10) -> datetime:
    """An instant of 2026 by Toronto's clock."""
    return datetime(2026, month, day, hour, minute, second, tzinfo=TORONTO)


BAND_DAYS = [
    # Monday 5 and Friday 9 October; Monday the 12th is Thanksgiving, so Sunday and Monday are one band.
    band_day(date(2026, 10, 5), (local(5), "off_peak"), (local(5, 8), "peak"), (local(5, 20), "off_peak"),
             (local(6, 8), "peak"), (local(6, 20), "off_peak"), until=local(7)),
    band_day(date(2026, 10, 9), (local(9), "off_peak"), (local(9, 8), "peak"), (local(9, 20), "off_peak"),
             (local(10), "weekend"), until=local(11)),
    band_day(date(2026, 10, 12), (local(12), "weekend"), (local(13), "off_peak"), (local(13, 8), "peak"),
             (local(13, 20), "off_peak"), until=local(14)),
    # Sunday 1 November has 25 hours: clocks go back at 2:00.
    band_day(date(2026, 11, 1), (local(1, month=11), "weekend"), (local(2, month=11), "off_peak"),
             (local(2, 8, month=11), "peak"), (local(2, 20, month=11), "off_peak"), until=local(3, month=11)),
]  # fmt: skip


def small_book(spark: SparkSession, amount_type: str = "BIGINT", currency: str = "CAD") -> PriceBook:
    """The book of the rows above."""
    plan = {"plan_id": "term", "name": "Term", "contract_type": "term", "charge_type": "postpaid"}
    given: dict[str, list[dict[str, Any]]] = {
        "price_plan": [plan],
        "price_zone": [{"zone_id": zone, "name": zone, "kind": kind} for zone, kind in ZONES.items()],
        "price_destination": destinations(),
        "price_own_range": [{"bucket": "141", "lo": 141620000000000, "hi": 141621000000000}],
        "price_roaming_zone": [{"country": "US", "roaming_zone": "us"}, {"country": "CA", "roaming_zone": "home"}],
        "price_rate_key": RATES,
        "price_carrier_key": COSTS,
        "price_band_day": BAND_DAYS,
        "price_discount": DISCOUNTS,
    }
    frames = {table: rows(spark, table, *given.get(table, [])) for table in PRICE_TABLES}
    version = {
        **PINS, "digest": "-", "name": "small", "currency": currency, "time_zone": "America/Toronto", "factor_den": 10,
        "discount_den": 20, "band_slots": SLOTS, "amount_type": amount_type,
    }  # fmt: skip
    return price_book(frames, version)


def line(msisdn: str, name: str, **other: Any) -> dict[str, Any]:
    """A line held since 2024 on plan term."""
    return {
        **VALID, "msisdn": msisdn, "subscription_id": f"s_{name}", "account_id": f"a_{name}",
        "contract_id": f"k_{name}", "plan_id": "term", "line_state": "active", **other,
    }  # fmt: skip


def account(name: str, currency: str = "CAD") -> dict[str, Any]:
    """An account with a customer of the same name."""
    return {
        "account_id": f"a_{name}", "customer_id": f"c_{name}", "currency": currency, "time_zone": "America/Toronto",
        "anchor_day": 1, "first_cycle_start": date(2026, 10, 1), "tax_jurisdiction": "CA-ON", "tax_exempt": False,
    }  # fmt: skip


def fact(name: str, is_student: bool, since: date, **validity: datetime) -> dict[str, Any]:
    """Facts of a customer."""
    return {**VALID, "customer_id": f"c_{name}", "is_student": is_student, "customer_since": since, **validity}


PLAIN, STUDENT, BOTH, MOVED, HELD, NO_PLAN, EURO = (f"+1416555000{n}" for n in range(7))
MOVED_AT = local(5, 12)
LINES = [
    line(PLAIN, "plain"), line(STUDENT, "student"), line(BOTH, "both"), line(MOVED, "first", valid_to=MOVED_AT),
    line(MOVED, "second", valid_from=MOVED_AT), line(HELD, "held", line_state="suspended"),
    line(NO_PLAN, "no_plan", plan_id=None), line(EURO, "euro"),
]  # fmt: skip
NEW = date(2026, 9, 30)
FACTS = [
    fact("plain", False, NEW), fact("student", True, NEW, valid_to=local(9)),
    fact("student", False, NEW, valid_from=local(9)),
    fact("both", True, date(2025, 10, 9)), fact("first", False, NEW), fact("second", False, NEW),
]  # fmt: skip


def small_reference(spark: SparkSession) -> Reference:
    """The lines, accounts and facts above."""
    accounts = [account(name) for name in ("plain", "student", "both", "first", "second", "held", "no_plan")]
    frames = {
        "ref_subscription": rows(spark, "ref_subscription", *LINES),
        "ref_account": rows(spark, "ref_account", *accounts, account("euro", "EUR")),
        "ref_customer_fact": rows(spark, "ref_customer_fact", *FACTS),
    }
    return reference(frames, PINS["snapshot_id"])


def event(
    event_id: str, service: str = "voice", used: int = 60, at: datetime | None = None, **other: Any
) -> dict[str, Any]:
    """An accepted usage event: by default a minute from PLAIN to a national number on Monday 5 October at 07:00."""
    at = at or local(5, 7)
    number = other.get("destination", None if service == "data" else "+14165559999")
    kind = None if number is None else "e164" if number.startswith("+") else "short"
    return {
        "batch_no": 1, "topic": "cdr.raw", "kafka_partition": 0, "kafka_offset": 0, "disposition": "accepted",
        "source": "sw1", "event_id": event_id, "event_hash": hash_of(event_id), "service": service, "started_at": at,
        "duration_s": used if service == "voice" else 0, "volume_bytes": used if service == "data" else 0,
        "msisdn": PLAIN, "destination": number, "destination_class": kind,
        "destination_country": None if number is None else "CA" if number.startswith("+1") else "GB",
        "call_type": None if number is None else "national" if number.startswith("+1") else "international",
        "rating_group": "web" if service == "data" else None, "roaming": False, "carrier_id": "c1",
        "call_outcome": {"voice": "answered", "data": None}.get(service, "delivered"),
        "event_month": f"{at.astimezone(timezone.utc):%Y-%m}", **other,
    }  # fmt: skip


def hash_of(event_id: str) -> int:
    """Any number that equal ids share; some unequal ids share it too."""
    return len(event_id)
