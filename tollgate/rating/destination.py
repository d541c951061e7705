"""Where to: the zone of the called number, and the zone of the visited country."""

from __future__ import annotations

from pyspark.sql import DataFrame

from tollgate.rating.as_of import book_rows, with_row_in_force
from tollgate.reference.book_features import CATCH_ALL
from tollgate.reference.frames import PriceBook

# Destinations are looked up in the bucket of their first digits, as a number padded to the 15 digits of E.164.
_NUMBER = """try_cast(CASE destination_class WHEN 'e164' THEN rpad(substr(destination, 2), 15, '0')
             WHEN 'short' THEN destination END AS BIGINT)"""
_RANGE = "CASE WHEN NOT is_roaming AND destination_class = 'e164' THEN substr(destination, 2, 3) END"

GIVEN = ("zone_id", "roaming_zone", "call_type")
NEEDED: tuple[str, ...] = ("service", "started_at", "destination", "destination_class", "is_roaming", "roaming_country")
NEEDED += ("mediated_call_type",)


def with_zones(events: DataFrame, book: PriceBook) -> DataFrame:
    """Add `zone_id`, `zone_kind`, `prefix`, `roaming_zone`, `call_type`; NULL where the book has no zone.

    zone_id is `home` for data; roaming_zone is `home` for events that do not roam.
    call_type is mediation's (`mediated_call_type`), or on_net for the operator's own numbers; NULL for data, roaming
    and short codes.
    events: where they have `given` (STRUCT of zone_id, roaming_zone, call_type), what is not NULL in it comes before
    what is looked up. Source: docs/pricebook.md, destination.csv, own_range.csv and roaming_zone.csv.
    """
    given = {name: f"given.{name}, " if "given" in events.columns else "" for name in GIVEN}
    is_given = "given.zone_id IS NOT NULL" if "given" in events.columns else "false"
    events = events.selectExpr(
        "*",
        f"{_NUMBER} AS called",
        f"{_bucket(book)} AS called_bucket",
        f"{_RANGE} AS called_range",
    )
    events = _with_called_zone(events, book, bucket="called_bucket", into="called_zone")
    if CATCH_ALL in book.features:
        events = events.selectExpr(
            "*", "CASE WHEN called_zone IS NULL AND destination_class = 'e164' THEN '*' END AS other_bucket"
        )
        events = _with_called_zone(events, book, bucket="other_bucket", into="other_zone").selectExpr(
            "* EXCEPT (called_zone, other_bucket, other_zone)", "coalesce(called_zone, other_zone) AS called_zone"
        )
    events = with_row_in_force(
        events,
        book_rows(book.table("price_own_range")),
        same={"bucket": "called_range"},
        take="bucket",
        into="own_range",
        within="called",
        is_timed=False,
    )
    events = with_row_in_force(
        events,
        book_rows(book.table("price_roaming_zone")),
        same={"country": "roaming_country"},
        take="roaming_zone",
        into="visited_zone",
        is_timed=False,
    )
    events = events.selectExpr(
        "* EXCEPT (called, called_bucket, called_range, called_zone, own_range, visited_zone)",
        f"coalesce({given['zone_id']}CASE WHEN service = 'data' THEN 'home' ELSE called_zone.zone_id END) AS zone_id",
        f"CASE WHEN NOT ({is_given}) THEN called_zone.prefix END AS prefix",
        f"coalesce({given['roaming_zone']}CASE WHEN is_roaming THEN visited_zone ELSE 'home' END) AS roaming_zone",
        f"""coalesce({given["call_type"]}CASE WHEN own_range IS NOT NULL THEN 'on_net'
              WHEN called_range IS NOT NULL THEN mediated_call_type END) AS call_type""",
    )
    return with_row_in_force(
        events,
        book_rows(book.table("price_zone")),
        same={"zone_id": "zone_id"},
        take="kind",
        into="zone_kind",
        is_timed=False,
    )


def with_carrier_prefix(events: DataFrame, book: PriceBook) -> DataFrame:
    """Add `cost_prefix`: the longest prefix of the called number that the carrier has prices of its own for, else *."""
    events = with_row_in_force(
        events.selectExpr("*", f"{_NUMBER} AS called", f"{_RANGE} AS called_range"),
        book_rows(book.table("price_carrier_prefix")),
        same={"carrier_id": "carrier_id", "service": "service", "bucket": "called_range"},
        take="prefix",
        into="carrier_prefix",
        within="called",
        is_timed=False,
    )
    return events.selectExpr(
        "* EXCEPT (called, called_range, carrier_prefix)", "coalesce(carrier_prefix, '*') AS cost_prefix"
    )


def _bucket(book: PriceBook) -> str:
    first = "substr(destination, 2, 3)"
    if book.destination_digits:
        # A constant array, in which the place is found by counting.
        digits = f"get(array({', '.join(map(str, book.destination_digits))}), try_cast({first} AS INT))"
        first = f"left(rpad(substr(destination, 2), 15, '0'), {digits})"
    return f"""CASE destination_class WHEN 'e164' THEN concat('E', {first})
               WHEN 'short' THEN concat('S', destination) END"""


def _with_called_zone(events: DataFrame, book: PriceBook, bucket: str, into: str) -> DataFrame:
    return with_row_in_force(
        events,
        book_rows(book.table("price_destination")),
        same={"bucket": bucket},
        take=["zone_id", "prefix"],
        into=into,
        within="called",
    )
