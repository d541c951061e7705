"""Numbers as received -> E.164, country and kind, by native expressions over the numbering plans of the snapshot."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from tollgate.steps import compiled_apart

# Nothing to mend: most numbers arrive like this and skip all other expressions.
CLEAN = r"^\+[1-9][0-9]{6,14}\z"
PUNCTUATION = " .()-/[]~"
# An extension behind a digit: ;ext=12, ext. 12, x12, #12, - 12#. Digits without a label are never taken for one.
EXTENSION = (
    r"(?i)(?<=[0-9)])(?:;ext=[0-9]{1,20}|[ ,]*(?:ext(?:ensio)?n?|xtn?)[:.]?[ ,-]*[0-9]{1,20}#?"
    r"|[ ,]*[x#][:.]?[ ,-]*[0-9]{1,9}#?|[- ]+[0-9]{1,6}#) *\z"
)
# Telephones dial these as emergency calls in every country: 3GPP TS 22.101, section 10.
EMERGENCY_EVERYWHERE = ("112", "911")
LONGEST_SHORT_CODE = 9
# What with_numbers reads.
NUMBERS = ("msisdn_received", "destination_received", "service", "source_country")
SIDES = {"msisdn": "msisdn_received", "called": "called_received"}
# What only the steps of with_numbers read.
_BETWEEN = (
    "short_kind", "called_kind", "called_country",
    *(f"{side}_{part}" for side in SIDES
      for part in ("plain", "stripped", "reading", "bucket", "at", "country_code", "trunk_digits")),
    *(f"is_{side}_bare" for side in SIDES),
)  # fmt: skip

_DIALLING = (
    "country_code", "exit_form", "own_code_form", "trunk_form", "trunk_rule", "trunk_group", "national_form",
    "national_lengths", "emergency_form", "short_form",
)  # fmt: skip
_RANGE = ("bucket", "lo", "hi", "country_code", "country", "kind", "trunk_digits")


def with_numbers(records: DataFrame, dialling: DataFrame, ranges: DataFrame) -> DataFrame:
    """Add `msisdn` and `destination` with their `_country` and `_kind`, `destination_class`, `called_received`, and
    `is_msisdn_extended` and `is_called_extended`: whether an extension was cut off.

    records: `msisdn_received`, `destination_received`, `service`, `source_country`. A number is NULL when it is missing
    or impossible; the kind is that of ref_number_range, or short or emergency; the class is e164 or short.
    dialling: ref_dialling, unique by country. ranges: ref_number_range, disjoint. Both of one snapshot.
    Source: docs/mediation.md, "Numbers".
    """
    called = "CASE WHEN NOT service <=> 'data' THEN destination_received END"
    plans = dialling.select(F.col("country").alias("dialling_country"), *(_named(_DIALLING, "dialling")))
    # How a country dials is a page of patterns, which a record without a number to mend does not carry along.
    is_odd = " OR ".join(f"NOT {received} RLIKE r'{CLEAN}'" for received in ("msisdn_received", f"({called})"))
    dialled = records.withColumns(
        {"called_received": F.expr(called), "dialled_in": F.expr(f"CASE WHEN {is_odd} THEN source_country END")}
    ).join(F.broadcast(plans), F.col("dialled_in") == F.col("dialling_country"), how="left")
    read = (
        dialled.withColumns({f"{side}_plain": _plain(received) for side, received in SIDES.items()})
        .withColumns({f"{side}_stripped": F.expr(_stripped(f"{side}_plain")) for side in SIDES})
        .transform(compiled_apart)
        .withColumns({f"{side}_reading": F.expr(_reading(side)) for side in SIDES})
        .withColumns(
            {name: column for side in SIDES for name, column in _lookup(side).items()}
            | {"short_kind": F.expr(_short_kind("called_plain"))}
        )
        .drop("dialled_in", "dialling_country", *(f"dialling_{name}" for name in _DIALLING))
    )
    found = _with_range(_with_range(compiled_apart(read), ranges, "msisdn"), ranges, "called")
    return _with_results(found).drop(*_BETWEEN)


def _named(columns: tuple[str, ...], owner: str) -> list[Column]:
    return [F.col(name).alias(f"{owner}_{name}") for name in columns]


def _plain(received: str) -> Column:
    """The digits, with a plus in front if there was one; empty when something else stands there, NULL when CLEAN."""
    number = F.translate(F.regexp_replace(received, EXTENSION, ""), PUNCTUATION, "")
    return F.when(~F.col(received).rlike(CLEAN), F.regexp_extract(number, r"^(\+?[0-9]+)\z", 1))


def _matches(text: str, form: str) -> str:
    # Unlike rlike, regexp_extract keeps the last expression compiled; the sources of a batch are few.
    return f"(regexp_extract({text}, dialling_{form}, 0) <> '')"


def _stripped(plain: str) -> str:
    """Without what is dialled in front of national numbers; NULL for international ones and unknown countries."""
    takes_part = f"regexp_extract({plain}, dialling_trunk_form, dialling_trunk_group) <> ''"
    return f"""
        CASE WHEN NOT {plain} RLIKE '^[0-9]' THEN NULL
             WHEN dialling_trunk_form IS NULL AND dialling_country IS NOT NULL THEN {plain}
             WHEN dialling_trunk_rule IS NOT NULL AND {takes_part}
             THEN regexp_replace({plain}, dialling_trunk_form, dialling_trunk_rule)
             ELSE regexp_replace({plain}, dialling_trunk_form, '') END"""


def _reading(side: str) -> str:
    """The digits behind the plus. What comes first counts: a prefix that says so, the own country, then any other."""
    plain, stripped = f"{side}_plain", f"{side}_stripped"
    longest = "array_max(dialling_national_lengths)"
    is_own_code = f"""startswith({plain}, dialling_country_code) AND (length({plain}) > {longest}
        OR {_matches(plain, "own_code_form")} AND NOT {_matches(plain, "national_form")})"""
    is_prefixed = f"""(array_contains(dialling_national_lengths, length({stripped})) OR length({stripped}) > {longest})
        AND NOT ({_matches(plain, "national_form")} AND NOT {_matches(stripped, "national_form")})"""
    national = f"CASE WHEN {is_prefixed} THEN {stripped} ELSE {plain} END"
    return rf"""
        CASE WHEN {plain} IS NULL THEN substr({SIDES[side]}, 2)
             WHEN startswith({plain}, '+') THEN substr({plain}, 2)
             WHEN regexp_extract({plain}, dialling_exit_form, 1) <> ''
             THEN regexp_extract({plain}, dialling_exit_form, 1)
             WHEN {is_own_code} THEN {plain}
             WHEN {plain} RLIKE '^00[1-9]' AND NOT coalesce({_matches(plain, "national_form")}, false)
             THEN substr({plain}, 3)
             WHEN array_contains(dialling_national_lengths, length({national}))
             THEN concat(dialling_country_code, {national})
             WHEN length({plain}) BETWEEN 11 AND 15 THEN {plain} END"""


def _lookup(side: str) -> dict[str, Column]:
    plain, reading = f"{side}_plain", f"{side}_reading"
    return {
        f"{side}_bucket": F.expr(f"length({reading}) * 10000L + try_cast(left({reading}, 4) AS BIGINT)"),
        f"{side}_at": F.expr(f"try_cast(rpad({reading}, 17, '0') AS BIGINT)"),
        # Taken for a number of another country only because it cannot be one of this country.
        f"is_{side}_bare": F.expr(
            f"coalesce({plain} = {reading}, false) AND NOT coalesce(startswith({plain}, dialling_country_code), false)"
        ),
        f"is_{side}_extended": F.when(F.col(plain).isNotNull(), F.col(SIDES[side]).rlike(EXTENSION)),
    }


def _short_kind(plain: str) -> str:
    everywhere = ", ".join(f"'{number}'" for number in EMERGENCY_EVERYWHERE)
    return f"""
        CASE WHEN length({plain}) > {LONGEST_SHORT_CODE} THEN NULL
             WHEN {plain} IN ({everywhere}) OR {_matches(plain, "emergency_form")} THEN 'emergency'
             WHEN {_matches(plain, "short_form")} THEN 'short' END"""


def _with_range(records: DataFrame, ranges: DataFrame, side: str) -> DataFrame:
    found = ranges.select(*_named(_RANGE, side)).withColumnRenamed(f"{side}_bucket", "range_bucket")
    within = F.expr(f"{side}_bucket = range_bucket AND {side}_lo <= {side}_at AND {side}_at < {side}_hi")
    # LEFT: an impossible number is a reason; an inner join would also parse the payload twice.
    return records.join(F.broadcast(found), within, how="left").drop("range_bucket", f"{side}_lo", f"{side}_hi")


def _with_results(found: DataFrame) -> DataFrame:
    def possible_kind(side: str) -> str:
        return f"CASE WHEN NOT ({side}_kind = 'unassigned' AND is_{side}_bare) THEN {side}_kind END"

    kinds = {
        "msisdn_kind": F.expr(possible_kind("msisdn")),
        "destination_kind": F.expr(f"""
            CASE WHEN short_kind = 'emergency' THEN short_kind
                 WHEN short_kind = 'short' AND coalesce(called_kind, 'unassigned') = 'unassigned' THEN short_kind
                 ELSE {possible_kind("called")} END"""),
    }
    return found.withColumns(kinds).withColumns(
        {
            "msisdn": F.expr(f"CASE WHEN msisdn_kind IS NOT NULL THEN {_e164('msisdn')} END"),
            "msisdn_country": F.expr("CASE WHEN msisdn_kind IS NOT NULL THEN msisdn_country END"),
            "destination": F.expr(f"""
                CASE WHEN destination_kind IN ('emergency', 'short') THEN called_plain
                     WHEN destination_kind IS NOT NULL THEN {_e164("called")} END"""),
            "destination_class": F.expr("""
                CASE WHEN destination_kind IN ('emergency', 'short') THEN 'short'
                     WHEN destination_kind IS NOT NULL THEN 'e164' END"""),
            "destination_country": F.expr(
                "CASE WHEN destination_kind NOT IN ('emergency', 'short') THEN called_country END"
            ),
        }
    )


def _e164(side: str) -> str:
    reading, code, trunk = f"{side}_reading", f"{side}_country_code", f"{side}_trunk_digits"
    return f"""CASE WHEN {trunk} > 0 THEN concat('+', {code}, substr({reading}, length({code}) + 1 + {trunk}))
                    ELSE concat('+', {reading}) END"""
