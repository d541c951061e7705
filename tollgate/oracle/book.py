"""The price book as the oracle reads it: its own sheets, prefixes, fallbacks and time bands."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from tollgate.oracle import entries
from tollgate.oracle.bands import BandCalendar
from tollgate.oracle.clock import LocalClock
from tollgate.oracle.contradictions import contradictions, overlaps
from tollgate.oracle.rows import CarrierRate, Destination, Rate, Usage
from tollgate.oracle.sheet import SheetError, Sheets

ANY = "*"
OPERATOR_KEYS = ("currency", "time_zone", "holiday_calendar", "bands_from", "bands_to")
Row = TypeVar("Row")
Key = tuple[str, ...]


class RateKey(NamedTuple):
    """What the retail row of an event is looked up by, the weightiest first; `*` where the event says nothing."""

    plan_id: str
    service: str
    zone_id: str
    roaming_zone: str
    rating_group: str
    direction: str
    technology: str
    slice: str


class PriceBook:
    """A price book in memory. A lookup takes an instant (epoch seconds) and gives the row valid then, or None."""

    def __init__(self, folder: str | Path) -> None:
        """Read the folder of sheets; raises SheetError with all that cannot be read or contradicts itself."""
        sheets = Sheets(Path(folder))
        operator = _operator(sheets)
        self.currency = operator["currency"]
        self.clock = clock = LocalClock(operator["time_zone"])
        self.rating_groups = tuple(operator.get("rating_groups", "").split())
        self.plans = {row.plan_id: row for row in sheets.read("plan", clock, entries.plan)}
        self.zone_kind = dict(sheets.read("zone", clock, lambda c: (c.text("zone_id"), c.text("kind"))))
        self.minor_digits = dict(
            sheets.read("currency", clock, lambda c: (c.text("currency"), c.whole("minor_digits")))
        )
        self._roaming = dict(sheets.read("roaming_zone", clock, lambda c: (c.text("country"), c.text("roaming_zone"))))
        self._own = set(sheets.read("own_range", clock, lambda c: c.text("prefix")))
        self._own_lengths = sorted({len(prefix) for prefix in self._own})
        self.allowances = sheets.read("allowance", clock, entries.allowance)
        self.spend_limits = sheets.read("spend_limit", clock, entries.spend_limit, may_lack=True)
        self.fees = sheets.read("fee", clock, entries.fee)
        self.top_ups = sheets.read("top_up", clock, entries.top_up, may_lack=True)
        self.taxes = sheets.read("tax", clock, entries.tax)
        self.discounts = sorted(sheets.read("discount", clock, entries.discount), key=lambda row: row.apply_order)
        self._read_destinations(sheets)
        self._read_rates(sheets)
        self._read_carrier_rates(sheets)
        self.bands = _calendar(sheets, clock, operator)
        sheets.findings += self.bands.uncovered()
        sheets.refuse_findings()

    def _read_destinations(self, sheets: Sheets) -> None:
        """Prefix rows by length and digits, short codes by the whole code, and the rows of every other number."""
        self._prefixes: dict[int, dict[str, list[Destination]]] = {}
        self._codes: dict[str, list[Destination]] = {}
        self._every_number: list[Destination] = []
        rows = sheets.read("destination", self.clock, entries.destination)
        for match, row in rows:
            if match == "any":
                self._every_number.append(row)
                continue
            table = self._codes if match == "exact" else self._prefixes.setdefault(len(row.prefix), {})
            table.setdefault(row.prefix, []).append(row)
        self._lengths = sorted(self._prefixes, reverse=True)
        keyed = _grouped(rows, lambda one: (one[0], one[1].prefix))
        sheets.findings += overlaps("destination", {key: [row for _, row in of] for key, of in keyed.items()})

    def _read_rates(self, sheets: Sheets) -> None:
        tiers = _grouped(sheets.read("tier", self.clock, entries.tier), lambda row: (row.rate_id,))
        segments = _grouped(sheets.read("segment", self.clock, entries.segment), lambda row: (row.rate_id,))
        rates = []
        for row in sheets.read("rate", self.clock, entries.rate):
            of_cycle, of_event = tiers.get((row.rate_id,), []), segments.get((row.rate_id,), [])
            if of_cycle:
                steps = tuple(sorted((one.from_units, one.price) for one in of_cycle))
                row = row._replace(tiers=steps, counts=of_cycle[0].counts, mode=of_cycle[0].mode)
            if of_event:
                row = row._replace(segments=tuple(sorted((one.from_units, one.price) for one in of_event)))
            rates.append(row)
        self._rates = _grouped(rates, lambda row: tuple(getattr(row, name) for name in RateKey._fields))
        self._rate_chains: dict[Key, list[Rate]] = {}
        sheets.findings += overlaps("rate", self._rates)
        sheets.findings += contradictions(rates, {key[0] for key in segments})

    def _read_carrier_rates(self, sheets: Sheets) -> None:
        rows = sheets.read("carrier_rate", self.clock, entries.carrier_rate)
        self._carriers = {row.carrier_id for row in rows} - {ANY}
        self._carrier_rates = sorted(rows, key=_carrier_weight)
        self._longest_carrier_prefix = max((len(row.prefix) for row in rows), default=0)
        self._carrier_chains: dict[tuple[str | None, ...], list[CarrierRate]] = {}
        columns = ("carrier_id", "service", "prefix", "country", "call_type")
        keyed = _grouped(rows, lambda row: tuple(getattr(row, name) for name in columns))
        sheets.findings += overlaps("carrier_rate", keyed)

    def destination(self, number: str, at: int) -> Destination | None:
        """The row of a dialled number: the longest prefix of its digits after a +, else the row of every number.

        A short code, which has no +, has its own row only.
        """
        if not number.startswith("+"):
            return _valid(self._codes.get(number, ()), at)
        digits = number[1:]
        for length in self._lengths:
            row = _valid(self._prefixes[length].get(digits[:length], ()), at)
            if row is not None:
                return row
        return _valid(self._every_number, at)

    def rate(self, key: RateKey, at: int) -> Rate | None:
        """The most specific retail rate row of a concrete key."""
        return _valid(self._rate_chain(key), at)

    def follower(self, key: RateKey, row: Rate, at: int) -> tuple[int, Rate] | None:
        """End of the row that holds for the key at an instant, and the row that holds from there on.

        None where no row does, and where a more specific row begins before: then it is not this row that ends there.
        """
        chain, edge = self._rate_chain(key), row.valid_to
        if any(at < one.valid_from < edge for one in chain[: chain.index(row)]):
            return None
        found = _valid(chain, edge)
        return None if found is None else (edge, found)

    def _rate_chain(self, key: RateKey) -> list[Rate]:
        """Rows that fit a key, the most specific first: literal before `*`, earlier columns weigh more.

        A rating group that the book does not name fits no row: nobody has said what it is worth.
        """
        if key.service == "data" and key.rating_group not in self.rating_groups:
            return []
        chain = self._rate_chains.get(key)
        if chain is None:
            choices = [(part,) if name == "service" or part == ANY else (part, ANY) for name, part in _cells(key)]
            chain = [row for candidate in product(*choices) for row in self._rates.get(candidate, ())]
            self._rate_chains[key] = chain
        return chain

    def carrier_rate(self, usage: Usage, call_type: str, at: int) -> CarrierRate | None:
        """The most specific wholesale row; None for a carrier that the book does not name, or for no carrier.

        Data has neither country nor number: only `*` fits. Neither does a country that is not known.
        """
        if usage.carrier_id not in self._carriers:
            return None
        is_data = usage.service == "data"
        digits = "" if is_data else (usage.destination or "").removeprefix("+")[: self._longest_carrier_prefix]
        country = None if is_data else usage.destination_country
        key = (usage.carrier_id, usage.service, country, call_type, digits)
        chain = self._carrier_chains.get(key)
        if chain is None:
            chain = self._carrier_chains[key] = [
                row
                for row in self._carrier_rates
                if row.service == usage.service
                and row.carrier_id in (ANY, usage.carrier_id)
                and row.country in (ANY, country)
                and row.call_type in (ANY, call_type)
                and (row.prefix == ANY or digits.startswith(row.prefix))
            ]
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


def _cells(key: RateKey) -> zip[tuple[str, str]]:
    return zip(key._fields, key, strict=True)


def _carrier_weight(row: CarrierRate) -> tuple[bool, int, bool, bool]:
    """Place of a wholesale row among those that fit: literal carrier, longest prefix, literal country and call type."""
    length = 0 if row.prefix == ANY else len(row.prefix)
    return (row.carrier_id == ANY, -length, row.country == ANY, row.call_type == ANY)


def _grouped(rows: Iterable[Row], key: Callable[[Row], Key]) -> dict[Key, list[Row]]:
    table: dict[Key, list[Row]] = {}
    for row in rows:
        table.setdefault(key(row), []).append(row)
    return table


def _valid(rows: Iterable[Any], at: int) -> Any:
    for row in rows:
        if row.valid_from <= at < row.valid_to:
            return row
    return None


def _operator(sheets: Sheets) -> dict[str, str]:
    """Keys and values of operator.csv; raises SheetError at once where the other sheets could not be read without."""
    found = {cells.get("key", ""): cells.get("value") or "" for _, cells in sheets.lines("operator")}
    path = sheets.folder / "operator.csv"
    if not sheets.findings:
        sheets.findings += [f"{path}: the key {key} is missing" for key in OPERATOR_KEYS if key not in found]
    sheets.refuse_findings()
    try:
        LocalClock(found["time_zone"])
        ends = [date.fromisoformat(found[key]) for key in ("bands_from", "bands_to")]
    except ValueError as error:
        raise SheetError(f"{path}: {error}") from error
    if ends[0] >= ends[1]:
        raise SheetError(f"{path}: bands_from {ends[0]} must lie before bands_to {ends[1]}")
    return found


def _calendar(sheets: Sheets, clock: LocalClock, operator: dict[str, str]) -> BandCalendar:
    holidays = sheets.read("holiday", clock, lambda c: (c.text("calendar"), date.fromisoformat(c.text("date"))))
    days = {day for calendar, day in holidays if calendar == operator["holiday_calendar"]}
    rows = sheets.read("time_band", clock, entries.time_band)
    first, end = (date.fromisoformat(operator[key]) for key in ("bands_from", "bands_to"))
    return BandCalendar(clock, rows, days, first, end)
