"""Numbers in every form that reaches mediation."""

from __future__ import annotations

import pytest
from frames import table
from pyspark.sql import functions as F

from tollgate.mediation.numbers import e164, short_code

UNKNOWN = None
CASES = (
    # received, country of the source, E.164
    ("+14165550100", "CA", "+14165550100"), ("+442071234567", "CA", "+442071234567"),
    ("+8801712345678", "CA", "+8801712345678"),
    ("+2901234", "CA", "+2901234"), ("+290123", "CA", UNKNOWN), ("+123456", "CA", UNKNOWN),
    ("+999999999999999", "CA", "+999999999999999"), ("+9999999999999999", "CA", UNKNOWN),
    # 00 for the plus
    ("00442071234567", "CA", "+442071234567"), ("0014165550100", "CA", "+14165550100"),
    ("00442071234567", "GB", "+442071234567"),
    # punctuation
    ("+1 416 555 0100", "CA", "+14165550100"), ("+1 (416) 555-0100", "CA", "+14165550100"),
    ("+1.416.555.0100", "CA", "+14165550100"),
    ("+44-2071-234-567", "CA", "+442071234567"), (" +14165550100 ", "CA", "+14165550100"),
    ("(416) 555-0100", "CA", "+14165550100"),
    ("00 44 20 7123 4567", "CA", "+442071234567"), ("+44 (0)20 7123 4567", "CA", "+442071234567"),
    ("0044 (0)20 7123 4567", "CA", "+442071234567"),
    # no plus
    ("442071234567", "CA", "+442071234567"), ("14165550100", "CA", "+14165550100"),
    ("14165550100", "GB", "+14165550100"),
    ("33123456789", "CA", "+33123456789"), ("999999999999999", "CA", "+999999999999999"),
    # national forms
    ("4165550100", "CA", "+14165550100"), ("416-555-0100", "CA", "+14165550100"), ("4165550100", "US", "+14165550100"),
    ("4165550100", "GB", UNKNOWN), ("4165550100", None, UNKNOWN),
    ("0165550100", "CA", UNKNOWN), ("4161550100", "CA", UNKNOWN),
    ("011442071234567", "CA", "+442071234567"), ("011442071234567", "GB", UNKNOWN),
    ("02071234567", "GB", "+442071234567"),
    ("02071234567", "CA", UNKNOWN), ("0123456789", "FR", "+33123456789"), ("0612345678", "MA", "+212612345678"),
    # double prefixes
    ("++14165550100", "CA", UNKNOWN), ("+0014165550100", "CA", UNKNOWN), ("00+14165550100", "CA", UNKNOWN),
    ("+1+14165550100", "CA", UNKNOWN), ("+10014165550100", "CA", UNKNOWN), ("0011416555010", "CA", UNKNOWN),
    ("00114165550100", "CA", UNKNOWN), ("0000442071234567", "CA", UNKNOWN), ("+00442071234567", "CA", UNKNOWN),
    # wrong length under code 1
    ("+1416555010", "CA", UNKNOWN), ("+141655501000", "CA", UNKNOWN),
    ("+11165550100", "CA", UNKNOWN), ("+10165550100", "CA", UNKNOWN),
    # letters, other scripts, control characters, nothing
    ("+1416ABC0100", "CA", UNKNOWN), ("1-800-FLOWERS", "CA", UNKNOWN),
    ("+\u0661\u0664\u0661\u0666\u0665\u0665\u0665", "CA", UNKNOWN),
    ("+\uff11\uff14\uff11\uff165550100", "CA", UNKNOWN), ("+14165550100\n", "CA", UNKNOWN),
    ("+1416\t5550100", "CA", UNKNOWN),
    ("+1416\u00a05550100", "CA", UNKNOWN), ("tel:+14165550100", "CA", UNKNOWN), ("+14165550100,5", "CA", UNKNOWN),
    ("", "CA", UNKNOWN), ("+", "CA", UNKNOWN), ("00", "CA", UNKNOWN), ("-", "CA", UNKNOWN), (None, "CA", UNKNOWN),
    ("5550100", "CA", UNKNOWN), ("41655", "CA", UNKNOWN), ("911", "CA", UNKNOWN),
    ("1" * 300, "CA", UNKNOWN), ('{"a":1}', "CA", UNKNOWN),
)  # fmt: skip
SHORT = (
    ("911", "911"), ("112", "112"), ("9-1-1", "911"), (" 811 ", "811"), ("912", None), ("+911", None), ("0911", None),
    ("9110", None), ("91A", None), (None, None),
)  # fmt: skip


@pytest.mark.covers("MED-03", "MED-28")
def test_numbers_become_e164_or_are_given_up(spark):
    assert len(CASES) >= 60
    cases = table(spark, "received STRING, country STRING, expected STRING", *CASES)
    found = cases.withColumn("found", e164(F.col("received"), F.col("country")))
    assert found.where("NOT found <=> expected").collect() == []


@pytest.mark.covers("MED-03")
def test_short_codes_stay_as_dialled(spark):
    cases = table(spark, "received STRING, expected STRING", *SHORT)
    found = cases.withColumn("found", short_code(F.col("received")))
    assert found.where("NOT found <=> expected").collect() == []
