"""The price book as the oracle reads it: its own sheets, prefixes, fallbacks and time bands."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date
from itertools import product
from pathlib import Path
from typing import Any, TypeVar

from tollgate.oracle import entries
from tollgate.oracle.bands import BandCalendar
from tollgate.oracle.clock import LocalClock
from tollgate.oracle.rows import CarrierRate, Destination, Rate, Tier
from tollgate.oracle.sheet import SheetError, lines_of, read_sheet

ANY = "*"
Row = TypeVar("Row")
Key = tuple[str, ...]


class PriceBook:
    """A price book in memory. A lookup takes an instant (epoch seconds) and gives the row valid then, or None."""

    def __init__(self, folder: str | Path) -> None:
        """Read the folder of sheets; raises SheetError (file, line, expected, found) for what cannot be read."""
        folder = Path(folder)
        operator = {cells["key"]: cells["value"] for _, cells in lines_of(folder, "operator")}
        self.currency = operator["currency"]
        self.clock = clock = LocalClock(operator["time_zone"])
        self.plans = {row.plan_id: row for row in read_sheet(folder, "plan", clock, entries.plan)}
        self.zone_kind = dict(read_sheet(folder, "zone", clock, lambda c: (c.text("zone_id"), c.text("kind"))))
        self.minor_digits = dict(
            read_sheet(folder, "currency", clock, lambda c: (c.text("currency"), c.whole("minor_digits")))
        )
        self._roaming = dict(
            read_sheet(folder, "roaming_zone", clock, lambda c: (c.text("country"), c.text("roaming_zone")))
        )
        self._own = set(read_sheet(folder, "own_range", clock, lambda c: c.text("prefix")))
        self._own_lengths = sorted({len(prefix) for prefix in self._own})
        self.allowances = read_sheet(folder, "allowance", clock, entries.allowance)
        self.fees = read_sheet(folder, "fee", clock, entries.fee)
        self.taxes = read_sheet(folder, "tax", clock, entries.tax)
        self.discounts = sorted(
            read_sheet(folder, "discount", clock, entries.discount), key=lambda row: row.apply_order
        )
        self._read_destinations(folder)
        tiers = _grouped(read_sheet(folder, "tier", clock, entries.tier), lambda row: (row.rate_id,))
        rates = read_sheet(folder, "rate", clock, entries.rate)
        self._rates = _grouped((_with_tiers(row, tiers.get((row.rate_id,), [])) for row in rates), rate_key)
        self._carrier_rates = _grouped(read_sheet(folder, "carrier_rate", clock, entries.carrier_rate), carrier_key)
        self._carriers = {key[0] for key in self._carrier_rates} - {ANY}
        self._rate_chains: dict[tuple[str, ...], list[Rate]] = {}
        self._carrier_chains: dict[tuple[str, ...], list[CarrierRate]] = {}
        self.bands = _calendar(folder, clock, operator)

    def _read_destinations(self, folder: Path) -> None:
        """Prefix rows by length and digits, short codes by the whole code."""
        self._prefixes: dict[int, dict[str, list[Destination]]] = {}
        self._codes: dict[str, list[Destination]] = {}
        for match, row in read_sheet(folder, "destination", self.clock, entries.destination):
            table = self._codes if match == "exact" else self._prefixes.setdefault(len(row.prefix), {})
            table.setdefault(row.prefix, []).append(row)
        self._lengths = sorted(self._prefixes, reverse=True)

    def destination(self, number: str, at: int) -> Destination | None:
        """The row of a dialled number: the longest prefix of its digits after a +, else the short code's own row."""
        if not number.startswith("+"):
            return _valid(self._codes.get(number, ()), at)
        digits = number[1:]
        for length in self._lengths:
            row = _valid(self._prefixes[length].get(digits[:length], ()), at)
            if row is not None:
                return row
        return None

    def rate(self, plan: str, service: str, zone: str, roaming_zone: str, group: str, at: int) -> Rate | None:
        """The most specific retail rate row of a concrete key."""
        key = (plan, service, zone, roaming_zone, group)
        chain = self._rate_chains.get(key)
        if chain is None:
            chain = _chain(self._rates, key, fixed=1)
            self._rate_chains[key] = chain
        return _valid(chain, at)

    def carrier_rate(
        self, carrier: str | None, service: str, call_type: str, country: str | None, at: int
    ) -> CarrierRate | None:
        """The most specific wholesale rate row; None for a carrier that the book does not name, or for no carrier.

        A country that is not known matches `*` rows only.
        """
        if carrier not in self._carriers:
            return None
        key = (carrier, service, country or ANY, call_type)
        chain = self._carrier_chains.get(key)
        if chain is None:
            chain = _chain(self._carrier_rates, key, fixed=1)
            self._carrier_chains[key] = chain
        return _valid(chain, at)

    def roaming_zone(self, country: str | None) -> str | None:
        """Roaming zone of a visited country; None when the country is unknown or has no row."""
        return self._roaming.get(country) if country else None

    def is_home_country(self, country: str | None) -> bool:
        """Whether a country is the operator's own: the one whose roaming zone is `home`."""
        return country is not None and self._roaming.get(country) == "home"

    def is_own(self, number: str) -> bool:
        """Whether an E.164 number (with +) lies in the operator's own ranges."""
        digits = number.lstrip("+")
        return any(digits[:length] in self._own for length in self._own_lengths)


def _with_tiers(rate: Rate, tiers: list[Tier]) -> Rate:
    if not tiers:
        return rate
    return rate._replace(tiers=tuple(sorted((row.from_units, row.price) for row in tiers)), counts=tiers[0].counts)


def rate_key(row: Rate) -> tuple[str, ...]:
    """Key columns of a retail rate row, the weightiest for specificity first."""
    return (row.plan_id, row.service, row.zone_id, row.roaming_zone, row.rating_group)


def carrier_key(row: CarrierRate) -> tuple[str, ...]:
    """Key columns of a wholesale rate row, the weightiest for specificity first."""
    return (row.carrier_id, row.service, row.country, row.call_type)


def _grouped(rows: Iterable[Row], key: Callable[[Row], Key]) -> dict[Key, list[Row]]:
    table: dict[Key, list[Row]] = {}
    for row in rows:
        table.setdefault(key(row), []).append(row)
    return table


def _chain(table: dict[Key, list[Row]], key: Key, fixed: int) -> list[Row]:
    """Rows that fit a key, the most specific first: literal before `*`, earlier columns weigh more.

    The column at `fixed` has no `*`.
    """
    choices = [(part,) if at == fixed or part == ANY else (part, ANY) for at, part in enumerate(key)]
    return [row for candidate in product(*choices) for row in table.get(candidate, ())]


def _valid(rows: Iterable[Any], at: int) -> Any:
    for row in rows:
        if row.valid_from <= at < row.valid_to:
            return row
    return None


def _calendar(folder: Path, clock: LocalClock, operator: dict[str, str]) -> BandCalendar:
    calendar = operator["holiday_calendar"]
    holidays = {
        date.fromisoformat(cells["date"]) for _, cells in lines_of(folder, "holiday") if cells["calendar"] == calendar
    }
    rows = read_sheet(folder, "time_band", clock, entries.time_band)
    first, end = date.fromisoformat(operator["bands_from"]), date.fromisoformat(operator["bands_to"])
    if first >= end:
        raise SheetError(f"{folder}/operator.csv: bands_from {first} must lie before bands_to {end}")
    return BandCalendar(clock, rows, holidays, first, end)
