"""The columns of every price book file and how each cell is read. Source: docs/pricebook.md."""

from __future__ import annotations

from tollgate.reference import cells as c

SERVICES = ("voice", "sms", "mms", "data")
_DIGITS = c.whole(0, 6)
_ROUNDING = c.one_of("half_up", "up", "down")
_UNIT = c.one_of("second", "message", "byte")
_COUNTRY = c.matching("[A-Z]{2}", "an ISO country of two capital letters")
_CARRIER_COUNTRY = c.matching(r"[A-Z]{2}|001|\*", "an ISO country of two capital letters, 001 or *")
_CURRENCY = c.matching("[A-Z]{3}", "an ISO 4217 currency of three capital letters")
_PREFIX = c.matching("[1-9][0-9]{0,14}", "1 to 15 digits without + that do not start with 0")
_CARRIER_PREFIX = c.matching(r"[1-9][0-9]{0,14}|\*", "1 to 15 digits without + that do not start with 0, or *")
_UNITS = c.whole(1, 10**12)
_VALID: dict[str, c.Cell] = {"valid_from": c.instant, "valid_to": c.end_instant}
_QUANTITY: dict[str, c.Cell] = {
    "price": c.amount,
    "unit": _UNIT,
    "block": _UNITS,
    "initial": c.optional(_UNITS),
    "increment": _UNITS,
}

