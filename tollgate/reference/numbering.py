"""Which country a number belongs to, by its prefix, from the phonenumbers package."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import phonenumbers
from phonenumbers import PhoneMetadata

WORLD = "001"
# Subscriber parts tried behind an area code: Canada's pattern has holes for some exchanges.
_EXCHANGES = ("200", "234", "345", "456", "555", "666", "777", "888", "999")


@functools.cache
def country_prefixes() -> Mapping[str, str]:
    """Prefix (digits without +) to ISO country.

    Calling codes go to their main country; +1 is the United States but for the area codes of Canada (with 600, 622
    and 633, which have no area) and of the others that share it, +77 is Kazakhstan; codes without a country are 001.
    Codes shared in a finer way (Guernsey under +44, Åland under +358) go to the main country.
    """
    prefixes = {
        str(code): regions[0]
        for code, regions in phonenumbers.COUNTRY_CODE_TO_REGION_CODE.items()
        if regions[0] != phonenumbers.REGION_CODE_FOR_NON_GEO_ENTITY
    }
    prefixes |= {str(code): WORLD for code in phonenumbers.COUNTRY_CODES_FOR_NON_GEO_REGIONS}
    prefixes |= {"1" + area: country for area, country in _shared_area_codes().items()}
    return MappingProxyType(prefixes | {"77": "KZ"})


def _shared_area_codes() -> dict[str, str]:
    areas = [str(area) for area in range(200, 1000)]
    # Personal numbers that both plans hold (533, 544) are nobody's alone: they stay with the main country.
    owners = {area: "CA" for area in areas if _is_assigned(area, "CA") and not _is_assigned(area, "US")}
    for region in phonenumbers.COUNTRY_CODE_TO_REGION_CODE[1]:
        leading = _metadata(region).leading_digits
        if leading:
            owners |= {area: region for area in areas if re.compile(leading).match(area)}
    return owners


def _is_assigned(area: str, region: str) -> bool:
    plan = _metadata(region)
    patterns = [kind.national_number_pattern for kind in (plan.fixed_line, plan.personal_number, plan.voip) if kind]
    numbers = [f"{area}{part}5678" for part in _EXCHANGES]
    return any(re.fullmatch(pattern, number) for pattern in patterns for number in numbers)


def _metadata(region: str) -> Any:
    return PhoneMetadata.metadata_for_region(region)
