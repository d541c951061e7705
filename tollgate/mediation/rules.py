"""The rule table: what sets a record aside and what only marks it. A new kind of bad record is one line here."""

from __future__ import annotations

from typing import NamedTuple

from pyspark.sql import DataFrame

from tollgate.mediation.balance import UNREADABLE_ARRIVAL
from tollgate.mediation.dialects.dialect import RECEIVED
from tollgate.mediation.dialects.json_text import MAX_DEPTH
from tollgate.mediation.dialects.records import MAX_PAYLOAD_BYTES
from tollgate.mediation.named import names_of

RULE_VERSION = 5
QUARANTINE, FLAG = "quarantine", "flag"
ID_CONFLICT, IN_FUTURE = "ID_CONFLICT", "IN_FUTURE"

MAX_DURATION_S = 86_400
MAX_VOLUME_BYTES = 1_099_511_627_776
LONG_CALL_S = 14_400
DURATION_TOLERANCE_S = 5
LATE_AFTER_S = 86_400
CLOCK_AHEAD_S = 300
MAX_ID_BYTES, MAX_FIELD_BYTES = 128, 256
# Later ones are kept as this one: clients can read no further, and a day after it is still in the calendar.
LATEST_ARRIVAL = "TIMESTAMP '9999-12-30 00:00:00'"


class Rule(NamedTuple):
    """One line of the table. condition: SQL over the received and normalised columns; NULL counts as false.

    since: the rule version that brought it. An empty condition is decided elsewhere (identity.py).
    """

    severity: str
    since: int
    code: str
    condition: str
    meaning: str


_TEXTS = ", ".join(f"octet_length({name})" for name in ("source", *RECEIVED))
_LONG_FIELD = f"octet_length(event_id) > {MAX_ID_BYTES} OR greatest({_TEXTS}) > {MAX_FIELD_BYTES}"
# Which country would read it is not known, so nobody can say that it is none.
_UNREAD = "source_country IS NULL AND {0} RLIKE '^[0-9]+\\\\z'"
_TOLERANCE_MICROS = DURATION_TOLERANCE_S * 1_000_000
_CARRIED = "service IN ('voice', 'sms', 'mms') AND NOT roaming"

