"""Say which cells differ between two price books: published versions, by number, or folders of CSV files."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import NamedTuple

from tollgate.platform.answer_output import standard_output
from tollgate.platform.errors import TollgateError, UsageError
from tollgate.platform.job import add_common, main_without_spark
from tollgate.platform.settings import Settings
from tollgate.reference.book_diff import Difference, differences
from tollgate.reference.pricebook_files import read_source_book

DIFFERENT = 1


class Book(NamedTuple):
    """A price book's rows by file, as text cells by column, and how it is called."""

    name: str
    rows: dict[str, list[dict[str, str]]]


def parser() -> argparse.ArgumentParser:
    """Arguments of the command."""
    found = argparse.ArgumentParser(
        prog="compare_pricebooks", description=__doc__,
        epilog="Ends with 0 when the books are equal, with 1 when they differ, as diff does.",
    )  # fmt: skip
    found.add_argument("old", metavar="OLD", help="a version, as 3, or a folder")
    found.add_argument("new", metavar="NEW", nargs="?", help="the same (default: the folder of pricebook.dir)")
    found.add_argument("--json", action="store_true", help="a JSON line a difference, as in a pipe")
    return add_common(found)


def run_cli(settings: Settings, args: argparse.Namespace) -> int:
    """Print every difference, and return 0 without any, else 1."""
    old, new = (_book(settings, name) for name in (args.old, args.new or settings.pricebook.dir))
    found = differences(old.rows, new.rows)
    with standard_output() as out:
        for line in _as_json(found) if args.json or not out.isatty() else _in_words(old, new, found):
            print(line, file=out)
    return DIFFERENT if found else 0


def _as_json(found: list[Difference]) -> list[str]:
    return [json.dumps(one._asdict(), ensure_ascii=False) for one in found]


def _in_words(old: Book, new: Book, found: list[Difference]) -> list[str]:
    count = f"{len(found)} difference{'s'[: len(found) != 1]}" if found else "no difference"
    return [*map(str, found), f"{count} between {old.name} and {new.name}"]


def _book(settings: Settings, name: str) -> Book:
    if name.isascii() and name.isdigit():
        return Book(f"version {name}", published_lines(settings, int(name)))
    return _of_folder(Path(name))


def _of_folder(folder: Path) -> Book:
    """The rows of a folder; TollgateError while it has cells that cannot be read, for such a row would seem removed."""
    if not folder.is_dir():
        raise UsageError(
            "no such folder", where=str(folder), expected="the number of a published version, or a folder of CSV files"
        )
    book, findings = read_source_book(folder)
    if book is None or findings:
        listed = "\n  ".join(map(str, findings))
        raise TollgateError(f"the price book cannot be read\n  {listed}", where=str(folder))
    return Book(str(folder), {file: [cells for _, cells in lines] for file, lines in book.raw.items()})


def published_lines(settings: Settings, version: int) -> dict[str, list[dict[str, str]]]:
    """The rows of a version by file, out of the catalog; TollgateError for one that is not there."""
    from tollgate.platform.postgres import connect, migrate

    migrate(settings)
    session = connect(settings)
    try:
        with session.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM catalog.price_book WHERE version = %s", (version,))
            is_published = cursor.fetchone() == (1,)
            cursor.execute(
                "SELECT file, cells FROM catalog.source_row WHERE version = %s ORDER BY file, line", (version,)
            )
            lines = cursor.fetchall()
    finally:
        session.close()
    if not lines:
        raise TollgateError(
            f"the lines of price book {version} were not kept" if is_published else f"no price book {version}",
            where="catalog.source_row",
            way_out="`tollgate pricebook list` tells the versions; a book published before its lines were kept can be "
            "compared from its folder",
        )
    rows: dict[str, list[dict[str, str]]] = {}
    for file, cells in lines:
        rows.setdefault(file, []).append(cells)
    return rows


if __name__ == "__main__":
    sys.exit(main_without_spark(parser(), run_cli))
