"""How publishing compiles the parts of the tariff model, and what their amounts need."""

from __future__ import annotations

from datetime import date, datetime, timezone
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rating import tariff

from tollgate.reference.charged_steps import charged_units
from tollgate.reference.exactness import BIGINT, DECIMAL, amount_type, most_discounts
from tollgate.reference.pricebook_checks import check_price_book
from tollgate.reference.pricebook_files import SourceRow
from tollgate.reference.rate_keys import resolve

NEVER = 1 << 62
MIDNIGHT = datetime(2026, 10, 21, 4, tzinfo=timezone.utc)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tariff.compiled(tariff.written(tmp_path_factory.mktemp("model") / "book", tariff.MODEL))


def key_of(model, zone, service="voice", *of_event):
    """Rows of price_rate_key for plan term at home: (rate_id, split_at, segment_units, segment_price_micros)."""
    rows = [row for row in model.tables["price_rate_key"] if row[:5] == ("term", service, zone, "home", "none")]
    return [(row[7], *row[-3:]) for row in rows if row[-7:-4] == (*of_event, "*", "*", "*")[:3]]


@pytest.mark.covers("RAT-02", "RAT-42")
def test_prices_inside_the_event_are_padded_and_a_split_is_the_second(model):
    assert (model.segment_slots, model.band_slots) == (3, 5)
    assert key_of(model, "s60_1") == [("s60_1", None, [0, NEVER, NEVER], [600_000] * 3)]
    assert key_of(model, "first_minute") == [("first_minute", None, [0, 60, NEVER], [200_000, 100_000, 100_000])]
    assert key_of(model, "split") == [
        ("split_1", MIDNIGHT, [0, NEVER, NEVER], [600_000, 1_200_000, 1_200_000]),
        ("split_2", None, [0, NEVER, NEVER], [1_200_000] * 3),
    ]
    # The price that follows is the same one: no split.
    assert [row[1] for row in key_of(model, "same_price")] == [None, None]
    assert [row[1] for row in key_of(model, "ends")] == [None]


@pytest.mark.covers("RAT-42")
def test_keys_hold_what_rates_of_the_service_name_and_a_star(model):
    names = {row[-7:-4] for row in model.tables["price_rate_key"] if row[1] == "voice"}
    assert names == set(product(("in", "*"), ("5G", "*"), ("s1", "*")))
    assert {row[-7:-4] for row in model.tables["price_rate_key"] if row[1] == "sms"} == {("in", "*", "*"), ("*",) * 3}
    assert [row[0] for row in key_of(model, "tech", "voice", "in", "5G")] == ["tech_in"]
    assert [row[0] for row in key_of(model, "tech", "voice", "*", "5G", "s1")] == ["tech_5g"]
    assert [row[0] for row in key_of(model, "tech", "voice", "*", "*", "s1")] == ["tech_slice"]


@pytest.mark.covers("RAT-03")
def test_a_band_day_holds_the_terms_of_its_bands(model):
    days = {row[:2]: row for row in model.tables["price_band_day"]}
    own = days["own", date(2026, 10, 5)]
    assert own[3] == ["night", "day", "night", "day", "night"]
    assert own[5:] == (
        [50_000, None, 50_000, None, 50_000], [30_000, None, 30_000, None, 30_000], [1, None, 1, None, 1],
        [1, None, 1, None, 1],
    )  # fmt: skip
    assert days["peak", date(2026, 10, 5)][5:] == (None,) * 4
    assert [days["dated", date(2026, 10, day)][3][:2] for day in (8, 9, 10, 11, 12)] == [
        ["any", "any"], ["any", "fair"], ["fair", "fair"], ["fair", "any"], ["any", "any"]
    ]  # fmt: skip


@pytest.mark.covers("RAT-46")
def test_a_carriers_prefixes_are_its_own_and_those_of_all_carriers(model):
    prefixes = {(carrier, service, prefix) for carrier, service, _, _, _, prefix in
                model.tables["price_carrier_prefix"]}  # fmt: skip
    assert prefixes == {("c1", "voice", prefix) for prefix in ("2001", "200155", "2001557", "2002", "2023")}
    rows = {(row[3], row[-3], row[4]): row[6] for row in model.tables["price_carrier_key"]}
    since, november = (datetime(2024, 1, 1, 5, tzinfo=timezone.utc), datetime(2026, 11, 1, 4, tzinfo=timezone.utc))
    assert rows == {
        ("*", "*", since): "default", ("GB", "*", since): "gb", ("*", "2001", since): "s60_60",
        ("*", "200155", since): "longer", ("*", "2001557", since): "longer", ("*", "2001557", november): "late",
        # Its own row for other numbers comes before the prefix of all carriers.
        ("*", "2002", since): "default", ("GB", "2002", since): "gb", ("*", "2023", since): "marked_up",
    }  # fmt: skip


