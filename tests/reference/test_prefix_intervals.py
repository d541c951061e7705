"""Disjoint intervals find what a search for the longest prefix finds."""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tollgate.reference.bucket_digits import as_list, bucket_digits
from tollgate.reference.compiled_book import compile_price_book
from tollgate.reference.numbering import country_prefixes
from tollgate.reference.prefix_intervals import WIDTH, disjoint_intervals
from tollgate.reference.pricebook_checks import check_price_book

DEMO = Path(__file__).resolve().parents[2] / "conf" / "pricebook"
DIGITS = st.text("0123456789", max_size=6)
PREFIX = st.builds(lambda first, rest: first + rest, st.sampled_from("123"), DIGITS)
NUMBER = st.builds(
    lambda first, rest: first + rest, st.sampled_from("1234"), st.text("0123456789", min_size=6, max_size=14)
)


def longest(prefixes: set[str], number: str) -> str | None:
    return max((p for p in prefixes if number.startswith(p)), key=len, default=None)


@pytest.mark.covers("RAT-04")
@settings(max_examples=300, deadline=None)
@given(st.sets(PREFIX, max_size=12), st.lists(NUMBER, min_size=1, max_size=12))
def test_an_interval_is_its_longest_prefix(prefixes, numbers):
    intervals = sorted(disjoint_intervals(prefixes), key=lambda i: i.lo)
    assert all(a.hi <= b.lo for a, b in itertools.pairwise(intervals))
    assert all(i.bucket == str(i.lo)[:3] == str(i.hi - 1)[:3] and i.lo < i.hi for i in intervals)
    starts = [i.lo for i in intervals]
    for number in [*numbers, *(prefix.ljust(7, "9") for prefix in prefixes)]:
        padded = int(number.ljust(WIDTH, "0"))
        place = bisect_right(starts, padded) - 1
        found = intervals[place].prefix if place >= 0 and padded < intervals[place].hi else None
        assert found == longest(prefixes, number.ljust(WIDTH, "0"))


@pytest.mark.covers("RAT-04")
@settings(max_examples=100, deadline=None)
@given(
    st.sets(PREFIX, min_size=1, max_size=12),
    st.lists(NUMBER, min_size=1, max_size=12),
    st.dictionaries(st.from_regex("[1-3][0-9]{2}", fullmatch=True), st.sampled_from((4, 5))),
)
def test_in_the_bucket_of_a_number_stands_its_longest_prefix_however_many_digits_it_has(prefixes, numbers, digits):
    digits |= {prefix[:3]: 5 for prefix in prefixes if len(prefix) > 4}
    by_bucket = defaultdict(list)
    for one in disjoint_intervals(prefixes, digits):
        by_bucket[one.bucket].append(one)
    for number in (number.ljust(WIDTH, "0") for number in [*numbers, *(prefix.ljust(7, "9") for prefix in prefixes)]):
        met = by_bucket[number[: digits.get(number[:3], 3)]]
        found = [one.prefix for one in met if one.lo <= int(number) < one.hi]
        assert found == [prefix for prefix in [longest(prefixes, number)] if prefix]


@pytest.mark.covers("RAT-04")
def test_buckets_get_digits_where_many_prefixes_lie():
    assert bucket_digits(["1416", *(f"44{n}" for n in range(10, 22))]) == {}
    # Of 20 prefixes under 441 eleven lie under 4411 and nine under 4412.
    few, many = [f"441{n}" for n in (10, 11)], [f"441{n}" for n in range(110, 119)]
    dense = [*few, *many, *(f"441{n}" for n in range(210, 219))]
    assert bucket_digits(["44", "49", *dense]) == {"441": 4}
    # Nobody's numbers differ only behind the seventh digit.
    assert bucket_digits(f"3361234{n:02}" for n in range(99)) == {"336": 7}
    assert as_list({}) is None
    listed = as_list({"441": 4})
    assert listed is not None and (len(listed), listed[441], sum(listed)) == (1000, 4, 3001)


@pytest.mark.covers("RAT-04")
def test_a_prefix_that_changes_its_zone_changes_it_at_that_instant(tmp_path):
    for file in DEMO.glob("*.csv"):
        (tmp_path / file.name).write_text(file.read_text())
    changed = (
        (tmp_path / "destination.csv")
        .read_text()
        .replace(
            "44,prefix,europe,2024-01-01,\n", "44,prefix,europe,2024-01-01,2026-11-01\n44,prefix,rest,2026-11-01,\n"
        )
    )
    (tmp_path / "destination.csv").write_text(changed)
    book, findings = check_price_book(tmp_path)
    assert findings == [] and book is not None
    rows = [row for row in compile_price_book(book).tables["price_destination"] if row[0] in ("E447", "E449", "E331")]
    spans = [
        (bucket, prefix, zone, f"{since:%Y-%m-%d}", f"{until:%Y-%m-%d}")
        for bucket, _, _, prefix, zone, since, until in rows
    ]
    assert sorted(set(spans)) == [
        ("E331", "33", "europe", "2024-01-01", "9999-12-31"),
        ("E447", "44", "europe", "2024-01-01", "2026-11-01"),
        ("E447", "44", "rest", "2026-11-01", "9999-12-31"),
        ("E449", "44", "europe", "2024-01-01", "2026-11-01"),
        ("E449", "44", "rest", "2026-11-01", "9999-12-31"),
        ("E449", "4490", "premium", "2024-01-01", "9999-12-31"),
        ("E449", "4491", "premium", "2024-01-01", "9999-12-31"),
        ("E449", "4498", "premium", "2024-01-01", "9999-12-31"),
    ]


@pytest.mark.covers("MED-17")
def test_countries_of_shared_codes_are_told_apart():
    prefixes = country_prefixes()
    numbers = {
        "14165551234": "CA", "12125551234": "US", "18765551234": "JM", "17875551234": "PR", "442071234567": "GB",
        "16005551234": "CA", "16225551234": "CA", "16335551234": "CA", "15335551234": "US", "18005551234": "US",
        "77011234567": "KZ", "79161234567": "RU", "881612345678": "001", "212600000000": "MA", "999123456789": None,
    }  # fmt: skip
    assert {n: prefixes.get(longest(set(prefixes), n) or "") for n in numbers} == numbers