# Reasons and flags of a record stand in the order of this table.
# fmt: off
RULES = (
    Rule(QUARANTINE, 5, UNREADABLE_ARRIVAL, f"arrived_at >= {LATEST_ARRIVAL}",
         "stamped with an arrival after the year 9999: its producer counts in another unit than milliseconds"),
    Rule(QUARANTINE, 1, "PAYLOAD_MISSING", "coalesce(payload_bytes, 0) = 0",
         "no bytes: a tombstone or an empty record"),
    Rule(QUARANTINE, 1, "PAYLOAD_TOO_LARGE", f"payload_bytes > {MAX_PAYLOAD_BYTES}",
         f"more than {MAX_PAYLOAD_BYTES:,} bytes; not read"),
    Rule(QUARANTINE, 1, "PAYLOAD_NOT_UTF8", f"payload_bytes BETWEEN 1 AND {MAX_PAYLOAD_BYTES} AND NOT is_utf8",
         "the bytes are no UTF-8 text"),
    Rule(QUARANTINE, 3, "PAYLOAD_TOO_DEEP", "is_too_deep", f"more than {MAX_DEPTH} objects and arrays in each other"),
    Rule(QUARANTINE, 3, "PAYLOAD_UNSAFE_TEXT", "is_unsafe",
         "an escaped NUL or other control character in a text, or half of a surrogate pair"),
    Rule(QUARANTINE, 1, "PAYLOAD_UNPARSEABLE",
         "is_utf8 AND NOT is_parsed AND NOT is_too_deep AND NOT is_unsafe",
         "the text is not one JSON object"),
    Rule(QUARANTINE, 3, "FIELD_AMBIGUOUS", "is_ambiguous",
         "a field is given twice, or its name is written with an escape: two readers may disagree"),
    Rule(QUARANTINE, 3, "FIELD_RETYPED", "is_retyped",
         "a field of another JSON type than its dialect says, or an object or array in its place; `retyped_fields`"),
    Rule(QUARANTINE, 3, "FIELD_TOO_LONG", _LONG_FIELD,
         f"an event id over {MAX_ID_BYTES} bytes, or another field over {MAX_FIELD_BYTES}"),
    Rule(QUARANTINE, 1, "EVENT_ID_MISSING", "is_parsed AND event_id IS NULL", "no event id"),
    Rule(QUARANTINE, 1, "SOURCE_MISSING", "is_parsed AND source IS NULL", "no source"),
    Rule(QUARANTINE, 1, "SOURCE_UNKNOWN", "source IS NOT NULL AND source_country IS NULL",
         "the source is not registered"),
    Rule(QUARANTINE, 1, "SERVICE_MISSING", "is_parsed AND service IS NULL", "no service type"),
    Rule(QUARANTINE, 1, "SERVICE_UNKNOWN", "service NOT IN ('voice', 'sms', 'mms', 'data')",
         "a service type that is not sold"),
    Rule(QUARANTINE, 1, "START_MISSING", "is_parsed AND start_received IS NULL", "no start time"),
    Rule(QUARANTINE, 1, "START_MALFORMED", "start_received IS NOT NULL AND started_at IS NULL",
         "the start is no ISO-8601 time"),
    Rule(QUARANTINE, 1, "END_MALFORMED", "end_received IS NOT NULL AND ended_at IS NULL",
         "the end is no ISO-8601 time"),
    Rule(QUARANTINE, 1, "MSISDN_MISSING", "is_parsed AND msisdn_received IS NULL", "no served number"),
    Rule(QUARANTINE, 1, "MSISDN_MALFORMED",
         f"msisdn_received IS NOT NULL AND msisdn IS NULL AND NOT ({_UNREAD.format('msisdn_received')})",
         "the served number is no possible number of any country"),
    Rule(QUARANTINE, 1, "DESTINATION_MISSING", "service IN ('voice', 'sms', 'mms') AND destination_received IS NULL",
         "a call or message to nobody"),
    Rule(QUARANTINE, 1, "DESTINATION_MALFORMED",
         f"called_received IS NOT NULL AND destination IS NULL AND NOT ({_UNREAD.format('called_received')})",
         "the called number is no short code and no possible number of any country"),
    Rule(QUARANTINE, 1, "DURATION_MISSING", "service = 'voice' AND duration_received IS NULL",
         "a call without a duration"),
    Rule(QUARANTINE, 1, "DURATION_MALFORMED", "NOT is_duration_form",
         "the duration is no whole number of seconds; minus zero is none"),
    Rule(QUARANTINE, 1, "DURATION_NEGATIVE", "duration_s < 0 OR is_duration_beyond AND duration_received LIKE '-%'",
         "below 0 s"),
    Rule(QUARANTINE, 1, "DURATION_TOO_LONG",
         f"duration_s > {MAX_DURATION_S} OR is_duration_beyond AND duration_received NOT LIKE '-%'",
         f"a call or session over {MAX_DURATION_S:,} s"),
    Rule(QUARANTINE, 1, "VOLUME_MISSING", "service = 'data' AND volume_received IS NULL", "data without a volume"),
    Rule(QUARANTINE, 1, "VOLUME_MALFORMED", "NOT is_volume_form",
         "the volume is no decimal number of megabytes with up to six places, or a JSON fraction in place of a string"),
    Rule(QUARANTINE, 1, "VOLUME_NEGATIVE", "volume_bytes < 0 OR is_volume_beyond AND volume_received LIKE '-%'",
         "below 0 bytes"),
    Rule(QUARANTINE, 1, "VOLUME_TOO_LARGE",
         f"volume_bytes > {MAX_VOLUME_BYTES} OR is_volume_beyond AND volume_received NOT LIKE '-%'", "over 1 TiB"),
    Rule(QUARANTINE, 1, "ROAMING_MALFORMED", "is_parsed AND roaming IS NULL",
         "roaming is neither true nor false: at home and abroad have different prices"),
    Rule(QUARANTINE, 4, "DIRECTION_UNKNOWN",
         "coalesce(service, '') <> 'data' AND direction_received IS NOT NULL AND direction IS NULL",
         "a call or message whose direction is no name of out or in: made and received may have different prices"),
    Rule(QUARANTINE, 1, "END_BEFORE_START", "ended_at < started_at", "ends before it starts"),
    Rule(QUARANTINE, 1, IN_FUTURE, "started_at > arrived_at + INTERVAL 24 HOURS",
         "starts more than 24 h after its arrival; held, and released when its time has come"),
    Rule(QUARANTINE, 1, "START_TOO_OLD", "started_at < TIMESTAMP '2000-01-01 00:00:00'", "starts before the year 2000"),
    Rule(QUARANTINE, 1, ID_CONFLICT, "",
         "an accepted event of the same month has this source and event id with other content; first_* point to it"),
    Rule(FLAG, 3, "FIELD_UNKNOWN", "unknown_fields IS NOT NULL",
         "a field that the dialect does not have; its name is in `unknown_fields`, its value in the payload"),
    Rule(FLAG, 3, "FIELD_READ_AS_TEXT", "is_read_as_text",
         "a number or truth value in place of a text, in a field whose text says the same; `retyped_fields`"),
    Rule(FLAG, 3, "TIME_AMBIGUOUS", "is_time_ambiguous",
         "a time without an offset in the hour that the clocks repeat: its first reading, for an end the first after"
         " the start"),
    Rule(FLAG, 3, "TIME_NONEXISTENT", "is_time_nonexistent",
         "a time without an offset in the hour that the clocks skip: read by the offset before it"),
    Rule(FLAG, 1, "CELL_MISSING", "is_parsed AND cell_id IS NULL", "no serving cell"),
    Rule(FLAG, 1, "CELL_UNKNOWN", "cell_id IS NOT NULL AND cell_region IS NULL AND NOT roaming",
         "a cell at home that is not registered"),
    Rule(FLAG, 1, "TECHNOLOGY_MISSING", "is_parsed AND technology_received IS NULL", "no radio technology"),
    Rule(FLAG, 1, "TECHNOLOGY_UNKNOWN", "technology_received IS NOT NULL AND technology IS NULL",
         "no known name of 2G to 5G or of a fixed line"),
    Rule(FLAG, 4, "DIRECTION_OF_DATA",
         "service = 'data' AND direction_received IS NOT NULL AND coalesce(direction, '') <> 'out'",
         "data with another direction than out; data is priced as out"),
    Rule(FLAG, 1, "CARRIER_MISSING", f"{_CARRIED} AND carrier_id IS NULL",
         "a call or message at home without an interconnect carrier"),
    Rule(FLAG, 1, "CARRIER_UNKNOWN", f"{_CARRIED} AND carrier_id IS NOT NULL AND is_carrier_known IS NULL",
         "a carrier that is not registered"),
    Rule(FLAG, 1, "OUTCOME_MISSING", "service = 'voice' AND call_outcome_received IS NULL",
         "a call without an outcome"),
    Rule(FLAG, 1, "OUTCOME_UNKNOWN", "call_outcome_received IS NOT NULL AND call_outcome IS NULL",
         "an outcome of another list; kept as not given"),
    Rule(FLAG, 1, "CALL_TYPE_MISMATCH", "lower(call_type_given) <> call_type",
         "the given call type disagrees with the two numbers; the derived one counts"),
    Rule(FLAG, 2, "COUNTRY_MISMATCH", "upper(country_given) <> destination_country",
         "the given country is not that of the called number; the derived one counts"),
    Rule(FLAG, 1, "DURATION_MISMATCH",
         # Beyond what a BIGINT holds it is not compared: the duration is refused as too long or negative.
         "duration_received IS NOT NULL AND try_subtract(unix_micros(ended_at) - unix_micros(started_at),"
         f" try_multiply(duration_s, 1000000)) NOT BETWEEN {-_TOLERANCE_MICROS} AND {_TOLERANCE_MICROS}",
         f"end minus start is more than {DURATION_TOLERANCE_S} s off the duration"),
    Rule(FLAG, 1, "LONG_CALL", f"service = 'voice' AND duration_s > {LONG_CALL_S}", f"a call over {LONG_CALL_S:,} s"),
    Rule(FLAG, 1, "CALLER_EQUALS_CALLED", "msisdn = destination", "the served number called itself"),
    Rule(FLAG, 1, "LATE", f"lateness_s > {LATE_AFTER_S}", f"arrived more than {LATE_AFTER_S:,} s after its end"),
    Rule(FLAG, 3, "CLOCK_AHEAD", f"lateness_s < -{CLOCK_AHEAD_S}",
         f"ended more than {CLOCK_AHEAD_S} s after its arrival: the clock of the source is ahead"),
    Rule(FLAG, 1, "ROAMING_COUNTRY_MISSING", "roaming AND roaming_country IS NULL",
         "roaming without the visited country"),
    Rule(FLAG, 1, "COUNTRY_UNKNOWN",
         "msisdn IS NOT NULL AND msisdn_country IS NULL OR destination_class = 'e164' AND destination_country IS NULL",
         "a number under no assigned prefix"),
    Rule(FLAG, 3, "MSISDN_UNASSIGNED", "msisdn_kind = 'unassigned' AND msisdn_country IS NOT NULL",
         "the served number has a length of its country and lies in no range that is assigned"),
    Rule(FLAG, 3, "DESTINATION_UNASSIGNED", "destination_kind = 'unassigned' AND destination_country IS NOT NULL",
         "the called number has a length of its country and lies in no range that is assigned"),
    Rule(FLAG, 1, "RATING_GROUP_DEFAULTED", "is_group_defaulted", "data without a rating group; taken as web"),
)
# fmt: on

