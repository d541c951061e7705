"""A small operator by hand: accounts, contracts, rated rows and a price book as frames, for tests of billing."""

from __future__ import annotations

from datetime import date, datetime, timezone
from decimal import Decimal
from fractions import Fraction
from typing import Any

from frames import small_frame
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from tollgate.billing.bill import Bill, PostedRuns, bill_cycle
from tollgate.platform.lake import contract, kept
from tollgate.reference.frames import PriceBook, Reference, price_book, reference

SINCE, OPEN = datetime(2024, 1, 1, tzinfo=timezone.utc), datetime(9999, 12, 31, tzinfo=timezone.utc)
UNITS = {"voice": ("second", 60), "sms": ("message", 1), "mms": ("message", 1), "data": ("byte", 1_000_000)}
ALWAYS = {"pricebook_version": 1, "valid_from": SINCE, "valid_to": OPEN}
PRICES = {"term": 100_000, "month_to_month": 50_000, "prepaid": 25_000, "by_event": 25_000}


def at(text: str) -> datetime:
    """An instant written as 2025-05-03T12:00 in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc)


def frame(spark: SparkSession, table: str, rows: list[dict[str, Any]]) -> DataFrame:
    """Rows of a contract; columns that a row leaves out are NULL."""
    schema = contract(table)
    return small_frame(spark, [tuple(row.get(name) for name in schema.names) for row in rows], schema)


def account(account_id: str, **fields: Any) -> dict[str, Any]:
    """A row of ref_account: CAD, Toronto, anchored on the first, Ontario."""
    usual = {
        "snapshot_id": 1, "customer_id": f"C{account_id}", "currency": "CAD", "time_zone": "America/Toronto",
        "anchor_day": 1,
        "first_cycle_start": date(2025, 5, 1), "tax_jurisdiction": "CA-ON", "tax_exempt": False,
    }  # fmt: skip
    return {**usual, "account_id": account_id, **fields}


def agreement(
    account_id: str, plan_id: str = "term", starts_on: date = date(2025, 1, 1), **fields: Any
) -> dict[str, Any]:
    """A row of ref_contract for line S<account>; contract K<account>."""
    usual = {"snapshot_id": 1, "contract_id": f"K{account_id}", "subscription_id": f"S{account_id}"}
    return {**usual, "account_id": account_id, "plan_id": plan_id, "starts_on": starts_on, **fields}


def usage(
    account_id: str, event_id: str, started_at: datetime, units: int, service: str = "voice", **fields: Any
) -> dict[str, Any]:
    """A rated row at home in Canada, flat: `units` charged at 0.10 a minute (0.05 month-to-month), 0.05 a message or
    0.01 per MB.

    Pass piece_units and piece_factor_num (over factor_den 10) for bands, and what else differs.
    """
    plan_id = fields.get("plan_id", "term")
    unit, block = UNITS[service]
    price = fields.get(
        "unit_price_micros",
        {"voice": PRICES.get(plan_id, 100_000), "sms": 50_000, "mms": 300_000, "data": 10_000}[service],
    )
    pieces, factors = fields.get("piece_units") or [units], fields.get("piece_factor_num") or [10]
    den = block * 10 * fields.get("discount_den", 1)
    connect = fields.get("connect_fee_micros", 0)
    exact = sum(u * f for u, f in zip(pieces, factors, strict=True)) * price + connect * block * 10
    exact = max(exact, (fields.get("minimum_micros") or 0) * block * 10) * fields.get("discount_num", 1)
    charge = Decimal((2 * exact + den * 100) // (2 * den * 100)) / 10_000
    usual = {
        "rating_no": 1, "batch_no": 1, "source": "switch", "event_id": event_id, "event_hash": 0, "revision": 1,
        "kind": "original",
        "retail_status": "rated", "wholesale_status": "not_applicable", "started_at": started_at, "service": service,
        "account_id": account_id, "customer_id": f"C{account_id}", "subscription_id": f"S{account_id}",
        "contract_id": f"K{account_id}",
        "plan_id": plan_id, "zone_id": "home" if service == "data" else "national", "roaming_zone": "home",
        "rate_id": "r",
        "price_source": "rate", "currency": "CAD", "charged_units": units, "unit": unit, "block_units": block,
        "increment_units": block,
        "unit_price_micros": price, "connect_fee_micros": connect, "piece_units": pieces,
        "piece_band": ["flat"] * len(pieces),
        "piece_factor_num": factors, "factor_den": 10, "discount_ids": [], "discount_num": 1, "discount_den": 1,
        "numerator": Decimal(exact), "denominator": Decimal(den), "digits": 4, "rounding": "half_up",
        "list_price": charge,
        "charge": charge, "tax_category": "standard", "pricebook_version": 1, "snapshot_id": 1,
        "event_month": f"{started_at:%Y-%m}",
    }  # fmt: skip
    return {**usual, **fields}


def fee(fee_id: str, kind: str, plan_id: str, amount: int, proration: str = "none", **fields: Any) -> dict[str, Any]:
    """A row of price_fee; amount in the currency."""
    row = {
        **ALWAYS,
        "fee_id": fee_id,
        "kind": kind,
        "plan_id": plan_id,
        "name": fee_id,
        "amount_micros": amount * 1_000_000,
    }
    return {**row, "proration": proration, "tax_category": "none" if kind == "deposit" else "standard", **fields}


def allowance(
    allowance_id: str, plan_id: str, service: str, quantity: int, proration: str = "none", **fields: Any
) -> dict[str, Any]:
    """A row of price_allowance at home in Canada."""
    row = {**ALWAYS, "allowance_id": allowance_id, "plan_id": plan_id, "name": allowance_id, "service": service}
    zone = "home" if service == "data" else "national"
    unit = fields.get("unit") or UNITS[service][0]
    return {**row, "zone_id": zone, "unit": unit, "quantity": quantity, "proration": proration, **fields}


def discount(
    discount_id: str, apply_order: int, percent: int, threshold: str | None = None, **fields: Any
) -> dict[str, Any]:
    """A row of price_bill_discount that stacks, on usage, of everyone or from a threshold in the currency on."""
    kept = Fraction(100 - percent, 100)
    usual = {
        "name": discount_id, "stacks": True, "plan_id": "*", "applies_to": "usage",
        "fact": "everyone" if threshold is None else "usage_net",
        "threshold_micros": int(Fraction(threshold or 0) * 1_000_000),
        "keep_num": kept.numerator, "keep_den": kept.denominator,
    }  # fmt: skip
    return {**ALWAYS, **usual, "discount_id": discount_id, "apply_order": apply_order, **fields}


def charge(adjustment_id: str, account_id: str, amount: str, effective_on: date, **fields: Any) -> dict[str, Any]:
    """A row of ref_adjustment: a one-off charge, or a credit below 0, in one instalment."""
    usual = {"snapshot_id": 1, "description": adjustment_id, "tax_category": "standard", "instalments": 1}
    row = {"adjustment_id": adjustment_id, "account_id": account_id, "amount": Decimal(amount)}
    return {**usual, **row, "effective_on": effective_on, **fields}


def spend_limit(limit_id: str, kind: str, plan_id: str, scope: str, amount: str, **fields: Any) -> dict[str, Any]:
    """A row of price_spend_limit on usage of every service; amount in the currency."""
    usual = {"name": limit_id, "service": "*", "amount_micros": int(Decimal(amount) * 1_000_000)}
    return {**ALWAYS, **usual, "limit_id": limit_id, "kind": kind, "plan_id": plan_id, "scope": scope, **fields}


def top_up(
    plan_id: str, credit: str = "100", moment: str = "event", below: str = "10", amount: str = "25"
) -> dict[str, Any]:
    """A row of price_top_up; amounts in the currency."""
    micros = {"opening_credit_micros": credit, "below_micros": below, "amount_micros": amount}
    row = {name: int(Decimal(text) * 1_000_000) for name, text in micros.items()}
    return {**ALWAYS, "plan_id": plan_id, "moment": moment, **row}


def tiers(rate_id: str, counts: str, *prices: tuple[int, str]) -> list[dict[str, Any]]:
    """Rows of price_tier of a rate: (units of the cycle, price from there on)."""
    ends = [start for start, _ in prices[1:]] + [None]
    return [
        {"pricebook_version": 1, "rate_id": rate_id, "counts": counts, "from_units": start, "to_units": end,
         "unit_price_micros": int(Decimal(price) * 1_000_000)}
        for (start, price), end in zip(prices, ends, strict=True)
    ]  # fmt: skip


TERM_BOOK = {
    "fee": [fee("term_fee", "recurring", "term", 20), fee("mtm_fee", "recurring", "month_to_month", 50),
            fee("term_deposit", "deposit", "term", 300)],
    "allowance": [allowance("term_voice", "term", "voice", 6000)],
    "tax": [],
}  # fmt: skip
HST = {
    **ALWAYS,
    "tax_id": "hst_on",
    "jurisdiction": "CA-ON",
    "tax_category": "standard",
    "name": "HST",
    "rate_ppm": 130_000,
}


def book_of(spark: SparkSession, rows: dict[str, list[dict[str, Any]]], currency: str = "CAD") -> PriceBook:
    """A price book with the given fee, allowance, tax, bill_discount and top_up rows."""
    zones = [
        {"pricebook_version": 1, "zone_id": zone, "name": zone.title(), "kind": "home"}
        for zone in ("home", "national", "europe")
    ]
    currencies = [
        {"pricebook_version": 1, "currency": name, "minor_digits": digits}
        for name, digits in (("CAD", 2), ("JPY", 0), ("KWD", 3))
    ]
    tables = {
        f"price_{name}": rows.get(name, [])
        for name in ("fee", "allowance", "tax", "bill_discount", "spend_limit", "top_up")
    }
    tables |= {"price_zone": zones, "price_currency": currencies}
    version = {
        "pricebook_version": 1, "digest": "", "name": "small", "currency": currency, "time_zone": "America/Toronto",
        "factor_den": 10,
        "discount_den": 20, "band_slots": 3, "amount_type": "BIGINT",
        "features": [*(["rollover"] if any(row.get("age") for row in tables["price_allowance"]) else []),
                     *(["spend_limits"] if tables["price_spend_limit"] else [])],
        **{name: max((row.get("slot") or 1 for row in tables["price_allowance"]
                      if (row["unit"] == "currency") == (name == "money_slots")), default=0)
           for name in ("allowance_slots", "money_slots")},
    }  # fmt: skip
    return price_book({name: frame(spark, name, of) for name, of in tables.items()}, version)


def reference_of(
    spark: SparkSession, accounts: list[dict[str, Any]], contracts: list[dict[str, Any]], **more: list[dict[str, Any]]
) -> Reference:
    """A snapshot of accounts, contracts, and what else billing reads, which is empty unless given by its name."""
    rows = {
        "account": accounts,
        "contract": contracts,
        "adjustment": [],
        "account_jurisdiction": [],
        "tax_exemption": [],
    }
    rows |= more
    return reference({f"ref_{name}": frame(spark, f"ref_{name}", of) for name, of in rows.items()}, 1)


def posted_before(
    spark: SparkSession, usage_rows: DataFrame | None = None, runs: list[tuple[Any, ...]] | None = None,
    parked: list[tuple[str, str]] | None = None, lines: DataFrame | None = None, prepaid: DataFrame | None = None,
) -> PostedRuns:  # fmt: skip
    """Earlier posted runs: (run_id, cycle, as_of), parked accounts, billed_usage, invoice_line with its cycle, and
    prepaid_balance."""
    no_lines = frame(spark, "invoice_line", []).withColumn("cycle", F.lit("2025-05"))
    return PostedRuns(
        small_frame(spark, runs or [], "run_id STRING, cycle STRING, as_of TIMESTAMP"),
        small_frame(spark, parked or [], "run_id STRING, account_id STRING"),
        usage_rows if usage_rows is not None else frame(spark, "billed_usage", []),
        no_lines if lines is None else lines,
        frame(spark, "prepaid_balance", []) if prepaid is None else prepaid,
    )


def bill_may(
    spark: SparkSession, accounts: list[dict[str, Any]], contracts: list[dict[str, Any]], rated: list[dict[str, Any]],
    book: dict[str, list[dict[str, Any]]] | None = None, posted: PostedRuns | None = None,
    more: dict[str, list[dict[str, Any]]] | None = None, currency: str = "CAD", **options: Any,
) -> Bill:  # fmt: skip
    """The bill of May 2025, or of the cycle that `options` name, its frames kept as the job keeps them.

    more: further tables of the snapshot, by name. currency: of the book.
    """
    options = {"cycle": "2025-05", "as_of": at("2025-07-15T00:00"), "rating_no": 9, "keep": kept, **options}
    return bill_cycle(
        rated=frame(spark, "rated_usage", rated), reference=reference_of(spark, accounts, contracts, **(more or {})),
        book=book_of(spark, book or TERM_BOOK, currency),
        posted=posted or posted_before(spark), **options,
    )  # fmt: skip
