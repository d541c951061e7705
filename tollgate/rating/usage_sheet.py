"""A file of usage as rating takes it: each cell read by its form, and what is wrong with a row said in words.

Nothing here stops at a bad row: it goes on with NULL in the place of what cannot be read, and `invalid` says why.
Source: docs/rate_file.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from tollgate.mediation.enrich import OUTCOMES, TECHNOLOGY_ALIASES
from tollgate.mediation.rules import MAX_DURATION_S, MAX_ID_BYTES, MAX_VOLUME_BYTES

E164 = r"^[+][1-9][0-9]{6,14}$"
SHORT_CODE = "^[0-9]{1,6}$"
INSTANT = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,6})?)?(Z|[+-][0-9]{2}:[0-9]{2})?$"
OFFSET = "(Z|[+-][0-9]{2}:[0-9]{2})$"
DAY = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
ID = "^[A-Za-z0-9_-]{1,64}$"
SERVICES = ("voice", "sms", "mms", "data")
CALL_TYPES = ("local", "national", "international", "on_net")
CLASS_BY_FORM = "CASE WHEN destination LIKE '+%' THEN 'e164' WHEN destination IS NOT NULL THEN 'short' END"
REQUIRED = ("event_id", "started_at", "service")
TOO_MANY_CELLS = "the row has another number of cells than the header"
# Of a cell that cannot be read so much is shown.
SHOWN = 40


@dataclass(frozen=True)
class SheetFacts:
    """What of the price book decides whether a cell can be read."""

    time_zone: str
    currency: str
    zones: tuple[str, ...]
    roaming_zones: tuple[str, ...]
    rating_groups: tuple[str, ...]
    home_countries: tuple[str, ...]


class Cell(NamedTuple):
    """A column of the file. value: SQL over `{c}`, the cell's text, NULL where it has another form; kind: its type.

    needed: SQL over columns that were read before; where it holds, an empty cell is a mistake.
    """

    value: str
    kind: str
    expected: str
    needed: str = "false"


def one_of(words: Sequence[str]) -> str:
    """SQL text: the cell, if it is one of these words."""
    listed = ", ".join("'" + word.replace("'", "''") + "'" for word in words)
    return f"CASE WHEN {{c}} IN ({listed or 'NULL'}) THEN {{c}} END"


def like(form: str) -> str:
    """SQL text: the cell, if it has this form."""
    return f"CASE WHEN {{c}} RLIKE '{form}' THEN {{c}} END"


def whole(most: int) -> str:
    """SQL text: the cell as a whole number from 0 to `most`."""
    number = "CASE WHEN {c} RLIKE '^[0-9]{{1,18}}$' THEN CAST({c} AS BIGINT) END"
    return f"CASE WHEN {number} <= {most} THEN CAST({{c}} AS BIGINT) END"


def truth() -> str:
    """SQL text: the cell as a BOOLEAN."""
    return "CASE {c} WHEN 'true' THEN true WHEN 'false' THEN false END"


def day() -> str:
    """SQL text: the cell as a DATE."""
    return f"CASE WHEN {{c}} RLIKE '{braces(DAY)}' THEN try_cast({{c}} AS DATE) END"


def instant(time_zone: str) -> str:
    """SQL text: the cell as an instant; without an offset it is local time, and one that clocks leave out is none.

    Of an hour that the clock shows twice the first is meant.
    """
    plain = "try_cast({c} AS TIMESTAMP)"
    local = f"to_utc_timestamp({plain}, '{time_zone}')"
    return f"""CASE WHEN NOT {{c}} RLIKE '{braces(INSTANT)}' THEN NULL
                    WHEN {{c}} RLIKE '{braces(OFFSET)}' THEN {plain}
                    WHEN from_utc_timestamp({local}, '{time_zone}') = {plain} THEN {local} END"""


def braces(form: str) -> str:
    """A regular expression inside a text that `str.format` fills."""
    return form.replace("{", "{{").replace("}", "}}")


def usage_cells(facts: SheetFacts, *, is_dialled: bool) -> dict[str, Cell]:
    """Every column that a file of usage may have. is_dialled: numbers are read by mediation's rules afterwards."""
    a_number = "a number as dialled" if is_dialled else "an E.164 number with +"
    number = "CASE WHEN {c} <> '' THEN {c} END" if is_dialled else like(braces(E164))
    called = f"CASE WHEN {{c}} RLIKE '{braces(E164)}' OR {{c}} RLIKE '{braces(SHORT_CODE)}' THEN {{c}} END"
    country, name = like("^([A-Z]{{2}}|001)$"), like(braces(ID))
    words = ", ".join
    return {
        "event_id": Cell(
            f"CASE WHEN octet_length({{c}}) <= {MAX_ID_BYTES} THEN {{c}} END", "STRING",
            f"an id of 1 to {MAX_ID_BYTES} bytes", "true",
        ),
        "started_at": Cell(
            instant(facts.time_zone), "TIMESTAMP",
            f"an instant as 2026-10-05T09:00:00-04:00, or a time without an offset that {facts.time_zone} had", "true",
        ),
        "service": Cell(one_of(SERVICES), "STRING", f"one of {words(SERVICES)}", "true"),
        "duration_s": Cell(
            whole(MAX_DURATION_S), "BIGINT", f"whole seconds from 0 to {MAX_DURATION_S}", "service = 'voice'"
        ),
        "volume_bytes": Cell(
            whole(MAX_VOLUME_BYTES), "BIGINT", f"whole bytes from 0 to {MAX_VOLUME_BYTES}", "service = 'data'"
        ),
        "msisdn": Cell(number, "STRING", a_number),
        "zone_id": Cell(one_of(facts.zones), "STRING", "a zone of the price book"),
        "destination": Cell(
            number if is_dialled else called, "STRING",
            a_number if is_dialled else f"{a_number}, or a short code of 1 to 6 digits",
            "service IN ('voice', 'sms', 'mms') AND zone_id IS NULL",
        ),
        "destination_country": Cell(country, "STRING", "an ISO country of two capital letters, or 001"),
        "destination_class": Cell(one_of(("e164", "short")), "STRING", "e164 or short"),
        "call_type": Cell(one_of(CALL_TYPES), "STRING", f"one of {words(CALL_TYPES)}"),
        "roaming_country": Cell(like("^[A-Z]{{2}}$"), "STRING", "an ISO country of two capital letters"),
        "roaming_zone": Cell(one_of(facts.roaming_zones), "STRING", "home or a roaming zone of the price book"),
        "roaming": Cell(truth(), "BOOLEAN", "true or false"),
        "rating_group": Cell(
            one_of(facts.rating_groups), "STRING", f"one of {words(facts.rating_groups)}",
            f"service = 'data' AND {len(facts.rating_groups)} <> 1",
        ),
        "technology": Cell(one_of(tuple(TECHNOLOGY_ALIASES)), "STRING", f"one of {words(TECHNOLOGY_ALIASES)}"),
        "direction": Cell(one_of(("out", "in")), "STRING", "out or in"),
        "slice_id": Cell(name, "STRING", "an id"),
        "carrier_id": Cell(name, "STRING", "an id"),
        "call_outcome": Cell(one_of(OUTCOMES), "STRING", f"one of {words(OUTCOMES)}"),
        "plan_id": Cell(name, "STRING", "an id"),
        **owner_cells(),
    }  # fmt: skip


