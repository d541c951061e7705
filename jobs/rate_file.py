"""Rate a CSV file of usage with the price book of a folder: no broker, no database, no lake."""

from __future__ import annotations

import argparse
import json
import sys
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.publish_pricebook import checked_book
from jobs.result_file import write_csv
from jobs.sheet_files import POSITION, Sheet, checked_sheet, read_lines
from tollgate.platform.answer_output import Output, output_from
from tollgate.platform.errors import TollgateError, UsageError
from tollgate.platform.job import add_common, main
from tollgate.platform.progress import remark, step
from tollgate.platform.settings import Settings
from tollgate.platform.spark import generate_code
from tollgate.rating import subscription_sheet as subscriptions
from tollgate.rating import usage_sheet
from tollgate.rating.rate import rate_events
from tollgate.rating.result_sheet import INVALID, PLACE, REASONS, RESULT, as_result, totals
from tollgate.rating.usage_sheet import SheetFacts
from tollgate.reference.frames import Reference
from tollgate.reference.numbering import country_prefixes
from tollgate.reference.prefix_intervals import disjoint_intervals
from tollgate.reference.pricebook_files import SourceBook

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

PARQUET = ".parquet"
HOME = "home"
MISTAKES_SHOWN = 10
COMPILED_FROM_BYTES = 16 << 20
# Everything that a row brings is in the file; there is no snapshot.
NO_REFERENCE = Reference(0, {})


def parser() -> argparse.ArgumentParser:
    """Arguments of the command."""
    found = argparse.ArgumentParser(
        prog="rate_file", description=__doc__, epilog="docs/rate_file.md says what each column means."
    )
    found.add_argument("--pricebook", metavar="DIR", help="folder of the price book (default: pricebook.dir)")
    found.add_argument("--usage", metavar="FILE.csv", required=True, help="the usage, an event a line")
    found.add_argument(
        "--out", metavar="FILE", required=True, help=f"the result: a CSV file, or a folder that ends in {PARQUET}"
    )
    found.add_argument("--subscriptions", metavar="FILE.csv", help="who holds a number, on which plan")
    found.add_argument(
        "--country", metavar="CC", help="numbers are as dialled in this country, and read by mediation's rules"
    )
    found.add_argument("--replace", action="store_true", help="replace what --out names")
    return add_common(found)


def check_before_spark(settings: Settings, args: argparse.Namespace) -> None:
    """Refuse files and a price book that cannot be used, and a result that is in the way."""
    _sheets(args)
    _output(settings, args)
    if args.country is not None:
        _refuse_unknown_country(args.country)
    checked_book(Path(args.pricebook or settings.pricebook.dir))


def run(spark: SparkSession, settings: Settings, args: argparse.Namespace) -> dict[str, Any]:
    """Write the result and return its figures: rows, rated, zero_rated, suspended by reason, invalid, charge, cost,
    margin, cost_unknown.

    TollgateError when rows were invalid, after the result was written and the figures were printed.
    """
    usage, held = _sheets(args)
    output = _output(settings, args)
    source = checked_book(Path(args.pricebook or settings.pricebook.dir))
    facts = facts_of(source)
    known = usage_sheet.usage_cells(facts, is_dialled=args.country is not None)
    for name, meant in usage.unknown(known).items():
        remark(f"column {name} is not known and goes through as it is" + (f"; is {meant} meant?" if meant else ""))
    holdings = None if held is None else _holdings(spark, held, facts)
    rated = rate_sheet(spark, usage, source, holdings, args.country)
    if usage.path.stat().st_size > COMPILED_FROM_BYTES:
        # On a laptop plans are interpreted, which is right for the rows of a short file.
        generate_code(spark)
    with step("rate the file"):
        counted = _write(as_result(rated, usage.columns), output)
    figures = _figures(counted, source)
    if figures[INVALID]:
        # A job that fails prints no summary, and this one has done all that it was asked for.
        print(json.dumps(figures, default=str, sort_keys=True), flush=True)
        raise TollgateError(
            f"{figures[INVALID]} of {figures['rows']} rows cannot be read; all others are in the result",
            where=str(usage.path), way_out=f"look for status {INVALID} in {output.out}: reason says what is wrong",
        )  # fmt: skip
    return figures


