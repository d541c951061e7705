"""Put a carrier's rate table, a JSON file, into carrier_rate.csv of a price book; `publish_pricebook` publishes it."""

from __future__ import annotations

import argparse
import csv
import difflib
import io
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from tollgate.platform.errors import TollgateError
from tollgate.platform.job import add_common, main_without_spark
from tollgate.platform.settings import Settings
from tollgate.reference.carrier_table import TablePrice, read_carrier_table
from tollgate.reference.carrier_update import update_carrier_rates
from tollgate.reference.pricebook_checks import check_price_book
from tollgate.reference.pricebook_columns import COLUMNS
from tollgate.reference.pricebook_files import SourceBook, read_source_book

TARGET = "carrier_rate.csv"
PAGE = "docs/pricebook.md"


def parser() -> argparse.ArgumentParser:
    """Arguments of the command."""
    arguments = argparse.ArgumentParser(
        prog="import_carriers", description=__doc__, epilog=f"{PAGE}, 'Carrier tables', says what the file holds."
    )
    arguments.add_argument("file", metavar="FILE.json", help="the carrier table")
    arguments.add_argument("--pricebook", metavar="DIR", help="folder of the CSV files (default: pricebook.dir)")
    arguments.add_argument(
        "--from", dest="valid_from", metavar="TIME",
        help="valid from: a local date, or an instant with offset (default: valid_from of the table)",
    )  # fmt: skip
    arguments.add_argument(
        "--to", dest="valid_to", metavar="TIME",
        help="valid to, end excluded (default: valid_to of the table, else open)",
    )  # fmt: skip
    arguments.add_argument("--dry-run", action="store_true", help="show the lines that would change and write nothing")
    arguments.add_argument(
        "--replace", action="store_true",
        help="a price that is there gives way while the table's is valid, and keeps the rest",
    )  # fmt: skip
    return add_common(arguments)


def run_cli(settings: Settings, args: argparse.Namespace) -> dict[str, Any]:
    """Import one table, print what changed as one JSON line and return it; TollgateError with every finding."""
    folder = Path(args.pricebook or settings.pricebook.dir)
    book = _readable_book(folder)
    before = (folder / TARGET).read_bytes()
    prices = _checked_table(Path(args.file), book, args)
    update = update_carrier_rates(book, prices, replace=args.replace)
    if update.findings:
        _refuse(args.file, "carrier table", update.findings, "--replace lets the lines named end where these begin")
    changed = bool(update.added)
    after = _as_csv(before.decode(), update.lines).encode() if changed else before
    _check_result(folder, after)
    if args.dry_run:
        _print_changes(before.decode(), after.decode())
    elif changed:
        _replace_file(folder / TARGET, before, after)
    done = "holds these prices already" if not changed else "would change" if args.dry_run else "changed"
    summary = {
        "file": str(folder / TARGET), "added": update.added, "unchanged": update.unchanged,
        "shortened": update.shortened, "removed": update.removed, "written": changed and not args.dry_run,
        "message": f"{TARGET} {done}",
    }  # fmt: skip
    print(json.dumps(summary), flush=True)
    return summary


def _readable_book(folder: Path) -> SourceBook:
    book, findings = read_source_book(folder)
    if findings or book is None:
        _refuse(folder, "price book", findings, f"mend the lines named; {PAGE} says what each column means")
    return book


def _checked_table(file: Path, book: SourceBook, args: argparse.Namespace) -> list[TablePrice]:
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as problem:
        raise TollgateError(f"cannot read the carrier table: {problem.strerror}", where=str(file)) from None
    except UnicodeDecodeError as problem:
        found = f"byte {problem.object[problem.start]:#x} at {problem.start}"
        raise TollgateError("the carrier table is not text", expected="UTF-8", found=found, where=str(file)) from None
    prices, findings = read_carrier_table(text, book.operator, args.valid_from, args.valid_to)
    if findings:
        _refuse(file, "carrier table", findings, f"mend what is named; {PAGE} says what the table holds")
    return prices


def _check_result(folder: Path, after: bytes) -> None:
    """Check the whole book as it would be, beside the one that is there."""
    with tempfile.TemporaryDirectory() as place:
        for file in COLUMNS:
            if (folder / f"{file}.csv").exists():
                shutil.copyfile(folder / f"{file}.csv", Path(place) / f"{file}.csv")
        (Path(place) / TARGET).write_bytes(after)
        _, findings = check_price_book(Path(place))
    lines = after.decode().splitlines()
    # The line numbers are those of a file that nobody has.
    shown = [
        f"{finding}\n    {TARGET}:{finding.line} would be: {lines[finding.line - 1]}"
        if finding.file == TARGET and finding.line
        else str(finding)
        for finding in findings
    ]
    if shown:
        _refuse(folder, "price book as it would be", shown, "mend the table, its validity, or the lines of the book")


def _as_csv(before: str, lines: Sequence[dict[str, str]]) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, next(csv.reader(before.splitlines())), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return out.getvalue()


def _print_changes(before: str, after: str) -> None:
    for line in difflib.unified_diff(before.splitlines(), after.splitlines(), TARGET, TARGET, n=0, lineterm=""):
        print(line)


def _replace_file(target: Path, before: bytes, after: bytes) -> None:
    """Put the new text in the place of the old one, whole or not at all."""
    target = target.resolve()
    temporary = ""
    try:
        descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(after)
            stream.flush()
            os.fsync(stream.fileno())
        shutil.copymode(target, temporary)
        if target.read_bytes() != before:
            raise TollgateError("it was changed meanwhile", where=str(target), way_out="run the command again")
        os.replace(temporary, target)
    except OSError as problem:
        raise TollgateError(f"cannot be written: {problem.strerror}", where=str(target)) from None
    finally:
        with suppress(FileNotFoundError):
            os.unlink(temporary)


def _refuse(where: str | Path, noun: str, findings: Sequence[object], way_out: str) -> NoReturn:
    listed = "\n  ".join(str(finding) for finding in findings)
    count = f"{len(findings)} finding{'s'[: len(findings) != 1]}"
    raise TollgateError(f"the {noun} has {count}; nothing is written\n  {listed}", where=str(where), way_out=way_out)


if __name__ == "__main__":
    sys.exit(main_without_spark(parser(), run_cli))
