"""E.164 normalisation and the country of a number, by native expressions."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

SHORT_CODES = ("911", "112", "311", "411", "611", "211", "711", "811")

# Country code 1 has ten digits after it, none of its area codes begins with 0 or 1: +1001... and 0011... are seen.
_SUBSCRIBER = r"1[2-9]\d{9}|[2-9]\d{6,14}"
INTERNATIONAL = rf"^\+({_SUBSCRIBER})\z"
EXIT_PREFIX = rf"^00({_SUBSCRIBER})\z"
NO_PLUS = r"^(1[2-9]\d{9}|[2-9]\d{10,14})\z"

# Country of the source -> forms dialled there: what to keep, what to put in front.
NATIONAL_FORMS = {
    "CA": ((r"^([2-9]\d{2}[2-9]\d{6})\z", "+1"), (rf"^011({_SUBSCRIBER})\z", "+")),
    "US": ((r"^([2-9]\d{2}[2-9]\d{6})\z", "+1"), (rf"^011({_SUBSCRIBER})\z", "+")),
    "GB": ((r"^0([1-9]\d{8,9})\z", "+44"),),
    "FR": ((r"^0([1-9]\d{8})\z", "+33"),),
    "MA": ((r"^0([5-8]\d{8})\z", "+212"),),
}
_LEGAL = r"^[+0-9 .()\-]+\z"
_PUNCTUATION = " .()-"


def e164(number: Column, country: Column) -> Column:
    """The number as E.164 digits with a leading plus; NULL when it is missing or cannot be repaired.

    number: as received. country: ISO country of the source, whose national form and trunk prefix apply.
    """
    digits = _digits(number)
    form = F.when(number.rlike(INTERNATIONAL), number).when(~number.rlike(_LEGAL), F.lit(None))
    form = form.when(digits.rlike(INTERNATIONAL), digits)
    form = form.when(digits.rlike(EXIT_PREFIX), F.concat(F.lit("+"), F.substring(digits, 3, 15)))
    for iso, forms in NATIONAL_FORMS.items():
        for pattern, prefix in forms:
            national = F.concat(F.lit(prefix), F.regexp_extract(digits, pattern, 1))
            form = form.when((country == iso) & digits.rlike(pattern), national)
    return form.when(digits.rlike(NO_PLUS), F.concat(F.lit("+"), digits))


def short_code(number: Column) -> Column:
    """The short code as dialled, punctuation removed; NULL when the number is none."""
    digits = _digits(number)
    return F.when(digits.isin(*SHORT_CODES), digits)


def _digits(number: Column) -> Column:
    # "(0)" after a country code shows a trunk digit that is not dialled from abroad.
    abroad = number.rlike(r"^\s*(\+|00)")
    return F.translate(F.when(abroad, F.replace(number, F.lit("(0)"), F.lit(""))).otherwise(number), _PUNCTUATION, "")


def with_numbers(records: DataFrame) -> DataFrame:
    """Add `msisdn`, `destination` (NULL for data) and `destination_class`: e164 or short.

    records: `msisdn_received`, `destination_received`, `service`, `source_country`.
    """
    country = F.col("source_country")
    called = F.when(F.col("service").eqNullSafe("data"), F.lit(None)).otherwise(F.col("destination_received"))
    return (
        records.withColumn("called_received", called)
        .withColumns(
            {
                "msisdn": e164(F.col("msisdn_received"), country),
                "destination_e164": e164(F.col("called_received"), country),
                "destination_short": short_code(F.col("called_received")),
            }
        )
        .withColumns(
            {
                "destination": F.coalesce("destination_e164", "destination_short"),
                "destination_class": F.when(F.col("destination_e164").isNotNull(), "e164").when(
                    F.col("destination_short").isNotNull(), "short"
                ),
            }
        )
    )


def with_countries(records: DataFrame, numbering: DataFrame) -> DataFrame:
    """Add `msisdn_country` and `destination_country` by longest prefix; NULL for short codes and unassigned prefixes.

    numbering: ref_numbering of one snapshot; its intervals are disjoint, so at most one row matches a number.
    """
    served = _with_country(records, numbering, F.col("msisdn"), "msisdn_country")
    return _with_country(served, numbering, F.col("destination_e164"), "destination_country")


def _with_country(records: DataFrame, numbering: DataFrame, number: Column, name: str) -> DataFrame:
    intervals = numbering.select(
        F.col("bucket").alias("interval_bucket"),
        F.col("lo").alias("interval_lo"),
        F.col("hi").alias("interval_hi"),
        F.col("country").alias(name),
    )
    keyed = records.withColumn("number_bucket", F.substring(number, 2, 3)).withColumn(
        "number_key", F.rpad(F.substring(number, 2, 15), 15, "0").try_cast("BIGINT")
    )
    within = (
        (F.col("number_bucket") == F.col("interval_bucket"))
        & (F.col("interval_lo") <= F.col("number_key"))
        & (F.col("number_key") < F.col("interval_hi"))
    )
    # LEFT: an unassigned prefix is a flag; an inner join would also parse the payload twice.
    return keyed.join(F.broadcast(intervals), within, how="left").drop(
        "interval_bucket", "interval_lo", "interval_hi", "number_bucket", "number_key"
    )