def facts_of(source: SourceBook) -> SheetFacts:
    """What of the book the cells are held against."""
    roaming = [(row["country"], row["roaming_zone"]) for row in source.rows["roaming_zone"]]
    return SheetFacts(
        time_zone=source.operator.zone.key,
        currency=source.operator.currency,
        zones=tuple(row["zone_id"] for row in source.rows["zone"]),
        roaming_zones=tuple(sorted({HOME, *(zone for _, zone in roaming)})),
        rating_groups=source.operator.rating_groups,
        home_countries=tuple(country for country, zone in roaming if zone == HOME),
    )


def rate_sheet(
    spark: SparkSession, usage: Sheet, source: SourceBook, holdings: DataFrame | None, country: str | None
) -> DataFrame:
    """Rows of rated_usage with `carried`, one a line of the file.

    holdings: of `disjoint_holdings`, None without subscriptions. country: where numbers were dialled, None for E.164.
    """
    from jobs.book_in_memory import book_in_memory

    facts = facts_of(source)
    cells = usage_sheet.usage_cells(facts, is_dialled=country is not None)
    lines = read_lines(spark, usage)
    lines = lines.selectExpr(f"struct({', '.join(f'c{n}' for n in range(len(usage.columns)))}) AS cells", "*")
    # The lines of a short file are one partition, and rating is the work.
    read = usage_sheet.read_cells(lines, cells, usage.place(cells), ("cells", POSITION)).repartition(POSITION)
    numbered = _as_dialled(spark, read, country) if country else read
    placed = usage_sheet.with_class_and_country(numbered, _countries(spark))
    owned = subscriptions.with_owner_of_sheet(usage_sheet.as_usage(placed, facts), holdings, facts.currency)
    invalid = "nullif(concat_ws('; ', mistakes), '')"
    carried = (
        f"named_struct('cells', cells, '{POSITION}', {POSITION}, 'invalid', {invalid}, 'is_ambiguous', is_ambiguous)"
    )
    events = owned.selectExpr(f"* EXCEPT (cells, {POSITION}, mistakes, is_ambiguous)", f"{carried} AS carried")
    return rate_events(events, book_in_memory(spark, source), NO_REFERENCE, 0)


def _sheets(args: argparse.Namespace) -> tuple[Sheet, Sheet | None]:
    usage = checked_sheet(args.usage, usage_sheet.REQUIRED, RESULT)
    held = checked_sheet(args.subscriptions, subscriptions.REQUIRED) if args.subscriptions else None
    return usage, held


def _output(settings: Settings, args: argparse.Namespace) -> Output:
    kind = "parquet" if args.out.rstrip("/").endswith(PARQUET) else "csv"
    chosen = argparse.Namespace(format=kind, out=args.out, replace=args.replace, limit=None)
    output = output_from(chosen, settings.lake.root)
    taken = [name for name in (args.usage, args.subscriptions) if name and _is_same(name, args.out)]
    if taken:
        raise UsageError("the result would replace a file that is read", where=args.out)
    return output


def _is_same(one: str, other: str) -> bool:
    return Path(one).resolve() == Path(other).resolve()


def _refuse_unknown_country(country: str) -> None:
    from tollgate.reference.dialling import dialling_rows

    if country not in {row.country for row in dialling_rows()}:
        raise UsageError(
            f"no numbering plan of country {country}", expected="an ISO country of two capital letters, as CA"
        )


def _countries(spark: SparkSession) -> DataFrame:
    """The country of each prefix as intervals of numbers."""
    from pyspark.sql.types import LongType, StringType, StructType

    from tollgate.platform.lake import few_rows

    schema = StructType().add("bucket", StringType()).add("lo", LongType()).add("hi", LongType())
    prefixes = country_prefixes()
    rows = [("E" + one.bucket, one.lo, one.hi, prefixes[one.prefix]) for one in disjoint_intervals(prefixes)]
    return few_rows(spark, rows, schema.add("country", StringType()))


