"""Failures of disks, tables and brokers, told in words.

Spark, Delta and Hadoop wrap the cause deep inside exceptions of their own, where only the text is left.
"""

from __future__ import annotations

import re

from tollgate.platform.errors import TollgateError

# ENOSPC, EDQUOT and EFBIG as the operating system says them.
_FULL = ("No space left on device", "Disk quota exceeded", "File too large")
_DAMAGED = re.compile(
    r"DELTA_TRUNCATED_TRANSACTION_LOG|DELTA_STATE_RECOVER_ERROR|DELTA_VERSIONS_NOT_CONTIGUOUS|DELTA_LOG_FILE_NOT_FOUND"
    r"|FAILED_READ_FILE[.\w]*|MALFORMED_RECORD_IN_PARSING|ChecksumException|CRC checksum|is not a Parquet file"
)
_FILE = re.compile(r"file:/+[^\s'\"]+?(?=[.,:;]?(?:\s|$))|\w+://[^\s'\"]+?(?=[.,:;]?(?:\s|$))")
_CAUSE = re.compile(r"^(?:Caused by: |: )?([\w.$]*(?:kafka|Kafka)[\w.$]*(?:Exception|Error)\b.*)$", re.MULTILINE)
_RESTORE = (
    "run nothing on this lake; restore it, with the stream's checkpoint, from one backup; then run `tollgate reconcile`"
)
_TAKE_AWAY = (
    "the commits beside it hold the same, if none of them is missing: move this file and `_last_checkpoint` away "
    "and start again"
)


def in_words(error: BaseException) -> TollgateError | None:
    """A full disk or a damaged table as a person can act upon it; None when it is neither."""
    text = str(error)
    if any(said in text for said in _FULL):
        return TollgateError("the disk is full", way_out="free some space and run it again")
    damaged = _DAMAGED.search(text)
    if damaged is None:
        return None
    # The innermost text names the file; what stands around it names plans and code.
    places = [place for place in _FILE.findall(text) if place.endswith((".json", ".parquet", ".crc"))]
    place = places[0] if places else ""
    return TollgateError(
        "a table is damaged: a file of its log or of its rows is missing or cannot be read",
        where=place,
        found=damaged[0],
        way_out=_TAKE_AWAY if ".checkpoint" in place else _RESTORE,
    )


def of_kafka(error: BaseException) -> str | None:
    """What Kafka or Spark's source of it said, in one line; None when they said nothing."""
    found = _CAUSE.search(str(error))
    return found[1].strip()[:500] if found else None
