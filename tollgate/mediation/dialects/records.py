"""From bytes to received fields: one parse for all dialects, then the mapping of the record's own one."""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from tollgate.mediation.dialects import DIALECTS, json_text
from tollgate.mediation.dialects.dialect import RECEIVED, Dialect
from tollgate.mediation.dialects.native_json import NATIVE_JSON

MAX_PAYLOAD_BYTES = 65_536

FIELDS = tuple(dict.fromkeys(field for dialect in DIALECTS for field in dialect.fields))
RECORD = ", ".join(f"`{name}` STRING" for name in [*FIELDS, "_corrupt_record"])

# A fraction that is not a JSON string has gone through a binary double: its last digits are not what was sent.
INEXACT_VOLUME = r'"data_volume_mb"[-0-9]~[0-9]*[.eE]'
# What the steps read.
BYTES = ("record_key", "payload")
PARSED = ("json", "text", "is_plain", "is_parsed", "source_dialect")
ODD = ("field_names", "outline", "source_dialect")
# What is no JSON is refused, though the parser would read it.
STRICT = {"allowNonNumericNumbers": "false", "allowSingleQuotes": "false"}


def parsed(raw: DataFrame) -> DataFrame:
    """Parse the payloads of rows with the columns BYTES, in place of these: `json`, a STRUCT of all dialects' fields as
    STRING, NULL if unreadable.

    Adds `payload_bytes`, `is_utf8`, `is_too_deep`, `is_unsafe`, `is_parsed`, the `text` with
    `is_plain`, and `sender`: the source that the record names, else the part of its key before the bar. Nothing
    raises, and nothing is parsed that is too large, too deep, not one object or not safe text.
    """
    sized = raw.withColumn("payload_bytes", F.length("payload").cast("BIGINT"))
    written, is_sized = F.col("payload").cast("STRING"), F.col("payload_bytes").between(1, MAX_PAYLOAD_BYTES)
    plain = sized.withColumn("is_plain", is_sized & json_text.is_plain(written))
    # A plain text is ASCII: it needs no second look at its bytes.
    known = plain.withColumn("text", F.when(F.col("is_plain") | is_sized & F.is_valid_utf8(written), written))
    text = F.col("text")
    simple = known.withColumn("is_simple", F.col("is_plain") | json_text.is_simple(text))
    shaped = simple.withColumn("is_object", F.col("is_simple") | text.rlike(json_text.ONE_OBJECT)).withColumns(
        {
            "is_too_deep": ~F.col("is_object") & text.rlike(json_text.TOO_DEEP),
            "is_unsafe": F.col("is_object") & ~F.col("is_simple") & ~text.rlike(json_text.SAFE_TEXT),
        }
    )
    legible = F.when(F.col("is_object") & ~F.col("is_unsafe"), text)
    once = shaped.withColumn("json", F.from_json(legible, RECORD, STRICT))
    whole = once.withColumn("json", F.when(F.col("json._corrupt_record").isNull(), F.col("json")))
    key = F.col("record_key").cast("STRING")
    of_key = F.when(F.col("json").isNotNull() & key.contains("|"), F.substring_index(key, "|", 1))
    return whole.select(
        *[name for name in raw.columns if name not in BYTES],
        "payload_bytes",
        "text",
        "is_plain",
        F.col("text").isNotNull().alias("is_utf8"),
        "is_too_deep",
        "is_unsafe",
        F.col("json").isNotNull().alias("is_parsed"),
        F.coalesce(_given(F.col("json.source")), of_key).alias("sender"),
        "json",
    )


def digested(records: DataFrame) -> DataFrame:
    """Add `content_digest`, and `odd_text`: the text of a record with a field that is unknown, repeated or of another
    type, NULL in all others. `text` and `is_plain` go. records: with the columns PARSED.
    """
    digest = _by_dialect({dialect.name: _digest(dialect) for dialect in DIALECTS})
    # The text goes no further than here unless its fields have to be looked at: rows stay small.
    return (
        records.withColumn("spaces", json_text.spaces(F.col("text")))
        .withColumns(
            {
                "content_digest": F.when(F.col("is_parsed"), digest),
                "odd_text": F.when(F.col("is_parsed") & ~_is_usual(), F.col("text")),
            }
        )
        .drop("text", "is_plain", "spaces")
    )


