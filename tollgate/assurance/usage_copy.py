"""Copies of the accepted usage outside the lake: what they carry, what they add up to, which batches they lack."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass
from decimal import Decimal

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import LongType, StructField, StructType

from tollgate.assurance.conservation import NO_PART, Balance, Equation

# Constant in an accepted row, about another row, an index, or the month that the folder or partition says; and what
# says more of people or of the feed than a copy needs: numbers as received, where a telephone was, odd fields.
LEFT_OUT = {
    *("disposition", "reasons", "first_batch_no", "first_partition", "first_offset", "event_hash", "event_month"),
    *("msisdn_received", "destination_received", "cell_id", "cell_region", "unknown_fields", "retyped_fields"),
}
SHOWN = 5
TITLES = {"postgres": "PostgreSQL", "json": "JSON"}
NO_EXPORT = "no export"
# The columns that place an export's batches beside rows.
RANGE = StructType([StructField("from_no", LongType()), StructField("to_no", LongType())])


@dataclass(frozen=True, order=True)
class Batches:
    """The batches from_no to to_no, both included: what one export carries."""

    from_no: int
    to_no: int

    @property
    def name(self) -> str:
        """As folders and messages say it."""
        return f"{self.from_no}-{self.to_no}"


@dataclass(frozen=True)
class Figures:
    """What rows of accepted usage add up to; `contents` is a sum over all their columns, in any order of rows."""

    events: int = 0
    duration_s: int = 0
    volume_bytes: int = 0
    contents: int = 0

    @staticmethod
    def of(values: Iterable[Decimal | int | str]) -> Figures:
        """From the four totals, in this order."""
        return Figures(*(int(value) for value in values))


def copied(usage_event: StructType) -> StructType:
    """The fields of usage_event that a copy carries, in the contract's order."""
    return StructType([field for field in usage_event.fields if field.name not in LEFT_OUT])


def lacking(exported: Iterable[Batches], first_no: int, last_no: int) -> list[Batches]:
    """The ranges between first_no and last_no that no export has taken, ascending; exported ones do not overlap."""
    found, begin = [], first_no
    for done in sorted(exported):
        if begin < done.from_no and begin <= last_no:
            found.append(Batches(begin, min(done.from_no - 1, last_no)))
        begin = max(begin, done.to_no + 1)
    return [*found, Batches(begin, last_no)] if begin <= last_no else found


def totals(fields: StructType) -> list[str]:
    """SQL of the four `Figures` over rows with these fields."""
    parts = {"timestamp": "CAST(unix_micros({0}) AS STRING)", "array<string>": "array_join({0}, ',')"}
    text = _row_as_text(fields, parts, "CAST({0} AS STRING)")
    return [
        "count(*) AS events",
        "coalesce(sum(CAST(duration_s AS DECIMAL(20,0))), 0) AS duration_s",
        "coalesce(sum(CAST(volume_bytes AS DECIMAL(20,0))), 0) AS volume_bytes",
        f"coalesce(sum(CAST(conv(substr(md5({text}), 1, 15), 16, 10) AS DECIMAL(20,0))), 0) AS contents",
    ]


def totals_in_postgres(fields: StructType) -> str:
    """The same in the SQL of PostgreSQL, to the same numbers."""
    micros = "((extract(epoch FROM {0}) * 1000000)::bigint)::text"
    text = _row_as_text(fields, {"timestamp": micros, "array<string>": "array_to_string({0}, ',')"}, "{0}::text")
    return (
        "count(*) AS events, coalesce(sum(duration_s), 0) AS duration_s, "
        "coalesce(sum(volume_bytes), 0) AS volume_bytes, "
        f"coalesce(sum(('x' || substr(md5({text}), 1, 15))::bit(60)::bigint), 0) AS contents"
    )


def _row_as_text(fields: StructType, parts: Mapping[str, str], other: str) -> str:
    # What is NULL says nothing, so that a column which the contract gains changes no sum of older rows.
    values = [parts.get(field.dataType.simpleString(), other).format(field.name) for field in fields.fields]
    named = [f"'{field.name}=' || {value}" for field, value in zip(fields.fields, values, strict=True)]
    return f"concat_ws(chr(31), {', '.join(named)})"