COLUMNS: dict[str, dict[str, c.Cell]] = {
    "operator": {"key": c.ident, "value": lambda text, _zone: text},
    "currency": {"currency": _CURRENCY, "minor_digits": c.one_of("0", "2", "3")},
    "plan": {
        "plan_id": c.ident,
        "name": c.words,
        "contract_type": c.one_of("term", "month_to_month", "prepaid"),
        "charge_type": c.one_of("postpaid", "prepaid"),
        "term_months": c.optional(c.whole(1, 1200)),
    },
    "zone": {
        "zone_id": c.ident,
        "name": c.words,
        "kind": c.one_of("home", "national", "international", "premium", "toll_free", "emergency", "special"),
    },
    "destination": {
        "prefix": c.matching(r"[0-9]{1,15}|\*", "1 to 15 digits without +, or *"),
        "match": c.one_of("prefix", "exact", "any"),
        "zone_id": c.ident,
        **_VALID,
    },
    "roaming_zone": {"country": _COUNTRY, "roaming_zone": c.ident},
    "rate": {
        "rate_id": c.ident,
        "plan_id": c.ident_or_all,
        "service": c.one_of(*SERVICES),
        "zone_id": c.ident_or_all,
        "roaming_zone": c.ident_or_all,
        "rating_group": c.ident_or_all,
        "direction": c.one_of("out", "in", c.ALL),
        "technology": c.one_of("2G", "3G", "4G", "5G", "FIXED", c.ALL),
        "slice": c.ident_or_all,
        **_QUANTITY,
        "connect_fee": c.optional(c.amount),
        "minimum": c.optional(c.amount),
        "maximum": c.optional(c.amount),
        "band_set": c.optional(c.ident),
        "split_at_validity": c.truth,
        "discountable": c.truth,
        "zero_rated": c.truth,
        "digits": _DIGITS,
        "rounding": _ROUNDING,
        "tax_category": c.ident,
        **_VALID,
    },
    "tier": {
        "rate_id": c.ident,
        "counts": c.one_of("line", "account"),
        "from_units": c.whole(1),
        "price": c.amount,
        "mode": c.optional(c.one_of("graduated", "volume")),
    },
    "segment": {"rate_id": c.ident, "from_units": c.whole(1), "price": c.amount},
    "time_band": {
        "band_set": c.ident,
        "band_id": c.ident,
        "priority": c.whole(0, 10**6),
        "weekdays": c.weekdays,
        "day_type": c.one_of("any", "holiday"),
        "from_date": c.optional(c.day),
        "to_date": c.optional(c.day),
        "from": c.clock_seconds,
        "to": c.clock_seconds,
        "factor": c.positive_ratio,
        "price": c.optional(c.amount),
        "connect_fee": c.optional(c.amount),
        "initial": c.optional(_UNITS),
        "increment": c.optional(_UNITS),
    },
    "holiday": {"calendar": c.ident, "date": c.day, "name": c.words},
    "discount": {
        "discount_id": c.ident,
        "name": c.words,
        "stage": c.one_of("rating", "billing"),
        "apply_order": c.whole(1, 10**6),
        "stacks": c.truth,
        "fact": c.one_of("student", "tenure_months", "everyone", "usage_net"),
        "threshold": c.amount,
        "plan_id": c.ident_or_all,
        "service": c.one_of(*SERVICES, c.ALL),
        "zone_id": c.ident_or_all,
        "applies_to": c.one_of("usage", "recurring", "all"),
        "percent": c.percent,
        **_VALID,
    },
    "carrier_rate": {
        "cost_id": c.ident,
        "carrier_id": c.ident_or_all,
        "service": c.one_of(*SERVICES),
        "call_type": c.one_of("local", "national", "international", "any", c.ALL),
        "country": _CARRIER_COUNTRY,
        "prefix": _CARRIER_PREFIX,
        **_QUANTITY,
        "connect_fee": c.optional(c.amount),
        "digits": _DIGITS,
        "rounding": _ROUNDING,
        "markup": c.optional(c.positive_ratio),
        "markup_digits": c.optional(_DIGITS),
        **_VALID,
    },
    "own_range": {"prefix": _PREFIX},
    "fee": {
        "fee_id": c.ident,
        "kind": c.one_of("recurring", "deposit", "invoice", "late_minimum"),
        "plan_id": c.ident_or_all,
        "name": c.words,
        "amount": c.amount,
        "proration": c.one_of("none", "days"),
        "tax_category": c.ident,
        **_VALID,
        "in_advance": c.optional(c.truth),
    },
    "allowance": {
        "allowance_id": c.ident,
        "plan_id": c.ident,
        "name": c.words,
        "service": c.one_of(*SERVICES, c.ALL),
        "zone_id": c.ident_or_all,
        "unit": c.one_of("second", "message", "byte", "currency"),
        "quantity": c.positive_ratio,
        "proration": c.one_of("none", "days"),
        **_VALID,
        "priority": c.optional(c.whole(1, 10**6)),
        "scope": c.optional(c.one_of("line", "account")),
        "band": c.optional(c.ident),
        "rollover_cycles": c.optional(c.whole(1, 24)),
        "rollover_cap": c.optional(c.positive_ratio),
    },
    "spend_limit": {
        "limit_id": c.ident,
        "kind": c.one_of("cap", "minimum"),
        "plan_id": c.ident_or_all,
        "name": c.words,
        "scope": c.one_of("line", "account"),
        "service": c.one_of(*SERVICES, c.ALL),
        "amount": c.amount,
        "tax_category": c.optional(c.ident),
        **_VALID,
    },
    "top_up": {
        "plan_id": c.ident,
        "opening_credit": c.amount,
        "below": c.amount,
        "amount": c.amount,
        "moment": c.one_of("event", "month_start"),
        **_VALID,
    },
    "tax": {
        "tax_id": c.ident,
        "jurisdiction": c.ident,
        "tax_category": c.ident,
        "name": c.words,
        "percent": c.tax_percent,
        **_VALID,
    },
}
# Columns that a file may leave out, as books that are older than them do; their cells are empty then.
OPTIONAL: dict[str, tuple[str, ...]] = {
    "fee": ("in_advance",),
    "tier": ("mode",),
    "allowance": ("priority", "scope", "band", "rollover_cycles", "rollover_cap"),
}
# Files that a folder may lack; they have no row then.
OPTIONAL_FILES = ("spend_limit", "top_up")
NEEDS_ROWS = ("operator", "currency", "plan", "zone")
OPERATOR_KEYS: dict[str, c.Cell] = {
    "name": c.words,
    "currency": _CURRENCY,
    "time_zone": c.time_zone,
    "holiday_calendar": c.optional(c.ident),
    "rating_groups": c.optional(c.matching("[A-Za-z0-9_-]+( [A-Za-z0-9_-]+)*", "ids separated by one space")),
    "bands_from": c.day,
    "bands_to": c.day,
}
