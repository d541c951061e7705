"""How numbers are dialled in each country, as regular expressions over digits, from the phonenumbers package."""

from __future__ import annotations

from typing import Any, NamedTuple

import phonenumbers
from phonenumbers import PhoneMetadata

_NUMBER = "([1-9][0-9]*)"


class Dialling(NamedTuple):
    """One country. A `_form` matches digits from the first on; NULL where the country has no such thing.

    exit_form: group 1 is the number behind an international prefix; own_code_form: the country's own code, dialled
    without a prefix, before one of its numbers; trunk_form: what is dialled in front of a national number, of which
    trunk_rule keeps a part when group trunk_group matched; national_form: any of its national numbers.
    """

    country: str
    country_code: str
    exit_form: str
    own_code_form: str
    trunk_form: str | None
    trunk_rule: str | None
    trunk_group: int
    national_form: str
    national_lengths: list[int]
    emergency_form: str | None
    short_form: str | None


def dialling_rows() -> list[Dialling]:
    """One row a country, by its ISO code; the expressions are those of Java, matched as wholes but for trunk_form."""
    return [_row(country) for country in sorted(phonenumbers.SUPPORTED_REGIONS)]


def _row(country: str) -> Dialling:
    plan: Any = PhoneMetadata.metadata_for_region(country)
    short: Any = PhoneMetadata.short_metadata_for_region(country)
    code, trunk = str(plan.country_code), plan.national_prefix_for_parsing
    national = f"(?:{plan.general_desc.national_number_pattern})"
    rule = plan.national_prefix_transform_rule
    return Dialling(
        country=country,
        country_code=code,
        exit_form=rf"^(?:{plan.international_prefix}){_NUMBER}\z",
        own_code_form=rf"^{code}(?:{trunk or ''})?{national}\z",
        trunk_form=f"^(?:{trunk})" if trunk else None,
        trunk_rule=rule.replace("\\", "$") if rule else None,
        trunk_group=_groups(trunk) if rule else 0,
        national_form=rf"^{national}\z",
        national_lengths=sorted(plan.general_desc.possible_length),
        emergency_form=_short_form(short.emergency if short else None),
        short_form=_short_form(short.short_code if short else None),
    )


def _groups(pattern: str) -> int:
    return pattern.count("(") - pattern.count("(?:")


def _short_form(described: Any) -> str | None:
    if described is None or not described.national_number_pattern:
        return None
    return rf"^(?:{described.national_number_pattern})\z"