def by_export(usage: DataFrame, fields: StructType, exports: DataFrame) -> DataFrame:
    """Figures of the usage by export: (from_no, to_no, events, duration_s, volume_bytes, contents); NULL, NULL for what
    is in none.

    exports: (from_no BIGINT, to_no BIGINT) that do not overlap. Batches are summed first, so that few rows meet them.
    """
    of_batch = usage.groupBy("batch_no").agg(*[F.expr(total) for total in totals(fields)])
    placed = of_batch.join(F.broadcast(exports), F.expr("batch_no BETWEEN from_no AND to_no"), how="left")
    names = ("events", "duration_s", "volume_bytes", "contents")
    return placed.groupBy("from_no", "to_no").agg(*[F.sum(name).alias(name) for name in names])


def equations(copy: str) -> tuple[Equation, ...]:
    """What must be equal between the lake and a copy; copy: `postgres` or `json`."""
    title = TITLES[copy]
    pairs = {"the records of exports": "recorded", "seconds": "seconds", "bytes": "bytes", "contents": "contents"}
    return (
        Equation(
            "copies", f"accepted is in {title} or not exported yet", (f"accepted_for_{copy}",),
            (f"events_in_{copy}", f"awaiting_{copy}"),
        ),
        *(
            Equation("copies", f"{what} in {title}", (f"{measure}_for_{copy}",), (f"{measure}_in_{copy}",))
            for what, measure in pairs.items()
        ),
    )  # fmt: skip


def facts(
    copy: str,
    recorded: Mapping[Batches, Figures],
    in_lake: Mapping[Batches | None, Figures],
    in_copy: Mapping[Batches | None, Figures],
) -> dict[tuple[str, str], Decimal]:
    """The measures of `equations`. Exports that agree stand together; one that does not is a part of its own.

    recorded: what each export said of itself; in_lake, in_copy: what is there now, under None outside every export.
    """
    parts: dict[str, list[tuple[Figures, Figures, Figures]]] = {NO_PART: []}
    for batches, said in recorded.items():
        three = in_lake.get(batches, Figures()), in_copy.get(batches, Figures()), said
        parts.setdefault(NO_PART if len(set(three)) == 1 else f"batches {batches.name}", []).append(three)
    if None in in_copy:
        parts[NO_EXPORT] = [(Figures(), in_copy[None], Figures())]
    waiting = in_lake.get(None, Figures()).events
    found: dict[tuple[str, str], Decimal] = {}
    for part, threes in parts.items():
        lake, there, said = (_sum(figures) for figures in zip(*threes, strict=True)) if threes else [Figures()] * 3
        still = waiting if part == NO_PART else 0
        values = {
            "accepted_for": lake.events + still, "events_in": there.events, "awaiting": still,
            "recorded_for": said.events, "recorded_in": there.events,
            "seconds_for": lake.duration_s, "seconds_in": there.duration_s,
            "bytes_for": lake.volume_bytes, "bytes_in": there.volume_bytes,
            "contents_for": lake.contents, "contents_in": there.contents,
        }  # fmt: skip
        found |= {(f"{name}_{copy}", part): Decimal(value) for name, value in values.items()}
    return found


def way_back(broken: Iterable[Balance]) -> list[str]:
    """The commands that make what differs again, at most SHOWN of them, for broken balances of `equations`."""
    of_copy = {equation: copy for copy in TITLES for equation in equations(copy)}
    commands = []
    for balance in broken:
        if balance.equation not in of_copy or not balance.part.startswith("batches "):
            continue
        from_no, _, to_no = balance.part.removeprefix("batches ").partition("-")
        to = of_copy[balance.equation]
        commands.append(f"tollgate export-usage --to {to} --again --from-batch {from_no} --to-batch {to_no}")
    return list(dict.fromkeys(commands))[:SHOWN]


def _sum(figures: Iterable[Figures]) -> Figures:
    return Figures(*(sum(values) for values in zip(*map(astuple, figures), strict=True)))
