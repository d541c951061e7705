"""The ranges are the package's patterns, exactly: no number is in two of them, and each says what the package says."""

from __future__ import annotations

import itertools
import random
import re
from bisect import bisect_right

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phonenumbers import PhoneMetadata, PhoneNumber, PhoneNumberType, ValidationResult

from tollgate.reference.dialling import dialling_rows
from tollgate.reference.digit_patterns import START, digit_pattern
from tollgate.reference.number_ranges import WIDTH, NumberRange, number_ranges

KINDS = {
    PhoneNumberType.TOLL_FREE: "toll_free",
    PhoneNumberType.PREMIUM_RATE: "premium",
    PhoneNumberType.SHARED_COST: "shared_cost",
}
PATTERN = st.recursive(
    st.sampled_from(["1", "2", r"\d", "[02-4]", "[135]", r"\d{2}", "[13]{1,2}", r"\d{0,2}"]),
    lambda inner: st.one_of(
        st.lists(inner, min_size=2, max_size=3).map("".join),
        st.lists(inner, min_size=2, max_size=3).map(lambda ways: f"(?:{'|'.join(ways)})"),
        inner.map(lambda body: f"(?:{body})?"),
    ),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(PATTERN, st.lists(st.text("01234", max_size=6), min_size=1, max_size=20))
def test_a_pattern_matches_what_re_matches(text, numbers):
    pattern = digit_pattern(text)
    for number in numbers:
        state = START
        for digit in number:
            state = pattern.following[state][int(digit)]
        assert pattern.is_whole[state] == bool(re.fullmatch(text, number))


@pytest.mark.parametrize("text", ["1+", "a", "[1", "(?!1)2", "(1", "1)", "[a-c]", r"\D", "{1}"])
def test_syntax_that_is_not_understood_is_refused(text):
    with pytest.raises(ValueError, match="digit pattern"):
        digit_pattern(text)


@pytest.fixture(scope="module")
def ranges() -> list[NumberRange]:
    return number_ranges()


def test_ranges_are_disjoint_and_stay_in_their_bucket(ranges):
    for before, after in itertools.pairwise(ranges):
        assert before.digits < after.digits or before.hi <= after.lo
    for found in ranges:
        first, last = (str(edge).zfill(WIDTH)[:4] for edge in (found.lo, found.hi - 1))
        assert found.lo < found.hi and found.bucket == int(f"{found.digits}{first}") and first == last
        assert 7 <= found.digits - found.trunk_digits <= 15
        assert (found.country_code is None) == (found.country is None)
        assert found.country_code is None or first.startswith(found.country_code[:4])


@pytest.mark.covers("MED-03", "MED-28")
def test_each_range_says_what_the_package_says_of_a_number_in_it(ranges):
    """A number in each range; its edges where it begins, so that one too wide or too narrow shows."""
    draws, compared = random.Random(7), 0
    for found in draws.sample(ranges, 6_000):
        if found.country_code is None:
            continue
        unit = 10 ** (WIDTH - found.digits)
        for number in (found.lo, draws.randrange(found.lo, found.hi) // unit * unit, found.hi - unit):
            digits = str(number)[: found.digits]
            parsed = phonenumbers.parse(f"+{digits}")
            at = len(found.country_code)
            kept = found.country_code + digits[at + found.trunk_digits :]
            e164 = phonenumbers.format_number(parsed, 0)
            if has_plain_trunk(found.country_code) or (e164 == f"+{digits}" and not found.trunk_digits):
                compared += 1
                assert (e164, kind_of(parsed)) == (f"+{kept}", found.kind), (digits, found)
    assert compared > 12_000


@pytest.mark.covers("MED-03", "MED-28")
def test_what_is_in_no_range_is_impossible(ranges):
    starts = [(found.digits, found.lo) for found in ranges]
    draws = random.Random(8)
    outside = 0
    for _ in range(20_000):
        code = str(draws.choice(list(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)))
        number = code + "".join(draws.choices("0123456789", k=draws.randint(7 - len(code), 15 - len(code))))
        place = bisect_right(starts, (len(number), int(number.ljust(WIDTH, "0")))) - 1
        found = ranges[place]
        if found.digits == len(number) and found.lo <= int(number.ljust(WIDTH, "0")) < found.hi:
            continue
        outside += 1
        parsed = phonenumbers.parse(f"+{number}")
        kept = phonenumbers.format_number(parsed, 0)[1:]
        is_rewritten = kept != number and (code == "1" or not has_plain_trunk(code))
        assert is_rewritten or kind_of(parsed) is None or len(kept) < 7, number
    assert outside > 5_000


def has_plain_trunk(code: str) -> bool:
    """Whether all that the package drops behind the code is the trunk prefix: no carrier's code, no local form."""
    region = phonenumbers.region_code_for_country_code(int(code))
    plan = PhoneMetadata.metadata_for_region_or_calling_code(int(code), region)
    return plan.national_prefix_for_parsing == plan.national_prefix


def kind_of(number: PhoneNumber) -> str | None:
    if phonenumbers.is_valid_number(number):
        return KINDS.get(phonenumbers.number_type(number), "ordinary")
    is_possible = phonenumbers.is_possible_number_with_reason(number) == ValidationResult.IS_POSSIBLE
    return "unassigned" if is_possible else None


def test_every_country_has_a_row_of_how_it_dials():
    rows = {row.country: row for row in dialling_rows()}
    assert set(rows) == set(phonenumbers.SUPPORTED_REGIONS)
    for country, row in rows.items():
        forms = (
            row.exit_form,
            row.own_code_form,
            row.trunk_form,
            row.national_form,
            row.emergency_form,
            row.short_form,
        )
        groups = [re.compile(form.replace(r"\z", r"\Z")).groups if form else 0 for form in forms]
        assert groups[0] >= 1 and row.trunk_group in (0, groups[2])
        example = phonenumbers.national_significant_number(phonenumbers.example_number(country))
        assert re.match(row.national_form.replace(r"\z", r"\Z"), example)
        assert len(example) in row.national_lengths
        plan = PhoneMetadata.metadata_for_region(country)
        assert bool(row.trunk_form) == bool(plan.national_prefix_for_parsing)
