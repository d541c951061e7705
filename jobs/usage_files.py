"""Files of usage records, a JSON object a line, read line by line; and the Kafka key of a line."""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from tollgate.mediation.dialects import DIALECTS
from tollgate.mediation.dialects.native_json import NATIVE_JSON
from tollgate.platform.errors import TollgateError

ENDINGS = (".jsonl", ".jsonl.gz")
# What the brokers take in one record, its key and headers included, is a little more.
LONGEST_LINE = 1_000_000
# An id that is a number keeps its digits.
_RECORD = json.JSONDecoder(parse_int=str, parse_float=str)


@dataclass(frozen=True)
class UsageFile:
    """A file that was read to its end once. sha256, bytes: of its lines, decompressed."""

    path: Path
    sha256: str
    records: int
    bytes: int

    @property
    def name(self) -> str:
        """Without its folder; bytes that are no text are shown as question marks."""
        return self.path.name.encode("utf-8", "replace").decode()


def read_through(path: Path) -> UsageFile:
    """Count and digest a file; TollgateError when it cannot be read to its end or has a line no broker would take."""
    digest, records, size = hashlib.sha256(), 0, 0
    for line in lines(path):
        digest.update(line)
        records += 1
        size += len(line)
    return UsageFile(path, digest.hexdigest(), records, size)


def lines(path: Path) -> Iterator[bytes]:
    """The lines with their ends, one at a time; one that is blank counts too: mediation says what is wrong with it."""
    number = 0
    try:
        with _opened(path) as stream:
            while line := stream.readline(LONGEST_LINE + 2):
                number += 1
                if len(line.rstrip(b"\r\n")) > LONGEST_LINE:
                    raise TollgateError(
                        "this line is longer than what the brokers take", where=f"{path}:{number}",
                        expected=f"at most {LONGEST_LINE:,} bytes: one record a line", way_out="mend the file",
                    )  # fmt: skip
                yield line
    except (OSError, EOFError, zlib.error) as error:
        where = f"{path}, after line {number}" if number else str(path)
        told = getattr(error, "strerror", None) or str(error)
        raise TollgateError("the file cannot be read", where=where, found=told) from None


def key_of(line: bytes, source: str | None, dialects: Mapping[str, str]) -> bytes | None:
    """`source|event_id`, as mediation tells a record's source and keeps its copies in order; None where it is unknown.

    source: of the records that name none. dialects: source to dialect. Where a dialect has no id, or the record lacks
    it, the digest of the line stands for it, so that the source is known.
    """
    try:
        record = _RECORD.decode(line.decode())
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict):
        return None
    sender = _text(record.get("source")) or source
    if sender is None:
        return None
    id_field = _ID_FIELD.get(dialects.get(sender, NATIVE_JSON.name), "event_id")
    event_id = None if id_field is None else _text(record.get(id_field))
    if event_id is None and dialects.get(sender, NATIVE_JSON.name) == NATIVE_JSON.name:
        return None
    return f"{sender}|{event_id or hashlib.sha256(line.rstrip()).hexdigest()}".encode("utf-8", "surrogatepass")


def _opened(path: Path) -> BinaryIO:
    return cast("BinaryIO", gzip.open(path)) if path.name.endswith(".gz") else path.open("rb")


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value.strip() else None


def _id_field(columns: Mapping[str, str]) -> str | None:
    """The JSON field that is the event id, None in a dialect without one."""
    column = columns["event_id"]
    return column.removeprefix("json.").strip("`") if column.startswith("json.") else None


_ID_FIELD = {one.name: _id_field(one.columns) for one in DIALECTS}
