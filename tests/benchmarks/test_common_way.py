from __future__ import annotations

import pytest

from benchmarks import common_way
from tollgate.mediation.rules import QUARANTINE, RULES

# What the common way does not look for, or finds under another rule's name.
LEFT_OUT = {
    "PAYLOAD_MISSING", "PAYLOAD_TOO_LARGE", "PAYLOAD_NOT_UTF8", "PAYLOAD_TOO_DEEP", "PAYLOAD_UNSAFE_TEXT",
    "FIELD_AMBIGUOUS", "FIELD_RETYPED", "FIELD_TOO_LONG", "START_MISSING", "MSISDN_MISSING", "DESTINATION_MISSING",
    "DIRECTION_UNKNOWN", "ID_CONFLICT", "ARRIVAL_MALFORMED",
}  # fmt: skip


def test_the_baseline_has_the_rules_of_the_table():
    ours = [rule.code for rule in RULES if rule.severity == QUARANTINE and rule.code not in LEFT_OUT]
    assert [code for code, _, _ in common_way.RULES] == ours


@pytest.mark.parametrize(
    ("received", "found"),
    [
        ("+14162345678", "+14162345678"), ("(416) 234-5678", "+14162345678"), ("0014162345678", "+14162345678"),
        ("00441212342490", "+441212342490"), ("911", "911"), ("34612349951", "+34612349951"),
        ("+695555014001", "+695555014001"), ("+0014162345678", None), ("00114162345678", None), ("416CALLNOW", None),
        ("+１４１６２３４５６７８", None), ("416234", None),
    ],
)  # fmt: skip
def test_its_numbers_are_those_that_mediation_accepts(received, found):
    assert common_way.e164(received, "CA") == found