def owner_cells() -> dict[str, Cell]:
    """What a row of usage or of subscriptions says of the customer."""
    return {
        "student": Cell(truth(), "BOOLEAN", "true or false"),
        "customer_since": Cell(day(), "DATE", "a day as 2025-10-09"),
        "currency": Cell(like("^[A-Z]{{3}}$"), "STRING", "a currency of three capital letters"),
    }


def read_cells(lines: DataFrame, cells: Mapping[str, Cell], place: Mapping[str, str], kept: Sequence[str]) -> DataFrame:
    """The columns `kept` of `lines`, one column of its type for each of `cells`, and `mistakes`, ARRAY of STRING.

    lines: also `unreadable`, not NULL where a line has too many or too few cells. place: column of the file -> the
    column of `lines` with its text; a column that the file lacks is NULL.
    """
    texts = {name: f"`{place[name]}`" if name in place else "CAST(NULL AS STRING)" for name in cells}
    values = [f"CAST({cell.value.format(c=texts[name])} AS {cell.kind}) AS {name}" for name, cell in cells.items()]
    taken = [f"{texts[name]} AS text_{name}" for name in cells]
    read = lines.selectExpr("unreadable", *kept, *taken, *values)
    wrong = [_mistake(name, cell) for name, cell in cells.items()]
    mistakes = f"""CASE WHEN unreadable IS NOT NULL THEN array('{TOO_MANY_CELLS}')
                        ELSE filter(array({", ".join(wrong)}), m -> m IS NOT NULL) END"""
    return read.selectExpr(*kept, *cells, f"{mistakes} AS mistakes")


