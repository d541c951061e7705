"""One line of each sheet of the price book as a typed row; the columns are those of docs/pricebook.md."""

from __future__ import annotations

from tollgate.oracle.month_rows import Allowance, SpendLimit
from tollgate.oracle.rows import (
    CarrierRate,
    Destination,
    Discount,
    Fee,
    Plan,
    Rate,
    Segment,
    Tax,
    Tier,
    TimeBand,
    TopUp,
)
from tollgate.oracle.sheet import Cells


def plan(cells: Cells) -> Plan:
    """A line of plan.csv."""
    text = cells.text
    return Plan(
        text("plan_id"), text("name"), text("contract_type"), text("charge_type"), cells.whole_or_none("term_months")
    )


def destination(cells: Cells) -> tuple[str, Destination]:
    """A line of destination.csv: how it matches (prefix, exact or any), and the row."""
    row = Destination(cells.text("prefix"), cells.text("zone_id"), cells.since(), cells.until())
    return cells.text("match"), row


def rate(cells: Cells) -> Rate:
    """A line of rate.csv."""
    return Rate(
        rate_id=cells.text("rate_id"),
        plan_id=cells.text("plan_id"),
        service=cells.text("service"),
        zone_id=cells.text("zone_id"),
        roaming_zone=cells.text("roaming_zone"),
        rating_group=cells.text("rating_group"),
        direction=cells.text("direction"),
        technology=cells.text("technology"),
        slice=cells.text("slice"),
        price=cells.micros("price"),
        unit=cells.text("unit"),
        block=cells.whole("block"),
        initial=_initial(cells),
        increment=cells.whole("increment"),
        connect_fee=cells.micros_or_none("connect_fee") or 0,
        minimum=cells.micros_or_none("minimum"),
        maximum=cells.micros_or_none("maximum"),
        band_set=cells.text_or_none("band_set"),
        discountable=cells.flag("discountable"),
        zero_rated=cells.flag("zero_rated"),
        digits=cells.whole("digits"),
        rounding=cells.text("rounding"),
        tax_category=cells.text("tax_category"),
        split_at_validity=cells.flag("split_at_validity"),
        valid_from=cells.since(),
        valid_to=cells.until(),
    )


def segment(cells: Cells) -> Segment:
    """A line of segment.csv."""
    return Segment(cells.text("rate_id"), cells.whole("from_units"), cells.micros("price"))


def tier(cells: Cells) -> Tier:
    """A line of tier.csv."""
    mode = cells.if_there("mode") or "graduated"
    return Tier(cells.text("rate_id"), cells.text("counts"), cells.whole("from_units"), cells.micros("price"), mode)


def carrier_rate(cells: Cells) -> CarrierRate:
    """A line of carrier_rate.csv."""
    return CarrierRate(
        cost_id=cells.text("cost_id"),
        carrier_id=cells.text("carrier_id"),
        service=cells.text("service"),
        call_type=cells.text("call_type"),
        country=cells.text("country"),
        prefix=cells.text("prefix"),
        price=cells.micros("price"),
        unit=cells.text("unit"),
        block=cells.whole("block"),
        initial=_initial(cells),
        increment=cells.whole("increment"),
        connect_fee=cells.micros_or_none("connect_fee") or 0,
        digits=cells.whole("digits"),
        rounding=cells.text("rounding"),
        markup=cells.fraction_or_none("markup"),
        markup_digits=cells.whole_or_none("markup_digits"),
        valid_from=cells.since(),
        valid_to=cells.until(),
    )


def discount(cells: Cells) -> Discount:
    """A line of discount.csv."""
    fact = cells.text("fact")
    return Discount(
        discount_id=cells.text("discount_id"),
        stage=cells.text("stage"),
        apply_order=cells.whole("apply_order"),
        stacks=cells.flag("stacks"),
        fact=fact,
        threshold=cells.micros("threshold") if fact == "usage_net" else int(cells.fraction("threshold")),
        plan_id=cells.text("plan_id"),
        service=cells.text("service"),
        zone_id=cells.text("zone_id"),
        applies_to=cells.text("applies_to"),
        keep=1 - cells.share_of_percent("percent"),
        valid_from=cells.since(),
        valid_to=cells.until(),
    )


