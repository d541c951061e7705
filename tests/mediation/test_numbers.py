"""Numbers by hand, in every form that reaches mediation."""

from __future__ import annotations

import pytest
from frames import table
from mediation.records import number_plans

from tollgate.mediation.numbers import with_numbers

IMPOSSIBLE = None
CASES = (
    # received, country of the source, number, kind of number where it is called
    ("+14165550100", "CA", "+14165550100", "ordinary"), ("+442071234567", "CA", "+442071234567", "ordinary"),
    ("+8801712345678", "CA", "+8801712345678", "ordinary"), ("+393123456789", "CA", "+393123456789", "ordinary"),
    # 7 to 15 digits
    ("+2904123", "CA", "+2904123", "unassigned"), ("+29051234", "CA", "+29051234", "ordinary"),
    ("+123456", "CA", IMPOSSIBLE, None),
    ("+498001234567890", "CA", "+498001234567890", "toll_free"), ("+4980012345678901", "CA", IMPOSSIBLE, None),
    ("+2105551", "CA", "+2105551", "unassigned"), ("+210555", "CA", IMPOSSIBLE, None),
    ("+210555123456789", "CA", "+210555123456789", "unassigned"), ("+2105551234567890", "CA", IMPOSSIBLE, None),
    # valid, possible, impossible: as many digits as the country's numbers have, or not
    ("+14161550100", "CA", "+14161550100", "unassigned"), ("+1416555010", "CA", IMPOSSIBLE, None),
    ("+141655501000", "CA", IMPOSSIBLE, None), ("+4420712345678", "CA", IMPOSSIBLE, None),
    ("+442871234567", "CA", "+442871234567", "ordinary"), ("+446071234567", "CA", "+446071234567", "unassigned"),
    # 00, and the prefix that leads abroad from the country of the source
    ("00442071234567", "CA", "+442071234567", "ordinary"), ("00442071234567", "FR", "+442071234567", "ordinary"),
    ("011442071234567", "CA", "+442071234567", "ordinary"), ("011442071234567", "GB", IMPOSSIBLE, None),
    ("0011442071234567", "AU", "+442071234567", "ordinary"), ("010442071234567", "JP", "+442071234567", "ordinary"),
    ("810442071234567", "RU", "+442071234567", "ordinary"), ("8~10 44 20 7123 4567", "RU", "+442071234567", "ordinary"),
    ("119442071234567", "CU", "+442071234567", "ordinary"),
    # national forms, with and without the trunk prefix
    ("4165550100", "CA", "+14165550100", "ordinary"), ("14165550100", "CA", "+14165550100", "ordinary"),
    ("4165550100", "US", "+14165550100", "ordinary"), ("4165550100", "GB", "+444165550100", "unassigned"),
    ("4165550100", None, IMPOSSIBLE, None), ("02071234567", "GB", "+442071234567", "ordinary"),
    ("2071234567", "GB", "+442071234567", "ordinary"), ("02071234567", "CA", IMPOSSIBLE, None),
    ("0123456789", "FR", "+33123456789", "ordinary"), ("0612345678", "MA", "+212612345678", "ordinary"),
    ("8 (912) 345-67-89", "RU", "+79123456789", "ordinary"), ("06 1 234 5678", "HU", "+3612345678", "ordinary"),
    ("0212345678", "IT", "+390212345678", "ordinary"), ("3123456789", "IT", "+393123456789", "ordinary"),
    ("011 15-2345-6789", "AR", "+5491123456789", "ordinary"),
    ("0 15 11 96123-4567", "BR", "+5511961234567", "ordinary"),
    # the code without a plus: the country's own, or another's that cannot be a national number
    ("442071234567", "GB", "+442071234567", "ordinary"), ("442071234567", "CA", "+442071234567", "ordinary"),
    ("14165550100", "GB", "+14165550100", "ordinary"), ("999999999999999", "CA", IMPOSSIBLE, None),
    ("210555501123", "CA", IMPOSSIBLE, None), ("41655501001", "CA", IMPOSSIBLE, None),
    # punctuation
    ("+1 (416) 555-0100", "CA", "+14165550100", "ordinary"), ("+1.416.555.0100", "CA", "+14165550100", "ordinary"),
    ("+44-2071/234-567", "CA", "+442071234567", "ordinary"), (" +14165550100 ", "CA", "+14165550100", "ordinary"),
    ("[416] 555-0100", "CA", "+14165550100", "ordinary"), ("+44 (0)20 7123 4567", "CA", "+442071234567", "ordinary"),
    ("0044 (0)20 7123 4567", "CA", "+442071234567", "ordinary"),
    ("+39 (0)2 1234 5678", "CA", "+390212345678", "ordinary"),
    # extensions
    ("+14165550100 ext. 123", "CA", "+14165550100", "ordinary"), ("416-555-0100x123", "CA", "+14165550100", "ordinary"),
    ("+14165550100;ext=123", "CA", "+14165550100", "ordinary"), ("+14165550100 #123", "CA", "+14165550100", "ordinary"),
    ("+14165550100 Extension 7", "CA", "+14165550100", "ordinary"),
    ("+14165550100 - 12#", "CA", "+14165550100", "ordinary"),
    ("+14165550100 ext.", "CA", IMPOSSIBLE, None), ("ext. 123", "CA", IMPOSSIBLE, None),
    ("*21#4165550100", "CA", IMPOSSIBLE, None), ("#31#+14165550100", "CA", IMPOSSIBLE, None),
    ("+14165550100,5", "CA", IMPOSSIBLE, None),
    # double prefixes
    ("++14165550100", "CA", IMPOSSIBLE, None), ("+0014165550100", "CA", IMPOSSIBLE, None),
    ("00+14165550100", "CA", IMPOSSIBLE, None), ("+1+14165550100", "CA", IMPOSSIBLE, None),
    ("+10014165550100", "CA", IMPOSSIBLE, None), ("00114165550100", "CA", IMPOSSIBLE, None),
    ("+114165550100", "CA", IMPOSSIBLE, None), ("0000442071234567", "CA", IMPOSSIBLE, None),
    # letters, other scripts, control characters, nothing
    ("+1416ABC0100", "CA", IMPOSSIBLE, None), ("1-800-FLOWERS", "CA", IMPOSSIBLE, None),
    ("+\u0661\u0664\u0661\u0666\u0665\u0665\u0665\u0660\u0661\u0660\u0660", "CA", IMPOSSIBLE, None),
    ("+\uff11\uff14\uff11\uff165550100", "CA", IMPOSSIBLE, None), ("\uff0b14165550100", "CA", IMPOSSIBLE, None),
    ("+14165550100\n", "CA", IMPOSSIBLE, None), ("4165550100\n", "CA", IMPOSSIBLE, None),
    ("+14165550100 x12\n", "CA", IMPOSSIBLE, None), ("+14165550100\0", "CA", IMPOSSIBLE, None),
    ("+1416\t5550100", "CA", IMPOSSIBLE, None), ("+1416\u00a05550100", "CA", IMPOSSIBLE, None),
    ("+1416\u200b5550100", "CA", IMPOSSIBLE, None), ("tel:+14165550100", "CA", IMPOSSIBLE, None),
    ("", "CA", IMPOSSIBLE, None), ("+", "CA", IMPOSSIBLE, None), ("00", "CA", IMPOSSIBLE, None),
    ("-", "CA", IMPOSSIBLE, None), (None, "CA", IMPOSSIBLE, None), ("5550100", "CA", IMPOSSIBLE, None),
    ("41655", "CA", IMPOSSIBLE, None), ("1" * 300, "CA", IMPOSSIBLE, None), ('{"a":1}', "CA", IMPOSSIBLE, None),
    # what its country charges in its own way
    ("+18005550100", "CA", "+18005550100", "toll_free"), ("18005550100", "CA", "+18005550100", "toll_free"),
    ("+80012345678", "CA", "+80012345678", "toll_free"), ("+19002345678", "CA", "+19002345678", "premium"),
    ("+4918012345", "CA", "+4918012345", "shared_cost"), ("0800 123456", "DE", "+49800123456", "unassigned"),
    ("0800 1234567", "DE", "+498001234567", "toll_free"),
)  # fmt: skip
# Only who is called can be a short code: received, country, number, kind.
SHORT = (
    ("911", "CA", "911", "emergency"), ("112", "CA", "112", "emergency"), ("9-1-1", "CA", "911", "emergency"),
    ("911", "GB", "911", "emergency"), ("999", "GB", "999", "emergency"), ("999", "CA", None, None),
    ("112", None, "112", "emergency"), ("110", "DE", "110", "emergency"), (" 811 ", "CA", "811", "short"),
    ("411", "CA", "411", "short"), ("411", "DE", None, None), ("116123", "GB", "116123", "short"),
    ("912", "CA", None, None), ("+911", "CA", None, None), ("0911", "CA", None, None), ("91A", "CA", None, None),
    ("911\n", "CA", None, None),
)  # fmt: skip