def by_reading(rows, number, country):
    """The longest prefix that fits, a literal country before *."""
    fitting = [row for row in rows if row["prefix"] == "*" or number.startswith(row["prefix"])]
    fitting = [row for row in fitting if row["country"] in (country, "*")]
    return min(fitting, key=lambda row: (-len(row["prefix"].strip("*")), row["country"] == "*"), default=None)


@pytest.mark.covers("RAT-46")
@settings(max_examples=200, deadline=None)
@given(st.sets(st.tuples(st.sampled_from(["*", "1", "12", "123", "13", "2"]), st.sampled_from(["GB", "*"]))))
def test_the_longest_prefix_comes_before_the_country(shapes):
    validity = {"valid_from": datetime(2026, 1, 1), "valid_to": datetime(2027, 1, 1)}
    rows = [SourceRow("carrier_rate.csv", number, {"prefix": prefix, "country": country, **validity})
            for number, (prefix, country) in enumerate(sorted(shapes), start=2)]  # fmt: skip
    keys = list(product(["*", "1", "12", "123", "13", "2"], ["GB", "*"]))
    found = {interval.key: interval.row for interval in resolve(rows, ("prefix", "country"), keys)[0]}
    for prefix, country in keys:
        assert found.get((prefix, country)) == by_reading(rows, prefix.strip("*"), country)


@pytest.mark.covers("RAT-26")
def test_usage_is_rounded_up_once():
    assert [charged_units(used, 60, 1) for used in (0, 1, 60, 61)] == [0, 60, 60, 61]
    assert [charged_units(used, 30, 6) for used in (0, 30, 31, 36, 37)] == [0, 30, 36, 36, 42]
    assert [charged_units(used, 60, 60) for used in (0, 1, 60, 61)] == [0, 60, 60, 120]


# A day at p micros a second, twice and with what rounding adds, stays below 2^63 up to p = 53,375,995,583,650.
BELOW, ABOVE = "53375995.583650", "53375995.583651"


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("segment", {"rate_id": "a", "from_units": "1", "price": None}),
        ("time_band", tariff.band("s", "night", 1, price=None)),
        ("rate", tariff.rate("z", None, "b", **tariff.CHANGE)),
    ],
    ids=["a segment", "a band's price", "what follows a split"],
)
def test_the_dearest_moment_counts(tmp_path, file, line):
    own = tariff.rate("z", "1", "a", block="1", digits="6", band_set="s", **tariff.FIRST_DAY)
    own |= {"split_at_validity": "true"} if file == "rate" else {}
    own["valid_to"] = "2026-10-21" if file == "rate" else ""
    found = []
    for price in (BELOW, ABOVE):
        book = {name: list(lines) for name, lines in SMALL.items()} | {"rate": [own]}
        book[file] = [*book.get(file, []), {**line, "price": price} | ({"block": "1", "digits": "6", "band_set": "s"} if
                                                                      file == "rate" else {})]  # fmt: skip
        source, findings = check_price_book(tariff.written(tmp_path / price, book))
        assert source is not None and findings == []
        found.append(amount_type(source)[0])
    assert found == [BIGINT, DECIMAL]


SMALL = {
    **{name: tariff.MODEL[name] for name in ("operator", "currency", "plan")},
    "zone": [tariff.MODEL["zone"][0], *({"zone_id": z, "name": z, "kind": "international"} for z in ("z", "y"))],
    "time_band": [tariff.band("s", "any", 0)],
}


@pytest.mark.covers("RAT-05")
def test_discounts_count_that_can_meet_on_one_event(tmp_path):
    lines = [tariff.discount(f"z{n}", n, "0.1", zone_id="z" if n % 2 else "y") for n in range(1, 7)]
    rates = [tariff.rate("z", "1", discountable="true"), tariff.rate("*", "1", "all", discountable="true"),
             tariff.rate("y", "1", "none")]  # fmt: skip
    source, findings = check_price_book(tariff.written(tmp_path / "few", {**SMALL, "rate": rates, "discount": lines}))
    assert source is not None and findings == []
    assert [most_discounts(source, row) for row in source.rows["rate"]] == [3, 3, 0]
    more = [*lines, *(tariff.discount(f"a{n}", 10 + n, "0.1") for n in range(4))]
    _, findings = check_price_book(tariff.written(tmp_path / "many", {**SMALL, "rate": rates, "discount": more}))
    assert [str(finding) for finding in findings] == [
        f"rate.csv:{line}: the 7 discounts that can meet on one event keep shares of 1.0e+21 parts, more than a row "
        "holds; use rounder percents or fewer discounts" for line in (2, 3)
    ]  # fmt: skip