def time_band(cells: Cells) -> TimeBand:
    """A line of time_band.csv."""
    return TimeBand(
        band_set=cells.text("band_set"),
        band_id=cells.text("band_id"),
        priority=cells.whole("priority"),
        weekdays=frozenset(int(day) for day in cells.text("weekdays")),
        day_type=cells.text("day_type"),
        from_day=cells.day_or_none("from_date"),
        to_day=cells.day_or_none("to_date"),
        from_s=cells.second_of_day("from"),
        to_s=cells.second_of_day("to"),
        factor=cells.fraction("factor"),
        price=cells.micros_or_none("price"),
        connect_fee=cells.micros_or_none("connect_fee"),
        initial=cells.whole_or_none("initial"),
        increment=cells.whole_or_none("increment"),
    )


def allowance(cells: Cells) -> Allowance:
    """A line of allowance.csv."""
    count = cells.micros_or_none if cells.text("unit") == "currency" else cells.whole_or_none
    return Allowance(
        allowance_id=cells.text("allowance_id"),
        plan_id=cells.text("plan_id"),
        name=cells.text("name"),
        service=cells.text("service"),
        zone_id=cells.text("zone_id"),
        unit=cells.text("unit"),
        quantity=count("quantity") or 0,
        proration=cells.text("proration"),
        valid_from=cells.since(),
        valid_to=cells.until(),
        priority=int(cells.if_there("priority") or 1),
        scope=cells.if_there("scope") or "line",
        band=cells.if_there("band"),
        rollover_cycles=int(cells.if_there("rollover_cycles") or 0),
        rollover_cap=count("rollover_cap") if cells.if_there("rollover_cap") else None,
    )


def fee(cells: Cells) -> Fee:
    """A line of fee.csv."""
    return Fee(
        fee_id=cells.text("fee_id"),
        kind=cells.text("kind"),
        plan_id=cells.text("plan_id"),
        name=cells.text("name"),
        amount=cells.micros("amount"),
        proration=cells.text("proration"),
        tax_category=cells.text("tax_category"),
        valid_from=cells.since(),
        valid_to=cells.until(),
        in_advance=cells.if_there("in_advance") == "true",
    )


def spend_limit(cells: Cells) -> SpendLimit:
    """A line of spend_limit.csv."""
    return SpendLimit(
        limit_id=cells.text("limit_id"),
        kind=cells.text("kind"),
        plan_id=cells.text("plan_id"),
        scope=cells.text("scope"),
        service=cells.text("service"),
        amount=cells.micros("amount"),
        tax_category=cells.text_or_none("tax_category"),
        valid_from=cells.since(),
        valid_to=cells.until(),
    )


def top_up(cells: Cells) -> TopUp:
    """A line of top_up.csv."""
    return TopUp(
        plan_id=cells.text("plan_id"),
        opening_credit=cells.micros("opening_credit"),
        below=cells.micros("below"),
        amount=cells.micros("amount"),
        moment=cells.text("moment"),
        valid_from=cells.since(),
        valid_to=cells.until(),
    )


def tax(cells: Cells) -> Tax:
    """A line of tax.csv."""
    return Tax(
        tax_id=cells.text("tax_id"),
        jurisdiction=cells.text("jurisdiction"),
        tax_category=cells.text("tax_category"),
        rate=cells.share_of_percent("percent"),
        valid_from=cells.since(),
        valid_to=cells.until(),
    )


def _initial(cells: Cells) -> int:
    """The first step of charging; empty: as long as the later ones."""
    found = cells.whole_or_none("initial")
    return cells.whole("increment") if found is None else found