def judged(spark, cases):
    received = table(
        spark,
        "msisdn_received STRING, destination_received STRING, service STRING, source_country STRING, no INT",
        *((text, text, "voice", country, number) for number, (text, country, *_) in enumerate(cases)),
    )
    found = {row.no: row for row in with_numbers(received, *number_plans(spark)).collect()}
    return [found[number] for number in range(len(cases))]


@pytest.mark.covers("MED-03", "MED-28")
def test_numbers_become_e164_or_are_given_up(spark):
    for (text, country, number, kind), row in zip(CASES, judged(spark, CASES), strict=True):
        told = (row.msisdn, row.msisdn_kind, row.destination, row.destination_kind, row.destination_class)
        expected = (number, kind, number, kind, None if number is None else "e164")
        assert told == expected, (text, country)
        assert (row.msisdn_received, row.destination_received) == (text, text)


@pytest.mark.covers("MED-03")
def test_short_codes_are_those_of_the_source_s_country(spark):
    for (text, country, number, kind), row in zip(SHORT, judged(spark, SHORT), strict=True):
        told = (row.destination, row.destination_kind, row.destination_class, row.destination_country)
        assert told == (number, kind, None if number is None else "short", None), (text, country)
        assert row.msisdn is None, "nobody is served under a short code"


@pytest.mark.covers("MED-17")
def test_a_number_has_the_country_of_its_longest_prefix(spark):
    countries = {
        "+14165551234": "CA", "+12125551234": "US", "+18765551234": "JM", "+17875551234": "PR", "+442071234567": "GB",
        "+77011234567": "KZ", "+79161234567": "RU", "+881612345678": "001", "+212612345678": "MA", "+2105551234": None,
        "+1416555": None,
    }  # fmt: skip
    rows = judged(spark, [(number, "CA") for number in countries])
    assert [row.msisdn_country for row in rows] == list(countries.values())
    assert [row.destination_country for row in rows] == list(countries.values())


def test_data_calls_nobody(spark):
    data = table(
        spark, "msisdn_received STRING, destination_received STRING, service STRING, source_country STRING",
        ("+14165550100", "internet", "data", "CA"), ("+14165550100", "+442071234567", None, "CA"),
    )  # fmt: skip
    rows = with_numbers(data, *number_plans(spark)).collect()
    assert [(row.msisdn, row.destination, row.destination_kind) for row in rows] == [
        ("+14165550100", None, None), ("+14165550100", "+442071234567", "ordinary")
    ]  # fmt: skip
