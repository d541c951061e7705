"""Names, addresses and birth dates of customers: the only use of Faker, once a customer and never a record."""

from __future__ import annotations

import unicodedata
from datetime import date
from typing import NamedTuple

from faker import Faker

from generators.customers import Population

_LOCALES = {"CA-ON": ("en_CA", "en_CA", "en_CA", "fr_CA"), "GB": ("en_GB",), "MA": ("fr_FR",)}
_ADDRESSED_TO = {"CA-ON": "Toronto, ON", "GB": "London, United Kingdom", "MA": "Casablanca, Morocco"}
_STUDENT_BORN = (date(1999, 1, 1), date(2007, 12, 31))
_ADULT_BORN = (date(1938, 1, 1), date(2004, 12, 31))


class Person(NamedTuple):
    """What is personal about a customer; every field is pii."""

    name: str
    email: str
    birth_date: date
    address: str


def people(population: Population) -> list[Person]:
    """One person for each customer, in their order; the same for the same seed and version of Faker."""
    fakers: dict[str, Faker] = {}
    for locale in {locale for locales in _LOCALES.values() for locale in locales}:
        fakers[locale] = Faker(locale)
        fakers[locale].seed_instance(f"{population.seed}-{locale}")
    found = []
    for number, customer in enumerate(population.customers):
        locales = _LOCALES[customer.tax_jurisdiction]
        fake = fakers[locales[number % len(locales)]]
        name = f"{fake.first_name()} {fake.last_name()}"
        is_student = any(student for student, _, _ in customer.facts)
        earliest, latest = _STUDENT_BORN if is_student else _ADULT_BORN
        born = fake.date_between_dates(earliest, latest)
        address = f"{fake.building_number()} {fake.street_name()}, {_ADDRESSED_TO[customer.tax_jurisdiction]}"
        found.append(Person(name, f"{_plain(name)}.{number}@example.com", born, address))
    return found


def _plain(name: str) -> str:
    letters = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return "".join(letter if letter.isalnum() else "." for letter in letters)