def received(records: DataFrame) -> DataFrame:
    """The columns RECEIVED, STRING as sent and blank as NULL, and `content_digest`, in place of `json`, `text` and
    `is_plain`.

    Also `field_names`, ARRAY<STRING>, and the `outline` of an odd text; both are NULL without one. records: with the
    columns PARSED; a sender that is not registered, and has no `source_dialect`, is read as native.
    """
    columns = {
        name: _given(_by_dialect({one.name: F.expr(one.columns[name]) for one in DIALECTS if name in one.columns}))
        for name in RECEIVED
    }
    columns |= {
        "field_names": F.json_object_keys("odd_text"),
        "outline": json_text.outline(F.col("odd_text")),
    }
    return digested(records).withColumns(columns).drop("json", "odd_text")


def _is_usual() -> Column:
    """Whether the text holds what was read and nothing else, each of it as the type that is due."""
    due = _by_dialect({one.name: json_text.plain_length("json", one.fields, F.col("spaces")) for one in DIALECTS})
    return F.col("is_plain") & (F.octet_length("text") == due)


def with_odd_fields(records: DataFrame) -> DataFrame:
    """Add what the columns ODD show, in place of these. `is_ambiguous`: a field's name stands there twice or escaped;
    `unknown_fields`, `retyped_fields`: names of fields, ARRAY<STRING> or NULL; `is_retyped`, `is_read_as_text`: a field
    that must, or need not, have its JSON type has another one. `is_volume_exact`: the volume of the record itself, and
    not that of an object in it, is no fraction in JSON; true where nothing is odd, for all is text there.
    """
    outlined, names = F.col("outline"), F.col("field_names")
    is_roaming_text = _by_dialect({NATIVE_JSON.name: outlined.contains(f'"{json_text.TRUTH}"~')})
    not_truth = F.when(is_roaming_text, _array((json_text.TRUTH,))).otherwise(_array(()))
    texts = F.when(names.isNotNull(), _by_dialect({one.name: _array(one.texts) for one in DIALECTS}))
    minor = F.when(names.isNotNull(), _by_dialect({one.name: _array(one.minor) for one in DIALECTS}))
    known = _by_dialect({one.name: _array(one.fields) for one in DIALECTS})
    told = records.withColumns(
        {
            "unknown": F.array_except(names, known),
            "retyped": F.array_union(F.array_intersect(json_text.not_texts(outlined), texts), not_truth),
            "read_as_text": F.array_except(
                F.array_intersect(json_text.not_texts(outlined), minor), json_text.nested(outlined)
            ),
        }
    )
    return told.withColumns(
        {
            "is_ambiguous": (F.size(F.array_distinct("field_names")) < F.size("field_names"))
            | json_text.has_escaped_name(outlined),
            "unknown_fields": F.when(F.size("unknown") > 0, json_text.bounded(F.col("unknown"))),
            "is_read_as_text": F.size("read_as_text") > 0,
            "is_retyped": F.size("retyped") > F.size("read_as_text"),
            "retyped_fields": F.when(F.size("retyped") > 0, F.col("retyped")),
            "is_volume_exact": F.coalesce(~outlined.rlike(INEXACT_VOLUME), F.lit(True)),
        }
    ).drop(*ODD, "unknown", "retyped", "read_as_text")


def _array(names: tuple[str, ...]) -> Column:
    return F.array(*[F.lit(name) for name in names]).cast("ARRAY<STRING>")


def _by_dialect(values: Mapping[str, Column]) -> Column:
    """The value of the record's dialect, NULL in one without it. values: by the dialect's name, one at least."""
    spoken = F.coalesce("source_dialect", F.lit(NATIVE_JSON.name))
    (first, value), *others = values.items()
    chosen = F.when(spoken == first, value)
    for name, other in others:
        chosen = chosen.when(spoken == name, other)
    return chosen


def _given(value: Column) -> Column:
    return F.when(F.trim(value) != "", value)


def _digest(dialect: Dialect) -> Column:
    """SHA-256 over the fields as parsed, before normalisation; lengths keep fields apart, "-" is a missing one.

    An added field stands behind the others by its name, and not at all where it is missing.
    """
    pieces: list[Column] = []
    # One long concatenation: a text of its own for each field would be copied again.
    for at, field in enumerate(one for one in dialect.fields if one not in dialect.added):
        value = F.col(f"json.{field}")
        pieces += [F.lit(",")] if at else []
        pieces += [
            F.coalesce(F.length(value).cast("STRING"), F.lit("-")),
            F.when(value.isNull(), "").otherwise(":"),
            F.coalesce(value, F.lit("")),
        ]
    for field in dialect.added:
        value = _given(F.col(f"json.{field}"))
        named = F.concat(F.lit(f",{field}="), F.length(value).cast("STRING"), F.lit(":"), value)
        pieces.append(F.coalesce(named, F.lit("")))
    return F.sha2(F.concat(*pieces), 256)
