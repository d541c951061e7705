"""The contest against the common way: owners joined by Spark, the rest a Python function an event in a UDF.

Sanely written: tables as dictionaries that each worker has once, integers all along, no object an event that is not
needed.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.rating_input import read_version
from benchmarks.rating_native import RATING_NO, session
from benchmarks.rating_tables import tables

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_READ = (
    "service", "start_us", "roaming", "call_outcome", "duration_s", "volume_bytes", "destination",
    "destination_country", "call_type", "rating_group", "roaming_country", "carrier_id", "local_date", "line_state",
    "plan_id", "account_currency", "is_student", "loyal_since", "subscription_id",
)  # fmt: skip
_LONGS = "ARRAY<BIGINT>"
MADE = {
    "retail_status": "STRING", "suspense_reason": "STRING", "wholesale_status": "STRING", "call_type": "STRING",
    "zone_id": "STRING", "roaming_zone": "STRING", "prefix": "STRING", "rate_id": "STRING", "price_source": "STRING",
    "charged_units": "BIGINT", "unit": "STRING", "block_units": "BIGINT", "increment_units": "BIGINT",
    "unit_price_micros": "BIGINT", "connect_fee_micros": "BIGINT", "minimum_micros": "BIGINT",
    "maximum_micros": "BIGINT", "piece_units": _LONGS, "piece_band": "ARRAY<STRING>", "piece_price_micros": _LONGS,
    "piece_factor_num": _LONGS, "factor_den": "BIGINT", "discount_ids": "ARRAY<STRING>", "discount_num": "BIGINT",
    "discount_den": "BIGINT", "numerator": "DECIMAL(38,0)", "denominator": "DECIMAL(38,0)", "digits": "INT",
    "rounding": "STRING", "list_price": "DECIMAL(18,6)", "charge": "DECIMAL(18,6)", "tax_category": "STRING",
    "cost_id": "STRING", "cost_numerator": "DECIMAL(38,0)", "cost_denominator": "DECIMAL(38,0)",
    "cost": "DECIMAL(18,6)", "margin": "DECIMAL(18,6)",
}  # fmt: skip
_OF_A_PRICE = list(MADE)[list(MADE).index("rate_id") : list(MADE).index("tax_category") + 1]
_UNITS = {"voice": "second", "data": "byte"}


def rate(folder: Path, out: str) -> None:
    """Rated rows of the input as Parquet files under `out`."""
    from pyspark.sql import functions as F

    from tollgate.platform.lake import contract

    spark = session()
    version = read_version(folder)
    book = spark.sparkContext.broadcast(tables(folder, version))
    made = ", ".join(f"{name}: {kind}" for name, kind in MADE.items())
    price = F.udf(lambda *event: priced(book.value, *event), f"STRUCT<{made}>")
    rated = _owned(spark, folder, version["time_zone"]).withColumn("made", price(*_READ))
    constant = {
        "rating_no": RATING_NO, "revision": 1, "kind": "'original'", "corrects": "NULL", "pricebook_version": 1,
        "snapshot_id": 1, "currency": f"'{version['currency']}'", "initial_units": "made.increment_units",
    }  # fmt: skip
    rows = [
        F.expr(str(constant.get(field.name, f"made.{field.name}" if field.name in MADE else field.name)))
        .cast(field.dataType)
        .alias(field.name)
        for field in contract("rated_usage")
    ]
    rated.select(*rows).write.mode("overwrite").parquet(out)


def _owned(spark: SparkSession, folder: Path, time_zone: str) -> DataFrame:
    views = ("usage", "ref_subscription", "ref_account", "ref_customer_fact")
    for view in views:
        spark.read.parquet(str(folder / view)).createOrReplaceTempView(view)
    return spark.sql(f"""
        SELECT usage.*, line.subscription_id, line.account_id, line.contract_id, line.plan_id, line.line_state,
          account.customer_id, account.currency AS account_currency, fact.is_student,
          unix_micros(started_at) AS start_us,
          CAST(to_date(from_utc_timestamp(started_at, '{time_zone}')) AS STRING) AS local_date,
          CAST(add_months(fact.customer_since, 12) AS STRING) AS loyal_since
        FROM usage
        LEFT JOIN ref_subscription line ON line.msisdn = usage.msisdn
          AND line.valid_from <= started_at AND started_at < line.valid_to
        LEFT JOIN ref_account account ON account.account_id = line.account_id
        LEFT JOIN ref_customer_fact fact ON fact.customer_id = account.customer_id
          AND fact.valid_from <= started_at AND started_at < fact.valid_to""")


def priced(
    book: dict[str, Any], service: str, start_us: int, roaming: bool, call_outcome: str | None, duration_s: int,
    volume_bytes: int, destination: str | None, country: str | None, call_type: str | None, group: str | None,
    roaming_country: str | None, carrier_id: str | None, local_date: str, line_state: str | None, plan_id: str | None,
    account_currency: str | None, is_student: bool | None, loyal_since: str | None, subscription_id: str | None,
) -> tuple[Any, ...]:  # fmt: skip
    """The columns MADE of one event."""
    is_silent = _is_silent(service, call_outcome, duration_s)
    zone_id, prefix = ("home", None) if service == "data" else _place(book, destination, start_us)
    roaming_zone = book["visited"].get(roaming_country) if roaming else "home"
    if roaming or destination is None:
        call_type = None
    elif any(lo <= int(destination[1:].ljust(15, "0")) < hi for lo, hi in book["own"]):
        call_type = "on_net"
    is_free = is_silent or call_type == "on_net" or book["kinds"].get(zone_id) in ("toll_free", "emergency", "special")
    used = {"second": duration_s, "byte": volume_bytes, "message": 1}
    cost_row = exact_cost = cost = None
    if not is_free and not roaming:
        cost_row = _cost_row(book, carrier_id, service, call_type, country, start_us)
    if cost_row:
        exact_cost = _steps(used[cost_row["unit"]], cost_row["increment_units"]) * cost_row["unit_price_micros"]
        cost = _rounded(exact_cost, cost_row["block_units"], cost_row["digits"], cost_row["rounding"])
    wholesale = "not_applicable" if is_free else "no_carrier_rate" if cost is None else "costed"

    plan = plan_id if plan_id in book["plans"] else None
    place = (plan, service, zone_id, roaming_zone, group if service == "data" else "none")
    rate = _in_force(book["rates"].get(place), start_us)
    is_marked_up = bool(
        rate is None and zone_id and roaming_zone and cost_row and cost is not None and cost_row["markup_num"]
    )
    if is_marked_up:
        rate = _marked_up(cost_row)
    made = dict.fromkeys(MADE)
    made.update(
        wholesale_status=wholesale, call_type=call_type, zone_id=zone_id, roaming_zone=roaming_zone, prefix=prefix
    )
    if cost is not None:
        made.update(
            cost_id=cost_row["cost_id"], cost_numerator=Decimal(exact_cost), cost=Decimal(cost).scaleb(-6),
            cost_denominator=Decimal(cost_row["block_units"]),
        )  # fmt: skip
    is_zero = is_silent or bool(rate and rate["is_zero_rated"])
    day = book["days"].get((rate["band_set"], local_date)) if rate and rate["band_set"] and not is_zero else None
    has_no_band = bool(not is_zero and rate and rate["band_set"] and day is None)
    reasons = (
        ("no_subscriber", subscription_id is None), ("suspended_line", line_state != "active"),
        ("no_plan", plan is None), ("no_zone", zone_id is None or roaming_zone is None), ("no_band", has_no_band),
        ("no_rate", not is_silent and rate is None), ("currency_mismatch", account_currency != book["currency"]),
    )  # fmt: skip
    reason = next((name for name, holds in reasons if holds), None)
    made["suspense_reason"] = reason
    made["retail_status"] = "suspended" if reason else "zero_rated" if is_zero else "rated"
    if reason is None:
        facts = {"student": bool(is_student), "tenure_months": loyal_since is not None and local_date >= loyal_since}
        made.update(_price(book, rate, cost_row, day, service, start_us, used, is_silent, is_zero, is_marked_up, facts))
        if cost is not None:
            made["margin"] = made["charge"] - made["cost"]
    return tuple(made.values())


def _price(
    book: dict[str, Any], rate: dict[str, Any] | None, cost_row: dict[str, Any] | None, day: dict[str, Any] | None,
    service: str, start_us: int, used: dict[str, int], is_silent: bool, is_zero: bool, is_marked_up: bool,
    facts: dict[str, bool],
) -> dict[str, Any]:  # fmt: skip
    """The columns of a price, of an event that has one or needs none."""
    unit = rate["unit"] if rate else _UNITS.get(service, "message")
    charged = 0 if is_silent or rate is None else _steps(used[unit], rate["increment_units"])
    factor, factor_den, band = 1, 1, "flat"
    if is_marked_up and cost_row:
        factor, factor_den, band = cost_row["markup_num"], cost_row["markup_den"], "markup"
    pieces = [(charged, band, factor)] if charged else []
    if day is not None:
        factor_den, pieces, start_s = book["factor_den"], [], start_us // 1_000_000
        for opens, closes, name, numerator in zip(
            day["edge_s"], day["edge_s"][1:], day["band_id"], day["factor_num"], strict=False
        ):
            units = min(start_s + charged, closes) - max(start_s, opens)
            if units > 0:
                pieces.append((units, name, numerator))
    kept, kept_of, ids = 1, 1, []
    if rate and rate["is_discountable"] and not is_zero:
        for name, fact, keep in book["discounts"]:
            if facts[fact]:
                kept, kept_of = kept * keep, kept_of * book["discount_den"]
                ids.append(name)
    price = rate["unit_price_micros"] if rate else None
    made = {
        "price_source": None if rate is None else "markup" if is_marked_up else "rate",
        "charged_units": charged, "unit": unit, "factor_den": factor_den,
        "piece_units": [units for units, _, _ in pieces], "piece_band": [name for _, name, _ in pieces],
        "piece_price_micros": [price] * len(pieces), "piece_factor_num": [number for _, _, number in pieces],
        "discount_ids": ids, "discount_num": kept, "discount_den": kept_of, "numerator": Decimal(0),
        "denominator": Decimal(1), "list_price": Decimal(0), "charge": Decimal(0),
        "tax_category": (rate and rate["tax_category"]) or "standard",
    }  # fmt: skip
    if rate:
        same = ("rate_id", "unit_price_micros", "block_units", "increment_units", "connect_fee_micros")
        made.update({name: rate[name] for name in (*same, "minimum_micros", "maximum_micros", "digits", "rounding")})
    if rate and not is_zero:
        scale = rate["block_units"] * factor_den
        exact = sum(units * number for units, _, number in pieces) * price + scale * rate["connect_fee_micros"]
        if rate["minimum_micros"] is not None:
            exact = max(exact, scale * rate["minimum_micros"])
        if rate["maximum_micros"] is not None:
            exact = min(exact, scale * rate["maximum_micros"])
        made["numerator"], made["denominator"] = Decimal(exact * kept), Decimal(scale * kept_of)
        for name, over, under in (("list_price", exact, scale), ("charge", exact * kept, scale * kept_of)):
            made[name] = Decimal(_rounded(over, under, rate["digits"], rate["rounding"])).scaleb(-6)
    return made


def _cost_row(
    book: dict[str, Any], carrier: str | None, service: str, call_type: str | None, country: str | None, at: int
) -> dict[str, Any] | None:
    """The carrier's row of the country, else its default."""
    is_data = service == "data"
    key = (carrier, service, "any" if is_data else call_type)
    found: dict[str, Any] | None = _in_force(book["costs"].get((*key, "*" if is_data else country)), at)
    return found or _in_force(book["costs"].get((*key, "*")), at)