def _mistake(name: str, cell: Cell) -> str:
    text, told = f"text_{name}", cell.expected.replace("'", "''")
    shown = f"CASE WHEN {text} IS NULL THEN 'nothing' ELSE concat('\"', left({text}, {SHOWN}), '\"') END"
    said = f"concat('{name}: expected {told}, found ', {shown})"
    return f"CASE WHEN {name} IS NULL AND ({text} IS NOT NULL OR {cell.needed}) THEN {said} END"


def as_usage(read: DataFrame, facts: SheetFacts) -> DataFrame:
    """The rows of `read_cells` as rows of usage_event with `given`; every row stays, whatever is wrong with it.

    Needs the numbers' final form: `msisdn`, `destination`, `destination_country` and `destination_class`.
    """
    home = ", ".join(f"'{country}'" for country in facts.home_countries) or "NULL"
    only_group = f"'{facts.rating_groups[0]}'" if len(facts.rating_groups) == 1 else "NULL"
    has_number = "service IN ('voice', 'sms', 'mms')"
    return read.selectExpr(
        "* EXCEPT (call_type, zone_id, roaming_zone, roaming, rating_group, destination, destination_class)",
        "named_struct('zone_id', zone_id, 'roaming_zone', roaming_zone, 'call_type', call_type) AS given",
        "0L AS batch_no",
        "'file' AS source",
        "xxhash64('file', event_id) AS event_hash",
        "date_format(started_at, 'yyyy-MM') AS event_month",
        f"CASE WHEN {has_number} THEN destination END AS destination",
        f"CASE WHEN {has_number} THEN destination_class END AS destination_class",
        f"CASE WHEN service = 'data' THEN coalesce(rating_group, {only_group}) END AS rating_group",
        # A visited country or zone says it too.
        "coalesce(roaming, roaming_country IS NOT NULL OR coalesce(roaming_zone <> 'home', false)) AS roaming",
        f"""CASE WHEN NOT {has_number} OR destination_class <> 'e164' OR destination_country IS NULL THEN NULL
                 WHEN destination_country NOT IN ({home}) THEN 'international'
                 WHEN destination LIKE '+1%' AND left(msisdn, 5) = left(destination, 5) THEN 'local'
                 ELSE 'national' END AS call_type""",
    )


def with_class_and_country(read: DataFrame, countries: DataFrame) -> DataFrame:
    """Fill `destination_class` by the number's form and `destination_country` by its prefix, where the file has none.

    countries: bucket (E and three digits), lo, hi, country; disjoint, few.
    """
    padded = "CASE WHEN destination LIKE '+%' THEN try_cast(rpad(substr(destination, 2), 15, '0') AS BIGINT) END"
    known = F.broadcast(countries.selectExpr("bucket AS in_bucket", "lo", "hi", "country AS country_of_prefix"))
    numbered = read.selectExpr("*", f"{padded} AS called", "concat('E', substr(destination, 2, 3)) AS bucket")
    placed = numbered.join(known, F.expr("bucket = in_bucket AND lo <= called AND called < hi"), how="left")
    return placed.selectExpr(
        "* EXCEPT (destination_class, destination_country, called, bucket, in_bucket, lo, hi, country_of_prefix)",
        f"coalesce(destination_class, {CLASS_BY_FORM}) AS destination_class",
        "coalesce(destination_country, country_of_prefix) AS destination_country",
    )
