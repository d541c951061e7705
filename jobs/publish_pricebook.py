"""Check the CSV files of a price book and publish them as the next version: lake, then catalog, then the mark."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.compare_pricebooks import published_lines
from tollgate.platform.crash import crash_point
from tollgate.platform.errors import TollgateError
from tollgate.platform.job import add_common, guarded, main, settings_from
from tollgate.platform.progress import remark, step
from tollgate.platform.watching import lines_of
from tollgate.reference.book_diff import differences, reaching_back
from tollgate.reference.catalog_rows import CATALOG_COLUMNS, catalog_rows
from tollgate.reference.compiled_book import CompiledBook, compile_price_book
from tollgate.reference.frames import PRICE_TABLES
from tollgate.reference.price_ends import ends
from tollgate.reference.pricebook_checks import check_price_book
from tollgate.reference.pricebook_files import Finding, SourceBook
from tollgate.reference.time_zones import zones_known_to

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from tollgate.platform.lake import Lake
    from tollgate.platform.settings import Settings

# Written before the others: a number that stands here and has no mark belongs to an attempt that died.
FIRST_TABLE, *OTHER_TABLES = PRICE_TABLES
COMMITS_AT_ONCE = 4
MOST_SAID = 5


class _Parser(argparse.ArgumentParser):
    """Answers --check-only by itself and ends, as it does --help: a check needs neither Spark nor a database."""

    def parse_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]
        parsed = super().parse_args(args, namespace)
        if parsed.check_only:
            self.exit(guarded(lambda: _check(parsed), lines_of(parsed)))
        missing = [flag for flag, value in (("--author", parsed.author), ("--reason", parsed.reason)) if not value]
        if missing and not parsed.dry_run:
            self.error(f"the following arguments are required: {', '.join(missing)}")
        return parsed


def parser() -> argparse.ArgumentParser:
    """Arguments of the job."""
    arguments = _Parser(prog="publish_pricebook", description=__doc__)
    arguments.add_argument("--dir", help="folder of the CSV files (default: pricebook.dir of the settings)")
    arguments.add_argument("--author", help="who publishes")
    arguments.add_argument("--reason", help="why")
    mode = arguments.add_mutually_exclusive_group()
    mode.add_argument("--check-only", action="store_true", help="say every finding and publish nothing; without Spark")
    mode.add_argument("--dry-run", action="store_true", help="say what would be published and write nothing")
    return add_common(arguments)


def check_before_spark(settings: Settings, args: argparse.Namespace) -> None:
    """Refuse a book with a finding, and to publish while the database does not answer."""
    with step("check the book"):
        checked_book(_folder(settings, args))
    if not args.dry_run:
        from tollgate.platform.postgres import connect

        connect(settings).close()


def run(spark: SparkSession, settings: Settings, args: argparse.Namespace) -> dict[str, Any]:
    """Publish the book unless the newest version has the same digest; TollgateError with every finding."""
    from tollgate.platform.lake import Lake

    with step("check and compile the book"):
        source = checked_book(_folder(settings, args))
        book = compile_price_book(source)
    _refuse_unknown_zone(spark, book)
    for end in (found_ends := ends(source)):
        remark(f"{end}", level="warning")
    lake = Lake(spark, settings.lake.root)
    newest = lake.read("price_version").orderBy("pricebook_version", ascending=False).take(1)
    visible = int(newest[0]["pricebook_version"]) if newest else 0
    rows = sum(len(table) for table in book.tables.values())
    summary = {"digest": book.digest, "rows": rows, "amount_type": book.amount_type, "published": False}
    summary["ends_without_successor"] = [str(end) for end in found_ends]
    if newest and newest[0]["digest"] == book.digest:
        return {**summary, "pricebook_version": visible, "message": f"version {visible} is this very book"}
    version = _version(lake, book, visible)
    if visible:
        summary["changed_in_place"] = _changed_in_place(settings, source, visible)
    if args.dry_run:
        return {**summary, "pricebook_version": version, "message": f"would publish version {version}"}
    _write_tables(lake, book, version)
    crash_point("publish_pricebook.tables")
    with step("copy it to the catalog", pricebook_version=version):
        _write_catalog(settings, source, book, version, args)
    crash_point("publish_pricebook.catalog")
    _write_mark(lake, book, version, args)
    return {**summary, "published": True, "pricebook_version": version, "message": f"published version {version}"}


def _folder(settings: Settings, args: argparse.Namespace) -> Path:
    return Path(args.dir or settings.pricebook.dir)


def _check(args: argparse.Namespace) -> None:
    """Say every finding: in words to a person, as a JSON line each and one for the whole to whoever reads a pipe."""
    folder = _folder(settings_from(args), args)
    book, findings = check_price_book(folder)
    lines = 0 if book is None else sum(len(lines) for lines in book.raw.values())
    ending = [] if findings or book is None else ends(book)
    if not sys.stdout.isatty():
        for finding in findings:
            print(json.dumps(asdict(finding), ensure_ascii=False))
        told = {"lines": lines, "findings": len(findings), "ends_without_successor": [str(end) for end in ending]}
        print(json.dumps({"folder": str(folder), **told}, ensure_ascii=False), flush=True)
    _free_of_findings(folder, book, findings)
    for end in ending:
        remark(str(end), level="warning")
    if sys.stdout.isatty():
        print(f"{folder}: no finding in {lines} lines")


def checked_book(folder: Path) -> SourceBook:
    """The book of a folder; TollgateError with every finding."""
    return _free_of_findings(folder, *check_price_book(folder))


def _free_of_findings(folder: Path, book: SourceBook | None, findings: list[Finding]) -> SourceBook:
    if findings or book is None:
        listed = "\n  ".join(str(finding) for finding in findings)
        raise TollgateError(
            f"the price book has {len(findings)} finding{'s'[: len(findings) != 1]}; nothing is published\n  {listed}",
            where=str(folder),
            way_out="mend the lines named; docs/pricebook.md says what each column means",
        )
    return book


def _changed_in_place(settings: Settings, source: SourceBook, visible: int) -> list[str] | None:
    """What of the newest version's rows is changed or gone, which is warned of; None where its rows cannot be read."""
    try:
        old = published_lines(settings, visible)
    except TollgateError:
        return None
    new = {file: [cells for _, cells in lines] for file, lines in source.raw.items()}
    found = [str(one) for one in reaching_back(differences(old, new))]
    if found:
        more = f" and {len(found) - MOST_SAID} more" if len(found) > MOST_SAID else ""
        remark(
            f"{len(found)} cells or rows of version {visible} are changed in place: usage of their whole validity that"
            " is rated from now on gets the new ones, late usage too; what was rated keeps the old. To change a price"
            f" from a day on, end its row (valid_to) and add one. {'; '.join(found[:MOST_SAID])}{more}",
            level="warning",
        )
    return found