def _marked_up(cost_row: dict[str, Any]) -> dict[str, Any]:
    """The rate that a carrier's row is where nothing is sold."""
    return {
        **cost_row, "rate_id": None, "connect_fee_micros": 0, "minimum_micros": None, "maximum_micros": None,
        "band_set": None, "is_discountable": False, "is_zero_rated": False, "digits": cost_row["markup_digits"],
        "tax_category": None,
    }  # fmt: skip


def _is_silent(service: str, outcome: str | None, duration_s: int) -> bool:
    if service == "voice":
        return duration_s == 0 or outcome not in ("answered", "dropped", None)
    return service in ("sms", "mms") and outcome == "failed"


def _place(book: dict[str, Any], destination: str | None, at: int) -> tuple[str | None, str | None]:
    """Zone and prefix of the longest prefix of the number."""
    if destination is not None:
        for length in book["lengths"]:
            prefix = destination[1 : 1 + length]
            zone = _in_force(book["places"].get(prefix), at)
            if zone is not None:
                return zone, prefix
    return None, None


def _in_force(rows: list[tuple[int, int, Any]] | None, at: int) -> Any:
    for start, end, row in rows or ():
        if start <= at < end:
            return row
    return None


def _steps(used: int, increment: int) -> int:
    return (used + increment - 1) // increment * increment


def _rounded(numerator: int, denominator: int, digits: int, mode: str) -> int:
    step = 10 ** (6 - digits)
    divisor = denominator * step
    added = {"half_up": divisor, "up": 2 * divisor - 2, "down": 0}[mode]
    return int((2 * numerator + added) // (2 * divisor) * step)