# Code, condition, meaning of each change of form.
REPAIRS = (
    ("MSISDN_NORMALISED", "msisdn <> msisdn_received", "the served number was brought to E.164"),
    ("DESTINATION_NORMALISED", "destination <> called_received", "the called number was brought to E.164"),
    ("MSISDN_EXTENSION_CUT", "msisdn IS NOT NULL AND is_msisdn_extended", "an extension was cut off the served number"),
    (
        "DESTINATION_EXTENSION_CUT",
        "destination IS NOT NULL AND is_called_extended",
        "an extension was cut off the called number",
    ),
    (
        "TECHNOLOGY_ALIAS",
        "technology <> technology_received",
        "a name of the network was mapped to its generation, or to FIXED",
    ),
    ("OUTCOME_ALIAS", "call_outcome <> call_outcome_received", "an outcome in other letters was brought to the list's"),
    ("DIRECTION_ALIAS", "direction <> direction_received", "another name of the direction was mapped to out or in"),
)


def with_findings(records: DataFrame) -> DataFrame:
    """Add `reasons`, `flags`, `repairs`, ARRAY<STRING> in table order."""
    return records.withColumns(
        {
            "reasons": names_of([(rule.code, rule.condition) for rule in _judged(QUARANTINE)]),
            "flags": names_of([(rule.code, rule.condition) for rule in _judged(FLAG)]),
            "repairs": names_of([(code, condition) for code, condition, _ in REPAIRS]),
        }
    )


def _judged(severity: str) -> list[Rule]:
    return [rule for rule in RULES if rule.severity == severity and rule.condition]


def documented() -> str:
    """The rule table as the Markdown of docs/mediation.md."""
    lines = ["| code | severity | since | meaning |", "|---|---|---|---|"]
    lines += [f"| {rule.code} | {rule.severity} | {rule.since} | {rule.meaning} |" for rule in RULES]
    lines += ["", "| repair | meaning |", "|---|---|"]
    lines += [f"| {code} | {meaning} |" for code, _, meaning in REPAIRS]
    return "\n".join(lines) + "\n"
