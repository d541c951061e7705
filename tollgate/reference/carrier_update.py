"""Carrier prices put into carrier_rate.csv: what stands there already, what contradicts, what ends where they begin."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from tollgate.reference.carrier_table import CELLS, Line, TableFinding, TablePrice, cost_id
from tollgate.reference.pricebook_columns import SERVICES
from tollgate.reference.pricebook_files import SourceBook
from tollgate.reference.rate_keys import COST_CELLS, Key


@dataclass
class CarrierUpdate:
    """Every line of carrier_rate.csv as it is to be, and how it comes about; to be used only without findings.

    unchanged: prices that the file says already; shortened: lines whose validity gave way in part; removed: in whole.
    """

    lines: list[Line] = field(default_factory=list)
    findings: list[TableFinding] = field(default_factory=list)
    added: int = 0
    unchanged: int = 0
    shortened: int = 0
    removed: int = 0


class _Rate(NamedTuple):
    key: Key
    start: datetime
    end: datetime
    terms: tuple[Any, ...]
    line: Line


def update_carrier_rates(book: SourceBook, prices: Sequence[TablePrice], *, replace: bool) -> CarrierUpdate:
    """Put prices into the lines of a book whose carrier_rate.csv has no unreadable cell.

    Where a line of the same key is valid at the same time, that is a finding; with `replace` the price holds in its own
    validity and the line keeps the rest. A price takes the place of a line that gives way, else follows the last line
    of its key, else stands at the end, in the order of its key. prices: with distinct keys.
    """
    zone = book.operator.zone
    update = CarrierUpdate()
    rates = [_rate(line, zone) for _, line in book.raw["carrier_rate"]]
    # One slot a line that is there, and one for each key that is new.
    slots: list[list[Line]] = [[rate.line] for rate in rates]
    by_key: dict[Key, list[int]] = defaultdict(list)
    for place, rate in enumerate(rates):
        by_key[rate.key].append(place)
    for path, line in sorted(prices, key=_order):
        new = _rate(line, zone)
        same = by_key[new.key]
        rivals = [place for place in same if rates[place].start < new.end and new.start < rates[place].end]
        if any(_says(rates[place], new, replace) for place in rivals):
            update.unchanged += 1
            continue
        update.added += 1
        if rivals and not replace:
            numbers = {place: book.raw["carrier_rate"][place][0] for place in rivals}
            update.findings += [_overlap(path, new, rates[place], number) for place, number in numbers.items()]
        elif rivals:
            for place in rivals:
                slots[place] = _before(rates[place], new) + _after(rates[place], new, zone)
                update.shortened += bool(slots[place])
                update.removed += not slots[place]
            slots[rivals[0]].insert(len(_before(rates[rivals[0]], new)), line)
        elif same:
            slots[same[-1]].append(line)
        else:
            slots.append([line])
    update.lines = [line for slot in slots for line in slot]
    return update


def _order(price: TablePrice) -> tuple[str, int, str, str]:
    line = price.line
    return line["carrier_id"], SERVICES.index(line["service"]), line["call_type"], line["country"]


def _rate(line: Line, zone: ZoneInfo) -> _Rate:
    values = {column: read(line[column], zone) for column, read in CELLS.items()}
    key = tuple(values[column] for column in COST_CELLS)
    others = [column for column in CELLS if column not in ("cost_id", "valid_from", "valid_to", *COST_CELLS)]
    return _Rate(key, values["valid_from"], values["valid_to"], tuple(values[column] for column in others), line)


def _says(rate: _Rate, new: _Rate, replace: bool) -> bool:
    # A line that goes on longer contradicts the end that the table states, unless only the table's own time counts.
    is_same_time = (rate.start, rate.end) == (new.start, new.end)
    return rate.terms == new.terms and (is_same_time or (replace and rate.start <= new.start and new.end <= rate.end))


def _before(rate: _Rate, new: _Rate) -> list[Line]:
    return [{**rate.line, "valid_to": new.line["valid_from"]}] if rate.start < new.start else []


def _after(rate: _Rate, new: _Rate, zone: ZoneInfo) -> list[Line]:
    if rate.end <= new.end:
        return []
    rest = {**rate.line, "valid_from": new.line["valid_to"]}
    # Its id stays with the part that keeps its start.
    return [{**rest, "cost_id": cost_id(rest, zone)}]


def _overlap(path: str, new: _Rate, rate: _Rate, number: int) -> TableFinding:
    service, carrier, _prefix, country, call_type = new.key
    expected = f"no other price of {carrier} {service} {call_type} {country} {_span(new)}"
    found = f"{rate.line['price']} {_span(rate)}: {rate.line['cost_id']}, carrier_rate.csv:{number}"
    return TableFinding(path, expected, found)


def _span(rate: _Rate) -> str:
    until = rate.line["valid_to"]
    return f"from {rate.line['valid_from']} " + (f"to {until}" if until else "on")
