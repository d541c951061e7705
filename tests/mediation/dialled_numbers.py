"""Numbers of sixty countries in the forms in which they are dialled and spoilt, and what phonenumbers says of each."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

import phonenumbers
from phonenumbers import PhoneMetadata, PhoneNumber, PhoneNumberFormat, PhoneNumberType

_LISTED = """
    CA US GB FR DE MA IN CN BR AR MX AU JP KR RU KZ IT ES PT NL BE CH AT SE NO DK FI IE PL CZ SK HU RO BG GR TR UA IL AE
    SA EG ZA NG KE GH SN DZ TN PK BD LK TH VN PH ID MY SG NZ CL CO PE JM
"""
COUNTRIES = _LISTED.split()
TYPES = [
    getattr(PhoneNumberType, name)
    for name in ("FIXED_LINE", "MOBILE", "TOLL_FREE", "PREMIUM_RATE", "SHARED_COST", "VOIP", "PERSONAL_NUMBER", "UAN")
]
KINDS = {
    PhoneNumberType.TOLL_FREE: "toll_free",
    PhoneNumberType.PREMIUM_RATE: "premium",
    PhoneNumberType.SHARED_COST: "shared_cost",
}
EXTENSIONS = (" ext. 123", " x123", ";ext=123", " #123", "x4", " Ext 99", " extension 7")
SEED = 42


class Dialled(NamedTuple):
    """A number as it stands in a record, and the country of the source that sent it."""

    form: str
    country: str
    text: str


class Verdict(NamedTuple):
    """The number to store and its kind; both None when it is impossible."""

    number: str | None
    kind: str | None


IMPOSSIBLE = Verdict(None, None)


def dialled() -> list[Dialled]:
    """Every number in every form that phonenumbers and Tollgate mean to read alike, each string once a country."""
    draws = random.Random(SEED)
    every = [found for country in COUNTRIES for found in _of_country(country, draws)]
    return list({(found.country, found.text): found for found in every}.values())


def _of_country(country: str, draws: random.Random) -> Iterator[Dialled]:
    examples = [phonenumbers.example_number(country)]
    examples += [phonenumbers.example_number_for_type(country, kind) for kind in TYPES]
    numbers = {phonenumbers.format_number(found, PhoneNumberFormat.E164): found for found in examples if found}
    for _, number in sorted(numbers.items()):
        for form, text in _forms(number, country, draws):
            yield Dialled(form, country, text)
        abroad = draws.choice(COUNTRIES)
        from_abroad = phonenumbers.format_out_of_country_calling_number(number, abroad)
        yield Dialled("exit prefix", abroad, from_abroad)
        yield Dialled("exit prefix", abroad, re.sub("[^0-9+]", "", from_abroad))
    for text in _short_numbers(country):
        yield Dialled("short", country, text)


def _forms(number: PhoneNumber, country: str, draws: random.Random) -> Iterator[tuple[str, str]]:
    plan = PhoneMetadata.metadata_for_region(country)
    code, trunk = str(number.country_code), plan.national_prefix or ""
    e164 = phonenumbers.format_number(number, PhoneNumberFormat.E164)
    inside = phonenumbers.format_number(number, PhoneNumberFormat.NATIONAL)
    significant = phonenumbers.national_significant_number(number)
    yield "plus", e164
    yield "plus, punctuated", phonenumbers.format_number(number, PhoneNumberFormat.INTERNATIONAL)
    yield "plus, punctuated", _punctuated(e164, draws)
    yield "national", inside
    yield "national", re.sub("[^0-9]", "", inside)
    yield "national", significant
    yield "trunk prefix", trunk + significant
    yield "own code without plus", e164[1:]
    if re.fullmatch(plan.international_prefix, "00"):
        yield "00", f"00{e164[1:]}"
    if trunk != code:
        yield "trunk prefix behind the code", f"+{code} ({trunk or 0}){significant}"
    yield "extension", e164 + draws.choice(EXTENSIONS)
    yield "extension", inside + draws.choice(EXTENSIONS)
    at = draws.randrange(len(code) + 1, len(e164))
    digit = str(draws.randrange(10))
    yield "a digit more", e164[:at] + digit + e164[at:]
    yield "a digit fewer", e164[:at] + e164[at + 1 :]
    yield "another digit", e164[:at] + digit + e164[at + 1 :]
    yield "a digit more, national", trunk + significant + digit
    yield "a digit fewer, national", trunk + significant[:-1]


def _punctuated(e164: str, draws: random.Random) -> str:
    return "+" + "".join(digit + draws.choice(("", "", "", " ", "-", ".", "/")) for digit in e164[1:-1]) + e164[-1]


def _short_numbers(country: str) -> set[str]:
    plan = PhoneMetadata.short_metadata_for_region(country)
    described = (plan.short_code, plan.emergency, plan.toll_free, plan.premium_rate, plan.standard_rate)
    return {found.example_number for found in described if found is not None and found.example_number}


def said_by_phonenumbers(dialled: Dialled) -> Verdict:
    """Emergency, valid, short, possible: the first in this order that it says yes to."""
    text, country = dialled.text, dialled.country
    if phonenumbers.is_emergency_number(text, country):
        return Verdict(re.sub("[^0-9]", "", text), "emergency")
    try:
        number = phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException:
        return IMPOSSIBLE
    bare = PhoneNumber(
        country_code=number.country_code,
        national_number=number.national_number,
        italian_leading_zero=number.italian_leading_zero,
        number_of_leading_zeros=number.number_of_leading_zeros,
    )
    e164 = phonenumbers.format_number(bare, PhoneNumberFormat.E164)
    if phonenumbers.is_valid_number(bare):
        return Verdict(e164, KINDS.get(phonenumbers.number_type(bare), "ordinary"))
    if not text.startswith("+") and phonenumbers.is_valid_short_number_for_region(bare, country):
        return Verdict(re.sub("[^0-9]", "", text), "short")
    if phonenumbers.is_possible_number(bare):
        return Verdict(e164, "unassigned")
    return IMPOSSIBLE


def decided() -> dict[str, list[tuple[Dialled, Verdict]]]:
    """Forms that Tollgate reads in its own way, each with its verdict: what is refused here, phonenumbers may mend."""
    valid = [found for found in dialled() if found.form == "plus" and found.country not in ("CA", "US", "JM")][::7]
    every = [(found.country, found.text, said_by_phonenumbers(found)) for found in valid]

    def refused(change: Callable[[str], str]) -> list[tuple[Dialled, Verdict]]:
        return [(Dialled("", country, change(text)), IMPOSSIBLE) for country, text, _ in every]

    return {
        "full-width digits": refused(lambda text: "+" + "".join(chr(0xFF10 + int(digit)) for digit in text[1:])),
        "Arabic digits": refused(lambda text: "+" + "".join(chr(0x0660 + int(digit)) for digit in text[1:])),
        "Devanagari digits": refused(lambda text: text[:-1] + chr(0x0966 + int(text[-1]))),
        "letters": refused(lambda text: text[:6] + "ABC" + text[9:]),
        "the letter O for 0": refused(lambda text: text[:-1] + "O"),
        "a newline behind": refused(lambda text: text + "\n"),
        "a NUL behind": refused(lambda text: text + "\0"),
        "a no-break space": refused(lambda text: text[:4] + "\u00a0" + text[4:]),
        "tel: in front": refused(lambda text: "tel:" + text),
        "digits behind a comma": refused(lambda text: text + ",5"),
        "two plus signs": refused(lambda text: "+" + text),
        "a plus and 00": refused(lambda text: "+00" + text[1:]),
        "00 and a plus": refused(lambda text: "00" + text),
        "code 1 and its trunk prefix 1": [
            (Dialled("", "CA", "+1" + found.text[1:]), IMPOSSIBLE)
            for found in dialled() if found.form == "plus" and found.text.startswith("+1") and len(found.text) == 12
        ],
        "00 where another prefix leads abroad": [
            (Dialled("", here, "00" + text[1:]), verdict) for here in ("CA", "AU", "RU") for _, text, verdict in every
        ],
        "no plus, 11 to 15 digits of another country": [
            (Dialled("", "CA", text[1:]), verdict) for _, text, verdict in every if 12 <= len(text) <= 16
        ],
        "a code that nobody owns": [
            (Dialled("", "CA", f"+{code}5550112345"), Verdict(f"+{code}5550112345", "unassigned"))
            for code in (210, 259, 384, 425, 695, 801, 999)
        ],
    }  # fmt: skip
