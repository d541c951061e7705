"""The demo operator's network: own number ranges, cells, carriers, sources, and the networks visited when roaming."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

TIME_ZONE = "America/Toronto"
CURRENCY = "CAD"
CITY_CODES = ("1416", "1647", "1905")
# The same prefixes stand in conf/pricebook/own_range.csv: a called number under one of them is on-net.
OWN_PREFIXES = tuple(f"{code}2{digit}" for code in CITY_CODES for digit in range(10))
TECHNOLOGIES = ("2G", "3G", "4G", "5G")
RADIO_ALIASES = ("GSM", "UMTS", "LTE", "NR")
SITE_COLUMNS, SITE_ROWS = 10, 6
SITES = SITE_COLUMNS * SITE_ROWS
VISITED_TECHNOLOGIES = (2, 3)  # 4G and 5G
CARRIERS = (
    ("carrier_001", "Lakeshore Interconnect"),
    ("carrier_002", "Maple Trunk Services"),
    ("carrier_003", "Shield Transit"),
)
SOURCES = (
    ("msc_toronto", "native_json", "CA", TIME_ZONE),
    ("ggsn_toronto", "native_json", "CA", TIME_ZONE),
)
_WEST, _EAST = -79_697_878, -79_196_382  # Toronto, millionths of a degree
_SOUTH, _NORTH = 43_576_959, 43_799_568


class Visited(NamedTuple):
    """A country in which customers roam."""

    country: str
    time_zone: str
    city: str
    lon: str
    lat: str


VISITED = (
    Visited("US", "America/New_York", "New York", "-74.005974", "40.712776"),
    Visited("GB", "Europe/London", "London", "-0.127758", "51.507351"),
    Visited("FR", "Europe/Paris", "Paris", "2.352222", "48.856614"),
    Visited("MX", "America/Mexico_City", "Mexico City", "-99.133208", "19.432608"),
    Visited("IN", "Asia/Kolkata", "New Delhi", "77.209021", "28.613939"),
    Visited("DE", "Europe/Berlin", "Berlin", "13.404954", "52.520007"),
    Visited("IT", "Europe/Rome", "Rome", "12.496366", "41.902783"),
    Visited("ES", "Europe/Madrid", "Madrid", "-3.703790", "40.416775"),
    Visited("JP", "Asia/Tokyo", "Tokyo", "139.691706", "35.689487"),
    Visited("MA", "Africa/Casablanca", "Casablanca", "-7.589843", "33.573110"),
    Visited("AE", "Asia/Dubai", "Dubai", "55.270783", "25.204849"),
    Visited("AU", "Australia/Sydney", "Sydney", "151.209296", "-33.868820"),
)


class Cell(NamedTuple):
    """A row of crm.cell; lon and lat in degrees."""

    cell_id: str
    site: str
    city: str
    region: str
    country: str
    lon: Decimal
    lat: Decimal
    technology: str


def cells() -> tuple[Cell, ...]:
    """Every cell: four at each Toronto site (at site x 4 + technology), then two in each visited country."""
    home = [
        Cell(
            f"tor-{site:03d}-{technology.lower()}",
            f"tor-{site:03d}",
            "Toronto",
            _region(site),
            "CA",
            *_place(site),
            technology,
        )
        for site in range(SITES)
        for technology in TECHNOLOGIES
    ]
    abroad = [
        Cell(
            f"{there.country.lower()}-visited-{TECHNOLOGIES[technology].lower()}",
            f"{there.country.lower()}-visited",
            there.city,
            there.city,
            there.country,
            Decimal(there.lon),
            Decimal(there.lat),
            TECHNOLOGIES[technology],
        )
        for there in VISITED
        for technology in VISITED_TECHNOLOGIES
    ]
    return tuple(home + abroad)


def own_number(serial: int) -> str:
    """The serial-th number of the own ranges, scattered over them; distinct for distinct serials below 2,970,000."""
    block, rest = divmod(serial * 1_234_577 % 2_970_000, 990_000)
    return f"+{CITY_CODES[block]}{_exchanges()[rest // 10_000]}{rest % 10_000:04d}"


def _exchanges() -> list[int]:
    return [exchange for exchange in range(200, 300) if exchange != 211]  # N11 codes are services, not exchanges


def _place(site: int) -> tuple[Decimal, Decimal]:
    row, column = divmod(site, SITE_COLUMNS)
    lon = _WEST + (_EAST - _WEST) * (2 * column + 1) // (2 * SITE_COLUMNS)
    lat = _SOUTH + (_NORTH - _SOUTH) * (2 * row + 1) // (2 * SITE_ROWS)
    return Decimal(lon).scaleb(-6), Decimal(lat).scaleb(-6)


def _region(site: int) -> str:
    row, column = divmod(site, SITE_COLUMNS)
    if column < 3:
        return "Etobicoke"
    if column > 6:
        return "Scarborough"
    if row > 2:
        return "North York"
    if row < 2:
        return "Old Toronto"
    return "York" if column < 5 else "East York"
