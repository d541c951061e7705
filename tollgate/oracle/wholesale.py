"""The wholesale leg: what the carrier is paid for an event, and the retail mark-up on it."""

from __future__ import annotations

from typing import NamedTuple

from tollgate.oracle.amounts import round_micros
from tollgate.oracle.book import PriceBook
from tollgate.oracle.charge import charged_units
from tollgate.oracle.rows import CarrierRate, Usage

AREA_CODE_LENGTH = 5  # "+1416"
KINDS_WITHOUT_CARRIER = ("toll_free", "emergency", "special")


class Cost(NamedTuple):
    """Status and cost of the wholesale leg; amounts in millionths, exact cost = numerator / denominator."""

    status: str
    row: CarrierRate | None = None
    units: int | None = None
    numerator: int | None = None
    denominator: int | None = None
    cost: int | None = None


NOT_APPLICABLE = Cost("not_applicable")
NO_CARRIER_RATE = Cost("no_carrier_rate")


def call_type_of(usage: Usage, book: PriceBook) -> str | None:
    """on_net, local, national or international; None for data, roaming events, short codes and unassigned numbers."""
    number = usage.destination
    if usage.service == "data" or usage.roaming or number is None or not number.startswith("+"):
        return None
    if book.is_own(number):
        return "on_net"
    if usage.destination_country is None:
        return None
    if not book.is_home_country(usage.destination_country):
        return "international"
    served = usage.msisdn or ""
    is_local = number.startswith("+1") and served[:AREA_CODE_LENGTH] == number[:AREA_CODE_LENGTH]
    return "local" if is_local else "national"


def cost_of(
    usage: Usage, book: PriceBook, at: int, call_type: str | None, zone_kind: str | None, completed: bool
) -> Cost:
    """The carrier's price of the event, whatever its retail status is.

    An event that did not take place has no such leg, nor has what was received at home: the other side pays for it. A
    missing price is a status, never a cost of 0.
    """
    if not completed or zone_kind in KINDS_WITHOUT_CARRIER:
        return NOT_APPLICABLE
    if usage.roaming:
        return NO_CARRIER_RATE
    if call_type == "on_net" or (usage.direction == "in" and usage.service != "data"):
        return NOT_APPLICABLE
    if usage.service == "data":
        row = book.carrier_rate(usage, "any", at)
    elif call_type is None:
        return NO_CARRIER_RATE
    else:
        row = book.carrier_rate(usage, call_type, at)
    if row is None:
        return NO_CARRIER_RATE
    units = charged_units(usage, row.unit, row.initial, row.increment)
    numerator = units * row.price + row.connect_fee * row.block
    return Cost(
        "costed", row, units, numerator, row.block, round_micros(numerator, row.block, row.digits, row.rounding)
    )


def mark_up(cost: Cost) -> tuple[int, int]:
    """Exact retail charge in millionths, (numerator, denominator): the unrounded cost, fee included, times mark-up."""
    row = cost.row
    assert row is not None and row.markup is not None and cost.numerator is not None
    return cost.numerator * row.markup.numerator, row.block * row.markup.denominator