def _refuse_unknown_zone(spark: SparkSession, book: CompiledBook) -> None:
    if book.time_zone not in zones_known_to(spark):
        raise TollgateError(
            "this Java does not know the operator's time zone", where="operator.csv", found=book.time_zone,
            way_out="install a newer update of Java 17 or 21: its time zones are those of its release",
        )  # fmt: skip


def _version(lake: Lake, book: CompiledBook, visible: int) -> int:
    """The number to publish under: one that died half-way with this very book, else the next that no attempt used."""
    begun = lake.last_version(FIRST_TABLE, _app_id(book))
    if begun is not None and begun > visible:
        return begun
    used = lake.read(FIRST_TABLE).where(f"pricebook_version > {visible}").select("pricebook_version").distinct()
    return max([visible, *(row[0] for row in used.collect())]) + 1


def _write_tables(lake: Lake, book: CompiledBook, version: int) -> None:
    def write(table: str) -> str:
        rows = lake.frame(book.numbered(table, version), table)
        lake.append(rows.coalesce(1), table, _app_id(book), version)
        return table

    writing = step("write the book", total=len(PRICE_TABLES), unit="tables", pricebook_version=version)
    with writing as written, ThreadPoolExecutor(COMMITS_AT_ONCE) as pool:
        write(FIRST_TABLE)
        crash_point("publish_pricebook.begun")
        for done, _ in enumerate(pool.map(write, OTHER_TABLES), start=2):
            written.reach(done)
            crash_point("publish_pricebook.table")


def _write_catalog(
    settings: Settings, source: SourceBook, book: CompiledBook, version: int, args: argparse.Namespace
) -> None:
    from psycopg2.extras import execute_values

    from tollgate.platform.postgres import connect, migrate

    migrate(settings)
    session = connect(settings)
    try:
        with session, session.cursor() as cursor:
            # An attempt that died after this step left its copy; the same number is this same book.
            cursor.execute("DELETE FROM catalog.price_book WHERE version = %s", (version,))
            cursor.execute(
                "INSERT INTO catalog.price_book (version, digest, name, currency, time_zone, author, reason)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s)",
                (version, book.digest, book.name, book.currency, book.time_zone, args.author, args.reason),
            )
            for table, columns in CATALOG_COLUMNS.items():
                rows = [(version, *row) for row in catalog_rows(source, table)]
                if rows:
                    insert = f"INSERT INTO catalog.{table} (version, {', '.join(columns)}) VALUES %s"
                    execute_values(cursor, insert, rows)
            lines = [(version, file, line, json.dumps(cells)) for file, of in source.raw.items() for line, cells in of]
            execute_values(cursor, "INSERT INTO catalog.source_row (version, file, line, cells) VALUES %s", lines)
    finally:
        session.close()


def _write_mark(lake: Lake, book: CompiledBook, version: int, args: argparse.Namespace) -> None:
    mark = (
        version, book.digest, args.author, args.reason, book.name, book.currency, book.time_zone,
        book.factor_den, book.discount_den, book.band_slots, book.amount_type, book.segment_slots, book.features,
        book.rate_values, datetime.now(timezone.utc), book.destination_digits, book.allowance_slots,
        book.money_slots,
    )  # fmt: skip
    row = lake.frame([mark], "price_version")
    lake.append(row, "price_version", "publish_pricebook", version)


def _app_id(book: CompiledBook) -> str:
    return f"publish_pricebook/{book.digest}"


if __name__ == "__main__":
    sys.exit(main(parser(), run, ready=check_before_spark))