def _as_dialled(spark: SparkSession, read: DataFrame, country: str) -> DataFrame:
    """Numbers in their final form by mediation's rules; what cannot be dialled there is one more mistake."""
    from pyspark.sql.types import StructType

    from tollgate.mediation.numbers import with_numbers
    from tollgate.platform.lake import contract, few_rows
    from tollgate.reference.dialling import dialling_rows
    from tollgate.reference.number_ranges import number_ranges

    with step("read the numbering plans"):
        dialling = few_rows(spark, dialling_rows(), StructType(contract("ref_dialling").fields[1:]))
        ranges = few_rows(spark, number_ranges(), StructType(contract("ref_number_range").fields[1:]))
    decided = ("msisdn", "destination", "destination_class", "destination_country")
    kept = [name for name in read.columns if name not in (*decided, "mistakes")]
    received = read.selectExpr(
        *kept, "msisdn AS msisdn_received", "destination AS destination_received", f"'{country}' AS source_country",
        "mistakes", "destination_class AS given_class", "destination_country AS given_country",
    )  # fmt: skip
    wrong = [
        f"""CASE WHEN {name} IS NULL AND {received} IS NOT NULL THEN concat(
                '{name}: expected a number that can be dialled in {country}, found "', {received}, '"') END"""
        for name, received in (("msisdn", "msisdn_received"), ("destination", "called_received"))
    ]
    return with_numbers(received, dialling, ranges).selectExpr(
        *kept, "msisdn", "destination", "coalesce(given_class, destination_class) AS destination_class",
        "coalesce(given_country, destination_country) AS destination_country",
        f"concat(mistakes, filter(array({', '.join(wrong)}), m -> m IS NOT NULL)) AS mistakes",
    )  # fmt: skip


def _holdings(spark: SparkSession, sheet: Sheet, facts: SheetFacts) -> DataFrame:
    """Who holds a number when; TollgateError with the first mistakes of the file."""
    cells = subscriptions.subscription_cells(facts.time_zone)
    read = usage_sheet.read_cells(read_lines(spark, sheet), cells, sheet.place(cells), ()).persist()
    with step("check the subscriptions"):
        found = subscriptions.subscription_mistakes(read).orderBy("mistake").take(MISTAKES_SHOWN + 1)
    if found:
        listed = "\n  ".join(row["mistake"] for row in found[:MISTAKES_SHOWN])
        more = "\n  and more" if len(found) > MISTAKES_SHOWN else ""
        raise TollgateError(f"the subscriptions cannot be used\n  {listed}{more}", where=str(sheet.path))
    return subscriptions.disjoint_holdings(read)


def _write(result: DataFrame, output: Output) -> dict[str, Any]:
    """Write the rows in the file's order and return what was counted on the way."""
    from pyspark.sql import Observation
    from pyspark.sql import functions as F

    from tollgate.platform.answer_parquet import write_parquet
    from tollgate.platform.answer_text import as_texts

    seen = Observation()
    counted = result.observe(seen, *(column.alias(name) for name, column in totals().items()))
    # One partition for one file; what is behind the shuffle is only the order.
    if output.format == "parquet":
        write_parquet(counted.repartition(1).sortWithinPartitions(*PLACE).drop(*PLACE), output)
    else:
        texts = as_texts(counted)
        *cells, split, place = texts.columns
        ordered = texts.repartition(1).sortWithinPartitions(*(F.col(name).cast("bigint") for name in (split, place)))
        named = ordered.select(*cells).toDF(*counted.columns[: len(cells)])
        write_csv(named, Path(str(output.out)).absolute())
    return dict(seen.get)


def _figures(counted: dict[str, Any], source: SourceBook) -> dict[str, Any]:
    suspended = {reason: counted.pop(f"suspended_{reason}") for reason in REASONS}
    amounts = {name: Decimal(counted.pop(name)) for name in ("charge", "cost", "margin")}
    return {
        **counted, "suspended": {reason: count for reason, count in suspended.items() if count}, **amounts,
        "currency": source.operator.currency, "digest": source.digest(),
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main(parser(), run, ready=check_before_spark))
